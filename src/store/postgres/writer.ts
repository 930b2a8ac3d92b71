// Everything that changes something: what gathers while one flush is on its way goes into the next, in one round trip.

import { setImmediate, setTimeout } from 'node:timers';
import type { Client } from 'pg';
import { StoreUnavailable } from '../../errors.js';
import { DONE, type Writes } from '../calls.js';
import { chainStart, digestOf, newSalt } from '../chain.js';
import type { Flush } from '../recordStore.js';
import type { AppendRows } from '../rows.js';
import { CHANNEL_KEY } from '../sql.js';
import { contentError, failureOf, isFromServer, unavailable, unknownOutcome } from './faults.js';
import { escapeJson, escapeText, unescapeText, type Place } from './place.js';
import { WRITING } from './writing.js';

type WriteKind = keyof Writes;
/** Answers of a flush that are more than "done", by the position of the call. */
type Answers = readonly (readonly [index: number, answer: unknown])[];

type Asked = { [K in WriteKind]: { kind: K; ask: Writes[K]['ask'] } }[WriteKind];
type Pending = Asked & {
  resolve(answer: unknown): void;
  reject(error: Error): void;
};

export interface WriterOptions {
  place: Place;
  /** Its name among the processes of the record. */
  id: string;
  /** How long the outcome of a flush is asked for before its callers are told that it is unknown. */
  patienceMs: number;
  connect(): Promise<Client>;
  onFlush(flush: Flush): void;
}

/** Calls in one transaction: bounds how long the first of them waits for the last. */
const MAX_FLUSH = 1_000;
/** A flush that was rolled back for others' sake is tried this often. */
const ATTEMPTS = 6;
const PAUSE_MS = 20;
const ASK_AGAIN_MS = 250;

/** Losing these repeats a delivery and loses nothing: a flush of nothing else does not wait for the disk. */
const LAZY: ReadonlySet<WriteKind> = new Set(['settle']);

export class Writer {
  private flushes = 0;
  private queue: Pending[] = [];
  private working: Promise<void> | undefined;
  private client: Client | undefined;
  private closed = false;

  constructor(private readonly options: WriterOptions) {}

  call<K extends WriteKind>(kind: K, ask: Writes[K]['ask']): Promise<Writes[K]['answer']> {
    if (this.closed) return Promise.reject(new StoreUnavailable('The store is closed.'));
    return new Promise<unknown>((resolve, reject) => {
      this.queue.push({ kind, ask, resolve, reject } as Pending);
      this.working ??= this.work();
    }) as Promise<Writes[K]['answer']>;
  }

  /** Resolves when every call is answered. */
  async close(): Promise<void> {
    this.closed = true;
    await this.working;
    await this.client?.query(WRITING.leave, [this.options.id]).catch(() => {});
    await this.client?.end().catch(() => {});
  }

  /** The connection broke while nobody used it: the next flush makes another. */
  forget(client: Client): void {
    if (this.client === client) this.client = undefined;
  }

