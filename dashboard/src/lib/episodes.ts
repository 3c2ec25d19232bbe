/** Episodes as their steps tell of them. */

import type { Step } from "../api/types";

export interface Episode {
  episode_id: string;
  task_id: string;
  category: string;
  difficulty: string;
  /** Of its last step seen. */
  reward: number;
  steps: number;
  outcome: string;
  solved: boolean;
  method: string;
  time_complexity: string;
  created_at: string;
}

/** One for each episode, in the order in which their first steps came. */
export function episodesOf(steps: readonly Step[]): Episode[] {
  const episodes = new Map<string, Episode>();
  const newest = new Map<string, number>();
  for (const step of steps) {
    const before = episodes.get(step.episode_id);
    const latest = step.step >= (newest.get(step.episode_id) ?? -1);
    if (latest) newest.set(step.episode_id, step.step);
    if (before && !latest) {
      before.solved ||= step.solved;
      continue;
    }
    const now = {
      task_id: step.task_id,
      category: step.category || "unknown",
      difficulty: step.difficulty || "unknown",
      reward: step.reward,
      steps: step.step,
      outcome: step.outcome,
      solved: step.solved || (before?.solved ?? false),
      method: step.method || "not given",
      time_complexity: step.time_complexity || before?.time_complexity || "unknown",
      created_at: step.created_at,
    };
    if (before) Object.assign(before, now);
    else episodes.set(step.episode_id, { episode_id: step.episode_id, ...now });
  }
  return [...episodes.values()];
}

const ORDER = ["O(1)", "O(log n)", "O(sqrt n)", "O(n)", "O(n log n)", "O(n^2)", "O(n²)", "O(n^3)", "O(n³)", "O(2^n)", "O(n!)"];

/** From constant to factorial, others after them. */
export function byComplexity(a: string, b: string): number {
  const place = (name: string) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length + (name === "unknown" ? 1 : 0));
  return place(a) - place(b) || a.localeCompare(b);
}

export interface LevelPoint {
  episode: number;
  level: string;
}

export interface Move {
  episode: number;
  from_level: string;
  to_level: string;
}

/** The corners of the curriculum's staircase, from its first known level to now. */
export function levelPoints(moves: readonly Move[], level: string, episodeCount: number): LevelPoint[] {
  const first = moves[0];
  const points: LevelPoint[] = [{ episode: 0, level: first?.from_level ?? level }];
  for (const move of moves) points.push({ episode: move.episode, level: move.to_level });
  const end = Math.max(episodeCount, points.at(-1)?.episode ?? 0);
  points.push({ episode: end, level });
  return points;
}
