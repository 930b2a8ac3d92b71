/** What the benchmark prints: one table of speed, one of memory, the aim beside each number that has one. */
import type { Usage } from './measured.js';

export interface Sample {
  messages: number;
  elapsedMs: number;
  /** From a customer's POST to the bot's reply on its socket. */
  p50Ms: number;
  p99Ms: number;
  /** Of the hub's process alone, worker threads included. */
  hubCpuMicros: number;
  /** Of the hub and of the bot, where that is a process of its own. */
  serversCpuMicros: number;
}

export interface LoopRow {
  conversations: number;
  /** Round by round; the n-th of both were measured one after the other. */
  reference: Sample[];
  contender: Sample[];
}

export interface MemoryRow {
  name: string;
  conversations: number;
  before: Usage;
  after: Usage;
}

const aimedRatioAt50 = 0.4;
const aimedMegabytesPerThousand = 15;
/** With fewer, what a process takes once however many conversations come is counted as theirs. */
const fewestForAim = 4000;

export function printLoopTable(contender: string, rows: LoopRow[]): void {
  const table = [
    ['conversations', 'server', 'messages/s', 'p50 ms', 'p99 ms', 'CPU µs/message (hub)', '(hub + bot)', 'ratio'],
  ];
  for (const { conversations, reference: raw, contender: ours } of rows) {
    table.push([String(conversations), 'reference', ...describe(raw), '']);
    const ratios = ours.flatMap((sample, round) => {
      const opposite = raw[round];
      return opposite === undefined ? [] : [perSecond(sample) / perSecond(opposite)];
    });
    const spread = ratios.length > 1 ? ` (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})` : '';
    const aim = conversations === 50 ? `; aim ≥ ${aimedRatioAt50}` : '';
    table.push(['', contender, ...describe(ours), `${median(ratios).toFixed(2)}${spread}${aim}`]);
  }
  print('Closed loop: a message to the bot and its reply back', table);
}

export function printMemoryTable(groups: { title: string; rows: MemoryRow[] }[]): void {
  const table = [['conversations', 'state', 'server', 'process RSS MB', 'RSS MB per 1,000', 'of which live objects']];
  for (const { title, rows } of groups) {
    for (const { name, conversations, before, after } of rows) {
      const perThousand = (of: keyof Usage): string => megabytes(((after[of] - before[of]) / conversations) * 1000);
      const aim = name === 'reference' || conversations < fewestForAim ? '' : ` (aim ≤ ${aimedMegabytesPerThousand})`;
      const cells = [megabytes(after.rssBytes), perThousand('rssBytes') + aim, perThousand('liveBytes')];
      table.push([String(conversations), title, name, ...cells]);
    }
  }
  print('Memory of the hub, after a full collection', table);
}

/** Medians over the rounds: on a machine with other work to do, single rounds go astray. */
function describe(samples: Sample[]): string[] {
  const column = (of: (sample: Sample) => number, digits: number): string => median(samples.map(of)).toFixed(digits);
  return [
    column(perSecond, 0),
    column((sample) => sample.p50Ms, 2),
    column((sample) => sample.p99Ms, 2),
    column((sample) => sample.hubCpuMicros / sample.messages, 0),
    column((sample) => sample.serversCpuMicros / sample.messages, 0),
  ];
}

const perSecond = ({ messages, elapsedMs }: Sample): number => (messages / elapsedMs) * 1000;

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.ceil(middle) - 1] ?? NaN) + (sorted[Math.floor(middle)] ?? NaN)) / 2;
}

const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

/** Markdown, so that a run can be pasted into bench/README.md as it is. */
function print(title: string, [head = [], ...body]: string[][]): void {
  const widths = head.map((cell, column) => Math.max(cell.length, ...body.map((row) => (row[column] ?? '').length)));
  const line = (row: string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  console.log(`\n${title}\n`);
  console.log(line(head));
  console.log(`| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`);
  for (const row of body) console.log(line(row));
}