  private async work(): Promise<void> {
    // Whatever is called in this turn of the event loop goes together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.queue.length > 0) {
      const calls = this.queue.splice(0, MAX_FLUSH);
      await this.flush(calls).catch((error: unknown) => reject(calls, contentError(error)));
    }
    this.working = undefined;
  }

  /** Every call of it is answered when this resolves, one way or the other. */
  private async flush(calls: readonly Pending[]): Promise<void> {
    const startedAt = performance.now();
    const message = encode(calls);
    for (let attempt = 1; ; attempt++) {
      const number = ++this.flushes;
      let client: Client | undefined;
      try {
        client = this.client ??= await this.options.connect();
        const { rows } = await client.query<{ answers: string }>({
          name: 'write',
          text: WRITING.call,
          values: [this.options.id, number, ...message],
        });
        return this.answer(calls, parseAnswers(rows[0]?.answers ?? '[]'), startedAt);
      } catch (error) {
        if (client === undefined) {
          // Nothing was sent. A server that was just restarted may throw out a newcomer once more.
          if (!isFromServer(error) || failureOf(error) !== 'lost' || attempt === ATTEMPTS)
            return reject(calls, unavailable(error, this.options.place));
          await pause(PAUSE_MS * attempt);
          continue;
        }
        switch (failureOf(error)) {
          case 'content': {
            if (calls.length === 1) return reject(calls, contentError(error));
            // One call cannot be stored and the others can: it is found by halving, and order stays.
            const half = Math.ceil(calls.length / 2);
            await this.flush(calls.slice(0, half));
            return this.flush(calls.slice(half));
          }
          case 'again':
            if (attempt === ATTEMPTS) return reject(calls, unavailable(error, this.options.place));
            await pause(PAUSE_MS * attempt * Math.random());
            continue;
          case 'unavailable':
            this.drop(client);
            return reject(calls, unavailable(error, this.options.place));
          case 'lost': {
            this.drop(client);
            const answers = await this.outcomeOf(number);
            if (answers === 'unknown') return reject(calls, unknownOutcome(error, this.options.place));
            if (answers !== 'never') return this.answer(calls, answers, startedAt);
            if (attempt === ATTEMPTS) return reject(calls, unavailable(error, this.options.place));
          }
        }
      }
    }
  }

  /**
   * What became of a flush whose connection broke. `never`: it was not written, and never will be, even if it is still on
   * its way to the server.
   */
  private async outcomeOf(number: number): Promise<Answers | 'never' | 'unknown'> {
    for (const until = performance.now() + this.options.patienceMs; ; await pause(ASK_AGAIN_MS)) {
      let client: Client | undefined;
      try {
        client = this.client ??= await this.options.connect();
        // Waits for the broken connection's transaction, if that is still under way.
        const givenUp = await client.query(WRITING.giveUp, [this.options.id, number]);
        if (givenUp.rowCount === 1) return 'never';
        const { rows } = await client.query<{ answers: string | null }>(WRITING.answers, [this.options.id, number]);
        // Given up by an attempt of ours whose own answer was lost.
        const answers = rows[0]?.answers ?? null;
        return answers === null ? 'never' : parseAnswers(answers);
      } catch {
        if (client !== undefined) this.drop(client);
        if (performance.now() > until) return 'unknown';
      }
    }
  }

  private answer(calls: readonly Pending[], answers: Answers, startedAt: number): void {
    const others = new Map(answers);
    calls.forEach(({ kind, resolve }, index) => resolve(others.get(index) ?? (kind === 'append' ? DONE : undefined)));
    const appends = calls.filter(({ kind }) => kind === 'append').length;
    const flush = { ms: performance.now() - startedAt, writes: calls.length, appends };
    this.options.onFlush(flush);
  }

  private drop(client: Client): void {
    this.forget(client);
    client.end().catch(() => {});
  }
}

function reject(calls: readonly Pending[], error: Error): void {
  for (const call of calls) call.reject(error);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Parameters of WRITING.call after the process and the number. */
function encode(calls: readonly Pending[]): [string, string[], string[], string[] | null, boolean] {
  const names = new Set<string>();
  const conversations = new Set<string>();
  const agents = new Set<string>();
  let everybody = false;
  const list = calls.map(({ kind, ask }) => {
    switch (kind) {
      case 'append': {
        conversations.add(ask.conversationId);
        for (const { agent } of ask.claims) agents.add(agent);
        for (const { conversationId } of ask.settle) conversations.add(conversationId);
        if (ask.expectedVersion === 0) {
          names.add(`conversation/${ask.conversationId}`);
          const channelKey = ask.facets[CHANNEL_KEY];
          if (typeof channelKey === 'string') names.add(`channel/${channelKey}`);
        }
        return { kind, ask: sealed(ask) };
      }
      case 'settle':
        for (const { conversationId } of ask) conversations.add(conversationId);
        break;
      case 'saveAgents':
        everybody = true;
        names.add('agents');
        break;
      case 'setPresence':
        agents.add(ask.agent);
        break;
      case 'saveConfiguration':
        names.add('configuration');
        break;
      // These change single rows of nobody else's.
      case 'makeSecret':
      case 'putGrant':
      case 'takeGrant':
      case 'removeGrant':
      case 'putAttachment':
      case 'putRows':
    }
    return { kind, ask };
  });
  const texts = (set: ReadonlySet<string>) => [...set].map(escapeText);
  return [
    escapeJson(JSON.stringify(list)),
    texts(names),
    texts(conversations),
    everybody ? null : texts(agents),
    calls.every(({ kind }) => LAZY.has(kind)),
  ];
}

/** With salts and digests; the chain goes on from the row that the transaction has locked. */
function sealed(rows: AppendRows): object {
  const keys = rows.entries.flatMap(({ key }) => (key === null ? [] : [key]));
  const entries = rows.entries.map((entry) => {
    if (entry.body === null) return entry;
    const salt = newSalt();
    return { ...entry, salt: toHex(salt), digest: toHex(digestOf(salt, entry.body)) };
  });
  const start = rows.expectedVersion === 0 ? { chainStart: toHex(chainStart(rows.conversationId)) } : {};
  return { ...rows, ...start, keys, entries };
}

function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

function parseAnswers(json: string): Answers {
  const isEscaped = json.includes('\\u0001');
  return JSON.parse(
    json,
    isEscaped ? (_, value: unknown) => (typeof value === 'string' ? unescapeText(value) : value) : undefined,
  ) as Answers;
}
