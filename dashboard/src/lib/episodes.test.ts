import { describe, expect, it } from "vitest";
import type { Step } from "../api/types";
import { byComplexity, episodesOf, levelPoints } from "./episodes";
import { StepStore } from "./stepStore";

function step(episode: string, number: number, reward: number, more: Partial<Step> = {}): Step {
  return {
    episode_id: episode,
    run_id: "run",
    task_id: "easy-1",
    category: "easy",
    difficulty: "easy",
    step: number,
    reward,
    outcome: "tests_failed",
    tests_passed: 1,
    repeated: false,
    time_complexity: "",
    method: "",
    solved: false,
    created_at: "2026-01-01T00:00:00Z",
    ...more,
  };
}

describe("episodes", () => {
  it("take the reward of their last step", () => {
    const episodes = episodesOf([step("a", 1, 0.2), step("b", 1, 0.5), step("a", 2, 0.9, { solved: true })]);
    expect(episodes.map((e) => [e.episode_id, e.reward, e.solved])).toEqual([
      ["a", 0.9, true],
      ["b", 0.5, false],
    ]);
  });
  it("do not go back when steps come out of order", () => {
    const [episode] = episodesOf([step("a", 2, 0.9), step("a", 1, 0.2, { solved: true })]);
    expect(episode).toMatchObject({ reward: 0.9, steps: 2, solved: true });
  });
  it("name what is missing", () => {
    expect(episodesOf([step("a", 1, 0)])[0]).toMatchObject({ method: "not given", time_complexity: "unknown" });
  });
});

describe("store", () => {
  function store(limit: number) {
    const frames: (() => void)[] = [];
    const made = new StepStore(limit, (tell) => frames.push(tell));
    return { made, frame: () => frames.splice(0).forEach((tell) => tell()) };
  }
  it("tells once a frame", () => {
    const { made, frame } = store(10);
    let told = 0;
    made.subscribe(() => (told += 1));
    made.add([step("a", 1, 0)]);
    made.add([step("a", 2, 0)]);
    expect(made.snapshot()).toHaveLength(0);
    frame();
    expect(told).toBe(1);
    expect(made.snapshot()).toHaveLength(2);
  });
  it("takes a step once", () => {
    const { made, frame } = store(10);
    made.add([step("a", 1, 0), step("a", 1, 0)]);
    frame();
    const before = made.snapshot();
    made.add([step("a", 1, 0)]);
    frame();
    expect(made.snapshot()).toBe(before);
    expect(before).toHaveLength(1);
  });
  it("keeps the newest within its limit", () => {
    const { made, frame } = store(3);
    made.add([1, 2, 3, 4, 5].map((n) => step("a", n, 0)));
    frame();
    expect(made.snapshot().map((s) => s.step)).toEqual([3, 4, 5]);
    expect(made.dropped).toBe(2);
  });
});

describe("curriculum", () => {
  it("is flat without moves", () => {
    expect(levelPoints([], "easy", 7)).toEqual([
      { episode: 0, level: "easy" },
      { episode: 7, level: "easy" },
    ]);
  });
  it("is a staircase", () => {
    const points = levelPoints([{ episode: 5, from_level: "easy", to_level: "medium" }], "medium", 9);
    expect(points.map((p) => [p.episode, p.level])).toEqual([
      [0, "easy"],
      [5, "medium"],
      [9, "medium"],
    ]);
  });
});

describe("complexities", () => {
  it("go from constant to unknown", () => {
    expect(["unknown", "O(n^2)", "O(1)", "O(m n)", "O(n)"].sort(byComplexity)).toEqual(["O(1)", "O(n)", "O(n^2)", "O(m n)", "unknown"]);
  });
});
