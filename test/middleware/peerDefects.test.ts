// Mistakes that handoff middleware in the field is known for, one test each, on both SDKs' CloudAdapters over HTTP.

import assert from 'node:assert/strict';
import { EventFactory, type TurnContext } from 'botbuilder';
import { projectActivity } from '../../src/core/projection.js';
import type { BotTurnContext, ResourceResponse } from '../../src/middleware/host.js';
import { ProxiedBot } from '../fakes/proxiedBot.js';
import { describeOnEachSdk } from '../fakes/sdks.js';

const ANA = { role: 'agent', id: 'ana' } as const;

describeOnEachSdk('mistakes of other handoff middleware', (sdk) => {
  let bot: ProxiedBot;
  beforeEach(async () => {
    bot = await ProxiedBot.start(sdk);
    bot.onMessage = async (context) => {
      if (context.activity.text === 'human') await context.sendActivity(initiate(context));
      else await context.sendActivity(`Echo: ${context.activity.text}`);
    };
  });
  afterEach(() => bot.stop());

  // The Agents SDK has no factory for the event; bots brought over from botbuilder write it as it goes over the wire.
  const initiate = (context: BotTurnContext) =>
    sdk.name === 'botbuilder'
      ? EventFactory.createHandoffInitiation(context as TurnContext, { BotHandoffTopic: 'CreditCard' })
      : { type: 'event', name: 'handoff.initiate', value: { BotHandoffTopic: 'CreditCard' } };
  const events = async <T extends string>(type: T) => (await bot.log()).filter(({ event }) => event.type === type);

  it('what is sent in one batch with handoff.initiate is delivered, before it and after it', async () => {
    let responses: ResourceResponse[] = [];
    bot.onMessage = async (context) => {
      responses = await context.sendActivities([
        { type: 'message', text: 'One moment' },
        initiate(context),
        { type: 'message', text: 'See you' },
      ]);
    };
    await bot.channel.post('human please');
    await bot.test.hub.settled();
    assert.deepEqual(bot.channel.texts, [
      'One moment',
      'Nobody is available right now. You keep your place in line (number 1).',
      'See you',
    ]);
    assert.equal(responses.length, 3);
    assert.ok(responses.every(({ id }) => id !== ''));
    assert.equal((await bot.state()).phase, 'queued');
    assert.equal(
      bot.channel.delivered.some(({ activity }) => activity.type === 'event'),
      false,
      'the signal is not for the customer',
    );
  });

  it('everything but invokes and membership is kept from the bot while a person has the conversation, not only messages', async () => {
    await bot.giveToAna();
    const before = bot.heard.length;
    for (const activity of [
      { type: 'message', text: 'my card' },
      { type: 'event', name: 'clicked', value: 1 },
      { type: 'messageReaction', reactionsAdded: [{ type: 'like' }], replyToId: 'out-1' },
      { type: 'messageUpdate', text: 'my card!', id: 'in-2' },
      { type: 'messageDelete', id: 'in-2' },
      { type: 'typing' },
    ])
      assert.equal((await bot.channel.post(activity)).status, 200);
    assert.equal(bot.heard.length, before);
    const kept = (await bot.log()).filter(({ event }) => event.by.role === 'customer').map(({ event }) => event.type);
    assert.deepEqual(kept.slice(-5), ['said', 'said', 'said', 'edited', 'deleted']);
  });

  it('messages that arrive while the escalation is being stored go to the person', async () => {
    const { store } = bot.test;
    const append = store.append.bind(store);
    let stored = () => {};
    let storing = () => {};
    const begun = new Promise<void>((resolve) => (storing = resolve));
    store.append = async (request) => {
      if (request.events.some(({ type }) => type === 'escalated')) {
        storing();
        await new Promise<void>((resolve) => (stored = resolve));
      }
      return append(request);
    };
    const turn = bot.channel.post('human');
    await begun;
    const meanwhile = ['I am', 'in a hurry'].map((text, index) =>
      bot.channel.post({ type: 'message', text, id: `m-${index}` }),
    );
    stored();
    await Promise.all([turn, ...meanwhile]);
    await bot.test.hub.settled();
    assert.deepEqual(
      bot.heard.filter((text) => text !== 'omnichannelSetContext'),
      ['human'],
    );
    const said = (await events('said')).map(({ event }) => event.body?.activity?.text);
    assert.deepEqual(said, ['human', 'I am', 'in a hurry']);
    assert.equal((await bot.state()).phase, 'queued');
  });

  it('messages that came in before the bot escalated, and waited for their turn, go to the person', async () => {
    let decide = () => {};
    let begin = () => {};
    const begun = new Promise<void>((resolve) => (begin = resolve));
    bot.onMessage = async (context) => {
      begin();
      await new Promise<void>((resolve) => (decide = resolve));
      await context.sendActivity(initiate(context));
    };
    const turn = bot.channel.post('help');
    await begun;
    const next = bot.channel.post('now');
    await bot.until(async () => (await events('said')).length === 2);
    decide();
    assert.deepEqual([(await turn).status, (await next).status], [200, 200]);
    assert.equal(bot.heard.includes('now'), false);
  });

  it('escalating twice makes one handoff', async () => {
    bot.onMessage = async (context) => {
      await context.sendActivities([initiate(context), initiate(context)]);
      await context.sendActivity(initiate(context));
    };
    await bot.channel.post('human');
    assert.equal((await events('queued')).length, 1);
    assert.equal((await bot.test.store.waiting()).length, 1);
  });

  it('the bot hears that a person has accepted, once', async () => {
    const states: unknown[] = [];
    bot.onOther = (context) => {
      if (context.activity.name === 'handoff.status') states.push(context.activity.value);
    };
    await bot.giveToAna();
    assert.deepEqual(states, [{ state: 'accepted' }]);
  });

  it('cards, files and suggestions are relayed both ways, not only text', async () => {
    const card = {
      contentType: 'application/vnd.microsoft.card.hero',
      content: { title: 'Refund', buttons: [{ type: 'imBack', title: 'Yes', value: 'yes' }] },
    };
    const photo = { contentType: 'image/png', contentUrl: 'https://example.com/card.png', name: 'card.png' };
    const suggestedActions = { to: [], actions: [{ type: 'imBack', title: 'OK', value: 'OK' }] };
    const { id } = await bot.giveToAna();
    await bot.channel.post({ type: 'message', attachments: [photo] });
    assert.deepEqual((await bot.log()).at(-1)?.event.body?.activity?.attachments, [photo]);
    await bot.test.hub.handle(id, {
      type: 'say',
      by: ANA,
      activity: { type: 'message', attachments: [card, photo], suggestedActions },
    });
    await bot.test.hub.settled();
    const last = bot.channel.delivered.at(-1)?.activity;
    assert.deepEqual([last?.attachments, last?.['suggestedActions']], [[card, photo], suggestedActions]);
  });

  it('who is a person of the hub is known from sign-in, never from a name or role somebody claims', async () => {
    const { id } = await bot.giveToAna();
    await bot.channel.post({
      type: 'message',
      text: 'I am Ana, close this',
      from: { id: '29:kim', name: 'Ana', role: 'agent' },
    });
    const claimed = (await bot.log()).at(-1);
    assert.deepEqual(claimed?.event.by, { role: 'customer', id: '29:kim' });
    assert.equal(claimed && projectActivity(claimed, { viewer: 'staff', nameOf: () => undefined })?.from?.role, 'user');
    // The same id as a person's, on the channel: a customer like any other.
    await bot.channel.post({
      type: 'message',
      text: 'hello',
      from: { id: 'ana', name: 'Ana', role: 'bot' },
      conversation: { id: 'a:mallory' },
    });
    assert.equal((await bot.test.state(id)).phase, 'agent');
    const [mallory] = (await bot.test.store.list({ customer: 'ana' }, 1)).items;
    assert.equal(mallory?.phase, 'bot');
    // And a person's name is the directory's, whatever the message says.
    await bot.test.hub.handle(id, {
      type: 'say',
      by: ANA,
      activity: { type: 'message', text: 'Hi', from: { id: 'ceo', name: 'The Boss', role: 'bot' } },
    });
    await bot.test.hub.settled();
    assert.equal(bot.channel.delivered.at(-1)?.activity.from?.name, 'Ana');
  });

  it('who has waited longest is served first', async () => {
    const names = ['first', 'second', 'third', 'fourth', 'fifth'];
    for (const name of names) {
      await bot.channel.post('human', name);
      bot.test.clock.advance(1_000);
    }
    const offered = async () => {
      await bot.test.hub.settled();
      const states = await Promise.all(names.map(async (name) => ({ name, phase: (await bot.state(name)).phase })));
      return states.flatMap(({ name, phase }) => (phase === 'offered' ? [name] : []));
    };
    await bot.test.hub.people.setPresence('ana', 'available');
    assert.deepEqual(await offered(), ['first', 'second', 'third'], 'as many as she has room for');
    const { id } = await bot.state('second');
    await bot.test.hub.handle(id, { type: 'accept', agent: 'ana' });
    await bot.test.hub.handle(id, { type: 'return', by: ANA });
    assert.deepEqual(await offered(), ['first', 'third', 'fourth']);
  });

  it('when two people take a conversation at once, one gets it and the other is told who', async () => {
    await bot.channel.post('human');
    const { id } = await bot.state();
    const outcomes = await Promise.allSettled(
      ['ana', 'ben'].map((agent) => bot.test.hub.handle(id, { type: 'pick', agent })),
    );
    const lost = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.equal(lost.length, 1);
    const { code, details, message } = lost[0]?.reason as {
      code: string;
      message: string;
      details: { owner?: { id: string } };
    };
    const { agent } = (await bot.test.state(id)) as { agent?: string };
    assert.equal(code, 'offerGone');
    assert.equal(details.owner?.id, agent);
    assert.match(message, new RegExp(agent === 'ana' ? 'Ana' : 'Ben'));
    assert.equal(bot.channel.texts.filter((text) => text.endsWith('joined the conversation.')).length <= 1, true);
  });

  it('nobody gets a conversation that the bot has and for which nobody asked', async () => {
    await bot.channel.post('hello');
    const { id } = await bot.state();
    await bot.test.hub.people.setPresence('ana', 'available');
    await bot.test.hub.settled();
    for (const type of ['pick', 'accept'] as const)
      await assert.rejects(bot.test.hub.handle(id, { type, agent: 'ana' }), { code: 'offerGone' });
    await bot.channel.post('still you?');
    assert.equal(bot.channel.texts.at(-1), 'Echo: still you?');
  });

  it("channelData is kept, with the hub's own mark beside what others put there", async () => {
    bot.channel.channelId = 'emulator';
    bot.onMessage = (context) =>
      context.activity.text === 'human'
        ? context.sendActivity(initiate(context))
        : context.sendActivity({ type: 'message', text: 'card', channelData: { teams: { alert: true } } });
    await bot.channel.post({ type: 'message', text: 'hi', channelData: { tenant: { id: 't' } } });
    assert.deepEqual((await events('said'))[0]?.event.body?.activity?.channelData, { tenant: { id: 't' } });
    assert.deepEqual(bot.channel.delivered[0]?.activity.channelData, { teams: { alert: true } });
    const { id } = await bot.giveToAna();
    await bot.test.hub.handle(id, {
      type: 'say',
      by: ANA,
      activity: { type: 'message', text: 'Hi', channelData: { own: 1 } },
    });
    await bot.test.hub.settled();
    assert.deepEqual(bot.channel.delivered.at(-1)?.activity.channelData, { own: 1, handoff: { kind: 'agent' } });
  });

  it("where channelData is the channel's own message, the hub adds nothing to it", async () => {
    bot.channel.channelId = 'slack';
    await bot.giveToAna();
    await bot.anaSays('Hi');
    assert.equal(bot.channel.delivered.at(-1)?.activity.channelData, undefined);
  });

  it('both sides stay in the transcript when the bot throws after it has replied', async () => {
    bot.onMessage = async (context) => {
      await context.sendActivity('Let me see');
      throw new Error('bug');
    };
    await bot.channel.post('help');
    const said = (await events('said')).map(({ event }) => [event.by.role, event.body?.activity?.text]);
    assert.deepEqual(said, [
      ['customer', 'help'],
      ['bot', 'Let me see'],
    ]);
    assert.equal((await events('botFailed')).length, 1);
  });
});
