// The embedded store's own guarantees: the directory, the disk, crashes and threads.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSqlite } from '../../src/store/sqlite/engine.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { describeStore } from './store.contract.js';

describeStore('SqliteStore', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'handoff-store-'));
  const place = {
    store: new SqliteStore({ directory }),
    async reopen() {
      await place.store.close();
      place.store = new SqliteStore({ directory });
      await place.store.open();
      return place.store;
    },
    async tamper(statement: string, ...values: (string | number)[]) {
      const { DatabaseSync } = await loadSqlite();
      const db = new DatabaseSync(join(directory, 'handoff.db'));
      db.prepare(statement).run(...values);
      db.close();
    },
    async dispose() {
      await place.store.close();
      await rm(directory, { recursive: true });
    },
  };
  await place.store.open();
  return place;
});
