import type { ReactNode } from "react";

export interface Bar {
  name: string;
  value: number;
  text: string;
  note?: ReactNode;
}

/** Horizontal bars; each says its number. */
export function Bars({ label, bars, maximum, mono = false }: { label: string; bars: readonly Bar[]; maximum: number; mono?: boolean }) {
  return (
    <ul className="bars" aria-label={label}>
      {bars.map((bar) => (
        <li key={bar.name}>
          <span className={mono ? "name mono" : "name"}>{bar.name}</span>
          <span className="track" aria-hidden="true">
            <span style={{ width: `${maximum > 0 ? Math.min(Math.max(bar.value / maximum, 0), 1) * 100 : 0}%` }} />
          </span>
          <span className="num text">{bar.text}</span>
          {bar.note !== undefined && <span className="small muted num note">{bar.note}</span>}
        </li>
      ))}
    </ul>
  );
}
