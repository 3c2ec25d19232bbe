import { describe, expect, it } from "vitest";
import type { Step } from "../../api/types";
import { figuresOf } from "./figures";

function step(index: number): Step {
  return {
    episode_id: `e${Math.floor(index / 2)}`,
    run_id: "run",
    task_id: index % 4 < 2 ? "logic-1" : "syntax-1",
    category: index % 4 < 2 ? "logic" : "syntax",
    difficulty: "easy",
    step: (index % 2) + 1,
    reward: index % 2 === 0 ? 0.2 : 0.8,
    outcome: "passed",
    tests_passed: 1,
    repeated: false,
    time_complexity: "O(n)",
    method: index % 2 === 0 ? "human" : "builtin",
    solved: index % 2 === 1,
    created_at: "2026-01-01T00:00:00Z",
  };
}

describe("figures", () => {
  const figures = figuresOf(Array.from({ length: 8 }, (_, index) => step(index)), 2);
  it("count episodes by their last reward", () => {
    expect(figures.rewards).toEqual([0.8, 0.8, 0.8, 0.8]);
    expect(figures.x).toEqual([1, 2, 3, 4]);
    expect(figures.recent).toBeCloseTo(0.8);
    expect(figures.total.at(-1)).toBeCloseTo(3.2);
    expect(figures.solveRate).toBe(1);
  });
  it("group by task, category, complexity and method", () => {
    expect(figures.tasks.map((group) => [group.name, group.episodes])).toEqual([["logic-1", 2], ["syntax-1", 2]]);
    expect(figures.categories).toHaveLength(2);
    expect(figures.complexities).toEqual([{ name: "O(n)", count: 4, share: 1 }]);
    expect(figures.methods.map((row) => [row.name, row.box.count, row.box.median])).toEqual([["human", 4, 0.2], ["builtin", 4, 0.8]]);
  });
  it("of nothing are empty", () => {
    expect(figuresOf([], 10)).toMatchObject({ episodes: [], recent: null, overall: null, solveRate: null, methods: [] });
  });
  it("of very many steps draw fewer points, and count them all", () => {
    const many = figuresOf(Array.from({ length: 50_000 }, (_, index) => step(index)), 100);
    expect(many.episodes).toHaveLength(25_000);
    expect(many.rolling).toHaveLength(25_000);
    expect(many.every).toBe(5);
    expect(many.drawn.filter((value) => value !== null)).toHaveLength(5000);
  });
});
