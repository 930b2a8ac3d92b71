// Every connection between the nodes and the database breaks again and again, at any moment of whatever is being written.

import { Crowd } from './crowd.js';
import { describeFaults, proxyBeforeDatabase, randomFor, report } from './rig.js';
import { sized } from './size.js';

const ROUNDS = sized({ full: 20, short: 1 });
const CUTS = 5;
const CUSTOMERS = sized({ full: 16, short: 4 });

describeFaults(
  'connections to the database that break under load',
  (place) => {
    it('lose and double nothing, and nobody has to restart anything', async () => {
      const random = randomFor('databaseCuts');
      const { proxy, env } = await proxyBeforeDatabase(place());
      let crowd: Crowd | undefined;
      try {
        crowd = await Crowd.start(place(), { customers: CUSTOMERS, env });
        for (let round = 0; round < ROUNDS; round += 1) {
          await crowd.talk(10, async (more) => {
            for (let cut = 0; cut < CUTS; cut += 1) {
              proxy.cutAll();
              await more(1 + Math.floor(random() * 30));
            }
          });
          await crowd.moveOn();
        }
        report({ cuts: ROUNDS * CUTS, ...(await crowd.verdict()) });
      } finally {
        await crowd?.end();
        await proxy.close();
      }
    });
  },
  ({ isShared }) => isShared,
);
