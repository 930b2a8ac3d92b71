// Makes a whole record in a folder of the data directory, and moves it up when it is complete.

import { existsSync } from 'node:fs';
import { link, open, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ConfigError } from '../../errors.js';
import type { Beside } from '../beside.js';
import { databaseFile } from './place.js';
import { SqliteStore } from './sqliteStore.js';

/** @throws ConfigError when the directory holds a record, or another one is being made in it. */
export async function besideDirectory(wanted: string): Promise<Beside> {
  const directory = resolve(wanted);
  if (existsSync(databaseFile(directory))) throw notEmpty(directory);
  const folder = join(directory, 'copying');
  const attempt = new SqliteStore({ directory: folder });
  // Takes its lock: what an attempt left that was killed may go, what one is at work on may not.
  await attempt.open();
  await attempt.close();
  await rm(folder, { recursive: true });
  const store = new SqliteStore({ directory: folder });
  await store.open();
  return {
    store,
    async adopt() {
      await store.close();
      try {
        // Unlike renaming it never replaces what somebody has made there meanwhile.
        await link(databaseFile(folder), databaseFile(directory));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        throw notEmpty(directory);
      }
      await rm(folder, { recursive: true });
      await syncDirectory(directory);
    },
    async abandon() {
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The new name is on disk as well. Windows cannot open directories, and does without. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory).catch(() => undefined);
  await handle?.sync();
  await handle?.close();
}

function notEmpty(directory: string): ConfigError {
  return new ConfigError([`There is a record in ${directory} already. Name a directory without one with --to.`]);
}
