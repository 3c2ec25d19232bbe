import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, Redirect, useLocation, useSearch } from "wouter";
import { getEpisode, listTasks } from "../../api/client";
import type { TaskSummary } from "../../api/types";
import { plural, words } from "../../lib/format";
import { byDifficulty, groupBy } from "../../lib/statistics";
import { arenaLink, changeQuery, taskIdOf } from "../../lib/urlState";
import { Icon } from "../../ui/icons";
import { Failed, Loading } from "../../ui/pieces";
import { Difficulty } from "./Difficulty";
import { TaskBrowser } from "./TaskBrowser";
import { Workbench } from "./Workbench";
import "./arena.css";

/** An address with an episode and no task: the episode knows its task. */
function FindTask({ episodeId }: { episodeId: string }) {
  const search = useSearch();
  const episode = useQuery({ queryKey: ["episode", episodeId], queryFn: ({ signal }) => getEpisode(episodeId, signal) });
  if (episode.isPending) return <Loading what="the episode" />;
  if (episode.isError) {
    return <Failed what="The episode cannot be opened" error={episode.error} onRetry={() => void episode.refetch()} />;
  }
  return <Redirect to={arenaLink(episode.data.task_id, search, episodeId)} replace />;
}

export default function ArenaPage() {
  const [location] = useLocation();
  const search = useSearch();
  const taskId = taskIdOf(location);
  const episodeId = new URLSearchParams(search).get("episode") ?? "";
  const tasks = useQuery({ queryKey: ["tasks"], queryFn: ({ signal }) => listTasks(signal), staleTime: 300_000 });
  const [browsing, setBrowsing] = useState(false);

  return (
    <div className={`arena ${taskId ? "with-task" : ""} ${browsing ? "browsing" : ""}`}>
      <button type="button" className="btn browse" aria-expanded={browsing || !taskId} aria-controls="tasks" onClick={() => setBrowsing(!browsing)}>
        <Icon name="list" /> {browsing ? "Hide the tasks" : "Browse the tasks"}
      </button>
      <TaskBrowser tasks={tasks} taskId={taskId} onChosen={() => setBrowsing(false)} />
      <div className="bench">
        {taskId ? (
          <Workbench key={taskId} taskId={taskId} episodeId={episodeId} />
        ) : episodeId ? (
          <FindTask episodeId={episodeId} />
        ) : (
          <Welcome tasks={tasks.data ?? []} />
        )}
      </div>
    </div>
  );
}

function countBy(tasks: readonly TaskSummary[], key: (task: TaskSummary) => string): [string, number][] {
  return [...groupBy(tasks, key)].map(([name, members]) => [name, members.length]);
}

/** Before a task is chosen: what there is, and what can be done with it. */
function Welcome({ tasks }: { tasks: readonly TaskSummary[] }) {
  const search = useSearch();
  const first = tasks[0];
  const difficulties = countBy(tasks, (task) => task.difficulty).sort(([a], [b]) => byDifficulty(a, b));
  const categories = countBy(tasks, (task) => task.category).sort(([a], [b]) => a.localeCompare(b));
  return (
    <div className="overview">
      <div className="stack">
        <h1 tabIndex={-1}>Arena</h1>
        <p>
          Each task is a buggy Python program with hidden tests. You have a few attempts to repair it; each one runs in a
          sandbox, earns a reward and comes back with a new error log.
        </p>
        {first && (
          <p className="row">
            <Link className="btn primary" href={arenaLink(first.task_id, search)}>
              Begin with {first.title}
            </Link>
          </p>
        )}
      </div>
      <ul className="ways">
        <li>
          <strong>
            <Icon name="play" size={14} /> By hand
          </strong>
          Edit the code, step, read the log, edit again.
        </li>
        <li>
          <strong>
            <Icon name="spark" size={14} /> AI fix
          </strong>
          Have a fix proposed and explained; you decide whether to step with it.
        </li>
        <li>
          <strong>
            <Icon name="loop" size={14} /> Agent mode
          </strong>
          Watch the fixer work through its attempts. You can stop it at any time.
        </li>
      </ul>
      {tasks.length > 0 && (
        <>
          <Tiles title="By difficulty" name="difficulty" entries={difficulties} />
          <Tiles title="By category" name="category" entries={categories} />
        </>
      )}
    </div>
  );
}

function Tiles({ title, name, entries }: { title: string; name: "difficulty" | "category"; entries: readonly [string, number][] }) {
  return (
    <section>
      <h2>{title}</h2>
      <ul className="tiles">
        {entries.map(([value, count]) => (
          <li key={value}>
            <Link href={`/arena${changeQuery("", { [name]: value })}`}>
              {name === "difficulty" ? <Difficulty level={value} /> : words(value)}
              <span className="num">{plural(count, "task")}</span>
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
