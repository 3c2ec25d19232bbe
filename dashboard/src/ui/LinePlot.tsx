import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { shownColor, useShownTheme } from "./theme";

export interface Line {
  label: string;
  values: (number | null)[];
  color: "--series-1" | "--series-2" | "--series-point";
  kind: "line" | "points" | "steps";
  width?: number;
}

interface LinePlotProps {
  /** The same for every line. */
  x: number[];
  lines: Line[];
  xLabel: string;
  /** Bounds of the y axis; without them they follow the data. */
  range?: [number, number];
  /** Names of whole numbers on the y axis. */
  names?: readonly string[];
  height?: number;
}

function options(element: HTMLElement, width: number, props: LinePlotProps): uPlot.Options {
  const ink = shownColor(element, "--ink-2");
  const grid = shownColor(element, "--line");
  const { names, range } = props;
  const font = "12px system-ui, sans-serif";
  return {
    width,
    height: props.height ?? 250,
    cursor: { drag: { x: true, y: false }, points: { size: 7 } },
    scales: { x: { time: false }, y: range ? { range } : {} },
    legend: { live: true },
    axes: [
      { stroke: ink, font, grid: { show: false }, ticks: { stroke: grid }, label: props.xLabel, labelFont: font, labelSize: 20, size: 32 },
      {
        stroke: ink,
        font,
        size: names ? 66 : 50,
        grid: { stroke: grid, width: 1 },
        ticks: { show: false },
        ...(names ? { splits: () => names.map((_, place) => place), values: (_: uPlot, ticks: number[]) => ticks.map((tick) => names[tick] ?? "") } : {}),
      },
    ],
    series: [
      { label: props.xLabel },
      ...props.lines.map((line): uPlot.Series => {
        const color = shownColor(element, line.color);
        const stepped = uPlot.paths.stepped?.({ align: 1 });
        const none: uPlot.Series.PathBuilder = () => null;
        return {
          label: line.label,
          stroke: color,
          width: line.width ?? 2,
          points: line.kind === "points" ? { show: true, size: 4, fill: color, stroke: color, width: 0 } : { show: false },
          ...(line.kind === "points" ? { paths: none } : line.kind === "steps" && stepped ? { paths: stepped } : {}),
          value: (_, value: number | null) => (value === null ? "–" : (names?.[value] ?? value.toFixed(3))),
        };
      }),
    ],
  };
}

/** A canvas: tens of thousands of points. Its numbers are also in the chart's table. */
export function LinePlot(props: LinePlotProps) {
  const parent = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  const theme = useShownTheme();
  const shape = JSON.stringify([props.lines.map((line) => [line.label, line.kind]), props.names, props.range, props.height]);

  useEffect(() => {
    latest.current = props;
  });

  useEffect(() => {
    const element = parent.current;
    if (!element) return;
    const data = (): uPlot.AlignedData => [latest.current.x, ...latest.current.lines.map((line) => line.values)];
    const made = new uPlot(options(element, Math.max(element.clientWidth, 200), latest.current), data(), element);
    plot.current = made;
    const watch = new ResizeObserver(() => {
      const width = Math.max(element.clientWidth, 200);
      if (width !== made.width) made.setSize({ width, height: made.height });
    });
    watch.observe(element);
    return () => {
      watch.disconnect();
      plot.current = null;
      made.destroy();
    };
  }, [theme, shape]);

  useEffect(() => {
    const made = plot.current;
    if (!made) return;
    // Someone who has zoomed in keeps the view.
    const { min, max } = made.scales.x ?? {};
    const before = made.data[0];
    const zoomed = min != null && max != null && before.length > 1 && (min > (before[0] ?? 0) || max < (before.at(-1) ?? 0));
    made.setData([props.x, ...props.lines.map((line) => line.values)], !zoomed);
    if (zoomed) made.redraw();
  }, [props.x, props.lines]);

  return <div ref={parent} className="plot" aria-hidden="true" />;
}
