// A real hub on a real store in a temporary directory, with bots that are plain functions and a clock that tests move.

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkConfiguration, directoryOf, readConfiguration, type Configuration } from '../../src/config.js';
import type { Activity } from '../../src/core/activity.js';
import type { Conversation, Entry } from '../../src/core/conversation.js';
import { newConversationId } from '../../src/hub/conversationId.js';
import { Hub } from '../../src/hub/hub.js';
import type { BotConnection, BotTurn, Clock, InvokeResponse, Log, Store } from '../../src/hub/ports.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';

/** What a test's bot does with one turn; what it returns is sent as replies. */
export type BotScript = (
  activity: Activity,
  turn: BotTurn,
) => Promise<readonly (Activity | string)[] | void> | readonly (Activity | string)[] | void;

export class FunctionBot implements BotConnection {
  readonly heard: Activity[] = [];
  constructor(
    public script: BotScript = (activity) => (activity.type === 'message' ? [`Echo: ${activity.text ?? ''}`] : []),
  ) {}

  async deliver(activity: Activity, turn: BotTurn): Promise<InvokeResponse | undefined> {
    this.heard.push(activity);
    const replies = (await this.script(activity, turn)) ?? [];
    const activities = replies.map((reply) => (typeof reply === 'string' ? { type: 'message', text: reply } : reply));
    if (activities.length > 0) await turn.respond(activities);
    return undefined;
  }
}

/** An escalation as the handoff protocol has it. */
export function handoff(value: unknown = {}): Activity {
  return { type: 'event', name: 'handoff.initiate', value };
}

/** Time stands still until a test moves it. */
export class TestClock implements Clock {
  constructor(private time = Date.parse('2026-01-05T09:00:00Z')) {}
  now(): number {
    return this.time;
  }
  advance(ms: number): void {
    this.time += ms;
  }
}

export const SILENT: Log = { info() {}, warn() {}, error() {}, debug() {} };

export interface TestHub {
  hub: Hub;
  store: Store;
  clock: TestClock;
  bot: FunctionBot;
  directory: string;
  /** Starts a Direct Line conversation of customer `kim` and waits until the bot has greeted. */
  startConversation(customer?: string): Promise<string>;
  says(conversationId: string, text: string, customer?: string): Promise<void>;
  state(conversationId: string): Promise<Conversation>;
  log(conversationId: string): Promise<Entry[]>;
  /** Texts the customer sees, in order. */
  customerSees(conversationId: string): Promise<string[]>;
  /** Closes hub and store; the directory stays. */
  stop(): Promise<void>;
  /** A new process on the same directory, as after a crash or restart. */
  restart(change?: { configuration?: Configuration }): Promise<TestHub>;
  close(): Promise<void>;
}

export async function openHub(
  options: {
    configuration?: Configuration;
    bot?: FunctionBot;
    clock?: TestClock;
    directory?: string;
    /** The embedded one in `directory` unless given. */
    store?: Store;
    log?: Log;
    botTimeoutMs?: number;
    /** Connects what must be there before the hub picks up where the record stands. */
    beforeStart?: (hub: Hub) => void;
  } = {},
): Promise<TestHub> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'handoff-test-')));
  const configuration = options.configuration ?? readConfiguration(await readFile('handoff.yaml', 'utf8'));
  const clock = options.clock ?? new TestClock();
  const bot = options.bot ?? new FunctionBot();
  const store = options.store ?? new SqliteStore({ directory });
  await store.open();
  const hub = new Hub({
    store,
    clock,
    log: options.log ?? SILENT,
    directory: directoryOf(checkConfiguration(configuration), 1),
    ...(options.botTimeoutMs === undefined ? {} : { botTimeoutMs: options.botTimeoutMs }),
  });
  for (const id of Object.keys(hub.directory.bots)) hub.connectBot(id, bot);
  options.beforeStart?.(hub);
  await hub.start();
  const stop = async () => {
    await hub.stop();
    await store.close();
  };
  return {
    hub,
    store,
    clock,
    bot,
    directory,
    async startConversation(customer = 'kim') {
      const id = newConversationId();
      const workStream = Object.keys(hub.directory.workStreams)[0] ?? '';
      await hub.handle(id, { type: 'start', id, workStream, channel: { id: 'directline' }, customer });
      await hub.settled();
      return id;
    },
    async says(conversationId, text, customer = 'kim') {
      const activity = { type: 'message', text, from: { id: customer, name: 'Kim', role: 'user' } };
      await hub.handle(conversationId, { type: 'say', by: { role: 'customer', id: customer }, activity });
      await hub.settled();
    },
    async state(conversationId) {
      const state = await hub.conversation(conversationId);
      if (state === undefined) throw new Error(`no conversation ${conversationId}`);
      return state;
    },
    log: (conversationId) => hub.entries(conversationId, 0, 10_000),
    async customerSees(conversationId) {
      return (await hub.entries(conversationId, 0, 10_000))
        .filter(({ event }) => event.audience === 'everyone')
        .flatMap(({ event }) => event.body?.activity?.text ?? []);
    },
    stop,
    async restart(change = {}) {
      await stop();
      return openHub({ ...options, directory, clock, bot, ...change });
    },
    async close() {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
