// A relayed bot that is taken out of the configuration while its channel goes on calling: nobody's customer is cut off.

import assert from 'node:assert/strict';
import { echo } from '../../fakes/httpBot.js';
import { RelaySite } from './relaySite.js';

const DAY_MS = 24 * 60 * 60_000;

describe('a relayed bot that is taken out of the configuration', () => {
  let site: RelaySite;
  const open = async (settings?: string) => {
    site = await RelaySite.start(settings);
    site.bot.script = async (turn) => {
      if (turn.activity.text === 'human')
        await turn.reply({ type: 'event', name: 'handoff.initiate', value: { reason: 'refund' } });
      else await echo(turn);
    };
  };
  afterEach(() => site.stop());

  const heardByPeople = async (customer?: string) =>
    (await site.log(customer)).flatMap(({ event }) =>
      event.type === 'said' && event.by.role === 'customer' ? [event.body?.activity?.text] : [],
    );

  it('leaves the customer with the person: both hear each other, also after a restart', async () => {
    await open();
    await site.giveToAna();
    await site.takeBotOut();
    assert.equal((await site.channel.post('are you there?')).status, 200);
    await site.ana({ says: 'yes, I am' });
    await site.channel.next('yes, I am');
    await site.hub.stop();
    await site.begin();
    assert.equal((await site.channel.post('and now?')).status, 200);
    await site.ana({ says: 'still here' });
    await site.channel.next('still here');
    assert.deepEqual(await heardByPeople(), ['human', 'are you there?', 'and now?']);
    assert.deepEqual(
      site.bot.received.flatMap(({ text }) => text ?? []),
      ['human'],
    );
  });

  it('leaves its own customers to people, who are told so on their channel', async () => {
    await open();
    await site.channel.post('hello');
    await site.channel.next('Echo: hello');
    await site.hub.settled();
    await site.takeBotOut();
    await site.hub.settled();
    assert.equal((await site.state()).phase, 'queued');
    assert.ok(site.channel.texts.some((text) => text.includes('cannot answer right now')));
  });

  it('leaves whoever comes afterwards to the rules, and says where it has nothing to offer', async () => {
    await open();
    await site.takeBotOut();
    assert.equal((await site.channel.post('hello', { customer: 'lee' })).status, 200);
    await site.hub.settled();
    const state = await site.state('lee');
    assert.ok(state.phase === 'queued' && state.queue === 'CreditCardQueue');
    assert.deepEqual(await heardByPeople('lee'), ['hello']);
    assert.ok(site.channel.texts.length > 0, 'the customer is told');
    const group = { conversation: { id: '19:team', isGroup: true } };
    const { status, body } = await site.channel.post({ ...group, type: 'message', text: 'all' });
    assert.equal(status, 404);
    assert.match(JSON.stringify(body), /Change the messaging endpoint/);
  });

  it('is heard of no more after 30 days', async () => {
    await open();
    await site.takeBotOut();
    const { clock } = site.hub;
    const now = clock.now();
    clock.now = () => now + 29 * DAY_MS;
    assert.equal((await site.channel.post('hello')).status, 200);
    clock.now = () => now + 31 * DAY_MS;
    assert.equal((await site.channel.post('hello?')).status, 404);
  });

  describe('whose channel authenticates', () => {
    const SETTINGS = `, appId: 00000000-0000-0000-0000-00000000b0b0, auth: { issuer: hub }, delivery: expectReplies, relay: { secret: '\${LEFT_TEST_SECRET}' }`;
    beforeEach(async () => {
      process.env['LEFT_TEST_SECRET'] = 'a secret that is long enough';
      await open(SETTINGS);
      await site.takeBotOut();
    });
    afterEach(() => delete process.env['LEFT_TEST_SECRET']);

    it('takes nothing without a token of that channel', async () => {
      const stranger = await site.channel.post('hello', { token: 'no.token.atall' });
      assert.equal(stranger.status, 401);
      assert.equal((await site.hub.store.list({}, 10)).items.length, 0);
    });

    it('is not served without its credential, and the hub starts all the same', async () => {
      delete process.env['LEFT_TEST_SECRET'];
      await site.hub.stop();
      await site.begin({ withBot: false });
      assert.equal((await site.channel.post('hello', { token: 'no.token.atall' })).status, 404);
    });
  });
});
