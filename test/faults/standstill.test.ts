// Servers stand still, each in its turn, as a virtual machine that is moved or a laptop that sleeps, and go on as if nothing had been.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { NODE_TIMES } from '../../src/hub/nodes.js';
import { Crowd, stretch } from './crowd.js';
import { describeFaults, randomFor, report } from './rig.js';
import { sized } from './size.js';

const STANDSTILLS = sized({ full: 20, short: 1 });
const CUSTOMERS = sized({ full: 16, short: 4 });
/** Others have taken over by then, and in the longer one whoever was asked something has been given up. */
const SHORT_MS = NODE_TIMES.silentMs + 2_000;
const LONG_MS = 20_000;

describeFaults('a server that stands still under load', (place) => {
  it('goes on where others have taken over, and loses, doubles and reorders nothing', async () => {
    const random = randomFor('standstill');
    const crowd = await Crowd.start(place(), { customers: CUSTOMERS });
    try {
      for (let count = 0; count < STANDSTILLS; count += 1) {
        const ms = count % 2 === 1 ? LONG_MS : SHORT_MS;
        await crowd.talk(stretch(random()), async () => {
          const goOn = crowd.nodes.of(count).standStill();
          await pause(ms);
          goOn();
        });
        await crowd.moveOn();
      }
      const figures = await crowd.verdict();
      // The bot never stood still: where another server went on, nobody is handed to people for its silence.
      if (place().nodes > 1) assert.deepEqual(crowd.botFailures, []);
      report({ standstills: STANDSTILLS, ...figures });
    } finally {
      await crowd.end();
    }
  });
});
