// Signing in: links that work once, sessions that end, tokens of other kinds, and calls that pages of other sites may have made.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { mintPersonToken, serveConsole } from '../../src/console/console.js';
import { HttpServer } from '../../src/http.js';
import { CONVERSATION_AUDIENCE, Tokens } from '../../src/hub/tokens.js';
import { SILENT } from '../fakes/hub.js';
import { request, type Answer } from '../fakes/request.js';
import { errorIn, openOffice, shownIn, type Office } from './office.js';

const MINUTE_MS = 60_000;
const FROM_PAGE = { 'x-requested-with': 'handoff' };

describe('signing in', () => {
  let office: Office;
  beforeEach(async () => {
    office = await openOffice({ page: () => ({ status: 200, body: 'the console page' }) });
  });
  afterEach(() => office.close());

  function cookieOf(answer: Answer): string {
    return answer.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  }

  async function openLink(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return request('GET', `${office.url}${path}`, { headers });
  }

  async function signIn(person = 'ana'): Promise<string> {
    const answer = await openLink(await office.console.createTicket(person));
    assert.equal(answer.status, 302);
    return cookieOf(answer);
  }

  function call(cookie: string, method: string, path: string, headers: Record<string, string> = {}, body?: unknown) {
    return request(method, `${office.url}/api/v1${path}`, { headers: { cookie, ...headers }, body });
  }

  function refusal(answer: Answer): [number, string] {
    return [answer.status, errorIn(answer).code];
  }

  it('makes who serves available, unless they said where they are, and nobody else', async () => {
    const presence = async (cookie: string) => shownIn(await call(cookie, 'GET', '/me'))['presence'];
    assert.equal(await presence(await signIn('ana')), 'available');
    await office.hub.people.setPresence('ben', 'doNotDisturb');
    assert.equal(await presence(await signIn('ben')), 'doNotDisturb');
    assert.equal(await presence(await signIn('sam')), 'offline');
  });

  it('opens a session with a link, and the link opens no second one', async () => {
    const path = await office.console.createTicket('ana');
    assert.match(path, /^\/console\/\?ticket=[\w-]{43}$/);
    const first = await openLink(path);
    assert.deepEqual([first.status, first.headers['location']], [302, '/console/']);
    const cookie = first.headers['set-cookie']?.[0] ?? '';
    assert.match(cookie, /^handoff_session=[\w-]{43}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Lax$/);
    assert.equal(shownIn(await call(cookieOf(first), 'GET', '/me')).id, 'ana');
    assert.deepEqual((await openLink('/console/', { cookie })).body, 'the console page');
    const second = await openLink(path);
    assert.equal(second.status, 401);
    assert.match(String(second.body), /works once/);
    assert.equal(second.headers['set-cookie'], undefined);
  });

  it('refuses a link after ten minutes, an invented one, and one of somebody who left', async () => {
    const late = await office.console.createTicket('ana');
    office.clock.advance(10 * MINUTE_MS);
    assert.equal((await openLink(late)).status, 401);
    assert.equal((await openLink('/console/?ticket=invented')).status, 401);
    assert.equal((await openLink('/console/?ticket=')).status, 401);
    const bens = await office.console.createTicket('ben');
    const { ben: _left, ...people } = office.hub.directory.people;
    await office.hub.useDirectory({ ...office.hub.directory, version: 2, people });
    assert.equal((await openLink(bens)).status, 401);
    await assert.rejects(office.console.createTicket('ben'), { code: 'notFound' });
  });

  it('lets nobody guess links for long, and hinders nobody else', async () => {
    const statuses: number[] = [];
    for (let attempt = 0; attempt < 12; attempt += 1)
      statuses.push((await openLink(`/console/?ticket=guess${attempt}`)).status);
    assert.deepEqual(statuses, [...Array<number>(10).fill(401), 429, 429]);
    const ana = await office.as('ana');
    assert.equal((await ana.get('/me')).status, 200);
    assert.match(await signIn(), /^handoff_session=/, 'whose link is right is not refused because others guess');
    office.clock.advance(6_000);
    assert.equal((await openLink('/console/?ticket=guess12')).status, 401);
  });

  it('keeps nothing in the store that opens a session', async () => {
    const path = await office.console.createTicket('ana');
    const ticket = path.split('=')[1] ?? '';
    const now = office.clock.now();
    assert.equal(await office.store.getGrant('ticket', ticket, now), undefined);
    const cookie = cookieOf(await openLink(path));
    assert.equal(await office.store.getGrant('session', cookie.split('=')[1] ?? '', now), undefined);
  });

  it('ends a session twelve hours after its last use', async () => {
    const cookie = await signIn();
    for (let hours = 0; hours < 24; hours += 6) {
      office.clock.advance(6 * 60 * MINUTE_MS);
      const answer = await call(cookie, 'GET', '/me');
      assert.equal(answer.status, 200, `after ${hours + 6} hours`);
      assert.equal(cookieOf(answer), cookie, 'the browser keeps it longer, too');
    }
    office.clock.advance(12 * 60 * MINUTE_MS);
    const ended = await call(cookie, 'GET', '/me');
    assert.deepEqual(refusal(ended), [401, 'signedOut']);
    assert.match(errorIn(ended).message, /sign in again/);
  });

  it('signs out, for good and as often as one likes', async () => {
    const cookie = await signIn();
    const out = await call(cookie, 'POST', '/sign-out', FROM_PAGE);
    assert.equal(out.status, 200);
    assert.match(out.headers['set-cookie']?.[0] ?? '', /^handoff_session=; .*Max-Age=0/);
    assert.deepEqual(refusal(await call(cookie, 'GET', '/me')), [401, 'signedOut']);
    assert.equal((await call(cookie, 'POST', '/sign-out', FROM_PAGE)).status, 200);
    assert.equal((await request('POST', `${office.url}/api/v1/sign-out`)).status, 200);
  });

  it('signs out for good also where another node was just prolonging the session', async () => {
    const server = new HttpServer({ log: SILENT });
    const other = serveConsole(server, office.hub, { tokens: office.tokens, publicUrl: () => office.url });
    const otherUrl = await server.listen(0, '127.0.0.1');
    try {
      const cookie = await signIn();
      office.clock.advance(11 * MINUTE_MS);
      const { store } = office;
      const putGrant = store.putGrant.bind(store);
      let write = (): void => {};
      const isProlonging = new Promise<void>((reached) => {
        store.putGrant = async (grant) => {
          store.putGrant = putGrant;
          reached();
          await new Promise<void>((resolve) => (write = resolve));
          return putGrant(grant);
        };
      });
      const underWay = request('GET', `${otherUrl}/api/v1/me`, { headers: { cookie } });
      await isProlonging;
      assert.equal((await call(cookie, 'POST', '/sign-out', FROM_PAGE)).status, 200);
      write();
      assert.equal((await underWay).headers['set-cookie'], undefined);
      assert.deepEqual(refusal(await call(cookie, 'GET', '/me')), [401, 'signedOut']);
    } finally {
      await other.close();
      await server.close();
    }
  });

  it('ends the old session when somebody else signs in with the same browser', async () => {
    const anas = await signIn('ana');
    const bens = cookieOf(await openLink(await office.console.createTicket('ben'), { cookie: anas }));
    assert.equal(shownIn(await call(bens, 'GET', '/me')).id, 'ben');
    assert.equal((await call(anas, 'GET', '/me')).status, 401);
  });

  it('makes a link for who has a bearer token', async () => {
    const ana = await office.as('ana');
    const { path } = (await ana.call('POST', '/me/sign-in-link')).body as { path: string };
    assert.equal(shownIn(await call(cookieOf(await openLink(path)), 'GET', '/me')).id, 'ana');
  });

  it('refuses changes that a page of another site may have asked for, and takes them from its own', async () => {
    const cookie = await signIn();
    const presence = { presence: 'busy' };
    const foreign: Record<string, string>[] = [{}, { origin: 'https://evil.example' }, { origin: 'null' }];
    for (const headers of foreign)
      assert.deepEqual(refusal(await call(cookie, 'PUT', '/me/presence', headers, presence)), [403, 'forgedCall']);
    assert.deepEqual(refusal(await call(cookie, 'POST', '/sign-out', { origin: 'https://evil.example' })), [
      403,
      'forgedCall',
    ]);
    assert.equal(shownIn(await call(cookie, 'GET', '/me'))['presence'], 'available');
    for (const headers of [FROM_PAGE, { origin: office.url }])
      assert.equal((await call(cookie, 'PUT', '/me/presence', headers, presence)).status, 200);
  });

  it('asks who it is before anything else', async () => {
    const id = await office.customerAsks('CreditCard');
    for (const [method, path] of [
      ['GET', '/me'],
      ['GET', '/conversations'],
      ['GET', `/conversations/${id}`],
      ['GET', '/conversations/nope'],
      ['GET', `/conversations/${id}/log`],
      ['POST', `/conversations/${id}/pick`],
      ['POST', `/conversations/${id}/messages`],
      ['POST', `/conversations/${id}/token`],
      ['POST', '/ticket'],
      ['PUT', '/me/presence'],
      ['GET', '/overdue'],
    ] as const) {
      const answer = await request(method, `${office.url}/api/v1${path}`);
      assert.deepEqual(refusal(answer), [401, 'signedOut'], `${method} ${path}`);
      assert.equal(answer.headers['cache-control'], 'no-store');
    }
  });

  it('takes bearer tokens of people only: no other kind, none that is forged, none that expired', async () => {
    const me = (token: string) => request('GET', `${office.url}/api/v1/me`, { token });
    const { tokens, clock, store } = office;
    const good = await mintPersonToken(tokens, 'ana');
    assert.equal((await me(good)).status, 200);
    const id = await office.startConversation();
    const customer = await tokens.mintConversation({ conv: id, user: 'ana' });
    const pane = await tokens.mintConversation({ conv: id, view: 'staff', agent: 'ana' });
    const posing = await tokens.mint(CONVERSATION_AUDIENCE, { person: 'ana' }, MINUTE_MS);
    const [head, body, signature] = good.split('.') as [string, string, string];
    const claims = { ...(JSON.parse(Buffer.from(body, 'base64url').toString()) as object), person: 'sam' };
    const altered = [head, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
    const unsigned = [Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url'), body, ''].join('.');
    const otherKey = await Tokens.open(
      { secret: () => Promise.resolve('another key, as long as one should be') },
      clock,
    );
    const foreign = await mintPersonToken(otherKey, 'ana');
    const unknown = await mintPersonToken(tokens, 'nobody');
    for (const token of [customer, pane, posing, altered, unsigned, foreign, unknown, 'x', ''])
      assert.deepEqual(refusal(await me(token)), [401, 'signedOut'], token);
    assert.notEqual(await store.secret('tokenKey', () => ''), '');
    const short = await mintPersonToken(tokens, 'ana', MINUTE_MS);
    assert.equal((await me(short)).status, 200);
    clock.advance(MINUTE_MS);
    assert.equal((await me(short)).status, 401);
  });

  it('gives a person a chat pane’s token that is no staff token', async () => {
    const ana = await office.as('ana');
    const id = await office.customerAsks('CreditCard');
    const pane = shownIn(await ana.asks(id, 'token'));
    assert.deepEqual(
      [pane['conversationId'], pane['domain'], pane['expires_in']],
      [id, `${office.url}/v3/directline`, 1_800],
    );
    const claims = await office.tokens.verifyConversation(String(pane['token']));
    assert.deepEqual([claims.conv, claims.view, claims.view === 'staff' && claims.agent], [id, 'staff', 'ana']);
    await assert.rejects(office.tokens.verifyConversation(ana.token), { code: 'TokenRefused' });
  });

  describe('on the events socket', () => {
    const sockets: WebSocket[] = [];
    afterEach(() => sockets.splice(0).forEach((socket) => socket.terminate()));

    /** The status of the refusal, or 101. */
    async function open(query: string, headers: Record<string, string> = {}): Promise<number> {
      const socket = new WebSocket(`${office.url.replace('http', 'ws')}/api/v1/events${query}`, { headers });
      sockets.push(socket);
      socket.on('error', () => undefined);
      return Promise.race([
        once(socket, 'open').then(() => 101),
        once(socket, 'unexpected-response').then(([, response]) => (response as { statusCode: number }).statusCode),
      ]);
    }

    async function ticket(): Promise<string> {
      const { body } = await (await office.as('ana')).call('POST', '/ticket');
      assert.equal((body as { expires_in: number }).expires_in, 30);
      return `?ticket=${(body as { ticket: string }).ticket}`;
    }

    it('takes the session of a page of its own', async () => {
      const cookie = await signIn();
      assert.equal(await open('', { cookie, origin: office.url }), 101);
      assert.equal(await open('', { cookie, origin: 'https://evil.example' }), 403);
      assert.equal(await open('', { cookie: 'handoff_session=invented', origin: office.url }), 401);
      assert.equal(await open(''), 401);
    });

    it('takes a ticket once, within thirty seconds, and not from another site', async () => {
      const first = await ticket();
      assert.equal(await open(first), 101);
      assert.equal(await open(first), 401);
      const late = await ticket();
      office.clock.advance(30_000);
      assert.equal(await open(late), 401);
      assert.equal(await open(await ticket(), { origin: 'https://evil.example' }), 403);
      assert.equal(await open('?ticket=invented'), 401);
      assert.equal(await open(`?ticket=${await office.console.createTicket('ana')}`), 401, 'a sign-in ticket is none');
    });

    it('says to a page at another address, which reads nothing of a refused socket, where to go', async () => {
      const cookie = await signIn();
      const from = (origin: string) => call(cookie, 'POST', '/ticket', { ...FROM_PAGE, origin });
      assert.equal((await from(office.url)).status, 200);
      const elsewhere = await from('http://192.0.2.7:3978');
      assert.deepEqual(refusal(elsewhere), [403, 'otherAddress']);
      assert.ok(errorIn(elsewhere).message.includes(`${office.url}/console/`));
    });

    it('closes when its session is signed out', async () => {
      const cookie = await signIn();
      assert.equal(await open('', { cookie, origin: office.url }), 101);
      const [socket] = sockets;
      const closed = once(socket as WebSocket, 'close');
      await call(cookie, 'POST', '/sign-out', FROM_PAGE);
      assert.equal((await closed)[0], 4401);
    });

    it('closes when its person leaves the directory', async () => {
      assert.equal(await open(await ticket()), 101);
      const closed = once(sockets[0] as WebSocket, 'close');
      const { ana: _left, ...people } = office.hub.directory.people;
      await office.hub.useDirectory({ ...office.hub.directory, version: 2, people });
      assert.equal((await closed)[0], 4401);
    });
  });
});

describe('signing in behind TLS', () => {
  it('sends the session over encrypted connections only, and takes the public origin for its own', async () => {
    const office = await openOffice({ publicUrl: () => 'https://desk.example' });
    try {
      const answer = await request('GET', `${office.url}${await office.console.createTicket('ana')}`);
      const cookie = answer.headers['set-cookie']?.[0] ?? '';
      assert.match(
        cookie,
        /^__Host-handoff_session=[\w-]{43}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Lax; Secure$/,
      );
      const put = (origin: string) =>
        request('PUT', `${office.url}/api/v1/me/presence`, {
          headers: { cookie: cookie.split(';')[0] ?? '', origin },
          body: { presence: 'busy' },
        });
      assert.equal((await put('https://desk.example')).status, 200);
      for (const origin of ['http://desk.example', office.url, 'https://desk.example.evil.example'])
        assert.equal((await put(origin)).status, 403, origin);
    } finally {
      await office.close();
    }
  });

  it('keeps a session of its own where another site frames the console', async () => {
    const office = await openOffice({ publicUrl: () => 'https://desk.example', isFramed: true });
    try {
      const answer = await request('GET', `${office.url}${await office.console.createTicket('ana')}`);
      const cookie = answer.headers['set-cookie']?.[0] ?? '';
      assert.match(cookie, /^__Host-handoff_session=.*; HttpOnly; SameSite=None; Partitioned; Secure$/);
      const put = (headers: Record<string, string>) =>
        request('PUT', `${office.url}/api/v1/me/presence`, {
          headers: { cookie: cookie.split(';')[0] ?? '', ...headers },
          body: { presence: 'busy' },
        });
      assert.equal((await put({ origin: 'https://desk.example' })).status, 200);
      // Who frames it may show it, not call it.
      for (const origin of ['https://teams.microsoft.com', 'null'])
        assert.equal((await put({ origin })).status, 403, origin);
      assert.equal((await put({})).status, 403);
    } finally {
      await office.close();
    }
  });
});
