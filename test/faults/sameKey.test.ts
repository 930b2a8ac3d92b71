// The same thing asked a hundred times at once, as clients do that were not answered in time: it is done once.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { openSite, SECRET, type Site } from '../directline/site.js';
import { openHub, TestClock } from '../fakes/hub.js';
import { ProxiedBot } from '../fakes/proxiedBot.js';
import { describeOnEachSdk } from '../fakes/sdks.js';
import { describeFaults, leftBehind, report } from './rig.js';
import { sized } from './size.js';

const TIMES = 100;
const ROUNDS = sized({ full: 100, short: 5 });

describeFaults('a hundred requests at once for the same thing', (place) => {
  it('start one conversation and say one message', async () => {
    const sites: Site[] = [];
    const clock = new TestClock();
    /** At all nodes at once. */
    const all = (work: (site: Site) => Promise<{ status: number; body: unknown }>) =>
      Promise.all(Array.from({ length: TIMES }, (_, index) => work(sites[index % sites.length] as Site)));
    try {
      while (sites.length < place().nodes)
        sites.push(await openSite({ hub: await openHub({ store: place().store(), clock }) }));
      const [site] = sites as [Site, ...Site[]];
      for (let round = 0; round < ROUNDS; round += 1) {
        const { body } = await site.call('POST', '/tokens/generate', {
          token: SECRET,
          body: { user: { id: 'dl_kim' } },
        });
        const { token, conversationId } = body as { token: string; conversationId: string };
        const starts = await all((at) => at.call('POST', '/conversations', { token, body: {} }));
        assert.equal(starts.filter(({ status }) => status === 201).length, 1, 'one is told that it began');
        assert.equal(starts.filter(({ status }) => status === 200).length, TIMES - 1, 'all others that it is there');
        const ids = new Set(starts.map((answer) => (answer.body as { conversationId: string }).conversationId));
        assert.deepEqual([...ids], [conversationId]);
        const activity = {
          type: 'message',
          text: 'once',
          from: { id: 'dl_kim' },
          channelData: { clientActivityID: randomUUID() },
        };
        const path = `/conversations/${conversationId}/activities`;
        const says = await all((at) => at.call('POST', path, { token, body: activity }));
        assert.equal(new Set(says.map((answer) => (answer.body as { id: string }).id)).size, 1);
        const log = await site.log(conversationId);
        assert.equal(log.filter(({ event }) => event.type === 'started').length, 1);
        assert.equal(log.filter(({ event }) => event.body?.activity?.text === 'once').length, 1);
      }
    } finally {
      for (const site of sites) await site.close();
    }
    assert.deepEqual((await leftBehind(place())).faults, []);
    report({ rounds: ROUNDS, requests: ROUNDS * TIMES * 2, conversations: ROUNDS, messages: ROUNDS });
  });
});

describeOnEachSdk('a hundred first messages at once from one customer of a foreign channel', (sdk) => {
  let bot: ProxiedBot;
  beforeEach(async () => {
    bot = await ProxiedBot.start(sdk);
  });
  afterEach(() => bot.stop());

  it('open one conversation, in which each of them is once and answered once', async function () {
    this.timeout(60_000);
    const texts = Array.from({ length: TIMES }, (_, index) => `first ${index}`);
    // The channel repeats each of them under its id, as it does when it is not answered in time.
    const posts = texts.flatMap((text, index) =>
      [0, 1].map(() => bot.channel.post({ type: 'message', text, id: `m${index}` })),
    );
    for (const { status } of await Promise.all(posts)) assert.equal(status, 200);
    await bot.test.hub.settled();
    const { items } = await bot.test.store.list({}, 10);
    assert.equal(items.length, 1);
    const said = (await bot.log()).flatMap(({ event }) =>
      event.type === 'said' && event.by.role === 'customer' ? (event.body?.activity?.text ?? []) : [],
    );
    assert.deepEqual(said.toSorted(), texts.toSorted());
    assert.deepEqual(bot.channel.texts.toSorted(), texts.map((text) => `Echo: ${text}`).toSorted());
  });
});
