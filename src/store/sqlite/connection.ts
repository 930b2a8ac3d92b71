// The ways a thread is connected to the directory: to write, holding its lock, only to read, or only to hold it.

import { statSync } from 'node:fs';
import type { Call } from '../calls.js';
import type { Answer, Fault, ThreadSettings } from './calls.js';
import type { Database, SqliteModule } from './engine.js';
import { diskFault, faultOf } from './faults.js';
import { databaseFile, holdLock, noRecord, olderRecord } from './place.js';
import { checkSchema, migrate, pragma, prepareForReading, prepareForWriting, SCHEMA_VERSION } from './schema.js';
import { Reader } from './reader.js';
import { Writer } from './writer.js';

export interface Connection {
  run(calls: readonly Call[]): Answer[];
  close(): void;
}

export function openWriter({ DatabaseSync }: SqliteModule, { directory, maxPages }: ThreadSettings): Connection {
  const lock = holdLock(DatabaseSync, directory);
  const file = databaseFile(directory);
  const open = (): { db: Database; writer: Writer } => {
    const db = new DatabaseSync(file);
    try {
      checkSchema(db, file);
      prepareForWriting(db, file);
      if (maxPages !== undefined) pragma(db, `max_page_count = ${maxPages}`);
      migrate(db, file);
    } catch (error) {
      db.close();
      throw error;
    }
    return { db, writer: new Writer(db, directory) };
  };
  let current: ReturnType<typeof open> | undefined;
  let opened: string | undefined;
  try {
    current = open();
    opened = identityOf(file);
  } catch (error) {
    lock.close();
    throw error;
  }
  const gone: Fault = {
    kind: 'unavailable',
    lines: [
      `The database in ${directory} was removed or replaced while it was in use. Nothing is written any more. Put it back, or restart the program.`,
    ],
  };
  return {
    run(calls) {
      // A file without a name takes every write, and all of it is gone with the process; a new one would be empty.
      const isThere = () => identityOf(file) === opened;
      if (!isThere()) return calls.map(({ id }) => ({ id, fault: gone }));
      try {
        current ??= open();
      } catch (error) {
        const fault = diskFault(error, directory) ?? faultOf(error, directory);
        return calls.map(({ id }) => ({ id, fault }));
      }
      const answers = current.writer.flush(calls);
      if (current.writer.isSuspect) {
        // A connection that saw its file fail keeps nothing: the next flush begins with a fresh one.
        current.db.close();
        current = undefined;
      }
      return isThere() ? answers : calls.map(({ id }) => ({ id, fault: gone }));
    },
    close() {
      // The last connection to close folds the write-ahead log into the file; where the disk is full, the next start does.
      current?.db.close();
      lock.close();
    },
  };
}

/** For a server whose record is elsewhere: the directory is its own all the same. */
export function openHolder({ DatabaseSync }: SqliteModule, { directory }: ThreadSettings): Connection {
  const lock = holdLock(DatabaseSync, directory);
  return { run: () => [], close: () => lock.close() };
}

/** Which file the name leads to; undefined when to none. */
function identityOf(file: string): string | undefined {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? undefined : `${found.dev}/${found.ino}`;
}

export function openReader({ DatabaseSync }: SqliteModule, { directory }: ThreadSettings): Connection {
  const file = databaseFile(directory);
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    const version = checkSchema(db, file);
    if (version === 0) throw noRecord(directory);
    if (version < SCHEMA_VERSION) throw olderRecord(directory);
    prepareForReading(db);
  } catch (error) {
    db.close();
    throw error;
  }
  const reader = new Reader(db, directory);
  return { run: (calls) => reader.read(calls), close: () => db.close() };
}
