import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { getCurriculum, getStats } from "../../api/client";
import type { Curriculum } from "../../api/types";
import type { Connection } from "../../api/steps";
import { MAX_STEPS } from "../../lib/stepStore";
import { levelPoints } from "../../lib/episodes";
import { count, percent, plural, reward, sum, words } from "../../lib/format";
import { ALL_ROW, cellKey } from "../../lib/statistics";
import { Chart } from "../../ui/Chart";
import { Icon } from "../../ui/icons";
import { LinePlot } from "../../ui/LinePlot";
import { Badge, DataTable, Empty, Loading, Notice, Segmented } from "../../ui/pieces";
import { Bars } from "./Bars";
import { BoxPlot } from "./BoxPlot";
import { figuresOf, type Figures, type Group } from "./figures";
import { MatrixView, type Measure } from "./MatrixView";
import { useRun, type RunView } from "./useRun";

/** Tables list the newest so many episodes. */
const TABLE_ROWS = 200;
const FEW_TASKS = 12;

export function RunCharts({ runId, window }: { runId: string; window: number }) {
  const run = useRun(runId);
  const figures = useMemo(() => figuresOf(run.steps, window), [run.steps, window]);
  const curriculum = useQuery({
    queryKey: ["curriculum", runId],
    queryFn: ({ signal }) => getCurriculum(runId, signal),
    refetchInterval: 5000,
    staleTime: 0,
    retry: false,
  });

  return (
    <>
      <Summary run={run} figures={figures} window={window} level={curriculum.data?.level ?? null} />
      {run.dropped > 0 && (
        <p className="small muted dropped">
          The charts show the newest {count(MAX_STEPS)} steps; {plural(run.dropped, "older step")} had to make room.
        </p>
      )}
      {figures.episodes.length === 0 ? (
        run.connection.state === "live" ? (
          <Empty title="No step in this run yet">
            <p>The page is connected and shows the first step as soon as it is made.</p>
            <pre>{`arena.reset(task_id="auto", run_id="${runId}")`}</pre>
          </Empty>
        ) : run.connection.state === "connecting" ? (
          <Loading what="steps" />
        ) : null
      ) : (
        <div className="charts">
          <RewardChart figures={figures} window={window} />
          <CumulativeChart figures={figures} />
          <CurriculumChart curriculum={curriculum.data} failed={curriculum.isError} />
          <MatrixChart figures={figures} />
          <div className="column">
            <MethodChart figures={figures} />
            <ComplexityChart figures={figures} />
          </div>
          <GroupChart title="Reward by category" testId="chart-category" groups={figures.categories} what="categories" />
          <GroupChart title="Reward by task" testId="chart-task" groups={figures.tasks} what="tasks" mono />
          <WholeRun runId={runId} />
        </div>
      )}
    </>
  );
}

function ConnectionBadge({ connection }: { connection: Connection }) {
  if (connection.state === "live") {
    return (
      <Badge tone="pass" icon="check">
        live
      </Badge>
    );
  }
  if (connection.state === "connecting") return <Badge>connecting…</Badge>;
  if (connection.state === "waiting") {
    return (
      <Badge tone="warn" icon="warn">
        reconnecting
      </Badge>
    );
  }
  return (
    <Badge tone="fail" icon="cross">
      stopped
    </Badge>
  );
}

function Summary({ run, figures, window, level }: { run: RunView; figures: Figures; window: number; level: string | null }) {
  const { connection } = run;
  const facts: [string, string][] = [
    ["Episodes", count(figures.episodes.length)],
    ["Steps", count(run.steps.length)],
    [`Mean of the newest ${count(Math.min(window, Math.max(figures.episodes.length, 1)))}`, reward(figures.recent)],
    ["Mean reward", reward(figures.overall)],
    ["Solved", percent(figures.solveRate)],
    ["Level", level ?? "–"],
  ];
  return (
    <section className="panel summary-panel" aria-label="Run at a glance">
      <dl className="facts" data-testid="run-summary">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
        <div>
          <dt>Connection</dt>
          <dd data-testid="connection" aria-live="polite">
            <ConnectionBadge connection={connection} />
          </dd>
        </div>
      </dl>
      {connection.state === "waiting" && (
        <Notice tone="warn">
          <span className="grow">
            {connection.reason} Connecting again in {connection.seconds.toFixed(0)} s, from the newest step.
          </span>
          <button type="button" className="btn slim" onClick={run.reconnect}>
            Connect now
          </button>
        </Notice>
      )}
      {connection.state === "stopped" && (
        <Notice tone="fail">
          <span className="grow">{connection.reason} The page does not try again by itself.</span>
          <button type="button" className="btn slim" onClick={run.reconnect}>
            <Icon name="loop" size={13} /> Connect again
          </button>
        </Notice>
      )}
    </section>
  );
}

