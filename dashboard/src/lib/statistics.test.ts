import { describe, expect, it } from "vitest";
import { ALL_ROW, box, byDifficulty, cellKey, cumulative, difficultyMatrix, mean, quantile, rollingMean, sample, standardDeviation } from "./statistics";

describe("means", () => {
  it("of nothing is null", () => {
    expect(mean([])).toBeNull();
    expect(standardDeviation([])).toBeNull();
  });
  it("rolls over the newest values", () => {
    expect(rollingMean([1, 2, 3, 4], 2)).toEqual([1, 1.5, 2.5, 3.5]);
  });
  it("rolls over all values while they are fewer than the window", () => {
    expect(rollingMean([2, 4], 10)).toEqual([2, 3]);
    expect(rollingMean([], 3)).toEqual([]);
  });
  it("takes a window under one as one", () => {
    expect(rollingMean([1, 5], 0)).toEqual([1, 5]);
  });
  it("does not drift over many values", () => {
    const means = rollingMean(Array.from({ length: 50_000 }, (_, i) => (i % 10) / 10), 10);
    expect(means.at(-1)).toBeCloseTo(0.45, 9);
  });
  it("adds up", () => {
    expect(cumulative([1, 2, 3])).toEqual([1, 3, 6]);
  });
  it("has the population's deviation", () => {
    expect(standardDeviation([1, 3])).toBe(1);
  });
});

describe("quantiles", () => {
  it("lie between neighbours", () => {
    expect(quantile([0, 1], 0.25)).toBe(0.25);
    expect(quantile([1, 2, 3], 0.5)).toBe(2);
  });
  it("stay within the values", () => {
    expect(quantile([1, 2], 2)).toBe(2);
    expect(quantile([1, 2], -1)).toBe(1);
    expect(quantile([], 0.5)).toBeNull();
  });
});

describe("box", () => {
  it("is null of nothing", () => expect(box([])).toBeNull());
  it("leaves outliers outside its whiskers", () => {
    const numbers = box([100, 1, 2, 3, 4]);
    expect(numbers).toMatchObject({ count: 5, median: 3, minimum: 1, maximum: 100, upperWhisker: 4, lowerWhisker: 1, mean: 22 });
  });
  it("is flat of one value", () => {
    expect(box([0.5])).toMatchObject({ lowerQuartile: 0.5, median: 0.5, upperQuartile: 0.5, upperWhisker: 0.5 });
  });
});

describe("matrix", () => {
  const items = [
    { category: "logic", difficulty: "hard", reward: 0.2 },
    { category: "logic", difficulty: "hard", reward: 0.6 },
    { category: "syntax", difficulty: "easy", reward: 1 },
  ];
  it("sums up each cell, and all categories", () => {
    const matrix = difficultyMatrix(items);
    expect(matrix.rows).toEqual(["logic", "syntax", ALL_ROW]);
    expect(matrix.columns).toEqual(["easy", "hard"]);
    const hard = matrix.cells.get(cellKey("logic", "hard"));
    expect(hard?.count).toBe(2);
    expect(hard?.maximum).toBe(0.6);
    expect(hard?.mean).toBeCloseTo(0.4);
    expect(hard?.deviation).toBeCloseTo(0.2);
    expect(matrix.cells.get(cellKey("syntax", "hard"))).toBeUndefined();
    expect(matrix.cells.get(cellKey(ALL_ROW, "easy"))?.count).toBe(1);
  });
  it("of nothing is empty", () => expect(difficultyMatrix([]).rows).toEqual([]));
  it("sorts levels by difficulty", () => {
    expect(["expert", "odd", "easy", "hard"].sort(byDifficulty)).toEqual(["easy", "hard", "expert", "odd"]);
  });
});

describe("sample", () => {
  it("keeps few items", () => expect(sample([1, 2], 5)).toEqual([1, 2]));
  it("spreads evenly and ends with the last", () => {
    const chosen = sample(Array.from({ length: 1000 }, (_, i) => i), 10);
    expect(chosen).toHaveLength(10);
    expect(chosen.at(-1)).toBe(999);
  });
});
