// Triggers and drafting bots where the hub lives in the bot's own process, on a channel's adapter.

import assert from 'node:assert/strict';
import { readConfiguration } from '../../src/config.js';
import { escalate } from '../../src/middleware/escalation.js';
import type { SdkActivity } from '../../src/middleware/host.js';
import { ProxiedBot } from '../fakes/proxiedBot.js';
import { describeOnEachSdk } from '../fakes/sdks.js';

const CONFIGURATION = readConfiguration(`
bots: [{ id: demo, name: Demo Bot, connect: inProcess, draftsWhileHeld: true }]
people: [{ id: ana, name: Ana }]
queues: [{ id: Desk, members: [demo, ana] }]
workStreams:
  - id: web
    fallbackQueue: Desk
    triggers: { phrases: [{ says: [agent], match: contains }] }
`);

describeOnEachSdk('a work stream that does more than its bot, on the bot’s own channel', (sdk) => {
  let bot: ProxiedBot;
  beforeEach(async () => {
    bot = await ProxiedBot.start(sdk, { configuration: CONFIGURATION });
    bot.onMessage = async (context) => {
      const { text } = context.activity;
      if (text === 'human') await escalate(context);
      else await context.sendActivity(`Echo: ${text}`);
    };
  });
  afterEach(() => bot.stop());

  const drafts = async () =>
    (await bot.log()).flatMap(({ event }) => (event.type === 'drafted' ? [event.body?.activity?.text] : []));

  it('hands over on a phrase: the turn ends, and the bot has not run', async () => {
    await bot.channel.post('hello');
    const { status } = await bot.channel.post('an agent, please');
    assert.equal(status, 200);
    assert.equal((await bot.state()).phase, 'queued');
    assert.equal(bot.heard.includes('an agent, please'), false);
    assert.deepEqual(await drafts(), []);
    assert.match(bot.channel.texts.at(-1) ?? '', /Nobody is available/);
  });

  it('lets the bot hear along while a person has it; its answers stay with the staff', async () => {
    await bot.giveToAna();
    const before = bot.channel.texts.length;
    const { status } = await bot.channel.post('my order?');
    assert.equal(status, 200);
    await bot.test.hub.settled();
    assert.ok(bot.heard.includes('my order?'));
    assert.deepEqual(await drafts(), ['Echo: my order?']);
    assert.equal(bot.channel.texts.length, before, 'nothing went out to the channel');
    await bot.anaSays('On its way');
    assert.equal(bot.channel.texts.at(-1), 'On its way');
  });
});

describeOnEachSdk('a bot that speaks up and hands over in one batch, on its own channel', (sdk) => {
  let bot: ProxiedBot;
  beforeEach(async () => {
    bot = await ProxiedBot.start(sdk, { configuration: CONFIGURATION });
  });
  afterEach(() => bot.stop());

  it('has both texts delivered in order, around what the hub tells', async () => {
    let reference: object = {};
    bot.onMessage = (context) => {
      reference = sdk.referenceOf(context.activity as SdkActivity);
    };
    await bot.channel.post('hello');
    await bot.speakUp(reference, async (context) => {
      await context.sendActivities([
        { type: 'message', text: 'Your order is late.' },
        { type: 'event', name: 'handoff.initiate', value: {} },
        { type: 'message', text: 'A person will explain.' },
      ]);
    });
    await bot.test.hub.settled();
    const texts = bot.channel.texts;
    assert.deepEqual([texts[0], texts.at(-1)], ['Your order is late.', 'A person will explain.']);
    assert.equal((await bot.state()).phase, 'queued');
    await bot.speakUp(reference, async (context) => void (await context.sendActivity('By the way')));
    await bot.test.hub.settled();
    assert.equal(bot.channel.texts.includes('By the way'), false);
  });
});
