// Copilot Studio, played by a second real hub: its Direct Line, its token endpoint, and a bot that behaves as one made there.

import type { Activity } from '../../../src/core/activity.js';
import { readConfiguration, type Configuration } from '../../../src/config.js';
import {
  DirectLineBot,
  type DirectLineBotOptions,
  type Times,
} from '../../../src/connector/directLineBot/directLineBot.js';
import type { Hub } from '../../../src/hub/hub.js';
import type { BotTurn, Log } from '../../../src/hub/ports.js';
import { openSite, SECRET, type Site } from '../../directline/site.js';
import { FaultyProxy } from '../../fakes/faultyProxy.js';
import { FunctionBot, openHub, TestClock, type TestHub } from '../../fakes/hub.js';

export const BOT = 'studio';
export const GREETING = 'Hello, I am a virtual agent';
const TOKEN_PATH = '/powervirtualagents/botsbyschema/cr_support/directline/token';

/** What Copilot Studio sends along when a topic hands over. */
export const VARIABLES = {
  va_Scope: 'bot',
  va_LastTopic: 'Refund',
  va_Topics: ['Greeting', 'Refund'],
  va_LastPhrase: 'I want my money back',
  va_Phrases: ['hi', 'I want my money back'],
  va_ConversationId: 'c1',
  va_AgentMessage: 'The customer is angry',
  va_BotId: 'b1',
  va_BotName: 'Refund bot',
  va_Language: 'En-US',
  StoreLocation: 'Bellevue',
  IsVip: true,
};

/** Time runs, and tests move it on. */
export class LiveClock extends TestClock {
  #aheadMs = 0;
  override now(): number {
    return Date.now() + this.#aheadMs;
  }
  override advance(ms: number): void {
    this.#aheadMs += ms;
  }
}

type Says = (turn: Pick<BotTurn, 'conversationId' | 'answers'>, activity: Activity) => Promise<void>;

export class Studio {
  /** Activities that reached the bot, in order. */
  readonly heard: Activity[] = [];
  /** Texts to which the bot says nothing until it is told to. */
  readonly held: (() => Promise<void>)[] = [];
  /** Conversations that the token endpoint has named. */
  readonly named: string[] = [];
  site!: Site;
  /** Of the service; after a restart its bot may be asked before the service is reached again. */
  #hub!: Hub;
  proxy!: FaultyProxy;

  private constructor() {}

  static async open(clock = new LiveClock()): Promise<Studio> {
    const studio = new Studio();
    const bot = new FunctionBot((activity, turn) => studio.#answer(activity, turn));
    studio.proxy = await new FaultyProxy(() => studio.site.url, {
      [`GET ${TOKEN_PATH}`]: async () => {
        const { body } = await studio.site.call('POST', '/tokens/generate', { token: SECRET, body: {} });
        studio.named.push((body as { conversationId: string }).conversationId);
        return body;
      },
      'GET /powervirtualagents/regionalchannelsettings': () =>
        Promise.resolve({ channelUrlsById: { directline: `${studio.proxy.url}/` } }),
    }).open();
    await studio.#serve(await openHub({ bot, clock, beforeStart: (hub) => (studio.#hub = hub) }));
    return studio;
  }

  get tokenEndpoint(): string {
    return `${this.proxy.url}${TOKEN_PATH}?api-version=2022-03-01-preview`;
  }

  /** Events and messages the bot heard from customers, by text or name. */
  get said(): string[] {
    return this.heard.map(({ text, name, type }) => text ?? name ?? type);
  }

  /** The same service on the same data, as after a deployment. */
  async restart(): Promise<void> {
    await this.site.directLine.close();
    await this.site.http.close(0);
    await this.#serve(await this.site.restart());
  }

  /** What the bot says, as it is: nothing of it is taken for a signal here. */
  readonly says: Says = async ({ conversationId, answers }, activity) => {
    await this.#hub.handle(conversationId, {
      type: 'say',
      by: { role: 'bot', id: 'demo' },
      activity: {
        from: { id: 'demo', role: 'bot' },
        ...(answers === undefined ? {} : { replyToId: `${conversationId}|${String(answers).padStart(7, '0')}` }),
        ...activity,
      },
      ...(answers === undefined ? {} : { answers }),
    });
  };

  /** Everything posted to the bot's conversations, in order: also what this service keeps from its bot. */
  async posted(): Promise<Activity[]> {
    const logs = await Promise.all(this.conversations.map((id) => this.site.log(id)));
    return logs
      .flat()
      .filter(({ event }) => event.type === 'said' && event.by.role === 'customer')
      .flatMap(({ event }) => event.body?.activity ?? []);
  }

  /** The bot's own conversations, oldest first. */
  get conversations(): string[] {
    return [...new Set(this.heard.map(({ conversation }) => conversation?.id ?? ''))];
  }

  /** Says what was held back. */
  async release(): Promise<void> {
    for (const say of this.held.splice(0)) await say();
  }

  async close(): Promise<void> {
    await this.proxy.close();
    await this.site.close();
  }

  async #serve(hub: TestHub): Promise<void> {
    this.site = await openSite({ hub, publicUrl: () => this.proxy.url });
  }

  async #answer(activity: Activity, turn: BotTurn): Promise<void> {
    if (activity.type === 'conversationUpdate' || activity.name === 'omnichannelSetContext') {
      if (activity.type === 'conversationUpdate') return;
      // The hub that plays the service tells its own (empty) context too.
      if (Object.keys((activity.value as object | undefined) ?? {}).length === 0) return;
    }
    this.heard.push(activity);
    const say = (reply: Activity | string) =>
      this.says(turn, typeof reply === 'string' ? { type: 'message', text: reply } : reply);
    if (activity.name === 'startConversation') return say(GREETING);
    if (activity.type !== 'message') return;
    const text = activity.text ?? '';
    const held = /^later (.*)$/.exec(text)?.[1];
    if (held !== undefined) {
      this.held.push(() => say(`Echo: ${held}`));
    } else if (/^human(?: \{.*\})?$/.test(text)) {
      await say('I connect you with a person');
      await say({
        type: 'event',
        name: 'handoff.initiate',
        // `human {"va_LastTopic":"…"}` hands over with these in place of its own.
        value: { ...VARIABLES, ...(JSON.parse(text.slice('human'.length) || '{}') as object) },
        attachments: [
          {
            contentType: 'application/json',
            name: 'Transcript',
            content: { activities: [{ type: 'message', id: 'guid-1', text: 'hi', from: { id: 'u', role: 'user' } }] },
          },
        ],
      });
      await say('Please wait a moment');
    } else if (text === 'close') {
      await say({ type: 'event', name: 'handoff.initiate', value: { CloseOmnichannelConversation: true } });
    } else await say(`Echo: ${text}`);
  }
}