function EpisodeTable({ figures, caption, values }: { figures: Figures; caption: string; values: readonly number[] }) {
  const rows = figures.episodes
    .map((episode, index) => ({ episode, number: index + 1, value: values[index] ?? 0 }))
    .slice(-TABLE_ROWS)
    .reverse();
  return (
    <>
      {figures.episodes.length > TABLE_ROWS && <p className="small muted">The newest {TABLE_ROWS} episodes.</p>}
      <DataTable
        caption={caption}
        rows={rows}
        rowKey={({ episode }) => episode.episode_id}
        columns={[
          { title: "Episode", cell: ({ number }) => count(number) },
          { title: "Task", cell: ({ episode }) => <span className="mono">{episode.task_id}</span> },
          { title: "Outcome", cell: ({ episode }) => words(episode.outcome) },
          { title: "Reward", right: true, cell: ({ episode }) => reward(episode.reward) },
          { title: caption, right: true, cell: ({ value }) => reward(value) },
        ]}
      />
    </>
  );
}

function RewardChart({ figures, window }: { figures: Figures; window: number }) {
  const { rewards, drawn, every, rolling, x, recent } = figures;
  const earlier = rolling.at(-1 - window) ?? null;
  const trend =
    earlier === null || recent === null
      ? ""
      : ` ${Math.abs(recent - earlier) < 0.005 ? "About as" : recent > earlier ? "More than" : "Less than"} ${reward(earlier)}, ${plural(window, "episode")} before.`;
  const lines = useMemo(
    () => [
      { label: "Episode", values: drawn, color: "--series-point" as const, kind: "points" as const },
      { label: `Mean of ${window}`, values: rolling, color: "--series-2" as const, kind: "line" as const, width: 2.5 },
    ],
    [drawn, rolling, window],
  );
  return (
    <Chart
      title="Episode reward"
      testId="chart-reward"
      wide
      summary={`${plural(rewards.length, "episode")}; the rolling mean is at ${reward(recent)}.${trend}${every > 1 ? ` One point for every ${every} episodes; the mean is of all.` : ""} Drag to zoom, double-click to see all.`}
      table={() => <EpisodeTable figures={figures} caption="Rolling mean" values={rolling} />}
    >
      <LinePlot x={x} lines={lines} xLabel="episode" range={UNIT} height={290} />
    </Chart>
  );
}

const UNIT: [number, number] = [0, 1];

function CumulativeChart({ figures }: { figures: Figures }) {
  const { total, x } = figures;
  const lines = useMemo(() => [{ label: "Sum", values: total, color: "--series-1" as const, kind: "line" as const }], [total]);
  return (
    <Chart
      title="Cumulative reward"
      testId="chart-cumulative"
      summary={`${sum(total.at(-1))} in all, of ${plural(total.length, "episode")}.`}
      table={() => <EpisodeTable figures={figures} caption="Sum so far" values={total} />}
    >
      <LinePlot x={x} lines={lines} xLabel="episode" />
    </Chart>
  );
}

