// Reports over the whole record are made one at a time, and once for all who ask the same.

import assert from 'node:assert/strict';
import { Reports } from '../../src/console/reports.js';
import type { Question } from '../../src/core/observed.js';
import { BadRequest } from '../../src/errors.js';
import { openHub, type TestHub } from '../fakes/hub.js';

describe('reports', () => {
  let test: TestHub;
  beforeEach(async () => {
    test = await openHub();
  });
  afterEach(() => test.close());

  const question = (toPeople: number): Question => {
    return { fromPeople: 1, toPeople, meanHandlingMs: 60_000, capacity: 1 };
  };

  it('are made once for all who ask the same, and refused when too many are asked for at once', async () => {
    const reports = new Reports(test.hub);
    const [one, same] = [reports.of(question(1)), reports.of(question(1))];
    assert.equal(one, same);
    const others = [2, 3, 4].map((people) => reports.of(question(people)));
    assert.throws(
      () => reports.of(question(5)),
      (error: unknown) => error instanceof BadRequest && error.status === 429,
    );
    await Promise.all([one, ...others]);
    assert.ok(await reports.of(question(5)), 'there is room again');
  });
});
