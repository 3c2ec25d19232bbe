/** What the charts show, from a run's steps. */

import type { Step } from "../../api/types";
import { byComplexity, episodesOf, type Episode } from "../../lib/episodes";
import { box, cumulative, difficultyMatrix, groupBy, mean, rollingMean, sample, type Matrix } from "../../lib/statistics";
import type { BoxRow } from "./BoxPlot";

export interface Group {
  name: string;
  episodes: number;
  mean: number;
  solved: number;
}

export interface Figures {
  episodes: Episode[];
  x: number[];
  rewards: number[];
  /** The rewards that are drawn: all, or every so many where there are too many points. */
  drawn: (number | null)[];
  every: number;
  rolling: number[];
  total: number[];
  /** Of the newest episodes, as many as the window. */
  recent: number | null;
  overall: number | null;
  solveRate: number | null;
  tasks: Group[];
  categories: Group[];
  matrix: Matrix;
  complexities: { name: string; count: number; share: number }[];
  methods: BoxRow[];
}

/** More points would only cover each other. */
const MAX_POINTS = 5000;

function groups(episodes: readonly Episode[], key: (episode: Episode) => string): Group[] {
  return [...groupBy(episodes, key)].map(([name, members]) => ({
    name,
    episodes: members.length,
    mean: mean(members.map((episode) => episode.reward)) ?? 0,
    solved: members.filter((episode) => episode.solved).length / members.length,
  }));
}

function methodRows(steps: readonly Step[]): BoxRow[] {
  const rows: BoxRow[] = [];
  for (const [name, members] of groupBy(steps, (step) => step.method || "not given")) {
    const rewards = members.map((step) => step.reward);
    const numbers = box(rewards);
    if (numbers) rows.push({ name, box: numbers, points: sample(rewards, 160) });
  }
  return rows.sort((a, b) => b.box.count - a.box.count).slice(0, 8);
}

export function figuresOf(steps: readonly Step[], window: number): Figures {
  const episodes = episodesOf(steps);
  const rewards = episodes.map((episode) => episode.reward);
  const rolling = rollingMean(rewards, window);
  const every = Math.ceil(rewards.length / MAX_POINTS) || 1;
  return {
    episodes,
    x: rewards.map((_, index) => index + 1),
    rewards,
    drawn: every === 1 ? rewards : rewards.map((value, index) => (index % every === 0 ? value : null)),
    every,
    rolling,
    total: cumulative(rewards),
    recent: rolling.at(-1) ?? null,
    overall: mean(rewards),
    solveRate: mean(episodes.map((episode) => Number(episode.solved))),
    tasks: groups(episodes, (episode) => episode.task_id).sort((a, b) => a.mean - b.mean || b.episodes - a.episodes),
    categories: groups(episodes, (episode) => episode.category).sort((a, b) => b.mean - a.mean),
    matrix: difficultyMatrix(episodes),
    complexities: [...groupBy(episodes, (episode) => episode.time_complexity)]
      .map(([name, members]) => ({ name, count: members.length, share: members.length / episodes.length }))
      .sort((a, b) => byComplexity(a.name, b.name)),
    methods: methodRows(steps),
  };
}
