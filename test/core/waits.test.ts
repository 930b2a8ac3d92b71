// The estimated wait: its promises on anything it can be asked, and how often it is right in a simulated contact centre.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { estimateWait, lengthsOf, type HeldChat, type Seat, type WaitQuestion } from '../../src/core/waits.js';
import { simulate, type Told } from '../fakes/contactCentre.js';

const MINUTE = 60_000;
const FIVE = lengthsOf([2, 4, 5, 6, 8].map((minutes) => minutes * MINUTE));

const chat = (elapsedMs = 0): HeldChat => ({ cost: 1, acceptedAt: -elapsedMs });
const busy = (...held: HeldChat[]): Seat => ({ capacity: held.length, load: held.length, held });
const wait = (change: Partial<WaitQuestion>) =>
  estimateWait({ ahead: 0, cost: 1, seats: [], lengths: FIVE, now: 0, ...change });
const minutes = (change: Partial<WaitQuestion>): number => (wait(change)?.estimatedWaitMs ?? NaN) / MINUTE;

describe('the estimated wait', () => {
  it('is nothing when somebody has room and nobody is before', () => {
    const seats = [busy(chat()), { capacity: 2, load: 1, held: [chat()] }];
    assert.deepEqual(wait({ seats, lengths: [] }), { estimatedWaitMs: 0, range: { fromMs: 0, toMs: 0 } });
    assert.notEqual(minutes({ seats, ahead: 1 }), 0);
  });

  it('for the place of one person is when half of the recent chats that lasted so long were over', () => {
    assert.equal(minutes({ seats: [busy(chat())] }), 5);
    assert.equal(minutes({ seats: [busy(chat(4.5 * MINUTE))] }), 1.5);
    assert.deepEqual(wait({ seats: [busy(chat())] })?.range, { fromMs: 2 * MINUTE, toMs: 8 * MINUTE });
  });

  it('takes a chat that has outlasted every recent one for one that begins now', () => {
    assert.equal(minutes({ seats: [busy(chat(60 * MINUTE))] }), 5);
  });

  it('is short where many places may open, and long where many wait before', () => {
    const three = [busy(chat(), chat(), chat())];
    assert.equal(minutes({ seats: [...three, ...three] }), 2);
    assert.equal(minutes({ seats: [busy(chat())], ahead: 1 }), 10);
    assert.equal(minutes({ seats: [busy(chat())], ahead: 100 }), 505);
  });

  it('goes by the kind of each chat where enough of its kind are known', () => {
    const short = lengthsOf([1, 1, 1, 1, 1].map((ms) => ms * MINUTE));
    assert.equal(minutes({ seats: [busy({ ...chat(), queue: 'other' })], lengthsIn: () => short }), 1);
    assert.equal(minutes({ seats: [busy({ ...chat(), queue: 'other' })], lengthsIn: () => short.slice(1) }), 5);
  });

  it('waits for as many units as the chat takes, and for who is over capacity first to come back to it', () => {
    const large = { ...chat(), cost: 2 };
    assert.equal(minutes({ seats: [{ capacity: 2, load: 2, held: [large] }], cost: 2 }), 5);
    assert.equal(minutes({ seats: [{ capacity: 2, load: 1, held: [chat()] }], cost: 2 }), 5);
    assert.equal(minutes({ seats: [{ capacity: 1, load: 2, held: [chat(), chat(7 * MINUTE)] }] }), 5);
  });

  it('is not told when nobody is there, nobody could ever take it, or too few chats are known', () => {
    assert.equal(wait({}), undefined);
    assert.equal(wait({ seats: [{ capacity: 1, load: 0, held: [] }], cost: 2 }), undefined);
    assert.equal(wait({ seats: [busy(chat())], lengths: FIVE.slice(1) }), undefined);
  });

  it('is found at once, however long the line and however large the centre', () => {
    const seats = Array.from({ length: 1_000 }, (_, index) => busy(chat(index * 100), chat(), chat(index * 300)));
    assert.ok(minutes({ seats, ahead: 50_000 }) > 60);
  });
});

