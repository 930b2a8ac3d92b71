// Connections as the store wants them: each with the schema, the time limits and the durability that it relies on.

import type { Client, ClientBase, Pool } from 'pg';
import { ConfigError, StoreUnavailable } from '../../errors.js';
import type { Value } from '../rows.js';
import type { Query } from '../reads.js';
import { failureOf, isFromServer, unavailable } from './faults.js';
import { escapeText, type Place } from './place.js';
import { numbered } from './schema.js';

/** What is used of the driver. */
interface Pg {
  Client: typeof Client;
  Pool: typeof Pool;
}

/** The driver, loaded when a store is opened: who keeps the record elsewhere does not pay for it. */
export async function loadDriver(): Promise<Pg> {
  return (await import('pg')).default;
}

const STATEMENT_TIMEOUT_MS = 30_000;
/** Shorter than a customer waits, longer than any flush of another process holds its rows. */
const LOCK_TIMEOUT_MS = 5_000;
/** The server gives up first, so that it can say why. */
const ANSWER_TIMEOUT_MS = STATEMENT_TIMEOUT_MS + 10_000;

// A server that is set to acknowledge before the disk has it is told better; one that waits for its replicas goes on doing so.
const SETTINGS =
  "SELECT set_config('search_path', $1, false), set_config('statement_timeout', $2, false)," +
  " set_config('lock_timeout', $3, false), set_config('idle_in_transaction_session_timeout', $2, false)," +
  " set_config('synchronous_commit', CASE current_setting('synchronous_commit')" +
  " WHEN 'off' THEN 'on' WHEN 'local' THEN 'on' ELSE current_setting('synchronous_commit') END, false)";

async function prepare(client: ClientBase, { schema }: Place): Promise<void> {
  await client.query(SETTINGS, [`"${schema}"`, `${STATEMENT_TIMEOUT_MS}`, `${LOCK_TIMEOUT_MS}`]);
}

/** One connection that stays with whoever opened it. `onLost` is told when it has ended, however that came. */
export async function connect(pg: Pg, place: Place, onLost: (client: Client) => void = () => {}): Promise<Client> {
  const client = new pg.Client({ query_timeout: ANSWER_TIMEOUT_MS, ...place.config });
  // Without a listener a connection that breaks while nobody asks anything would end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    await prepare(client, place);
    client.once('end', () => onLost(client));
    return client;
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
}

const OLDEST = 130_000;

/** @throws ConfigError when the server is too old or keeps texts in another encoding. */
export async function checkServer(client: ClientBase, { shown }: Place): Promise<void> {
  const { rows } = await client.query<{ number: string; version: string; encoding: string }>(
    "SELECT current_setting('server_version_num') AS number, current_setting('server_version') AS version," +
      " current_setting('server_encoding') AS encoding",
  );
  const { number = '', version = '', encoding = '' } = rows[0] ?? {};
  if (Number(number) < OLDEST)
    throw new ConfigError([`The server at ${shown} is PostgreSQL ${version}. Use version 13 or later.`]);
  if (encoding !== 'UTF8')
    throw new ConfigError([
      `The database at ${shown} keeps texts as ${encoding}. Create one with UTF-8: createdb --encoding UTF8 --template template0 …`,
    ]);
}

/** A read may be sent again: some idle connections of the pool may be dead after a restart of the server. */
const READ_ATTEMPTS = 4;

/** Everything that only reads, on connections of their own. */
export class Readers {
  private readonly pool: Pool;
  private readonly names = new Map<string, { name: string; text: string }>();

  constructor(
    pg: Pg,
    private readonly place: Place,
    max: number,
  ) {
    this.pool = new pg.Pool({
      ...place.config,
      max,
      query_timeout: ANSWER_TIMEOUT_MS,
      onConnect: (client) => {
        // The pool listens to idle connections only: one that breaks while it is in use would end the process.
        client.on('error', () => {});
        // Declared to return nothing; the pool waits for the promise all the same.
        return prepare(client, place) as unknown as void;
      },
    });
    // An idle connection that breaks leaves the pool by itself.
    this.pool.on('error', () => {});
  }

  /** @throws StoreUnavailable. */
  async run<A>({ statements, answer }: Query<A>): Promise<A> {
    const asked = statements.map(([text, ...values]) => ({ ...this.named(text), values: values.map(toParameter) }));
    const [only] = asked;
    const results = await this.attempt(async (client) => {
      if (asked.length === 1 && only !== undefined) return [(await client.query(only)).rows as unknown[]];
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const all: unknown[][] = [];
      for (const one of asked) all.push((await client.query(one)).rows);
      await client.query('COMMIT');
      return all;
    });
    return answer(results);
  }

  /** What may be done twice, on any connection. @throws StoreUnavailable. */
  async attempt<T>(work: (client: ClientBase) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      let client;
      try {
        client = await this.pool.connect();
        const result = await work(client);
        client.release();
        return result;
      } catch (error) {
        // A connection on which something failed may be in the middle of a transaction: it goes.
        client?.release(true);
        if (this.pool.ending) throw new StoreUnavailable('The store is closed.', { cause: error });
        const failure = failureOf(error);
        if (failure === 'content') throw error;
        const isWorthwhile =
          failure === 'again' || (failure === 'lost' && (client !== undefined || isFromServer(error)));
        if (!isWorthwhile || attempt === READ_ATTEMPTS) throw unavailable(error, this.place);
      }
    }
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  /** Parsed and planned once per connection. */
  private named(text: string): { name: string; text: string } {
    let known = this.names.get(text);
    if (known === undefined) this.names.set(text, (known = { name: `r${this.names.size}`, text: numbered(text) }));
    return known;
  }
}

function toParameter(value: Value): Value {
  return typeof value === 'string' ? escapeText(value) : value;
}
