/**
 * `npm run bench`: the product against the raw reference, in turn, under the same load. Prints tables and ratios; never fails on a
 * time, only on a message lost, doubled or out of order. Flags: --short (under a minute), --http (the product's bot is the
 * reference's, in a process of its own), --self (the reference against
 * itself: how far two equal things differ here and now), --profile DIR (CPU profiles of the product's runs go there).
 */
import os from 'node:os';
import { parseArgs } from 'node:util';
import type { LoadOrder, LoadReport } from './load.js';
import { forkScript, Inbox, MeasuredServer, type Usage } from './measured.js';
import { printLoopTable, printMemoryTable, type LoopRow, type MemoryRow, type Sample } from './report.js';

const { values: flags } = parseArgs({
  options: {
    short: { type: 'boolean' },
    http: { type: 'boolean' },
    self: { type: 'boolean' },
    profile: { type: 'string' },
  },
});

const plan = flags.short
  ? { counts: [1, 50, 500], rounds: 1, warmUpMs: 1000, measureMs: 2000, open: 1000, idle: 2000 }
  : { counts: [1, 50, 500], rounds: 3, warmUpMs: 1500, measureMs: 2500, open: 4000, idle: 6000 };

interface Contender {
  name: string;
  /** Starts the hub, first in the list, and whatever it needs beside it. */
  start: () => Promise<[MeasuredServer, ...MeasuredServer[]]>;
}

const reference: Contender = {
  name: 'reference',
  start: async () => {
    const bot = await MeasuredServer.start('echo bot', './echoBot.js');
    return [await MeasuredServer.start('reference', './reference.js', [bot.listening.url]), bot];
  },
};

const profiling = flags.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${flags.profile}`];

const product: Contender = {
  name: 'product',
  start: async () => {
    return [await MeasuredServer.start('product', './product.js', [], profiling)];
  },
};

const productOverHttp: Contender = {
  name: 'product, bot over HTTP',
  start: async () => {
    const bot = await MeasuredServer.start('echo bot', './echoBot.js');
    return [await MeasuredServer.start('product', './product.js', [bot.listening.url], profiling), bot];
  },
};

const ours = flags.http ? productOverHttp : product;
const contender: Contender = flags.self ? { ...reference, name: 'reference again' } : ours;

async function withServers<T>(
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
class Load {
  private readonly child;
  private readonly inbox;

  constructor(hub: MeasuredServer, order: Pick<LoadOrder, 'conversations' | 'mode' | 'firstCustomer'>) {
    const { warmUpMs, measureMs } = plan;
    const whole: LoadOrder = { ...hub.listening, ...order, warmUpMs, measureMs };
    this.child = forkScript('./load.js', [JSON.stringify(whole)]);
    this.inbox = new Inbox<LoadReport>(this.child, 'load');
  }

  async expect<P extends LoadReport['phase']>(phase: P): Promise<Extract<LoadReport, { phase: P }>> {
    const report = await this.inbox.next();
    if (report.phase === 'failed') throw new Error(`The load found a fault: ${report.error}`);
    if (report.phase !== phase) throw new Error(`The load reported ${report.phase} where ${phase} was due`);
    return report as Extract<LoadReport, { phase: P }>;
  }

  /** Ends it; what it holds open is closed. */
  release(): void {
    if (this.child.connected) this.child.disconnect();
  }
}

function measureLoop(of: Contender, conversations: number): Promise<Sample> {
  return withServers(of, async (hub, all) => {
    const cpuMicrosNow = () => Promise.all(all.map(async (server) => (await server.usage()).cpuMicros));
    const load = new Load(hub, { conversations, mode: 'loop', firstCustomer: 0 });
    try {
      await load.expect('measuring');
      const before = await cpuMicrosNow();
      const { messages, elapsedMs, p50Ms, p99Ms } = await load.expect('measured');
      const after = await cpuMicrosNow();
      await load.expect('verified');
      const spent = after.map((micros, index) => micros - (before[index] ?? 0));
      const serversCpuMicros = spent.reduce((sum, micros) => sum + micros, 0);
      return { messages, elapsedMs, p50Ms, p99Ms, hubCpuMicros: spent[0] ?? 0, serversCpuMicros };
    } finally {
      load.release();
    }
  });
}

/** The price of conversations that have exchanged one message each and now only are open. */
function measureMemory(of: Contender, conversations: number, mode: 'hold' | 'holdWithoutSockets'): Promise<MemoryRow> {
  return withServers(of, async (hub) => {
    const waves: Load[] = [];
    const hold = async (count: number): Promise<Usage> => {
      const load = new Load(hub, { conversations: count, mode, firstCustomer: waves.length * 1000 });
      waves.push(load);
      await load.expect('holding');
      return hub.usage({ collect: true });
    };
    try {
      // The first wave compiles code and fills pools, which no conversation is to blame for.
      const before = await hold(100);
      const after = await hold(conversations);
      return { name: of.name, conversations, before, after };
    } finally {
      for (const wave of waves) wave.release();
    }
  });
}

async function run(): Promise<void> {
  const startedAt = performance.now();
  const load = os.loadavg()[0]?.toFixed(1);
  console.log(`Node ${process.version}, ${os.availableParallelism()} cores, load average at the start ${load}.`);
  const rows: LoopRow[] = [];
  for (const conversations of plan.counts) {
    const row: LoopRow = { conversations, reference: [], contender: [] };
    for (let round = 0; round < plan.rounds; round++) {
      row.reference.push(await measureLoop(reference, conversations));
      row.contender.push(await measureLoop(contender, conversations));
    }
    rows.push(row);
  }
  printLoopTable(contender.name, rows);
  printMemoryTable([
    {
      title: 'open, one socket each, idle',
      rows: [await measureMemory(reference, plan.open, 'hold'), await measureMemory(contender, plan.open, 'hold')],
    },
    { title: 'idle, no socket', rows: [await measureMemory(contender, plan.idle, 'holdWithoutSockets')] },
  ]);
  console.log(`\nNothing lost, doubled or out of order. ${Math.round((performance.now() - startedAt) / 1000)} s.`);
}

await run();
