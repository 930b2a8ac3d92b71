// Servers are killed with -9 again and again, each in its turn, while customers, a bot behind an endpoint and people talk.

import { Crowd, stretch } from './crowd.js';
import { describeFaults, randomFor, report } from './rig.js';
import { sized } from './size.js';

const KILLS = sized({ full: 50, short: 2 });
const CUSTOMERS = sized({ full: 16, short: 4 });

describeFaults('a server that is killed under load', (place) => {
  it('loses, doubles and reorders nothing that it acknowledged, to customers, bot and people', async () => {
    const random = randomFor('kill');
    const crowd = await Crowd.start(place(), { customers: CUSTOMERS });
    try {
      for (let kill = 0; kill < KILLS; kill += 1) {
        await crowd.talk(stretch(random()), () => crowd.nodes.of(kill).killAndStart());
        await crowd.moveOn();
      }
      report({ kills: KILLS, ...(await crowd.verdict()) });
    } finally {
      await crowd.end();
    }
  });
});