/** Quick enough for tests; nothing depends on the numbers. */
export const QUICK: Partial<Times> = {
  retryMs: 10,
  longestRetryMs: 200,
  pollMs: 20,
  slowPollMs: 20,
  sweepMs: 20,
  saveMs: 10,
};

export interface OurHub extends TestHub {
  connection: DirectLineBot;
  /** What was logged as a warning or an error. */
  warnings: string[];
}

export interface OurOptions extends Partial<Omit<DirectLineBotOptions, 'hub' | 'botId'>> {
  directory?: string;
  clock?: TestClock;
  configuration?: Configuration;
}

/** A hub of ours with the bot of this Studio, by its token endpoint unless the options say otherwise. */
export async function openOurHub(studio: Studio, options: OurOptions = {}): Promise<OurHub> {
  const { directory, clock = new LiveClock(), configuration = configurationOf(studio), times, ...bot } = options;
  const warnings: string[] = [];
  const note = (fields: Record<string, unknown>, message: string) =>
    void warnings.push(`${message} ${(fields['err'] as Error | undefined)?.message ?? ''}`);
  const log: Log = { info() {}, debug() {}, warn: note, error: note };
  let connection!: DirectLineBot;
  const hub = await openHub({
    configuration,
    log,
    ...(directory === undefined ? {} : { directory }),
    clock,
    beforeStart: (started) => {
      connection = new DirectLineBot({
        hub: started,
        botId: BOT,
        transport: { kind: 'directLine', tokenEndpoint: studio.tokenEndpoint, baseUrl: studio.proxy.url },
        timeoutMs: 10_000,
        ...bot,
        times: { ...QUICK, ...times },
      });
      started.connectBot(BOT, connection);
    },
  });
  await connection.resume();
  const stop = async () => {
    await connection.close();
    await hub.stop();
  };
  return {
    ...hub,
    connection,
    warnings,
    stop,
    async close() {
      await connection.close();
      await hub.close();
    },
  };
}

export function configurationOf(studio: Studio): Configuration {
  return readConfiguration(configurationText(studio));
}

export function configurationText(studio: Studio): string {
  return `
bots:
  - { id: ${BOT}, name: Refund bot, directLine: { tokenEndpoint: '${studio.tokenEndpoint}', baseUrl: '${studio.proxy.url}' } }
queues:
  - { id: bots, members: [${BOT}] }
  - { id: refunds, members: [ana] }
workStreams:
  - id: web
    fallbackQueue: refunds
    rules:
      - { when: { variable: va_LastTopic, operator: hasNoData }, queue: bots }
people:
  - { id: ana, name: Ana, roles: [agent], capacity: 3 }
`;
}

/** Looks again until it holds: for what comes by a real network. */
export async function eventually<T>(look: () => Promise<T> | T, timeoutMs = 15_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
