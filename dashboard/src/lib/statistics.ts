/** Statistics of rewards: pure functions. */

export function mean(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

/** The standard deviation of the values as a whole population. */
export function standardDeviation(values: readonly number[]): number | null {
  const middle = mean(values);
  if (middle === null) return null;
  let sum = 0;
  for (const value of values) sum += (value - middle) ** 2;
  return Math.sqrt(sum / values.length);
}

/** The mean of the newest `window` values at each place; of fewer at the beginning. */
export function rollingMean(values: readonly number[], window: number): number[] {
  const size = Math.max(1, Math.floor(window));
  const means = new Array<number>(values.length);
  let sum = 0;
  values.forEach((value, index) => {
    sum += value - (index >= size ? (values[index - size] ?? 0) : 0);
    means[index] = sum / Math.min(index + 1, size);
  });
  return means;
}

export function cumulative(values: readonly number[]): number[] {
  let sum = 0;
  return values.map((value) => (sum += value));
}

/** The quantile of sorted values, between neighbours in proportion. */
export function quantile(sorted: ArrayLike<number>, share: number): number | null {
  if (sorted.length === 0) return null;
  const place = Math.min(Math.max(share, 0), 1) * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below] ?? 0;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? low;
  return low + (high - low) * (place - below);
}

export interface Box {
  count: number;
  minimum: number;
  maximum: number;
  lowerWhisker: number;
  lowerQuartile: number;
  median: number;
  upperQuartile: number;
  upperWhisker: number;
  mean: number;
}

/** A box plot's numbers; whiskers reach the last value within 1.5 box lengths. */
export function box(values: readonly number[]): Box | null {
  const sorted = Float64Array.from(values).sort();
  const minimum = sorted[0];
  const maximum = sorted.at(-1);
  const lowerQuartile = quantile(sorted, 0.25);
  const median = quantile(sorted, 0.5);
  const upperQuartile = quantile(sorted, 0.75);
  const average = mean(values);
  if (
    minimum === undefined ||
    maximum === undefined ||
    lowerQuartile === null ||
    median === null ||
    upperQuartile === null ||
    average === null
  ) {
    return null;
  }
  const reach = 1.5 * (upperQuartile - lowerQuartile);
  return {
    count: sorted.length,
    minimum,
    maximum,
    lowerWhisker: sorted.find((value) => value >= lowerQuartile - reach) ?? minimum,
    lowerQuartile,
    median,
    upperQuartile,
    upperWhisker: sorted.findLast((value) => value <= upperQuartile + reach) ?? maximum,
    mean: average,
  };
}

export function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const name = key(item);
    const group = groups.get(name);
    if (group) group.push(item);
    else groups.set(name, [item]);
  }
  return groups;
}

export interface Cell {
  count: number;
  mean: number;
  maximum: number;
  deviation: number;
}

export function cell(values: readonly number[]): Cell | null {
  const average = mean(values);
  const deviation = standardDeviation(values);
  if (average === null || deviation === null) return null;
  let maximum = -Infinity;
  for (const value of values) if (value > maximum) maximum = value;
  return { count: values.length, mean: average, maximum, deviation };
}

export interface Matrix {
  rows: string[];
  columns: string[];
  cells: Map<string, Cell>;
}

export function cellKey(row: string, column: string): string {
  return JSON.stringify([row, column]);
}

const LEVELS = ["easy", "medium", "hard", "expert"];

/** Difficulties from easy to expert, others after them. */
export function byDifficulty(a: string, b: string): number {
  const place = (level: string) => (LEVELS.includes(level) ? LEVELS.indexOf(level) : LEVELS.length);
  return place(a) - place(b) || a.localeCompare(b);
}

export interface Rewarded {
  category: string;
  difficulty: string;
  reward: number;
}

/** Category × difficulty, with a last row for all categories. */
export const ALL_ROW = "all categories";

export function difficultyMatrix(items: readonly Rewarded[]): Matrix {
  const rows = [...new Set(items.map((item) => item.category))].sort();
  const columns = [...new Set(items.map((item) => item.difficulty))].sort(byDifficulty);
  const cells = new Map<string, Cell>();
  const fill = (row: string, members: readonly Rewarded[]) => {
    for (const [column, group] of groupBy(members, (item) => item.difficulty)) {
      const summary = cell(group.map((item) => item.reward));
      if (summary) cells.set(cellKey(row, column), summary);
    }
  };
  for (const [row, members] of groupBy(items, (item) => item.category)) fill(row, members);
  fill(ALL_ROW, items);
  return { rows: rows.length > 0 ? [...rows, ALL_ROW] : [], columns, cells };
}

/** At most `limit` of the items, evenly spread, the last one included. */
export function sample<T>(items: readonly T[], limit: number): T[] {
  if (items.length <= limit) return [...items];
  const chosen: T[] = [];
  for (let index = 1; index <= limit; index += 1) {
    const item = items[Math.ceil((index * items.length) / limit) - 1];
    if (item !== undefined) chosen.push(item);
  }
  return chosen;
}
