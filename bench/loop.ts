/** Section `loop`: a closed loop of messages to the bot and its replies back, the product beside the reference. */
import { measureWindow, perSecond, products, reference, twoNodes, type Contender, type Sample } from './contenders.js';
import { median, milliseconds, printTable } from './report.js';
import type { Options, Section } from './section.js';

/** Contenders that take turns with one reference. */
interface Heat {
  conversations: number;
  reference: Contender;
  contenders: Contender[];
  /** Least ratio of messages a second aimed at. */
  aimedRatio?: number;
  /** Largest ratio of p99 aimed at. */
  aimedP99Ratio?: number;
}

const AIMED_CPU_MICROS = 250;
/** A hub compiles more than a bare reference does: after 3 s its compiler threads still took a quarter of its processor time. */
const WARM_UP_MS = 8_000;

export const loop: Section = {
  name: 'loop',
  run: async (options) => {
    const { short } = options;
    const rounds = short ? 1 : 3;
    const window = { mode: 'loop', warmUpMs: short ? 1_500 : WARM_UP_MS, measureMs: short ? 2_000 : 5_000 } as const;
    const rows: string[][] = [];
    for (const { reference: bare, contenders, conversations, ...aims } of heats(options)) {
      const bareSamples: Sample[] = [];
      const samples = contenders.map((): Sample[] => []);
      for (let round = 0; round < rounds; round += 1) {
        bareSamples.push(await measureWindow(bare, { conversations, ...window }));
        for (const [index, contender] of contenders.entries())
          samples[index]?.push(await measureWindow(contender, { conversations, ...window }));
      }
      rows.push([String(conversations), bare.name, ...describe(bareSamples)]);
      for (const [index, { name }] of contenders.entries())
        rows.push(['', name, ...describe(samples[index] ?? []), ...compare(samples[index] ?? [], bareSamples, aims)]);
    }
    const head = ['conversations', 'server', 'messages/s', 'p50 ms', 'p99 ms', 'hub CPU µs/message', '(hub + bot)'];
    printTable(
      `Closed loop: a message to the bot and its reply back (hub CPU: aim ≤ ${AIMED_CPU_MICROS} µs)`,
      [...head, 'ratio messages/s', 'ratio p99', 'ratio hub CPU'],
      rows,
    );
  },
};

function heats(options: Options): Heat[] {
  const inProcess = options.self ? [{ ...reference(), name: 'reference again' }] : products(options);
  const alone = [1, 500].map((conversations) => ({ conversations, reference: reference(), contenders: inProcess }));
  const bare = options.self ? [] : [...products(options, 'bare bot'), twoNodes(options, 'bare bot')];
  const heat50: Heat = {
    conversations: 50,
    reference: reference(),
    contenders: [...inProcess, ...bare],
    aimedRatio: 0.5,
  };
  const [one, many] = alone as [Heat, Heat];
  if (options.self) return [one, heat50, many];
  const adapter: Heat = {
    conversations: 50,
    reference: reference('CloudAdapter bot'),
    contenders: products(options, 'CloudAdapter bot'),
    aimedRatio: 0.9,
    aimedP99Ratio: 1.25,
  };
  return [one, heat50, adapter, many];
}

/** Medians over the rounds. */
function describe(samples: readonly Sample[]): string[] {
  const column = (of: (sample: Sample) => number): number => median(samples.map(of));
  return [
    column(perSecond).toFixed(0),
    milliseconds(column(({ p50Ms }) => p50Ms)),
    milliseconds(column(({ p99Ms }) => p99Ms)),
    column(({ hubCpuMicros, messages }) => hubCpuMicros / messages).toFixed(0),
    column(({ serversCpuMicros, messages }) => serversCpuMicros / messages).toFixed(0),
  ];
}

/** Round by round, because what else the machine does changes between rounds more than within one. */
function compare(
  ours: readonly Sample[],
  bare: readonly Sample[],
  { aimedRatio, aimedP99Ratio }: Pick<Heat, 'aimedRatio' | 'aimedP99Ratio'>,
): string[] {
  const ratios = (of: (sample: Sample) => number): number[] =>
    ours.map((sample, round) => of(sample) / of(bare[round] as Sample));
  const speeds = ratios(perSecond);
  const range = speeds.length > 1 ? ` (${Math.min(...speeds).toFixed(2)} to ${Math.max(...speeds).toFixed(2)})` : '';
  return [
    `${median(speeds).toFixed(2)}${range}${aimedRatio === undefined ? '' : `; aim ≥ ${aimedRatio}`}`,
    `${median(ratios(({ p99Ms }) => p99Ms)).toFixed(2)}${aimedP99Ratio === undefined ? '' : `; aim ≤ ${aimedP99Ratio}`}`,
    median(ratios(({ hubCpuMicros, messages }) => hubCpuMicros / messages)).toFixed(2),
  ];
}
