import { useId, type ReactNode } from "react";
import { ApiError, describeError } from "../api/errors";
import { setTokenWanted } from "../api/token";
import { words } from "../lib/format";
import { Icon, type IconName } from "./icons";

export type Tone = "plain" | "pass" | "fail" | "warn" | "accent";

export function Badge({ tone = "plain", icon, children }: { tone?: Tone; icon?: IconName; children: ReactNode }) {
  return (
    <span className={`badge ${tone}`}>
      {icon && <Icon name={icon} size={12} />}
      {children}
    </span>
  );
}

const OUTCOMES: Record<string, { tone: Tone; icon: IconName }> = {
  passed: { tone: "pass", icon: "check" },
  completed: { tone: "pass", icon: "check" },
  ok: { tone: "pass", icon: "check" },
  tests_failed: { tone: "fail", icon: "cross" },
};

export function Outcome({ outcome }: { outcome: string | null }) {
  if (!outcome) return <Badge>not run yet</Badge>;
  const { tone, icon } = OUTCOMES[outcome] ?? { tone: "warn" as const, icon: "warn" as const };
  return (
    <Badge tone={tone} icon={icon}>
      {words(outcome)}
    </Badge>
  );
}

interface PanelProps {
  title: string;
  aside?: ReactNode;
  flush?: boolean;
  className?: string;
  testId?: string;
  children: ReactNode;
}

export function Panel({ title, aside, flush = false, className = "", testId, children }: PanelProps) {
  const id = useId();
  return (
    <section className={`panel ${className}`} aria-labelledby={id} data-testid={testId}>
      <header>
        <h2 id={id}>{title}</h2>
        {aside}
      </header>
      <div className={flush ? "body flush" : "body"}>{children}</div>
    </section>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <div className="state" role="status">
      <span className="spinner" aria-hidden="true" />
      <p>Loading {what}…</p>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="state">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

/** What failed, and a way to try again. */
export function Failed({ what, error, onRetry }: { what: string; error: unknown; onRetry?: () => void }) {
  return (
    <div className="state" role="alert">
      <Icon name="warn" size={24} />
      <h2>{what}</h2>
      <p className="break">{describeError(error)}</p>
      {error instanceof ApiError && error.status === 401 && (
        <button type="button" className="btn primary" onClick={() => setTokenWanted(true)}>
          <Icon name="key" /> Enter the token
        </button>
      )}
      {onRetry && (
        <button type="button" className="btn" onClick={onRetry}>
          <Icon name="loop" /> Try again
        </button>
      )}
    </div>
  );
}

export function Notice({ tone = "accent", role, children }: { tone?: Tone; role?: "status" | "alert"; children: ReactNode }) {
  return (
    <div className={`notice ${tone}`} role={role}>
      {children}
    </div>
  );
}

export function Field({ label, children }: { label: string; children: ReactNode }) {
  return (
    <label className="field">
      <span>{label}</span>
      {children}
    </label>
  );
}

interface SelectProps {
  label: string;
  value: string;
  options: readonly (readonly [value: string, text: string])[];
  onChange: (value: string) => void;
  testId?: string;
}

export function Select({ label, value, options, onChange, testId }: SelectProps) {
  const known = options.some(([name]) => name === value);
  return (
    <Field label={label}>
      <select className="select" value={value} onChange={(event) => onChange(event.target.value)} data-testid={testId}>
        {!known && <option value={value}>{value}</option>}
        {options.map(([name, text]) => (
          <option key={name} value={name}>
            {text}
          </option>
        ))}
      </select>
    </Field>
  );
}

interface SegmentedProps<T extends string> {
  label: string;
  value: T;
  options: readonly (readonly [value: T, text: string])[];
  onChange: (value: T) => void;
}

export function Segmented<T extends string>({ label, value, options, onChange }: SegmentedProps<T>) {
  const name = useId();
  return (
    <div className="segmented" role="radiogroup" aria-label={label}>
      {options.map(([option, text]) => (
        <label key={option}>
          <input type="radio" name={name} checked={option === value} onChange={() => onChange(option)} />
          <span>{text}</span>
        </label>
      ))}
    </div>
  );
}

export interface Column<Row> {
  title: string;
  right?: boolean;
  cell: (row: Row) => ReactNode;
}

interface DataTableProps<Row> {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row, index: number) => string;
}

/** The first column is the row's header. */
export function DataTable<Row>({ caption, columns, rows, rowKey }: DataTableProps<Row>) {
  return (
    <div className="scroll" role="region" aria-label={caption} tabIndex={0}>
      <table className="table">
        <caption className="sr">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.title} scope="col" className={column.right ? "r" : undefined}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={rowKey(row, index)}>
              {columns.map((column, place) =>
                place === 0 ? (
                  <th key={column.title} scope="row" className="break">
                    {column.cell(row)}
                  </th>
                ) : (
                  <td key={column.title} className={column.right ? "r" : undefined}>
                    {column.cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
