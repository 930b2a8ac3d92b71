// Between what the hub speaks of and what tables hold. Only strings, numbers and bytes leave here, so every engine can take them.

import { channelPlaceOf } from '../core/channelPlace.js';
import type { Conversation, ConversationEvent, Entry } from '../core/conversation.js';
import type { Append, AgentRow, Claim, Grant, OutboxRow, Settlement, StoredConfiguration } from '../hub/ports.js';
import type { Presence } from '../core/directory.js';
import type { Effect } from '../core/react.js';

export type Value = string | number | null;

/** An append as it goes to the engine: JSON made once, columns taken out of the state. */
export interface AppendRows {
  conversationId: string;
  expectedVersion: number;
  entries: readonly EntryRow[];
  state: string;
  dueAt: number | null;
  /** In the order of FACETS. */
  facets: readonly Value[];
  /** What is given back first. */
  claims: readonly Claim[];
  outbox: readonly { seq: number; ordinal: number; party: string; epoch: number; effect: string; dueAt: number }[];
  settle: readonly SettlementRow[];
  /** Entries whose bodies go. */
  erase: readonly number[];
}

export interface EntryRow {
  at: number;
  type: string;
  envelope: string;
  body: string | null;
  key: string | null;
  channelActivityId: string | null;
}

/** What becomes of one row of the outbox. */
export interface SettlementRow {
  conversationId: string;
  seq: number;
  ordinal: number;
  /** When and how often it is tried again; null = it goes. */
  retry: { attempts: number; dueAt: number } | null;
  channelActivityId: string | null;
}

/** @throws TypeError for the id of no outbox row. */
export function toSettlementRow(settlement: Settlement): SettlementRow {
  const [conversationId, seq, ordinal] = parseOutboxId(settlement.id);
  if (settlement.outcome === 'retry') {
    const { attempts, dueAt } = settlement;
    return { conversationId, seq, ordinal, retry: { attempts, dueAt }, channelActivityId: null };
  }
  return { conversationId, seq, ordinal, retry: null, channelActivityId: settlement.channelActivityId ?? null };
}

/** @throws TypeError when the append contradicts itself: a fault of the caller, nothing was written. */
export function toAppendRows(request: Append): AppendRows {
  const { conversationId, expectedVersion, events, state } = request;
  if (events.length === 0) throw new TypeError(`an append to ${conversationId} needs at least one event`);
  if (state.version !== expectedVersion + events.length || state.id !== conversationId) {
    throw new TypeError(
      `append to ${conversationId}: the state is ${state.id} at version ${state.version}, not what follows` +
        ` version ${expectedVersion} after ${events.length} events`,
    );
  }
  const entries = events.map((event, index): EntryRow => {
    const { body } = event;
    return {
      at: event.at,
      type: event.type,
      envelope: JSON.stringify({ ...event, body: undefined }),
      body: body === undefined ? null : JSON.stringify(body),
      key: event.key ?? null,
      channelActivityId: request.channelActivityIds?.[index] ?? null,
    };
  });
  return {
    conversationId,
    expectedVersion,
    entries,
    state: JSON.stringify(state),
    dueAt: state.dueAt ?? null,
    facets: facetsOf(state),
    claims: request.claims
      .map(({ agent, delta, force, at }) => ({ agent, delta, force, at }))
      .sort((a, b) => a.delta - b.delta),
    outbox: request.outbox.map(({ seq, ordinal, party, epoch, effect }) => {
      const event = events[seq - expectedVersion - 1];
      if (event === undefined)
        throw new TypeError(`outbox row for entry ${seq}, which this append to ${conversationId} does not write`);
      return { seq, ordinal, party, epoch, effect: JSON.stringify(effect), dueAt: event.at };
    }),
    settle: (request.settle ?? []).map(toSettlementRow),
    erase: events.flatMap((event) => (event.type === 'erased' ? event.targets : [])),
  };
}

/** The entries an append writes, as they read afterwards. */
export function entriesOf(request: Append): Entry[] {
  return request.events.map((event, index) => {
    const entry: Entry = { conversationId: request.conversationId, seq: request.expectedVersion + 1 + index, event };
    const channelActivityId = request.channelActivityIds?.[index];
    return channelActivityId === undefined ? entry : { ...entry, channelActivityId };
  });
}

