// Patience with others, where this process itself stood still.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { patience } from '../../src/hub/patience.js';
import { FunctionBot, openHub } from '../fakes/hub.js';

/** Nothing in this process goes on meanwhile. */
function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('patience', () => {
  it('is spent after its time, once', async () => {
    let spent = 0;
    const since = performance.now();
    await new Promise<void>((resolve) => {
      patience(20, () => {
        spent += 1;
        resolve();
      });
    });
    assert.ok(performance.now() - since >= 19);
    await pause(50);
    assert.equal(spent, 1);
  });

  it('is not spent once it was ended, not even while it is prolonged', async () => {
    let spent = 0;
    const ends = [20, 30].map((ms) => patience(ms, () => (spent += 1)));
    ends[0]?.();
    standStill(1_200);
    await pause(5);
    ends[1]?.();
    await pause(60);
    assert.equal(spent, 0);
  });

  it('leaves time to read what came while the process stood still, and is spent then', async () => {
    let spentAt = 0;
    const endedAt = new Promise<void>((resolve) =>
      patience(100, () => {
        spentAt = performance.now();
        resolve();
      }),
    );
    standStill(1_300);
    const goesOnAt = performance.now();
    await endedAt;
    assert.ok(spentAt - goesOnAt >= 99, `${spentAt - goesOnAt} ms`);
  });

  it('hands no customer to people whose bot answered while the process stood still', async () => {
    const bot = new FunctionBot(async ({ type, text }) => {
      if (type !== 'message') return [];
      await pause(50);
      return [`Echo: ${text}`];
    });
    const test = await openHub({ bot, botTimeoutMs: 200 });
    try {
      const id = await test.startConversation();
      const answered = test.says(id, 'hello');
      while (!bot.heard.some(({ text }) => text === 'hello')) await pause(1);
      standStill(1_500);
      await answered;
      assert.equal((await test.hub.conversation(id))?.phase, 'bot');
      const texts = (await test.hub.entries(id, 0, 100)).flatMap(({ event }) =>
        event.type === 'said' ? [event.body?.activity?.text] : [],
      );
      assert.deepEqual(texts, ['hello', 'Echo: hello']);
    } finally {
      await test.close();
    }
  });
});
