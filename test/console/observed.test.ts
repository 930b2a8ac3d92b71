// The report of what was observed, over the staff API, and how the console meets entries of that kind.

import assert from 'node:assert/strict';
import { errorIn, CONFIGURATION, openOffice, type Office } from './office.js';

const OBSERVING = {
  ...CONFIGURATION,
  workStreams: CONFIGURATION.workStreams.map((workStream) => ({ ...workStream, observe: true })),
};

describe('staff API: what was observed', () => {
  let office: Office;
  beforeEach(async () => {
    office = await openOffice({ configuration: OBSERVING });
  });
  afterEach(() => office.close());

  it('is a report for supervisors and administrators', async () => {
    await office.customerAsks('CreditCard', 'kim');
    await office.customerAsks('HomeLoan', 'lee');
    for (const person of ['sam', 'ada']) {
      const { status, body } = await (
        await office.as(person)
      ).get('/observed?people=1-2&handlingSeconds=300&capacity=2');
      assert.equal(status, 200);
      const { total, queues, question } = body as {
        total: { escalations: number; busiestHour: { from: string } };
        queues: { queue: string; waits: { people: number }[] }[];
        question: Record<string, unknown>;
      };
      assert.equal(total.escalations, 2);
      assert.equal(total.busiestHour.from, '2026-01-05T09:00:00.000Z');
      assert.deepEqual(
        queues.map(({ queue, waits }) => [queue, waits.length]),
        [
          ['CreditCardQueue', 2],
          ['HomeLoanQueue', 2],
        ],
      );
      assert.deepEqual(question, { fromPeople: 1, toPeople: 2, meanHandlingMs: 300_000, capacity: 2 });
    }
  });

  it('looks back from now where it is asked for a span', async () => {
    const sam = await office.as('sam');
    await office.customerAsks('CreditCard');
    office.clock.advance(3 * 3_600_000);
    const seen = async (since: string) =>
      ((await sam.get(`/observed?since=${since}`)).body as { total: { escalations: number } }).total.escalations;
    assert.deepEqual([await seen('4h'), await seen('1h'), await seen('2026-01-05')], [1, 0, 1]);
  });

  it('is refused to those who serve', async () => {
    const refused = await (await office.as('ana')).get('/observed');
    assert.deepEqual([refused.status, errorIn(refused).code], [403, 'notAllowed']);
  });

  it('says what is wrong with a question, and what to ask instead', async () => {
    const sam = await office.as('sam');
    for (const [query, says] of [
      ['since=yesterday', /"since" takes a date/],
      ['people=8-1', /"people" takes a number from 1 to 50/],
      ['handlingSeconds=fast', /"handlingSeconds" takes a time from 1 second/],
      ['capacity=0', /"capacity" takes a number from 1 to 20/],
      ['people=1&handling=8m', /There is no "handling" here. Ask with since, people, handlingSeconds, capacity\./],
    ] as const) {
      const refused = await sam.get(`/observed?${query}`);
      assert.deepEqual([refused.status, errorIn(refused).code], [400, 'badQuery'], query);
      assert.match(errorIn(refused).message, says);
    }
  });

  it('leaves the rest of the console whole: list, log, receipts, transcripts', async () => {
    const id = await office.customerAsks('CreditCard');
    const sam = await office.as('sam');
    const shown = (await sam.get(`/conversations/${id}`)).body as Record<string, unknown>;
    assert.deepEqual([shown['phase'], shown['observedEscalations']], ['bot', 1]);
    const { entries } = (await sam.get(`/conversations/${id}/log`)).body as { entries: Record<string, unknown>[] };
    const observed = entries.find(({ type }) => type === 'escalationObserved');
    assert.deepEqual(
      [observed?.['audience'], observed?.['queue'], observed?.['reason'], observed?.['summary']],
      ['staff', 'CreditCardQueue', 'signal', 'card lost'],
    );
    const { items } = (await sam.get(`/conversations/${id}/receipts`)).body as {
      items: { queue?: string; observed?: boolean }[];
    };
    assert.deepEqual(
      items.map(({ queue, observed }) => [queue, observed]),
      [
        ['BotQueue', undefined],
        ['CreditCardQueue', true],
      ],
    );
    for (const format of ['transcript', 'jsonl', 'text', 'html']) {
      const { status, body } = await sam.get(`/conversations/${id}/transcript?format=${format}`);
      assert.equal(status, 200);
      if (format === 'text')
        assert.match(String(body), /Observed: Demo Bot asked for a person; it would have gone to CreditCardQueue/);
    }
  });
});
