// The clocks of the nodes are five minutes ahead at one and five minutes behind at the next.

import assert from 'node:assert/strict';
import type { Desk } from '../console/office.js';
import { until } from '../fakes/shop.js';
import { CLOCK } from './clocks.js';
import { Crowd, stretch } from './crowd.js';
import { faultsOf, History } from './history.js';
import { Nodes } from './nodes.js';
import { configurationOf, Customer, describeFaults, leftBehind, overdue, randomFor, report } from './rig.js';
import { sized } from './size.js';

const SKEW_MS = 5 * 60_000;
const ROUNDS = sized({ full: 10, short: 1 });
const CUSTOMERS = sized({ full: 16, short: 4 });
const AGENTS = 2;
const CAPACITY = 3;
const OFFER_MS = 2_000;
/** A deadline is carried out within 5 s of its time: past it, it would be listed as overdue. */
const CARRIED_OUT_WITHIN_MS = 5_000;

const env = (index: number): Record<string, string> => ({
  NODE_OPTIONS: `--import ${CLOCK}`,
  CLOCK_AHEAD_MS: `${index % 2 === 0 ? SKEW_MS : -SKEW_MS}`,
});

describeFaults(
  'clocks of nodes that are ten minutes apart',
  (place) => {
    it('lose and reorder nothing', async () => {
      const random = randomFor('clockSkew');
      const crowd = await Crowd.start(place(), { customers: CUSTOMERS, env });
      try {
        for (let round = 0; round < ROUNDS; round += 1) {
          await crowd.talk(stretch(random()), () => Promise.resolve());
          await crowd.moveOn();
        }
        report(await crowd.verdict());
      } finally {
        await crowd.end();
      }
    });

    it('let an offer lapse once, when its time is over, and hold everybody to their capacity', async () => {
      const history = new History();
      const configuration = configurationOf({
        agents: AGENTS,
        capacity: CAPACITY,
        timers: { offerSeconds: OFFER_MS / 1_000, customerGoneSeconds: 3_600 },
      });
      const nodes = await Nodes.start(place(), configuration, (index) => ({ ...env(index), DEMO: 'true' }));
      const customers: Customer[] = [];
      const desks: Desk[] = [];
      const people = Array.from({ length: AGENTS }, (_, index) => `agent${index}`);
      try {
        for (const [index, who] of people.entries()) desks.push(await nodes.of(index).desk(who));
        const sam = await nodes.of(1).desk('sam');
        desks.push(sam);
        const lined = async (phase: string): Promise<number> => {
          const { body } = await sam.get(`/conversations?phase=${phase}`);
          return (body as { items: unknown[] }).items.length;
        };
        for (let n = 0; n < CUSTOMERS; n += 1) {
          const customer = await Customer.start(history, nodes.of(n).url, `customer${n}`);
          customers.push(customer);
          await customer.asks('human');
        }
        await until('all stand in line', async () => (await lined('queued')) === CUSTOMERS);
        const room = Math.min(CUSTOMERS, AGENTS * CAPACITY);
        for (let round = 0; round < ROUNDS; round += 1) {
          for (const desk of desks.slice(0, AGENTS)) await desk.present();
          await until('all room is used', async () => (await lined('offered')) === room);
          await until('all offers have lapsed', async () => (await lined('queued')) === CUSTOMERS);
          assert.deepEqual(await overdue(sam), []);
        }
        await nodes.settled();
        for (const customer of customers) await customer.caughtUp();
        for (const code of await nodes.stop()) assert.equal(code, 0);
        const { logs, faults } = await leftBehind(place());
        assert.deepEqual(faults, []);
        const capacities = Object.fromEntries(people.map((id) => [id, CAPACITY]));
        assert.deepEqual(faultsOf(history, { logs, capacities, clocksDifferMs: 250 }), []);
        let offers = 0;
        for (const log of logs.values()) {
          const moves = log.filter(({ event: { type } }) => type === 'offered' || type === 'lapsed');
          for (const [index, { event }] of moves.entries()) {
            assert.equal(event.type, index % 2 === 0 ? 'offered' : 'lapsed', 'each offer lapses once');
            if (event.type === 'offered') offers += 1;
            else {
              const lasted = event.at - (moves[index - 1]?.event.at ?? 0);
              assert.ok(
                lasted >= OFFER_MS - 250 && lasted < OFFER_MS + CARRIED_OUT_WITHIN_MS,
                `lapsed after ${lasted} ms`,
              );
            }
          }
        }
        assert.ok(offers >= ROUNDS * room);
        report({ offers, lapsed: offers, 'beyond capacity': 0 });
      } finally {
        for (const { widget } of customers) await widget.close();
        for (const desk of desks) desk.close();
        await nodes.end();
      }
    });
  },
  ({ isShared, nodes }) => isShared && nodes > 1,
);
