// Attempts per key: what guesses waits, others do not, and memory stays bounded however many addresses try.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Buckets } from '../../src/hub/buckets.js';

describe('attempts', () => {
  it('waits exactly as long as it says', () => {
    const buckets = new Buckets({ size: 3, refillMs: 1_000 });
    for (let attempt = 0; attempt < 3; attempt += 1) {
      assert.equal(buckets.waitMs('a', 0), 0);
      buckets.spend('a', 0);
    }
    assert.equal(buckets.waitMs('a', 0), 1_000);
    assert.equal(buckets.waitMs('a', 999), 1);
    assert.equal(buckets.waitMs('a', 1_000), 0);
    assert.equal(buckets.waitMs('b', 0), 0);
  });

  it('lets through no more than its size and what came back since, whatever the order of attempts', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3_000), { maxLength: 60 }), (pauses) => {
        const buckets = new Buckets({ size: 5, refillMs: 1_000 });
        let now = 0;
        let through = 0;
        for (const pause of pauses) {
          now += pause;
          if (buckets.waitMs('a', now) > 0) continue;
          buckets.spend('a', now);
          through += 1;
          assert.ok(through <= 5 + now / 1_000 + 1e-6);
        }
      }),
    );
  });

  it('keeps of a long key what tells it from others, and no more', () => {
    const buckets = new Buckets({ size: 1, refillMs: 60_000 });
    const long = 'x'.repeat(12_000);
    buckets.spend(long, 0);
    assert.ok(buckets.waitMs(long, 0) > 0);
    assert.equal(buckets.waitMs(`${long}y`, 0), 0);
  });

  it('remembers who guesses while a hundred thousand others try once', () => {
    const buckets = new Buckets({ size: 2, refillMs: 60_000 });
    buckets.spend('guesser', 0);
    buckets.spend('guesser', 0);
    for (let index = 0; index < 100_000; index += 1) {
      buckets.spend(`address${index}`, 0);
      if (index % 5_000 === 0) buckets.spend('guesser', 0);
    }
    assert.ok(buckets.waitMs('guesser', 0) > 0);
    assert.ok(buckets.keys <= 10_000);
  });
});
