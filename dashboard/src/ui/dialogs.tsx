import { useEffect, useId, useRef, useState, useSyncExternalStore, type ReactNode } from "react";
import { getToken, isTokenWanted, onToken, setToken, setTokenWanted } from "../api/token";

export function Dialog({ title, open, onClose, children }: { title: string; open: boolean; onClose: () => void; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    if (!element) return;
    if (open && !element.open) {
      element.showModal();
      element.querySelector("input")?.focus();
    }
    if (!open && element.open) element.close();
  }, [open]);
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={onClose}>
      {open && (
        <div className="inside">
          <div className="row spread">
            <h2 id={id}>{title}</h2>
            <button type="button" className="btn quiet slim" onClick={onClose}>
              Close
            </button>
          </div>
          {children}
        </div>
      )}
    </dialog>
  );
}

const mac = /mac|iphone|ipad/i.test(navigator.userAgent);
export const CONTROL = mac ? "⌘" : "Ctrl";

export function Keys({ keys }: { keys: readonly string[] }) {
  return (
    <span className="kbds">
      {keys.map((key) => (
        <kbd key={key}>{key}</kbd>
      ))}
    </span>
  );
}

const SHORTCUTS: readonly (readonly [keys: readonly string[], text: string])[] = [
  [[CONTROL, "Enter"], "Arena: step with your fix. Sandbox: run the code."],
  [[CONTROL, "Shift", "Enter"], "Arena: ask for an AI fix."],
  [["Esc"], "Leave the editor, to the button that submits it."],
  [["Tab"], "In an editor: indent. After Esc it moves on."],
  [["/"], "Arena: search the tasks."],
  [["↑", "↓"], "In the list of tasks: go to the one before or after. Home and End: to the first and last."],
  [["?"], "This list."],
];

export function ShortcutsDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog title="Keyboard shortcuts" open={open} onClose={onClose}>
      <dl className="keys">
        {SHORTCUTS.map(([keys, text]) => (
          <div key={text} style={{ display: "contents" }}>
            <dt>
              <Keys keys={keys} />
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

/** Asks for the access token when the gateway wants one. */
export function TokenDialog({ onSaved }: { onSaved: () => void }) {
  const wanted = useSyncExternalStore(onToken, isTokenWanted);
  return (
    <Dialog title="Access token" open={wanted} onClose={() => setTokenWanted(false)}>
      <TokenForm onSaved={onSaved} />
    </Dialog>
  );
}

function TokenForm({ onSaved }: { onSaved: () => void }) {
  const [value, setValue] = useState(getToken());
  const refused = getToken() !== "";
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        setToken(value);
        onSaved();
      }}
    >
      <p className="muted">
        {refused
          ? "The gateway did not take the token of this tab. Enter another one."
          : "This gateway is protected. Ask whoever runs it for the token; it is kept for this tab only."}
      </p>
      <label className="field">
        <span>Token</span>
        <input className="input mono" type="password" autoComplete="off" value={value} onChange={(event) => setValue(event.target.value)} />
      </label>
      <div className="row">
        <button type="submit" className="btn primary" disabled={!value.trim()}>
          Use this token
        </button>
      </div>
    </form>
  );
}
