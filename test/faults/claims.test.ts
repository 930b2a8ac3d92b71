// Two hundred people reach for one chat at once, over HTTP, again and again.

import assert from 'node:assert/strict';
import { Tokens } from '../../src/hub/tokens.js';
import { mintPersonToken, serveConsole } from '../../src/console/console.js';
import type { HandoffHub } from '../../src/createHub.js';
import { HttpServer } from '../../src/http.js';
import { Desk, errorIn } from '../console/office.js';
import { SILENT, TestClock } from '../fakes/hub.js';
import { customersWhoAsk, Hubs } from './nodes.js';
import { describeFaults, leftBehind, report } from './rig.js';
import { sized } from './size.js';

const ROUNDS = sized({ full: 1_000, short: 20 });
const CROWD = 200;

describeFaults('two hundred people who claim one chat', (place) => {
  it('gives it to one of them and tells all others who has it and since when', async () => {
    const clock = new TestClock();
    const hubs = await Hubs.open(place(), { clock, agents: CROWD, capacity: 1 });
    const consoles: { url: string; tokens: Tokens; close(): Promise<void> }[] = [];
    const desks: Desk[] = [];
    let refused = 0;
    try {
      for (const hub of hubs.all) consoles.push(await openConsole(hub, clock));
      const crowd = hubs.keeper.people.all().filter(({ capacity }) => capacity > 0);
      for (const [index, { id }] of crowd.entries()) {
        const { url, tokens } = consoles[index % consoles.length] as (typeof consoles)[number];
        desks.push(new Desk(url, await mintPersonToken(tokens, id)));
      }
      for (let round = 0; round < ROUNDS; round += 1) {
        const [id = ''] = await customersWhoAsk(hubs, 1);
        const answers = await Promise.all(desks.map((desk) => desk.asks(id, 'pick')));
        const [winner, ...others] = answers.filter(({ status }) => status === 200);
        assert.ok(winner !== undefined && others.length === 0, 'one has it');
        const { agent } = winner.body as { agent: { id: string } };
        for (const answer of answers.filter((one) => one !== winner)) {
          assert.equal(answer.status, 409, JSON.stringify(answer.body));
          const { code, owner, at } = errorIn(answer);
          assert.deepEqual([code, owner], ['offerGone', agent]);
          assert.match(String(at), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
          refused += 1;
        }
        await hubs.of(round).handle(id, { type: 'close', by: { role: 'supervisor', id: 'sam' } });
        clock.advance(1_000);
      }
    } finally {
      for (const desk of desks) desk.close();
      for (const one of consoles) await one.close();
      await hubs.stop();
    }
    assert.deepEqual((await leftBehind(place())).faults, []);
    report({ rounds: ROUNDS, winners: ROUNDS, 'told who and when': refused });
  });
});

async function openConsole(
  hub: HandoffHub,
  clock: TestClock,
): Promise<{ url: string; tokens: Tokens; close(): Promise<void> }> {
  const http = new HttpServer({ log: SILENT });
  const tokens = await Tokens.open(hub.store, clock);
  const served = serveConsole(http, hub, { tokens, publicUrl: () => 'http://127.0.0.1' });
  const url = (await http.listen(0, '127.0.0.1')).replace('localhost', '127.0.0.1');
  return {
    url,
    tokens,
    async close() {
      await served.close();
      await http.close();
    },
  };
}
