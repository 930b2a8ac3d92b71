// The store that several processes share: one schema of a PostgreSQL database, written by micro-batches and read by a pool.

import { randomBytes, randomUUID } from 'node:crypto';
import { ConfigError, StoreUnavailable } from '../../errors.js';
import type { Clock, SharedRecord } from '../../hub/ports.js';
import type { Reads, Writes } from '../calls.js';
import { queriesFor, type Query } from '../reads.js';
import { RecordStore } from '../recordStore.js';
import { sql } from '../sql.js';
import { bulkStatement } from './bulk.js';
import { checkServer, connect, loadDriver, Readers } from './connections.js';
import { DatabaseClock, STEADY } from './databaseClock.js';
import { refusal } from './faults.js';
import { Notices } from './notices.js';
import { placeOf, type Place } from './place.js';
import { RedisBus } from './redisBus.js';
import { checkSchema, contains, migrate, SCHEMA_VERSION } from './schema.js';
import { PostgresSharedRecord } from './sharedRecord.js';
import { Writer } from './writer.js';

export interface PostgresStoreOptions {
  /** `postgres://USER:PASSWORD@HOST:5432/DATABASE`, with `?schema=` (handoff unless set) and `&sslmode=` as psql reads it. */
  url: string;
  /** Carries the database's time on between two looks at it. Default: one that goes on evenly, whatever the system's is set to. */
  clock?: Clock;
  /** Makes and changes nothing: for reading beside. */
  readOnly?: boolean;
  /** Refuses a schema without a record instead of making one. */
  mustExist?: boolean;
  /** How long the outcome of a write is asked for whose connection broke, before it is called unknown; 15,000 ms unless set. */
  patienceMs?: number;
  /** Nodes tell each other what has happened by this Redis (`redis://…`) instead of the database. Needs the package ioredis. */
  redisUrl?: string;
  /** Connections for reading; one for writing and one for notices come on top. Default: 8. */
  connections?: number;
}

const CONNECTIONS = 8;
const PATIENCE_MS = 15_000;
const queries = queriesFor(contains);
const OWN_OUTBOX = sql.outbox.replace(' WHERE ', ' WHERE node = ? AND ');

/** PostgreSQL 13 or later. @throws ConfigError from the constructor when the URL is none. */
export class PostgresStore extends RecordStore {
  /** The database's time; the process's own until the store is open. */
  readonly clock: DatabaseClock;
  private readonly place: Place;
  private readers: Readers | undefined;
  private writer: Writer | undefined;
  private readonly bus: Notices | RedisBus;
  /** This process among those that share the record. */
  readonly shared: SharedRecord;
  /** What this process is called there. */
  private node = randomUUID();

  constructor(private readonly options: PostgresStoreOptions) {
    super();
    this.place = placeOf(options.url);
    this.clock = new DatabaseClock(
      options.clock ?? STEADY,
      () => this.askTime(),
      options.clock === undefined ? { now: () => Date.now() } : undefined,
    );
    const { place } = this;
    const node = () => this.node;
    this.bus =
      options.redisUrl === undefined
        ? new Notices({
            channel: place.schema,
            node,
            connect: async (onLost) => connect(await loadDriver(), place, onLost),
          })
        : new RedisBus({ url: options.redisUrl, channel: `handoff ${place.shown} ${place.schema}`, node });
    this.shared = new PostgresSharedRecord(node, this.bus, () => this.requireReaders());
  }

  protected occupy(): Promise<void> {
    // As after a start of the program: what it wrote before is numbered by its name, and what it owed is anybody's.
    this.node = randomUUID();
    return this.connect().catch(async (error: unknown) => {
      await this.release();
      throw refusal(error, this.place);
    });
  }

  /** By its processes' signs of life, given every second. */
  override async isServed(): Promise<boolean> {
    const living = "SELECT 1 FROM node WHERE seen_at > clock_timestamp() - interval '10 seconds' LIMIT 1";
    return this.requireReaders().attempt(async (client) => (await client.query(living)).rowCount !== 0);
  }

  protected now(): number {
    return this.clock.now();
  }

