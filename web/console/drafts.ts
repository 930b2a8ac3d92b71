// What a person has typed and not sent, kept in the tab through a reload or a sign-in.

const key = (draftKey: string) => `handoff.draft.${draftKey}`;

export function readDraft(draftKey: string): string {
  return sessionStorage.getItem(key(draftKey)) ?? '';
}

export function keepDraft(draftKey: string, text: string): void {
  if (text) sessionStorage.setItem(key(draftKey), text);
  else sessionStorage.removeItem(key(draftKey));
}
