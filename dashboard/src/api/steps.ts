/** Follows a run's steps over the event stream, reconnecting from the newest step seen. */

import { send } from "./client";
import { ApiError, NetworkError, describeError, errorFromBody, isAbort } from "./errors";
import { backoffSeconds, sleep } from "./retry";
import { SseParser } from "./sse";
import type { Step } from "./types";

export type Connection =
  | { state: "connecting" }
  | { state: "live" }
  | { state: "waiting"; seconds: number; reason: string }
  | { state: "stopped"; reason: string };

interface FollowOptions {
  runId: string;
  signal: AbortSignal;
  onSteps: (steps: Step[]) => void;
  onConnection: (connection: Connection) => void;
}

/** Asked for again on reconnecting: steps that were stored at the same moment are not lost. */
const OVERLAP_MS = 2000;
/** Silence for so long means that the connection is dead. */
const SILENCE_MS = 90_000;

export function resumeFrom(newest: string): string | undefined {
  const time = Date.parse(newest);
  return Number.isNaN(time) ? undefined : new Date(time - OVERLAP_MS).toISOString();
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    throw new NetworkError("The stream sent something that is not JSON.");
  }
}

function isFatal(error: unknown): boolean {
  return error instanceof ApiError && [400, 401, 403, 404, 422].includes(error.status);
}

export async function followSteps(options: FollowOptions): Promise<void> {
  let newest = "";
  let failures = 0;

  async function connect(): Promise<void> {
    const attempt = new AbortController();
    const stop = () => attempt.abort();
    options.signal.addEventListener("abort", stop, { once: true });
    let silence = setTimeout(stop, SILENCE_MS);
    try {
      const response = await send("/api/steps/stream", {
        query: { run_id: options.runId, after: resumeFrom(newest) },
        signal: attempt.signal,
        accept: "text/event-stream",
      });
      if (!response.body) throw new NetworkError("The stream has no body.");
      options.onConnection({ state: "live" });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new SseParser();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) throw new NetworkError("The stream ended.");
        clearTimeout(silence);
        silence = setTimeout(stop, SILENCE_MS);
        for (const { event, data } of parser.push(value)) {
          if (event === "steps") {
            failures = 0;
            const { steps } = parse(data) as { steps: Step[] };
            for (const step of steps) if (step.created_at > newest) newest = step.created_at;
            options.onSteps(steps);
          } else if (event === "ping") {
            failures = 0;
          } else if (event === "error") {
            const body = parse(data) as Record<string, unknown>;
            throw errorFromBody(503, "error" in body ? body : { error: body });
          }
        }
      }
    } catch (error) {
      if (options.signal.aborted) throw new DOMException("Stopped.", "AbortError");
      if (isAbort(error)) throw new NetworkError("The stream fell silent.");
      throw error instanceof ApiError ? error : new NetworkError(describeError(error));
    } finally {
      clearTimeout(silence);
      options.signal.removeEventListener("abort", stop);
      attempt.abort();
    }
  }

  for (;;) {
    if (options.signal.aborted) return;
    options.onConnection({ state: "connecting" });
    try {
      await connect();
    } catch (error) {
      if (isAbort(error)) return;
      if (isFatal(error)) {
        options.onConnection({ state: "stopped", reason: describeError(error) });
        return;
      }
      failures += 1;
      const asked = error instanceof ApiError ? error.retryAfterSeconds : null;
      const seconds = Math.max(asked ?? 0, backoffSeconds(failures));
      options.onConnection({ state: "waiting", seconds, reason: describeError(error) });
      try {
        await sleep(seconds, options.signal);
      } catch {
        return;
      }
    }
  }
}
