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
