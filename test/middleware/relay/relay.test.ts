// The relay over HTTP: a customer on a channel, the hub as the Azure Bot's messaging endpoint, a bot that nobody changed.

import assert from 'node:assert/strict';
import { echo, type Script } from '../../fakes/httpBot.js';
import { RelaySite } from './relaySite.js';

const shop: Script = async (turn) => {
  const { activity, reply } = turn;
  if (activity.type === 'message' && activity.text === 'human')
    await reply({ type: 'event', name: 'handoff.initiate', value: { reason: 'refund' } });
  else await echo(turn);
};

describe('the relay', () => {
  let site: RelaySite;
  beforeEach(async () => {
    site = await RelaySite.start();
    site.bot.script = shop;
  });
  afterEach(() => site.stop());

  describe('while the bot holds the conversation', () => {
    it("gives the bot what the channel said, with the hub's serviceUrl, and the channel what the bot answers", async () => {
      const { status } = await site.channel.post({ type: 'message', text: 'hello', id: 'in-a', channelData: { x: 1 } });
      assert.equal(status, 200);
      const heard = await site.bot.next('hello');
      const { id, conversation, from, recipient, channelData, channelId, serviceUrl } = heard;
      assert.deepEqual(
        { id, conversation, from, recipient, channelData, channelId },
        {
          id: 'in-a',
          conversation: { id: 'a:kim', conversationType: 'personal', tenantId: 'contoso' },
          from: { id: '29:kim', name: 'kim', aadObjectId: 'aad-kim' },
          recipient: { id: `28:${site.channel.appId}`, name: 'Shop' },
          channelData: { x: 1 },
          channelId: 'msteams',
        },
      );
      assert.equal(serviceUrl, site.hub.serviceUrl);
      const { url, activity } = await site.channel.next('Echo: hello');
      assert.equal(url, '/v3/conversations/a%3Akim/activities/in-a');
      assert.deepEqual(
        [activity.replyToId, activity.serviceUrl, activity.from, activity.recipient],
        ['in-a', site.channel.serviceUrl, recipient, from],
      );
    });

    it('records both sides under the ids the channel gave them, and tells the bot those', async () => {
      let told: unknown;
      site.bot.script = async ({ activity, reply }) => {
        if (activity.type === 'message') told = (await reply('Hi')).body;
      };
      await site.channel.post({ type: 'message', text: 'hello', id: 'in-a' });
      await site.hub.settled();
      assert.deepEqual(told, { id: 'out-1' });
      const said = (await site.log()).filter(({ event }) => event.type === 'said');
      assert.deepEqual(
        said.map(({ event, channelActivityId }) => [event.by.role, event.body?.activity?.text, channelActivityId]),
        [
          ['customer', 'hello', 'in-a'],
          ['bot', 'Hi', 'out-1'],
        ],
      );
      assert.deepEqual(await site.hub.store.outbox(10), []);
    });
  });
});
