// `config plan`: what a file would change, field by field, short enough to read.

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { differences } from '../../src/commands/differences.js';
import type { Configuration } from '../../src/config.js';

const when = (value: string) => ({ variable: 'Topic', operator: 'equals', value });
const IN_FORCE = {
  bots: [{ id: 'demo', connect: 'inProcess' }],
  queues: [
    { id: 'Cards', members: ['ana', 'ben'] },
    { id: 'Loans', members: ['ben'] },
  ],
  workStreams: [
    {
      id: 'web',
      fallbackQueue: 'Cards',
      rules: [
        { when: when('Card'), queue: 'Cards' },
        { when: when('Loan'), queue: 'Loans' },
      ],
    },
  ],
  people: [{ id: 'ana', capacity: 3 }],
} as unknown as Configuration;

describe('a plan', () => {
  interface Draft {
    queues: { members: string[]; method?: string; id?: string }[];
    workStreams: { rules: unknown[]; fallbackQueue?: string; [name: string]: unknown }[];
    people: { id: string; capacity?: number; name?: string }[];
    defaultQueue?: string;
  }
  /** The lines after a change to what is in force. */
  const after = (change: (draft: Draft) => void): string[] => {
    const draft = structuredClone(IN_FORCE) as unknown as Draft;
    change(draft);
    return differences(IN_FORCE as unknown as Record<string, unknown>, draft as unknown as Configuration);
  };

  it('is empty where nothing differs', () =>
    assert.deepEqual(
      after(() => {}),
      [],
    ));

  it('tells a field as it is and as it will be', () => {
    const lines = after(({ people: [ana], queues: [cards], workStreams: [web] }) => {
      Object.assign(ana!, { capacity: 5, name: 'Ana' });
      cards!.method = 'roundRobin';
      delete web!.fallbackQueue;
    });
    assert.deepEqual(lines, [
      '~ queues Cards: method not set → roundRobin',
      '~ workStreams web: fallbackQueue Cards → not set',
      '~ people ana: capacity 3 → 5; name not set → Ana',
    ]);
  });

  it('tells what comes to a list and what goes, and where a rule changed', () => {
    assert.deepEqual(
      after(({ queues: [cards] }) => (cards!.members = ['ana', 'cy', 'ben'])),
      ['~ queues Cards: members[2] + cy'],
    );
    assert.deepEqual(
      after(({ workStreams: [web] }) => (web!.rules[1] = { when: when('House'), queue: 'Cards' })),
      ['~ workStreams web: rules[2].when.value Loan → House; rules[2].queue Loans → Cards'],
    );
    assert.deepEqual(
      after(({ workStreams: [web] }) => web!.rules.splice(0, 1)),
      ['~ workStreams web: rules[1] - {"when":{"variable":"Topic","operator":"equals","value":"Ca…'],
    );
  });

  it('names what comes, goes and stands for all', () => {
    const lines = after((draft) => {
      draft.queues.pop();
      draft.people.push({ id: 'cy' });
      draft.defaultQueue = 'Cards';
    });
    assert.deepEqual(lines, ['- queues Loans', '+ people cy', '~ defaultQueue: not set → Cards']);
  });

  it('stays short, however much differs', () => {
    const lines = after(({ workStreams: [web] }) => {
      for (let n = 0; n < 20; n += 1) web![`setting${n}`] = 'x'.repeat(500);
    });
    assert.equal(lines.length, 1);
    assert.ok(lines[0]!.length < 1_000);
    assert.match(lines[0]!, /; and 12 more$/);
  });

  it('has a line for every thing that differs, and for no other', () => {
    const value = fc.jsonValue({ maxDepth: 3 });
    fc.assert(
      fc.property(value, value, (was, is) => {
        const lines = differences({ people: [{ id: 'p', was }] }, {
          people: [{ id: 'p', was: is }],
        } as unknown as Configuration);
        assert.equal(lines.length, isDeepStrictEqual(was, is) ? 0 : 1);
        assert.ok(
          lines.every((line) => /^~ people p: was/.test(line)),
          lines.join(),
        );
      }),
      // What every object has by inheritance.
      { examples: [[{ valueOf: 0 }, {}]] },
    );
  });
});
