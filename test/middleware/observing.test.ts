// The middleware in a work stream that only observes: the channel and the bot get what they get without it, to the byte.

import assert from 'node:assert/strict';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { checkConfiguration, directoryOf, readConfiguration } from '../../src/config.js';
import type { Activity } from '../../src/core/activity.js';
import type { Entry } from '../../src/core/conversation.js';
import { canEscalate } from '../../src/middleware/escalation.js';
import { handoffMiddleware } from '../../src/middleware/handoffMiddleware.js';
import type { BotTurnContext, SdkActivity } from '../../src/middleware/host.js';
import { FakeChannel } from '../fakes/channel.js';
import { openHub, SILENT, type TestHub } from '../fakes/hub.js';
import { until } from '../fakes/shop.js';
import { describeOnEachSdk, type Adapter, type SdkInTest } from '../fakes/sdks.js';

const CONFIGURATION = readConfiguration(`
bots: [{ id: demo, name: Demo Bot, connect: inProcess, bridging: strict }]
people: [{ id: ana, name: Ana }]
queues: [{ id: Desk, members: [demo, ana] }]
workStreams:
  - id: web
    observe: true
    fallbackQueue: Desk
    triggers: { phrases: [{ says: [agent], match: contains }] }
`);
const ACTING = { ...CONFIGURATION, workStreams: [{ id: 'web', fallbackQueue: 'Desk' }] };

const initiate = {
  type: 'event',
  name: 'handoff.initiate',
  value: { topic: 'card' },
  attachments: [
    { contentType: 'application/json', name: 'Transcript', content: { activities: [{ type: 'message' }] } },
  ],
};
const SIGNALS: Record<string, Partial<SdkActivity>[]> = {
  protocol: [initiate],
  tags: [
    {
      type: 'message',
      text: 'Customer wants a refund',
      channelData: { tags: '{"type":"Escalate","context":{"topic":"refund"}}' },
    },
  ],
  whole: [
    { type: 'message', channelData: '{"tags":{"deliveryMode":"bridged"},"command":{"type":"Escalate","value":{}}}' },
  ],
  batch: [{ type: 'message', text: 'One moment' }, initiate, { type: 'message', text: 'A person comes' }],
  context: [{ type: 'event', name: 'setContext', value: { tier: 'gold' } }],
  close: [{ type: 'event', name: 'handoff.initiate', value: { CloseOmnichannelConversation: true } }],
  end: [
    { type: 'endOfConversation', code: 'completedSuccessfully' } as Partial<SdkActivity>,
    { type: 'message', text: 'Bye' },
  ],
};

/** A bot as somebody has it in production: its own server, its own error handler, any adapter. */
class ProductionBot {
  adapter!: Adapter;
  reference: object = {};
  readonly answers: { status: number; body: unknown }[] = [];
  private server!: http.Server;

  static async start(sdk: SdkInTest, hub?: TestHub): Promise<ProductionBot> {
    const bot = new ProductionBot(sdk, await FakeChannel.start());
    const adapter = (bot.adapter = sdk.cloudAdapter());
    adapter.onTurnError = async (context) => void (await context.sendActivity('Sorry, that went wrong.'));
    const run = (context: BotTurnContext) => bot.answer(context);
    if (hub !== undefined) adapter.use(handoffMiddleware(hub.hub, { adapter, botId: 'demo', run }));
    bot.server = http.createServer((request, response) => void bot.serve(request, response, run));
    await new Promise<void>((resolve) => bot.server.listen(0, '127.0.0.1', resolve));
    bot.channel.endpoint = `http://127.0.0.1:${(bot.server.address() as AddressInfo).port}/api/messages`;
    return bot;
  }

  private constructor(
    private readonly sdk: SdkInTest,
    readonly channel: FakeChannel,
  ) {}

  async post(activity: string | Partial<Activity>, customer?: string): Promise<void> {
    const { status, body } = await this.channel.post(activity, customer);
    this.answers.push({ status, body });
  }

  async speakUp(...activities: Partial<SdkActivity>[]): Promise<void> {
    await this.sdk.speakUp(
      this.adapter,
      this.reference,
      async (context) => void (await context.sendActivities(activities)),
    );
  }

