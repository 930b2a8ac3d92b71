import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  choose,
  inOrder,
  match,
  MAX_RECEIPT_CANDIDATES,
  type Candidate,
  type WaitingItem,
} from '../../src/core/assignment.js';
import type { AssignmentMethod } from '../../src/core/directory.js';
import { inLines } from './world.js';

function waiting(conversationId: string, change: Partial<WaitingItem> = {}): WaitingItem {
  return {
    conversationId,
    queue: 'Q',
    workStream: 'web',
    priority: 0,
    waitingSince: 100,
    front: false,
    declines: {},
    mode: 'push',
    cost: 1,
    declineLimit: 3,
    allowedPresences: ['available'],
    ...change,
  };
}

function person(id: string, change: Partial<Candidate> = {}): Candidate {
  return { id, presence: 'available', capacity: 3, load: 0, lastAssignedAt: 0, idleSince: 0, ...change };
}

const order = (items: WaitingItem[]): string[] => items.toSorted(inOrder).map((item) => item.conversationId);

describe('the order of waiting conversations', () => {
  it('is by priority, then front, then waiting time, then id', () => {
    const items = [
      waiting('late', { waitingSince: 300 }),
      waiting('early', { waitingSince: 200 }),
      waiting('b', { waitingSince: 250 }),
      waiting('a', { waitingSince: 250 }),
      waiting('front', { waitingSince: 900, front: true }),
      waiting('urgent', { waitingSince: 900, priority: 1 }),
    ];
    assert.deepEqual(order(items), ['urgent', 'front', 'early', 'a', 'b', 'late']);
  });

  const anyItem = fc.record({
    id: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    priority: fc.integer({ min: -2, max: 2 }),
    waitingSince: fc.integer({ min: 0, max: 3 }),
    front: fc.boolean(),
  });
  const item = anyItem.map(({ id, ...change }) => waiting(id, change));

  it('is total: antisymmetric, transitive, and nothing but the same conversation is equal', () => {
    fc.assert(
      fc.property(item, item, item, (a, b, c) => {
        const sign = (x: WaitingItem, y: WaitingItem): number => Math.sign(inOrder(x, y));
        assert.equal(sign(a, b) + sign(b, a), 0);
        if (sign(a, b) <= 0 && sign(b, c) <= 0) assert.ok(sign(a, c) <= 0);
        if (sign(a, b) === 0) assert.equal(a.conversationId, b.conversationId);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('choosing a person', () => {
  function chosen(method: AssignmentMethod, members: Candidate[], item = waiting('c')): string | undefined {
    return choose(item, members, method, 1_000).chosen;
  }

  it('with the highest capacity takes who has the most free units', () => {
    const members = [
      person('ana', { capacity: 3, load: 2 }),
      person('ben', { capacity: 5, load: 3 }),
      person('cem', { load: 2 }),
    ];
    assert.equal(chosen('highestCapacity', members), 'ben');
  });

  it('with the highest capacity takes, among equals, who was given something longest ago', () => {
    const members = [person('ana', { lastAssignedAt: 20 }), person('ben', { lastAssignedAt: 10 })];
    const receipt = choose(waiting('c'), members, 'highestCapacity', 1_000);
    assert.equal(receipt.chosen, 'ben');
    assert.equal(receipt.tieBreak, 'longestSinceLastAssigned');
  });

  it('goes by id when nothing else differs, and says so', () => {
    const receipt = choose(waiting('c'), [person('ben'), person('ana')], 'highestCapacity', 1_000);
    assert.equal(receipt.chosen, 'ana');
    assert.equal(receipt.tieBreak, 'id');
  });

  it('mentions no tie-break where none was needed', () => {
    const receipt = choose(waiting('c'), [person('ana', { load: 1 }), person('ben')], 'highestCapacity', 1_000);
    assert.equal(receipt.tieBreak, undefined);
  });

  it('in turn takes who was given something longest ago, however busy', () => {
    const members = [person('ana', { lastAssignedAt: 10, load: 2 }), person('ben', { lastAssignedAt: 20 })];
    assert.equal(chosen('roundRobin', members), 'ana');
  });

  it('by idle time takes who has had nothing to do for longest', () => {
    const members = [
      person('ana', { idleSince: 20 }),
      person('ben', { idleSince: 10 }),
      person('cem', { idleSince: 5, load: 1 }),
    ];
    assert.equal(chosen('longestIdle', members), 'ben');
  });

  const excluded: [why: string, change: Partial<Candidate>, item: Partial<WaitingItem>, reason: string][] = [
    ['is away', { presence: 'away' }, {}, 'presence'],
    ['is busy', { presence: 'busy' }, {}, 'presence'],
    ['has no room', { capacity: 3, load: 3 }, {}, 'capacity'],
    ['has room for less than it takes', { capacity: 3, load: 2 }, { cost: 2 }, 'capacity'],
    ['has no capacity', { capacity: 0 }, {}, 'capacity'],
    ['declined it three times', {}, { declines: { ana: 3 } }, 'declined'],
    ['had it just now', {}, { exclude: 'ana' }, 'excluded'],
    ['has none of the skills', {}, { skills: ['french'] }, 'skill'],
    ['has only one of two skills', { skills: ['french'] }, { skills: ['french', 'loans'] }, 'skill'],
    ['lacks the skill and is away', { presence: 'away' }, { skills: ['french'] }, 'skill'],
  ];
  for (const [why, change, item, reason] of excluded) {
    it(`passes over a person who ${why}`, () => {
      const receipt = choose(waiting('c', item), [person('ana', change)], 'highestCapacity', 1_000);
      assert.equal(receipt.chosen, undefined);
      assert.deepEqual(
        receipt.candidates.map((candidate) => candidate.excluded),
        [reason],
      );
    });
  }

  it('still offers to a person who declined it twice', () => {
    assert.equal(chosen('highestCapacity', [person('ana')], waiting('c', { declines: { ana: 2 } })), 'ana');
  });

  it('takes a person who has the skills and more', () => {
    const members = [person('ana', { load: 0 }), person('ben', { load: 2, skills: ['loans', 'french', 'german'] })];
    assert.equal(chosen('highestCapacity', members, waiting('c', { skills: ['french', 'loans'] })), 'ben');
  });

  it('takes a busy person where the work stream allows that presence', () => {
    const item = waiting('c', { allowedPresences: ['available', 'busy'] });
    assert.equal(chosen('highestCapacity', [person('ana', { presence: 'busy' })], item), 'ana');
  });

  it('writes a receipt with the best first and the excluded with their reasons', () => {
    const members = [person('ana', { load: 1 }), person('ben', { presence: 'away' }), person('cem')];
    assert.deepEqual(choose(waiting('c'), members, 'highestCapacity', 1_000), {
      kind: 'assign',
      at: 1_000,
      queue: 'Q',
      method: 'highestCapacity',
      candidates: [
        { id: 'cem', load: 0, capacity: 3, presence: 'available' },
        { id: 'ana', load: 1, capacity: 3, presence: 'available' },
        { id: 'ben', load: 0, capacity: 3, presence: 'away', excluded: 'presence' },
      ],
      chosen: 'cem',
    });
  });

  it('keeps the receipt small in a large queue, and still chooses the best', () => {
    const members = Array.from({ length: 1_000 }, (_, index) =>
      person(`p${index}`, { load: 2, lastAssignedAt: index }),
    );
    members[700] = person('best', { capacity: 4 });
    const receipt = choose(waiting('c'), members, 'highestCapacity', 1_000);
    assert.equal(receipt.chosen, 'best');
    assert.equal(receipt.candidates.length, MAX_RECEIPT_CANDIDATES);
    assert.equal(receipt.omitted, 1_000 - MAX_RECEIPT_CANDIDATES);
    assert.equal(receipt.candidates[1]?.id, 'p0', 'the next best');
  });

  it('chooses nobody among nobody', () => {
    assert.deepEqual(choose(waiting('c'), [], 'roundRobin', 1_000).candidates, []);
    assert.equal(chosen('roundRobin', []), undefined);
  });
});

describe('giving out what waits', () => {
  function pairs(
    items: WaitingItem[],
    queues: Record<string, Candidate[]>,
    method: AssignmentMethod = 'highestCapacity',
  ) {
    return match(
      inLines(items),
      (queue) => queues[queue] ?? [],
      () => method,
      1_000,
    ).map(({ item, receipt }) => [item.conversationId, receipt.chosen]);
  }

  it('gives the next item to the person with room, up to the capacity', () => {
    const items = [
      waiting('c3', { waitingSince: 3 }),
      waiting('c1', { waitingSince: 1 }),
      waiting('c2', { waitingSince: 2 }),
    ];
    assert.deepEqual(pairs(items, { Q: [person('ana', { capacity: 2 })] }), [
      ['c1', 'ana'],
      ['c2', 'ana'],
    ]);
  });

  it('gives somebody in several queues the item that waits longest over all of them', () => {
    const ana = person('ana', { capacity: 1 });
    const items = [waiting('q', { queue: 'Q', waitingSince: 2 }), waiting('r', { queue: 'R', waitingSince: 1 })];
    assert.deepEqual(pairs(items, { Q: [ana], R: [ana] }), [['r', 'ana']]);
    const urgent = [
      waiting('q', { queue: 'Q', waitingSince: 2, priority: 1 }),
      waiting('r', { queue: 'R', waitingSince: 1 }),
    ];
    assert.deepEqual(pairs(urgent, { Q: [ana], R: [ana] }), [['q', 'ana']]);
  });

  it('takes turns within one run', () => {
    const items = [1, 2, 3, 4].map((since) => waiting(`c${since}`, { waitingSince: since }));
    const queues = {
      Q: [
        person('ana', { lastAssignedAt: 30 }),
        person('ben', { lastAssignedAt: 10 }),
        person('cem', { lastAssignedAt: 20 }),
      ],
    };
    assert.deepEqual(pairs(items, queues, 'roundRobin'), [
      ['c1', 'ben'],
      ['c2', 'cem'],
      ['c3', 'ana'],
      ['c4', 'ben'],
    ]);
  });

  it('leaves an item that nobody may take in its place and goes on with the next', () => {
    const items = [
      waiting('declined', { waitingSince: 1, declines: { ana: 3 } }),
      waiting('next', { waitingSince: 2 }),
    ];
    assert.deepEqual(pairs(items, { Q: [person('ana')] }), [['next', 'ana']]);
  });

  it('goes on with a smaller item when a larger one does not fit', () => {
    const items = [waiting('large', { waitingSince: 1, cost: 3 }), waiting('small', { waitingSince: 2 })];
    assert.deepEqual(pairs(items, { Q: [person('ana', { load: 1 })] }), [['small', 'ana']]);
  });

  it('leaves an item whose skills nobody with room has in its place and goes on with the next', () => {
    const items = [
      waiting('french', { waitingSince: 1, skills: ['french'] }),
      waiting('any', { waitingSince: 2 }),
      waiting('german', { waitingSince: 3, skills: ['german'] }),
    ];
    assert.deepEqual(pairs(items, { Q: [person('ana'), person('ben', { load: 3, skills: ['french'] })] }), [
      ['any', 'ana'],
    ]);
    assert.deepEqual(
      pairs(items, { Q: [person('ana', { skills: ['german'] }), person('ben', { skills: ['french'] })] }),
      [
        ['french', 'ben'],
        ['any', 'ana'],
        ['german', 'ana'],
      ],
    );
  });

  it('chooses nobody for conversations that people pick themselves', () => {
    assert.deepEqual(pairs([waiting('c', { mode: 'pick' })], { Q: [person('ana')] }), []);
  });

  it('changes neither the items nor the people it is given', () => {
    const items = [waiting('b', { waitingSince: 2 }), waiting('a', { waitingSince: 1 })];
    const queues = { Q: [person('ana')] };
    const before = JSON.stringify([items, queues]);
    pairs(items, queues);
    assert.equal(JSON.stringify([items, queues]), before);
  });

  it('stops in the order of the items when there is more to give out than is wanted at once', () => {
    const items = [3, 1, 2].map((since) => waiting(`c${since}`, { waitingSince: since }));
    const given = match(
      inLines(items),
      () => [person('ana')],
      () => 'roundRobin',
      1_000,
      2,
    );
    assert.deepEqual(
      given.map(({ item }) => item.conversationId),
      ['c1', 'c2'],
    );
  });

  it('looks at no item behind those that it has people for', () => {
    const next = Array.from({ length: 4 }, (_, since) => waiting(`c${since}`, { waitingSince: since }));
    const untouched = new Proxy(next, {
      get(line, index) {
        assert.notEqual(index, '3', 'the last item was looked at');
        return Reflect.get(line, index) as unknown;
      },
    });
    const given = match(
      [untouched],
      () => [person('ana', { capacity: 2 })],
      () => 'roundRobin',
      1_000,
    );
    assert.equal(given.length, 2);
  });

  const ids = ['ana', 'ben', 'cem', 'dan'];
  const SKILLS = ['french', 'loans'];
  const anyPeople = fc.tuple(
    ...ids.map((id) =>
      fc
        .record({
          presence: fc.constantFrom('available' as const, 'busy' as const, 'offline' as const),
          capacity: fc.integer({ min: 0, max: 4 }),
          load: fc.integer({ min: 0, max: 4 }),
          lastAssignedAt: fc.integer({ min: 0, max: 3 }),
          idleSince: fc.integer({ min: 0, max: 3 }),
          skills: fc.subarray(SKILLS),
        })
        .map((change) => person(id, change)),
    ),
  );
  const anyQueues = fc.dictionary(fc.constantFrom('Q', 'R', 'S'), fc.subarray(ids), { minKeys: 1 });
  const anyItems = fc.uniqueArray(
    fc.record({
      conversationId: fc.integer({ min: 0, max: 99 }).map(String),
      queue: fc.constantFrom('Q', 'R', 'S'),
      priority: fc.integer({ min: 0, max: 2 }),
      waitingSince: fc.integer({ min: 0, max: 5 }),
      front: fc.boolean(),
      cost: fc.integer({ min: 1, max: 3 }),
      mode: fc.constantFrom('push' as const, 'push' as const, 'pick' as const),
      declines: fc.dictionary(fc.constantFrom(...ids), fc.integer({ min: 1, max: 3 }), { maxKeys: 2 }),
      allowedPresences: fc.constantFrom(['available' as const], ['available' as const, 'busy' as const]),
      skills: fc.oneof(fc.constant(undefined), fc.subarray(SKILLS)),
      exclude: fc.option(fc.constantFrom(...ids), { nil: undefined }),
    }),
    { selector: ({ conversationId }) => conversationId, maxLength: 20 },
  );
  const anyMethod = fc.constantFrom<AssignmentMethod>('highestCapacity', 'roundRobin', 'longestIdle');

  it('never exceeds a capacity and never passes over somebody who could be served for somebody later', () => {
    fc.assert(
      fc.property(anyPeople, anyQueues, anyItems, anyMethod, (people, queues, changes, method) => {
        const items = changes.map((change) => waiting(change.conversationId, change));
        const members = (queue: string): Candidate[] => people.filter(({ id }) => queues[queue]?.includes(id));
        const given = match(inLines(items), members, () => method, 1_000);

        const load = new Map(people.map(({ id, load }) => [id, load]));
        const chosenFor = new Map(given.map(({ item, receipt }) => [item.conversationId, receipt.chosen]));
        assert.equal(chosenFor.size, given.length, 'an item is given once');
        assert.deepEqual(
          given.map(({ item }) => item.conversationId),
          given
            .map(({ item }) => item)
            .toSorted(inOrder)
            .map((item) => item.conversationId),
          'in strict order',
        );
        for (const item of items.toSorted(inOrder)) {
          const eligible = members(item.queue).filter(
            ({ id, presence, capacity, skills = [] }) =>
              (item.skills ?? []).every((skill) => skills.includes(skill)) &&
              item.allowedPresences.includes(presence) &&
              (load.get(id) ?? 0) + item.cost <= capacity &&
              (item.declines[id] ?? 0) < item.declineLimit &&
              item.exclude !== id,
          );
          const chosen = chosenFor.get(item.conversationId);
          if (item.mode === 'pick' || eligible.length === 0) {
            assert.equal(chosen, undefined, item.conversationId);
            continue;
          }
          assert.ok(
            eligible.some(({ id }) => id === chosen),
            `${item.conversationId} could go to ${eligible.length} people`,
          );
          load.set(chosen as string, (load.get(chosen as string) ?? 0) + item.cost);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
