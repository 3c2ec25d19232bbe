import { words } from "../../lib/format";
import { cellKey, type Cell, type Matrix } from "../../lib/statistics";

export type Measure = "mean" | "maximum" | "deviation" | "count";

export function measureText(cell: Cell, measure: Measure): string {
  return measure === "count" ? String(cell.count) : cell[measure].toFixed(2);
}

/** A table whose cells are tinted by their number. */
export function MatrixView({ matrix, measure, caption }: { matrix: Matrix; measure: Measure; caption: string }) {
  const values = [...matrix.cells.values()].map((cell) => cell[measure]);
  const scale = measure === "count" || measure === "deviation" ? Math.max(1e-9, ...values) : 1;
  return (
    <div className="scroll" role="region" aria-label={caption} tabIndex={0}>
      <table className="matrix">
        <caption className="sr">{caption}</caption>
        <thead>
          <tr>
            <td />
            {matrix.columns.map((column) => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {matrix.rows.map((row) => (
            <tr key={row}>
              <th scope="row">{words(row)}</th>
              {matrix.columns.map((column) => {
                const cell = matrix.cells.get(cellKey(row, column));
                if (!cell) {
                  return (
                    <td key={column} className="none">
                      <span aria-hidden="true">·</span>
                      <span className="sr">none</span>
                    </td>
                  );
                }
                const share = Math.min(Math.max(cell[measure] / scale, 0), 1);
                return (
                  <td
                    key={column}
                    className="num"
                    style={{ backgroundColor: `color-mix(in oklab, var(--accent) ${Math.round(6 + share * 34)}%, var(--surface))` }}
                    title={`mean ${cell.mean.toFixed(3)}, maximum ${cell.maximum.toFixed(3)}, deviation ${cell.deviation.toFixed(3)}, ${cell.count} episodes`}
                  >
                    <strong>{measureText(cell, measure)}</strong>
                    {measure !== "count" && <small>{cell.count}</small>}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
