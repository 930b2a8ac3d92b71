/** Section `memory`: the price of conversations that have exchanged one message each and now only are open. */
import { heldBy, products, reference, withServers, type Contender } from './contenders.js';
import type { Usage } from './measured.js';
import { megabytes, printTable } from './report.js';
import type { Section } from './section.js';

const AIMED_MEGABYTES_PER_THOUSAND = 15;
/** With fewer, what a process takes once however many conversations come is counted as theirs. */
const FEWEST_FOR_AIM = 4_000;

export const memory: Section = {
  name: 'memory',
  run: async (options) => {
    const [open, idle] = options.short ? [1_000, 2_000] : [4_000, 6_000];
    const rows: string[][] = [];
    const add = async (of: Contender, conversations: number, mode: 'hold' | 'holdWithoutSockets', state: string) => {
      const { before, after } = await withServers(of, (hub) => heldBy(hub, conversations, mode));
      const perThousand = (what: keyof Usage): string =>
        megabytes(((after[what] - before[what]) / conversations) * 1000);
      const hasAim = of.name !== 'reference' && conversations >= FEWEST_FOR_AIM;
      const aim = hasAim ? ` (aim ≤ ${AIMED_MEGABYTES_PER_THOUSAND})` : '';
      const figures = [megabytes(after.rssBytes), perThousand('rssBytes') + aim, perThousand('liveBytes')];
      rows.push([String(conversations), state, of.name, ...figures]);
    };
    for (const of of [reference(), ...products(options)]) await add(of, open, 'hold', 'open, one socket each, idle');
    for (const of of products(options)) await add(of, idle, 'holdWithoutSockets', 'idle, no socket');
    printTable(
      'Memory of the hub, after a full collection',
      ['conversations', 'state', 'server', 'process RSS MB', 'RSS MB per 1,000', 'of which live objects'],
      rows,
    );
  },
};
