/** What was being written, kept for the tab. */

const key = (id: string) => `codearena.draft.${id}`;

export function loadDraft(id: string): string | null {
  try {
    return sessionStorage.getItem(key(id));
  } catch {
    return null;
  }
}

export function saveDraft(id: string, code: string): void {
  try {
    sessionStorage.setItem(key(id), code);
  } catch {
    // Full or forbidden: the draft lasts as long as the page.
  }
}
