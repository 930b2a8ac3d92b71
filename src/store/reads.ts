// What each read asks of the tables and how its rows become the answer: the same for an engine that waits and one that does not.

import { findFaults, type AuditedRow } from './chain.js';
import type { Reads } from './calls.js';
import type {
  StoredAgent,
  StoredConfigurationRow,
  StoredEntry,
  StoredGrant,
  StoredOutboxRow,
  StoredAttachmentRow,
  Value,
} from './rows.js';
import { listSql, sql } from './sql.js';
import { columnsOf, pageSql, type Cell } from './tables.js';

/** Statements that see the same moment; `answer` takes the rows of each. */
export interface Query<A> {
  statements: readonly (readonly [text: string, ...values: Value[]])[];
  answer(results: readonly (readonly unknown[])[]): A;
}

type Statement = Query<unknown>['statements'][number];

const one = <T, A>(statement: Statement, answer: (row: T | undefined) => A): Query<A> => ({
  statements: [statement],
  answer: ([rows]) => answer(rows?.[0] as T | undefined),
});
const all = <T, A>(statement: Statement, answer: (rows: T[]) => A): Query<A> => ({
  statements: [statement],
  answer: ([rows]) => answer(rows as T[]),
});
const ids = (rows: { id: string }[]) => rows.map(({ id }) => id);
const same = <T>(found: T): T => found;

type Queries = { [K in keyof Reads]: (ask: Reads[K]['ask']) => Query<Reads[K]['answer']> };

/** `contains(column)` = the engine's expression for "the text of column contains the parameter". */
export function queriesFor(contains: (column: string) => string): Queries {
  return {
    conversation: (id) => one([sql.state, id], (row: { state: string } | undefined) => row?.state),
    entries: ({ conversationId, after, limit }) =>
      all([sql.entries, conversationId, after, limit], (rows: StoredEntry[]) => rows),
    findEntry: ({ conversationId, key, channelActivityId }) =>
      one<StoredEntry, StoredEntry | undefined>(
        key !== null
          ? [sql.entryByKey, conversationId, key]
          : [sql.entryByChannelActivityId, conversationId, channelActivityId],
        same,
      ),
    findOpen: (channelKey) => one([sql.findOpen, channelKey], (row: { id: string } | undefined) => row?.id),
    list: (query) => {
      const { text, values } = listSql(query, contains);
      return all<{ id: string; started_at: number; state: string }, Reads['list']['answer']>([text, ...values], same);
    },
    waiting: () => all([sql.waiting], (rows: { state: string }[]) => rows.map(({ state }) => state)),
    due: ({ at, limit }) => all([sql.due, at, limit], ids),
    nextDueAt: () => one([sql.nextDueAt], (row: { at: number | null } | undefined) => row?.at ?? null),
    outbox: ({ limit, after }) => all([sql.outbox, ...after, limit], (rows: StoredOutboxRow[]) => rows),
    agents: () => all([sql.agents], (rows: StoredAgent[]) => rows),
    configuration: (version) =>
      one<StoredConfigurationRow, StoredConfigurationRow | undefined>(
        version === null ? [sql.configuration] : [sql.configurationAt, version],
        same,
      ),
    secret: (name) => one([sql.secret, name], (row: { value: string } | undefined) => row?.value),
    grant: ({ kind, id, at }) => one<StoredGrant, StoredGrant | undefined>([sql.grant, kind, id, at], same),
    grants: ({ kind, at }) => all<StoredGrant, StoredGrant[]>([sql.grants, kind, at], same),
    attachment: (id) => one<StoredAttachmentRow, StoredAttachmentRow | undefined>([sql.attachment, id], same),
    counts: () => ({
      statements: [[sql.countOpen], [sql.countAll], [sql.countQueues], [sql.countOutbox]],
      answer: ([open, everything, queues, outbox]) => ({
        open: open as { phase: string; count: number }[],
        all: (everything?.[0] as { count: number }).count,
        queues: queues as { queue: string; length: number; since: number }[],
        outbox: (outbox?.[0] as { count: number }).count,
      }),
    }),
    audit: (id) => ({
      statements: [
        [sql.auditConversation, id],
        [sql.auditLog, id],
      ],
      answer: ([conversations, log]) =>
        toAudit(
          id,
          conversations?.[0] as { version: number; state: string; chain: Uint8Array } | undefined,
          log as (AuditedRow & { channel_activity_id: string | null })[],
        ),
    }),
    rows: ({ table, after }) =>
      all<Record<string, Cell>, Cell[][]>([pageSql(table, after), ...(after ?? [])], (rows) =>
        rows.map((row) => columnsOf(table).map(([column]) => row[column] ?? null)),
      ),
    conversationIds: ({ limit, after }) => all([sql.conversationIds, after, limit], ids),
  };
}

function toAudit(
  id: string,
  cached: { version: number; state: string; chain: Uint8Array } | undefined,
  rows: readonly (AuditedRow & { channel_activity_id: string | null })[],
): Reads['audit']['answer'] {
  if (cached === undefined) return undefined;
  const entries = rows.map(({ seq, envelope, body, channel_activity_id }) => ({
    conversation_id: id,
    seq,
    envelope,
    body,
    channel_activity_id,
  }));
  return { entries, state: cached.state, faults: findFaults(id, rows, cached) };
}
