// How a bot is doing, for the people who must act on it.

import assert from 'node:assert/strict';
import type { Directory } from '../../src/core/directory.js';
import { faultOf, withoutAddresses } from '../../src/hub/botFaults.js';
import { BotStatus } from '../../src/hub/botStatus.js';
import { DeliveryFailed } from '../../src/errors.js';
import { SILENT, TestClock } from '../fakes/hub.js';

const DIRECTORY: Directory = { version: 1, bots: {}, queues: {}, workStreams: {}, people: {} };

describe("a bot's status", () => {
  let clock: TestClock;
  let logged: string[];
  let status: BotStatus;
  let changes: string[];
  beforeEach(() => {
    clock = new TestClock();
    logged = [];
    changes = [];
    const note = (_fields: unknown, text: string) => void logged.push(text);
    status = new BotStatus(
      {
        clock,
        log: { ...SILENT, warn: note, error: note, info: note },
        directory: DIRECTORY,
        notify: (_kind, { bot, state }) => void changes.push(`${bot} ${state}`),
      },
      15_000,
    );
  });

  it('shows a warning until it is cleared, with the time it was last noticed, and logs it once', () => {
    status.warn('demo', 'signInCard', 'A sign-in card passed through. Add the hub to the token domains.');
    clock.advance(1_000);
    status.warn('demo', 'signInCard', 'A sign-in card passed through. Add the hub to the token domains.');
    assert.deepEqual(status.of('demo').warnings, [
      {
        code: 'signInCard',
        text: 'A sign-in card passed through. Add the hub to the token domains.',
        at: clock.now(),
      },
    ]);
    assert.equal(logged.length, 1);
    assert.deepEqual(status.of('other').warnings, []);
    status.clearWarning('demo', 'signInCard');
    assert.deepEqual(status.of('demo').warnings, []);
  });

  it('keeps a bounded number of warnings, whatever is reported', () => {
    for (let index = 0; index < 1_000; index += 1) status.warn('demo', `code${index}`, 'text');
    assert.ok(status.of('demo').warnings.length <= 20);
  });

  const turn = (tookMs: number) => ({ turnFor: 'customer' as const, startedAt: clock.now(), tookMs });

  it('tells how fast the bot answers customers, of late', () => {
    for (let ms = 1; ms <= 100; ms += 1) status.answered('demo', turn(ms));
    status.answered('demo', { ...turn(9_000), turnFor: 'hub' });
    assert.deepEqual(status.of('demo').latency, { turns: 100, p50Ms: 50, p99Ms: 99 });
    clock.advance(16 * 60_000);
    assert.deepEqual(status.of('demo').latency, { turns: 0 });
    for (let count = 0; count < 2_000; count += 1) status.answered('demo', turn(7));
    assert.deepEqual(status.of('demo').latency, { turns: 500, p50Ms: 7, p99Ms: 7 });
  });

  it('warns of a bot whose slowest turns come near the time after which they fail', () => {
    for (let count = 0; count < 30; count += 1) status.answered('demo', turn(3_000));
    assert.deepEqual(status.of('demo').warnings, []);
    status.answered('demo', turn(14_000));
    assert.deepEqual(
      status.of('demo').warnings.map(({ code, text }) => [code, /14\.0 s.*15\.0 s.*timeoutSeconds/.test(text)]),
      [['slow', true]],
    );
  });

  it('keeps the last error with its cure after the bot has recovered', () => {
    const error = new DeliveryFailed('it answered 404', false, { kind: 'noBot' });
    status.failed('demo', error, 'customer');
    const at = clock.now();
    clock.advance(5_000);
    status.answered('demo', turn(10));
    const { lastError, lastAnswerAt, breaker, failingSince } = status.of('demo');
    assert.deepEqual(lastError, {
      at,
      kind: 'noBot',
      what: 'It answered 404.',
      cure: 'Correct its endpoint: it usually ends in /api/messages.',
    });
    assert.deepEqual([lastAnswerAt, breaker, failingSince], [clock.now(), 'closed', undefined]);
  });

  it('tells once that the bot fails, and once that it answers again', () => {
    for (let failures = 0; failures < 50; failures += 1)
      status.failed('demo', new DeliveryFailed('refused', true), 'customer');
    clock.advance(60_000);
    assert.equal(status.answered('demo', turn(10)), true);
    assert.equal(status.answered('demo', turn(10)), false);
    assert.deepEqual(
      [
        logged.filter((text) => text.includes('fails')).length,
        logged.filter((text) => text.includes('answers again')).length,
      ],
      [1, 1],
    );
    assert.deepEqual(changes, ['demo open', 'demo closed']);
  });
});

describe('what went wrong with a bot', () => {
  it('is known by kind, whoever noticed it, and always has a cure', () => {
    const cases: [unknown, string, boolean][] = [
      [new DeliveryFailed('refused', true), 'unreachable', true],
      [new DeliveryFailed('no', false), 'failed', false],
      [new DeliveryFailed('too late', false, { kind: 'timedOut' }), 'timedOut', false],
      [new TypeError('x is undefined'), 'failed', false],
      ['a string', 'failed', false],
    ];
    for (const [error, kind, retry] of cases) {
      const fault = faultOf(error);
      assert.deepEqual([fault.kind, fault.retry], [kind, retry], String(error));
      assert.match(fault.what, /^[A-Z].*\.$/);
      assert.match(fault.cure, /^[A-Z].*\.$/);
    }
  });

  it('is told to those who serve without where the bot is', () => {
    for (const [text, without] of [
      ['Bot "b" at https://bot.example:8443/api/messages answered 401.', 'Bot "b" at its address answered 401.'],
      ['connect ECONNREFUSED 127.0.0.1:3978', 'connect ECONNREFUSED its address'],
      ['connect ECONNREFUSED ::1:3978', 'connect ECONNREFUSED its address'],
      ['no route to [fe80::1]:80.', 'no route to its address.'],
      ['getaddrinfo ENOTFOUND bots.example:443', 'getaddrinfo ENOTFOUND its address'],
      ['It answered 500: the cause is in its own log.', 'It answered 500: the cause is in its own log.'],
      ['Its turn threw Error: std::vector is full.', 'Its turn threw Error: std::vector is full.'],
      ['At 09:15:30 it took 12.5 s.', 'At 09:15:30 it took 12.5 s.'],
      ['It fails since 2026-11-29T03:17:48.883Z.', 'It fails since 2026-11-29T03:17:48.883Z.'],
      ['getaddrinfo ENOTFOUND bots:443: no such name', 'getaddrinfo ENOTFOUND its address: no such name'],
    ] as const)
      assert.equal(withoutAddresses(text), without);
  });
});
