/** A bot behind a real CloudAdapter of either SDK with handoffMiddleware, on a real hub, talking to a fake channel over HTTP. */
import { readFile } from 'node:fs/promises';
import { readConfiguration, type Configuration } from '../../src/config.js';
import type { Conversation, Entry } from '../../src/core/conversation.js';
import { HttpServer } from '../../src/http.js';
import type { BotTurnContext } from '../../src/middleware/host.js';
import { serveMessages, type MessagesOptions } from '../../src/middleware/messages.js';
import { FakeChannel } from './channel.js';
import { openHub, SILENT, type TestHub } from './hub.js';
import type { Adapter, Logic, SdkInTest } from './sdks.js';

export type BotTurn = (context: BotTurnContext) => Promise<unknown> | unknown;

type Options = Partial<MessagesOptions<BotTurnContext>>;

export class ProxiedBot {
  /** What the bot does with messages; `others` with everything else. */
  onMessage: BotTurn = (context) => context.sendActivity(`Echo: ${context.activity.text}`);
  onOther: BotTurn = () => undefined;
  /** What happens around each request before the hub sees it, by the activity's id. */
  around: (id: string, next: () => Promise<void>) => Promise<void> = (_id, next) => next();
  /** Every activity that reached the bot: text, name or type. */
  readonly heard: string[] = [];

  private constructor(
    public test: TestHub,
    readonly channel: FakeChannel,
    readonly sdk: SdkInTest,
    private readonly options: Options,
  ) {}

  adapter!: Adapter;
  private http!: HttpServer;

  static async start(
    sdk: SdkInTest,
    options: Options & { botTimeoutMs?: number; configuration?: Configuration } = {},
  ): Promise<ProxiedBot> {
    const {
      botTimeoutMs,
      configuration = readConfiguration(await readFile('handoff.yaml', 'utf8')),
      ...messages
    } = options;
    const test = await openHub({ configuration, ...(botTimeoutMs === undefined ? {} : { botTimeoutMs }) });
    const bot = new ProxiedBot(test, await FakeChannel.start(), sdk, messages);
    await bot.serve();
    return bot;
  }

  /** The bot says something unasked, where `reference` says. */
  speakUp(reference: object, logic: Logic): Promise<void> {
    return this.sdk.speakUp(this.adapter, reference, logic);
  }

  /** What the hub holds for the customer now. */
  async state(customer = 'kim'): Promise<Conversation> {
    const { items } = await this.test.store.list({ customer: `29:${customer}` }, 1);
    const id = items[0]?.id;
    if (id === undefined) throw new Error(`the hub knows no conversation of ${customer}`);
    return this.test.state(id);
  }

  async log(customer = 'kim'): Promise<Entry[]> {
    return this.test.log((await this.state(customer)).id);
  }

  /** Waits for something that nobody signals. */
  async until(holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 5_000;
    while (!(await holds())) {
      if (performance.now() > deadline) throw new Error('waited 5 s in vain');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Escalates by what the bot does, and gives the chat to ana. */
  async giveToAna(text = 'human'): Promise<Conversation> {
    await this.test.hub.people.setPresence('ana', 'available');
    await this.channel.post(text);
    await this.test.hub.settled();
    const { id } = await this.state();
    await this.test.hub.handle(id, { type: 'accept', agent: 'ana' });
    await this.test.hub.settled();
    return this.state();
  }

  async anaSays(text: string): Promise<void> {
    const { id } = await this.state();
    const by = { role: 'agent', id: 'ana' } as const;
    await this.test.hub.handle(id, { type: 'say', by, activity: { type: 'message', text } });
    await this.test.hub.settled();
  }

  /** The process ends without finishing anything: what it was doing goes on in the void. `begin` starts another one. */
  async crash(): Promise<void> {
    await this.http.close(0);
    await this.test.hub.stop(0);
    await this.test.store.close();
  }

  async begin(): Promise<void> {
    const { directory, clock } = this.test;
    // The middleware is there before the hub picks up where the record stands: what is owed goes out at once.
    this.test = await openHub({ directory, clock, beforeStart: (hub) => this.connect(hub) });
    await this.listen();
  }

  async stop(): Promise<void> {
    await this.http.close();
    await this.test.close();
    await this.channel.stop();
  }

  private async serve(): Promise<void> {
    this.connect(this.test.hub);
    await this.listen();
  }

  private connect(hub: TestHub['hub']): void {
    this.http = new HttpServer({ log: SILENT });
    const adapter = this.sdk.cloudAdapter();
    // The Agents SDK's own tells customers to fix the source code.
    adapter.onTurnError = undefined as never;
    adapter.use((context, next) => this.around(context.activity.id ?? '', next));
    this.adapter = serveMessages(this.http, hub, {
      adapter,
      botId: 'demo',
      settings: {},
      run: async (context) => {
        const { text, name, type } = context.activity;
        this.heard.push(text ?? name ?? type);
        await (type === 'message' ? this.onMessage(context) : this.onOther(context));
      },
      ...this.options,
    });
  }

  private async listen(): Promise<void> {
    const url = await this.http.listen(0, '127.0.0.1');
    this.channel.endpoint = `${url.replace('localhost', '127.0.0.1')}/api/messages`;
  }
}
