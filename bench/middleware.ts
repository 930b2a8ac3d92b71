/**
 * What handoffMiddleware costs: a CloudAdapter's echo bot with and without it, under the same load, one round after the other.
 * `node build/bench/middleware.js [botbuilder|agents]`. The load (a channel that posts activities and takes replies) is a
 * process of its own; CPU time is the bot's process only.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HttpServer } from '../src/http.js';
import { createHub, serveMessages, SqliteStore, type BotTurnContext, type MessagesOptions } from '../src/index.js';
import { agentsSdk, sdk } from '../src/sdk.js';

const CUSTOMERS = 50;
const MESSAGES = 30;
const WARM_UP = 10;
const ROUNDS = 3;
const SILENT = { info() {}, warn() {}, error() {}, debug() {} };

type Kind = 'botbuilder' | 'agents';

interface Measured {
  perSecond: number;
  cpuMicros: number;
}

if (process.argv[2] === 'load') {
  process.on('message', ({ endpoint, messages }: { endpoint: string; messages: number }) => {
    void load(endpoint, messages).then((seconds) => process.send?.({ seconds }));
  });
} else {
  await compare((process.argv[2] ?? 'botbuilder') as Kind);
}

async function compare(kind: Kind): Promise<void> {
  const ratios: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const bare = await measured(kind, false);
    const proxied = await measured(kind, true);
    ratios.push(proxied.perSecond / bare.perSecond);
    for (const [name, { perSecond, cpuMicros }] of Object.entries({ bare, proxied }))
      console.log(
        `${kind} ${name.padEnd(8)} ${perSecond.toFixed(0)} messages/s, ${cpuMicros.toFixed(0)} µs CPU a message`,
      );
  }
  console.log(`ratio ${ratios.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]?.toFixed(2)} (median of ${ROUNDS})`);
}

async function measured(kind: Kind, withHub: boolean): Promise<Measured> {
  const directory = await mkdtemp(join(tmpdir(), 'handoff-bench-'));
  const server = new HttpServer({ log: SILENT });
  const hub = createHub({
    store: new SqliteStore({ directory }),
    log: SILENT,
    configuration: {
      bots: [{ id: 'bot', name: 'Bot', connect: 'inProcess' }],
      queues: [{ id: 'bots', members: ['bot'] }],
      workStreams: [{ id: 'all', fallbackQueue: 'bots' }],
    },
  });
  const run = async (context: BotTurnContext) => {
    if (context.activity.type === 'message') await context.sendActivity(`Echo: ${context.activity.text}`);
  };
  if (withHub) serveMessages(server, hub, { botId: 'bot', sdk: kind, settings: {}, run } as unknown as MessagesOptions);
  else serveBare(server, kind, run);
  if (withHub) await hub.start();
  const url = await server.listen(0, '127.0.0.1');
  const child = fork(fileURLToPath(import.meta.url), ['load']);
  const drive = async (messages: number): Promise<number> => {
    child.send({ endpoint: `${url.replace('localhost', '127.0.0.1')}/api/messages`, messages });
    const [{ seconds }] = (await once(child, 'message')) as [{ seconds: number }];
    return seconds;
  };
  await drive(WARM_UP);
  const before = process.cpuUsage();
  const seconds = await drive(MESSAGES);
  const { user, system } = process.cpuUsage(before);
  child.kill();
  await once(child, 'exit');
  await server.close(0);
  if (withHub) await hub.stop();
  await rm(directory, { recursive: true, force: true });
  const count = CUSTOMERS * MESSAGES;
  return { perSecond: count / seconds, cpuMicros: (user + system) / count };
}

/** The same route without the hub. */
function serveBare(server: HttpServer, kind: Kind, run: (context: BotTurnContext) => Promise<void>): void {
  const { CloudAdapter, ConfigurationBotFrameworkAuthentication } = sdk().botbuilder;
  const adapter = (kind === 'botbuilder'
    ? new CloudAdapter(new ConfigurationBotFrameworkAuthentication({}))
    : new (agentsSdk().hosting.CloudAdapter)()) as unknown as {
    process(request: object, response: object, logic: (context: BotTurnContext) => Promise<void>): Promise<void>;
  };
  server.postRaw('/api/messages', async (request, response) => {
    const body = await request.json();
    await adapter.process(Object.assign(request.raw, { body }), response, run);
  });
}

/** Every customer writes the next message when the reply to the last one is there. @returns seconds. */
async function load(endpoint: string, messages: number): Promise<number> {
  const replies = new Map<string, () => void>();
  const agent = new http.Agent({ keepAlive: true, maxSockets: CUSTOMERS });
  const channel = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { text, conversation } = JSON.parse(Buffer.concat(chunks).toString()) as {
        text?: string;
        conversation: { id: string };
      };
      response.setHeader('content-type', 'application/json');
      response.end('{"id":"out"}');
      if (text?.startsWith('Echo') === true) replies.get(conversation.id)?.();
    });
  });
  await new Promise<void>((resolve) => channel.listen(0, '127.0.0.1', resolve));
  const serviceUrl = `http://127.0.0.1:${(channel.address() as AddressInfo).port}/`;
  const run = process.hrtime.bigint().toString(36);
  const began = performance.now();
  await Promise.all(
    Array.from({ length: CUSTOMERS }, async (_none, customer) => {
      for (let message = 0; message < messages; message += 1) {
        const conversation = { id: `c${customer}` };
        const activity = {
          type: 'message',
          id: `${run}-${customer}-${message}`,
          text: `message ${message}`,
          timestamp: new Date().toISOString(),
          channelId: 'msteams',
          serviceUrl,
          from: { id: `u${customer}`, name: 'Kim' },
          recipient: { id: 'bot', name: 'Bot' },
          conversation,
        };
        const replied = new Promise<void>((resolve) => replies.set(conversation.id, resolve));
        await Promise.all([post(endpoint, agent, activity), replied]);
      }
    }),
  );
  const seconds = (performance.now() - began) / 1_000;
  agent.destroy();
  channel.closeAllConnections();
  channel.close();
  return seconds;
}

function post(endpoint: string, agent: http.Agent, activity: object): Promise<void> {
  const body = JSON.stringify(activity);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const request = http.request(endpoint, { method: 'POST', agent, headers }, (answer) => {
      answer.resume();
      answer.once('end', () => (answer.statusCode === 200 ? resolve() : reject(new Error(`${answer.statusCode}`))));
    });
    request.once('error', reject);
    request.end(body);
  });
}
