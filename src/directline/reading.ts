// Stretches of a conversation's log as activity sets: JSON made once for everybody with the same view.

import type { Conversation, Entry } from '../core/conversation.js';
import { namesIn } from '../core/names.js';
import { projectActivity, projectSignal, readActivities, type Reader, type Viewer } from '../core/projection.js';
import type { Hub, Signal } from '../hub/hub.js';

/** Entries read from the store at once. */
const PAGE_ENTRIES = 50;

export interface ActivitySetPage {
  /** The set; undefined when nothing in the stretch is for this viewer. */
  readonly json: string | undefined;
  /** seq of the last entry looked at: the cursor from here on. */
  readonly upTo: number;
  readonly atEnd: boolean;
}

export function readerOf(hub: Hub, state: Conversation, viewer: Viewer): Reader {
  return { viewer, nameOf: namesIn(hub.directory, state) };
}

/** The same for everybody who sees the same. */
export function viewKey(viewer: Viewer): string {
  return typeof viewer === 'object' ? `agent ${viewer.agent}` : viewer;
}

/** Unknown, foreign and empty watermarks mean from the start: a client is never refused for one. */
export function parseWatermark(watermark: string | null | undefined): number {
  return /^\d{1,15}$/.test(watermark ?? '') ? Number(watermark) : 0;
}

/**
 * What comes after `after`, until about `maxCharacters` of JSON are full or the log ends. A stretch of which the viewer
 * sees nothing is read past, so that an empty set always means the end.
 */
export async function readSet(
  hub: Hub,
  state: Conversation,
  viewer: Viewer,
  after: number,
  maxCharacters: number,
): Promise<ActivitySetPage> {
  const reader = readerOf(hub, state, viewer);
  const shown: string[] = [];
  let characters = 0;
  let upTo = after;
  for (;;) {
    const entries = await hub.entries(state.id, upTo, PAGE_ENTRIES);
    const read = readActivities(entries, { ...reader, original: await originalsBefore(hub, state.id, entries) });
    for (const { activity, seq } of read) {
      const json = JSON.stringify(activity);
      characters += json.length;
      shown.push(json);
      // Entries may be large: the rest of the page is read again with the next set.
      if (characters >= maxCharacters) return { json: setOf(shown, seq), upTo: seq, atEnd: false };
    }
    upTo = entries.at(-1)?.seq ?? upTo;
    const atEnd = entries.length < PAGE_ENTRIES;
    if (atEnd) return { json: shown.length === 0 ? undefined : setOf(shown, upTo), upTo, atEnd };
  }
}

/** A set without activities, for a reader who is up to date. */
export function emptySet(upTo: number): string {
  return setOf([], upTo);
}

/** What was just committed, or 'reread' when it is about earlier entries and cannot be shown without them. */
export function liveSet(
  hub: Hub,
  state: Conversation,
  entries: readonly Entry[],
  viewer: Viewer,
): string | undefined | 'reread' {
  if (entries.some(({ event }) => event.type === 'edited' || event.type === 'deleted')) return 'reread';
  const reader = readerOf(hub, state, viewer);
  const shown: string[] = [];
  for (const entry of entries) {
    const activity = projectActivity(entry, reader);
    if (activity !== undefined) shown.push(JSON.stringify(activity));
  }
  return shown.length === 0 ? undefined : setOf(shown, (entries.at(-1) as Entry).seq);
}

/** Without a watermark: what it shows is not kept, and the client's place in the log stays. */
export function signalSet(
  hub: Hub,
  state: Conversation,
  signal: Signal,
  id: string,
  viewer: Viewer,
): string | undefined {
  const activity = projectSignal(signal, id, hub.clock.now(), readerOf(hub, state, viewer));
  return activity === undefined ? undefined : `{"activities":[${JSON.stringify(activity)}]}`;
}

function setOf(activities: readonly string[], upTo: number): string {
  return `{"activities":[${activities.join(',')}],"watermark":"${upTo}"}`;
}

/** Entries before the stretch that something in it edits or deletes. */
async function originalsBefore(
  hub: Hub,
  conversationId: string,
  entries: readonly Entry[],
): Promise<(seq: number) => Entry | undefined> {
  const first = entries[0]?.seq ?? 0;
  const originals = new Map<number, Entry>();
  for (const { event } of entries) {
    if ((event.type !== 'edited' && event.type !== 'deleted') || event.target >= first || originals.has(event.target))
      continue;
    const [original] = await hub.entries(conversationId, event.target - 1, 1);
    if (original?.seq === event.target) originals.set(event.target, original);
  }
  return (seq) => originals.get(seq);
}
