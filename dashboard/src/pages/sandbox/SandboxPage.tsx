import { useEffect, useRef, useState } from "react";
import { runCode } from "../../api/client";
import { describeError, isAbort } from "../../api/errors";
import { withRetry, type Waiting } from "../../api/retry";
import type { RunResult } from "../../api/types";
import { bytes, plainText, seconds, words } from "../../lib/format";
import { CONTROL, Keys } from "../../ui/dialogs";
import { announce } from "../../ui/announce";
import { LazyCodeEditor } from "../../ui/editor/LazyCodeEditor";
import { Icon } from "../../ui/icons";
import { Badge, Notice, Outcome, Panel } from "../../ui/pieces";
import "./sandbox.css";

const EXAMPLE = `import sys

numbers = [int(word) for word in sys.stdin.read().split()]
print("sum:", sum(numbers))
`;
const CODE = "codearena.sandbox.code";
const STDIN = "codearena.sandbox.stdin";

function stored(key: string, fallback: string): string {
  try {
    return sessionStorage.getItem(key) ?? fallback;
  } catch {
    return fallback;
  }
}

function useStored(key: string, fallback: string): [string, (value: string) => void] {
  const [value, setValue] = useState(() => stored(key, fallback));
  const set = (next: string) => {
    setValue(next);
    try {
      sessionStorage.setItem(key, next);
    } catch {
      // It lasts as long as the page.
    }
  };
  return [value, set];
}

export default function SandboxPage() {
  const [code, setCode] = useStored(CODE, EXAMPLE);
  const [stdin, setStdin] = useStored(STDIN, "1 2 3\n");
  const [result, setResult] = useState<RunResult | null>(null);
  const [running, setRunning] = useState(false);
  const [waiting, setWaiting] = useState<Waiting | null>(null);
  const [error, setError] = useState<unknown>(null);
  const action = useRef<AbortController | null>(null);
  const button = useRef<HTMLButtonElement>(null);

  useEffect(
    () => () => {
      action.current?.abort();
      action.current = null;
    },
    [],
  );

  const run = () => {
    if (action.current || !code.trim()) return;
    const controller = new AbortController();
    action.current = controller;
    const { signal } = controller;
    setRunning(true);
    setError(null);
    withRetry(() => runCode(code, stdin, signal), { signal, attempts: 4, onWait: setWaiting, onAttempt: () => setWaiting(null) })
      .then(
        (answer) => {
          if (action.current !== controller) return;
          setResult(answer);
          announce(`The program ended: ${words(answer.outcome)}.`);
        },
        (failure: unknown) => {
          if (action.current === controller && !isAbort(failure)) setError(failure);
        },
      )
      .finally(() => {
        if (action.current !== controller) return;
        action.current = null;
        setRunning(false);
        setWaiting(null);
      });
  };

  const stop = () => {
    action.current?.abort();
    action.current = null;
    setRunning(false);
    setWaiting(null);
  };

  return (
    <>
      <header className="pagehead">
        <div>
          <h1 tabIndex={-1}>Sandbox</h1>
          <p>Runs any Python program in a fresh sandbox: no network, no files of the host, limits on time and memory.</p>
        </div>
      </header>
      <div className="sandbox">
        <section className="panel" aria-label="Program">
          <header>
            <h2>Program</h2>
            <div className="row">
              {running && (
                <button type="button" className="btn danger slim" onClick={stop}>
                  <Icon name="stop" size={13} /> Stop waiting
                </button>
              )}
              <button ref={button} type="button" className="btn primary" disabled={running || !code.trim()} onClick={run} data-testid="run-button">
                <Icon name="play" size={14} /> {running ? "Running…" : "Run"} <Keys keys={[CONTROL, "Enter"]} />
              </button>
            </div>
          </header>
          <LazyCodeEditor label="Program" value={code} onChange={setCode} onSubmit={run} onEscape={() => button.current?.focus()} />
          <div className="stdin">
            <label className="field">
              <span>Standard input</span>
              <textarea
                className="textarea"
                rows={4}
                spellCheck={false}
                value={stdin}
                onChange={(event) => setStdin(event.target.value)}
                onKeyDown={(event) => {
                  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) run();
                }}
                placeholder="What the program reads from stdin"
              />
            </label>
          </div>
        </section>
        <div className="stack">
          {waiting && (
            <Notice tone="warn">
              <Icon name="warn" />
              <span className="grow">
                {waiting.reason} It is run again in {waiting.seconds.toFixed(1)} s (try {waiting.attempt} of {waiting.attempts}).
              </span>
            </Notice>
          )}
          {error !== null && (
            <div role="alert">
              <Notice tone="fail">
                <Icon name="warn" />
                <span className="grow">{describeError(error)}</span>
                <button type="button" className="btn slim" onClick={run}>
                  Try again
                </button>
              </Notice>
            </div>
          )}
          <Panel title="Result" aside={result && <Outcome outcome={result.outcome} />}>
            {result ? <Facts result={result} /> : <p className="muted">Run the program to see its output, and what it cost.</p>}
          </Panel>
          <Panel title="Standard output" flush>
            <pre className="terminal" role="region" aria-label="What the program printed" tabIndex={0} data-testid="stdout">
              {result ? result.stdout || <span className="dim">(empty)</span> : <span className="dim">Nothing yet.</span>}
            </pre>
          </Panel>
          {(!result || result.stderr) && (
            <Panel title="Standard error" flush>
              <pre className="terminal" role="region" aria-label="What the program printed to stderr" tabIndex={0} data-testid="stderr">
                {result ? plainText(result.stderr) : <span className="dim">Nothing yet.</span>}
              </pre>
            </Panel>
          )}
        </div>
      </div>
    </>
  );
}

function Facts({ result }: { result: RunResult }) {
  const { complexity } = result;
  const facts: [string, string][] = [
    ["Exit code", result.exit_code === null ? "none" : String(result.exit_code)],
    ["CPU time", seconds(result.cpu_seconds)],
    ["Wall time", seconds(result.wall_seconds)],
    ["Peak memory", bytes(result.peak_memory_bytes)],
    ["Time complexity", complexity?.time ?? "–"],
    ["Space complexity", complexity?.space ?? "–"],
  ];
  if (complexity?.cyclomatic != null) facts.push(["Cyclomatic", String(complexity.cyclomatic)]);
  return (
    <div className="stack">
      <dl className="facts">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {result.violations.length > 0 && (
        <p className="row">
          {result.violations.map((violation) => (
            <Badge key={violation} tone="fail" icon="lock">
              {words(violation)}
            </Badge>
          ))}
        </p>
      )}
    </div>
  );
}
