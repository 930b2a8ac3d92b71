/** Section `rate`: latency at a fixed rate. Nobody waits with the next message for a slow answer to the last, and every wait counts. */
import { measureWindow, perSecond, products, reference } from './contenders.js';
import { milliseconds, printTable } from './report.js';
import type { Section } from './section.js';

const CONVERSATIONS = 500;
const AIMED_P99_RATIO = 2;
/** Below this share of what was due, servers and load together had no processor left: the waits are of a queue that grows. */
const KEPT_UP = 0.95;

export const rate: Section = {
  name: 'rate',
  run: async (options) => {
    const window = { conversations: CONVERSATIONS, mode: 'rate', warmUpMs: 3_000 } as const;
    const measureMs = options.short ? 5_000 : 15_000;
    const bare = await measureWindow(reference(), { ...window, measureMs });
    const rows: string[][] = [];
    const add = (name: string, sample: typeof bare, ratio = '') =>
      rows.push([
        name,
        perSecond(sample).toFixed(0),
        milliseconds(sample.p50Ms),
        milliseconds(sample.p99Ms),
        (sample.hubCpuMicros / sample.messages).toFixed(0),
        ratio,
        perSecond(sample) < CONVERSATIONS * KEPT_UP ? 'did not keep up' : '',
      ]);
    add('reference', bare);
    for (const contender of [...products(options), ...products(options, 'bare bot')]) {
      const sample = await measureWindow(contender, { ...window, measureMs });
      add(contender.name, sample, `${(sample.p99Ms / bare.p99Ms).toFixed(2)} (aim ≤ ${AIMED_P99_RATIO})`);
    }
    printTable(
      `Fixed rate: ${CONVERSATIONS} conversations, one message a second each, from when it was due to the reply`,
      ['server', 'messages/s', 'p50 ms', 'p99 ms', 'hub CPU µs/message', 'ratio p99', ''],
      rows,
    );
  },
};
