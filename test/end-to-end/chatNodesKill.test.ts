// The same with real processes: the one that tells a person what happens is killed, or stands still and goes on later.

import assert from 'node:assert/strict';
import { ChatClient } from '../fakes/chatClient.js';
import { handoff, startProgram, withData, type Program } from '../fakes/program.js';
import { until } from '../fakes/shop.js';
import { Widget } from '../fakes/widget.js';
import { freshDatabase } from '../store/cluster.js';

const SECRET = 'the-secret-of-two-programs';
const SAID = 12;

describe('a person in a chat whose process', function () {
  this.timeout(90_000);

  /** The person is told by the first process, the customer writes to the second; `strikes` in the middle of it. */
  async function served(strikes: (first: Program) => Promise<void>, afterwards: (first: Program) => Promise<void>) {
    await withData(async (data) => {
      const env = { DATABASE_URL: await freshDatabase(), DIRECT_LINE_SECRET: SECRET };
      const programs = [
        await startProgram(`${data}/1`, undefined, env),
        await startProgram(`${data}/2`, undefined, env),
      ];
      const [first, second] = programs as [Program, Program];
      const ana = await ChatClient.start(`${first.url}/api/agent-messages`);
      const kim = await Widget.start({ url: second.url, secret: SECRET, user: { id: 'dl_kim', name: 'Kim' } });
      try {
        const { out } = await handoff(['pairing-code', 'ana', '--data', `${data}/1`], env);
        await ana.writes(`sign in ${/[0-9A-Z]{4}(-[0-9A-Z]{4}){2}/.exec(out)?.[0]}`);
        await ana.sees(/available/);
        await kim.say('human CreditCard');
        await ana.presses(await ana.sees(/Request #1 from Kim/), 'Accept');
        await ana.sees(/what was said before/);
        for (let count = 1; count <= SAID; count += 1) {
          if (count === SAID / 2) await strikes(first);
          await kim.say(`line ${count}.`);
        }
        const lines = () => ana.channel.texts.filter((text) => /line \d+\.$/.test(text));
        const last = `#1 Kim: line ${SAID}.`;
        await until('everything was told', () => lines().includes(last), 30_000);
        await afterwards(first);
        ana.channel.endpoint = `${second.url}/api/agent-messages`;
        await ana.writes('I have read all of it');
        await kim.next('I have read all of it');
        const expected = Array.from({ length: SAID }, (_, index) => `#1 Kim: line ${index + 1}.`);
        assert.deepEqual([...new Set(lines())], expected, 'everything, in order');
        // What was on its way when the process was struck may have arrived.
        assert.ok(lines().length <= SAID + 1, lines().join('\n'));
      } finally {
        await kim.close();
        await ana.stop();
        for (const program of programs) await program.stop('SIGKILL');
      }
    });
  }

  it('is killed, is told the rest by another', () =>
    served(
      async (first) => void (await first.stop('SIGKILL')),
      () => Promise.resolve(),
    ));

  it('stands still, is told the rest by another, and nothing twice when it goes on', () =>
    served(
      (first) => Promise.resolve(void first.child.kill('SIGSTOP')),
      async (first) => {
        first.child.kill('SIGCONT');
        await until('it knows', () => first.output().includes('others took over what it had'), 20_000);
      },
    ));
});
