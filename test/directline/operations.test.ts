// The REST operations of Direct Line as clients call them, one after another.

import assert from 'node:assert/strict';
import { decodeJwt } from 'jose';
import type { Activity } from '../../src/core/activity.js';
import type { ActivitySet, Grant } from '../fakes/widget.js';
import { FunctionBot, handoff } from '../fakes/hub.js';
import { openSite, SECRET, type Site } from './site.js';

const MINUTE_MS = 60_000;

describe('Direct Line, operation by operation', () => {
  let site: Site;
  beforeEach(async () => {
    site = await openSite();
  });
  afterEach(() => site.close());

  const activitiesOf = async (grant: { conversationId: string; token: string }, watermark?: string) => {
    const query = watermark === undefined ? '' : `?watermark=${encodeURIComponent(watermark)}`;
    const { status, body } = await site.call('GET', `/conversations/${grant.conversationId}/activities${query}`, {
      token: grant.token,
    });
    assert.equal(status, 200, JSON.stringify(body));
    return body as ActivitySet;
  };
  const say = async (grant: { conversationId: string; token: string }, activity: Record<string, unknown>) => {
    const { status, body } = await site.call('POST', `/conversations/${grant.conversationId}/activities`, {
      token: grant.token,
      body: { type: 'message', ...activity },
    });
    assert.equal(status, 200, JSON.stringify(body));
    await site.hub.settled();
    return (body as { id: string }).id;
  };

  describe('tokens', () => {
    it('generates a token for half an hour and starts nothing', async () => {
      const { status, body } = await site.call('POST', '/tokens/generate', {
        token: SECRET,
        body: { user: { id: 'dl_kim', name: 'Kim' }, trustedOrigins: ['https://shop.example'] },
      });
      assert.equal(status, 200);
      const grant = body as Grant;
      assert.deepEqual(Object.keys(grant).sort(), ['conversationId', 'expires_in', 'token']);
      assert.equal(grant.expires_in, 1800);
      const claims = decodeJwt(grant.token);
      assert.equal(claims['conv'], grant.conversationId);
      assert.equal(claims['user'], 'dl_kim');
      assert.deepEqual(claims['origin'], ['https://shop.example']);
      for (const claim of ['bot', 'site', 'iss', 'aud']) assert.equal(typeof claims[claim], 'string', claim);
      assert.equal(claims.exp, (claims.nbf as number) + 1800);
      assert.equal(await site.hub.conversation(grant.conversationId), undefined);
      assert.equal(site.bot.heard.length, 0);
    });

    it('takes the names of the parameters in any case', async () => {
      const { body } = await site.call('POST', '/tokens/generate', {
        token: SECRET,
        body: { User: { Id: 'dl_kim', Name: 'Kim' }, TrustedOrigins: ['https://shop.example'] },
      });
      const claims = decodeJwt((body as Grant).token);
      assert.equal(claims['user'], 'dl_kim');
      assert.deepEqual(claims['origin'], ['https://shop.example']);
    });

    it('generates without a body, and takes the secret in the older scheme', async () => {
      const { status } = await site.call('POST', '/tokens/generate', {
        headers: { authorization: `BotConnector ${SECRET}` },
      });
      assert.equal(status, 200);
    });

    it('refreshes a token as often as asked: same conversation, same user, a later end; the old one stays good', async () => {
      const first = await site.start();
      site.clock.advance(20 * MINUTE_MS);
      const { status, body } = await site.call('POST', '/tokens/refresh', { token: first.token });
      assert.equal(status, 200);
      const second = body as Grant;
      assert.equal(second.conversationId, first.conversationId);
      assert.equal(decodeJwt(second.token)['user'], 'dl_kim');
      await activitiesOf(first);
      site.clock.advance(20 * MINUTE_MS);
      await activitiesOf(second);
      const third = await site.call('POST', '/tokens/refresh', { token: second.token });
      assert.equal(third.status, 200);
      const late = await site.call('POST', '/tokens/refresh', { token: first.token });
      assert.equal(late.status, 403);
      assert.equal((late.body as { error: { code: string } }).error.code, 'TokenExpired');
    });
  });

  describe('starting a conversation', () => {
    it('answers 201 with token and stream, and welcomes a known customer at once', async () => {
      const { status, body } = await site.call('POST', '/conversations', {
        token: SECRET,
        body: { user: { id: 'dl_kim', name: 'Kim' }, locale: 'zh-CN' },
      });
      assert.equal(status, 201);
      const grant = body as Grant;
      assert.equal(grant.expires_in, 1800);
      assert.match(
        grant.streamUrl ?? '',
        /^ws:\/\/127\.0\.0\.1:\d+\/v3\/directline\/conversations\/[\w-]+\/stream\?watermark=-&t=/,
      );
      await site.hub.settled();
      const update = site.bot.heard.find(({ type }) => type === 'conversationUpdate');
      assert.deepEqual(
        (update?.['membersAdded'] as { id: string }[]).map(({ id }) => id),
        ['demo', 'dl_kim'],
      );
      assert.equal(update?.locale, 'zh-CN');
    });

    it('starts a token’s own conversation once: 201, then 200', async () => {
      const { body } = await site.call('POST', '/tokens/generate', { token: SECRET });
      const { token, conversationId } = body as Grant;
      const first = await site.call('POST', '/conversations', { token, body: { user: {} } });
      const second = await site.call('POST', '/conversations', { token, body: { user: {} } });
      assert.deepEqual([first.status, second.status], [201, 200]);
      assert.equal((first.body as Grant).conversationId, conversationId);
      assert.equal((second.body as Grant).conversationId, conversationId);
    });

    it('starts it once even when two tabs start it at the same moment', async () => {
      const { body } = await site.call('POST', '/tokens/generate', { token: SECRET, body: { user: { id: 'dl_kim' } } });
      const { token } = body as Grant;
      const answers = await Promise.all([1, 2, 3].map(() => site.call('POST', '/conversations', { token })));
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 201]);
      await site.hub.settled();
      assert.equal(site.bot.heard.filter(({ type }) => type === 'conversationUpdate').length, 1);
    });

    it('introduces a customer nobody knew yet just before the first message', async () => {
      const { body } = await site.call('POST', '/conversations', { token: SECRET, body: { user: {} } });
      await site.hub.settled();
      assert.deepEqual(
        site.bot.heard
          .filter(({ type }) => type === 'conversationUpdate')
          .map(({ membersAdded }) => idsOf(membersAdded)),
        [['demo']],
      );
      await say(body as Grant, { text: 'hello', from: { id: 'kim' } });
      const heard = site.bot.heard.filter(({ type }) => type !== 'event');
      assert.deepEqual(
        heard.slice(1).map(({ type, membersAdded, text }) => (type === 'message' ? text : idsOf(membersAdded))),
        [['kim'], 'hello'],
      );
    });

    it('does not fail when the bot fails to greet', async () => {
      site.bot.script = () => {
        throw new Error('the bot is broken');
      };
      const { status } = await site.call('POST', '/conversations', { token: SECRET, body: { user: { id: 'dl_kim' } } });
      assert.equal(status, 201);
    });

    it('starts a conversation whose page begins by asking for it again', async () => {
      const { body } = await site.call('POST', '/tokens/generate', { token: SECRET });
      const { token, conversationId } = body as Grant;
      const answer = await site.call('GET', `/conversations/${conversationId}?watermark=`, { token });
      assert.equal(answer.status, 200);
      assert.notEqual(await site.hub.conversation(conversationId), undefined);
    });
  });

  describe('finding a conversation again', () => {
    it('answers with a fresh token and a fresh stream from the watermark on', async () => {
      const grant = await site.start();
      site.clock.advance(MINUTE_MS);
      const { status, body } = await site.call('GET', `/conversations/${grant.conversationId}?watermark=3`, {
        token: grant.token,
      });
      assert.equal(status, 200);
      const again = body as Grant;
      assert.equal(again.conversationId, grant.conversationId);
      assert.notEqual(again.token, grant.token);
      assert.match(again.streamUrl ?? '', /watermark=3&t=/);
    });
  });

  describe('what was said', () => {
    it('holds both sides in order under ids of the conversation, up to a watermark that leads on', async () => {
      const grant = await site.start();
      const id = await say(grant, { text: 'one', from: { id: 'dl_kim', name: 'Kim' } });
      const set = await activitiesOf(grant);
      assert.deepEqual(
        set.activities.map(({ text, from }) => [text, from?.role, from?.name]),
        [
          ['one', 'user', 'Kim'],
          ['Echo: one', 'bot', 'Demo Bot'],
        ],
      );
      assert.equal(set.activities[0]?.id, id);
      assert.match(id, new RegExp(`^${grant.conversationId}\\|\\d{7}$`));
      assert.equal(typeof set.watermark, 'string');
      assert.deepEqual((await activitiesOf(grant, set.watermark)).activities, []);
      await say(grant, { text: 'two' });
      const next = await activitiesOf(grant, set.watermark);
      assert.deepEqual(textsOf(next), ['two', 'Echo: two']);
    });

    it('reads from the start with an empty, strange or foreign watermark', async () => {
      const grant = await site.start();
      await say(grant, { text: 'one' });
      for (const watermark of ['', '-', 'null', 'abc', '999999', '-5', '1e3', '00000000000000000000000001'])
        assert.deepEqual(textsOf(await activitiesOf(grant, watermark)), ['one', 'Echo: one'], `watermark ${watermark}`);
    });

    it('never runs backwards in time, and tells customers neither addresses nor members', async () => {
      const grant = await site.start();
      for (const text of ['one', 'two', 'three']) {
        await say(grant, { text });
        site.clock.advance(-1000);
      }
      const { activities } = await activitiesOf(grant);
      const times = activities.map(({ timestamp }) => Date.parse(timestamp ?? ''));
      assert.deepEqual(times, [...times].sort());
      for (const activity of activities) {
        assert.equal(activity.serviceUrl, undefined);
        assert.notEqual(activity.type, 'conversationUpdate');
      }
    });

    it('reads a long conversation part by part without loss or repeat', async () => {
      const grant = await site.start();
      const long = 'x'.repeat(100_000);
      for (let number = 0; number < 30; number += 1) await say(grant, { text: `${number} ${long}` });
      const numbers: string[] = [];
      let parts = 0;
      for (let watermark = ''; ; parts += 1) {
        const set = await activitiesOf(grant, watermark);
        if (set.activities.length === 0) break;
        numbers.push(
          ...set.activities
            .filter(({ from }) => from?.role === 'user')
            .map(({ text = '' }) => text.split(' ')[0] as string),
        );
        watermark = set.watermark as string;
      }
      assert.ok(parts > 1, 'one answer held it all');
      assert.deepEqual(numbers, [...Array(30).keys()].map(String));
    });
  });

  describe('saying something', () => {
    it('keeps content as it is and replaces what only the server can know', async () => {
      const grant = await site.start();
      const content = {
        text: 'hello',
        textFormat: 'plain',
        locale: 'en-US',
        localTimestamp: '2026-11-22T13:50:55.920Z',
        localTimezone: 'UTC',
        channelData: { attachmentSizes: [], clientActivityID: 'g9lwmsw54em' },
        entities: [{ type: 'ClientCapabilities', requiresBotState: true }],
        value: { deep: [1, { a: null }] },
        anything: 'else',
      };
      const forged = {
        id: 'mine',
        timestamp: '1999-01-01T00:00:00Z',
        channelId: 'webchat',
        serviceUrl: 'https://evil.example/',
        conversation: { id: 'another' },
        recipient: { id: 'somebody' },
        replyToId: 'unknown|0000001',
        callerId: 'urn:botframework:aadappid:forged',
      };
      const id = await say(grant, {
        ...content,
        ...forged,
        from: { id: 'dl_kim', name: 'Kim', aadObjectId: 'forged' },
      });
      const [read] = (await activitiesOf(grant)).activities as [Activity];
      assert.deepEqual(read, {
        type: 'message',
        ...content,
        id,
        channelId: 'directline',
        timestamp: new Date(site.clock.now()).toISOString(),
        conversation: { id: grant.conversationId },
        from: { id: 'dl_kim', name: 'Kim', role: 'user' },
      });
      const heard = site.bot.heard.find(({ type }) => type === 'message') as Activity;
      assert.equal(heard.id, id);
      assert.equal(heard.channelId, 'directline');
      assert.equal(heard.conversation?.id, grant.conversationId);
      assert.equal(heard.recipient?.id, 'demo');
      assert.deepEqual(heard.from, { id: 'dl_kim', name: 'Kim', role: 'user' });
      assert.notEqual(heard.serviceUrl, forged.serviceUrl);
      assert.equal(heard.replyToId, undefined);
      for (const [field, value] of Object.entries(content)) assert.deepEqual(heard[field], value, field);
    });

    it('answers when it is kept, not when the bot has answered', async () => {
      let answer: (() => void) | undefined;
      site.bot.script = (activity) =>
        activity.type === 'message' ? new Promise((resolve) => (answer = () => resolve(['late']))) : [];
      const grant = await site.start();
      const { status } = await site.call('POST', `/conversations/${grant.conversationId}/activities`, {
        token: grant.token,
        body: { type: 'message', text: 'hello' },
      });
      assert.equal(status, 200);
      assert.deepEqual(textsOf(await activitiesOf(grant)), ['hello']);
      while (answer === undefined) await new Promise(setImmediate);
      answer();
      await site.hub.settled();
      assert.deepEqual(textsOf(await activitiesOf(grant)), ['hello', 'late']);
    });

    it('keeps a message sent twice once, per customer', async () => {
      const { body } = await site.call('POST', '/conversations', { token: SECRET });
      const grant = body as Grant;
      const message = { text: 'pay', from: { id: 'kim' }, channelData: { clientActivityID: 'same' } };
      const first = await say(grant, message);
      assert.equal(await say(grant, message), first);
      assert.notEqual(await say(grant, { ...message, from: { id: 'lee' } }), first);
      assert.deepEqual(textsOf(await activitiesOf(grant)), ['pay', 'Echo: pay', 'pay', 'Echo: pay']);
    });

    it('says the same id to a retry that arrives after the conversation closed', async () => {
      const grant = await site.start();
      const message = { text: 'last words', channelData: { clientActivityID: 'last' } };
      const id = await say(grant, message);
      await say(grant, { type: 'endOfConversation' });
      assert.equal((await site.hub.conversation(grant.conversationId))?.phase, 'closed');
      assert.equal(await say(grant, message), id);
    });

    it('shows typing to nobody who reads, and keeps none', async () => {
      const grant = await site.start();
      const before = (await site.hub.conversation(grant.conversationId))?.version;
      await say(grant, { type: 'typing' });
      assert.equal((await site.hub.conversation(grant.conversationId))?.version, before);
      assert.deepEqual((await activitiesOf(grant)).activities, []);
    });

    it('refuses a message in a closed conversation with what to do; reading goes on', async () => {
      const grant = await site.start();
      await say(grant, { text: 'hello' });
      await say(grant, { type: 'endOfConversation' });
      const { status, body } = await site.call('POST', `/conversations/${grant.conversationId}/activities`, {
        token: grant.token,
        body: { type: 'message', text: 'still there?' },
      });
      assert.equal(status, 400);
      assert.equal((body as { error: { code: string } }).error.code, 'conversationClosed');
      assert.ok(textsOf(await activitiesOf(grant)).includes('hello'));
    });
  });

  describe('who the customer is', () => {
    it('is who the token says, whatever the page claims', async () => {
      const grant = await site.start('dl_kim');
      await say(grant, { text: 'hello', from: { id: 'dl_lee', name: 'Lee', role: 'bot' } });
      const [read] = (await activitiesOf(grant)).activities;
      assert.deepEqual(read?.from, { id: 'dl_kim', name: 'Lee', role: 'user' });
    });

    it('is who the page says where the token does not say', async () => {
      const { body } = await site.call('POST', '/tokens/generate', { token: SECRET });
      const grant = body as Grant;
      await site.call('POST', '/conversations', { token: grant.token });
      await say(grant, { text: 'hello', from: { id: 'kim', name: 'Kim' } });
      const [read] = (await activitiesOf(grant)).activities;
      assert.deepEqual(read?.from, { id: 'kim', name: 'Kim', role: 'user' });
    });

    it('is never a person who serves, a bot or somebody only a token can vouch for', async () => {
      const { body } = await site.call('POST', '/tokens/generate', { token: SECRET });
      const grant = body as Grant;
      await site.call('POST', '/conversations', { token: grant.token });
      for (const id of ['ana', 'demo', 'system', 'dl_kim']) {
        await say(grant, { text: `I am ${id}`, from: { id, role: 'bot' } });
        const read = (await activitiesOf(grant)).activities.find(({ text }) => text === `I am ${id}`);
        assert.equal(read?.from?.role, 'user');
        assert.match(read?.from?.id ?? '', /^r_/);
      }
    });

    it('stays one person when the page never says', async () => {
      const { body } = await site.call('POST', '/tokens/generate', { token: SECRET });
      const grant = body as Grant;
      await site.call('POST', '/conversations', { token: grant.token });
      await say(grant, { text: 'one' });
      await say(grant, { text: 'two' });
      const ids = (await activitiesOf(grant)).activities
        .filter(({ from }) => from?.role === 'user')
        .map(({ from }) => from?.id);
      assert.equal(new Set(ids).size, 1);
      assert.match(ids[0] ?? '', /^r_/);
    });
  });

  it('lets a customer who was counted as gone back in with the next message', async () => {
    site.bot.script = (activity) => (activity.text === 'human' ? [handoff({ BotHandoffTopic: 'CreditCard' })] : []);
    const grant = await site.start();
    await say(grant, { text: 'human' });
    await site.hub.handle(grant.conversationId, { type: 'disconnect', party: 'customer' });
    assert.equal((await site.state(grant.conversationId)).customerGone, true);
    await say(grant, { text: 'I am here' });
    assert.equal((await site.state(grant.conversationId)).customerGone, false);
  });

  it('gives a page on the list of trusted origins a session', async () => {
    const origin = 'https://shop.example';
    const { body } = await site.call('POST', '/tokens/generate', { token: SECRET, body: { trustedOrigins: [origin] } });
    const {
      status,
      body: session,
      headers,
    } = await site.call('GET', '/session/getsessionid', {
      token: (body as Grant).token,
      headers: { origin },
    });
    assert.equal(status, 200);
    assert.equal(typeof (session as { sessionId: string }).sessionId, 'string');
    assert.match(headers['set-cookie']?.[0] ?? '', /HttpOnly/);
    assert.equal(headers['access-control-allow-origin'], origin);
    assert.equal(headers['access-control-allow-credentials'], 'true');
  });

  it('bridges a whole escalation: the customer reads both bot and person', async () => {
    await site.close();
    site = await openSite({
      bot: new FunctionBot((activity) =>
        activity.text === 'human' ? ['I will get somebody', handoff({ BotHandoffTopic: 'CreditCard' })] : [],
      ),
    });
    const grant = await site.start();
    await site.hub.people.setPresence('ana', 'available');
    await say(grant, { text: 'human' });
    await site.hub.handle(grant.conversationId, { type: 'accept', agent: 'ana' });
    const by = { role: 'agent', id: 'ana' } as const;
    await site.hub.handle(grant.conversationId, { type: 'say', by, activity: { type: 'message', text: 'Ana here' } });
    const { activities } = await activitiesOf(grant);
    const ana = activities.find(({ text }) => text === 'Ana here');
    assert.deepEqual(ana?.from, { id: 'ana', name: 'Ana', role: 'bot' });
    assert.equal(ana?.replyToId, undefined);
  });
});

function textsOf({ activities }: ActivitySet): (string | undefined)[] {
  return activities.filter(({ type }) => type === 'message').map(({ text }) => text);
}

function idsOf(members: unknown): string[] {
  return ((members as { id: string }[] | undefined) ?? []).map(({ id }) => id);
}
