// What nodes tell each other by the database does not arrive, as on a connection that is lost again and again.

import assert from 'node:assert/strict';
import { Crowd, stretch } from './crowd.js';
import { describeFaults, proxyBeforeDatabase, randomFor, report } from './rig.js';
import { sized } from './size.js';

const ROUNDS = sized({ full: 20, short: 1 });
const CUSTOMERS = sized({ full: 16, short: 4 });
/** Each node looks every 500 ms; the rest is for a machine that has much else to do. */
const SEEN_WITHIN_MS = 5_000;

describeFaults(
  'notices that do not arrive',
  (place) => {
    it('cost time and nothing else: everything is seen at the other nodes, once, in order, and soon', async () => {
      const random = randomFor('lostNotices');
      const { proxy, env } = await proxyBeforeDatabase(place());
      let crowd: Crowd | undefined;
      try {
        crowd = await Crowd.start(place(), { customers: CUSTOMERS, env });
        proxy.losesNotices = true;
        const delays: number[] = [];
        for (let round = 0; round < ROUNDS; round += 1) {
          await crowd.talk(stretch(random()), () => Promise.resolve());
          for (let n = 0; n < CUSTOMERS; n += 1) delays.push(await crowd.sayElsewhere(n));
          await crowd.moveOn();
        }
        assert.ok(proxy.noticesLost > 0, 'notices were lost');
        const [longest = 0] = delays.toSorted((a, b) => b - a);
        assert.ok(longest < SEEN_WITHIN_MS, `seen after ${longest} ms`);
        const figures = await crowd.verdict();
        report({ 'notices lost': proxy.noticesLost, 'seen after at most': `${Math.round(longest)} ms`, ...figures });
      } finally {
        await crowd?.end();
        await proxy.close();
      }
    });
  },
  ({ isShared, nodes }) => isShared && nodes > 1,
);
