// A person accepts at the very instant at which the offer lapses: one of the two happens, and everybody is told which.

import assert from 'node:assert/strict';
import { Rejected } from '../../src/core/rejected.js';
import { TestClock } from '../fakes/hub.js';
import { faultsOf, History } from './history.js';
import { customersWhoAsk, describeFaults, leftBehind, openHub, randomFor, report } from './rig.js';
import { sized } from './size.js';

const TIMES = sized({ full: 10_000, short: 500 });
const AT_ONCE = 100;

describeFaults('accepting at the instant at which an offer lapses', (place) => {
  it('either gives the chat to the person or puts it back in line, never both and never neither', async () => {
    const random = randomFor('acceptAndLapse');
    const clock = new TestClock();
    const staffing = { agents: AT_ONCE, capacity: 1, timers: { offerSeconds: 10 } };
    const hub = await openHub(place(), { clock, ...staffing });
    let accepted = 0;
    let lapsed = 0;
    try {
      for (let done = 0; done < TIMES; done += AT_ONCE) {
        for (const { id } of hub.people.all()) await hub.people.setPresence(id, 'available');
        const ids = await customersWhoAsk(hub, AT_ONCE);
        await hub.settled();
        clock.advance(10_000);
        const ticking = hub.tick();
        const outcomes = await Promise.all(
          ids.map(async (id) => {
            const state = hub.known(id);
            assert.ok(state?.phase === 'offered', 'everybody has been offered one');
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
        await hub.settled();
        for (const [index, id] of ids.entries()) {
          const events = (await hub.entries(id, 0, 100)).map(({ event }) => event);
          const gone = events.some(({ type }) => type === 'lapsed');
          assert.equal(gone, outcomes[index] === 'lapsed', 'who was told that it is gone was told the truth');
          if (outcomes[index] === 'accepted') accepted += 1;
          else lapsed += 1;
          await hub.handle(id, { type: 'close', by: { role: 'supervisor', id: 'sam' } });
        }
      }
    } finally {
      await hub.stop();
    }
    assert.ok(Math.min(accepted, lapsed) > TIMES / 50, `${accepted} accepted, ${lapsed} lapsed`);
    const { logs, faults } = await leftBehind(place());
    assert.deepEqual(faults, []);
    assert.deepEqual(faultsOf(new History(), { logs }), []);
    report({ times: accepted + lapsed, accepted, lapsed, both: 0, neither: 0 });
  });
});
