// A thread of the embedded store: the writer (one, it holds the lock of the directory) or the reader.

import { isMainThread, parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import type { Answer, Call, Message, Order, ThreadSettings } from './calls.js';
import { loadSqlite, type Database, type SqliteModule } from './engine.js';
import { diskFault, faultOf } from './faults.js';
import { databaseFile, holdLock, noRecord } from './place.js';
import { checkSchema, migrate, pragma, prepareForReading, prepareForWriting } from './schema.js';
import { Reader } from './reader.js';
import { Writer } from './writer.js';

/** Calls in one transaction: bounds how long the first of them waits for the last. */
const MAX_FLUSH = 2_000;

interface Thread {
  run(calls: readonly Call[]): Answer[];
  close(): void;
}

function openWriter({ DatabaseSync }: SqliteModule, { directory, maxPages }: ThreadSettings): Thread {
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
  try {
    current = open();
  } catch (error) {
    lock.close();
    throw error;
  }
  return {
    run(calls) {
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
      return answers;
    },
    close() {
      // The last connection to close folds the write-ahead log into the file; where the disk is full, the next start does.
      current?.db.close();
      lock.close();
    },
  };
}

function openReader({ DatabaseSync }: SqliteModule, { directory }: ThreadSettings): Thread {
  const file = databaseFile(directory);
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    if (checkSchema(db, file) === 0) throw noRecord(directory);
    prepareForReading(db);
  } catch (error) {
    db.close();
    throw error;
  }
  const reader = new Reader(db, directory);
  return { run: (calls) => reader.read(calls), close: () => db.close() };
}

async function serve(port: MessagePort, settings: ThreadSettings): Promise<void> {
  const tell = (message: Message) => port.postMessage(message);
  let thread: Thread | undefined;
  const queue: Call[] = [];
  let closing = false;
  const take = (order: Order) => {
    switch (order.type) {
      case 'open':
        thread = settings.role === 'writer' ? openWriter(sqlite, settings) : openReader(sqlite, settings);
        return tell({ type: 'opened' });
      case 'calls':
        return void queue.push(...order.calls);
      case 'close':
        closing = true;
    }
  };
  /** Whatever queued while the last flush was on its way to disk goes into the next one. */
  const gather = (): Call[] => {
    for (let more = receiveMessageOnPort(port); more !== undefined; more = receiveMessageOnPort(port)) {
      take(more.message as Order);
    }
    return queue.splice(0, MAX_FLUSH);
  };
  const sqlite = await loadSqlite();
  port.on('message', (order: Order) => {
    try {
      take(order);
    } catch (error) {
      if (thread !== undefined) throw error;
      tell({ type: 'refused', fault: faultOf(error, settings.directory) });
      return port.close();
    }
    for (let calls = gather(); calls.length > 0; calls = gather()) {
      const startedAt = performance.now();
      const answers = thread?.run(calls) ?? [];
      const appends = calls.filter((call) => call.kind === 'append').length;
      tell({ type: 'answers', answers, ms: performance.now() - startedAt, writes: calls.length, appends });
    }
    if (!closing) return;
    thread?.close();
    tell({ type: 'closed' });
    port.close();
  });
}

if (!isMainThread && parentPort !== null) void serve(parentPort, workerData as ThreadSettings);
