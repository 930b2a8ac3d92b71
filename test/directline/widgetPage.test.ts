// What the widget page asks: a token of its own that a reload and a second tab share, and how to show itself.

import assert from 'node:assert/strict';
import { request, type Answer } from '../fakes/request.js';
import { openSite, type Site } from './site.js';

const SHOP = 'https://shop.example';
const EVIL = 'https://evil.example';
const HOUR_MS = 3_600_000;

interface WidgetGrant {
  token: string;
  conversationId: string;
  expires_in: number;
  domain: string;
}

describe('the widget page', () => {
  let site: Site;
  beforeEach(async () => {
    site = await openSite();
  });
  afterEach(() => site.close());

  const ask = (headers: Record<string, string> = {}) => request('POST', `${site.url}/api/widget/token`, { headers });
  const cookieOf = (answer: Answer) => (answer.headers['set-cookie']?.[0] ?? '').split(';')[0] as string;
  const granted = (answer: Answer) => {
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body as WidgetGrant;
  };
  const begin = async (token: string) => {
    const { status } = await site.call('POST', '/conversations', { token });
    await site.hub.settled();
    return status;
  };

  it('gets a token, a conversation that is not started, and where to go', async () => {
    const answer = await ask();
    const grant = granted(answer);
    assert.equal(grant.expires_in, 1800);
    assert.equal(grant.domain, `${site.url}/v3/directline`);
    assert.equal(await site.hub.conversation(grant.conversationId), undefined);
    assert.match(answer.headers['set-cookie']?.[0] ?? '', /HttpOnly; SameSite=Lax$/);
    assert.equal(await begin(grant.token), 201);
    assert.match((await site.state(grant.conversationId)).customer.id ?? '', /^dl_/);
  });

  it('finds the same open conversation after a reload and in a second tab, for a day', async () => {
    const first = await ask();
    const { conversationId, token } = granted(first);
    await begin(token);
    const cookie = cookieOf(first);
    site.clock.advance(23 * HOUR_MS);
    const second = await ask({ cookie: `other=1; ${cookie}` });
    assert.equal(granted(second).conversationId, conversationId);
    assert.equal(await begin(granted(second).token), 200);
    site.clock.advance(23 * HOUR_MS);
    assert.equal(granted(await ask({ cookie })).conversationId, conversationId);
    site.clock.advance(25 * HOUR_MS);
    assert.notEqual(granted(await ask({ cookie })).conversationId, conversationId);
  });

  it('is another visitor without the cookie or with a made-up one', async () => {
    const { conversationId } = granted(await ask());
    for (const cookie of [
      '',
      'handoff_visitor=',
      'handoff_visitor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
      'handoff_visitor',
    ])
      assert.notEqual(granted(await ask({ cookie })).conversationId, conversationId);
  });

  it('begins a new conversation after the old one closed, and the new one knows the old', async () => {
    const first = await ask();
    const old = granted(first);
    await begin(old.token);
    await site.call('POST', `/conversations/${old.conversationId}/activities`, {
      token: old.token,
      body: { type: 'endOfConversation' },
    });
    const next = granted(await ask({ cookie: cookieOf(first) }));
    assert.notEqual(next.conversationId, old.conversationId);
    assert.equal(await begin(next.token), 201);
    const state = await site.state(next.conversationId);
    assert.equal(state.previous, old.conversationId);
    assert.equal(state.customer.id, (await site.state(old.conversationId)).customer.id);
  });

  it('survives a restart of the server', async () => {
    const first = await ask();
    await begin(granted(first).token);
    const { conversationId } = granted(first);
    await site.directLine.close();
    await site.http.close(100);
    const hub = await site.restart();
    site = await openSite({ hub });
    assert.equal(granted(await ask({ cookie: cookieOf(first) })).conversationId, conversationId);
    const { status } = await site.call('GET', `/conversations/${conversationId}`, { token: granted(first).token });
    assert.equal(status, 200, 'the token from before is still good');
  });

  it('is refused to pages of strangers, who cannot read the refusal either', async () => {
    for (const [method, path] of [
      ['POST', 'token'],
      ['GET', 'config'],
    ] as const) {
      const answer = await request(method, `${site.url}/api/widget/${path}`, { headers: { origin: EVIL } });
      assert.equal(answer.status, 403);
      assert.equal(answer.headers['access-control-allow-origin'], undefined);
      assert.equal(answer.headers['set-cookie'], undefined);
    }
  });

  it('is given to our own page under every name it was opened by', async () => {
    const { port } = new URL(site.url);
    const pages: Record<string, string>[] = [
      { origin: site.url },
      { origin: `http://chat.local:${port}`, host: `chat.local:${port}` },
      { origin: `http://localhost:${port}`, 'sec-fetch-site': 'same-origin' },
    ];
    for (const headers of pages) granted(await ask(headers));
  });

  it('is given to the pages of the list; over https its cookie travels to them', async () => {
    await site.close();
    site = await openSite({ trustedOrigins: [SHOP], publicUrl: () => 'https://chat.example' });
    const answer = await ask({ origin: SHOP });
    assert.equal(granted(answer).domain, 'https://chat.example/v3/directline');
    assert.equal(answer.headers['access-control-allow-origin'], SHOP);
    assert.equal(answer.headers['access-control-allow-credentials'], 'true');
    assert.match(answer.headers['set-cookie']?.[0] ?? '', /SameSite=None; Secure$/);
  });

  it('learns its title and who answers', async () => {
    const { status, body, headers } = await request('GET', `${site.url}/api/widget/config`);
    assert.equal(status, 200);
    assert.deepEqual(body, { title: 'Help', botName: 'Demo Bot' });
    assert.equal(headers['cache-control'], 'no-store');
  });
});
