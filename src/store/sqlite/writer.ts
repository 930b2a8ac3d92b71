// Runs everything that changes something: many calls in one transaction, each of them all or nothing.

import { chainNext, chainStart, digestOf, newSalt } from '../chain.js';
import { DONE, type AppendAnswer, type Call, type Writes } from '../calls.js';
import type { AppendRows, SettlementRow, StoredEntry, StoredGrant, Value } from '../rows.js';
import { changing, CHANNEL_KEY, sql } from '../sql.js';
import { columnsOf } from '../tables.js';
import { originalOf } from '../../hub/attachments.js';
import type { Claim } from '../../hub/ports.js';
import { CODE, codeOf, type Bound, type Database, type Statement } from './engine.js';
import { contentFault, diskFault } from './faults.js';
import type { Answer, Fault } from './calls.js';

type WriteKind = keyof Writes;
type Handlers = { [K in WriteKind]: (ask: Writes[K]['ask']) => Writes[K]['answer'] };

/** Where a conversation's log ends. Only this connection writes, so what it remembers is what the table says. */
interface Head {
  version: number;
  chain: Uint8Array;
  facets: readonly Value[];
}

/** Heads remembered: about 300 bytes each. */
const HEADS = 10_000;

/** Losing these repeats a delivery and loses nothing: a flush of nothing else does not wait for the disk. */
const LAZY: ReadonlySet<string> = new Set<WriteKind>(['settle']);

export class Writer {
  private readonly statements = new Map<string, Statement>();
  private heads = new Map<string, Head>();
  private waitsForDisk = true;
  /** Bodies were erased and the write-ahead log may still hold them. */
  private erased = false;
  private suspect = false;

  constructor(
    private readonly db: Database,
    private readonly directory: string,
  ) {}

  /**
   * Answers in the order of the calls. A call that cannot be carried out for what it says is left out and the rest is
   * run again; when the disk refuses, nothing of the flush is written and every call gets that fault.
   */
  flush(calls: readonly Call[]): Answer[] {
    const faults = new Map<number, Fault>();
    for (;;) {
      try {
        return this.transaction(calls, faults);
      } catch (error) {
        this.rollBack();
        const disk = diskFault(error, this.directory);
        if (disk !== undefined) {
          if (codeOf(error) === CODE.full) this.emptyLog();
          else this.suspect = true;
          return calls.map(({ id }) => ({ id, fault: faults.get(id) ?? disk }));
        }
        if (!(error instanceof CallFailed)) throw error;
        faults.set(error.id, contentFault(error.cause));
      }
    }
  }

  /** True once the file failed in a way that leaves the connection's own state in doubt. */
  get isSuspect(): boolean {
    return this.suspect;
  }

  private transaction(calls: readonly Call[], faults: ReadonlyMap<number, Fault>): Answer[] {
    this.setWaitsForDisk(calls.some((call) => !LAZY.has(call.kind)));
    this.db.exec('BEGIN IMMEDIATE');
    const answers = calls.map((call): Answer => {
      const fault = faults.get(call.id);
      if (fault !== undefined) return { id: call.id, fault };
      try {
        return { id: call.id, answer: this.handle(call) };
      } catch (error) {
        if (diskFault(error, this.directory) !== undefined) throw error;
        throw new CallFailed(call.id, error);
      }
    });
    this.db.exec('COMMIT');
    if (this.erased) this.emptyLog();
    return answers;
  }

  private handle(call: Call): unknown {
    const handler = this.handlers[call.kind as WriteKind] as ((ask: unknown) => unknown) | undefined;
    if (handler === undefined) throw new TypeError(`"${call.kind}" does not write`);
    return handler(call.ask);
  }

  private rollBack(): void {
    this.heads.clear();
    // A full disk makes SQLite roll back by itself.
    if (this.db.isOpen && this.db.isTransaction) this.db.exec('ROLLBACK');
  }

  private setWaitsForDisk(waits: boolean): void {
    if (waits === this.waitsForDisk) return;
    // In WAL mode NORMAL does not sync at commit; the sync of the next FULL commit covers what came before it.
    this.db.exec(`PRAGMA synchronous = ${waits ? 'FULL' : 'NORMAL'}`);
    this.waitsForDisk = waits;
  }

