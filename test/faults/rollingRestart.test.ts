// Servers are stopped in good order and started again, each in its turn, as an update does, while customers, a bot behind an
// endpoint and people talk.

import assert from 'node:assert/strict';
import { Crowd, stretch } from './crowd.js';
import { describeFaults, randomFor, report } from './rig.js';
import { sized } from './size.js';

const RESTARTS = sized({ full: 50, short: 2 });
const CUSTOMERS = sized({ full: 16, short: 4 });

describeFaults('a server that is stopped and started again under load', (place) => {
  it('loses, doubles and reorders nothing, and no bot counts as failed for it', async () => {
    const random = randomFor('rollingRestart');
    const crowd = await Crowd.start(place(), { customers: CUSTOMERS });
    try {
      for (let restart = 0; restart < RESTARTS; restart += 1) {
        await crowd.talk(stretch(random()), () => crowd.nodes.of(restart).restart());
        await crowd.moveOn();
      }
      const figures = await crowd.verdict();
      assert.deepEqual(crowd.botFailures, []);
      report({ restarts: RESTARTS, ...figures });
    } finally {
      await crowd.end();
    }
  });
});
