// The lines as the hub keeps them commit by commit, compared with what sorting everybody anew would give.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { inOrder, kindOf } from '../../src/core/assignment.js';
import type { Conversation } from '../../src/core/conversation.js';
import { Lines } from '../../src/hub/lines.js';
import { directoryWith } from '../core/world.js';

describe('lines', () => {
  const directory = directoryWith();
  const change = fc.record({
    id: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
    phase: fc.constantFrom('queued', 'queued', 'offered', 'agent'),
    workStream: fc.constantFrom('web', 'desk'),
    queue: fc.constantFrom('Cards', 'Loans'),
    priority: fc.integer({ min: 0, max: 2 }),
    waitingSince: fc.integer({ min: 0, max: 4 }),
    front: fc.boolean(),
  });

  it('are in order after every commit, and give out exactly what nobody was offered yet', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
        const lines = new Lines();
        const now = new Map<string, (typeof changes)[number]>();
        for (const one of changes) {
          lines.update({ ...one, declines: {} } as unknown as Conversation, directory);
          now.set(one.id, one);
        }
        const waiting = [...now.values()].filter(({ phase }) => phase !== 'agent');
        for (const queue of ['Cards', 'Loans']) {
          const line = lines.line(queue);
          assert.deepEqual(line, line.toSorted(inOrder));
          assert.deepEqual(
            line.map(({ conversationId }) => conversationId).toSorted(),
            waiting
              .filter((one) => one.queue === queue)
              .map(({ id }) => id)
              .toSorted(),
          );
          for (const [index, { conversationId }] of line.entries())
            assert.equal(lines.position(conversationId), index + 1);
        }
        const unoffered = [...lines.unoffered()];
        for (const line of unoffered) {
          assert.equal(new Set(line.map(kindOf)).size, 1, 'one kind in one line');
          assert.deepEqual(line, line.toSorted(inOrder));
        }
        assert.deepEqual(
          unoffered.flatMap((line) => line.map(({ conversationId }) => conversationId)).toSorted(),
          waiting
            .filter(({ phase }) => phase === 'queued')
            .map(({ id }) => id)
            .toSorted(),
        );
      }),
    );
  });
});
