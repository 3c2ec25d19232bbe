/** The newest steps of a run, in bounded memory, told of at most once a frame. */

import type { Step } from "../api/types";

export const MAX_STEPS = 50_000;

type Schedule = (tell: () => void) => void;

/** Frames do not come while the tab is hidden: then a timer does. */
const nextFrame: Schedule = (tell) => {
  if (document.visibilityState === "visible") requestAnimationFrame(tell);
  else setTimeout(tell, 1000);
};

export class StepStore {
  #steps: Step[] = [];
  #seen = new Set<string>();
  #waiting: Step[] = [];
  #scheduled = false;
  #listeners = new Set<() => void>();
  #snapshot: readonly Step[] = [];
  readonly #limit: number;
  readonly #schedule: Schedule;
  dropped = 0;

  constructor(limit = MAX_STEPS, schedule: Schedule = nextFrame) {
    this.#limit = limit;
    this.#schedule = schedule;
  }

  add(steps: readonly Step[]): void {
    for (const step of steps) this.#waiting.push(step);
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    this.#schedule(() => this.#apply());
  }

  /** The same array until steps have come. */
  readonly snapshot = (): readonly Step[] => this.#snapshot;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #apply(): void {
    this.#scheduled = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    const before = this.#steps.length;
    for (const step of waiting) {
      const key = keyOf(step);
      if (this.#seen.has(key)) continue;
      this.#seen.add(key);
      this.#steps.push(step);
    }
    if (this.#steps.length === before) return;
    const excess = this.#steps.length - this.#limit;
    if (excess > 0) {
      for (const step of this.#steps.slice(0, excess)) this.#seen.delete(keyOf(step));
      this.#steps = this.#steps.slice(excess);
      this.dropped += excess;
    }
    this.#snapshot = this.#steps.slice();
    for (const listener of this.#listeners) listener();
  }
}

function keyOf(step: Step): string {
  return `${step.episode_id}\n${step.step}`;
}