  /** Everything that went out, as it was on the wire but for the port of this channel. */
  get wire(): unknown {
    const { delivered, serviceUrl } = this.channel;
    // A turn that the bot starts itself has a random id.
    const all = JSON.stringify({ delivered, answers: this.answers })
      .replaceAll(serviceUrl, 'http://channel/')
      .replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/g, 'random');
    return JSON.parse(all, (name, value: unknown) => (/^(local)?timestamp$/i.test(name) ? undefined : value));
  }

  async stop(): Promise<void> {
    await this.channel.stop();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(context: BotTurnContext): Promise<void> {
    const { type, text = '', name } = context.activity;
    if (type === 'invoke')
      return void (await context.sendActivity({
        type: 'invokeResponse',
        value: { status: 200, body: { heard: name } },
      }));
    if (type === 'event') return void (await context.sendActivity(`Heard ${name}`));
    if (type !== 'message') return void (await context.sendActivity(`Heard ${type}`));
    this.reference = this.sdk.referenceOf(context.activity);
    const signal = SIGNALS[text];
    if (signal !== undefined) return void (await context.sendActivities(structuredClone(signal)));
    if (text === 'fail') throw new Error('as the test asked');
    if (text === 'can') return void (await context.sendActivity(JSON.stringify(await canEscalate(context))));
    await context.sendActivity({ type: 'typing' });
    const sent = await context.sendActivity(`Echo: ${text}`);
    if (text !== 'edit') return;
    await context.updateActivity({ type: 'message', id: sent?.id ?? '', text: 'Changed' });
    await context.deleteActivity(sent?.id ?? '');
  }

  private async serve(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    run: (context: BotTurnContext) => Promise<void>,
  ): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const asked = Object.assign(request, { body: JSON.parse(Buffer.concat(chunks).toString()) as object });
    const answer = Object.assign(response, {
      status(code: number) {
        response.statusCode = code;
        return answer;
      },
      header: (field: string, value: string) => response.setHeader(field, value),
      send(body?: unknown) {
        response.end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body));
        return answer;
      },
    });
    const { authorizeRequest } = this.adapter as { authorizeRequest?: unknown };
    const allowed = new Promise<void>((resolve) => {
      if (typeof authorizeRequest !== 'function') return resolve();
      void authorizeRequest.call(this.adapter, asked, answer, resolve);
    });
    await allowed;
    await this.adapter.process(asked as never, answer as never, run).catch(() => response.end());
  }
}

/** A day of a bot, with everything that the hub would act upon. */
async function day(bot: ProductionBot): Promise<void> {
  await bot.post({ type: 'conversationUpdate', membersAdded: [{ id: '29:kim', name: 'kim' }] } as Partial<Activity>);
  for (const text of ['hello', 'protocol', 'tags', 'whole', 'batch', 'context', 'an agent, please', 'edit', 'fail'])
    await bot.post(text);
  await bot.speakUp({ type: 'message', text: 'By the way' }, initiate);
  await bot.post({ type: 'typing' });
  await bot.post({ type: 'event', name: 'handoff.status', value: { state: 'accepted' } });
  await bot.post({ type: 'invoke', name: 'task/submit', value: {} });
  await bot.post({ type: 'message', text: 'batch', deliveryMode: 'expectReplies' } as Partial<Activity>);
  await bot.post('end');
  await bot.speakUp({ type: 'message', text: 'One more thing' });
  await bot.post('close');
  await bot.post('protocol');
  await bot.post({
    type: 'message',
    text: 'batch',
    conversation: { id: '19:group', isGroup: true, conversationType: 'groupChat' },
  } as Partial<Activity>);
  await bot.post({ type: 'endOfConversation' });
}

