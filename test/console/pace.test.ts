// Notices at a bearable pace: the first at once, the last never missing.

import assert from 'node:assert/strict';
import sinon from 'sinon';
import { Pace } from '../../src/console/pace.js';

describe('the pace of notices', () => {
  let clock: sinon.SinonFakeTimers;
  let told: string[];
  let pace: Pace;
  beforeEach(() => {
    clock = sinon.useFakeTimers();
    told = [];
    pace = new Pace(100, (key) => told.push(`${key}@${Date.now()}`));
  });
  afterEach(() => {
    pace.stop();
    clock.restore();
  });

  it('tells the first at once and a burst once more at the end of the interval', () => {
    for (let index = 0; index < 50; index += 1) pace.touch('a');
    assert.deepEqual(told, ['a@0']);
    clock.tick(1_000);
    assert.deepEqual(told, ['a@0', 'a@100']);
    pace.touch('a');
    assert.deepEqual(told.at(-1), 'a@1000');
  });

  it('keeps a steady stream at one per interval, and one key does not slow another', () => {
    for (let at = 0; at < 1_000; at += 10) {
      pace.touch('a');
      if (at === 500) pace.touch('b');
      clock.tick(10);
    }
    clock.tick(1_000);
    assert.equal(told.filter((one) => one.startsWith('a')).length, 11);
    assert.deepEqual(
      told.filter((one) => one.startsWith('b')),
      ['b@500'],
    );
  });

  it('tells nothing more once stopped', () => {
    pace.touch('a');
    pace.touch('a');
    pace.stop();
    clock.tick(1_000);
    assert.deepEqual(told, ['a@0']);
  });
});
