// Everybody comes at once: thousands of customers, fifty people with room for three each, who end one chat after another.

import assert from 'node:assert/strict';
import type { Conversation } from '../../src/core/conversation.js';
import { TestClock } from '../fakes/hub.js';
import { faultsOf, History } from './history.js';
import { customersWhoAsk, describeFaults, leftBehind, openHub, report } from './rig.js';
import { sized } from './size.js';

const ARRIVALS = sized({ full: 5_000, short: 500 });
const AGENTS = 50;
const CAPACITY = 3;

describeFaults('a burst of arrivals', (place) => {
  it('is served in the order of arrival, nobody beyond their capacity, to the last customer', async () => {
    const clock = new TestClock();
    const hub = await openHub(place(), { clock, agents: AGENTS, capacity: CAPACITY });
    const served: string[] = [];
    const offered: { id: string; agent: string }[] = [];
    hub.observe({
      committed: (_entries, state: Conversation, before) => {
        if (state.phase === 'offered' && before.phase !== 'offered')
          for (const { agent } of state.offers) offered.push({ id: state.id, agent });
      },
    });
    const ids: string[] = [];
    try {
      const asked = await customersWhoAsk(hub, ARRIVALS, () => clock.advance(1));
      ids.push(...asked);
      for (const { id } of hub.people.all()) await hub.people.setPresence(id, 'available');
      await hub.settled();
      assert.equal(offered.length, Math.min(ARRIVALS, AGENTS * CAPACITY), 'all the room there is is used at once');
      while (offered.length > 0) {
        const round = offered.splice(0);
        clock.advance(1);
        await Promise.all(
          round.map(async ({ id, agent }) => {
            const by = { role: 'agent', id: agent } as const;
            await hub.handle(id, { type: 'accept', agent });
            await hub.handle(id, { type: 'end', by });
            served.push(id);
          }),
        );
        clock.advance(1);
        await Promise.all(
          round.map(({ id, agent }) => hub.handle(id, { type: 'close', by: { role: 'agent', id: agent } })),
        );
        await hub.settled();
      }
    } finally {
      await hub.stop();
    }
    assert.equal(served.length, ARRIVALS, 'everybody is served');
    const { logs, faults } = await leftBehind(place());
    assert.deepEqual(faults, []);
    const capacities = Object.fromEntries(Array.from({ length: AGENTS }, (_, index) => [`agent${index}`, CAPACITY]));
    assert.deepEqual(faultsOf(new History(), { logs, capacities }), []);
    // Who came earlier is never offered later.
    const offeredAt = ids.map((id) => logs.get(id)?.find(({ event }) => event.type === 'offered')?.event.at ?? 0);
    assert.deepEqual(
      offeredAt,
      offeredAt.toSorted((a, b) => a - b),
    );
    report({ arrivals: ARRIVALS, served: served.length, people: AGENTS, 'out of order': 0, 'beyond capacity': 0 });
  });
});
