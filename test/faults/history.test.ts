// The judge of the fault suite is judged: a run in which everything was kept, and runs in which one thing went wrong.

import assert from 'node:assert/strict';
import type { Entry } from '../../src/core/conversation.js';
import { ANA, BEN, BOT, CONVERSATION, CUSTOMER, HUB, logOf, said, START, type Line } from '../core/entries.js';
import { faultsOf, History, type Record } from './history.js';

const OPENING: Line[] = [
  [CUSTOMER, 'staff', { type: 'started', id: CONVERSATION, workStream: 'web', channel: { id: 'directline' } }],
  [HUB, 'staff', { type: 'botConnected', bot: 'demo', welcome: true }],
  [CUSTOMER, 'everyone', said('one')],
  [BOT, 'everyone', said('Echo: one', 3)],
  [
    HUB,
    'staff',
    { type: 'queued', queue: 'Cards', priority: 0, waitingSince: START, front: false, cause: 'escalated' },
  ],
  [HUB, 'staff', { type: 'offered', offers: [{ agent: 'ana', lapsesAt: START + 60_000 }], cost: 1, direct: false }],
  [ANA, 'staff', { type: 'accepted', agent: 'ana', how: 'offer', cost: 1, waitingSince: START }],
  [CUSTOMER, 'everyone', said('two')],
  [ANA, 'everyone', said('hello')],
  [
    BOT,
    'staff',
    {
      type: 'drafted',
      activityType: 'message',
      why: 'notHolder',
      body: { activity: { type: 'message', text: 'late' } },
    },
  ],
];
const FOR_EVERYONE = [3, 4, 8, 9];

interface Run {
  history: History;
  record: Record & { logs: Map<string, readonly Entry[]> };
}

/** A run in which everything went well. */
function wellKept(lines: Line[] = OPENING): Run {
  const log = logOf(...lines);
  const history = new History();
  for (const text of ['one', 'two']) {
    history.sent('customer', CONVERSATION, text);
    history.acknowledged('customer', CONVERSATION, text);
  }
  history.sent('agent:ana', CONVERSATION, 'hello');
  history.acknowledged('agent:ana', CONVERSATION, 'hello');
  for (const seq of FOR_EVERYONE) history.received('customer', CONVERSATION, textAt(log, seq), seq);
  return { history, record: { logs: new Map([[CONVERSATION, log]]), capacities: { ana: 1 } } };
}

function textAt(log: readonly Entry[], seq: number): string {
  return log[seq - 1]?.event.body?.activity?.text ?? '';
}

/** The same run with one line of the log replaced, put in or left out. */
function withLines(change: (lines: Line[]) => void): Run {
  const lines = [...OPENING];
  change(lines);
  return wellKept(lines);
}

