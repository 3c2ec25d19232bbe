/** A parser of text/event-stream, for chunks that are split anywhere. */

export interface ServerEvent {
  event: string;
  data: string;
}

export class SseParser {
  #rest = "";
  #event = "";
  #data: string[] = [];
  #started = false;
  /** The last chunk ended with CR: a LF that follows belongs to it. */
  #afterReturn = false;

  push(chunk: string): ServerEvent[] {
    let text = chunk;
    if (!this.#started && text) {
      this.#started = true;
      if (text.startsWith("\uFEFF")) text = text.slice(1);
    }
    if (this.#afterReturn && text) {
      this.#afterReturn = false;
      if (text.startsWith("\n")) text = text.slice(1);
    }
    this.#rest += text;
    const events: ServerEvent[] = [];
    let start = 0;
    const end = /\r\n|\n|\r/g;
    for (let match = end.exec(this.#rest); match; match = end.exec(this.#rest)) {
      this.#line(this.#rest.slice(start, match.index), events);
      start = end.lastIndex;
    }
    this.#afterReturn = start === this.#rest.length && this.#rest.endsWith("\r");
    this.#rest = this.#rest.slice(start);
    return events;
  }

  #line(line: string, events: ServerEvent[]): void {
    if (line === "") {
      if (this.#data.length > 0) events.push({ event: this.#event || "message", data: this.#data.join("\n") });
      else if (this.#event) events.push({ event: this.#event, data: "" });
      this.#event = "";
      this.#data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
  }
}
