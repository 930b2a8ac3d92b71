// What every engine has in common: the port in the hub's words on one side, calls in rows on the other.

import { BadRequest, Conflict } from '../errors.js';
import { channelPlaceOf } from '../core/channelPlace.js';
import type { Conversation, Entry } from '../core/conversation.js';
import type { Presence } from '../core/directory.js';
import type {
  AgentRow,
  Append,
  Appended,
  AuditedLog,
  ConversationFilter,
  Grant,
  OutboxRow,
  Settlement,
  Store,
  StoreCounts,
  StoredAttachment,
  StoredConfiguration,
  StoreFigures,
} from '../hub/ports.js';
import type { AppendAnswer, Reads, Writes } from './calls.js';
import {
  entriesOf,
  outboxId,
  parseCursor,
  parseOutboxId,
  toAgentRow,
  toAppendRows,
  toConfiguration,
  toConversation,
  toCursor,
  toEntry,
  toGrant,
  toOutboxRow,
  toSettlementRow,
} from './rows.js';
import type { Cell, TableName } from './tables.js';

export abstract class RecordStore implements Store {
  private latestGrantCheck = 0;
  private readonly counters: StoreFigures = { flushes: 0, appends: 0, lastFlushMs: 0, lastFlushSize: 0 };

  private opening: Promise<void> | undefined;
  private closing: Promise<void> = Promise.resolve();

  open(): Promise<void> {
    if (this.opening !== undefined) return this.opening;
    const opening = this.closing.then(() => this.occupy());
    this.opening = opening;
    opening.catch(() => {
      if (this.opening === opening) this.opening = undefined;
    });
    return opening;
  }

  close(): Promise<void> {
    const { opening } = this;
    this.opening = undefined;
    if (opening !== undefined) this.closing = opening.catch(() => {}).then(() => this.release());
    return this.closing;
  }

  /** What it throws has left nothing open. */
  protected abstract occupy(): Promise<void>;
  /** Resolves when everything queued is on disk. Throws nothing. */
  protected abstract release(): Promise<void>;
  /** Sees what is committed. @throws StoreUnavailable. */
  protected abstract read<K extends keyof Reads>(kind: K, ask: Reads[K]['ask']): Promise<Reads[K]['answer']>;
  /** Resolves when it is on disk; calls take effect in the order in which they were made. @throws StoreUnavailable. */
  protected abstract write<K extends keyof Writes>(kind: K, ask: Writes[K]['ask']): Promise<Writes[K]['answer']>;
  /** Only new people's rows carry it. */
  protected abstract now(): number;

  async append(request: Append): Promise<Appended> {
    const answer: AppendAnswer = await this.write('append', toAppendRows(request));
    const idOf = ([seq, ordinal]: readonly [number, number]) => outboxId(request.conversationId, seq, ordinal);
    switch (answer.outcome) {
      case 'done':
        return {
          outcome: 'done',
          entries: entriesOf(request),
          ...(answer.elsewhere === undefined ? {} : { elsewhere: answer.elsewhere.map(idOf) }),
          ...(answer.behind === undefined ? {} : { behind: answer.behind.map(idOf) }),
        };
      case 'conflict':
        return { outcome: 'conflict', current: answer.state === null ? undefined : toConversation(answer.state) };
      case 'duplicate':
        return { outcome: 'duplicate', key: answer.key, entry: toEntry(answer.entry) };
      case 'channelTaken':
      case 'noCapacity':
        return answer;
    }
  }

  async conversation(conversationId: string): Promise<Conversation | undefined> {
    const state = await this.read('conversation', conversationId);
    if (state === undefined) return undefined;
    // SQLite reads an id up to its first NUL: the conversation it finds may have another one.
    const conversation = toConversation(state);
    return conversation.id === conversationId ? conversation : undefined;
  }

  async entries(conversationId: string, after: number, limit: number): Promise<Entry[]> {
    return (await this.read('entries', { conversationId, after, limit })).map(toEntry);
  }

  async findEntry(
    conversationId: string,
    by: { key: string } | { channelActivityId: string },
  ): Promise<Entry | undefined> {
    const row = await this.read('findEntry', {
      conversationId,
      key: 'key' in by ? by.key : null,
      channelActivityId: 'channelActivityId' in by ? by.channelActivityId : null,
    });
    return row === undefined ? undefined : toEntry(row);
  }

  findOpen(channelKey: string): Promise<string | undefined> {
    return this.read('findOpen', channelKey);
  }

  async list(
    filter: ConversationFilter,
    limit: number,
    cursor?: string,
  ): Promise<{ items: Conversation[]; next?: string }> {
    const after = cursor === undefined ? undefined : parseCursor(cursor);
    if (cursor !== undefined && after === undefined) {
      throw new BadRequest(
        400,
        'badCursor',
        'The cursor is not one that a page of this list gave. Start from the first page.',
      );
    }
    // One more than asked for tells whether there is another page.
    const rows = await this.read('list', { ...filter, ...(after === undefined ? {} : { after }), limit: limit + 1 });
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    const { channelConversation } = filter;
    // As with an id: SQLite compares up to the first NUL.
    const isThere = (state: Conversation) =>
      channelConversation === undefined || channelPlaceOf(state).conversationId === channelConversation;
    const items = page.map((row) => toConversation(row.state)).filter(isThere);
    return rows.length > limit && last !== undefined ? { items, next: toCursor(last) } : { items };
  }

  async waiting(): Promise<Conversation[]> {
    return (await this.read('waiting', null)).map(toConversation);
  }

