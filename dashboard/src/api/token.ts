/** The bearer token: kept for the tab, never in the URL. */

const KEY = "codearena.token";
const listeners = new Set<() => void>();
/** The dialog is open. */
let wanted = false;
/** The gateway refused the token, or asked for one. */
let refused = false;
/** It was closed without a token: it does not open again by itself. */
let dismissed = false;

function stored(): string {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

let token = stored();

function changed(): void {
  for (const listener of listeners) listener();
}

export function getToken(): string {
  return token;
}

export function setToken(next: string): void {
  token = next.trim();
  wanted = false;
  refused = false;
  dismissed = false;
  try {
    if (token) sessionStorage.setItem(KEY, token);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Without storage the token lasts until the page is reloaded.
  }
  changed();
}

/** A 401 came: the dialog opens, unless it was closed before. */
export function tokenRefused(): void {
  if (refused && (wanted || dismissed)) return;
  refused = true;
  if (!dismissed) wanted = true;
  changed();
}

export function setTokenWanted(next: boolean): void {
  if (wanted === next) return;
  wanted = next;
  dismissed = !next;
  changed();
}

/** There is a token, or the gateway wants one. */
export function isTokenOfUse(): boolean {
  return token !== "" || refused;
}

export function isTokenWanted(): boolean {
  return wanted;
}

export function onToken(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
