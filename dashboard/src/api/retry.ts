/** Sends a request again, a bounded number of times, when that is safe. */

import { ApiError, describeError, isAbort, isRetryable } from "./errors";

export interface Waiting {
  /** The attempt that is made after the wait; the first one was 1. */
  attempt: number;
  attempts: number;
  seconds: number;
  reason: string;
}

export interface RetryOptions {
  attempts?: number;
  signal?: AbortSignal | undefined;
  onWait?: (waiting: Waiting) => void;
  onAttempt?: (attempt: number) => void;
  sleep?: (seconds: number, signal?: AbortSignal) => Promise<void>;
  random?: () => number;
}

export const MAX_WAIT_SECONDS = 30;

export function sleep(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new DOMException("Stopped.", "AbortError"));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, seconds * 1000);
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Doubles with each attempt, with up to a quarter on top so that clients do not march in step. */
export function backoffSeconds(attempt: number, random: () => number = Math.random, limit = MAX_WAIT_SECONDS): number {
  const seconds = Math.min(0.5 * 2 ** (attempt - 1), limit);
  return Math.min(seconds * (1 + random() / 4), limit);
}

export async function withRetry<T>(work: () => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const attempts = options.attempts ?? 5;
  const pause = options.sleep ?? sleep;
  for (let attempt = 1; ; attempt += 1) {
    options.signal?.throwIfAborted();
    options.onAttempt?.(attempt);
    try {
      return await work();
    } catch (error) {
      if (isAbort(error) || !isRetryable(error) || attempt >= attempts) throw error;
      const asked = error instanceof ApiError ? error.retryAfterSeconds : null;
      const seconds = asked === null ? backoffSeconds(attempt, options.random) : Math.min(asked, MAX_WAIT_SECONDS);
      options.onWait?.({ attempt: attempt + 1, attempts, seconds, reason: describeError(error) });
      await pause(seconds, options.signal);
    }
  }
}
