// The database server is restarted under load, as for a new version: everybody is told to try again meanwhile.

import { restartServer } from '../store/cluster.js';
import { Crowd, stretch } from './crowd.js';
import { describeFaults, randomFor, report } from './rig.js';
import { sized } from './size.js';

const RESTARTS = sized({ full: 10, short: 1 });
const CUSTOMERS = sized({ full: 16, short: 4 });

describeFaults(
  'a database server that is restarted under load',
  (place) => {
    it('costs the time it is away, and nothing that was acknowledged', async () => {
      const random = randomFor('databaseRestart');
      const crowd = await Crowd.start(place(), { customers: CUSTOMERS });
      try {
        for (let restart = 0; restart < RESTARTS; restart += 1) {
          await crowd.talk(stretch(random()), () => restartServer());
          await crowd.moveOn();
        }
        report({ restarts: RESTARTS, ...(await crowd.verdict()) });
      } finally {
        await crowd.end();
      }
    });
  },
  ({ isShared }) => isShared,
);