  /**
   * Folds the write-ahead log into the file and empties it: an erased text is in the log's older pages too, and a full
   * disk gains what the log holds. Never waits for a reader; what could not be done is tried after the next flush.
   */
  private emptyLog(): void {
    try {
      this.db.exec('PRAGMA busy_timeout = 0');
      const { busy } = this.db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number };
      this.erased &&= busy !== 0;
    } catch {
      // The flush itself is done, one way or the other; this must not change its answer.
    } finally {
      this.db.exec('PRAGMA busy_timeout = 5000');
    }
  }

  private readonly handlers: Handlers = {
    append: (rows) => this.append(rows),
    settle: (settlements) => {
      this.settle(settlements);
      return null;
    },
    saveAgents: ({ agents, at }) => {
      this.run(sql.retireAgents);
      for (const { id, capacity } of agents) this.run(sql.saveAgent, id, at, capacity, at);
      return null;
    },
    setPresence: ({ agent, presence, at, until }) => {
      this.run(sql.setPresence, presence, at, until, agent);
      return null;
    },
    saveConfiguration: ({ document, by, at, expectedVersion }) => {
      const version = this.get<{ version: number }>(sql.configuration)?.version ?? 0;
      if (version !== expectedVersion) return { saved: false, version };
      this.run(sql.insertConfiguration, version + 1, document, by, at);
      return { saved: true, version: version + 1 };
    },
    makeSecret: ({ name, value }) => {
      this.run(sql.insertSecret, name, value);
      return this.get<{ value: string }>(sql.secret, name)?.value ?? value;
    },
    putGrant: ({ grant, forgetBefore }) => {
      this.run(sql.removeExpiredGrants, forgetBefore);
      this.run(sql.putGrant, grant.kind, grant.id, grant.value, grant.expires_at);
      return null;
    },
    takeGrant: ({ kind, id, at }) => this.get<StoredGrant>(sql.takeGrant, kind, id, at),
    removeGrant: ({ kind, id }) => {
      this.run(sql.removeGrant, kind, id);
      return null;
    },
    putAttachment: (row) => {
      this.run(sql.putAttachment, row.id, row.conversation_id, row.name, row.content_type, toBlob(row.bytes), row.at);
      return null;
    },
    putRows: ({ table, rows }) => {
      const columns = columnsOf(table).map(([column]) => column);
      const text = `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
      for (const row of rows) this.run(text, ...row.map((cell) => (cell instanceof Uint8Array ? toBlob(cell) : cell)));
      return null;
    },
  };

  private append(rows: AppendRows): AppendAnswer {
    const refused = this.refusal(rows);
    if (refused !== undefined) return refused;
    if (rows.claims.length > 0) {
      // The one step that can refuse after it has written: a later claim may not fit when an earlier one did.
      this.db.exec('SAVEPOINT claims');
      const full = this.claim(rows.claims);
      if (full !== undefined) {
        this.db.exec('ROLLBACK TO claims; RELEASE claims');
        return { outcome: 'noCapacity', agent: full };
      }
      this.db.exec('RELEASE claims');
    }
    const chain = this.writeEntries(rows);
    this.writeConversation(rows, chain);
    for (const row of rows.outbox) {
      this.run(
        sql.insertOutbox,
        rows.conversationId,
        row.seq,
        row.ordinal,
        row.party,
        row.epoch,
        row.effect,
        row.dueAt,
      );
    }
    if (rows.settle.length > 0) this.settle(rows.settle);
    if (rows.erase.length > 0) this.erase(rows.conversationId, rows.erase);
    return DONE;
  }

  /** Reads only: nothing is written for an append that is refused here. */
  private refusal(rows: AppendRows): AppendAnswer | undefined {
    const { conversationId } = rows;
    for (const { key } of rows.entries) {
      if (key === null) continue;
      const entry = this.get<StoredEntry>(sql.entryByKey, conversationId, key);
      if (entry !== undefined) return { outcome: 'duplicate', key, entry };
    }
    const head = this.head(conversationId);
    if ((head?.version ?? 0) !== rows.expectedVersion) {
      return { outcome: 'conflict', state: this.get<{ state: string }>(sql.state, conversationId)?.state ?? null };
    }
    const channelKey = rows.facets[CHANNEL_KEY] ?? null;
    if (head === undefined && channelKey !== null) {
      const open = this.get<{ id: string }>(sql.findOpen, channelKey);
      if (open !== undefined) return { outcome: 'channelTaken', conversationId: open.id };
    }
    return undefined;
  }

  /** The agent who has no room, if any. */
  private claim(claims: readonly Claim[]): string | undefined {
    for (const { agent, delta, force, at } of claims) {
      const forced = force === true ? 1 : 0;
      const { changes } = this.run(sql.claim, delta, delta, at, delta, at, agent, delta, delta, forced);
      if (Number(changes) === 0 && delta > 0) return agent;
    }
    return undefined;
  }

  private writeEntries(rows: AppendRows): Uint8Array {
    let chain = this.head(rows.conversationId)?.chain ?? chainStart(rows.conversationId);
    let seq = rows.expectedVersion;
    for (const { at, type, envelope, body, key, channelActivityId } of rows.entries) {
      seq += 1;
      const salt = body === null ? null : newSalt();
      const digest = body === null || salt === null ? null : digestOf(salt, body);
      chain = chainNext(chain, envelope, digest);
      this.run(
        sql.insertEntry,
        rows.conversationId,
        seq,
        at,
        type,
        envelope,
        body,
        salt,
        digest,
        chain,
        key,
        channelActivityId,
      );
    }
    return chain;
  }

  private writeConversation(rows: AppendRows, chain: Uint8Array): void {
    const { conversationId, facets, dueAt, state } = rows;
    const version = rows.expectedVersion + rows.entries.length;
    const head = this.head(conversationId);
    if (head === undefined) this.run(sql.insertConversation, conversationId, version, dueAt, state, chain, ...facets);
    else if (facets.every((value, index) => value === head.facets[index])) {
      this.run(sql.updateConversation, version, dueAt, state, chain, conversationId);
    } else this.run(sql.updateConversationWhole, version, dueAt, state, chain, ...changing(facets), conversationId);
    this.remember(conversationId, { version, chain, facets });
  }

  private settle(settlements: readonly SettlementRow[]): void {
    for (const { conversationId, seq, ordinal, retry, channelActivityId } of settlements) {
      if (retry !== null) this.run(sql.retryOutbox, retry.attempts, retry.dueAt, conversationId, seq, ordinal);
      else this.run(sql.deleteOutbox, conversationId, seq, ordinal);
      if (channelActivityId !== null) this.run(sql.nameEntryOnChannel, channelActivityId, conversationId, seq);
    }
  }

  private erase(conversationId: string, targets: readonly number[]): void {
    this.erased = true;
    const attachments = this.all<{ id: string }>(sql.attachmentIds, conversationId);
    for (const seq of targets) {
      const body = this.get<{ body: string | null }>(sql.bodyOf, conversationId, seq)?.body ?? '';
      for (const { id } of attachments) if (body.includes(originalOf(id))) this.run(sql.deleteAttachment, id);
      this.run(sql.eraseBody, conversationId, seq);
      this.run(sql.deleteOutboxOfEntry, conversationId, seq);
    }
  }

  private head(conversationId: string): Head | undefined {
    const known = this.heads.get(conversationId);
    if (known !== undefined) return known;
    const row = this.get<Record<string, Value> & { version: number; chain: Uint8Array }>(sql.head, conversationId);
    if (row === undefined) return undefined;
    const { version, chain, ...facets } = row;
    const head = { version, chain, facets: Object.values(facets) };
    this.remember(conversationId, head);
    return head;
  }

  private remember(conversationId: string, head: Head): void {
    this.heads.delete(conversationId);
    this.heads.set(conversationId, head);
    if (this.heads.size <= HEADS) return;
    for (const oldest of this.heads.keys()) {
      this.heads.delete(oldest);
      break;
    }
  }

  private statement(text: string): Statement {
    let statement = this.statements.get(text);
    if (statement === undefined) this.statements.set(text, (statement = this.db.prepare(text)));
    return statement;
  }

  private run(text: string, ...values: Bound[]) {
    return this.statement(text).run(...values);
  }

  private get<T>(text: string, ...values: Bound[]): T | undefined {
    return this.statement(text).get(...values) as T | undefined;
  }

  private all<T>(text: string, ...values: Bound[]): T[] {
    return this.statement(text).all(...values) as T[];
  }
}

/** Node 22 binds an empty array that came from another thread as NULL; one with memory behind it stays a blob. */
function toBlob(bytes: Uint8Array): Uint8Array {
  return bytes.length > 0 ? bytes : new Uint8Array(1).subarray(0, 0);
}

/** One call of a flush cannot be carried out; the others can. */
class CallFailed extends Error {
  constructor(
    readonly id: number,
    cause: unknown,
  ) {
    super('a call of the flush failed', { cause });
    this.name = 'CallFailed';
  }
}
