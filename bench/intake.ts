/** Section `intake`: conversations started a minute, with their routing: by Direct Line with a token each, and in the hub itself. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createHub, SqliteStore } from '../src/index.js';
import { measureWindow, perSecond, products, reference } from './contenders.js';
import { echo, rulesFor, VARIABLE } from './office.js';
import { milliseconds, percentile, printTable } from './report.js';
import type { Section } from './section.js';

const AIMED_A_MINUTE = 50_000;
const RULES = [0, 200];
const CALLS_AT_ONCE = 64;
const COMMANDS_AT_ONCE = 500;

export const intake: Section = {
  name: 'intake',
  run: async (options) => {
    const rows: string[][] = [];
    const aim = `aim ≥ ${AIMED_A_MINUTE}`;
    const add = (way: string, rules: string, perSecond: number, p99Ms: number, cpuMicros: number, aimed: string) =>
      rows.push([way, rules, (perSecond * 60).toFixed(0), milliseconds(p99Ms), cpuMicros.toFixed(0), aimed]);
    const window = {
      mode: 'intake',
      conversations: CALLS_AT_ONCE,
      warmUpMs: options.short ? 1_000 : 2_000,
      measureMs: options.short ? 2_000 : 6_000,
    } as const;
    for (const { name, start, rules } of [
      { ...reference(), rules: undefined },
      ...RULES.flatMap((rules) => products(options, undefined, { rules }).map((of) => ({ ...of, rules }))),
    ]) {
      const sample = await measureWindow({ name, start }, window);
      const cpuMicros = sample.hubCpuMicros / sample.messages;
      add(
        `Direct Line, ${name}`,
        String(rules ?? '-'),
        perSecond(sample),
        sample.p99Ms,
        cpuMicros,
        rules === undefined ? '' : aim,
      );
    }
    for (const rules of RULES) {
      const { perSecond, p99Ms, cpuMicros } = await inHub(rules, window.warmUpMs, window.measureMs);
      add('in the hub', String(rules), perSecond, p99Ms, cpuMicros, aim);
    }
    printTable('Intake', ['way in', 'rules', 'conversations/min', 'p99 ms', 'CPU µs each', ''], rows);
  },
};

/** By `hub.handle`, in this process, with as many commands under way as one flush of the store gathers. */
async function inHub(
  rules: number,
  warmUpMs: number,
  measureMs: number,
): Promise<{ perSecond: number; p99Ms: number; cpuMicros: number }> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'handoff-bench-'));
  const hub = createHub({
    store: new SqliteStore({ directory }),
    configuration: {
      bots: [{ id: 'echo', name: 'Echo', connect: 'inProcess' }],
      queues: [{ id: 'BotQueue', members: ['echo'] }],
      workStreams: [
        { id: 'web', context: [{ name: VARIABLE }], rules: rulesFor(rules, 'BotQueue'), fallbackQueue: 'BotQueue' },
      ],
      people: [],
    },
  });
  hub.connectBot('echo', echo);
  await hub.start();
  let started = 0;
  const takeIn = async (ms: number): Promise<number[]> => {
    const waits: number[] = [];
    const untilAt = performance.now() + ms;
    const one = async (): Promise<void> => {
      while (performance.now() < untilAt) {
        const askedAt = performance.now();
        const id = `conversation-${started++}`;
        const channel = { id: 'directline' };
        await hub.handle(id, { type: 'start', id, workStream: 'web', channel, customer: `dl_${id}` });
        waits.push(performance.now() - askedAt);
      }
    };
    await Promise.all(Array.from({ length: COMMANDS_AT_ONCE }, one));
    return waits;
  };
  await takeIn(warmUpMs);
  const cpuBefore = process.cpuUsage();
  const beganAt = performance.now();
  const waits = await takeIn(measureMs);
  const seconds = (performance.now() - beganAt) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  await hub.settled();
  const { byPhase } = await hub.store.counts();
  await hub.stop();
  await rm(directory, { recursive: true });
  if (byPhase['bot'] !== started) throw new Error(`${byPhase['bot']} conversations are kept of ${started} started.`);
  const cpuMicros = (user + system) / waits.length;
  return { perSecond: waits.length / seconds, p99Ms: percentile(waits, 0.99), cpuMicros };
}
