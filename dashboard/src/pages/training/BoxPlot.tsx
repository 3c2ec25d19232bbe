import { useEffect, useRef, useState } from "react";
import type { Box } from "../../lib/statistics";

export interface BoxRow {
  name: string;
  box: Box;
  /** A sample of the values, drawn as points. */
  points: readonly number[];
}

const LEFT = 104;
const RIGHT = 14;
const ROW = 58;
const TICKS = [0, 0.25, 0.5, 0.75, 1];

/** The width that there is: text keeps its size on any screen. */
function useWidth() {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(520);
  useEffect(() => {
    if (!element.current) return;
    const watch = new ResizeObserver(([entry]) => {
      if (entry) setWidth(Math.max(Math.round(entry.contentRect.width), 220));
    });
    watch.observe(element.current);
    return () => watch.disconnect();
  }, []);
  return { element, width };
}

/** The same scatter each time: a point's height comes from its number. */
function jitter(index: number): number {
  return ((index * 0.618034) % 1) * 20 - 10;
}

/** A box over a scatter for each row, on a scale from 0 to 1. */
export function BoxPlot({ rows, label }: { rows: readonly BoxRow[]; label: string }) {
  const { element, width } = useWidth();
  const place = (value: number) => LEFT + Math.min(Math.max(value, 0), 1) * (width - LEFT - RIGHT);
  const height = rows.length * ROW + 26;
  return (
    <div ref={element}>
      <svg className="boxplot" width={width} height={height} role="img" aria-label={label}>
        {TICKS.map((tick) => (
          <g key={tick}>
            <line className="grid" x1={place(tick)} x2={place(tick)} y1={4} y2={height - 22} />
            <text className="tick" x={place(tick)} y={height - 7} textAnchor="middle">
              {tick}
            </text>
          </g>
        ))}
        {rows.map(({ name, box, points }, index) => {
          const middle = index * ROW + ROW / 2 + 2;
          const left = place(box.lowerQuartile);
          return (
            <g key={name}>
              <text className="name" x={0} y={middle}>
                {name.length > 14 ? `${name.slice(0, 13)}…` : name}
              </text>
              <text className="tick" x={0} y={middle + 15}>
                n = {box.count}
              </text>
              {points.map((value, place_) => (
                <circle key={place_} className="point" cx={place(value)} cy={middle + jitter(place_ + 1)} r={2} />
              ))}
              <line className="whisker" x1={place(box.lowerWhisker)} x2={left} y1={middle} y2={middle} />
              <line className="whisker" x1={place(box.upperQuartile)} x2={place(box.upperWhisker)} y1={middle} y2={middle} />
              <rect className="box" x={left} y={middle - 13} width={Math.max(place(box.upperQuartile) - left, 1)} height={26} rx={3} />
              <line className="median" x1={place(box.median)} x2={place(box.median)} y1={middle - 13} y2={middle + 13} />
              <path className="mean" d={`M${place(box.mean)} ${middle - 5}l5 5-5 5-5-5z`} />
            </g>
          );
        })}
      </svg>
    </div>
  );
}