describe('the history of a run', () => {
  it('has no fault where everything was kept', () => {
    const { history, record } = wellKept();
    assert.deepEqual(faultsOf(history, record), []);
  });

  it('allows what was sent and not acknowledged to be in the log or not', () => {
    const { history, record } = wellKept();
    history.sent('customer', CONVERSATION, 'three');
    assert.deepEqual(faultsOf(history, record), []);
  });

  const wrong: [what: string, run: () => Run, fault: RegExp][] = [
    [
      'an acknowledged message that is not in the log',
      () => {
        const run = wellKept();
        run.history.sent('customer', CONVERSATION, 'three');
        run.history.acknowledged('customer', CONVERSATION, 'three');
        return run;
      },
      /"three" of customer was acknowledged and is lost/,
    ],
    [
      'a message that is in the log twice',
      () => withLines((lines) => lines.push([CUSTOMER, 'everyone', said('two')])),
      /"two" of customer is in the log twice/,
    ],
    [
      'a message that nobody sent',
      () => withLines((lines) => lines.push([CUSTOMER, 'everyone', said('six')])),
      /"six" of customer is in the log and was never sent/,
    ],
    [
      'messages of one sender in another order',
      () =>
        withLines((lines) => {
          lines[2] = [CUSTOMER, 'everyone', said('two')];
          lines[7] = [CUSTOMER, 'everyone', said('one')];
        }),
      /what customer sent is not in the order of sending/,
    ],
    [
      'an entry that the customer is given twice',
      () => {
        const run = wellKept();
        run.history.received('customer', CONVERSATION, 'hello', 9);
        return run;
      },
      /customer was given entry 9 twice/,
    ],
    [
      'entries that come out of order',
      () => {
        const run = wellKept();
        run.history.seen.reverse();
        return run;
      },
      /customer was given entries out of order/,
    ],
    [
      'an entry that the customer never gets',
      () => {
        const run = wellKept();
        run.history.seen.pop();
        return run;
      },
      /the customer was never given entry 9/,
    ],
    [
      'a draft that the customer gets',
      () => {
        const run = wellKept();
        run.history.received('customer', CONVERSATION, 'late', 10);
        return run;
      },
      /the customer was given entry 10, which is for staff/,
    ],
    [
      'a text that is not in the log',
      () => {
        const run = wellKept();
        run.history.received('customer', CONVERSATION, 'made up', 9);
        return run;
      },
      /was given "made up" as entry 9, which is not in the log/,
    ],
    [
      'a reply of the bot after the person accepted',
      () => withLines((lines) => lines.push([BOT, 'everyone', said('late', 3)])),
      /entry 11 of a bot reached the customer although ana has accepted/,
    ],
    [
      'a conversation that two people have at once',
      () =>
        withLines((lines) =>
          lines.push([BEN, 'staff', { type: 'accepted', agent: 'ben', how: 'pick', cost: 1, waitingSince: START }]),
        ),
      /ben got it in entry 11 while ana had it/,
    ],
    [
      'a person who speaks in a conversation of the bot',
      () => withLines((lines) => lines.splice(3, 0, [ANA, 'everyone', said('hello')])),
      /ana spoke in entry 4 without holding the conversation/,
    ],
    [
      'a person who has more than fits',
      () => {
        const run = wellKept();
        const other = logOf(...OPENING).map((entry) => ({ ...entry, conversationId: 'c2' }));
        run.record.logs.set('c2', other);
        return run;
      },
      /ana has 2 of 1 at 2026-01-05T09:00:05/,
    ],
    [
      'a conversation without a log',
      () => {
        const run = wellKept();
        run.history.acknowledged('customer', 'c9', 'one');
        return run;
      },
      /c9: has no log/,
    ],
    [
      'a log with a gap',
      () => {
        const run = wellKept();
        run.record.logs.set(
          CONVERSATION,
          logOf(...OPENING).map((entry) => (entry.seq === 10 ? { ...entry, seq: 11 } : entry)),
        );
        return run;
      },
      /entry 10 has number 11/,
    ],
  ];

  it('lets a person have too much for as long as the clocks of nodes may differ, and no longer', () => {
    const { history, record } = wellKept([
      ...OPENING,
      [HUB, 'staff', { type: 'closed', reason: 'forced', from: 'agent' }],
    ]);
    const closedAt = record.logs.get(CONVERSATION)?.at(-1)?.event.at ?? 0;
    // Offered the next one 100 ms before, by another node's clock.
    const lateMs = closedAt - 100 - START - OPENING.findIndex(([, , { type }]) => type === 'offered') * 1_000;
    const next = logOf(...OPENING).map((entry) => ({
      ...entry,
      conversationId: 'c2',
      event: { ...entry.event, at: entry.event.at + lateMs },
    }));
    const logs = new Map([...record.logs, ['c2', next]]);
    const tooMuch = (clocksDifferMs: number) =>
      faultsOf(history, { ...record, logs, clocksDifferMs }).filter((one) => one.startsWith('ana has'));
    assert.deepEqual(tooMuch(100), []);
    assert.equal(tooMuch(99).length, 1);
  });

  for (const [what, run, fault] of wrong)
    it(`finds ${what}`, () => {
      const { history, record } = run();
      const faults = faultsOf(history, record);
      assert.ok(
        faults.some((one) => fault.test(one)),
        `found only: ${faults.join('; ') || 'nothing'}`,
      );
    });
});
