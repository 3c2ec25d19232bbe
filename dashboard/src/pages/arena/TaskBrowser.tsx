import type { UseQueryResult } from "@tanstack/react-query";
import { useEffect, useMemo, useRef, type KeyboardEvent } from "react";
import { Link, useLocation, useSearch } from "wouter";
import type { TaskSummary } from "../../api/types";
import { count, words } from "../../lib/format";
import { byDifficulty } from "../../lib/statistics";
import { arenaLink, changeQuery, filterTasks, readFilters } from "../../lib/urlState";
import { Icon } from "../../ui/icons";
import { Failed, Loading, Select } from "../../ui/pieces";
import { Difficulty } from "./Difficulty";

function choices(values: string[], all: string): [string, string][] {
  return [["", all], ...values.map((value): [string, string] => [value, words(value)])];
}

interface Props {
  tasks: UseQueryResult<TaskSummary[]>;
  taskId: string;
  onChosen: () => void;
}

export function TaskBrowser({ tasks, taskId, onChosen }: Props) {
  const search = useSearch();
  const [location, navigate] = useLocation();
  const filters = readFilters(search);
  const field = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const all = useMemo(() => tasks.data ?? [], [tasks.data]);
  const shown = filterTasks(all, filters);
  const options = useMemo(
    () => ({
      category: choices([...new Set(all.map((task) => task.category))].sort(), "All"),
      difficulty: choices([...new Set(all.map((task) => task.difficulty))].sort(byDifficulty), "All"),
      split: choices([...new Set(all.map((task) => task.split))].filter(Boolean).sort(), "All"),
    }),
    [all],
  );

  useEffect(() => {
    const listen = (event: globalThis.KeyboardEvent) => {
      const target = event.target;
      const typing = target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      field.current?.focus();
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, []);

  useEffect(() => {
    const current = list.current?.querySelector('[aria-current="page"]');
    const box = list.current;
    if (current instanceof HTMLElement && box && box.scrollHeight > box.clientHeight) {
      box.scrollTop = current.offsetTop - box.offsetTop - box.clientHeight / 3;
    }
  }, [taskId, all]);

  const change = (changes: Record<string, string>) => navigate(location + changeQuery(search, changes), { replace: true });

  const move = (event: KeyboardEvent) => {
    const links = [...(list.current?.querySelectorAll("a") ?? [])];
    const place = links.indexOf(document.activeElement as HTMLAnchorElement);
    const to = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: links.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    if (to < 0) field.current?.focus();
    else links[to]?.focus();
  };

  return (
    <aside className="panel tasks" id="tasks" aria-label="Tasks">
      <div className="filters">
        <label className="field">
          <span>
            Search <kbd>/</kbd>
          </span>
          <input
            ref={field}
            className="input"
            type="search"
            placeholder="Title, id or function"
            value={filters.q}
            onChange={(event) => change({ q: event.target.value })}
            onKeyDown={(event) => {
              if (event.key === "ArrowDown") move(event);
            }}
          />
        </label>
        <div className="three">
          <Select label="Category" value={filters.category} options={options.category} onChange={(category) => change({ category })} />
          <Select label="Difficulty" value={filters.difficulty} options={options.difficulty} onChange={(difficulty) => change({ difficulty })} />
          <Select label="Split" value={filters.split} options={options.split} onChange={(split) => change({ split })} />
        </div>
        {tasks.isSuccess && (
          <p className="muted small row spread" role="status">
            <span>
              {count(shown.length)} of {count(all.length)} tasks
            </span>
            {shown.length < all.length && (
              <button type="button" className="btn quiet slim" onClick={() => change({ q: "", category: "", difficulty: "", split: "" })}>
                Clear filters
              </button>
            )}
          </p>
        )}
      </div>
      {tasks.isPending && <Loading what="tasks" />}
      {tasks.isError && <Failed what="The tasks did not load" error={tasks.error} onRetry={() => void tasks.refetch()} />}
      {tasks.isSuccess && shown.length === 0 && (
        <p className="muted none">{all.length === 0 ? "This arena has no tasks." : "No task matches these filters."}</p>
      )}
      {/* The keys move the focus among the links; each is a link by itself too. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
      <ul ref={list} className="list" onKeyDown={move}>
        {shown.map((task) => (
          <li key={task.task_id}>
            <Link href={arenaLink(task.task_id, search)} aria-current={task.task_id === taskId ? "page" : undefined} onClick={onChosen}>
              <span className="title">{task.title}</span>
              <span className="about">
                <span className="mono">{task.task_id}</span>
                <Difficulty level={task.difficulty} />
              </span>
            </Link>
          </li>
        ))}
      </ul>
      <p className="sr">
        <Icon name="list" /> Arrow keys move in the list.
      </p>
    </aside>
  );
}
