import { useState, type ReactNode } from "react";
import { Panel } from "./pieces";

interface ChartProps {
  title: string;
  /** What the chart shows, in a sentence. */
  summary: string;
  /** The same numbers, as a table. */
  table: () => ReactNode;
  tools?: ReactNode;
  wide?: boolean;
  testId: string;
  children: ReactNode;
}

/** A chart with its title, its summary in words, and its table. */
export function Chart({ title, summary, table, tools, wide = false, testId, children }: ChartProps) {
  const [asTable, setAsTable] = useState(false);
  return (
    <Panel
      title={title}
      className={wide ? "chart wide" : "chart"}
      testId={testId}
      aside={
        <span className="row">
          {tools}
          <button type="button" className="btn quiet slim" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
            {asTable ? "Show as chart" : "Show as table"}
            <span className="sr">: {title}</span>
          </button>
        </span>
      }
    >
      <p className="summary small muted">{summary}</p>
      {asTable ? <div className="as-table">{table()}</div> : children}
    </Panel>
  );
}
