import { useCallback, useEffect, useRef, useState } from "react";
import { useLocation, useSearch } from "wouter";
import { getEpisode, proposeFix, resetEpisode, stepEpisode } from "../../api/client";
import { isAbort } from "../../api/errors";
import { withRetry, type Waiting } from "../../api/retry";
import type { FixResponse, Observation } from "../../api/types";
import { arenaLink } from "../../lib/urlState";
import { announce } from "../../ui/announce";
import { reward as showReward, words } from "../../lib/format";
import { loadDraft, saveDraft } from "./drafts";
import { isSettledBy, requestFor, settle } from "./pending";

export type Busy = "restore" | "start" | "step" | "fix" | "agent";

export interface Episode {
  observation: Observation | null;
  code: string;
  setCode: (code: string) => void;
  busy: Busy | null;
  /** What is going on, or went on last, in words. */
  progress: string;
  waiting: Waiting | null;
  error: unknown;
  restoreFailed: boolean;
  proposal: FixResponse | null;
  start: () => void;
  step: () => void;
  fix: () => void;
  agent: () => void;
  stop: () => void;
  restore: () => void;
  dismiss: () => void;
}

function codeOf(observation: Observation): string {
  return loadDraft(observation.episode_id) ?? observation.previous_attempts.at(-1)?.proposed_fix ?? observation.buggy_code;
}

