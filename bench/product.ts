/**
 * The product as the benchmark measures it: a hub that listens, with its embedded store on disk in a temporary directory, token checks
 * and a log line per command as a server has them. Its bot is an echo function in the same process, or, when its one argument is
 * the address of a bot, that one, called over HTTP and answering by the Connector.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { createHub } from '../src/createHub.js';
import { SqliteStore } from '../src/store/sqlite/sqliteStore.js';
import { announce } from './measured.js';

const secret = 'the-secret-of-the-benchmark';
const endpoint = process.argv[2];
const directory = mkdtempSync(path.join(os.tmpdir(), 'handoff-bench-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));

const hub = createHub({
  store: new SqliteStore({ directory: path.join(directory, 'data') }),
  log: pino({ level: 'info' }, pino.destination({ dest: path.join(directory, 'log'), sync: true })),
  configuration: {
    bots: [
      endpoint === undefined
        ? { id: 'echo', name: 'Echo', connect: 'inProcess' }
        : { id: 'echo', name: 'Echo', endpoint, auth: 'none' },
    ],
    queues: [{ id: 'BotQueue', members: ['echo'] }],
    workStreams: [{ id: 'web', fallbackQueue: 'BotQueue' }],
    people: [],
  },
});
if (endpoint === undefined)
  hub.connectBot('echo', {
    async deliver(activity, turn) {
      if (activity.type === 'message') await turn.respond([{ type: 'message', text: `Echo: ${activity.text}` }]);
      return undefined;
    },
  });

async function run(): Promise<void> {
  const url = await hub.listen({ port: 0, host: '127.0.0.1', directLineSecrets: [secret] });
  announce({ url, secret }, () => hub.stop());
}

void run();
