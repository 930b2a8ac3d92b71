// What the outbox does with the turns of a bot that fails: who is handed over, what is held, and what goes when the bot is back.

import assert from 'node:assert/strict';
import { useFakeTimers } from 'sinon';
import { readConfiguration } from '../../src/config.js';
import { DeliveryFailed, StoreUnavailable } from '../../src/errors.js';
import { FunctionBot, handoff, openHub, type BotScript, type TestHub } from '../fakes/hub.js';
import { until } from '../fakes/shop.js';

const echo: BotScript = (activity) => (activity.type === 'message' ? [`Echo: ${activity.text ?? ''}`] : []);
const refuse: BotScript = () => {
  throw new DeliveryFailed('The connection was refused.', true, { kind: 'unreachable' });
};
const breakDown: BotScript = () => {
  throw new DeliveryFailed('It answered 500.', false, { kind: 'failed' });
};
const hang: BotScript = () => {
  throw new DeliveryFailed('It did not answer in time.', false, { kind: 'timedOut' });
};

describe('the turns of a bot that fails', () => {
  let test: TestHub;
  let moving: NodeJS.Timeout | undefined;
  beforeEach(async () => {
    test = await openHub({ botTimeoutMs: 15_000 });
  });
  afterEach(async () => {
    clearInterval(moving);
    await test.close();
  });

  const say = (id: string, text: string) =>
    test.hub.handle(id, {
      type: 'say',
      by: { role: 'customer', id: 'kim' },
      activity: { type: 'message', text, from: { id: 'kim' } },
    });
  const types = async (id: string) => (await test.log(id)).map(({ event }) => event.type);
  const heard = (id: string) => test.bot.heard.filter(({ conversation }) => conversation?.id === id);
  const texts = (id: string) => heard(id).flatMap(({ type, text }) => (type === 'message' ? [text] : []));
  /** The hub's time goes on, as fast as real time. */
  const goOn = () => (moving = setInterval(() => test.clock.advance(20), 20));
  const isOpen = () => test.hub.botStatus.isOpen('demo');

  /** Customers' messages fail until the breaker is open. */
  async function breakTheBot(script = hang): Promise<void> {
    test.bot.script = script;
    while (!isOpen()) {
      const id = await test.startConversation();
      await test.says(id, 'hello');
    }
  }

  it('are not tried for a customer who comes while it fails: people take over at once', async () => {
    await breakTheBot();
    const before = test.bot.heard.length;
    const id = await test.startConversation();
    await test.says(id, 'hello');
    assert.equal(test.bot.heard.length, before);
    const state = await test.state(id);
    assert.deepEqual([state.phase, state.escalationReason], ['queued', 'botUnavailable']);
    assert.ok((await test.customerSees(id)).includes('Sorry, Demo Bot cannot answer right now.'));
    const { event } = (await test.log(id)).find((entry) => entry.event.type === 'botFailed') ?? assert.fail();
    assert.match(
      event.type === 'botFailed' ? event.cause : '',
      /fails since .* and was not asked. It did not answer in time/,
    );
  });

  it('are written down for the conversations that needed it, and for no other', async () => {
    const quiet = await test.startConversation();
    const before = await types(quiet);
    await breakTheBot();
    assert.deepEqual(await types(quiet), before);
  });

  it('wait, before the customer has said anything, and greet when it is back', async () => {
    test.bot.script = refuse;
    const ids = [await test.startConversation(), await test.startConversation(), await test.startConversation()];
    assert.ok(isOpen());
    for (const id of ids) {
      assert.equal((await test.state(id)).phase, 'bot');
      assert.ok(!(await types(id)).includes('deliveryFailed'));
    }
    test.bot.script = (activity) => (activity.type === 'conversationUpdate' ? ['Welcome'] : []);
    goOn();
    for (const id of ids)
      await until('the customer is greeted', async () => (await test.customerSees(id)).includes('Welcome'));
    assert.ok(!isOpen());
  });

  it('greet also while it fails at messages, as long as it does not hang', async () => {
    await breakTheBot(breakDown);
    test.bot.script = (activity, turn) => (activity.type === 'message' ? breakDown(activity, turn) : ['Welcome']);
    const id = await test.startConversation();
    assert.ok((await test.customerSees(id)).includes('Welcome'));
    assert.ok(isOpen(), 'which does not show that it answers again');
    await test.says(id, 'hello');
    assert.deepEqual(texts(id), []);
    assert.equal((await test.state(id)).phase, 'queued');
  });

  it('do not make a customer wait behind a greeting that is held', async () => {
    await breakTheBot();
    const id = await test.startConversation();
    assert.ok(test.hub.outbox.depth > 0, 'the greeting is held');
    // Long after the greeting began to wait.
    test.clock.advance(9 * 60_000);
    await test.hub.settled();
    test.bot.script = echo;
    await test.says(id, 'hello');
    assert.ok((await test.customerSees(id)).includes('Echo: hello'), 'this turn was the probe');
    assert.deepEqual(
      heard(id).map(({ type }) => type),
      ['conversationUpdate', 'event', 'message'],
      'and the bot heard first what comes first',
    );
    assert.equal((await test.state(id)).phase, 'bot');
  });

  it('are settled at once when the holder changes, not when the bot is back', async () => {
    await breakTheBot();
    const id = await test.startConversation();
    assert.ok(test.hub.outbox.depth > 0);
    await test.hub.handle(id, { type: 'leave' });
    await until('nothing is owed', () => test.hub.outbox.depth === 0);
    await test.hub.settled();
    assert.deepEqual(await test.store.outbox(10), []);
  });

  it('do not hand a customer over because the bot does not understand what the hub tells it', async () => {
    const id = await test.startConversation();
    test.bot.script = (activity) => (activity.type === 'message' ? [handoff()] : []);
    await test.says(id, 'human');
    test.bot.script = (activity) => {
      if (activity.type === 'event') throw new Error(`what is ${activity.name}?`);
      return echo(activity, undefined as never);
    };
    await test.hub.handle(id, { type: 'cancel' });
    await test.hub.settled();
    assert.equal((await test.state(id)).phase, 'bot');
    assert.ok(!(await types(id)).includes('botFailed'));
    await test.says(id, 'hello');
    assert.ok((await test.customerSees(id)).includes('Echo: hello'));
    assert.equal(isOpen(), false);
  });

  it('go out when the bot is back after a restart of the hub', async () => {
    const id = await test.startConversation();
    test.bot.script = refuse;
    for (const text of ['one', 'two']) await say(id, text);
    await test.hub.settled();
    test = await test.restart();
    goOn();
    await until('it has been tried', () => test.hub.botStatus.of('demo').lastError !== undefined);
    test.bot.heard.length = 0;
    test.bot.script = echo;
    await until('both are answered', async () => (await test.customerSees(id)).includes('Echo: two'));
    assert.deepEqual(texts(id), ['one', 'two']);
    assert.deepEqual(
      (await test.customerSees(id)).filter((text) => text.startsWith('Echo')),
      ['Echo: one', 'Echo: two'],
    );
  });

  it('go to people 15 s after the first failure at the latest, on the hub’s clock', async () => {
    const id = await test.startConversation();
    test.bot.script = refuse;
    const timers = useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldClearNativeTimers: true });
    try {
      await say(id, 'hello');
      await test.hub.settled();
      const failedAt = test.clock.now();
      while ((await test.state(id)).phase === 'bot' && test.clock.now() - failedAt < 60_000) {
        test.clock.advance(50);
        timers.tick(50);
        await test.hub.settled();
      }
      const waitedMs = test.clock.now() - failedAt;
      assert.ok(waitedMs <= 15_000, `${waitedMs} ms`);
      assert.ok(waitedMs >= 13_000, 'a deployment is waited for');
      assert.ok(texts(id).length >= 7, 'it was tried again and again');
      assert.equal((await test.state(id)).escalationReason, 'botUnavailable');
    } finally {
      timers.restore();
    }
  });

  it('hand over also when the record could not be written at first', async () => {
    const id = await test.startConversation();
    test.bot.script = breakDown;
    const append = test.store.append.bind(test.store);
    let refusals = 0;
    test.store.append = (request) => {
      const isHandOver = request.events.some(({ type }) => type === 'botFailed');
      if (!isHandOver || (refusals += 1) > 1) return append(request);
      return Promise.reject(new StoreUnavailable('The disk is full.'));
    };
    await say(id, 'hello');
    await until('people take over', async () => (await test.state(id)).phase === 'queued');
    assert.equal(refusals, 2);
    assert.deepEqual(texts(id), ['hello'], 'the bot was asked once');
  });

  it('fail for a bot that takes over from another, which is expected to speak first', async () => {
    await test.close();
    const first = new FunctionBot((activity) => (activity.type === 'message' ? [handoff({ Topic: 'b' })] : []));
    const second = new FunctionBot(breakDown);
    test = await openHub({
      bot: first,
      configuration: readConfiguration(`
bots: [{ id: a, connect: inProcess }, { id: b, connect: inProcess }]
queues: [{ id: A, members: [a] }, { id: B, members: [b] }, { id: People, members: [ana] }]
workStreams:
  - id: web
    context: [{ name: Topic, type: text }]
    fallbackQueue: People
    rules:
      - { when: { variable: Topic, operator: hasNoData }, queue: A }
      - { when: { variable: Topic, operator: equals, value: b }, queue: B }
people: [{ id: ana, roles: [agent], capacity: 1 }]
`),
      beforeStart: (hub) => hub.connectBot('b', second),
    });
    const id = await test.startConversation();
    await test.says(id, 'something for the other bot');
    const state = await test.state(id);
    assert.equal(second.heard[0]?.type, 'conversationUpdate');
    assert.deepEqual([state.phase, state.escalationReason], ['queued', 'botUnavailable']);
  });
});
