import { useQuery } from "@tanstack/react-query";
import { Redirect, useLocation, useSearch } from "wouter";
import { listRuns } from "../../api/client";
import type { RunSummary } from "../../api/types";
import { ago, plural } from "../../lib/format";
import { changeQuery, readNumber } from "../../lib/urlState";
import { Icon } from "../../ui/icons";
import { Empty, Failed, Loading, Select } from "../../ui/pieces";
import { RunCharts } from "./RunCharts";
import "./training.css";

const WINDOWS = [10, 20, 50, 100, 200, 500];

function newest(runs: readonly RunSummary[]): string {
  const sorted = [...runs].sort((a, b) => Date.parse(b.last_active_at ?? "1970") - Date.parse(a.last_active_at ?? "1970"));
  return sorted[0]?.run_id ?? "";
}

function runText(run: RunSummary): string {
  return `${run.run_id} · ${plural(run.episode_count, "episode")} · ${ago(run.last_active_at, Date.now())}`;
}

export default function TrainingPage() {
  const search = useSearch();
  const [location, navigate] = useLocation();
  const asked = new URLSearchParams(search).get("run");
  const window = readNumber(search, "window", 50, 1, 5000);
  const runs = useQuery({ queryKey: ["runs"], queryFn: ({ signal }) => listRuns(signal), refetchInterval: 10_000, staleTime: 5000 });
  const all = (runs.data ?? []).filter((run) => run.run_id !== "");

  if (asked === null && all.length > 0) return <Redirect to={location + changeQuery(search, { run: newest(all) })} replace />;

  const windows = [...new Set([...WINDOWS, window])].sort((a, b) => a - b);
  return (
    <>
      <header className="pagehead">
        <div>
          <h1 tabIndex={-1}>Training</h1>
          <p>What a training run earns, live.</p>
        </div>
        <div className="pickers">
          <Select
            label="Run"
            value={asked ?? ""}
            options={all.length > 0 ? all.map((run) => [run.run_id, runText(run)] as const) : asked === null ? [["", runs.isSuccess ? "none yet" : runs.isPending ? "loading…" : "not known"]] : []}
            onChange={(run) => navigate(location + changeQuery(search, { run }))}
            testId="run-picker"
          />
          <Select
            label="Rolling mean over"
            value={String(window)}
            options={windows.map((size) => [String(size), plural(size, "episode")] as const)}
            onChange={(size) => navigate(location + changeQuery(search, { window: size }), { replace: true })}
          />
        </div>
      </header>
      {runs.isError && all.length === 0 && asked === null && (
        <Failed what="The runs did not load" error={runs.error} onRetry={() => void runs.refetch()} />
      )}
      {runs.isPending && asked === null && <Loading what="runs" />}
      {runs.isSuccess && all.length === 0 && asked === null && <NoRuns />}
      {asked !== null && <RunCharts key={asked} runId={asked} window={window} />}
    </>
  );
}

function NoRuns() {
  return (
    <Empty title="No training run yet">
      <p>
        <Icon name="chart" size={28} />
      </p>
      <p>A run appears here as soon as an episode names it. With the SDK:</p>
      <pre>{`from codearena import ArenaClient

with ArenaClient("127.0.0.1:50051") as arena:
    with arena.reset(task_id="auto", run_id="my-run") as episode:
        episode.step(fix)`}</pre>
      <p>This page looks for new runs every ten seconds.</p>
    </Empty>
  );
}
