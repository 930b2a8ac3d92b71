// `npm run bench -- [section …]`: help and mistakes are answered at once, then the benchmark is compiled and each section run.
// @ts-check
import { parseArgs } from 'node:util';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import os from 'node:os';
import { projectFolder, run, runTool } from './build.mjs';

/** By name, as in bench/sections.ts; `quick` ones run where none is named, the others take their own minutes. */
export const SECTIONS = {
  loop: {
    about: 'a message to the bot and its reply, closed loop: bot in process, bare bot and CloudAdapter bot over HTTP',
    quick: true,
  },
  rate: { about: 'latency at a fixed rate, open loop: many conversations with one message a second each', quick: true },
  memory: { about: 'resident memory per 1,000 open conversations, with a socket each and without', quick: true },
  routing: { about: 'routing decisions a second with many rules', quick: true },
  intake: {
    about: 'conversations started a minute, by Direct Line and in the hub itself, without rules and with 200',
    quick: true,
  },
  assignment: {
    about: '50,000 waiting, 1,000 people: from a seat that gets free to the offer on disk, and bursts',
    quick: true,
  },
  scale: { about: 'a store with many open conversations: restart to ready, first message, memory', quick: false },
  sockets: { about: 'idle sockets, and the storm when all come back at once', quick: false },
  middleware: {
    about: 'what handoffMiddleware adds to a turn, at a fixed rate and in a closed loop, both SDKs',
    quick: false,
  },
  store: {
    about: 'the stores alone, SQLite and PostgreSQL: appends a second, waits, what they cost the hub',
    quick: false,
  },
};

const HELP = [
  'npm run bench -- [section …] [--short] [--self] [--profile DIR]',
  '',
  ...Object.entries(SECTIONS).map(
    ([name, { about, quick }]) => `  ${name.padEnd(12)}${about}${quick ? '' : ' (by name only)'}`,
  ),
  `  ${'all'.padEnd(12)}every section`,
  '',
  '  --short        coarser and quicker',
  '  --self         loop: the reference against itself',
  '  --profile DIR  CPU profiles of the processes of the product',
].join('\n');

/**
 * @param {readonly string[]} args
 * @returns {{ help: true } | { wrong: string } | { sections: string[], flags: string[] }} what is asked for
 */
export function readArguments(args) {
  let read;
  try {
    read = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        short: { type: 'boolean', default: false },
        self: { type: 'boolean', default: false },
        profile: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : String(error) };
  }
  const { help, short, self, profile } = read.values;
  if (help) return { help: true };
  const names = Object.keys(SECTIONS);
  const wanted = read.positionals;
  const unknown = wanted.find((name) => name !== 'all' && !names.includes(name));
  if (unknown !== undefined) return { wrong: `There is no section "${unknown}".` };
  const quick = Object.entries(SECTIONS).flatMap(([name, section]) => (section.quick ? [name] : []));
  return {
    sections: wanted.includes('all') ? names : wanted.length === 0 ? quick : wanted,
    flags: [
      ...(short ? ['--short'] : []),
      ...(self ? ['--self'] : []),
      ...(profile === undefined ? [] : ['--profile', profile]),
    ],
  };
}

/**
 * Each in a process of its own: what one section leaves behind, in the heap and in what the engine has learnt, made the next
 * one's figures up to ten times as large.
 * @param {readonly string[]} sections
 * @param {readonly string[]} flags
 */
async function measure(sections, flags) {
  await runTool('typescript/bin/tsc', '-p', 'tsconfig.test.json');
  const startedAt = performance.now();
  const load = () => os.loadavg()[0]?.toFixed(1);
  for (const name of sections) {
    console.log(`\nNode ${process.version}, ${os.availableParallelism()} cores, load average at the start ${load()}.`);
    const code = await run(join(projectFolder, 'build/bench/run.js'), name, ...flags);
    if (code === 0) continue;
    console.error(`The section ${name} failed: see above.`);
    process.exit(code);
  }
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  console.log(`\nNothing lost, doubled or out of order. ${seconds} s, load average at the end ${load()}.`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const asked = readArguments(process.argv.slice(2));
  if ('help' in asked) console.log(HELP);
  else if ('wrong' in asked) {
    console.error(`${asked.wrong}\n\n${HELP}`);
    process.exitCode = 1;
  } else await measure(asked.sections, asked.flags);
}
