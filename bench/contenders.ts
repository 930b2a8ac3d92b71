/** Who is measured: each starts its servers in fresh processes, the hub first, and a load drives them. */
import { freshDatabase } from '../test/store/cluster.js';
import { forkScript, Inbox, MeasuredServer, type Usage } from './measured.js';
import type { LoadOrder, LoadReport, StormCue } from './load.js';
import type { ProductOptions } from './product.js';
import type { Options } from './section.js';

export interface Contender {
  readonly name: string;
  /** Starts the hub, first in the list (or its nodes), and whatever it needs beside it. */
  readonly start: () => Promise<[MeasuredServer, ...MeasuredServer[]]>;
  /** So many of the first in the list are nodes of one hub; 1 unless set. */
  readonly nodes?: number;
}

/** A bot that is a process of its own, called over HTTP and answering by calls. */
export type RemoteBot = 'bare bot' | 'CloudAdapter bot';

const SCRIPTS: Record<RemoteBot, string> = { 'bare bot': './echoBot.js', 'CloudAdapter bot': './cloudAdapterBot.js' };

/** Where the product keeps its record, and how many processes serve it. */
interface Kept {
  name?: string;
  open?: () => Promise<string>;
  nodes?: number;
}

/** A server of its own on this machine, syncing every commit: it shares the processors with everybody else here. */
const postgres = () => freshDatabase({ durable: true });

/** One more store is one more entry, and appears in every section. */
const STORES: readonly Kept[] = [{}, { name: 'on PostgreSQL', open: postgres }];

export function reference(bot: RemoteBot = 'bare bot'): Contender {
  return {
    name: bot === 'bare bot' ? 'reference' : `reference, ${bot}`,
    start: async () => {
      const remote = await MeasuredServer.start(bot, SCRIPTS[bot]);
      return [await MeasuredServer.start('reference', './reference.js', [remote.listening.url]), remote];
    },
  };
}

/** The product, once per store. */
export function products(options: Options, bot?: RemoteBot, more: ProductOptions = {}): Contender[] {
  // Where a section brings a store of its own there is nothing to choose.
  const kept = more.store === undefined ? STORES : STORES.slice(0, 1);
  return kept.map((one) => product(one, options, bot, more));
}

/** Two nodes on one PostgreSQL: customers are spread over both. */
export function twoNodes(options: Options, bot?: RemoteBot): Contender {
  return product({ name: 'two nodes on PostgreSQL', open: postgres, nodes: 2 }, options, bot);
}

function product(
  { name, open, nodes = 1 }: Kept,
  { profile }: Options,
  bot?: RemoteBot,
  more?: ProductOptions,
): Contender {
  return {
    name: ['product', ...(name === undefined ? [] : [name]), ...(bot === undefined ? [] : [bot])].join(', '),
    nodes,
    start: async () => {
      const remote = bot === undefined ? [] : [await MeasuredServer.start(bot, SCRIPTS[bot])];
      const botUrl = remote.map(({ listening }) => ({ bot: listening.url }))[0];
      const store = open === undefined ? {} : { store: await open() };
      const args = [JSON.stringify({ ...store, ...botUrl, ...more } satisfies ProductOptions)];
      const start = () => MeasuredServer.start('product', './product.js', args, nodeOptionsFor(profile));
      const first = await start();
      const others: MeasuredServer[] = [];
      while (others.length < nodes - 1) others.push(await start());
      return [first, ...others, ...remote];
    },
  };
}

function nodeOptionsFor(profile: string | undefined): string[] {
  return profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
}

export async function withServers<T>(
  of: Contender,
  use: (hub: MeasuredServer, all: MeasuredServer[]) => Promise<T>,
): Promise<T> {
  const servers = await of.start();
  try {
    return await use(servers[0], servers);
  } finally {
    for (const server of servers) await server.stop();
  }
}

/** The load's process, asked phase by phase. */
export class Load {
  private readonly child;
  private readonly inbox;

  constructor(
    hub: MeasuredServer | readonly MeasuredServer[],
    order: Pick<LoadOrder, 'conversations' | 'mode'> & Partial<LoadOrder>,
  ) {
    const nodes = [hub].flat();
    const secret = nodes[0]?.listening.secret;
    const urls = nodes.map(({ listening }) => listening.url);
    const server = secret === undefined ? { urls } : { urls, secret };
    const whole: LoadOrder = { warmUpMs: 0, measureMs: 0, firstCustomer: 0, ...server, ...order };
    this.child = forkScript('./load.js', [JSON.stringify(whole)]);
    this.inbox = new Inbox<LoadReport>(this.child, 'load');
  }

  async expect<P extends LoadReport['phase']>(phase: P): Promise<Extract<LoadReport, { phase: P }>> {
    const report = await this.inbox.next();
    if (report.phase === 'failed') throw new Error(`The load found a fault: ${report.error}`);
    if (report.phase !== phase) throw new Error(`The load reported ${report.phase} where ${phase} was due`);
    return report as Extract<LoadReport, { phase: P }>;
  }

  cue(cue: StormCue): void {
    this.child.send(cue);
  }

  /** Ends it; what it holds open is closed. */
  release(): void {
    if (this.child.connected) this.child.disconnect();
  }
}

/** One measured window of a load. */
export interface Sample {
  messages: number;
  elapsedMs: number;
  p50Ms: number;
  p99Ms: number;
  /** Of the hub's process alone (all its nodes), worker threads included. */
  hubCpuMicros: number;
  /** Of the hub and of the bot, where that is a process of its own. */
  serversCpuMicros: number;
}

export const perSecond = ({ messages, elapsedMs }: Sample): number => (messages / elapsedMs) * 1000;

/** Fresh servers, a load that warms them up, one window, and everything read back. */
export function measureWindow(
  of: Contender,
  order: Pick<LoadOrder, 'conversations' | 'mode' | 'warmUpMs' | 'measureMs'>,
): Promise<Sample> {
  return withServers(of, async (_hub, all) => {
    const cpuMicrosNow = () => Promise.all(all.map(async (server) => (await server.usage()).cpuMicros));
    const { nodes = 1 } = of;
    const load = new Load(all.slice(0, nodes), order);
    try {
      await load.expect('measuring');
      const before = await cpuMicrosNow();
      const { messages, elapsedMs, p50Ms, p99Ms } = await load.expect('measured');
      const after = await cpuMicrosNow();
      await load.expect('verified');
      const spent = after.map((micros, index) => micros - (before[index] ?? 0));
      const sum = (micros: readonly number[]) => micros.reduce((total, one) => total + one, 0);
      return {
        messages,
        elapsedMs,
        p50Ms,
        p99Ms,
        hubCpuMicros: sum(spent.slice(0, nodes)),
        serversCpuMicros: sum(spent),
      };
    } finally {
      load.release();
    }
  });
}

/** What it takes with many conversations open beyond what it takes with a few: that compiles code and fills pools. */
export async function heldBy(
  hub: MeasuredServer,
  conversations: number,
  mode: 'hold' | 'holdWithoutSockets',
): Promise<{ before: Usage; after: Usage }> {
  const waves: Load[] = [];
  const hold = async (count: number): Promise<Usage> => {
    const load = new Load(hub, { conversations: count, mode, firstCustomer: waves.length * 1000 });
    waves.push(load);
    await load.expect('holding');
    return hub.usage({ collect: true });
  };
  try {
    const before = await hold(100);
    return { before, after: await hold(conversations) };
  } finally {
    for (const wave of waves) wave.release();
  }
}
