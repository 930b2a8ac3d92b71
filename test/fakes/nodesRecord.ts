// One record that several nodes share, simulated and in a real PostgreSQL, with notices that tests can lose.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Notice, Store } from '../../src/hub/ports.js';
import { PostgresStore } from '../../src/store/postgres/postgresStore.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { freshSchema } from '../store/cluster.js';
import { SharedPlace } from './sharedRecord.js';

/** One record, as each node has it, and for tests to look at. */
export interface NodesRecord {
  as(node: string): Promise<Store>;
  readonly store: Store;
  /** Notices that are lost from now on. */
  loses(notice: Notice): boolean;
  close(): Promise<void>;
}

/** In this process, where nothing but the tests decides what gets lost. */
export async function simulated(): Promise<NodesRecord> {
  const directory = await mkdtemp(join(tmpdir(), 'handoff-nodes-'));
  const store = new SqliteStore({ directory });
  await store.open();
  const place = new SharedPlace(store);
  const record: NodesRecord = {
    as: (node) => Promise.resolve(place.as(node)),
    store,
    loses: () => false,
    async close() {
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
  place.loses = (notice) => record.loses(notice);
  return record;
}

/** In a real PostgreSQL, over whose notices the tests decide. */
export async function postgres(): Promise<NodesRecord> {
  const url = await freshSchema();
  const stores: PostgresStore[] = [];
  const open = async () => {
    const store = new PostgresStore({ url });
    stores.push(store);
    await store.open();
    return store;
  };
  const record: NodesRecord = {
    async as() {
      const store = await open();
      const { bus } = store.shared;
      const publish = bus.publish.bind(bus);
      bus.publish = (notice) => {
        if (!record.loses(notice)) publish(notice);
      };
      return store;
    },
    store: await open(),
    loses: () => false,
    async close() {
      await Promise.all(stores.map((store) => store.close()));
    },
  };
  return record;
}
