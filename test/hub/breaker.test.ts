// One bot's circuit breaker on a virtual clock: when it opens, who is let through meanwhile, and how it closes.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  admit,
  BOT_PATIENCE_MS,
  CLOSED,
  failed,
  heardClosed,
  heardOpen,
  LONGEST_PAUSE_MS,
  succeeded,
} from '../../src/hub/breaker.js';
import type { Admission, Breaker, Failure, Outage, TurnFor } from '../../src/hub/breaker.js';

const REFUSED: Failure = { about: 'reach', retry: true, hangs: false };
const UNTRUSTED: Failure = { about: 'reach', retry: false, hangs: false };
const BROKEN: Failure = { about: 'turn', retry: false, hangs: false };
const LATE: Failure = { about: 'turn', retry: false, hangs: true };
const START = 1_000_000;

/** A breaker with its clock. */
class Watched {
  breaker: Breaker = CLOSED;
  now = START;

  admit(awaited = true): Admission['is'] {
    const { admission, breaker } = admit(this.breaker, awaited, this.now);
    this.breaker = breaker;
    return admission.is;
  }
  fail(failure: Failure, times = 1, turnFor: TurnFor = 'customer'): void {
    for (let turn = 0; turn < times; turn += 1) this.breaker = failed(this.breaker, failure, turnFor, this.now);
  }
  succeed(turnFor: TurnFor = 'customer', startedAt = this.now): void {
    this.breaker = succeeded(this.breaker, turnFor, startedAt);
  }
}

