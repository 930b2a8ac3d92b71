// Everybody comes at once: thousands of customers, fifty people with room for three each, who end one chat after another.

import assert from 'node:assert/strict';
import type { Conversation } from '../../src/core/conversation.js';
import { TestClock } from '../fakes/hub.js';
import { until } from '../fakes/shop.js';
import { faultsOf, History } from './history.js';
import { customersWhoAsk, Hubs } from './nodes.js';
import { describeFaults, leftBehind, report } from './rig.js';
import { sized } from './size.js';

const ARRIVALS = sized({ full: 5_000, short: 300 });
const AGENTS = 50;
const CAPACITY = 3;

describeFaults('a burst of arrivals', (place) => {
  it('is served in the order of arrival, nobody beyond their capacity, to the last customer', async () => {
    const clock = new TestClock();
    const hubs = await Hubs.open(place(), { clock, agents: AGENTS, capacity: CAPACITY });
    const served: string[] = [];
    const offered: { id: string; agent: string }[] = [];
    for (const hub of hubs.all)
      hub.observe({
        committed: (_entries, state: Conversation, before) => {
          if (state.phase === 'offered' && before.phase !== 'offered')
            for (const { agent } of state.offers) offered.push({ id: state.id, agent });
        },
      });
    /** All the room there is is used. */
    const full = async (): Promise<void> => {
      const room = Math.min(ARRIVALS - served.length, AGENTS * CAPACITY);
      await until(`${room} are offered`, () => offered.length >= room);
      await hubs.settled();
      assert.equal(offered.length, room);
    };
    const ids: string[] = [];
    try {
      const asked = await customersWhoAsk(hubs, ARRIVALS, () => clock.advance(1));
      ids.push(...asked);
      await until('all stand in line', () => hubs.keeper.lines.sum().count === ARRIVALS);
      for (const [index, { id }] of hubs.keeper.people.all().entries())
        await hubs.of(index).people.setPresence(id, 'available');
      await full();
      while (offered.length > 0) {
        const round = offered.splice(0);
        clock.advance(1);
        await Promise.all(
          round.map(async ({ id, agent }, index) => {
            const hub = hubs.of(index);
            const by = { role: 'agent', id: agent } as const;
            await hub.handle(id, { type: 'accept', agent });
            await hub.handle(id, { type: 'end', by });
            served.push(id);
          }),
        );
        clock.advance(1);
        await Promise.all(
          round.map(({ id, agent }, index) =>
            hubs.of(index + 1).handle(id, { type: 'close', by: { role: 'agent', id: agent } }),
          ),
        );
        await full();
      }
    } finally {
      await hubs.stop();
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
