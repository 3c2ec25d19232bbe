import { afterEach, describe, expect, it, vi } from "vitest";
import { followSteps, type Connection } from "./steps";
import type { Step } from "./types";

function stream(text: string): Response {
  return new Response(text, { headers: { "Content-Type": "text/event-stream" } });
}

function batch(...times: string[]): string {
  const steps = times.map((created_at, index) => ({ episode_id: created_at, step: index, created_at }));
  return `event: steps\ndata: ${JSON.stringify({ steps })}\n\n`;
}

/** Follows until `until` holds; the answers are given one after the other. */
async function follow(answers: (Response | Error)[], until: (steps: Step[], states: Connection[]) => boolean) {
  const urls: string[] = [];
  const steps: Step[] = [];
  const states: Connection[] = [];
  const stop = new AbortController();
  vi.stubGlobal("fetch", (url: string) => {
    urls.push(url);
    const answer = answers.shift();
    if (answer instanceof Response) return Promise.resolve(answer);
    return Promise.reject(answer ?? new TypeError("no connection"));
  });
  const check = () => {
    if (until(steps, states)) stop.abort();
  };
  await followSteps({
    runId: "my run",
    signal: stop.signal,
    onSteps: (more) => {
      steps.push(...more);
      check();
    },
    onConnection: (state) => {
      states.push(state);
      check();
    },
  });
  return { urls, steps, states };
}

afterEach(() => void vi.unstubAllGlobals());

describe("following a run", () => {
  it("connects again from a little before the newest step", async () => {
    const answers = [stream(batch("2026-01-01T00:00:05Z", "2026-01-01T00:00:09Z")), stream(batch("2026-01-01T00:00:10Z"))];
    const { urls, steps, states } = await follow(answers, (seen) => seen.length === 3);
    expect(steps).toHaveLength(3);
    expect(urls[0]).toBe("/api/steps/stream?run_id=my+run");
    expect(urls[1]).toBe("/api/steps/stream?run_id=my+run&after=2026-01-01T00%3A00%3A07.000Z");
    expect(states.map(({ state }) => state)).toEqual(["connecting", "live", "waiting", "connecting", "live"]);
  });
  it("tells why it waits, after an error event", async () => {
    const error = 'event: error\ndata: {"error":{"code":"UNAVAILABLE","message":"env went away","retry_after_seconds":7}}\n\n';
    const { states } = await follow([stream(error)], (_, all) => all.at(-1)?.state === "waiting");
    expect(states.at(-1)).toEqual({ state: "waiting", seconds: 7, reason: "Env went away." });
  });
  it("goes on after a failed connection", async () => {
    const { steps } = await follow([new TypeError("refused"), stream(batch("2026-01-01T00:00:05Z"))], (seen) => seen.length === 1);
    expect(steps).toHaveLength(1);
  });
  it("stops where another try would be refused too", async () => {
    const body = JSON.stringify({ error: { code: "NOT_FOUND", message: "no run" } });
    const { states, urls } = await follow([new Response(body, { status: 404 })], () => false);
    expect(states.at(-1)).toEqual({ state: "stopped", reason: "No run." });
    expect(urls).toHaveLength(1);
  });
});
