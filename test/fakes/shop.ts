// A whole hub with its port, two bots behind endpoints beside each other, and as many customers as a test wants.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { readConfiguration } from '../../src/config.js';
import { createHub, type HandoffHub } from '../../src/createHub.js';
import type { Conversation, Entry } from '../../src/core/conversation.js';
import { newConversationId } from '../../src/hub/conversationId.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';

export interface ShopOptions {
  /** Messaging endpoints. Who writes in work stream `shaky` talks to the one, in `steady` to the other. */
  shaky: string;
  steady: string;
  botTimeoutMs?: number;
  delivery?: 'normal' | 'expectReplies';
  /** Of a shop that was closed and opens again. */
  directory?: string;
}

export type Stream = 'shaky' | 'steady';

export class Shop {
  private constructor(
    readonly hub: HandoffHub,
    readonly url: string,
    readonly directory: string,
  ) {}

  static async open({ shaky, steady, botTimeoutMs, delivery = 'normal', ...more }: ShopOptions): Promise<Shop> {
    const directory = more.directory ?? (await mkdtemp(join(tmpdir(), 'handoff-shop-')));
    const hub = createHub({
      store: new SqliteStore({ directory }),
      configuration: readConfiguration(`
bots:
  - { id: shaky, name: Shaky, endpoint: '${shaky}', auth: none, delivery: ${delivery} }
  - { id: steady, name: Steady, endpoint: '${steady}', auth: none, delivery: ${delivery} }
queues:
  - { id: ShakyQueue, members: [shaky] }
  - { id: SteadyQueue, members: [steady] }
  - { id: PeopleQueue, members: [ana] }
workStreams:
  - id: shaky
    fallbackQueue: PeopleQueue
    rules: [{ when: { variable: Topic, operator: hasNoData }, queue: ShakyQueue }]
  - id: steady
    fallbackQueue: PeopleQueue
    rules: [{ when: { variable: Topic, operator: hasNoData }, queue: SteadyQueue }]
people:
  - { id: ana, name: Ana, roles: [agent], capacity: 3 }
  - { id: sam, name: Sam, roles: [supervisor] }
`),
      ...(botTimeoutMs === undefined ? {} : { botTimeoutMs }),
    });
    const url = await hub.listen({ port: 0, host: '127.0.0.1', workStream: 'shaky' });
    return new Shop(hub, url, directory);
  }

  /** Customers who have opened the widget and said nothing. */
  async enter(count: number, workStream: Stream = 'shaky'): Promise<string[]> {
    const ids = Array.from({ length: count }, () => newConversationId());
    await Promise.all(
      ids.map((id) =>
        this.hub.handle(id, { type: 'start', id, workStream, channel: { id: 'directline' }, customer: id }),
      ),
    );
    return ids;
  }

  /** Resolves when it is on disk. */
  async say(id: string, text: string): Promise<void> {
    const by = { role: 'customer', id } as const;
    await this.hub.handle(id, { type: 'say', by, activity: { type: 'message', text, from: { id, role: 'user' } } });
  }

  async state(id: string): Promise<Conversation> {
    const state = await this.hub.conversation(id);
    if (state === undefined) throw new Error(`There is no conversation ${id}.`);
    return state;
  }

  log(id: string): Promise<Entry[]> {
    return this.hub.entries(id, 0, 1_000);
  }

  /** Texts the customer sees, in order, each with who says it. */
  async sees(id: string): Promise<string[]> {
    return (await this.log(id))
      .filter(({ event }) => event.audience === 'everyone')
      .flatMap(({ event }) => {
        const text = event.body?.activity?.text;
        return text === undefined ? [] : [`${event.by.role}: ${text}`];
      });
  }

  /** From what the customer said last before it until the conversation stood in a queue for people, in milliseconds. */
  async handOverMs(id: string): Promise<number> {
    const entries = await this.log(id);
    const queued = entries.find(({ event }) => event.type === 'queued');
    const said = entries.findLast(
      ({ seq, event }) => event.type === 'said' && event.by.role === 'customer' && seq < (queued?.seq ?? 0),
    );
    if (queued === undefined || said === undefined) throw new Error(`${id} was not handed over.`);
    return queued.event.at - said.event.at;
  }

  async figures(): Promise<string> {
    return (await fetch(`${this.url}/metrics`, { headers: { connection: 'close' } })).text();
  }

  async close(): Promise<void> {
    await this.hub.stop();
  }

  async remove(): Promise<void> {
    await this.hub.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Waits for something that other processes and sockets bring about. */
export async function until(what: string, isSo: () => Promise<boolean> | boolean, timeoutMs = 60_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain until ${what}`);
    await pause(20);
  }
}