describe('the estimated wait, whatever it is asked', () => {
  const anyHeld = fc.record({
    cost: fc.integer({ min: 1, max: 3 }),
    acceptedAt: fc.integer({ min: -20 * MINUTE, max: 0 }),
  });
  const anySeat = fc
    .record({ spare: fc.integer({ min: -2, max: 2 }), held: fc.array(anyHeld, { maxLength: 4 }) })
    .map(({ spare, held }): Seat => {
      const load = held.reduce((sum, { cost }) => sum + cost, 0);
      return { capacity: Math.max(0, load + spare), load, held };
    });
  const anyLengths = fc.array(fc.integer({ min: 0, max: 15 * MINUTE }), { minLength: 5, maxLength: 20 }).map(lengthsOf);
  const anyQuestion = fc.record({
    ahead: fc.integer({ min: 0, max: 30 }),
    cost: fc.integer({ min: 1, max: 3 }),
    seats: fc.array(anySeat, { maxLength: 5 }),
    lengths: anyLengths,
    now: fc.constant(0),
  });
  const holds = (property: (question: WaitQuestion) => void) =>
    fc.assert(fc.property(anyQuestion, property), { numRuns: 500 });

  it('is never negative, and lies within its range', () => {
    holds((question) => {
      const estimate = estimateWait(question);
      if (estimate === undefined) return;
      const { estimatedWaitMs, range } = estimate;
      assert.ok(0 <= range.fromMs && range.fromMs <= estimatedWaitMs && estimatedWaitMs <= range.toMs);
    });
  });

  it('is never shorter for who comes later', () => {
    holds((question) => {
      const [sooner, later] = [estimateWait(question), estimateWait({ ...question, ahead: question.ahead + 1 })];
      assert.equal(later === undefined, sooner === undefined || later === undefined);
      if (sooner !== undefined && later !== undefined) assert.ok(sooner.estimatedWaitMs <= later.estimatedWaitMs);
    });
  });

  it('is nothing exactly when there is a place now for everybody before and one more', () => {
    holds((question) => {
      const { seats, cost, ahead } = question;
      const free = seats.reduce(
        (sum, { capacity, load }) => sum + Math.max(0, Math.floor((capacity - load) / cost)),
        0,
      );
      assert.equal(estimateWait(question)?.estimatedWaitMs === 0, free > ahead);
    });
  });

  it('is never longer with one more person, one more unit of capacity, or one chat less', () => {
    fc.assert(
      fc.property(anyQuestion, anySeat, fc.nat(), fc.nat(), (question, more, whom, which) => {
        const { seats } = question;
        const before = estimateWait(question)?.estimatedWaitMs ?? Infinity;
        const after = (changed: readonly Seat[]) => {
          const now = estimateWait({ ...question, seats: changed })?.estimatedWaitMs ?? Infinity;
          assert.ok(now <= before, `${now} after ${before}`);
        };
        after([...seats, more]);
        const seat = seats[whom % Math.max(1, seats.length)];
        if (seat === undefined) return;
        const others = seats.filter((one) => one !== seat);
        after([...others, { ...seat, capacity: seat.capacity + 1 }]);
        const ended = seat.held[which % Math.max(1, seat.held.length)];
        if (ended === undefined) return;
        const held = seat.held.filter((one) => one !== ended);
        after([...others, { ...seat, load: seat.load - ended.cost, held }]);
      }),
      { numRuns: 500 },
    );
  });
});

