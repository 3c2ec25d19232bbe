import { describe, expect, it, vi } from "vitest";
import { ApiError, NetworkError, describeError, errorFromBody, isRetryable } from "./errors";
import { MAX_WAIT_SECONDS, backoffSeconds, sleep, withRetry } from "./retry";
import { resumeFrom } from "./steps";

const noSleep = () => Promise.resolve();

describe("retry", () => {
  it("gives the first result", async () => {
    const work = vi.fn(() => Promise.resolve(1));
    await expect(withRetry(work, { sleep: noSleep })).resolves.toBe(1);
    expect(work).toHaveBeenCalledTimes(1);
  });
  it("waits for as long as it is asked to", async () => {
    const waits: number[] = [];
    const work = vi.fn<() => Promise<string>>().mockRejectedValueOnce(new ApiError(503, "UNAVAILABLE", "busy", 1.5)).mockResolvedValue("done");
    const result = withRetry(work, { sleep: (s) => (waits.push(s), Promise.resolve()), onWait: ({ attempt }) => expect(attempt).toBe(2) });
    await expect(result).resolves.toBe("done");
    expect(waits).toEqual([1.5]);
  });
  it("does not wait for hours", async () => {
    const waits: number[] = [];
    const work = vi.fn<() => Promise<number>>().mockRejectedValueOnce(new ApiError(429, "RESOURCE_EXHAUSTED", "", 9999)).mockResolvedValue(1);
    await withRetry(work, { sleep: (s) => (waits.push(s), Promise.resolve()) });
    expect(waits).toEqual([MAX_WAIT_SECONDS]);
  });
  it("gives up after its attempts", async () => {
    const work = vi.fn(() => Promise.reject(new NetworkError()));
    await expect(withRetry(work, { attempts: 3, sleep: noSleep })).rejects.toThrow(NetworkError);
    expect(work).toHaveBeenCalledTimes(3);
  });
  it("does not repeat what was refused", async () => {
    const work = vi.fn(() => Promise.reject(new ApiError(400, "FAILED_PRECONDITION", "done")));
    await expect(withRetry(work, { sleep: noSleep })).rejects.toThrow("done");
    expect(work).toHaveBeenCalledTimes(1);
  });
  it("stops at once while it waits", async () => {
    const stop = new AbortController();
    const work = vi.fn(() => Promise.reject(new ApiError(503, "UNAVAILABLE", "", 20)));
    const result = withRetry(work, { signal: stop.signal, onWait: () => setTimeout(() => stop.abort()) });
    await expect(result).rejects.toMatchObject({ name: "AbortError" });
    expect(work).toHaveBeenCalledTimes(1);
  });
  it("does not begin when it is stopped already", async () => {
    const work = vi.fn(() => Promise.resolve());
    await expect(withRetry(work, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: "AbortError" });
    expect(work).not.toHaveBeenCalled();
    await expect(sleep(1, AbortSignal.abort())).rejects.toMatchObject({ name: "AbortError" });
  });
});

describe("backoff", () => {
  it("doubles up to its limit", () => {
    expect([1, 2, 3, 20].map((n) => backoffSeconds(n, () => 0))).toEqual([0.5, 1, 2, 30]);
    expect(backoffSeconds(2, () => 1)).toBe(1.25);
  });
});

describe("errors", () => {
  it("are read from bodies", () => {
    const error = errorFromBody(503, { error: { code: "UNAVAILABLE", message: "no slot", retry_after_seconds: 2 } });
    expect(error).toMatchObject({ status: 503, code: "UNAVAILABLE", message: "no slot", retryAfterSeconds: 2 });
  });
  it.each([null, "text", {}, { error: "x" }, { error: { retry_after_seconds: -1 } }])("bear a body of %j", (body) => {
    expect(errorFromBody(500, body)).toMatchObject({ code: "HTTP_500", retryAfterSeconds: null });
  });
  it("are told in sentences", () => {
    expect(describeError(new ApiError(503, "UNAVAILABLE", "env went away"))).toBe("Env went away.");
    expect(describeError(new Error("Really?"))).toBe("Really?");
    expect(describeError(new ApiError(401, "UNAUTHENTICATED", "x"))).toContain("access token");
  });
  it("are retryable only if the request is safe to send again", () => {
    expect(isRetryable(new ApiError(429, "", ""))).toBe(true);
    expect(isRetryable(new ApiError(504, "", ""))).toBe(false);
    expect(isRetryable(new Error("bug"))).toBe(false);
  });
});

describe("resuming", () => {
  it("asks for a little more than is missing", () => {
    expect(resumeFrom("2026-01-01T00:00:10.500Z")).toBe("2026-01-01T00:00:08.500Z");
    expect(resumeFrom("")).toBeUndefined();
  });
});
