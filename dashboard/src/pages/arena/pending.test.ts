import { beforeEach, describe, expect, it, vi } from "vitest";
import { ApiError, NetworkError } from "../../api/errors";
import { newRequestId } from "../../lib/requestId";
import { isSettledBy, requestFor, settle } from "./pending";

describe("a step whose result is open", () => {
  beforeEach(settle);
  it("keeps its request id", () => {
    const first = requestFor("e1", "code", "human");
    expect(requestFor("e1", "code", "human").requestId).toBe(first.requestId);
  });
  it("is another step with another fix, or in another episode", () => {
    const first = requestFor("e1", "code", "human");
    expect(requestFor("e1", "other", "human").requestId).not.toBe(first.requestId);
    expect(requestFor("e2", "other", "human").requestId).not.toBe(first.requestId);
  });
  it("is another step once its result came", () => {
    const first = requestFor("e1", "code", "human");
    settle();
    expect(requestFor("e1", "code", "human").requestId).not.toBe(first.requestId);
  });
  it("stays open unless it was refused", () => {
    const of = (status: number) => isSettledBy(new ApiError(status, "", ""));
    expect([400, 404, 409, 422].map(of)).toEqual([true, true, true, true]);
    expect([401, 429, 500, 503, 504].map(of)).toEqual([false, false, false, false, false]);
    expect(isSettledBy(new NetworkError())).toBe(false);
  });
});

describe("request ids", () => {
  it("are UUIDs, also where randomUUID is missing", () => {
    const shape = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
    expect(newRequestId()).toMatch(shape);
    const { crypto } = globalThis;
    vi.stubGlobal("crypto", { getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes) });
    expect(newRequestId()).toMatch(shape);
    vi.unstubAllGlobals();
  });
});
