// How long customers would wait with so many people: what holds for every day, and days that can be worked out by hand.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { playThrough, waitsWith, type Arrival } from '../../src/core/staffing.js';

const MINUTE = 60_000;
const LIMIT = 20 * MINUTE;
const drawn = { meanHandlingMs: 8 * MINUTE, capacity: 1, runs: 5, seed: 7 };

const days = fc
  .array(fc.nat({ max: 240 * MINUTE }), { maxLength: 60 })
  .map((times): Arrival[] => times.sort((a, b) => a - b).map((at) => ({ at, limitMs: LIMIT })));
const team = fc.integer({ min: 1, max: 6 });
const chats = fc.integer({ min: 1, max: 3 });

describe('the waits with so many people', () => {
  it('are never longer for anybody when there are more people', () => {
    fc.assert(
      fc.property(days, team, chats, fc.nat(), (day, people, capacity, seed) => {
        const assumed = { ...drawn, capacity, seed };
        const few = playThrough(people, day, assumed);
        const more = playThrough(people + 1, day, assumed);
        for (const [index, wait] of more.entries()) assert.ok(wait <= (few[index] as number) + 1e-6, `${index}`);
      }),
    );
  });

  it('are nothing where there are as many people as customers', () => {
    fc.assert(
      fc.property(days, (day) => {
        const { longestMs, servedAtOnce, overLimit } = waitsWith(Math.max(1, day.length), day, drawn);
        assert.deepEqual([longestMs, servedAtOnce, overLimit], [0, 1, 0]);
      }),
    );
  });

  it('let nobody begin before somebody who came earlier', () => {
    fc.assert(
      fc.property(days, team, chats, fc.nat(), (day, people, capacity, seed) => {
        const waits = playThrough(people, day, { ...drawn, capacity, seed });
        const begins = day.map(({ at }, index) => at + (waits[index] as number));
        for (const [index, begin] of begins.entries()) {
          assert.ok(waits[index] !== undefined && waits[index] >= 0);
          assert.ok(index === 0 || begin >= (begins[index - 1] as number) - 1e-6);
        }
      }),
    );
  });

  it('are the same for the same seed, in whatever order the arrivals are given', () => {
    fc.assert(
      fc.property(days, team, (day, people) => {
        assert.deepEqual(waitsWith(people, day, drawn), waitsWith(people, [...day].reverse(), drawn));
      }),
    );
  });

  it('lie between the median and the longest in order, with shares from 0 to 1', () => {
    fc.assert(
      fc.property(days, team, (day, people) => {
        const { medianMs, p90Ms, longestMs, servedAtOnce, overLimit } = waitsWith(people, day, drawn);
        assert.ok(0 <= medianMs && medianMs <= p90Ms && p90Ms <= longestMs);
        assert.ok(0 <= overLimit && overLimit <= 1 - servedAtOnce && servedAtOnce <= 1);
      }),
    );
  });

  it('are the handling times before, for those who come together to one person', () => {
    const together = Array.from({ length: 400 }, () => ({ at: 0, limitMs: LIMIT }));
    const waits = playThrough(1, together, drawn);
    const handling = waits.slice(1).map((wait, index) => wait - (waits[index] as number));
    const mean = handling.reduce((sum, one) => sum + one, 0) / handling.length;
    assert.ok(Math.abs(mean / drawn.meanHandlingMs - 1) < 0.15, `${mean}`);
    assert.ok(Math.max(...handling) > 3 * drawn.meanHandlingMs, 'a few take long');
  });

  it('count two chats of one person as two people', () => {
    fc.assert(
      fc.property(days, (day) => {
        assert.deepEqual(playThrough(1, day, { ...drawn, capacity: 2 }), playThrough(2, day, drawn));
      }),
    );
  });
});
