/**
 * Section `middleware`: what handoffMiddleware costs, for both SDKs: a CloudAdapter's echo bot with and without it, one round after the
 * other. At a few messages a second the milliseconds of a turn, in a closed loop messages a second and CPU. The channel is a process
 * of its own; CPU time is the bot's process only.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { HttpServer } from '../src/http.js';
import { createHub, serveMessages, SqliteStore, type BotTurnContext, type MessagesOptions } from '../src/index.js';
import { agentsSdk, sdk } from '../src/sdk.js';
import type { ChannelOrder, ChannelReport } from './channel.js';
import { forkScript, Inbox } from './measured.js';
import { median, milliseconds, percentile, printTable } from './report.js';
import type { Section } from './section.js';

const CUSTOMERS = 50;
const PER_SECOND = 5;
const SILENT = { info() {}, warn() {}, error() {}, debug() {} };
const KINDS = { botbuilder: 'botbuilder', agents: 'Agents SDK' } as const;

type Kind = keyof typeof KINDS;

interface Turns {
  p50Ms: number;
  p99Ms: number;
  perSecond: number;
  cpuMicros: number;
}

interface Effort {
  rounds: number;
  /** Seconds at a few messages a second. */
  seconds: number;
  /** Of each customer in the closed loop. */
  messages: number;
}

export const middleware: Section = {
  name: 'middleware',
  run: async ({ short }) => {
    const effort = short ? { rounds: 1, seconds: 5, messages: 10 } : { rounds: 3, seconds: 20, messages: 30 };
    const rows: string[][] = [];
    for (const kind of Object.keys(KINDS) as Kind[]) {
      const bare: Turns[] = [];
      const proxied: Turns[] = [];
      for (let round = 0; round < effort.rounds; round += 1) {
        bare.push(await measured(kind, false, effort));
        proxied.push(await measured(kind, true, effort));
      }
      const column = (of: (turns: Turns) => number) => [median(bare.map(of)), median(proxied.map(of))] as const;
      const added = ([without, withHub]: readonly [number, number]) =>
        `${milliseconds(without)} → ${milliseconds(withHub)} (+ ${milliseconds(withHub - without)})`;
      const ratio = ([without, withHub]: readonly [number, number]) => (withHub / without).toFixed(2);
      const cpu = column(({ cpuMicros }) => cpuMicros);
      rows.push([
        KINDS[kind],
        added(column(({ p50Ms }) => p50Ms)),
        added(column(({ p99Ms }) => p99Ms)),
        ratio(column(({ perSecond }) => perSecond)),
        `${cpu[0].toFixed(0)} → ${cpu[1].toFixed(0)} (${ratio(cpu)})`,
      ]);
    }
    printTable(
      `The middleware: a turn without → with it (${PER_SECOND} messages/s; closed loop of ${CUSTOMERS} customers)`,
      [
        'SDK',
        `p50 ms at ${PER_SECOND}/s`,
        `p99 ms at ${PER_SECOND}/s`,
        'loop: ratio messages/s',
        'loop: CPU µs/message',
      ],
      rows,
    );
  },
};

async function measured(kind: Kind, withHub: boolean, { seconds, messages }: Effort): Promise<Turns> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'handoff-bench-'));
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
  const channel = forkScript('./channel.js', []);
  const inbox = new Inbox<ChannelReport>(channel, 'channel');
  const endpoint = `${url.replace('localhost', '127.0.0.1')}/api/messages`;
  const drive = (order: ChannelOrder): Promise<ChannelReport> => {
    channel.send(order);
    return inbox.next();
  };
  try {
    await drive({ pace: 'loop', endpoint, customers: CUSTOMERS, messages: 10 });
    const before = process.cpuUsage();
    const loop = await drive({ pace: 'loop', endpoint, customers: CUSTOMERS, messages });
    const { user, system } = process.cpuUsage(before);
    const count = loop.latenciesMs.length;
    const perSecond = PER_SECOND;
    const rate = await drive({
      pace: 'rate',
      endpoint,
      customers: CUSTOMERS,
      messages: seconds * perSecond,
      perSecond,
    });
    return {
      p50Ms: percentile(rate.latenciesMs, 0.5),
      p99Ms: percentile(rate.latenciesMs, 0.99),
      perSecond: count / loop.seconds,
      cpuMicros: (user + system) / count,
    };
  } finally {
    if (channel.connected) channel.disconnect();
    await server.close(0);
    if (withHub) await hub.stop();
    await rm(directory, { recursive: true, force: true });
  }
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
