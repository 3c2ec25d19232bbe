import { describe, expect, it } from "vitest";
import { arenaLink, arenaPath, changeQuery, filterTasks, readFilters, readNumber, taskIdOf } from "./urlState";

describe("task ids in paths", () => {
  it.each(["easy-1", "pack/easy-1", "a b/ü", "odd?#%"])("%s goes there and back", (id) => {
    expect(taskIdOf(new URL(arenaPath(id), "http://x").pathname)).toBe(id);
  });
  it("is empty without a task", () => {
    expect(taskIdOf("/arena")).toBe("");
    expect(taskIdOf("/arena/")).toBe("");
    expect(taskIdOf("/sandbox")).toBe("");
  });
  it("bears a broken escape", () => expect(taskIdOf("/arena/100%")).toBe("100%"));
});

describe("query", () => {
  it("changes and removes parameters", () => {
    expect(changeQuery("?a=1&b=2", { a: "", b: "3", c: "x y" })).toBe("?b=3&c=x+y");
    expect(changeQuery("?a=1", { a: "" })).toBe("");
  });
  it("reads filters", () => {
    expect(readFilters("?q=sum&split=test")).toEqual({ q: "sum", category: "", difficulty: "", split: "test" });
  });
  it("keeps filters, but not the episode, in links to tasks", () => {
    expect(arenaLink("x/1", "?q=sum&episode=e1")).toBe("/arena/x/1?q=sum");
    expect(arenaLink("x/1", "?episode=e1", "e2")).toBe("/arena/x/1?episode=e2");
  });
  it("reads numbers within bounds only", () => {
    expect(readNumber("?window=20", "window", 50, 1, 500)).toBe(20);
    for (const bad of ["", "?window=", "?window=x", "?window=0", "?window=1.5", "?window=501"]) {
      expect(readNumber(bad, "window", 50, 1, 500)).toBe(50);
    }
  });
});

describe("filters", () => {
  const task = (task_id: string, category: string, difficulty: string, split: string) => ({
    task_id,
    title: `Title of ${task_id}`,
    category,
    difficulty,
    function_name: "run",
    split,
  });
  const tasks = [task("logic-1", "logic", "easy", "train"), task("syntax-2", "syntax", "hard", "test")];
  const ids = (query: string) => filterTasks(tasks, readFilters(query)).map((t) => t.task_id);
  it("combine", () => {
    expect(ids("")).toEqual(["logic-1", "syntax-2"]);
    expect(ids("?q=TITLE+logic")).toEqual(["logic-1"]);
    expect(ids("?category=syntax&difficulty=hard&split=test")).toEqual(["syntax-2"]);
    expect(ids("?category=syntax&split=train")).toEqual([]);
  });
});
