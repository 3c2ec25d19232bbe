import { describe, expect, it } from "vitest";
import { SseParser } from "./sse";

const TEXT = 'event: steps\r\ndata: {"steps":\r\ndata: []}\r\n\r\n: a comment\nevent: ping\ndata:\n\ndata: last\r\r';
const EVENTS = [
  { event: "steps", data: '{"steps":\n[]}' },
  { event: "ping", data: "" },
  { event: "message", data: "last" },
];

describe("event stream", () => {
  it("is read whole", () => expect(new SseParser().push(TEXT)).toEqual(EVENTS));
  it("is read when split at any place", () => {
    for (let cut = 0; cut <= TEXT.length; cut += 1) {
      const parser = new SseParser();
      expect([...parser.push(TEXT.slice(0, cut)), ...parser.push(TEXT.slice(cut))]).toEqual(EVENTS);
    }
  });
  it("is read character by character", () => {
    const parser = new SseParser();
    expect(TEXT.split("").flatMap((character) => parser.push(character))).toEqual(EVENTS);
  });
  it("loses a byte order mark and keeps spaces after the first", () => {
    expect(new SseParser().push("\uFEFFdata:  two\n\n")).toEqual([{ event: "message", data: " two" }]);
  });
  it("tells of nothing before an empty line", () => {
    const parser = new SseParser();
    expect(parser.push("event: ping\ndata: {}\n")).toEqual([]);
    expect(parser.push("\n")).toEqual([{ event: "ping", data: "{}" }]);
  });
  it("reads an event without data, and a field without a colon", () => {
    expect(new SseParser().push("event: ping\n\ndata\n\n")).toEqual([
      { event: "ping", data: "" },
      { event: "message", data: "" },
    ]);
  });
});
