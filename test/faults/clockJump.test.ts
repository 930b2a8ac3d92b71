// The machine's clock is set five minutes ahead and back again while people talk.

import assert from 'node:assert/strict';
import type { Desk } from '../console/office.js';
import { until } from '../fakes/shop.js';
import { CLOCK } from './clocks.js';
import { faultsOf, History } from './history.js';
import { Nodes } from './nodes.js';
import { configurationOf, Customer, describeFaults, leftBehind, overdue, personSays, report } from './rig.js';
import { sized } from './size.js';

const JUMPS = sized({ full: 20, short: 2 });
const SENDS = sized({ full: 30, short: 10 });
const OFFER_MS = 120_000;
const CARRIED_OUT_WITHIN_MS = 5_000;

describeFaults('a clock that jumps five minutes ahead and back', (place) => {
  it('loses and reorders nothing, lets what is due then happen, and leaves nobody stuck', async () => {
    const history = new History();
    const nodes = await Nodes.start(
      place(),
      configurationOf({
        agents: 1,
        capacity: 3,
        timers: { offerSeconds: OFFER_MS / 1_000, customerGoneSeconds: 3_600 },
      }),
      () => ({ NODE_OPTIONS: `--import ${CLOCK}`, DEMO: 'true' }),
    );
    const customers: Customer[] = [];
    let agent: Desk | undefined;
    let sam: Desk | undefined;
    try {
      [agent, sam] = [await nodes.of(0).desk('agent0'), await nodes.of(1).desk('sam')];
      for (const [index, name] of ['kim', 'lee', 'max'].entries())
        customers.push(await Customer.start(history, nodes.of(index).url, name));
      const [kim, lee] = customers as [Customer, Customer, Customer];
      await agent.present();
      await kim.asks('human');
      await until('the chat is offered', async () => (await phaseOf(sam as Desk, kim.id)) === 'offered');
      assert.equal((await agent.asks(kim.id, 'accept')).status, 200);
      await lee.asks('human');
      await until('the next one too', async () => (await phaseOf(sam as Desk, lee.id)) === 'offered');
      const offeredAt = performance.now();
      const isDatabaseClock = place().env['DATABASE_URL'] !== undefined;
      for (let jump = 0; jump < JUMPS; jump += 1) {
        let sent = 0;
        const goesOn = (): boolean => (sent += 1) <= SENDS;
        const talks = customers.map((customer) => customer.talk(goesOn, () => undefined));
        process.kill(nodes.of(jump).pid, 'SIGUSR2');
        await personSays(history, agent, 'agent0', kim.id, `agent0 says ${jump}`);
        await Promise.all(talks);
        await until('nothing is past its deadline', async () => (await overdue(sam as Desk)).length === 0, 30_000);
        // Lee's offer was for two minutes: by the process's own clock they are over with the first jump, by the database's not.
        if (!isDatabaseClock && jump === 0)
          await until('the offer lapses', async () => (await phaseOf(sam as Desk, lee.id)) === 'queued', 30_000);
        const phase = await phaseOf(sam, lee.id);
        if (isDatabaseClock && performance.now() - offeredAt < OFFER_MS - CARRIED_OUT_WITHIN_MS)
          assert.equal(phase, 'offered', 'the offer holds as long as it was made for');
      }
      for (const customer of customers) await customer.settle();
      await nodes.settled();
      for (const customer of customers) await customer.caughtUp();
      for (const code of await nodes.stop()) assert.equal(code, 0);
      const { logs, faults } = await leftBehind(place());
      assert.deepEqual(faults, []);
      // Clocks that jump do not order conversations among each other: no look at the capacities.
      assert.deepEqual(faultsOf(history, { logs }), []);
      report({ jumps: JUMPS, sent: history.count('sent'), lost: 0, 'past their deadline': 0 });
    } finally {
      for (const { widget } of customers) await widget.close();
      agent?.close();
      sam?.close();
      await nodes.end();
    }
  });
});

async function phaseOf(desk: Desk, id: string): Promise<string> {
  return ((await desk.get(`/conversations/${id}`)).body as { phase: string }).phase;
}