describe('the estimated wait of a large centre', () => {
  const LONG = lengthsOf(Array.from({ length: 100 }, (_, index) => -8 * MINUTE * Math.log(1 - (index + 0.5) / 100)));
  /** Chats that began at different moments, and how often one of them was looked at. */
  const centre = (people: number, chats: number, cost: (index: number) => number = () => 1) => {
    let looks = 0;
    const seats = Array.from({ length: people }, (_, person): Seat => {
      const held = Array.from({ length: chats }, (_none, index): HeldChat => ({
        cost: cost(index),
        get acceptedAt() {
          looks += 1;
          return -(((person + 1) * (index + 7) * 7_919) % 600) * 1_000;
        },
      }));
      const load = held.reduce((sum, one) => sum + one.cost, 0);
      return { capacity: load, load, held };
    });
    return {
      question: { ahead: Math.floor((people * chats) / 10), cost: 1, seats, lengths: LONG, now: 0 },
      looks: () => looks,
    };
  };

  it('takes no more looks at what is held than a middling one, however many people have however many chats', () => {
    for (const [people, chats] of [
      [1, 10_000],
      [3, 3_000],
      [100, 1_000],
      [20_000, 3],
    ] as const) {
      const { question, looks } = centre(people, chats);
      assert.ok(estimateWait(question) !== undefined);
      // At most 100,000 for one moment; the three numbers are found by looking at some forty moments.
      assert.ok(looks() < 6_000_000, `${people} people with ${chats} chats: ${looks()} looks`);
    }
  });

  it('does not make distributions of what many chats would leave: each look is one step', () => {
    let steps = 0;
    const { question } = centre(1, 5_000);
    const held = question.seats[0]!.held.map(({ acceptedAt }) => ({
      acceptedAt,
      get cost() {
        steps += 1;
        return 1;
      },
    }));
    assert.ok(estimateWait({ ...question, seats: [{ capacity: 5_000, load: 5_000, held }] }) !== undefined);
    assert.ok(steps < 1_000_000, `${steps} steps; one distribution alone would be 12,500,000`);
  });

  it('is what it would be without the limit wherever that is quick', () => {
    const held = fc.record({
      cost: fc.integer({ min: 1, max: 3 }),
      acceptedAt: fc.integer({ min: -20 * MINUTE, max: 0 }),
    });
    const seat = fc.array(held, { maxLength: 25 }).map((chats): Seat => {
      const load = chats.reduce((sum, { cost }) => sum + cost, 0);
      return { capacity: load, load, held: chats };
    });
    const questions = fc.record({
      ahead: fc.nat(30),
      cost: fc.integer({ min: 1, max: 3 }),
      seats: fc.array(seat, { maxLength: 20 }),
      lengths: fc.constantFrom(LONG, FIVE),
      now: fc.constant(0),
    });
    fc.assert(
      fc.property(questions, (question) => assert.deepEqual(estimateWait(question), estimateWait(question, Infinity))),
      { numRuns: 60 },
    );
  });

  it('is nearly what it would be without the limit where that is slow', () => {
    for (const { question } of [
      centre(1, 300),
      centre(1, 300, (index) => 1 + (index % 3)),
      centre(5, 120),
      centre(1_000, 6),
    ]) {
      for (const cost of [1, 2]) {
        const asked = { ...question, cost };
        const [near, exact] = [estimateWait(asked, 2_000), estimateWait(asked, Infinity)];
        assert.ok(near !== undefined && exact !== undefined);
        for (const of of [
          (one: typeof exact) => one.estimatedWaitMs,
          (one: typeof exact) => one.range.fromMs,
          (one: typeof exact) => one.range.toMs,
        ])
          assert.ok(
            Math.abs(of(near) - of(exact)) <= 0.1 * of(exact) + 2_000,
            `${JSON.stringify(near)} for ${JSON.stringify(exact)}`,
          );
      }
    }
  }).timeout(30_000);
});

describe('the estimated wait, in a simulated contact centre', () => {
  for (const [people, capacity, variation] of [
    [1, 1, 1],
    [2, 2, 0.5],
    [5, 3, 1],
  ] as const)
    it(`is right on average, and its range for about three of four, with ${people * capacity} places`, () => {
      const told = [1, 2, 3, 4].flatMap((seed) =>
        simulate({ people, capacity, variation, seed, load: 0.95, meanMs: 8 * MINUTE, customers: 250 }),
      );
      const waits = told.filter(({ waitedMs }) => waitedMs > 0);
      const share = (holds: (one: Told) => boolean) => waits.filter(holds).length / waits.length;
      const within = share(
        ({ estimate: { range }, waitedMs }) => range.fromMs - 1_000 <= waitedMs && waitedMs <= range.toMs,
      );
      const longer = share(({ estimate, waitedMs }) => waitedMs > estimate.estimatedWaitMs);
      const mean = (of: (one: Told) => number) => waits.reduce((sum, one) => sum + of(one), 0) / waits.length;
      const bias = mean(({ estimate }) => estimate.estimatedWaitMs) / mean(({ waitedMs }) => waitedMs);
      assert.ok(within > 0.6 && within < 0.9, `${within} within the range`);
      assert.ok(longer > 0.3 && longer < 0.6, `${longer} longer than told`);
      assert.ok(bias > 0.85 && bias < 1.25, `told ${bias} times what it was`);
    });
});