function CurriculumChart({ curriculum, failed }: { curriculum: Curriculum | undefined; failed: boolean }) {
  const points = useMemo(() => (curriculum ? levelPoints(curriculum.moves, curriculum.level, curriculum.episode_count) : []), [curriculum]);
  const names = curriculum?.levels;
  const x = useMemo(() => points.map((point) => point.episode), [points]);
  const lines = useMemo(
    () => [{ label: "Level", values: points.map((point) => names?.indexOf(point.level) ?? 0), color: "--series-1" as const, kind: "steps" as const }],
    [points, names],
  );
  const range = useMemo((): [number, number] => [-0.3, Math.max((names?.length ?? 1) - 1, 0) + 0.3], [names]);
  return (
    <Chart
      title="Curriculum level"
      testId="chart-curriculum"
      summary={
        curriculum
          ? `At ${curriculum.level} after ${plural(curriculum.moves.length, "move")}. ${curriculum.explanation}`
          : failed
            ? "The curriculum of this run is not known."
            : "The curriculum is loading."
      }
      table={() => (
        <DataTable
          caption="Moves of the curriculum"
          rows={curriculum?.moves ?? []}
          rowKey={(move, index) => `${move.episode} ${index}`}
          columns={[
            { title: "Episode", cell: (move) => count(move.episode) },
            { title: "From", cell: (move) => move.from_level },
            { title: "To", cell: (move) => move.to_level },
            { title: "Mean reward", right: true, cell: (move) => reward(move.mean_reward) },
            { title: "Why", cell: (move) => move.reason },
          ]}
        />
      )}
    >
      {names && names.length > 0 && <LinePlot x={x} lines={lines} xLabel="episode of the curriculum" range={range} names={names} />}
    </Chart>
  );
}

const MEASURES: readonly (readonly [Measure, string])[] = [
  ["mean", "Mean"],
  ["maximum", "Max"],
  ["deviation", "Std dev"],
  ["count", "Count"],
];

function MatrixChart({ figures }: { figures: Figures }) {
  const [measure, setMeasure] = useState<Measure>("mean");
  const { matrix } = figures;
  const totals = matrix.columns.map((column) => {
    const cell = matrix.cells.get(cellKey(ALL_ROW, column));
    return `${column} ${reward(cell?.mean, 2)}`;
  });
  return (
    <Chart
      title="Difficulty matrix"
      testId="chart-matrix"
      summary={`Mean reward by difficulty: ${totals.join(", ")}. The small number is the count of episodes.`}
      tools={<Segmented label="Measure" value={measure} options={MEASURES} onChange={setMeasure} />}
      table={() => (
        <DataTable
          caption="Reward by category and difficulty"
          rows={matrix.rows.flatMap((row) =>
            matrix.columns.flatMap((column) => {
              const cell = matrix.cells.get(cellKey(row, column));
              return cell ? [{ row, column, cell }] : [];
            }),
          )}
          rowKey={({ row, column }) => cellKey(row, column)}
          columns={[
            { title: "Category", cell: ({ row }) => words(row) },
            { title: "Difficulty", cell: ({ column }) => column },
            { title: "Mean", right: true, cell: ({ cell }) => reward(cell.mean) },
            { title: "Max", right: true, cell: ({ cell }) => reward(cell.maximum) },
            { title: "Std dev", right: true, cell: ({ cell }) => reward(cell.deviation) },
            { title: "Count", right: true, cell: ({ cell }) => count(cell.count) },
          ]}
        />
      )}
    >
      <MatrixView matrix={matrix} measure={measure} caption="Category by difficulty" />
    </Chart>
  );
}

function MethodChart({ figures }: { figures: Figures }) {
  const { methods } = figures;
  const text = methods.map(({ name, box }) => `${name} has a median of ${reward(box.median)} in ${plural(box.count, "step")}`).join("; ");
  return (
    <Chart
      title="Reward by fixer method"
      testId="chart-method"
      summary={`${text}. The box holds the middle half, the line is the median, the diamond the mean; points are a sample.`}
      table={() => (
        <DataTable
          caption="Reward of a step by method"
          rows={methods}
          rowKey={({ name }) => name}
          columns={[
            { title: "Method", cell: ({ name }) => name },
            { title: "Steps", right: true, cell: ({ box }) => count(box.count) },
            { title: "Min", right: true, cell: ({ box }) => reward(box.minimum) },
            { title: "Lower quartile", right: true, cell: ({ box }) => reward(box.lowerQuartile) },
            { title: "Median", right: true, cell: ({ box }) => reward(box.median) },
            { title: "Upper quartile", right: true, cell: ({ box }) => reward(box.upperQuartile) },
            { title: "Max", right: true, cell: ({ box }) => reward(box.maximum) },
            { title: "Mean", right: true, cell: ({ box }) => reward(box.mean) },
          ]}
        />
      )}
    >
      <BoxPlot rows={methods} label={`Box plot. ${text}.`} />
    </Chart>
  );
}

