// A start that fails or is stopped, and a stop after a disk that was full.

import assert from 'node:assert/strict';
import { StoreUnavailable } from '../../src/errors.js';
import { openHub, type TestHub } from '../fakes/hub.js';
import { until } from '../fakes/shop.js';

describe('start and stop', () => {
  let test: TestHub;
  beforeEach(async () => (test = await openHub()));
  afterEach(() => test.close());
  const texts = () => test.bot.heard.flatMap(({ type, text }) => (type === 'message' ? [text] : []));

  it('starts again after a start that failed', async () => {
    await test.hub.stop();
    const { store } = test;
    const read = store.outbox.bind(store);
    store.outbox = () => Promise.reject(new StoreUnavailable('The disk is gone.'));
    await assert.rejects(test.hub.start(), StoreUnavailable);
    store.outbox = read;
    await test.hub.start();
    assert.equal(test.hub.running, true);
    const id = await test.startConversation();
    await test.says(id, 'hello');
    assert.deepEqual(texts(), ['hello']);
  });

  it('stays stopped when it is stopped while it starts', async () => {
    await test.hub.stop();
    const { store } = test;
    const read = store.outbox.bind(store);
    let goOn = () => {};
    const held = new Promise<void>((resolve) => (goOn = resolve));
    let asked = false;
    store.outbox = async (limit, after) => {
      asked = true;
      await held;
      return read(limit, after);
    };
    const started = test.hub.start().catch(() => undefined);
    await until('it starts', () => asked);
    const stopped = test.hub.stop();
    goOn();
    await Promise.all([started, stopped]);
    assert.equal(test.hub.running, false);
  });

  it('calls no bot before it takes answers, however many deadlines have passed meanwhile', async () => {
    const id = await test.startConversation();
    test.bot.script = () => new Promise(() => {});
    const by = { role: 'customer', id: 'kim' } as const;
    await test.hub.handle(id, { type: 'say', by, activity: { type: 'message', text: 'hello', from: { id: 'kim' } } });
    await until('the bot is at it', () => texts().length === 1);
    await test.hub.stop(1);
    const taken: boolean[] = [];
    test.bot.script = () => void taken.push(test.hub.running);
    const { store } = test;
    const due = store.due.bind(store);
    store.due = async (...asked) => {
      // The store answers in order: by then a turn that began before would have read what it needs.
      for (let reads = 0; reads < 20; reads += 1) await store.conversation(id);
      return due(...asked);
    };
    await test.hub.start();
    await until('the bot is called again', () => taken.length > 0);
    assert.deepEqual(taken, [true]);
  });

  it('marks before it stops what a full disk could not', async () => {
    const id = await test.startConversation();
    const { store } = test;
    const settle = store.settle.bind(store);
    store.settle = () => Promise.reject(new StoreUnavailable('The disk is full.'));
    await test.says(id, 'heard');
    store.settle = settle;
    await test.hub.stop();
    assert.deepEqual(await store.outbox(10), []);
  });
});
