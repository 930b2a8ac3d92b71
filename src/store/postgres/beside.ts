// Makes a whole record in a schema of its own, and renames it when it is complete.

import type { Client } from 'pg';
import { ConfigError } from '../../errors.js';
import type { Beside } from '../beside.js';
import { TABLE_NAMES } from '../tables.js';
import { connect, loadDriver } from './connections.js';
import { refusal } from './faults.js';
import { placeOf, type Place } from './place.js';
import { checkSchema } from './schema.js';
import { PostgresStore } from './postgresStore.js';

const SUFFIX = '_copying';

/** @throws ConfigError when the schema holds a record, or another one is being made for it. */
export async function besideSchema(url: string): Promise<Beside> {
  const place = placeOf(url);
  const name = `${place.schema.slice(0, 63 - SUFFIX.length)}${SUFFIX}`;
  const besideUrl = new URL(url);
  besideUrl.searchParams.set('schema', name);
  const client = await connect(await loadDriver(), place).catch((error: unknown) => {
    throw refusal(error, place);
  });
  const store = new PostgresStore({ url: besideUrl.href });
  try {
    await requireEmpty(client, place);
    // Held by this connection until it ends, however it ends.
    const { rowCount } = await client.query(
      "SELECT 1 WHERE pg_try_advisory_lock(hashtext('botframework-handoff copy'), hashtext($1))",
      [name],
    );
    if (rowCount !== 1)
      throw new ConfigError([
        `Another copy to the schema "${place.schema}" of ${place.shown} is under way. Wait for it.`,
      ]);
    await client.query(`DROP SCHEMA IF EXISTS "${name}" CASCADE`);
    await store.open();
  } catch (error) {
    await client.end();
    throw refusal(error, place);
  }
  return {
    store,
    async adopt() {
      await store.close();
      try {
        await client.query('BEGIN');
        await requireEmpty(client, place);
        await client.query(`DROP SCHEMA IF EXISTS "${place.schema}" CASCADE`);
        await client.query(`ALTER SCHEMA "${name}" RENAME TO "${place.schema}"`);
        await client.query('COMMIT');
      } finally {
        await client.end();
      }
    },
    async abandon() {
      await store.close();
      await client.query(`DROP SCHEMA IF EXISTS "${name}" CASCADE`).catch(() => {});
      await client.end();
    },
  };
}

/** A schema without tables, or one whose tables nobody has written to yet. */
async function requireEmpty(client: Client, place: Place): Promise<void> {
  if ((await checkSchema(client, place)) === 0) return;
  const rows = TABLE_NAMES.map((table) => `EXISTS (SELECT 1 FROM ${table})`).join(' OR ');
  const { rowCount } = await client.query(`SELECT 1 WHERE ${rows}`);
  if (rowCount !== 0)
    throw new ConfigError([
      `There is a record in the schema "${place.schema}" of ${place.shown} already. Name another one with ?schema=… in --to.`,
    ]);
}
