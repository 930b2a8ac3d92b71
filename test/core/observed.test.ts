// The report of what was observed: what is counted, what counts as a repeat, and whose waits are played through.

import assert from 'node:assert/strict';
import { summed, type ObservedEscalation, type ObservedReport, type Question } from '../../src/core/observed.js';

const MINUTE = 60_000;
const NINE = Date.UTC(2026, 0, 5, 9);

function seen(minutes: number, change: Partial<ObservedEscalation> = {}): ObservedEscalation {
  const conversation = change.conversation ?? `c${minutes}`;
  return {
    at: NINE + minutes * MINUTE,
    conversation,
    chat: conversation,
    reason: 'signal',
    queue: 'Cards',
    limitMs: 20 * MINUTE,
    ...change,
  };
}

function report(escalations: readonly ObservedEscalation[], question: Partial<Question> = {}): ObservedReport {
  const asked = { fromPeople: 1, toPeople: 3, meanHandlingMs: 8 * MINUTE, capacity: 1, ...question };
  const parts = summed(escalations, asked);
  for (;;) {
    const part = parts.next();
    if (part.done === true) return part.value;
  }
}

describe('the report of what was observed', () => {
  it('counts by queue, by reason, and where nobody would have come', () => {
    const { total, queues } = report([
      seen(0),
      seen(1, { reason: 'trigger:phrase' }),
      seen(2, { queue: 'Loans' }),
      { ...seen(3), queue: undefined } as unknown as ObservedEscalation,
    ]);
    assert.deepEqual([total.escalations, total.conversations, total.repeats], [4, 4, 0]);
    assert.deepEqual(total.reasons, { signal: 3, 'trigger:phrase': 1 });
    assert.deepEqual(
      queues.map(({ queue, escalations, waits }) => [queue, escalations, waits.length]),
      [
        ['Cards', 2, 3],
        ['Loans', 1, 3],
        [undefined, 1, 0],
      ],
    );
  });

  it('takes who asks again while the first request could still wait for a repeat, and later for another one', () => {
    const chat = { conversation: 'kim', chat: 'kim' };
    const { total, queues } = report([
      seen(0, chat),
      seen(19, chat),
      seen(21, chat),
      seen(22, { conversation: 'lee' }),
    ]);
    assert.deepEqual([total.escalations, total.repeats, total.conversations], [4, 1, 2]);
    assert.equal(queues[0]?.waits.length, 3);
  });

  it('knows a chat again whose record ended in between', () => {
    const { total } = report([
      seen(0, { conversation: 'a', chat: 'teams/kim' }),
      seen(1, { conversation: 'b', chat: 'teams/kim' }),
    ]);
    assert.deepEqual([total.repeats, total.conversations], [1, 2]);
  });

  it('counts what a conversation has beyond the entries it names as repeats', () => {
    const { total } = report([seen(0, { more: 30 })]);
    assert.deepEqual([total.escalations, total.repeats], [31, 30]);
  });

  it('lets nobody wait who would have come to another bot first', () => {
    const { queues } = report([seen(0, { nextBot: 'sales' })]);
    assert.deepEqual([queues[0]?.toBots, queues[0]?.waits], [1, []]);
  });

  it('finds the hour with the most requests, without repeats', () => {
    const again = { conversation: 'kim', chat: 'kim' };
    const { total } = report([seen(5, again), seen(6, again), seen(7, again), seen(70), seen(80)]);
    assert.deepEqual(total.busiestHour, { from: NINE + 60 * MINUTE, escalations: 2 });
  });

  it('begins where it is asked to', () => {
    const { total, from } = report([seen(0), seen(10)], { since: NINE + 5 * MINUTE });
    assert.deepEqual([total.escalations, from], [1, NINE + 10 * MINUTE]);
  });

  it('plays all queues through together where there are several', () => {
    assert.equal(report([seen(0), seen(1)]).together.length, 0);
    const { together, queues } = report([seen(0), seen(0, { conversation: 'x', queue: 'Loans' })]);
    assert.ok((together[0]?.longestMs ?? 0) > 0);
    assert.ok(queues.every(({ waits }) => waits[0]?.longestMs === 0));
  });

  it('says what it supposes, with the figures asked for', () => {
    const { assumptions, runs } = report([seen(0)], { meanHandlingMs: 5 * MINUTE, capacity: 2 });
    const all = assumptions.join('\n');
    for (const said of [
      /300 s on average/,
      /2 chats at once/,
      new RegExp(`each of ${runs} runs`),
      /waits until served/,
    ])
      assert.match(all, said);
  });

  it('is empty where nothing was observed', () => {
    const { total, queues, from } = report([]);
    assert.deepEqual([total.escalations, queues, from], [0, [], undefined]);
  });
});
