/**
 * The product as the benchmark measures it: a hub that listens, with its embedded store on disk in a temporary directory, token checks
 * and a log line per command as a server has them. Its bot is an echo function in the same process, or one that is called over HTTP
 * and answers by the Connector.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { createHub } from '../src/createHub.js';
import type { Store } from '../src/hub/ports.js';
import { PostgresStore } from '../src/store/postgres/postgresStore.js';
import { SqliteStore } from '../src/store/sqlite/sqliteStore.js';
import { announce } from './measured.js';
import { echo, rulesFor, VARIABLE } from './office.js';

export interface ProductOptions {
  /** Address of the bot; one in this process unless set. */
  bot?: string;
  /** Where the record is kept: `file:` and a directory, or `postgres:…`. A temporary directory unless set. */
  store?: string;
  /** Routing rules that each new conversation is compared with; none unless set. */
  rules?: number;
}

const secret = 'the-secret-of-the-benchmark';
const { bot, store, rules = 0 } = JSON.parse(process.argv[2] ?? '{}') as ProductOptions;
const temporary = mkdtempSync(path.join(os.tmpdir(), 'handoff-bench-'));
process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));

const hub = createHub({
  store: openStore(store ?? `file:${path.join(temporary, 'data')}`),
  log: pino({ level: 'info' }, pino.destination({ dest: path.join(temporary, 'log'), sync: true })),
  configuration: {
    bots: [
      bot === undefined
        ? { id: 'echo', name: 'Echo', connect: 'inProcess' }
        : { id: 'echo', name: 'Echo', endpoint: bot, auth: 'none' },
    ],
    queues: [{ id: 'BotQueue', members: ['echo'] }],
    workStreams: [
      { id: 'web', context: [{ name: VARIABLE }], rules: rulesFor(rules, 'BotQueue'), fallbackQueue: 'BotQueue' },
    ],
    people: [],
  },
});
if (bot === undefined) hub.connectBot('echo', echo);

/** One entry per store the product has. */
function openStore(url: string): Store {
  if (url.startsWith('postgres:')) return new PostgresStore({ url });
  const [scheme = '', place = ''] = url.split(/:(.*)/s);
  if (scheme !== 'file') throw new Error(`No store is known for "${url}". Name a directory as file:/path.`);
  return new SqliteStore({ directory: place });
}

/** Conversations that are open from now on, under known ids. */
async function seed(count: number): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < count) {
      const id = `seeded-${next++}`;
      const channel = { id: 'directline' };
      await hub.handle(id, { type: 'start', id, workStream: 'web', channel, customer: `dl_${id}` });
    }
  };
  await Promise.all(Array.from({ length: 500 }, one));
  await hub.settled();
}

/** What the bot says unasked, to each of these conversations. */
async function speak(conversations: string[], texts: string[]): Promise<void> {
  const activities = texts.map((text) => ({ type: 'message', text }));
  await Promise.all(conversations.map((id) => hub.botSays(id, 'echo', activities)));
}

async function run(): Promise<void> {
  const url = await hub.listen({ port: 0, host: '127.0.0.1', directLineSecrets: [secret] });
  announce({ url, secret }, () => hub.stop(), { speak, seed });
}

void run();
