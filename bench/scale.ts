/** Section `scale`: a hub on a store with 100,000 open conversations: restart, first message, and its memory while nobody speaks. */
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { request } from '../test/fakes/request.js';
import { products, withServers } from './contenders.js';
import { Customer } from './customer.js';
import { megabytes, milliseconds, printTable } from './report.js';
import type { Section } from './section.js';

const CONVERSATIONS = 100_000;
const AIMED_MEGABYTES = 200;
const AIMED_RESTART_MS = 5_000;

export const scale: Section = {
  name: 'scale',
  run: async (options) => {
    const conversations = options.short ? CONVERSATIONS / 10 : CONVERSATIONS;
    const rows: string[][] = [];
    const directory = await mkdtemp(path.join(os.tmpdir(), 'handoff-bench-'));
    try {
      const store = `file:${path.join(directory, 'data')}`;
      for (const { name, start } of products(options, undefined, { store })) {
        const seededAt = performance.now();
        await withServers({ name, start }, (hub) => hub.seed(conversations));
        const seedMs = performance.now() - seededAt;
        const beganAt = performance.now();
        await withServers({ name, start }, async (hub) => {
          const { url, secret = '' } = hub.listening;
          const { status } = await request('GET', `${url}/readyz`);
          if (status !== 200) throw new Error(`/readyz answered ${status}.`);
          const readyMs = performance.now() - beganAt;
          const firstMs = await firstMessage(url, secret, 'seeded-0');
          const { rssBytes, liveBytes } = await hub.usage({ collect: true });
          const middleMs = await firstMessage(url, secret, `seeded-${conversations / 2}`);
          const aim = `aim ≤ ${AIMED_MEGABYTES}`;
          rows.push(
            ['seeded, ms', milliseconds(seedMs), ''],
            ['process started → /readyz 200, ms', milliseconds(readyMs), `aim < ${AIMED_RESTART_MS}`],
            ['first message → the reply, connecting included, ms', milliseconds(firstMs), ''],
            ['the same in another conversation, ms', milliseconds(middleMs), ''],
            ['RSS, no sockets, after a collection, MB', megabytes(rssBytes), aim],
            ['of which live objects, MB', megabytes(liveBytes), ''],
          );
        });
      }
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
    printTable(`${conversations} open conversations`, ['what', 'measured', ''], rows);
  },
};

/** @returns milliseconds from opening the stream to the bot's reply on it. */
async function firstMessage(url: string, secret: string, conversationId: string): Promise<number> {
  const agent = new http.Agent({ keepAlive: true });
  const beganAt = performance.now();
  let broken: (error: Error) => void = () => undefined;
  const failed = new Promise<never>((_resolve, reject) => (broken = reject));
  const fail = (error: unknown) => broken(error instanceof Error ? error : new Error(String(error)));
  const meeting = { base: `${url}/v3/directline`, agent, fail };
  const talk = async () => {
    const customer = await Customer.find(`dl_${conversationId}`, conversationId, meeting, secret);
    const repliedAt = await customer.say();
    customer.hangUp();
    return repliedAt - beganAt;
  };
  const ms = await Promise.race([talk(), failed]);
  agent.destroy();
  return ms;
}
