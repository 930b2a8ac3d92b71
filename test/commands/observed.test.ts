// `handoff observed` beside a running hub: the table for people, the JSON for programs, and what it says to wrong flags.

import assert from 'node:assert/strict';
import { run } from '../../src/commands/run.js';
import { readConfiguration } from '../../src/config.js';
import { FunctionBot, handoff, openHub, type TestHub } from '../fakes/hub.js';

const configuration = readConfiguration(`
bots: [{ id: demo, name: Demo Bot, connect: inProcess }]
people: [{ id: ana, name: Ana }, { id: ben, name: Ben }]
queues:
  - { id: BotQueue, members: [demo] }
  - { id: CreditCardQueue, members: [ana] }
  - { id: HomeLoanQueue, members: [ben] }
workStreams:
  - id: web
    observe: true
    fallbackQueue: CreditCardQueue
    rules:
      - { when: { variable: topic, operator: hasNoData }, queue: BotQueue }
      - { when: { variable: topic, operator: equals, value: loan }, queue: HomeLoanQueue }
`);

const bot = () =>
  new FunctionBot(({ type, text = '' }) => {
    if (type !== 'message') return [];
    return text.startsWith('human') ? [handoff({ topic: text.slice(6) })] : [`Echo: ${text}`];
  });

describe('handoff observed', () => {
  let test: TestHub;
  beforeEach(async () => {
    test = await openHub({ configuration, bot: bot() });
    await test.store.saveConfiguration(configuration, 'test', test.clock.now(), 0);
  });
  afterEach(() => test.close());

  /** Three customers about cards at once, one about a loan, and one who asks twice. */
  async function morning(): Promise<void> {
    for (const [customer, text] of [
      ['kim', 'human card'],
      ['lee', 'human card'],
      ['max', 'human card'],
      ['noa', 'human loan'],
    ] as const) {
      const id = await test.startConversation(customer);
      await test.says(id, text, customer);
      if (customer !== 'kim') continue;
      test.clock.advance(60_000);
      await test.says(id, text, customer);
    }
  }

  async function command(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const { log, error } = console;
    const out: string[] = [];
    const err: string[] = [];
    console.log = (line: string) => void out.push(line);
    console.error = (line: string) => void err.push(line);
    try {
      const code = await run(['observed', '--data', test.directory, ...args]);
      return { code, out: out.join('\n'), err: err.join('\n') };
    } finally {
      Object.assign(console, { log, error });
    }
  }

  it('shows escalations by queue and the waits with so many people, in 100 columns', async () => {
    await morning();
    const { code, out } = await command('--people', '1-3', '--handling', '5m');
    assert.equal(code, 0);
    assert.match(out, /^Observed from 2026-01-05 09:00 to 2026-01-05 09:01 \(UTC\); 4 conversations looked at\.$/m);
    assert.match(out, /^CreditCardQueue +4 +1 +3 +0 +2026-01-05 09:00 \(3\)$/m);
    assert.match(out, /^HomeLoanQueue +1 +0 +1 +0 +2026-01-05 09:00 \(1\)$/m);
    assert.match(out, /^all +5 +1 +4 +0 /m);
    assert.match(out, /^Reasons: signal 5$/m);
    assert.match(out, /Waits in CreditCardQueue\n.*\n +1 .*\n +2 .*\n +3 +0 s +0 s +0 s +100 % +0 %/);
    assert.match(out, /Waits if everybody serves every queue/);
    assert.match(out, /300 s on average/);
    for (const line of out.split('\n')) assert.ok(line.length <= 100, line);
  });

  it('prints for programs what the API answers', async () => {
    await morning();
    const { out } = await command('--json', '--people', '2');
    const { total, queues, from, truncated } = JSON.parse(out) as {
      total: { escalations: number };
      queues: { queue: string; waits: { people: number }[] }[];
      from: string;
      truncated: boolean;
    };
    assert.deepEqual([total.escalations, truncated, from], [5, false, '2026-01-05T09:00:00.000Z']);
    assert.deepEqual(
      queues.map(({ queue, waits }) => [queue, waits.map(({ people }) => people)]),
      [
        ['CreditCardQueue', [2]],
        ['HomeLoanQueue', [2]],
      ],
    );
  });

  it('looks at what came since a moment, or within a span', async () => {
    await morning();
    const escalations = async (since: string) =>
      (JSON.parse((await command('--json', '--since', since)).out) as { total: { escalations: number } }).total
        .escalations;
    assert.equal(await escalations('2026-01-05T09:00:30Z'), 4);
    assert.equal(await escalations('2027-01-01'), 0);
    // The record is of long ago, as seen by the clock of the machine.
    assert.equal(await escalations('1h'), 0);
  });

  it('says that nothing was observed yet, and whether anything would be', async () => {
    assert.match(
      (await command()).out,
      /^No escalation was observed \(0 conversations.*web observes: nobody has asked/,
    );
    const acting = { ...configuration, workStreams: [{ id: 'web', fallbackQueue: 'CreditCardQueue' }] };
    await test.store.saveConfiguration(acting, 'test', test.clock.now(), 1);
    assert.match((await command()).out, /No work stream observes: set "observe: true" in one/);
  });

  it('refuses wrong flags, each with what to write instead', async () => {
    const { code, err } = await command(
      '--since',
      'monday',
      '--people',
      '0-3',
      '--handling',
      'long',
      '--capacity',
      '99',
    );
    assert.equal(code, 1);
    const lines = err.split('\n');
    assert.equal(lines.length, 4);
    for (const [index, flag] of ['--since', '--people', '--handling', '--capacity'].entries())
      assert.match(lines[index] ?? '', new RegExp(`^${flag} takes `));
    assert.match((await command('--people', '51')).err, /from 1 to 50/);
    assert.match((await command('extra')).err, /Write: handoff observed/);
  });
});
