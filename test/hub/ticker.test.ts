// Deadlines fire by themselves, whatever is done to the machine's clock.

import assert from 'node:assert/strict';
import { openHub, type TestHub } from '../fakes/hub.js';
import { until } from '../fakes/shop.js';

describe('deadlines', () => {
  let test: TestHub;
  beforeEach(async () => {
    test = await openHub();
  });
  afterEach(() => test.close());

  it('fire within seconds when the clock is set ahead, without anybody asking', async () => {
    const id = await test.startConversation();
    assert.equal((await test.state(id)).phase, 'bot');
    test.clock.advance(31 * 60_000);
    await until('the idle conversation is closed', async () => (await test.state(id)).phase === 'closed', 5_000);
  });

  it('fire at their time by the clock after it was set back', async () => {
    const id = await test.startConversation();
    test.clock.advance(-5 * 60_000);
    await test.says(id, 'hello');
    const { dueAt = 0 } = await test.state(id);
    test.clock.advance(dueAt - test.clock.now());
    await until('the idle conversation is closed', async () => (await test.state(id)).phase === 'closed', 5_000);
  });
});
