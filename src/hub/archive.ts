// The archive beside the hub's own conversations: written without the hub's turns, each activity once, in the log like any other.

import { createHash } from 'node:crypto';
import type { Activity } from '../core/activity.js';
import { archivedTurn, archiveStarted, recordedAt } from '../core/archive.js';
import type { ChannelPlace } from '../core/channelPlace.js';
import { NOT_STARTED, type ConversationEvent, type Entry, type State } from '../core/conversation.js';
import { evolve } from '../core/evolve.js';
import { Conflict } from '../errors.js';
import type { Engine } from './engine.js';
import type { Store } from './ports.js';

const ATTEMPTS = 5;
const ENTRIES_PER_READ = 500;

/** The same for the same place, in every process. */
export function archiveIdOf({ channelId, conversationId }: ChannelPlace): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([channelId, conversationId]))
    .digest('base64url');
  return `archive-${digest.slice(0, 22)}`;
}

/**
 * Appends what the archive does not have yet, all or nothing. Times are the activities' own; they never run backwards within
 * a log, so what is older than the last one is filed under the last one's time.
 * @returns how many were new.
 */
export async function keepInArchive(
  store: Store,
  place: ChannelPlace,
  workStream: string,
  activities: readonly Activity[],
  now: number,
): Promise<number> {
  const id = archiveIdOf(place);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const before = await store.conversation(id);
    const fresh = await unseenOf(store, id, before !== undefined, activities);
    const [first] = fresh;
    if (first === undefined) return 0;
    const events: ConversationEvent[] = [];
    const channelActivityIds: Record<number, string> = {};
    let state: State = before ?? NOT_STARTED;
    const emit = (event: ConversationEvent) => {
      events.push(event);
      state = evolve(state, event);
    };
    if (before === undefined)
      emit(archiveStarted(id, place, workStream, recordedAt(first.activity) ?? now, first.activity));
    for (const { activity, key } of fresh) {
      const { lastAt } = state as { lastAt: number };
      if (typeof activity.id === 'string' && activity.id !== '') channelActivityIds[events.length] = activity.id;
      emit(archivedTurn(activity, Math.max(lastAt, recordedAt(activity) ?? now), key));
    }
    const { outcome } = await store.append({
      conversationId: id,
      expectedVersion: before?.version ?? 0,
      events,
      state: state as Exclude<State, { phase: 'none' }>,
      claims: [],
      outbox: [],
      channelActivityIds,
    });
    // Otherwise somebody else wrote to it in the meantime: what is new is another question now.
    if (outcome === 'done') return fresh.length;
  }
  throw new Conflict('The archive of this conversation is being written by others. Try again.');
}

/**
 * Takes everything that was said, and the context, out of the record: it is gone from the disk, too. An open conversation
 * keeps the address at which its customer is reached.
 */
export async function eraseConversation(
  hub: Pick<Engine, 'store' | 'handle' | 'conversation'>,
  conversationId: string,
): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const state = await hub.conversation(conversationId);
    if (state === undefined) return;
    const targets = (await allEntries(hub.store, conversationId))
      .filter(({ seq, event }) => event.body !== undefined && (state.phase === 'closed' || seq > 1))
      .map(({ seq }) => seq);
    if (targets.length === 0) return;
    await hub.handle(conversationId, { type: 'erase', targets });
  }
  throw new Conflict('Things are being said in this conversation while it is erased. Try again.');
}

export async function allEntries(store: Store, conversationId: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (;;) {
    const page = await store.entries(conversationId, entries.length, ENTRIES_PER_READ);
    entries.push(...page);
    if (page.length < ENTRIES_PER_READ) return entries;
  }
}

interface Unseen {
  readonly activity: Activity;
  readonly key: string;
}

async function unseenOf(store: Store, id: string, exists: boolean, activities: readonly Activity[]): Promise<Unseen[]> {
  const keys = new Set<string>();
  const unseen: Unseen[] = [];
  for (const activity of activities) {
    const key = keyOf(activity);
    if (keys.has(key)) continue;
    keys.add(key);
    if (!exists || (await store.findEntry(id, { key })) === undefined) unseen.push({ activity, key });
  }
  return unseen;
}

/** By the id it was given. An edit comes under the id of what it edits, so its content counts as well. */
function keyOf(activity: Activity): string {
  const { id, type } = activity;
  if (typeof id === 'string' && id !== '' && type !== 'messageUpdate' && type !== 'messageDelete')
    return `archive:${type}:${id}`;
  return `archive:${createHash('sha256').update(JSON.stringify(activity)).digest('base64url')}`;
}
