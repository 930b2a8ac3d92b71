// A thread on the data directory: the embedded store's writer (one, it holds the lock of the directory) or reader, or who only holds it.

import { isMainThread, parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import { DONE, type Call } from '../calls.js';
import { unpack, type Answer, type Fault, type Message, type Order, type ThreadSettings } from './calls.js';
import { openHolder, openReader, openWriter, type Connection } from './connection.js';
import { loadSqlite, type SqliteModule } from './engine.js';
import { faultOf } from './faults.js';

/** Calls in one transaction: bounds how long the first of them waits for the last. */
const MAX_FLUSH = 2_000;

const OPEN = { writer: openWriter, reader: openReader, holder: openHolder };

async function start(port: MessagePort, settings: ThreadSettings): Promise<void> {
  try {
    serve(port, settings, await loadSqlite());
  } catch (error) {
    refuse(port, faultOf(error, settings.directory));
  }
}

function refuse(port: MessagePort, fault: Fault): void {
  port.postMessage({ type: 'refused', fault } satisfies Message);
  port.close();
}

function serve(port: MessagePort, settings: ThreadSettings, sqlite: SqliteModule): void {
  const tell = (message: Message) => port.postMessage(message);
  let connection: Connection | undefined;
  const queue: Call[] = [];
  let closing = false;
  const take = (order: Order) => {
    switch (order.type) {
      case 'open':
        connection = OPEN[settings.role](sqlite, settings);
        return tell({ type: 'opened' });
      case 'calls':
        for (const call of order.calls) queue.push(Array.isArray(call) ? unpack(call) : call);
        return;
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
  port.on('message', (order: Order) => {
    try {
      take(order);
    } catch (error) {
      if (connection !== undefined) throw error;
      return refuse(port, faultOf(error, settings.directory));
    }
    for (let calls = gather(); calls.length > 0; calls = gather()) {
      const startedAt = performance.now();
      const done: number[] = [];
      const others: Answer[] = [];
      for (const answer of connection?.run(calls) ?? []) {
        if ('answer' in answer && answer.answer === DONE) done.push(answer.id);
        else others.push(answer);
      }
      const appends = calls.filter((call) => call.kind === 'append').length;
      tell({ type: 'answers', done, others, ms: performance.now() - startedAt, writes: calls.length, appends });
    }
    if (!closing) return;
    connection?.close();
    tell({ type: 'closed' });
    port.close();
  });
}

if (!isMainThread && parentPort !== null) void start(parentPort, workerData as ThreadSettings);
