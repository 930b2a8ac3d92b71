// What the relay hands through to the channel without keeping it: groups, members, files, teams.

import assert from 'node:assert/strict';
import http from 'node:http';
import { echo, type Script } from '../../fakes/httpBot.js';
import { RelaySite } from './relaySite.js';

/** A call whose path goes out as it is written; fetch and URL would resolve the dots. */
function raw(method: string, url: string, body?: unknown): Promise<number> {
  const { origin } = new URL(url);
  return new Promise((resolve, reject) => {
    const call = http.request(origin, {
      method,
      path: url.slice(origin.length),
      agent: false,
      headers: { 'content-type': 'application/json' },
    });
    call.once('response', (response) => response.resume().once('end', () => resolve(response.statusCode ?? 0)));
    call.once('error', reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const shop: Script = async (turn) => {
  const { activity, reply } = turn;
  if (activity.type === 'message' && activity.text === 'human')
    await reply({ type: 'event', name: 'handoff.initiate', value: { reason: 'refund' } });
  else await echo(turn);
};

describe('the relay, between bot and channel', () => {
  let site: RelaySite;
  beforeEach(async () => {
    site = await RelaySite.start();
    site.bot.script = shop;
  });
  afterEach(() => site.stop());

  describe('groups', () => {
    const group = { conversation: { id: '19:team', isGroup: true, conversationType: 'channel' } };

    it('have their bot as ever, and nothing of it is kept', async () => {
      await site.channel.post({ ...group, type: 'message', text: 'hello all', id: 'in-a' });
      const { url, activity } = await site.channel.next('Echo: hello all');
      assert.equal(url, '/v3/conversations/19%3Ateam/activities/in-a');
      assert.equal(activity.serviceUrl, site.channel.serviceUrl);
      await site.hub.settled();
      assert.deepEqual(await site.hub.store.conversationIds(10), []);
    });

    it('are told once that nobody can take over there, and the bot that its request failed', async () => {
      const ask = { ...group, type: 'message', text: 'human' };
      await site.channel.post(ask);
      const status = await site.bot.next(({ name }) => name === 'handoff.status');
      assert.deepEqual(status.value, { state: 'failed', message: 'groupConversation' });
      assert.deepEqual([status.conversation?.id, status.serviceUrl], ['19:team', site.hub.serviceUrl]);
      await site.channel.post(ask);
      await site.bot.next(({ name }) => name === 'handoff.status');
      assert.equal(site.channel.texts.length, 1);
      assert.match(site.channel.texts[0] ?? '', /one-to-one conversations only/);
    });
  });

  describe('what only the channel knows', () => {
    it('is asked of the channel, and its answer is the answer: members, pages of members, files', async () => {
      await site.channel.post('hello');
      const heard = await site.bot.next('hello');
      const members = [{ id: '29:kim', name: 'Kim', email: 'kim@contoso.example' }];
      site.channel.answers.set('GET /v3/conversations/a:kim/members', { status: 200, body: members });
      site.channel.answers.set('GET /v3/conversations/a:kim/pagedmembers?pageSize=2', {
        status: 200,
        body: { members },
      });
      site.channel.answers.set('POST /v3/conversations/a:kim/attachments', { status: 201, body: { id: 'file-1' } });
      site.channel.answers.set('GET /v3/conversations/a:kim/members/29:nobody', {
        status: 404,
        body: { error: { code: 'MemberNotFoundInConversation' } },
      });
      const call = (method: string, path: string, body?: unknown) => site.bot.call(heard, method, path, body);
      assert.deepEqual((await call('GET', 'members')).body, members);
      assert.deepEqual((await call('GET', 'pagedmembers?pageSize=2')).body, { members });
      const uploaded = await call('POST', 'attachments', { type: 'image/png', name: 'a.png', originalBase64: 'AAAA' });
      assert.deepEqual([uploaded.status, uploaded.body], [201, { id: 'file-1' }]);
      const nobody = await call('GET', 'members/29:nobody');
      assert.deepEqual([nobody.status, nobody.body], [404, { error: { code: 'MemberNotFoundInConversation' } }]);
      const upload = site.channel.calls.find(({ url }) => url.endsWith('/attachments'));
      assert.deepEqual(JSON.parse(upload?.body.toString() ?? ''), {
        type: 'image/png',
        name: 'a.png',
        originalBase64: 'AAAA',
      });
    });

    it('lets the bot begin a conversation there, and knows it afterwards, also after a restart', async () => {
      await site.channel.post('hello');
      await site.bot.next('hello');
      site.channel.answers.set('POST /v3/conversations', {
        status: 201,
        body: { id: 'a:new', activityId: '1', serviceUrl: site.channel.serviceUrl },
      });
      const account = { id: `28:${site.channel.appId}` };
      const made = await site.bot.request('POST', `${site.hub.serviceUrl}v3/conversations`, {
        bot: account,
        members: [{ id: '29:lee' }],
        tenantId: 'contoso',
      });
      assert.deepEqual(
        [made.status, made.body],
        [201, { id: 'a:new', activityId: '1', serviceUrl: site.hub.serviceUrl }],
      );
      await site.hub.stop();
      await site.begin();
      const to = {
        type: 'message',
        conversation: { id: 'a:new' },
        serviceUrl: site.hub.serviceUrl,
        recipient: account,
      };
      assert.equal((await site.bot.say(to, 'Hi Lee')).status, 200);
      assert.equal((await site.channel.next('Hi Lee')).url, '/v3/conversations/a%3Anew/activities');
    });

    it('is not the way past a person who has the chat: by other paths, a history, or a conversation begun anew', async () => {
      await site.channel.post('hello');
      const heard = await site.bot.next('hello');
      await site.giveToAna();
      const secret = { type: 'message', text: 'psst' };
      const hub = site.hub.serviceUrl;
      await site.ana({ says: 'Hello, I am Ana' });
      const said = (await site.channel.next('Hello, I am Ana')).id ?? '';
      for (const path of [
        `members/../activities/${said}`,
        `members/%2E%2e/activities/${said}`,
        `members/..\\activities\\${said}`,
      ])
        await raw('DELETE', `${hub}v3/conversations/a:kim/${path}`);
      await raw('POST', `${hub}v3/batch/..\\conversations\\a:kim\\activities`, secret);
      const history = await site.bot.call(heard, 'POST', 'activities/history', { activities: [secret] });
      assert.deepEqual([history.status, (history.body as { error: { code: string } }).error.code], [409, 'notHolder']);
      site.channel.answers.set('POST /v3/conversations', { status: 200, body: { id: 'a:kim' } });
      // Teams takes Entra's id of a customer, too, and leads to the same chat.
      const begun = await site.bot.request('POST', `${hub}v3/conversations`, {
        bot: { id: `28:${site.channel.appId}` },
        members: [{ id: 'entra-id-of-kim' }],
        tenantId: 'contoso',
        activity: secret,
      });
      assert.equal(begun.status, 200);
      assert.equal((await site.bot.say(heard, 'psst again')).status, 200);
      assert.deepEqual((await site.drafts()).slice(-2), ['psst', 'psst again']);
      assert.deepEqual(
        site.channel.calls
          .filter(({ method, body }) => method === 'DELETE' || body.includes('psst'))
          .map(({ method, url }) => `${method} ${url}`),
        [],
      );
    });

    it('lets a bot begin a conversation with words, and gives it the id of them', async () => {
      await site.channel.post('hello');
      await site.bot.next('hello');
      site.channel.answers.set('POST /v3/conversations', { status: 201, body: { id: 'a:new' } });
      const made = await site.bot.request('POST', `${site.hub.serviceUrl}v3/conversations`, {
        bot: { id: `28:${site.channel.appId}` },
        members: [{ id: '29:lee' }],
        activity: { type: 'message', text: 'Hi Lee' },
      });
      const { url, id } = await site.channel.next('Hi Lee');
      assert.equal(url, '/v3/conversations/a%3Anew/activities');
      assert.deepEqual([made.status, made.body], [201, { id: 'a:new', activityId: id }]);
    });

    it('includes teams, their threads and meetings', async () => {
      const channelData = { team: { id: '19:team' }, channel: { id: '19:chan' } };
      const conversation = { id: '19:chan;messageid=1', isGroup: true, conversationType: 'channel' };
      await site.channel.post({ type: 'message', text: 'hello', channelData, conversation });
      await site.bot.next('hello');
      site.channel.answers.set('GET /v3/teams/19%3Ateam', { status: 200, body: { id: '19:team', name: 'Sales' } });
      site.channel.answers.set('GET /v1/meetings/m1', { status: 200, body: { details: { id: 'm1' } } });
      const get = async (path: string) => (await site.bot.request('GET', `${site.hub.serviceUrl}${path}`)).body;
      assert.deepEqual(await get('v3/teams/19%3Ateam'), { id: '19:team', name: 'Sales' });
      assert.deepEqual(await get('v1/meetings/m1'), { details: { id: 'm1' } });
      const thread = { type: 'message', conversation: { id: '19:chan;messageid=77' }, serviceUrl: site.hub.serviceUrl };
      assert.equal((await site.bot.say(thread, 'In another thread')).status, 200);
      const { url } = await site.channel.next('In another thread');
      assert.equal(decodeURIComponent(url), '/v3/conversations/19:chan;messageid=77/activities');
    });

    it("keeps a bot's paths below the channel's own address", async () => {
      await site.channel.post('hello');
      const heard = await site.bot.next('hello');
      for (const path of ['members/../../../../secret', 'members/..%2f..%2f..%2f..%2fsecret'])
        await site.bot.call(heard, 'GET', path);
      assert.ok(site.channel.calls.every(({ url }) => url.startsWith('/v3/')));
    });
  });

  describe("files that only the bot's token opens", () => {
    const png = Buffer.from('89504e470d0a1a0a', 'hex');

    it('are copied for people, while the bot gets the link as the channel sent it', async () => {
      site.channel.answers.set('GET /v3/attachments/7/views/original', { status: 200, body: png, type: 'image/png' });
      const contentUrl = `${site.channel.serviceUrl}v3/attachments/7/views/original`;
      const elsewhere = { contentType: 'image/png', contentUrl: 'https://files.example/1.png' };
      await site.channel.post({
        type: 'message',
        text: 'look',
        attachments: [{ contentType: 'image/*', contentUrl, name: 'photo' }, elsewhere],
      });
      const heard = await site.bot.next('look');
      assert.equal(heard.attachments?.[0]?.contentUrl, contentUrl);
      const said = (await site.log()).find(({ event }) => event.type === 'said');
      const [copy, other] = said?.event.body?.activity?.attachments ?? [];
      assert.deepEqual(other, elsewhere);
      assert.deepEqual([copy?.contentType, copy?.name], ['image/png', 'photo']);
      assert.ok(copy?.contentUrl?.startsWith(`${site.hub.serviceUrl}v3/attachments/`));
      const shown = await fetch(copy?.contentUrl ?? '', { headers: { connection: 'close' } });
      assert.deepEqual(Buffer.from(await shown.arrayBuffer()), png);
    });

    it('stay links when they cannot be had', async () => {
      const contentUrl = `${site.channel.serviceUrl}v3/attachments/8/views/original`;
      await site.channel.post({ type: 'message', text: 'look', attachments: [{ contentType: 'image/*', contentUrl }] });
      await site.bot.next('look');
      const said = (await site.log()).find(({ event }) => event.type === 'said');
      assert.equal(said?.event.body?.activity?.attachments?.[0]?.contentUrl, contentUrl);
    });
  });

  it('refuses activities that no channel can mean, and goes on', async () => {
    await site.channel.post('hello');
    await site.channel.next('Echo: hello');
    const wrong: object[] = [
      { type: 'conversationUpdate', membersAdded: 5 },
      { type: 'conversationUpdate', membersAdded: [null] },
      { type: 'messageUpdate', id: {} },
      { type: 'message', text: 'x', id: 5 },
    ];
    for (const activity of wrong)
      assert.equal((await site.channel.post(activity)).status, 400, JSON.stringify(activity));
    await site.channel.post('still there');
    await site.channel.next('Echo: still there');
  });

  it('names the field that is of the wrong type, and records nothing of the activity', async () => {
    const named: [field: string, activity: Record<string, unknown>][] = [
      ['text', { type: 'message', text: { evil: true } }],
      ['locale', { type: 'message', text: 'x', locale: 7 }],
      ['attachments', { type: 'message', attachments: 'none' }],
      ['contentUrl', { type: 'message', attachments: [{ contentType: 'image/png', contentUrl: {} }] }],
      ['entities', { type: 'message', text: 'x', entities: [1] }],
      ['name', { type: 'event', name: ['a'] }],
      ['from', { type: 'message', text: 'x', from: 'kim' }],
    ];
    for (const [field, activity] of named) {
      const { status, body } = await site.channel.post(activity);
      assert.equal(status, 400, JSON.stringify(activity));
      const { message } = (body as { error: { message: string } }).error;
      assert.ok(message.includes(`"${field}"`), message);
    }
    assert.equal((await site.hub.store.list({}, 1)).items.length, 0);
  });

  it('is set up and taken down while the hub runs, and conversations under way go on', async () => {
    await site.channel.post('hello');
    await site.channel.next('Echo: hello');
    await site.apply(', auth: none');
    await site.channel.post('not to be lost');
    await site.channel.next('Echo: not to be lost');
    await site.apply(', auth: none, relay: { workStream: teams }, timeoutSeconds: 10');
    await site.channel.post('back again');
    await site.channel.next('Echo: back again');
    await site.hub.settled();
    const { items } = await site.hub.store.list({}, 10);
    assert.equal(items.length, 1, 'it is still the same conversation');
  });

  it('serves bots that answer in the response only', async () => {
    await site.apply(', auth: none, relay: {}, delivery: expectReplies');
    site.bot.script = ({ activity }) => {
      if (activity.type !== 'message') return { status: 200 };
      assert.equal(activity.deliveryMode, 'expectReplies');
      return {
        status: 200,
        body: { activities: [{ type: 'typing' }, { type: 'message', text: `Echo: ${activity.text}` }] },
      };
    };
    await site.channel.post({ type: 'message', text: 'hello', id: 'in-a' });
    const { url, activity } = await site.channel.next('Echo: hello');
    assert.equal(url, '/v3/conversations/a%3Akim/activities');
    assert.deepEqual([activity.from?.id, activity.recipient?.id], [`28:${site.channel.appId}`, '29:kim']);
    const group = { conversation: { id: '19:team', isGroup: true } };
    await site.channel.post({ ...group, type: 'message', text: 'all' });
    assert.equal((await site.channel.next('Echo: all')).url, '/v3/conversations/19%3Ateam/activities');
  });
});
