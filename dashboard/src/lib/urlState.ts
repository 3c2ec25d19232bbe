/** What the URL tells, and URLs that tell it. */

export interface TaskFilters {
  q: string;
  category: string;
  difficulty: string;
  split: string;
}

const FILTERS = ["q", "category", "difficulty", "split"] as const;

export function readFilters(search: string): TaskFilters {
  const parameters = new URLSearchParams(search);
  const get = (name: string) => parameters.get(name) ?? "";
  return { q: get("q"), category: get("category"), difficulty: get("difficulty"), split: get("split") };
}

/** The query with these parameters changed; an empty value takes one away. */
export function changeQuery(search: string, changes: Record<string, string>): string {
  const parameters = new URLSearchParams(search);
  for (const [name, value] of Object.entries(changes)) {
    if (value) parameters.set(name, value);
    else parameters.delete(name);
  }
  const text = parameters.toString();
  return text ? `?${text}` : "";
}

/** The path of a task in the arena: its slashes stay slashes. */
export function arenaPath(taskId: string): string {
  return taskId ? `/arena/${taskId.split("/").map(encodeURIComponent).join("/")}` : "/arena";
}

export function taskIdOf(pathname: string): string {
  const match = /^\/arena\/(.+?)\/?$/.exec(pathname);
  if (!match?.[1]) return "";
  return match[1]
    .split("/")
    .map((part) => {
      try {
        return decodeURIComponent(part);
      } catch {
        return part;
      }
    })
    .join("/");
}

/** Links within the arena keep its filters, and nothing else. */
export function arenaLink(taskId: string, search: string, episodeId = ""): string {
  const kept = new URLSearchParams();
  const filters = readFilters(search);
  for (const name of FILTERS) if (filters[name]) kept.set(name, filters[name]);
  if (episodeId) kept.set("episode", episodeId);
  const text = kept.toString();
  return arenaPath(taskId) + (text ? `?${text}` : "");
}

interface Filterable {
  task_id: string;
  title: string;
  category: string;
  difficulty: string;
  function_name: string;
  split: string;
}

export function filterTasks<T extends Filterable>(tasks: readonly T[], filters: TaskFilters): T[] {
  const words = filters.q.toLowerCase().split(/\s+/).filter(Boolean);
  return tasks.filter((task) => {
    if (filters.category && task.category !== filters.category) return false;
    if (filters.difficulty && task.difficulty !== filters.difficulty) return false;
    if (filters.split && task.split !== filters.split) return false;
    const text = `${task.task_id} ${task.title} ${task.function_name} ${task.category}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** A whole number of the query, within bounds. */
export function readNumber(search: string, name: string, fallback: number, low: number, high: number): number {
  const text = new URLSearchParams(search).get(name);
  const value = text === null || text === "" ? Number.NaN : Number(text);
  return Number.isInteger(value) && value >= low && value <= high ? value : fallback;
}
