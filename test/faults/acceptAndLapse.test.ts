// A person accepts at the very instant at which the offer lapses: one of the two happens, and everybody is told which.

import assert from 'node:assert/strict';
import type { Conversation } from '../../src/core/conversation.js';
import { Rejected } from '../../src/core/rejected.js';
import { TestClock } from '../fakes/hub.js';
import { until } from '../fakes/shop.js';
import { faultsOf, History } from './history.js';
import { customersWhoAsk, Hubs } from './nodes.js';
import { describeFaults, leftBehind, randomFor, report } from './rig.js';
import { sized } from './size.js';

const TIMES = sized({ full: 10_000, short: 300 });
const AT_ONCE = 100;

describeFaults('accepting at the instant at which an offer lapses', (place) => {
  it('either gives the chat to the person or puts it back in line, never both and never neither', async () => {
    const random = randomFor('acceptAndLapse');
    const clock = new TestClock();
    const staffing = { agents: AT_ONCE, capacity: 1, timers: { offerSeconds: 10 } };
    const hubs = await Hubs.open(place(), { clock, ...staffing });
    const { keeper } = hubs;
    let accepted = 0;
    let lapsed = 0;
    try {
      for (let done = 0; done < TIMES; done += AT_ONCE) {
        for (const { id } of keeper.people.all()) await keeper.people.setPresence(id, 'available');
        const ids = await customersWhoAsk(hubs, AT_ONCE);
        const states = (): Promise<(Conversation | undefined)[]> =>
          Promise.all(ids.map((id) => keeper.store.conversation(id)));
        await until('everybody has been offered one', async () =>
          (await states()).every((state) => state?.phase === 'offered'),
        );
        await hubs.settled();
        const offered = await states();
        clock.advance(10_000);
        const ticking = keeper.tick();
        const outcomes = await Promise.all(
          ids.map(async (id, index) => {
            const state = offered[index];
            assert.ok(state?.phase === 'offered');
            // At any node: deadlines are the work of one of them.
            const hub = hubs.of(index);
            // The tick asks the store what is due before it acts: these come before it, at the same time, and behind.
            for (let looks = Math.floor(random() * 4); looks > 0; looks -= 1) await hub.store.nextDueAt();
            const agent = state.offers[0]?.agent ?? '';
            return hub.handle(id, { type: 'accept', agent }).then(
              () => 'accepted' as const,
              (error: unknown) => {
                assert.ok(error instanceof Rejected && error.code === 'offerGone');
                return 'lapsed' as const;
              },
            );
          }),
        );
        await ticking;
        await hubs.settled();
        for (const [index, id] of ids.entries()) {
          const events = (await keeper.entries(id, 0, 100)).map(({ event }) => event);
          const gone = events.some(({ type }) => type === 'lapsed');
          assert.equal(gone, outcomes[index] === 'lapsed', 'who was told that it is gone was told the truth');
          if (outcomes[index] === 'accepted') accepted += 1;
          else lapsed += 1;
          await hubs.of(index).handle(id, { type: 'close', by: { role: 'supervisor', id: 'sam' } });
        }
      }
    } finally {
      await hubs.stop();
    }
    assert.ok(Math.min(accepted, lapsed) > TIMES / 50, `${accepted} accepted, ${lapsed} lapsed`);
    const { logs, faults } = await leftBehind(place());
    assert.deepEqual(faults, []);
    assert.deepEqual(faultsOf(new History(), { logs }), []);
    report({ times: accepted + lapsed, accepted, lapsed, both: 0, neither: 0 });
  });
});