  protected read<K extends keyof Reads>(kind: K, ask: Reads[K]['ask']): Promise<Reads[K]['answer']> {
    if (this.readers === undefined) return this.refuse('not open');
    return this.readers.run(kind === 'outbox' ? this.ownOutbox(ask as Reads['outbox']['ask']) : queries[kind](ask));
  }

  /** What this process is to deliver; others deliver theirs. */
  private ownOutbox({ limit, after }: Reads['outbox']['ask']): Query<Reads[keyof Reads]['answer']> {
    const { answer } = queries.outbox({ limit, after });
    return { statements: [[OWN_OUTBOX, this.node, ...after, limit]], answer };
  }

  protected async write<K extends keyof Writes>(kind: K, ask: Writes[K]['ask']): Promise<Writes[K]['answer']> {
    if (this.writer === undefined)
      return this.refuse(this.readers === undefined ? 'not open' : 'open for reading only');
    // What is large and the same when it is done twice holds up no flush.
    const statement = bulkStatement(kind, ask);
    if (statement === undefined) return this.writer.call(kind, ask);
    await this.readers?.attempt((client) => client.query(...statement));
    return null as Writes[K]['answer'];
  }

  private requireReaders(): Readers {
    if (this.readers !== undefined) return this.readers;
    throw new StoreUnavailable(`The store at ${this.place.shown} is not open.`);
  }

  private refuse(why: string): Promise<never> {
    return Promise.reject(new StoreUnavailable(`The store at ${this.place.shown} is ${why}.`));
  }

  private async connect(): Promise<void> {
    const { place, options } = this;
    const pg = await loadDriver();
    // A large record is changed for long, and whoever starts meanwhile waits for it.
    const client = await connect(pg, { ...place, config: { ...place.config, query_timeout: 0 } });
    try {
      await checkServer(client, place);
      const { readOnly = false, mustExist = readOnly } = options;
      const version = mustExist ? await checkSchema(client, place) : undefined;
      if (version === 0) throw noRecord(place);
      if (!readOnly) await migrate(client, place);
      else if (version !== undefined && version < SCHEMA_VERSION) throw olderRecord(place);
    } finally {
      await client.end();
    }
    this.readers = new Readers(pg, place, options.connections ?? CONNECTIONS);
    await this.clock.start();
    if (options.readOnly === true) return;
    const writer: Writer = new Writer({
      place,
      id: this.node,
      patienceMs: options.patienceMs ?? PATIENCE_MS,
      connect: () => connect(pg, place, (client) => writer.forget(client)),
      onFlush: (flush) => this.count(flush),
    });
    this.writer = writer;
    await this.bus.open(await this.noticeKey());
  }

  /** Made by whoever opens the record first. It signs what is of the moment only, and is not moved with the record. */
  private async noticeKey(): Promise<string> {
    const made = randomBytes(32).toString('base64url');
    return this.requireReaders().attempt(async (client) => {
      await client.query('INSERT INTO notice_key (value) VALUES ($1) ON CONFLICT DO NOTHING', [made]);
      const { rows } = await client.query<{ value: string }>('SELECT value FROM notice_key');
      return rows[0]?.value ?? made;
    });
  }

  protected async release(): Promise<void> {
    this.clock.stop();
    const { readers, writer, bus } = this;
    await writer?.close();
    if (readers !== undefined) await this.shared.leave().catch(() => {});
    await bus.close();
    this.readers = undefined;
    this.writer = undefined;
    await readers?.close();
  }

  private async askTime(): Promise<number> {
    const statement = ['SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now'] as const;
    const answer = ([rows]: readonly (readonly unknown[])[]) => (rows?.[0] as { now: number }).now;
    return this.readers === undefined ? this.clock.now() : this.readers.run({ statements: [statement], answer });
  }
}

/** For who only reads: the tables may not be changed then. */
function olderRecord({ shown, schema }: Place): ConfigError {
  return new ConfigError([
    `The record in the schema "${schema}" of ${shown} is an older release's. Start the server once, which brings it up to date.`,
  ]);
}

function noRecord({ shown, schema }: Place): ConfigError {
  return new ConfigError([
    `There is no record in the schema "${schema}" of ${shown}. Correct DATABASE_URL, remove it if the record is in a data directory, or start the server once.`,
  ]);
}
