// The embedded store: one SQLite file in a directory of its own, written by one thread and read by another.

import { BadRequest, Conflict, StoreUnavailable } from '../../errors.js';
import type { Conversation, Entry } from '../../core/conversation.js';
import type { Presence } from '../../core/directory.js';
import type {
  AgentRow,
  Append,
  Appended,
  AuditedLog,
  Clock,
  ConversationFilter,
  Grant,
  OutboxRow,
  Settlement,
  Store,
  StoreCounts,
  StoredAttachment,
  StoredConfiguration,
  StoreFigures,
} from '../../hub/ports.js';
import {
  entriesOf,
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
} from '../rows.js';
import type { AppendAnswer, Kinds, Reads, Writes } from './calls.js';
import { findPlace, preparePlace, type FileSystem } from './place.js';
import { StoreThread, type Flush } from './thread.js';

export interface SqliteStoreOptions {
  /** Made if absent; must be on a local disk, and belongs to one process at a time. */
  directory: string;
  /** Only new people's rows carry its time. Default: the system's. */
  clock?: Clock;
  /** Reads beside a running server: takes no lock, refuses every write. */
  readOnly?: boolean;
  /** Largest size of the database file in pages of 4096 bytes. Default: the disk's. */
  maxPages?: number;
  /** What the operating system says about a directory's file system. */
  fileSystemOf?: (directory: string) => FileSystem;
}

export class SqliteStore implements Store {
  private writer: StoreThread | undefined;
  private reader: StoreThread | undefined;
  private opening: Promise<void> | undefined;
  private closing: Promise<void> | undefined;
  private latestGrantCheck = 0;
  private readonly clock: Clock;
  private readonly counters: StoreFigures = { flushes: 0, appends: 0, lastFlushMs: 0, lastFlushSize: 0 };

  constructor(private readonly options: SqliteStoreOptions) {
    this.clock = options.clock ?? { now: () => Date.now() };
  }

  open(): Promise<void> {
    return (this.opening ??= this.openThreads());
  }

  close(): Promise<void> {
    return (this.closing ??= this.closeThreads());
  }

  async append(request: Append): Promise<Appended> {
    const answer: AppendAnswer = await this.write('append', toAppendRows(request));
    switch (answer.outcome) {
      case 'done':
        return { outcome: 'done', entries: entriesOf(request) };
      case 'conflict':
        return { outcome: 'conflict', current: answer.state === undefined ? undefined : toConversation(answer.state) };
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
    const items = page.map((row) => toConversation(row.state));
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
    if (settlements.length > 0) await this.write('settle', settlements);
  }

  async agents(): Promise<AgentRow[]> {
    return (await this.read('agents', null)).map(toAgentRow);
  }

  async saveAgents(agents: readonly { id: string; capacity: number }[]): Promise<void> {
    const rows = agents.map(({ id, capacity }) => ({ id, capacity }));
    await this.write('saveAgents', { agents: rows, at: this.clock.now() });
  }

  async setPresence(agent: string, presence: Presence, at: number, until?: number): Promise<void> {
    await this.write('setPresence', { agent, presence, at, until: until ?? null });
  }

  async configuration(): Promise<StoredConfiguration | undefined> {
    const row = await this.read('configuration', null);
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

  figures(): StoreFigures {
    return this.counters;
  }

  private read<K extends keyof Reads>(kind: K, ask: Reads[K]['ask']): Promise<Kinds[K]['answer']> {
    return this.reader === undefined ? this.refuse() : this.reader.call(kind, ask);
  }

  private write<K extends keyof Writes>(kind: K, ask: Writes[K]['ask']): Promise<Kinds[K]['answer']> {
    return this.writer === undefined ? this.refuse() : this.writer.call(kind, ask);
  }

  private refuse(): Promise<never> {
    const why = this.reader === undefined ? 'not open' : 'open for reading only';
    return Promise.reject(new StoreUnavailable(`The store in ${this.options.directory} is ${why}.`));
  }

  private async openThreads(): Promise<void> {
    const { readOnly = false, maxPages, directory: wanted, fileSystemOf } = this.options;
    const directory = readOnly ? findPlace(wanted) : preparePlace(wanted, fileSystemOf);
    // Both threads load side by side; the reader opens what the writer has made.
    const reader = new StoreThread({ role: 'reader', directory, maxPages }, () => {});
    const writer = readOnly
      ? undefined
      : new StoreThread({ role: 'writer', directory, maxPages }, (flush) => this.count(flush));
    try {
      await writer?.open();
      await reader.open();
    } catch (error) {
      await Promise.all([writer?.close(), reader.close()]);
      throw error;
    }
    this.writer = writer;
    this.reader = reader;
  }

  private async closeThreads(): Promise<void> {
    await this.opening?.catch(() => {});
    // The reader first: the last connection to go folds the write-ahead log into the file.
    const { reader, writer } = this;
    await reader?.close();
    await writer?.close();
  }

  private count({ ms, writes, appends }: Flush): void {
    this.counters.flushes += 1;
    this.counters.appends += appends;
    this.counters.lastFlushMs = ms;
    this.counters.lastFlushSize = writes;
    this.counters.onFlush?.(writes, ms);
  }
}
