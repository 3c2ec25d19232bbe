/** Typed requests to the gateway. */

import { ApiError, NetworkError, errorFromBody, isAbort } from "./errors";
import { getToken, tokenRefused } from "./token";
import type {
  Curriculum,
  EpisodeState,
  FixResponse,
  Operations,
  RunResult,
  RunSummary,
  StatsTable,
  StepResponse,
  TaskDetail,
  TaskPage,
  TaskSummary,
} from "./types";

type Query = Record<string, string | number | undefined>;

interface Options {
  method?: "GET" | "POST";
  body?: unknown;
  query?: Query;
  signal?: AbortSignal | undefined;
  accept?: string;
}

export function withQuery(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== "") parameters.set(key, String(value));
  }
  const text = parameters.toString();
  return text ? `${path}?${text}` : path;
}

/** The response, or an ApiError, a NetworkError or an AbortError. */
export async function send(path: string, options: Options = {}): Promise<Response> {
  const headers = new Headers({ Accept: options.accept ?? "application/json" });
  const token = getToken();
  if (token) headers.set("Authorization", `Bearer ${token}`);
  if (options.body !== undefined) headers.set("Content-Type", "application/json");
  let response: Response;
  try {
    response = await fetch(withQuery(path, options.query), {
      method: options.method ?? "GET",
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      signal: options.signal ?? null,
      cache: "no-store",
    });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new NetworkError();
  }
  if (response.ok) return response;
  if (response.status === 401) tokenRefused();
  let body: unknown = null;
  try {
    body = await response.json();
  } catch (error) {
    if (isAbort(error)) throw error;
  }
  const failure = errorFromBody(response.status, body);
  const header = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  if (failure.retryAfterSeconds === null && header >= 0) {
    throw new ApiError(failure.status, failure.code, failure.message, header);
  }
  throw failure;
}

async function json<T>(path: string, options: Options = {}): Promise<T> {
  const response = await send(path, options);
  let text: string;
  try {
    text = await response.text();
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new NetworkError("The connection broke before the answer was complete.");
  }
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new ApiError(response.status, "INTERNAL", "The gateway's answer is not JSON.");
  }
}

/** A task's id with its slashes, in a path. */
export function encodeTaskId(taskId: string): string {
  return taskId.split("/").map(encodeURIComponent).join("/");
}

export async function listTasks(signal?: AbortSignal): Promise<TaskSummary[]> {
  const tasks: TaskSummary[] = [];
  let token = "";
  do {
    const page: TaskPage = await json<TaskPage>("/api/tasks", { query: { page_token: token }, signal });
    tasks.push(...page.tasks);
    token = page.next_page_token === token ? "" : page.next_page_token;
  } while (token);
  return tasks;
}

export function getTask(taskId: string, signal?: AbortSignal): Promise<TaskDetail> {
  return json(`/api/tasks/${encodeTaskId(taskId)}`, { signal });
}

export function resetEpisode(taskId: string, signal?: AbortSignal): Promise<StepResponse> {
  return json("/reset", { method: "POST", body: { task_id: taskId }, signal });
}

export interface StepRequest {
  episodeId: string;
  code: string;
  requestId: string;
  method: string;
}

export function stepEpisode(step: StepRequest, signal?: AbortSignal): Promise<StepResponse> {
  const body = {
    action: { proposed_fix: step.code },
    episode_id: step.episodeId,
    request_id: step.requestId,
    method: step.method,
  };
  return json("/step", { method: "POST", body, signal });
}

export function getEpisode(episodeId: string, signal?: AbortSignal): Promise<EpisodeState> {
  return json("/state", { query: { episode_id: episodeId }, signal });
}

export function proposeFix(episodeId: string, signal?: AbortSignal): Promise<FixResponse> {
  return json("/fix", { method: "POST", body: { episode_id: episodeId }, signal });
}

export function runCode(code: string, stdin: string, signal?: AbortSignal): Promise<RunResult> {
  return json("/run_raw", { method: "POST", body: { code, stdin }, signal });
}

export async function listRuns(signal?: AbortSignal): Promise<RunSummary[]> {
  return (await json<{ runs: RunSummary[] }>("/api/runs", { signal })).runs;
}

export function getCurriculum(runId: string, signal?: AbortSignal): Promise<Curriculum> {
  return json("/curriculum", { query: { run_id: runId }, signal });
}

export async function getStats(runId: string, signal?: AbortSignal): Promise<StatsTable[]> {
  return (await json<{ tables: StatsTable[] }>("/stats", { query: { run_id: runId }, signal })).tables;
}

export function getOperations(signal?: AbortSignal): Promise<Operations> {
  return json("/api/operations", { signal });
}

export function getHealth(signal?: AbortSignal): Promise<{ status: string }> {
  return json("/health", { signal });
}
