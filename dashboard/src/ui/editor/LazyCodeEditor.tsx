import { Suspense, lazy } from "react";
import type { CodeEditorProps } from "./CodeEditor";
import "./editor.css";

const CodeEditor = lazy(() => import("./CodeEditor"));

/** The editor, loaded when it is first wanted. */
export function LazyCodeEditor(props: CodeEditorProps) {
  return (
    <Suspense
      fallback={
        <div className="code">
          <pre className="waiting" aria-busy="true">
            {props.value}
          </pre>
        </div>
      }
    >
      <CodeEditor {...props} />
    </Suspense>
  );
}
