import { useQuery } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { useLocation, useSearch } from "wouter";
import { getTask } from "../../api/client";
import { plainText, plural, words } from "../../lib/format";
import { changeQuery } from "../../lib/urlState";
import type { DiffMode } from "../../ui/editor/CodeEditor";
import { LazyCodeEditor } from "../../ui/editor/LazyCodeEditor";
import { Icon } from "../../ui/icons";
import { Badge, Failed, Loading, Notice, Outcome, Panel, Segmented } from "../../ui/pieces";
import { CONTROL, Keys } from "../../ui/dialogs";
import { describeError, isRetryable } from "../../api/errors";
import { Attempts } from "./Attempts";
import { Difficulty } from "./Difficulty";
import { RewardPanel } from "./RewardPanel";
import { TestsPanel } from "./TestsPanel";
import { useEpisode, type Episode } from "./useEpisode";

const MODES: readonly (readonly [DiffMode, string])[] = [
  ["side", "Side by side"],
  ["inline", "Inline diff"],
  ["plain", "Fix only"],
];

function readMode(search: string): DiffMode {
  const asked = new URLSearchParams(search).get("view");
  const known = MODES.find(([mode]) => mode === asked)?.[0];
  return known ?? (window.matchMedia("(min-width: 820px)").matches ? "side" : "inline");
}

export function Workbench({ taskId, episodeId }: { taskId: string; episodeId: string }) {
  const search = useSearch();
  const [location, navigate] = useLocation();
  const task = useQuery({ queryKey: ["task", taskId], queryFn: ({ signal }) => getTask(taskId, signal), staleTime: 300_000 });
  const episode = useEpisode(taskId, episodeId, task.data?.buggy_code ?? null);
  const submit = useRef<HTMLButtonElement>(null);
  const [against, setAgainst] = useState<"buggy" | "last">("buggy");
  const { observation, busy } = episode;
  const wasBusy = useRef(false);

  // A button that is disabled loses the focus: it, or the one in its place, gets it back.
  useEffect(() => {
    if (wasBusy.current && busy === null && document.activeElement === document.body) {
      submit.current?.focus({ preventScroll: true });
    }
    wasBusy.current = busy !== null && busy !== "restore";
  }, [busy]);

  const shown = observation ?? task.data;

  if (!shown || (episodeId && !observation)) {
    if (episode.restoreFailed) {
      return (
        <>
          <Failed what="The episode cannot be restored" error={episode.error} onRetry={episode.restore} />
          <p className="row" style={{ justifyContent: "center" }}>
            <button type="button" className="btn" onClick={() => navigate(location + changeQuery(search, { episode: "" }))}>
              Go to the task without it
            </button>
          </p>
        </>
      );
    }
    if (task.isError && !episodeId) return <Failed what="The task did not load" error={task.error} onRetry={() => void task.refetch()} />;
    return <Loading what={episodeId ? "the episode" : "the task"} />;
  }

  const mode = readMode(search);
  const attempts = observation?.previous_attempts ?? [];
  const last = attempts.at(-1);
  const original = against === "last" && last ? last.proposed_fix : shown.buggy_code;
  const originalLabel = against === "last" && last ? `Attempt ${last.step}` : "Buggy code";
  const done = observation?.done ?? false;
  const modules = Object.entries(shown.modules);

  return (
    <>
      <header className="pagehead task-head">
        <div className="grow">
          <h1 tabIndex={-1}>{shown.title}</h1>
          <div className="row small muted about">
            <span className="mono">{shown.task_id}</span>
            <Difficulty level={shown.difficulty} />
            <span>{words(shown.category)}</span>
            <span>{plural(shown.hidden_test_count, "hidden test")}</span>
            {"split" in shown && <span>{shown.split} split</span>}
          </div>
        </div>
        {observation && (
          <div className="row">
            <Outcome outcome={observation.outcome} />
            <Badge tone={done ? "accent" : "plain"}>
              {done ? "episode over" : `attempt ${Math.min(observation.step + 1, observation.max_steps)} of ${observation.max_steps}`}
            </Badge>
          </div>
        )}
      </header>

      <p className="description">
        <Prose text={shown.description} />
      </p>
      {modules.length > 0 && (
        <details className="modules">
          <summary>{plural(modules.length, "module")} that the program imports</summary>
          {modules.map(([name, source]) => (
            <div key={name}>
              <h3 className="mono">{name}</h3>
              <pre className="scroll" role="region" aria-label={`Module ${name}`} tabIndex={0}>
                {source}
              </pre>
            </div>
          ))}
        </details>
      )}

      <Messages episode={episode} />

      <section className="panel editor" aria-label="Fix">
        <header>
          <div className="row">
            <Segmented label="View of the code" value={mode} options={MODES} onChange={(view) => navigate(location + changeQuery(search, { view }), { replace: true })} />
            {last && mode !== "plain" && (
              <Segmented
                label="Compare with"
                value={against}
                options={[
                  ["buggy", "vs buggy code"],
                  ["last", `vs attempt ${last.step}`],
                ]}
                onChange={setAgainst}
              />
            )}
          </div>
          <div className="row">
            {episode.code !== shown.buggy_code && (
              <button type="button" className="btn quiet slim" disabled={busy === "agent"} onClick={() => episode.setCode(shown.buggy_code)}>
                Back to the buggy code
              </button>
            )}
          </div>
        </header>
        {mode === "side" && (
          <div className="sides small muted" aria-hidden="true">
            <span>{originalLabel}</span>
            <span>Your fix</span>
          </div>
        )}
        <LazyCodeEditor
          label="Your fix"
          value={episode.code}
          onChange={episode.setCode}
          readOnly={busy === "agent"}
          mode={mode}
          original={original}
          originalLabel={originalLabel}
          onSubmit={episode.step}
          onAlternate={episode.fix}
          onEscape={() => submit.current?.focus()}
        />
        <div className="actions">
          {done ? (
            <button ref={submit} type="button" className="btn primary" disabled={busy !== null} onClick={episode.start} data-testid="start-button">
              <Icon name="loop" /> {busy === "start" ? "Starting…" : "New episode"}
            </button>
          ) : (
            <>
              <button ref={submit} type="button" className="btn primary" disabled={busy !== null} onClick={episode.step} data-testid="step-button">
                <Icon name="play" size={14} /> {busy === "step" ? "Stepping…" : "Step"} <Keys keys={[CONTROL, "Enter"]} />
              </button>
              <button type="button" className="btn" disabled={busy !== null} onClick={episode.fix} data-testid="ai-fix-button">
                <Icon name="spark" size={14} /> {busy === "fix" ? "Asking…" : "AI fix"}
              </button>
              {busy === "agent" ? null : (
                <button type="button" className="btn" disabled={busy !== null} onClick={episode.agent} data-testid="agent-start">
                  <Icon name="loop" size={14} /> Agent mode
                </button>
              )}
              {!observation && (
                <button type="button" className="btn" disabled={busy !== null} onClick={episode.start} data-testid="start-button">
                  {busy === "start" ? "Starting…" : "Start episode"}
                </button>
              )}
            </>
          )}
          {busy !== null && busy !== "restore" && (
            <button type="button" className="btn danger" onClick={episode.stop} data-testid="agent-stop">
              <Icon name="stop" size={14} /> {busy === "agent" ? "Stop the agent" : "Stop"}
            </button>
          )}
          {(busy !== null || episode.progress) && (
            <span className="progress small muted" data-testid="progress">
              {busy !== null && <span className="spinner" aria-hidden="true" />}
              {busy === "agent" && observation ? `Agent, attempt ${Math.min(observation.step + 1, observation.max_steps)}: ` : ""}
              {episode.progress}
            </span>
          )}
        </div>
      </section>

      <Attempts attempts={attempts} maxSteps={observation?.max_steps ?? 5} code={episode.code} disabled={busy === "agent"} onChoose={episode.setCode} />

      <div className="results">
        <Panel title="Terminal" flush className="terminal-panel" aside={observation?.complexity && <Complexity complexity={observation.complexity} />}>
          <pre className="terminal" role="region" aria-label="Error log" tabIndex={0} data-testid="terminal">
            {observation ? (
              plainText(observation.error_log) || <span className="dim">No error.</span>
            ) : (
              <span className="dim">Nothing has run yet. Start the episode to see the error log of the buggy code, or step with a fix.</span>
            )}
          </pre>
          {observation && observation.violations.length > 0 && (
            <p className="violations small">
              <Badge tone="fail" icon="lock">
                violations
              </Badge>{" "}
              {observation.violations.map(words).join(", ")}
            </p>
          )}
        </Panel>
        <TestsPanel observation={observation} visible={shown.visible_tests} hiddenCount={shown.hidden_test_count} />
        <RewardPanel observation={observation} />
      </div>
    </>
  );
}

