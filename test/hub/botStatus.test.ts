// How a bot is doing, for the people who must act on it.

import assert from 'node:assert/strict';
import type { Directory } from '../../src/core/directory.js';
import { BotStatus } from '../../src/hub/botStatus.js';
import { SILENT, TestClock } from '../fakes/hub.js';

const DIRECTORY: Directory = { version: 1, bots: {}, queues: {}, workStreams: {}, people: {} };

describe("a bot's status", () => {
  let clock: TestClock;
  let logged: string[];
  let status: BotStatus;
  beforeEach(() => {
    clock = new TestClock();
    logged = [];
    status = new BotStatus(
      {
        clock,
        log: { ...SILENT, warn: (_fields, text) => void logged.push(text) },
        directory: DIRECTORY,
        notify: () => undefined,
      },
      15_000,
    );
  });

  it('shows a warning until it is cleared, with the time it was last noticed, and logs it once', () => {
    status.warn('demo', 'signInCard', 'A sign-in card passed through. Add the hub to the token domains.');
    clock.advance(1_000);
    status.warn('demo', 'signInCard', 'A sign-in card passed through. Add the hub to the token domains.');
    assert.deepEqual(status.of('demo').warnings, [
      {
        code: 'signInCard',
        text: 'A sign-in card passed through. Add the hub to the token domains.',
        at: clock.now(),
      },
    ]);
    assert.equal(logged.length, 1);
    assert.deepEqual(status.of('other').warnings, []);
    status.clearWarning('demo', 'signInCard');
    assert.deepEqual(status.of('demo').warnings, []);
  });

  it('keeps a bounded number of warnings, whatever is reported', () => {
    for (let index = 0; index < 1_000; index += 1) status.warn('demo', `code${index}`, 'text');
    assert.ok(status.of('demo').warnings.length <= 20);
  });
});
