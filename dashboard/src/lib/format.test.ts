import { describe, expect, it } from "vitest";
import { ago, bytes, count, percent, plainText, plural, reward, seconds, sum, words } from "./format";

describe("numbers", () => {
  it("that are missing are a dash", () => {
    expect([reward(null), percent(undefined), count(null), seconds(null), bytes(undefined), sum(null), reward(Number.NaN)]).toEqual(Array(7).fill("–"));
  });
  it("are short", () => {
    expect(reward(0.61)).toBe("0.610");
    expect(percent(0.001)).toBe("<1 %");
    expect(percent(0)).toBe("0 %");
    expect(count(12_345)).toBe("12,345");
    expect(sum(6892.23)).toBe("6,892.2");
    expect([seconds(0.00002), seconds(0.0012), seconds(0.25), seconds(2.5)]).toEqual(["20 µs", "1.20 ms", "250 ms", "2.50 s"]);
    expect([bytes(12), bytes(2048), bytes(9 * 1024 ** 2)]).toEqual(["12 B", "2.0 KiB", "9.0 MiB"]);
    expect([plural(1, "episode"), plural(2, "category", "categories")]).toEqual(["1 episode", "2 categories"]);
  });
});

describe("texts", () => {
  it("lose underscores and terminal colours", () => {
    expect(words("tests_failed_twice")).toBe("tests failed twice");
    expect(plainText("\u001B[31mred\u001B[0m <b>")).toBe("red <b>");
  });
  it("tell the time that has passed", () => {
    const now = Date.parse("2026-01-02T00:00:00Z");
    expect(ago(null, now)).toBe("never");
    expect(ago("2026-01-01T23:59:30Z", now)).toBe("just now");
    expect(ago("2026-01-01T22:00:00Z", now)).toBe("2 h ago");
    expect(ago("2025-12-30T00:00:00Z", now)).toBe("3 d ago");
  });
});