/** Columns of `conversation` in the order of FACETS. */
function facetsOf(state: Conversation): Value[] {
  const line = 'waitingSince' in state ? state : undefined;
  const place = channelPlaceOf(state);
  return [
    state.phase,
    state.workStream,
    ('queue' in state ? state.queue : undefined) ?? null,
    'agent' in state ? state.agent : null,
    state.phase === 'offered' ? `/${state.offers.map((offer) => offer.agent).join('/')}/` : null,
    state.phase === 'bot' ? state.bot : null,
    state.customer.id ?? null,
    line?.priority ?? null,
    line?.waitingSince ?? null,
    state.startedAt,
    state.phase === 'closed' ? state.closedAt : null,
    state.channel.key ?? null,
    place.channelId,
    place.conversationId,
  ];
}

export interface StoredEntry {
  conversation_id: string;
  seq: number;
  envelope: string;
  body: string | null;
  channel_activity_id: string | null;
}

export function toEntry(row: StoredEntry): Entry {
  const envelope = JSON.parse(row.envelope) as ConversationEvent;
  const event = row.body === null ? envelope : { ...envelope, body: JSON.parse(row.body) as ConversationEvent['body'] };
  const entry: Entry = { conversationId: row.conversation_id, seq: row.seq, event };
  return row.channel_activity_id === null ? entry : { ...entry, channelActivityId: row.channel_activity_id };
}

export function toConversation(state: string): Conversation {
  return JSON.parse(state) as Conversation;
}

export interface StoredOutboxRow {
  conversation_id: string;
  seq: number;
  ordinal: number;
  party: string;
  epoch: number;
  effect: string;
  attempts: number;
  due_at: number;
}

export function toOutboxRow(row: StoredOutboxRow): OutboxRow {
  return {
    id: outboxId(row.conversation_id, row.seq, row.ordinal),
    conversationId: row.conversation_id,
    seq: row.seq,
    ordinal: row.ordinal,
    party: row.party,
    epoch: row.epoch,
    effect: JSON.parse(row.effect) as Effect,
    attempts: row.attempts,
    dueAt: row.due_at,
  };
}

export function outboxId(conversationId: string, seq: number, ordinal: number): string {
  return `${conversationId}/${seq}/${ordinal}`;
}

/** The key of an outbox row; read from the end, because a channel's conversation id may hold slashes. */
export function parseOutboxId(id: string): [conversationId: string, seq: number, ordinal: number] {
  const match = /^(.+)\/(\d{1,15})\/(\d{1,15})$/s.exec(id);
  if (match === null) throw new TypeError(`"${id}" is not the id of an outbox row: expected conversation/seq/ordinal`);
  return [match[1] ?? '', Number(match[2]), Number(match[3])];
}

export interface StoredAgent {
  id: string;
  presence: string;
  presence_at: number;
  presence_until: number | null;
  capacity: number;
  load: number;
  last_assigned_at: number;
  idle_since: number;
}

export function toAgentRow(row: StoredAgent): AgentRow {
  const agent: AgentRow = {
    id: row.id,
    presence: row.presence as Presence,
    presenceAt: row.presence_at,
    capacity: row.capacity,
    load: row.load,
    lastAssignedAt: row.last_assigned_at,
    idleSince: row.idle_since,
  };
  return row.presence_until === null ? agent : { ...agent, presenceUntil: row.presence_until };
}

export interface StoredConfigurationRow {
  version: number;
  document: string;
  saved_by: string;
  saved_at: number;
}

export function toConfiguration(row: StoredConfigurationRow): StoredConfiguration {
  return { version: row.version, document: JSON.parse(row.document), by: row.saved_by, at: row.saved_at };
}

export interface StoredGrant {
  kind: string;
  id: string;
  value: string;
  expires_at: number;
}

export function toGrant(row: StoredGrant): Grant {
  return { kind: row.kind, id: row.id, value: JSON.parse(row.value) as Grant['value'], expiresAt: row.expires_at };
}

export interface StoredAttachmentRow {
  id: string;
  conversation_id: string;
  name: string;
  content_type: string;
  bytes: Uint8Array;
  at: number;
}

/** Where a page of a list ended, as an opaque text. */
export function toCursor(last: { started_at: number; id: string }): string {
  return Buffer.from(JSON.stringify([last.started_at, last.id])).toString('base64url');
}

/** undefined when the text is not one of our cursors. */
export function parseCursor(cursor: string): { startedAt: number; id: string } | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (!Array.isArray(value) || typeof value[0] !== 'number' || typeof value[1] !== 'string') return undefined;
    return { startedAt: value[0], id: value[1] };
  } catch {
    return undefined;
  }
}