  due(at: number, limit: number): Promise<string[]> {
    return this.read('due', { at, limit });
  }

  async nextDueAt(): Promise<number | undefined> {
    return (await this.read('nextDueAt', null)) ?? undefined;
  }

  async outbox(limit: number, after?: string): Promise<OutboxRow[]> {
    const from: [string, number, number] = after === undefined ? ['', 0, 0] : parseOutboxId(after);
    return (await this.read('outbox', { limit, after: from })).map(toOutboxRow);
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    if (settlements.length > 0) await this.write('settle', settlements.map(toSettlementRow));
  }

  async agents(): Promise<AgentRow[]> {
    return (await this.read('agents', null)).map(toAgentRow);
  }

  async saveAgents(agents: readonly { id: string; capacity: number }[]): Promise<void> {
    const rows = agents.map(({ id, capacity }) => ({ id, capacity }));
    await this.write('saveAgents', { agents: rows, at: this.now() });
  }

  async setPresence(agent: string, presence: Presence, at: number, until?: number): Promise<void> {
    await this.write('setPresence', { agent, presence, at, until: until ?? null });
  }

  async configuration(version?: number): Promise<StoredConfiguration | undefined> {
    const row = await this.read('configuration', version ?? null);
    return row === undefined ? undefined : toConfiguration(row);
  }

  async saveConfiguration(
    document: unknown,
    by: string,
    at: number,
    expectedVersion: number,
  ): Promise<StoredConfiguration> {
    const text = JSON.stringify(document);
    const answer = await this.write('saveConfiguration', { document: text, by, at, expectedVersion });
    if (answer.saved) return { version: answer.version, document: JSON.parse(text), by, at };
    throw new Conflict(
      `The configuration is at version ${answer.version}, the change was made to version ${expectedVersion}.` +
        ' Read it again and apply the change to what it is now.',
    );
  }

  async secret(name: string, create: () => string): Promise<string> {
    const known = await this.read('secret', name);
    return known ?? (await this.write('makeSecret', { name, value: create() }));
  }

  async putGrant({ kind, id, value, expiresAt }: Grant): Promise<void> {
    await this.write('putGrant', {
      grant: { kind, id, value: JSON.stringify(value), expires_at: expiresAt },
      forgetBefore: this.latestGrantCheck,
    });
  }

  async getGrant(kind: string, id: string, at: number, take = false): Promise<Grant | undefined> {
    this.latestGrantCheck = Math.max(this.latestGrantCheck, at);
    const row = take ? await this.write('takeGrant', { kind, id, at }) : await this.read('grant', { kind, id, at });
    return row === undefined ? undefined : toGrant(row);
  }

  async grants(kind: string, at: number): Promise<Grant[]> {
    return (await this.read('grants', { kind, at })).map(toGrant);
  }

  async removeGrant(kind: string, id: string): Promise<void> {
    await this.write('removeGrant', { kind, id });
  }

  async putAttachment({ id, conversationId, name, contentType, bytes, at }: StoredAttachment): Promise<void> {
    await this.write('putAttachment', {
      id,
      conversation_id: conversationId,
      name,
      content_type: contentType,
      bytes,
      at,
    });
  }

  async getAttachment(id: string): Promise<StoredAttachment | undefined> {
    const row = await this.read('attachment', id);
    if (row === undefined) return undefined;
    const { conversation_id: conversationId, content_type: contentType, name, bytes, at } = row;
    return { id, conversationId, name, contentType, bytes, at };
  }

  async counts(): Promise<StoreCounts> {
    const { open, all, queues, outbox } = await this.read('counts', null);
    const byPhase = Object.fromEntries(open.map(({ phase, count }) => [phase, count]));
    const closed = open.reduce((rest, { count }) => rest - count, all);
    return {
      byPhase: closed > 0 ? { ...byPhase, closed } : byPhase,
      queues: queues.map(({ queue, length, since }) => ({ queue, length, oldestWaitingSince: since })),
      outboxDepth: outbox,
    };
  }

  async audit(conversationId: string): Promise<AuditedLog | undefined> {
    const audited = await this.read('audit', conversationId);
    if (audited === undefined) return undefined;
    const faults = [...audited.faults];
    const entries = audited.entries.flatMap((row) => {
      try {
        return [toEntry(row)];
      } catch {
        faults.push(`entry ${row.seq} cannot be read: its envelope or its body is not JSON`);
        return [];
      }
    });
    return { entries, cached: toConversation(audited.state), faults };
  }

  conversationIds(limit: number, after = ''): Promise<string[]> {
    return this.read('conversationIds', { limit, after });
  }

  /** Rows of a table as they are, page by page in order of its key; an empty page is the end. */
  rows(table: TableName, after: readonly (string | number)[] | null): Promise<Cell[][]> {
    return this.read('rows', { table, after });
  }

  /** Takes rows of another record into one that nobody serves. */
  async putRows(table: TableName, rows: readonly Cell[][]): Promise<void> {
    await this.write('putRows', { table, rows });
  }

  /** Whether a server writes to it now, where the place itself does not refuse a second one. */
  isServed(): Promise<boolean> {
    return Promise.resolve(false);
  }

  figures(): StoreFigures {
    return this.counters;
  }

  protected count({ ms, writes, appends }: Flush): void {
    this.counters.flushes += 1;
    this.counters.appends += appends;
    this.counters.lastFlushMs = ms;
    this.counters.lastFlushSize = writes;
    this.counters.onFlush?.(writes, ms);
  }
}

/** What was written at once, and how long it took. */
export interface Flush {
  ms: number;
  writes: number;
  appends: number;
}
