/** Section `sockets`: 10,000 idle sockets, then all of them lost at once and back at once, with five messages missed by each. */
import { execSync } from 'node:child_process';
import { Load, products, reference, withServers } from './contenders.js';
import { megabytes, milliseconds, printTable } from './report.js';
import type { Section } from './section.js';

const SOCKETS = 10_000;
const MISSED = ['one', 'two', 'three', 'four', 'five'].map((word) => `missed ${word}`);
/** Descriptors of a process that are no client's: files, modules, the calls of a storm. */
const OWN_DESCRIPTORS = 1_000;

export const sockets: Section = {
  name: 'sockets',
  run: async (options) => {
    // Node raises its own limit to what the system allows it.
    const allowed = Number(execSync('ulimit -Hn', { encoding: 'utf8' }).trim()) || Infinity;
    const wanted = options.short ? SOCKETS / 10 : SOCKETS;
    const count = Math.min(wanted, allowed - OWN_DESCRIPTORS);
    if (count < wanted)
      console.log(`\n${count} sockets instead of ${wanted}: a process may open ${allowed} files here.`);
    const rows: string[][] = [];
    for (const of of [reference(), ...products(options)]) {
      await withServers(of, async (hub) => {
        const load = new Load(hub, { conversations: count, mode: 'storm' });
        try {
          const { conversations } = await load.expect('holding');
          const { rssBytes, liveBytes } = await hub.usage({ collect: true });
          load.cue({ cue: 'lose' });
          await load.expect('lost');
          await hub.speak(conversations, MISSED);
          load.cue({ cue: 'comeBack', missed: MISSED });
          const { elapsedMs, p50Ms, p99Ms } = await load.expect('caughtUp');
          const figures = [megabytes(rssBytes), megabytes(liveBytes), ...[p50Ms, p99Ms, elapsedMs].map(milliseconds)];
          rows.push([of.name, String(count), ...figures]);
        } finally {
          load.release();
        }
      });
    }
    const storm = ['caught up p50 ms', 'p99 ms', 'all ms'];
    printTable(
      `Idle sockets, and a storm: all come back at once, each has missed ${MISSED.length} messages`,
      ['server', 'sockets', 'RSS MB', 'of which live objects', ...storm],
      rows,
    );
  },
};
