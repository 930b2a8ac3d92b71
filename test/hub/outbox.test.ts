// The outbox: in order, tried again only where that is safe, given up into an event, fenced when the holder changes.

import assert from 'node:assert/strict';
import { DeliveryFailed, StoreUnavailable } from '../../src/errors.js';
import { FunctionBot, handoff, openHub, type TestHub } from '../fakes/hub.js';
import { until } from '../fakes/shop.js';

const CUSTOMER = { role: 'customer', id: 'kim' } as const;

describe('outbox', () => {
  let test: TestHub;
  beforeEach(async () => {
    test = await openHub({ botTimeoutMs: 200 });
  });
  afterEach(() => test.close());

  const say = (id: string, text: string) =>
    test.hub.handle(id, { type: 'say', by: CUSTOMER, activity: { type: 'message', text, from: { id: 'kim' } } });
  const texts = () => test.bot.heard.flatMap(({ type, text }) => (type === 'message' ? [text] : []));

  it('runs the turns of one conversation one after another, in the order they were said', async () => {
    const id = await test.startConversation();
    let running = 0;
    test.bot.script = async (activity) => {
      running += 1;
      assert.equal(running, 1, 'two turns of one conversation at once');
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return [`Echo: ${activity.text ?? ''}`];
    };
    await Promise.all(['1', '2', '3', '4', '5'].map((text) => say(id, text)));
    await test.hub.settled();
    assert.deepEqual(texts(), ['1', '2', '3', '4', '5']);
    assert.deepEqual(
      (await test.customerSees(id)).filter((text) => text.startsWith('Echo')),
      ['Echo: 1', 'Echo: 2', 'Echo: 3', 'Echo: 4', 'Echo: 5'],
    );
  });

  it('sends again what the bot certainly did not get, under the same activity id', async () => {
    const id = await test.startConversation();
    let refused = 0;
    test.bot.script = (activity) => {
      if (refused < 2) {
        refused += 1;
        throw new DeliveryFailed('connection refused', true);
      }
      return [`Echo: ${activity.text ?? ''}`];
    };
    const echoed = new Promise<void>((resolve) => {
      test.hub.watch(id, {
        entries: (entries) => {
          if (entries.some(({ event }) => event.by.role === 'bot')) resolve();
        },
      });
    });
    await say(id, 'hello');
    // The back-off is measured with the hub's clock, which stands still here unless it is moved.
    const moving = setInterval(() => test.clock.advance(250), 20);
    await echoed;
    clearInterval(moving);
    await test.hub.settled();
    assert.equal(refused, 2);
    assert.equal(
      new Set(test.bot.heard.filter(({ type }) => type === 'message').map((activity) => activity.id)).size,
      1,
    );
    assert.equal((await test.state(id)).phase, 'bot');
  });

  it('does not send again what the bot may have got, and hands the customer to people', async () => {
    const id = await test.startConversation();
    test.bot.script = () => {
      throw new DeliveryFailed('500', false);
    };
    await say(id, 'hello');
    await test.hub.settled();
    assert.deepEqual(texts(), ['hello']);
    const types = (await test.log(id)).map(({ event }) => event.type);
    for (const type of ['deliveryFailed', 'botFailed', 'escalated', 'queued'] as const)
      assert.ok(types.includes(type), type);
  });

  it('hands over when a bot hangs, and keeps what it says afterwards as a draft', async () => {
    const id = await test.startConversation();
    let finish: (() => void) | undefined;
    test.bot.script = async (activity) => {
      await new Promise<void>((resolve) => (finish = resolve));
      return [`Echo: ${activity.text ?? ''}`];
    };
    await say(id, 'hello');
    await test.hub.settled();
    assert.equal((await test.state(id)).phase, 'queued');
    const drafted = new Promise<void>((resolve) => {
      test.hub.watch(id, {
        entries: (entries) => {
          if (entries.some(({ event }) => event.type === 'drafted')) resolve();
        },
      });
    });
    finish?.();
    await drafted;
    assert.ok(!(await test.customerSees(id)).includes('Echo: hello'));
  });

  it('does not send to the bot what the customer said while the bot was escalating', async () => {
    const id = await test.startConversation();
    let escalate: (() => void) | undefined;
    test.bot.script = async () => {
      await new Promise<void>((resolve) => (escalate = resolve));
      return [handoff()];
    };
    await say(id, 'help');
    await say(id, 'are you there?');
    escalate?.();
    await test.hub.settled();
    assert.deepEqual(texts(), ['help']);
    assert.ok((await test.customerSees(id)).includes('are you there?'), 'people will read it');
  });

  it('never hands over a conversation in which the customer has said nothing', async () => {
    test.bot.script = () => {
      throw new Error('the greeting broke');
    };
    const id = await test.startConversation();
    assert.equal((await test.state(id)).phase, 'bot');
    assert.deepEqual(await test.customerSees(id), []);
  });

  it('marks as settled what a full disk could not, once it can write, so that no restart sends it again', async () => {
    const id = await test.startConversation();
    const { store } = test;
    const settle = store.settle.bind(store);
    store.settle = () => Promise.reject(new StoreUnavailable('The disk is full.'));
    await test.says(id, 'heard');
    assert.equal((await store.outbox(10)).length, 1);
    store.settle = settle;
    await test.says(id, 'and this');
    await until('all is marked', async () => (await store.outbox(10)).length === 0, 5_000);
    assert.deepEqual(texts(), ['heard', 'and this']);
  });

  it('keeps nobody waiting while what was delivered is marked as settled', async () => {
    const id = await test.startConversation();
    await test.hub.settled();
    const { store } = test;
    const settle = store.settle.bind(store);
    let mark = () => {};
    const marked = new Promise<void>((resolve) => (mark = resolve));
    store.settle = async (settlements) => {
      await marked;
      await settle(settlements);
    };
    await say(id, '1');
    await say(id, '2');
    await until('both are heard', () => texts().length === 2);
    assert.equal(test.hub.outbox.isIdle, false, 'what is not marked yet is work under way');
    mark();
    await test.hub.settled();
    assert.deepEqual(await store.outbox(10), []);
  });

  it('sends what was left from before ahead of anything new, however soon that comes', async () => {
    const id = await test.startConversation();
    await test.hub.settled();
    test.bot.script = () => new Promise(() => {});
    await say(id, 'before');
    await until('the bot is at it', () => texts().length === 1);
    await test.hub.stop(1);
    const bot = new FunctionBot();
    test.hub.connectBot('demo', bot);
    const { store } = test;
    const read = store.outbox.bind(store);
    let goOn = () => {};
    const isSaid = new Promise<void>((resolve) => (goOn = resolve));
    store.outbox = async (limit, after) => {
      const rows = await read(limit, after);
      await isSaid;
      return rows;
    };
    const started = test.hub.start();
    await say(id, 'meanwhile');
    assert.equal(test.hub.running, false, 'nobody else is served yet');
    goOn();
    await started;
    assert.equal(test.hub.running, true);
    const heard = () => bot.heard.flatMap(({ text }) => text ?? []);
    await until('both are heard', () => heard().length === 2);
    assert.deepEqual(heard(), ['before', 'meanwhile']);
  });

  it('recognises the replies of a turn that is run again after a crash', async () => {
    const id = await test.startConversation();
    let runs = 0;
    test.bot = new FunctionBot();
    const connection = new FunctionBot(async (activity, turn) => {
      runs += 1;
      if (activity.type !== 'message') return [];
      await turn.respond([{ type: 'message', text: 'first' }]);
      if (runs === 1) await new Promise(() => {});
      await turn.respond([{ type: 'message', text: 'second' }]);
      return [];
    });
    test.hub.connectBot('demo', connection);
    const half = new Promise<void>((resolve) => {
      test.hub.watch(id, { entries: (entries) => entries.some(({ event }) => event.by.role === 'bot') && resolve() });
    });
    await say(id, 'hello');
    await half;
    await test.hub.stop(1);
    test = await test.restart();
    test.hub.connectBot('demo', connection);
    await test.hub.settled();
    const said = (await test.customerSees(id)).filter((text) => text === 'first' || text === 'second');
    assert.ok(said.length >= 1 && said.filter((text) => text === 'first').length === 1, said.join());
  });
});