describeOnEachSdk('a bot in production with the observing middleware', (sdk) => {
  let bare: ProductionBot;
  let test: TestHub;
  let observed: ProductionBot;
  beforeEach(async () => {
    test = await openHub({ configuration: CONFIGURATION, log: SILENT });
    bare = await ProductionBot.start(sdk);
    observed = await ProductionBot.start(sdk, test);
  });
  afterEach(async () => {
    await bare.stop();
    await observed.stop();
    await test.close();
  });

  const logs = async (customer = '29:kim'): Promise<Entry[]> => {
    await test.hub.settled();
    const { items } = await test.store.list({ customer }, 50);
    const all: Entry[] = [];
    for (const { id } of items.reverse()) all.push(...(await test.log(id)));
    return all;
  };
  const seen = async () =>
    (await logs()).flatMap(({ event }) => (event.type === 'escalationObserved' ? [event.dialect ?? event.reason] : []));

  it('sends its channel exactly what it sends without the middleware, and answers it the same', async () => {
    await day(bare);
    await day(observed);
    assert.deepEqual(observed.wire, bare.wire);
    assert.ok(bare.channel.delivered.length > 20);
  });

  it('sends exactly the same while the record cannot be written', async () => {
    await test.store.close();
    await day(bare);
    await day(observed);
    assert.deepEqual(observed.wire, bare.wire);
  });

  it('keeps no channel waiting for a record that is slow to be written', async () => {
    let release: () => void = () => undefined;
    const stuck = new Promise<void>((resolve) => (release = resolve));
    const append = test.store.append.bind(test.store);
    test.store.append = async (request) => {
      await stuck;
      return append(request);
    };
    await observed.post('hello');
    assert.equal(observed.answers.length, 1, 'the channel has its answer');
    release();
    await test.hub.settled();
    await until('it is on record all the same', async () =>
      (await logs()).some(({ event }) => event.body?.activity?.text === 'hello'),
    );
  });

  it('sends exactly the same where the channel refuses an escalation, and the bot learns it as ever', async () => {
    for (const bot of [bare, observed]) {
      bot.channel.refuse = ({ activity }) => (activity.name === 'handoff.initiate' ? 400 : undefined);
      await bot.post('hello');
      await bot.post('protocol');
    }
    assert.deepEqual(observed.wire, bare.wire);
    assert.deepEqual(await seen(), ['handoffProtocol', 'botUnavailable']);
  });

  it('has every escalation on record, with the queue it would have gone to, and keeps every conversation', async () => {
    await day(observed);
    // Protocol twice, in batches twice, and once unasked.
    assert.deepEqual((await seen()).sort(), [
      'botUnavailable',
      'commandTags',
      ...Array<string>(5).fill('handoffProtocol'),
      'trigger:phrase',
      'wholeString',
    ]);
    const events = (await logs()).map(({ event }) => event);
    for (const event of events) if (event.type === 'escalationObserved') assert.equal(event.queue, 'Desk');
    const hubsOwn = ['told', 'queued', 'escalated', 'drafted', 'returned'];
    assert.deepEqual(
      events.filter(({ type }) => hubsOwn.includes(type)),
      [],
    );
    assert.deepEqual(await test.store.outbox(10), []);
  });

  it('has what was said on record in order, with changes and what was taken back', async () => {
    await observed.post('hello');
    await observed.post('edit');
    const said = (await logs()).flatMap(({ event }) =>
      ['said', 'edited', 'deleted'].includes(event.type)
        ? [`${event.by.role} ${event.type} ${event.body?.activity?.text ?? ''}`.trim()]
        : [],
    );
    assert.deepEqual(said, [
      'customer said hello',
      'bot said Echo: hello',
      'customer said edit',
      'bot said Echo: edit',
      'bot edited Changed',
      'bot deleted',
    ]);
  });

  it('answers a bot that asks whether people would be there', async () => {
    await observed.post('can');
    assert.deepEqual(JSON.parse(observed.channel.texts[0] ?? ''), {
      open: false,
      agentsOnline: 0,
      position: 1,
      queue: 'Desk',
    });
  });

  it('acts in the conversation under way as soon as observe is off', async () => {
    await observed.post('protocol');
    await test.hub.useDirectory(directoryOf(checkConfiguration(ACTING), 2));
    await observed.post('protocol');
    await test.hub.settled();
    const [state] = (await test.store.list({ customer: '29:kim' }, 1)).items;
    assert.equal(state?.phase, 'queued');
    assert.equal(observed.channel.delivered.filter(({ activity }) => activity.name === 'handoff.initiate').length, 1);
    assert.match(observed.channel.texts.at(-1) ?? '', /Nobody is available/);
  });

  it('leaves to people what they have when observe is switched on', async () => {
    await test.hub.useDirectory(directoryOf(checkConfiguration(ACTING), 2));
    await test.hub.people.setPresence('ana', 'available');
    await observed.post('protocol');
    await test.hub.settled();
    const [state] = (await test.store.list({ customer: '29:kim' }, 1)).items;
    await test.hub.handle(state?.id ?? '', { type: 'accept', agent: 'ana' });
    await test.hub.settled();
    await test.hub.useDirectory(directoryOf(checkConfiguration(CONFIGURATION), 3));
    await observed.post('are you there, Ana?');
    assert.equal(observed.channel.texts.includes('Echo: are you there, Ana?'), false);
    assert.equal((await test.state(state?.id ?? '')).phase, 'agent');
  });
});