function GroupChart({ title, testId, groups, what, mono = false }: { title: string; testId: string; groups: readonly Group[]; what: string; mono?: boolean }) {
  const [all, setAll] = useState(false);
  const show = (name: string) => (mono ? name : words(name));
  const shown = all ? groups : groups.slice(0, FEW_TASKS);
  const sorted = [...groups].sort((a, b) => a.mean - b.mean);
  const worst = sorted[0];
  const best = sorted.at(-1);
  return (
    <Chart
      title={title}
      testId={testId}
      summary={
        worst && best
          ? `Mean of ${plural(groups.length, what === "tasks" ? "task" : "category", what)}: lowest ${show(worst.name)} with ${reward(worst.mean)}, highest ${show(best.name)} with ${reward(best.mean)}.`
          : ""
      }
      table={() => (
        <DataTable
          caption={title}
          rows={groups}
          rowKey={({ name }) => name}
          columns={[
            { title: "Name", cell: ({ name }) => <span className={mono ? "mono" : undefined}>{show(name)}</span> },
            { title: "Mean reward", right: true, cell: (group) => reward(group.mean) },
            { title: "Solved", right: true, cell: (group) => percent(group.solved) },
            { title: "Episodes", right: true, cell: (group) => count(group.episodes) },
          ]}
        />
      )}
    >
      <Bars
        label={title}
        maximum={1}
        mono={mono}
        bars={shown.map((group) => ({
          name: show(group.name),
          value: group.mean,
          text: reward(group.mean, 2),
          note: `${percent(group.solved)} solved · ${count(group.episodes)}`,
        }))}
      />
      {groups.length > FEW_TASKS && (
        <button type="button" className="btn quiet slim" onClick={() => setAll(!all)}>
          {all ? "Show fewer" : `Show all ${groups.length} ${what}`}
        </button>
      )}
    </Chart>
  );
}

function ComplexityChart({ figures }: { figures: Figures }) {
  const { complexities } = figures;
  const most = Math.max(0, ...complexities.map((entry) => entry.count));
  const top = complexities.find((entry) => entry.count === most);
  return (
    <Chart
      title="Time complexity of the fixes"
      testId="chart-complexity"
      summary={top ? `Most often ${top.name}: ${percent(top.share)} of the episodes.` : ""}
      table={() => (
        <DataTable
          caption="Episodes by time complexity"
          rows={complexities}
          rowKey={({ name }) => name}
          columns={[
            { title: "Complexity", cell: ({ name }) => <span className="mono">{name}</span> },
            { title: "Episodes", right: true, cell: (entry) => count(entry.count) },
            { title: "Share", right: true, cell: (entry) => percent(entry.share) },
          ]}
        />
      )}
    >
      <Bars
        label="Episodes by time complexity"
        maximum={most}
        mono
        bars={complexities.map((entry) => ({ name: entry.name, value: entry.count, text: count(entry.count), note: percent(entry.share) }))}
      />
    </Chart>
  );
}

/** The service's own count, older steps than the page holds included. */
function WholeRun({ runId }: { runId: string }) {
  const [open, setOpen] = useState(false);
  const stats = useQuery({ queryKey: ["stats", runId], queryFn: ({ signal }) => getStats(runId, signal), enabled: open });
  return (
    <details className="panel wide whole" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>The whole run, as the service counts it</summary>
      {stats.isPending && open && <Loading what="the statistics" />}
      {stats.isError && <p className="muted">The statistics did not load: {stats.error.message}</p>}
      {stats.data?.map((table) => (
        <section key={table.name}>
          <h3>By {words(table.name)}</h3>
          <DataTable
            caption={`Statistics by ${words(table.name)}`}
            rows={table.rows}
            rowKey={(row) => row.key}
            columns={[
              { title: words(table.name), cell: (row) => row.key || "–" },
              { title: "Episodes", right: true, cell: (row) => count(row.episode_count) },
              { title: "Steps", right: true, cell: (row) => count(row.step_count) },
              { title: "Mean reward", right: true, cell: (row) => reward(row.mean_reward) },
              { title: "Solved", right: true, cell: (row) => percent(row.solve_rate) },
              { title: "Steps to solve", right: true, cell: (row) => reward(row.mean_steps_to_solve, 1) },
              { title: "Repeats", right: true, cell: (row) => percent(row.repeat_rate) },
            ]}
          />
        </section>
      ))}
    </details>
  );
}