describe("a bot's breaker", () => {
  let watched: Watched;
  beforeEach(() => (watched = new Watched()));

  const OUTAGE: Outage = { since: START, failures: 3, about: 'reach', mayPass: false, hangs: false };

  it('lets one turn find out what another node has told, and refuses the others meanwhile', () => {
    watched.breaker = heardOpen(watched.breaker, OUTAGE, START);
    assert.deepEqual([watched.admit(), watched.admit(), watched.admit()], ['through', 'refuse', 'refuse']);
    watched.succeed('customer', START);
    assert.deepEqual(watched.breaker, CLOSED);
  });

  it('believes another node that the bot answers again only where nothing has failed here', () => {
    watched.breaker = heardClosed(heardOpen(CLOSED, OUTAGE, START), START);
    assert.deepEqual(watched.breaker, CLOSED);
    watched.breaker = heardOpen(CLOSED, OUTAGE, START);
    watched.admit();
    watched.fail(UNTRUSTED);
    watched.breaker = heardClosed(watched.breaker, START);
    assert.equal(watched.breaker.state, 'open');
    assert.deepEqual([watched.admit(), watched.admit()], ['through', 'refuse'], 'it is tried at once');
  });

  it('keeps what it knows itself when another node tells of the same', () => {
    watched.fail(BROKEN, 5);
    const before = watched.breaker;
    assert.equal(heardOpen(before, OUTAGE, START), before);
    assert.equal(heardClosed(CLOSED, START), CLOSED);
  });

  it('lets every turn through while the bot answers now and then', () => {
    for (let round = 0; round < 50; round += 1) {
      watched.fail(BROKEN, 4);
      watched.succeed();
      watched.fail(REFUSED, 2);
      watched.succeed();
      assert.equal(watched.admit(), 'through');
    }
  });

  it('opens when nothing answers three times in a row, and lets customers wait for a bot that may be back soon', () => {
    watched.fail(REFUSED, 3);
    assert.equal(watched.breaker.state, 'open');
    assert.equal(watched.admit(), 'wait');
  });

  it('makes nobody wait longer than the patience of a customer since the first failure', () => {
    watched.fail(REFUSED, 3);
    watched.now += BOT_PATIENCE_MS - 1;
    watched.admit();
    assert.equal(watched.admit(), 'wait');
    watched.now += 1;
    assert.equal(watched.admit(), 'refuse');
  });

  it('refuses at once when waiting is of no use: no trust, wrong address', () => {
    watched.fail(UNTRUSTED, 3);
    assert.equal(watched.admit(), 'refuse');
  });

  it('opens after five failed turns of customers in a row and refuses at once', () => {
    watched.fail(BROKEN, 4);
    assert.equal(watched.admit(), 'through');
    watched.fail(BROKEN);
    assert.equal(watched.admit(), 'refuse');
  });

  it('does not hold against a bot that it fails at what the hub itself tells it', () => {
    watched.fail(BROKEN, 100, 'hub');
    assert.equal(watched.breaker, CLOSED);
  });

  it('counts it when what the hub tells the bot does not reach it', () => {
    watched.fail(REFUSED, 3, 'hub');
    assert.equal(watched.breaker.state, 'open');
  });

  it('lets one turn at a time try whether the bot is back', () => {
    watched.fail(REFUSED, 3);
    watched.now += 250;
    assert.equal(watched.admit(), 'through');
    assert.equal(watched.breaker.state, 'halfOpen');
    for (let other = 0; other < 10; other += 1) assert.equal(watched.admit(), 'wait');
  });

  it('closes with the first turn that succeeds', () => {
    watched.fail(BROKEN, 9);
    watched.now += 250;
    assert.equal(watched.admit(), 'through');
    watched.succeed();
    assert.equal(watched.breaker, CLOSED);
  });

  it('does not close on a greeting when it is customers’ messages that fail', () => {
    watched.fail(BROKEN, 5);
    watched.now += 60_000;
    assert.equal(watched.admit(false), 'through', 'a greeting may go');
    watched.succeed('hub');
    assert.equal(watched.breaker.state, 'open');
    assert.equal(watched.admit(), 'through');
  });

  it('holds greetings back from a bot that hangs: a customer who comes must not wait behind one', () => {
    watched.fail(LATE, 5);
    watched.now += 60_000;
    assert.equal(watched.admit(false), 'hold');
    assert.equal(watched.admit(), 'through');
  });

  it('closes on a greeting when the bot could not be reached', () => {
    watched.fail(REFUSED, 5);
    watched.now += 250;
    assert.equal(watched.admit(false), 'through');
    watched.succeed('hub');
    assert.equal(watched.breaker, CLOSED);
  });

  it('does not take the end of a turn that began before the bot went away for its return', () => {
    watched.fail(REFUSED, 3);
    watched.succeed('customer', START - 1);
    assert.equal(watched.breaker.state, 'open');
  });

  it('is not opened further by turns that were under way when it opened', () => {
    watched.fail(BROKEN, 300);
    watched.now += 250;
    assert.equal(watched.admit(), 'through');
  });

  it('probes at least every 2 s, also while earlier probes hang, whatever happens', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 3_000 }) }),
      fc.record({ do: fc.constant('fail' as const), what: fc.constantFrom(REFUSED, UNTRUSTED, BROKEN, LATE) }),
      fc.record({ do: fc.constant('admit' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        watched = new Watched();
        let lastThroughAt = START;
        for (const one of steps) {
          if (one.do === 'pass') watched.now += one.ms;
          else if (one.do === 'fail') watched.fail(one.what);
          else if (watched.admit() === 'through') lastThroughAt = watched.now;
          else assert.ok(watched.now - lastThroughAt < LONGEST_PAUSE_MS, `${watched.now - lastThroughAt} ms`);
          // Somebody asks all the time.
          if (watched.admit() === 'through') lastThroughAt = watched.now;
        }
      }),
    );
  });

  it('never makes a customer wait longer than that after the first failure, whatever happens', () => {
    const step = fc.oneof(
      fc.integer({ min: 0, max: 5_000 }),
      fc.constantFrom(REFUSED, UNTRUSTED, BROKEN, LATE),
      fc.constant('success' as const),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        watched = new Watched();
        for (const one of steps) {
          if (typeof one === 'number') watched.now += one;
          else if (one === 'success') watched.succeed();
          else watched.fail(one);
          const { outage } = watched.breaker;
          const { admission } = admit(watched.breaker, true, watched.now);
          if (admission.is !== 'wait') continue;
          assert.ok(outage !== undefined && watched.now - outage.since < BOT_PATIENCE_MS);
          assert.equal(admission.until, outage.since + BOT_PATIENCE_MS);
        }
      }),
    );
  });
});
