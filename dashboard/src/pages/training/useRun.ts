import { useEffect, useState, useSyncExternalStore } from "react";
import { getToken, onToken } from "../../api/token";
import { followSteps, type Connection } from "../../api/steps";
import type { Step } from "../../api/types";
import { StepStore } from "../../lib/stepStore";

/** The figures are made anew at most so often, and take at most a tenth of the time. */
const QUIET_MS = 250;
const SHARE = 10;

export interface RunView {
  steps: readonly Step[];
  dropped: number;
  connection: Connection;
  reconnect: () => void;
}

interface Feed {
  steps: readonly Step[];
  dropped: number;
  connection: Connection;
}

const START: Feed = { steps: [], dropped: 0, connection: { state: "connecting" } };

/** The steps of a run, live. Mounted anew for each run. */
export function useRun(runId: string): RunView {
  const token = useSyncExternalStore(onToken, getToken);
  const [attempt, setAttempt] = useState(0);
  const [feed, setFeed] = useState<Feed>(START);

  useEffect(() => {
    const store = new StepStore();
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let shown = 0;
    let cost = 0;
    const show = () => {
      timer = undefined;
      shown = performance.now();
      setFeed((before) => ({ ...before, steps: store.snapshot(), dropped: store.dropped }));
      const begun = shown;
      requestAnimationFrame(() => setTimeout(() => (cost = performance.now() - begun)));
    };
    const forget = store.subscribe(() => {
      timer ??= setTimeout(show, Math.max(0, Math.max(QUIET_MS, cost * SHARE) - (performance.now() - shown)));
    });
    void followSteps({
      runId,
      signal: stop.signal,
      onSteps: (steps) => store.add(steps),
      onConnection: (connection) => {
        if (!stop.signal.aborted) setFeed((before) => ({ ...before, connection }));
      },
    });
    return () => {
      stop.abort();
      forget();
      clearTimeout(timer);
    };
    // Another token or a click begins anew.
  }, [runId, token, attempt]);

  return { ...feed, reconnect: () => setAttempt((before) => before + 1) };
}
