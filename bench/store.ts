/** Section `store`: how fast each store takes appends of 1 KB, what a read waits meanwhile, and what it costs the hub's thread. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fold } from '../src/core/evolve.js';
import type { Conversation, ConversationEvent } from '../src/core/conversation.js';
import type { Append, Store } from '../src/hub/ports.js';
import { PostgresStore } from '../src/store/postgres/postgresStore.js';
import { SqliteStore } from '../src/store/sqlite/sqliteStore.js';
import { freshDatabase } from '../test/store/cluster.js';
import { percentile, printTable } from './report.js';
import type { Section } from './section.js';

const TEXT = 'x'.repeat(780);

export const store: Section = {
  name: 'store',
  run: async ({ short }) => {
    const rows: string[][] = [];
    for (const conversations of [1, 50, 500]) {
      const embedded = await measure(sqlite, conversations, short ? 1 : 3);
      const shared = await measure(postgres, conversations, short ? 1 : 3);
      const ratio = (shared.appendsPerSecond / embedded.appendsPerSecond).toFixed(2);
      rows.push([...embedded.row, ''], [...shared.row, ratio]);
    }
    printTable(
      'The stores alone: appends of 1 KB, each customer waiting for the last to be on disk, while 50 entries are read at a time',
      [
        'customers',
        'store',
        'appends/s',
        'a flush',
        'p50 ms',
        'p99 ms',
        "hub's thread, µs each",
        'its delay p99 ms',
        'a read p50 ms',
        'p99 ms',
        'ratio',
      ],
      rows,
    );
  },
};

/** One customer who writes as soon as the last message is on disk. An entry is 1.0 KB of envelope and body. */
class Writer {
  private state: Conversation;
  private readonly events: ConversationEvent[];

  constructor(readonly id: string) {
    const common = { v: 1, at: Date.now(), by: { role: 'system', id: 'system' }, audience: 'everyone' } as const;
    this.events = [
      { ...common, type: 'started', id, workStream: 'web', channel: { id: 'directline' }, customer: id },
      { ...common, type: 'botConnected', bot: 'demo', welcome: true, timers: { botIdle: common.at + 1_800_000 } },
    ];
    this.state = fold(this.events) as Conversation;
  }

  start(): Append {
    return this.request(0, this.events);
  }

  next(): Append {
    const at = Date.now();
    const version = this.state.version;
    const id = `${this.id}|${String(version + 1).padStart(7, '0')}`;
    const activity = { type: 'message', id, timestamp: new Date(at).toISOString(), from: { id: this.id }, text: TEXT };
    const event: ConversationEvent = {
      v: 1,
      at,
      by: { role: 'customer', id: this.id },
      audience: 'everyone',
      type: 'said',
      activityType: 'message',
      key: `client-${version}`,
      timers: { botIdle: at + 1_800_000 },
      body: { activity },
    };
    this.state = { ...this.state, version: version + 1, dueAt: at + 1_800_000 };
    return this.request(version, [event]);
  }

  private request(expectedVersion: number, events: readonly ConversationEvent[]): Append {
    return { conversationId: this.id, expectedVersion, events, state: this.state, claims: [], outbox: [] };
  }
}

interface Engine {
  name: string;
  make(): Promise<{ store: Store; remove(): Promise<void> }>;
}

const sqlite: Engine = {
  name: 'SQLite',
  async make() {
    const directory = await mkdtemp(join(tmpdir(), 'handoff-bench-'));
    return { store: new SqliteStore({ directory }), remove: () => rm(directory, { recursive: true }) };
  },
};

/** A server of its own on this machine, syncing every commit. */
const postgres: Engine = {
  name: 'PostgreSQL',
  async make() {
    const url = await freshDatabase({ durable: true });
    return { store: new PostgresStore({ url }), remove: async () => {} };
  },
};

async function measure(
  { name, make }: Engine,
  conversations: number,
  seconds: number,
): Promise<{ row: string[]; appendsPerSecond: number }> {
  const { store, remove } = await make();
  await store.open();
  const writers = Array.from({ length: conversations }, (_, n) => new Writer(`conversation-${n}`));
  await Promise.all(writers.map((writer) => store.append(writer.start())));
  const waits: number[] = [];
  const reads: number[] = [];
  const before = { ...store.figures() };
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const startedAt = performance.now();
  const until = startedAt + seconds * 1000;
  const mainBefore = performance.eventLoopUtilization();
  delay.enable();
  const reading = (async () => {
    for (let n = 0; performance.now() < until; n = (n + 1) % conversations) {
      const asked = performance.now();
      await store.entries(`conversation-${n}`, 0, 50);
      reads.push(performance.now() - asked);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  await Promise.all(
    writers.map(async (writer) => {
      while (performance.now() < until) {
        const sent = performance.now();
        const { outcome } = await store.append(writer.next());
        if (outcome !== 'done') throw new Error(`an append was ${outcome}`);
        waits.push(performance.now() - sent);
      }
    }),
  );
  await reading;
  delay.disable();
  const took = (performance.now() - startedAt) / 1000;
  const main = performance.eventLoopUtilization(mainBefore).active * 1000;
  const { appends, flushes } = store.figures();
  const done = appends - before.appends;
  await store.close();
  await remove();
  const appendsPerSecond = done / took;
  const row = [
    String(conversations),
    name,
    String(Math.round(appendsPerSecond)),
    (done / (flushes - before.flushes)).toFixed(1),
    percentile(waits, 0.5).toFixed(2),
    percentile(waits, 0.99).toFixed(2),
    (main / done).toFixed(1),
    (delay.percentile(99) / 1e6).toFixed(1),
    percentile(reads, 0.5).toFixed(2),
    percentile(reads, 0.99).toFixed(2),
  ];
  return { row, appendsPerSecond };
}
