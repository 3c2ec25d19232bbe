/** What can go wrong between the page and the gateway. */

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfterSeconds: number | null;

  constructor(status: number, code: string, message: string, retryAfterSeconds: number | null = null) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** No answer came at all. */
export class NetworkError extends Error {
  constructor(message = "The gateway cannot be reached.") {
    super(message);
    this.name = "NetworkError";
  }
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
}

/** The error that a body of `{"error": {...}}` tells of. */
export function errorFromBody(status: number, body: unknown): ApiError {
  const error = record(record(body)?.error);
  const code = typeof error?.code === "string" ? error.code : `HTTP_${status}`;
  const message = typeof error?.message === "string" && error.message ? error.message : `The gateway answered with status ${status}.`;
  const wait = error?.retry_after_seconds;
  return new ApiError(status, code, message, typeof wait === "number" && Number.isFinite(wait) && wait >= 0 ? wait : null);
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** The same request may be sent again: it was not carried out, or its result is stored. */
export function isRetryable(error: unknown): boolean {
  if (error instanceof NetworkError) return true;
  return error instanceof ApiError && (error.status === 503 || error.status === 429);
}

export function describeError(error: unknown): string {
  if (error instanceof ApiError && error.status === 401) return "The gateway asks for an access token.";
  return sentence(error instanceof Error ? error.message : String(error));
}

/** Beginning with a capital, and with a stop at its end. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + (/[.!?…:]$/.test(trimmed) ? "" : ".");
}
