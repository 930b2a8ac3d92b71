// The database's time as a process carries it on between two looks at it.

import assert from 'node:assert/strict';
import { DatabaseClock } from '../../src/store/postgres/databaseClock.js';
import { until } from '../fakes/shop.js';

describe("the database's clock", () => {
  it('keeps its time steady: a slow answer of the database changes nothing, a clock that was set does', async () => {
    const own = { at: 1_000_000, now: () => own.at };
    const database = { ahead: 5_000, delay: 0 };
    const clock = new DatabaseClock(own, async () => {
      const answer = own.at + database.delay / 2 + database.ahead;
      own.at += database.delay;
      return Promise.resolve(answer);
    });
    await clock.measure();
    assert.equal(clock.now(), 1_005_000);
    Object.assign(database, { ahead: 5_040, delay: 100 });
    await clock.measure();
    assert.equal(clock.now() - own.at, 5_000);
    Object.assign(database, { ahead: -60_000, delay: 2 });
    await clock.measure();
    assert.equal(clock.now() - own.at, -60_000);
  });

  it("does not jump with the machine's clock, and asks the database at once when that was set or the machine slept", async () => {
    const own = { at: 1_000_000, now: () => own.at };
    const machine = { at: 1_000_000, now: () => machine.at };
    const database = { at: 5_000_000, asked: 0 };
    const clock = new DatabaseClock(
      own,
      () => {
        database.asked += 1;
        return Promise.resolve(database.at);
      },
      machine,
    );
    await clock.start();
    try {
      assert.equal(clock.now(), 5_000_000);
      const { asked } = database;
      machine.at += 300_000;
      assert.equal(clock.now(), 5_000_000);
      assert.ok(database.asked > asked);
      // Asleep for an hour: the own clock stood still.
      machine.at += 3_600_000;
      database.at += 3_600_000;
      clock.now();
      await until('the clock is right', () => clock.now() === 8_600_000);
    } finally {
      clock.stop();
    }
  });
});