/** What stands between backticks is code. */
function Prose({ text }: { text: string }) {
  return text.split("`").map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part));
}

function Complexity({ complexity }: { complexity: Record<string, unknown> }) {
  const time = complexity.time;
  if (typeof time !== "string" || !time) return null;
  return (
    <Badge tone="accent">
      time <span className="mono">{time}</span>
    </Badge>
  );
}

function Messages({ episode }: { episode: Episode }) {
  const { waiting, error, observation, proposal, busy } = episode;
  return (
    <div className="messages">
      {waiting && (
        <Notice tone="warn" role="status">
          <Icon name="warn" />
          <span className="grow">
            {waiting.reason} The same request is sent again in {waiting.seconds.toFixed(1)} s (try {waiting.attempt} of {waiting.attempts}).
          </span>
        </Notice>
      )}
      {error !== null && !episode.restoreFailed && (
        <Notice tone="fail" role="alert">
          <Icon name="warn" />
          <span className="grow">{describeError(error)} {isRetryable(error) && "Sending the same fix again counts as the same step."}</span>
          <button type="button" className="btn slim" onClick={episode.dismiss}>
            Dismiss
          </button>
        </Notice>
      )}
      {proposal && (
        <Notice>
          <Icon name="spark" />
          <div className="grow">
            <p>
              <strong>{busy === "agent" ? "The agent's fix" : "AI fix"}</strong> by <span className="mono">{proposal.method}</span>
              {proposal.diff.trim() === "" ? ": nothing to repair was found." : ". Undo in the editor brings back what you had."}
            </p>
            <ul className="explanations">
              {proposal.explanations.map((text, index) => (
                <li key={`${index}${text}`}>{text}</li>
              ))}
            </ul>
          </div>
        </Notice>
      )}
      {observation?.regression && (
        <Notice tone="fail">
          <Icon name="warn" />
          <span className="grow">
            <strong>Regression.</strong> {observation.regression}
          </span>
        </Notice>
      )}
      {observation?.hint && !observation.done && (
        <Notice tone="warn">
          <Icon name="bulb" />
          <span className="grow">
            <strong>Hint.</strong> {observation.hint}
          </span>
        </Notice>
      )}
      {observation?.done && (
        <Notice tone={observation.outcome === "passed" ? "pass" : "accent"}>
          <Icon name={observation.outcome === "passed" ? "check" : "minus"} />
          <span className="grow">
            {observation.outcome === "passed" ? "Every test passes: the episode is over." : "The episode is over. A new one gives you the task once more."}
          </span>
        </Notice>
      )}
    </div>
  );
}
