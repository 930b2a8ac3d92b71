// Where the record is: the one place that decides between the two engines.

import { resolve } from 'node:path';
import { ConfigError } from './errors.js';
import type { Store } from './hub/ports.js';
import type { Beside } from './store/beside.js';
import type { RecordStore } from './store/recordStore.js';
import { besideSchema } from './store/postgres/beside.js';
import { isDatabaseUrl, placeOf } from './store/postgres/place.js';
import { PostgresStore } from './store/postgres/postgresStore.js';
import { besideDirectory } from './store/sqlite/beside.js';
import { findPlace } from './store/sqlite/place.js';
import { SqliteStore } from './store/sqlite/sqliteStore.js';

/**
 * A DATABASE_URL that is set and not empty means PostgreSQL; the data directory then holds only what is this machine's own.
 * @throws ConfigError when the URL is none.
 */
export function storeOf(
  databaseUrl: string | undefined,
  directory: string,
  { redisUrl, ...options }: { readOnly?: boolean; mustExist?: boolean; redisUrl?: string } = {},
): RecordStore {
  if (databaseUrl === undefined || databaseUrl === '') return new SqliteStore({ directory, ...options });
  return new PostgresStore({ url: databaseUrl, ...options, ...(redisUrl === undefined ? {} : { redisUrl }) });
}

/** Where commands look for the record, in words: no password is among them. */
export function placeInWords({ data }: { data: string }): string {
  const databaseUrl = process.env['DATABASE_URL'] ?? '';
  if (databaseUrl === '') return `the data directory ${resolve(data)}`;
  const { schema, shown } = placeOf(databaseUrl);
  return `the schema "${schema}" of ${shown}`;
}

/** For a command, beside a running server: reads see what is on disk. */
export async function reading<T>({ data }: { data: string }, work: (store: Store) => Promise<T>): Promise<T> {
  return withStore(storeOf(process.env['DATABASE_URL'], resolve(data), { readOnly: true }), work);
}

/**
 * For a command, on a record that is there: only a start makes one. The embedded store refuses while a server runs on its
 * directory; PostgreSQL takes writes from everybody.
 */
export async function writing<T>({ data }: { data: string }, work: (store: Store) => Promise<T>): Promise<T> {
  return withStore(storeOf(process.env['DATABASE_URL'], resolve(data), { mustExist: true }), work);
}

/** A URL of something else is no directory, and may hold a password: it is not shown. */
function requirePlace(place: string, flag: string): void {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(place) && !isDatabaseUrl(place))
    throw new ConfigError([
      `${flag} takes a data directory or postgres://USER:PASSWORD@HOST:5432/DATABASE; this is neither.`,
    ]);
}

/** The record at a place named in one word, for reading it whole: nobody writes to it meanwhile. @throws ConfigError. */
export function recordAt(place: string): RecordStore {
  requirePlace(place, '--from');
  if (isDatabaseUrl(place)) return new PostgresStore({ url: place, readOnly: true });
  // Not for reading only: that would be let in beside a running server.
  return new SqliteStore({ directory: findPlace(place, 'Name with --from where the record is.') });
}

/** @throws ConfigError when there is a record at that place. */
export async function besideOf(place: string): Promise<Beside> {
  requirePlace(place, '--to');
  return isDatabaseUrl(place) ? besideSchema(place) : besideDirectory(place);
}

/** Open for as long as the work takes. */
export async function withStore<S extends Store, T>(store: S, work: (store: S) => Promise<T>): Promise<T> {
  await store.open();
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}
