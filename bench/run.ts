/**
 * `npm run bench -- [section …] [--short] [--self] [--profile DIR]`: the product beside a raw reference, in turn, under the same
 * load. Without a section the quick ones, with `all` every one. Prints tables and ratios; never fails on a time, only on a message
 * lost, doubled or out of order.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import os from 'node:os';
import { parseArgs } from 'node:util';
import { assignment } from './assignment.js';
import { intake } from './intake.js';
import { loop } from './loop.js';
import { memory } from './memory.js';
import { middleware } from './middleware.js';
import { rate } from './rate.js';
import { routing } from './routing.js';
import { scale } from './scale.js';
import { sockets } from './sockets.js';
import { store } from './store.js';
import type { Section } from './section.js';
import { stopServer } from '../test/store/cluster.js';

const SECTIONS: readonly Section[] = [
  loop,
  rate,
  memory,
  routing,
  intake,
  assignment,
  scale,
  sockets,
  middleware,
  store,
];

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    self: { type: 'boolean', default: false },
    profile: { type: 'string' },
    help: { type: 'boolean' },
  },
});

function help(): string {
  const names = SECTIONS.map(
    ({ name, about, quick }) => `  ${name.padEnd(12)}${about}${quick ? '' : ' (by name only)'}`,
  );
  return [
    'npm run bench -- [section …] [--short] [--self] [--profile DIR]',
    '',
    ...names,
    `  ${'all'.padEnd(12)}every section`,
    '',
    '  --short        coarser and quicker',
    '  --self         loop: the reference against itself',
    '  --profile DIR  CPU profiles of the processes of the product',
  ].join('\n');
}

function chosen(): Section[] {
  if (positionals.includes('all')) return [...SECTIONS];
  if (positionals.length === 0) return SECTIONS.filter(({ quick }) => quick);
  return positionals.map((wanted) => {
    const section = SECTIONS.find(({ name }) => name === wanted);
    if (section === undefined) throw new Error(`There is no section "${wanted}".\n\n${help()}`);
    return section;
  });
}

/**
 * In a process of its own: what one section leaves behind, in the heap and in what the engine has learnt, made the next one's
 * figures up to ten times as large.
 */
async function alone(name: string): Promise<void> {
  const child = spawn(process.execPath, [...process.argv.slice(1, 2), name, ...flagsGiven()], { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`The section ${name} failed: see above.`);
}

function flagsGiven(): string[] {
  const { short, self, profile } = flags;
  return [
    ...(short ? ['--short'] : []),
    ...(self ? ['--self'] : []),
    ...(profile === undefined ? [] : ['--profile', profile]),
  ];
}

async function run(): Promise<void> {
  const startedAt = performance.now();
  const load = () => os.loadavg()[0]?.toFixed(1);
  const { short, self, profile } = flags;
  const sections = chosen();
  if (sections.length > 1) {
    for (const { name } of sections) await alone(name);
  } else {
    console.log(`\nNode ${process.version}, ${os.availableParallelism()} cores, load average at the start ${load()}.`);
    await sections[0]?.run({ short, self, ...(profile === undefined ? {} : { profile }) });
  }
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  console.log(`\nNothing lost, doubled or out of order. ${seconds} s, load average at the end ${load()}.`);
}

if (flags.help === true) console.log(help());
else await run().finally(stopServer);
