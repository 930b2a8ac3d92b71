/**
 * One section of the benchmark, started by scripts/bench.mjs: the product beside a raw reference, in turn, under the same load.
 * Prints tables and ratios; never fails on a time, only on a message lost, doubled or out of order.
 */
import { parseArgs } from 'node:util';
import { SECTIONS } from './sections.js';
import { stopServer } from '../test/store/cluster.js';

const {
  values: { short, self, profile },
  positionals: [wanted],
} = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    self: { type: 'boolean', default: false },
    profile: { type: 'string' },
  },
});
const section = SECTIONS.find(({ name }) => name === wanted);
if (section === undefined) throw new Error(`There is no section "${wanted}".`);
await section.run({ short, self, ...(profile === undefined ? {} : { profile }) }).finally(stopServer);
