import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { python } from "@codemirror/lang-python";
import { bracketMatching, indentOnInput, indentUnit } from "@codemirror/language";
import { MergeView, unifiedMergeView } from "@codemirror/merge";
import { EditorState, Prec, type Extension } from "@codemirror/state";
import { EditorView, drawSelection, highlightActiveLine, highlightActiveLineGutter, keymap, lineNumbers } from "@codemirror/view";
import { useEffect, useRef } from "react";
import { look } from "./look";

export type DiffMode = "side" | "inline" | "plain";

export interface CodeEditorProps {
  /** The accessible name. */
  label: string;
  value: string;
  onChange: (value: string) => void;
  readOnly?: boolean;
  /** What the value is compared with. */
  original?: string;
  originalLabel?: string;
  mode?: DiffMode;
  onSubmit?: () => void;
  onAlternate?: () => void;
  /** Esc: take the focus elsewhere. */
  onEscape?: () => void;
}

const common: Extension = [
  lineNumbers(),
  drawSelection(),
  indentUnit.of("    "),
  EditorState.tabSize.of(4),
  python(),
  bracketMatching(),
  look,
];

export default function CodeEditor(props: CodeEditorProps) {
  const { label, value, original, originalLabel = "Original code", mode = "plain", readOnly = false } = props;
  const parent = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef(props);

  useEffect(() => {
    latest.current = props;
  });

  useEffect(() => {
    const element = parent.current;
    if (!element) return;
    const extensions: Extension[] = [
      common,
      history(),
      indentOnInput(),
      highlightActiveLine(),
      highlightActiveLineGutter(),
      Prec.highest(
        keymap.of([
          {
            key: "Mod-Enter",
            run: () => {
              latest.current.onSubmit?.();
              return true;
            },
          },
          {
            key: "Mod-Shift-Enter",
            run: () => {
              latest.current.onAlternate?.();
              return true;
            },
          },
          {
            key: "Escape",
            run: () => {
              latest.current.onEscape?.();
              return latest.current.onEscape !== undefined;
            },
          },
        ]),
      ),
      keymap.of([...defaultKeymap, ...historyKeymap, indentWithTab]),
      EditorView.contentAttributes.of({ tabindex: "0", "aria-label": label, ...(readOnly ? { "aria-readonly": "true" } : {}) }),
      EditorState.readOnly.of(readOnly),
      EditorView.updateListener.of((update) => {
        if (!update.docChanged) return;
        const text = update.state.doc.toString();
        if (text !== latest.current.value) latest.current.onChange(text);
      }),
    ];
    const doc = latest.current.value;
    let destroy: () => void;
    if (mode === "side" && original !== undefined) {
      const merge = new MergeView({
        a: {
          doc: original,
          extensions: [
            common,
            EditorState.readOnly.of(true),
            keymap.of(defaultKeymap),
            EditorView.contentAttributes.of({ tabindex: "0", "aria-label": originalLabel, "aria-readonly": "true" }),
          ],
        },
        b: { doc, extensions },
        parent: element,
        gutter: true,
        highlightChanges: true,
      });
      view.current = merge.b;
      destroy = () => merge.destroy();
    } else {
      if (mode === "inline" && original !== undefined) {
        extensions.push(unifiedMergeView({ original, mergeControls: false, gutter: true }));
      }
      const editor = new EditorView({ doc, extensions, parent: element });
      view.current = editor;
      destroy = () => editor.destroy();
    }
    return () => {
      view.current = null;
      destroy();
    };
  }, [label, mode, original, originalLabel, readOnly]);

  useEffect(() => {
    const editor = view.current;
    if (!editor || editor.state.doc.toString() === value) return;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value }, selection: { anchor: 0 } });
  }, [value]);

  return <div ref={parent} className="code" />;
}