/** One episode: restored from its id, begun when the first action needs it, one action at a time. */
export function useEpisode(taskId: string, episodeId: string, buggyCode: string | null): Episode {
  const search = useSearch();
  const [, navigate] = useLocation();
  const [observation, setObservation] = useState<Observation | null>(null);
  const [code, setCodeState] = useState<string | null>(() => loadDraft(`task:${taskId}`));
  const [busy, setBusy] = useState<Busy | null>(null);
  const [progress, setProgress] = useState("");
  const [waiting, setWaiting] = useState<Waiting | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [restoreFailed, setRestoreFailed] = useState(false);
  const [proposal, setProposal] = useState<FixResponse | null>(null);
  const action = useRef<AbortController | null>(null);
  /** The newest values, for actions that outlive a rendering; each is set together with its state. */
  const now = useRef({ observation, code, proposal, search });
  useEffect(() => {
    now.current.search = search;
  }, [search]);

  const see = useCallback((next: Observation | null) => {
    now.current.observation = next;
    setObservation(next);
  }, []);

  const write = useCallback((next: string | null) => {
    now.current.code = next;
    setCodeState(next);
  }, []);

  const keepProposal = useCallback((next: FixResponse | null) => {
    now.current.proposal = next;
    setProposal(next);
  }, []);

  const setCode = useCallback(
    (next: string) => {
      write(next);
      saveDraft(now.current.observation?.episode_id ?? `task:${taskId}`, next);
    },
    [taskId, write],
  );

  /** Carries out one action, unless another is under way. */
  const run = useCallback((kind: Busy, work: (signal: AbortSignal) => Promise<void>) => {
    if (action.current) return;
    const controller = new AbortController();
    action.current = controller;
    setBusy(kind);
    setError(null);
    setWaiting(null);
    setProgress("");
    const finish = () => {
      if (action.current !== controller) return;
      action.current = null;
      setBusy(null);
      setWaiting(null);
    };
    work(controller.signal).then(finish, (failure: unknown) => {
      if (action.current === controller && !isAbort(failure)) setError(failure);
      finish();
    });
  }, []);

  const retrying = useCallback(
    <T>(work: () => Promise<T>, signal: AbortSignal) =>
      withRetry(work, { signal, onWait: setWaiting, onAttempt: () => setWaiting(null) }),
    [],
  );

  const restore = useCallback(() => {
    run("restore", async (signal) => {
      setRestoreFailed(false);
      try {
        const state = await retrying(() => getEpisode(episodeId, signal), signal);
        see(state.observation);
        write(codeOf(state.observation));
        if (state.task_id !== taskId) navigate(arenaLink(state.task_id, now.current.search, episodeId), { replace: true });
      } catch (failure) {
        if (!isAbort(failure)) setRestoreFailed(true);
        throw failure;
      }
    });
  }, [episodeId, navigate, retrying, run, see, taskId, write]);

  // The address names another episode than the one that is open, or none.
  useEffect(() => {
    const open = now.current.observation?.episode_id ?? "";
    if (episodeId === open) return;
    action.current?.abort();
    action.current = null;
    setBusy(null);
    keepProposal(null);
    see(null);
    if (episodeId) restore();
    // The address is the external system that this effect follows.
    // eslint-disable-next-line react-hooks/set-state-in-effect
    else write(loadDraft(`task:${taskId}`));
  }, [episodeId, keepProposal, restore, see, taskId, write]);

  useEffect(
    () => () => {
      action.current?.abort();
      action.current = null;
    },
    [],
  );

  const begin = useCallback(
    async (signal: AbortSignal): Promise<Observation> => {
      setProgress("Starting an episode…");
      const { observation: first } = await retrying(() => resetEpisode(taskId, signal), signal);
      see(first);
      setCode(now.current.code ?? first.buggy_code);
      navigate(arenaLink(taskId, now.current.search, first.episode_id));
      setProgress("");
      return first;
    },
    [navigate, retrying, see, setCode, taskId],
  );

  const start = useCallback(() => {
    run("start", async (signal) => {
      keepProposal(null);
      if (now.current.observation) now.current.code = null;
      await begin(signal);
      announce("The episode has begun.");
    });
  }, [begin, keepProposal, run]);

  const submit = useCallback(
    async (fixed: string, method: string, signal: AbortSignal): Promise<Observation> => {
      const open = now.current.observation ?? (await begin(signal));
      const request = requestFor(open.episode_id, fixed, method);
      setProgress("Running the tests…");
      try {
        const result = await retrying(() => stepEpisode(request, signal), signal);
        settle();
        see(result.observation);
        const next = result.observation;
        announce(
          `Attempt ${next.step}: ${words(next.outcome ?? "no outcome")}, ${next.tests_passed} of ${next.tests_total} tests passed, reward ${showReward(result.reward)}.${next.hint && !next.done ? ` Hint: ${next.hint}` : ""}`,
        );
        setProgress("");
        return next;
      } catch (failure) {
        if (isSettledBy(failure)) settle();
        throw failure;
      }
    },
    [begin, retrying, see],
  );

  const step = useCallback(() => {
    if (now.current.observation?.done) return;
    run("step", async (signal) => {
      const fixed = now.current.code ?? buggyCode ?? "";
      const proposed = now.current.proposal;
      await submit(fixed, proposed?.fixed_code === fixed ? proposed.method : "human", signal);
    });
  }, [buggyCode, run, submit]);

  const propose = useCallback(
    async (signal: AbortSignal): Promise<FixResponse> => {
      const open = now.current.observation ?? (await begin(signal));
      setProgress("Asking for a fix…");
      const answer = await retrying(() => proposeFix(open.episode_id, signal), signal);
      keepProposal(answer);
      setCode(answer.fixed_code);
      setProgress("");
      return answer;
    },
    [begin, keepProposal, retrying, setCode],
  );

  const fix = useCallback(() => {
    if (now.current.observation?.done) return;
    run("fix", async (signal) => {
      const answer = await propose(signal);
      announce(`A fix by ${answer.method} is in the editor. ${answer.explanations.join(" ")}`);
    });
  }, [propose, run]);

  const agent = useCallback(() => {
    if (now.current.observation?.done) return;
    run("agent", async (signal) => {
      let open = now.current.observation ?? (await begin(signal));
      while (!open.done) {
        const answer = await propose(signal);
        const before = open.previous_attempts.map((attempt) => attempt.proposed_fix);
        if (before.includes(answer.fixed_code) || answer.fixed_code === open.buggy_code) {
          const text = "The agent stopped: it found nothing new to try. The attempts that are left are yours.";
          setProgress(text);
          announce(text);
          return;
        }
        open = await submit(answer.fixed_code, answer.method, signal);
      }
      setProgress("The agent is done.");
    });
  }, [begin, propose, run, submit]);

  /** Stops at once. A step under way may count all the same: what the gateway knows is read again. */
  const stop = useCallback(() => {
    if (!action.current) return;
    action.current.abort();
    action.current = null;
    setBusy(null);
    setWaiting(null);
    const open = now.current.observation;
    const text = "Stopped. If a step was under way, it may still count.";
    setProgress(text);
    announce(text);
    if (!open) return;
    getEpisode(open.episode_id).then(
      (state) => {
        const shown = now.current.observation;
        if (shown?.episode_id === open.episode_id && state.observation.step >= shown.step) see(state.observation);
      },
      () => undefined,
    );
  }, [see]);

  return {
    observation,
    code: code ?? observation?.buggy_code ?? buggyCode ?? "",
    setCode,
    busy,
    progress,
    waiting,
    error,
    restoreFailed,
    proposal,
    start,
    step,
    fix,
    agent,
    stop,
    restore,
    dismiss: () => setError(null),
  };
}
