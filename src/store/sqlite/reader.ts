// Runs everything that only reads, on a connection and a thread of its own: sees committed data, never waits for a write.
//
// Measured on two busy cores: a page of 50 entries, read while 50 (500) customers write as fast as they can, takes 1.1
// (0.5) ms here and 8 (29) ms between the writer's flushes. In the hub's thread a page that is not in memory, or a long
// list, would stop everybody.

import { findFaults, type AuditedRow } from '../chain.js';
import type { StoredAgent, StoredConfigurationRow, StoredEntry, StoredGrant, StoredOutboxRow } from '../rows.js';
import { listSql, sql } from '../sql.js';
import type { Answer, Call, Reads, StoredAttachmentRow } from './calls.js';
import type { Bound, Database, Statement } from './engine.js';
import { faultOf } from './faults.js';
import { contains } from './schema.js';

type ReadKind = keyof Reads;
type Handlers = { [K in ReadKind]: (ask: Reads[K]['ask']) => Reads[K]['answer'] };

export class Reader {
  private readonly statements = new Map<string, Statement>();

  constructor(
    private readonly db: Database,
    private readonly directory: string,
  ) {}

  read(calls: readonly Call[]): Answer[] {
    return calls.map((call): Answer => {
      try {
        const handler = this.handlers[call.kind as ReadKind] as ((ask: unknown) => unknown) | undefined;
        if (handler === undefined) throw new TypeError(`"${call.kind}" does not read`);
        return { id: call.id, answer: handler(call.ask) };
      } catch (error) {
        return { id: call.id, fault: faultOf(error, this.directory) };
      }
    });
  }

  private readonly handlers: Handlers = {
    conversation: (id) => this.get<{ state: string }>(sql.state, id)?.state,
    entries: ({ conversationId, after, limit }) => this.all<StoredEntry>(sql.entries, conversationId, after, limit),
    findEntry: ({ conversationId, key, channelActivityId }) =>
      key !== null
        ? this.get<StoredEntry>(sql.entryByKey, conversationId, key)
        : this.get<StoredEntry>(sql.entryByChannelActivityId, conversationId, channelActivityId),
    findOpen: (channelKey) => this.get<{ id: string }>(sql.findOpen, channelKey)?.id,
    list: (query) => {
      const { text, values } = listSql(query, contains);
      return this.all<{ id: string; started_at: number; state: string }>(text, ...values);
    },
    waiting: () => this.all<{ state: string }>(sql.waiting).map((row) => row.state),
    due: ({ at, limit }) => this.all<{ id: string }>(sql.due, at, limit).map((row) => row.id),
    nextDueAt: () => this.get<{ at: number | null }>(sql.nextDueAt)?.at ?? null,
    outbox: ({ limit, after }) => this.all<StoredOutboxRow>(sql.outbox, ...after, limit),
    agents: () => this.all<StoredAgent>(sql.agents),
    configuration: () => this.get<StoredConfigurationRow>(sql.configuration),
    secret: (name) => this.get<{ value: string }>(sql.secret, name)?.value,
    grant: ({ kind, id, at }) => this.get<StoredGrant>(sql.grant, kind, id, at),
    attachment: (id) => this.get<StoredAttachmentRow>(sql.attachment, id),
    counts: () =>
      this.atOneMoment(() => ({
        open: this.all<{ phase: string; count: number }>(sql.countOpen),
        all: this.get<{ count: number }>(sql.countAll)?.count ?? 0,
        queues: this.all<{ queue: string; length: number; since: number }>(sql.countQueues),
        outbox: this.get<{ count: number }>(sql.countOutbox)?.count ?? 0,
      })),
    audit: (id) => this.atOneMoment(() => this.audit(id)),
    conversationIds: ({ limit, after }) =>
      this.all<{ id: string }>(sql.conversationIds, after, limit).map((row) => row.id),
  };

  private audit(id: string): Reads['audit']['answer'] {
    const cached = this.get<{ version: number; state: string; chain: Uint8Array }>(sql.auditConversation, id);
    if (cached === undefined) return undefined;
    const rows = this.all<AuditedRow & { channel_activity_id: string | null }>(sql.auditLog, id);
    return {
      entries: rows.map(({ seq, envelope, body, channel_activity_id }) => ({
        conversation_id: id,
        seq,
        envelope,
        body,
        channel_activity_id,
      })),
      state: cached.state,
      faults: findFaults(id, rows, cached),
    };
  }

  /** Several statements over one snapshot. */
  private atOneMoment<T>(read: () => T): T {
    this.db.exec('BEGIN');
    try {
      return read();
    } finally {
      this.db.exec('COMMIT');
    }
  }

  private statement(text: string): Statement {
    let statement = this.statements.get(text);
    if (statement === undefined) this.statements.set(text, (statement = this.db.prepare(text)));
    return statement;
  }

  private get<T>(text: string, ...values: Bound[]): T | undefined {
    return this.statement(text).get(...values) as T | undefined;
  }

  private all<T>(text: string, ...values: Bound[]): T[] {
    return this.statement(text).all(...values) as T[];
  }
}
