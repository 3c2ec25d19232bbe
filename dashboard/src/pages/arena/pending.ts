/** A step whose result never came: sent again, it keeps its request id, so that it counts once. */

import type { StepRequest } from "../../api/client";
import { ApiError } from "../../api/errors";
import { newRequestId } from "../../lib/requestId";

const KEY = "codearena.pending-step";

function load(): StepRequest | null {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? "null") as StepRequest | null;
  } catch {
    return null;
  }
}

function save(step: StepRequest | null): void {
  try {
    if (step) sessionStorage.setItem(KEY, JSON.stringify(step));
    else sessionStorage.removeItem(KEY);
  } catch {
    // Without storage a reload forgets it.
  }
}

let pending = load();

export function requestFor(episodeId: string, code: string, method: string): StepRequest {
  if (pending?.episodeId !== episodeId || pending.code !== code) {
    pending = { episodeId, code, method, requestId: newRequestId() };
    save(pending);
  }
  return pending;
}

export function settle(): void {
  pending = null;
  save(null);
}

/** The gateway refused it: another try is another request. */
export function isSettledBy(error: unknown): boolean {
  return error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429 && error.status !== 401;
}
