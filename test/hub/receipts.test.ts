// One receipt in full: every rule of the version it cites, or in words why not.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { AssignReceipt } from '../../src/core/assignment.js';
import { NOT_STARTED, type Entry } from '../../src/core/conversation.js';
import { decide } from '../../src/core/decide.js';
import type { Directory, RoutingRule } from '../../src/core/directory.js';
import { MAX_RECEIPT_RULES, type RouteReceipt } from '../../src/core/routing.js';
import { Rejected } from '../../src/core/rejected.js';
import { ConfigError } from '../../src/errors.js';
import { fullReceipt } from '../../src/hub/receipts.js';
import { circumstancesAt, directoryWith, started, START } from '../core/world.js';

const RULES = 200;
/** Of many rules the last one holds. */
const rules: RoutingRule[] = Array.from({ length: RULES }, (_none, index) => ({
  when: { variable: 'topic', operator: 'equals', value: `topic ${index + 1}` },
  queue: 'Loans',
}));
const directory = directoryWith({ rules });

function logOf(topic: string): Entry[] {
  const variables = { topic: { value: topic } };
  const decided = decide(NOT_STARTED, { ...started, variables }, circumstancesAt(START, directory));
  assert.ok(!(decided instanceof Rejected));
  return decided.steps.map(({ event, after }) => ({ conversationId: 'c1', seq: after.version, event }));
}

const log = logOf(`topic ${RULES}`);
const stored = log[1]?.event.body?.receipt as RouteReceipt;
const page = readFileSync(new URL('../../../docs/receipts.md', import.meta.url), 'utf8');
const fromRecord = (found: Directory | undefined) => () => Promise.resolve(found);

describe('a receipt in full', () => {
  it('has every rule with what each condition saw', async () => {
    assert.equal(stored.omitted, RULES - 1 - MAX_RECEIPT_RULES);
    const found = await fullReceipt(log, 2, fromRecord(directory));
    assert.ok(found?.receipt.kind === 'route');
    assert.equal(found.omittedBecause, undefined);
    assert.deepEqual(
      found.receipt.rules.map(({ rule, matched, conditions }) => [rule, matched, conditions]),
      rules.map((_rule, index) => [
        index + 1,
        index === RULES - 1,
        [
          {
            variable: 'topic',
            operator: 'equals',
            expected: `topic ${index + 1}`,
            actual: `topic ${RULES}`,
            result: index === RULES - 1,
          },
        ],
      ]),
    );
    assert.equal(found.receipt.omitted, undefined);
  });

  it('is looked for in the version that it cites', async () => {
    const asked: number[] = [];
    await fullReceipt(log, 2, (version) => {
      asked.push(version);
      return Promise.resolve(undefined);
    });
    assert.deepEqual(asked, [stored.ruleSetVersion]);
  });

  it('is what is stored where nothing was left out, whatever became of its version', async () => {
    const short = logOf('topic 3');
    const receipt = short[1]?.event.body?.receipt as RouteReceipt;
    assert.deepEqual(await fullReceipt(short, 2, () => assert.fail('the configuration is read')), { receipt });
  });

  const refusals: [string, string, readonly Entry[], () => Promise<Directory | undefined>][] = [
    [
      'its version is not kept',
      'Version 1 of the configuration is not in the record any more.',
      log,
      fromRecord(undefined),
    ],
    [
      'what was known then has been erased',
      'What was known then has been erased.',
      [...log, { conversationId: 'c1', seq: log.length + 1, event: erasure() }],
      fromRecord(directory),
    ],
    [
      'its rules lead elsewhere',
      'By the rules of version 1 this release would decide otherwise than what is recorded here.',
      log,
      fromRecord(directoryWith({ rules: rules.toReversed() })),
    ],
    [
      'its version cannot be read',
      'This release cannot read version 1 of the configuration.',
      log,
      () => Promise.reject(new ConfigError(['workStreams: missing'])),
    ],
  ];
  for (const [reason, words, entries, directoryAt] of refusals)
    it(`stays what is stored, and says why, where ${reason}`, async () => {
      assert.deepEqual(await fullReceipt(entries, 2, directoryAt), { receipt: stored, omittedBecause: words });
      assert.ok(page.includes(`| ${words.replace('ersion 1 ', 'ersion 3 ')}`), 'the page explains it');
    });

  it('of an assignment has no more people than were recorded, and says why', async () => {
    const receipt: AssignReceipt = {
      kind: 'assign',
      at: START,
      queue: 'Cards',
      method: 'roundRobin',
      candidates: [],
      omitted: 7,
    };
    const event = { v: 1, at: START, by: { role: 'system', id: 'system' }, audience: 'staff' } as const;
    const offered = { ...event, type: 'offered', offers: [], cost: 1, direct: false, body: { receipt } } as const;
    const found = await fullReceipt([{ conversationId: 'c1', seq: 1, event: offered }], 1, fromRecord(directory));
    assert.deepEqual(found, {
      receipt,
      omittedBecause: 'Presence and load at that moment are kept only of the people who are listed.',
    });
  });

  it('is there only for an entry that has one', async () => {
    assert.equal(await fullReceipt(log, 1, fromRecord(directory)), undefined);
    assert.equal(await fullReceipt(log, 0, fromRecord(directory)), undefined);
    assert.equal(await fullReceipt(log, log.length + 1, fromRecord(directory)), undefined);
  });

  it('does not hide that the record cannot be read', async () => {
    const broken = new Error('disk');
    await assert.rejects(
      fullReceipt(log, 2, () => Promise.reject(broken)),
      broken,
    );
  });
});

function erasure() {
  const by = { role: 'system', id: 'system' } as const;
  return { v: 1, at: START, by, audience: 'staff', type: 'erased', targets: [1], context: true } as const;
}
