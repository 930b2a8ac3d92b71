// What Direct Line refuses, how it says so, and what a browser needs to hear it.

import assert from 'node:assert/strict';
import net from 'node:net';
import fc from 'fast-check';
import { WebSocket } from 'ws';
import { HttpServer } from '../../src/http.js';
import { serveDirectLine } from '../../src/directline/server.js';
import { Hub } from '../../src/hub/hub.js';
import { SILENT } from '../fakes/hub.js';
import { request, type Answer } from '../fakes/request.js';
import type { Grant } from '../fakes/widget.js';
import { openSite, SECRET, type Site } from './site.js';

const SHOP = 'https://shop.example';
/** As a proxy tells it; this machine's own address is exempt. */
const STRANGER = { 'x-forwarded-for': '203.0.113.9' };
const EVIL = 'https://evil.example';

describe('what Direct Line refuses', () => {
  let site: Site;
  beforeEach(async () => {
    site = await openSite();
  });
  afterEach(() => site.close());

  const generate = async (body: unknown = {}) =>
    (await site.call('POST', '/tokens/generate', { token: SECRET, body })).body as Grant;

  function refuses(answer: Answer, status: number, code: string, message?: RegExp): void {
    const { error } = (answer.body ?? {}) as { error?: { code?: string; message?: string } };
    assert.deepEqual([answer.status, error?.code], [status, code], JSON.stringify(answer.body));
    assert.match(error?.message ?? '', message ?? /.{10,}/);
  }

  describe('credentials', () => {
    it('says 401 when there are none', async () => {
      for (const [method, path] of [
        ['POST', '/tokens/generate'],
        ['POST', '/tokens/refresh'],
        ['POST', '/conversations'],
        ['GET', '/conversations/x'],
        ['GET', '/conversations/x/activities'],
        ['POST', '/conversations/x/activities'],
        ['POST', '/conversations/x/upload'],
        ['GET', '/session/getsessionid'],
      ] as const)
        refuses(await site.call(method, path), 401, 'BadArgument', /Missing token or secret/);
    });

    it('says 403 when they are wrong', async () => {
      for (const token of ['wrong', `${SECRET}x`, 'a.b.c', (await site.start()).token.slice(0, -2)])
        refuses(await site.call('POST', '/conversations', { token }), 403, 'BadArgument', /Invalid token or secret/);
    });

    it('says TokenExpired when a token is too old, so that clients ask for a new one', async () => {
      const { token, conversationId } = await site.start();
      site.clock.advance(30 * 60_000);
      for (const [method, path] of [
        ['POST', '/tokens/refresh'],
        ['POST', '/conversations'],
        ['GET', `/conversations/${conversationId}`],
        ['GET', `/conversations/${conversationId}/activities`],
        ['POST', `/conversations/${conversationId}/activities`],
        ['POST', `/conversations/${conversationId}/upload`],
      ] as const)
        refuses(await site.call(method, path, { token }), 403, 'TokenExpired');
    });

    it('keeps the token of one conversation out of every other', async () => {
      const mine = await site.start('dl_kim');
      const theirs = await site.start('dl_lee');
      const before = (await site.state(theirs.conversationId)).version;
      const at = `/conversations/${theirs.conversationId}`;
      for (const [method, path] of [
        ['GET', at],
        ['GET', `${at}/activities`],
        ['POST', `${at}/activities`],
        ['POST', `${at}/upload`],
      ] as const)
        refuses(
          await site.call(method, path, {
            token: mine.token,
            body: method === 'POST' ? { type: 'message' } : undefined,
          }),
          403,
          'BadArgument',
          /Security token/,
        );
      assert.equal((await site.state(theirs.conversationId)).version, before);
    });

    it('takes no stream token for a call and no call’s token for a stream', async () => {
      const grant = await site.start();
      const streamToken = new URL(grant.streamUrl).searchParams.get('t') as string;
      refuses(await site.call('POST', '/conversations', { token: streamToken }), 403, 'BadArgument');
      const url = new URL(grant.streamUrl);
      url.searchParams.set('t', grant.token);
      assert.equal(await upgradeStatus(url.href), 403);
    });

    it('generates tokens for the secret only, and refreshes tokens only', async () => {
      const { token } = await site.start();
      refuses(await site.call('POST', '/tokens/generate', { token }), 403, 'BadArgument');
      refuses(await site.call('POST', '/tokens/refresh', { token: SECRET }), 403, 'BadArgument');
    });

    it('accepts two secrets while one is being replaced, and no empty one', async () => {
      await site.close();
      site = await openSite({ secrets: ['old', 'new', ''] });
      for (const token of ['old', 'new'])
        assert.equal((await site.call('POST', '/conversations', { token })).status, 201);
      refuses(await site.call('POST', '/conversations', { headers: { authorization: 'Bearer ' } }), 401, 'BadArgument');
    });
  });

  describe('conversations', () => {
    it('says 404 for one that never was', async () => {
      for (const id of ['unknown', 'x'.repeat(300), '%00', '%F0%9F%90%9F', 'a%20b'])
        for (const suffix of ['', '/activities'])
          refuses(
            await site.call('GET', `/conversations/${id}${suffix}`, { token: SECRET }),
            404,
            'BadArgument',
            /Unknown conversation/,
          );
      refuses(
        await site.call('POST', '/conversations/unknown/activities', { token: SECRET, body: { type: 'message' } }),
        404,
        'BadArgument',
      );
    });

    it('answers a path that is no valid encoding in JSON, too', async () => {
      const answer = await site.call('GET', '/conversations/%zz', { token: SECRET, headers: { origin: SHOP } });
      refuses(answer, 404, 'NotFound');
      assert.equal(answer.headers['access-control-allow-origin'], SHOP);
      const exotic = await site.call('PROPFIND', '/conversations', { token: SECRET });
      assert.ok(exotic.status === 404 || exotic.status === 405);
      assert.equal(typeof (exotic.body as { error: { code: string } }).error.code, 'string');
    });

    it('never says 404 while the hub is starting: clients would take the conversation for ended', async () => {
      const { conversationId, token } = await site.start();
      const hub = new Hub({ store: site.store, clock: site.clock, directory: site.hub.directory, log: SILENT });
      const http = new HttpServer({ log: SILENT });
      const directLine = serveDirectLine(http, hub, {
        secrets: [SECRET],
        tokens: site.tokens,
        publicUrl: () => 'http://localhost',
        workStream: 'web',
      });
      const url = (await http.listen(0, '127.0.0.1')).replace('localhost', '127.0.0.1');
      const answer = await request('GET', `${url}/v3/directline/conversations/${conversationId}`, { token });
      refuses(answer, 503, 'StoreUnavailable');
      await directLine.close();
      await http.close(100);
    });
  });

  describe('bodies', () => {
    it('says what is wrong with an activity that is none', async () => {
      const { conversationId, token } = await site.start();
      const post = (body: unknown) => site.call('POST', `/conversations/${conversationId}/activities`, { token, body });
      for (const body of ['', '[]', 'null', '7', '"text"', '{}', '{"type":7}', '{"type":""}', '{"type":"two words"}'])
        refuses(await post(body), 400, 'MissingProperty');
      for (const body of ['{', '{"type":"message",}', 'hello', '{"type":"message"'])
        refuses(await post(body), 400, 'BadSyntax', /not valid JSON/);
      for (const body of [
        { type: 'message', text: 7 },
        { type: 'message', attachments: {} },
        { type: 'message', attachments: ['x'] },
        { type: 'message', attachments: [{ contentType: 7 }] },
        { type: 'message', entities: 'x' },
        { type: 'message', from: 'kim' },
        { type: 'event', name: {} },
      ])
        refuses(await post(body), 400, 'BadArgument');
      refuses(await post('['.repeat(100_000)), 400, 'BadSyntax', /nested/);
      refuses(
        await post(`{"type":"message","value":${'['.repeat(300)}${']'.repeat(300)}}`),
        400,
        'BadSyntax',
        /nested/,
      );
    });

    it('says what is wrong with a user or a locale that is none', async () => {
      for (const body of [
        { user: { id: 7 } },
        { user: { id: 'x'.repeat(300) } },
        { user: { id: 'new\nline' } },
        { trustedOrigins: 'https://shop.example' },
        { trustedOrigins: [7] },
        { locale: { en: true } },
        ['user'],
      ])
        refuses(await site.call('POST', '/conversations', { token: SECRET, body }), 400, 'BadArgument');
    });

    it('says 413 over 256 KiB, to whoever says the size and to whoever does not, and keeps the connection', async () => {
      const { conversationId, token } = await site.start();
      const path = `/v3/directline/conversations/${conversationId}/activities`;
      const version = (await site.state(conversationId)).version;
      for (const size of [300_000, 5_000_000]) {
        const body = JSON.stringify({ type: 'message', text: 'x'.repeat(size) });
        refuses(await site.call('POST', path.slice('/v3/directline'.length), { token, body }), 413, 'RequestTooLarge');
        const answer = await rawRequest(
          site.url,
          `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ntransfer-encoding: chunked\r\n\r\n`,
          [
            `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
            'GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
          ],
        );
        assert.match(answer, /^HTTP\/1\.1 413/);
        assert.match(answer, /HTTP\/1\.1 404/, 'the next request on the same connection');
      }
      assert.equal((await site.state(conversationId)).version, version);
    });

    it('lets a message of the largest size through', async () => {
      const { conversationId, token } = await site.start();
      const overhead = JSON.stringify({ type: 'message', text: '' }).length;
      const { status } = await site.call('POST', `/conversations/${conversationId}/activities`, {
        token,
        body: { type: 'message', text: 'x'.repeat(262_144 - overhead) },
      });
      assert.equal(status, 200);
      await site.hub.settled();
    });

    it('survives whatever is posted: every answer is 2xx or 4xx, and the next message goes through', async function () {
      this.timeout(60_000);
      const { conversationId, token } = await site.start();
      const activities = `/conversations/${conversationId}/activities`;
      const activityLike = fc.record(
        {
          type: fc.oneof(
            fc.constantFrom('message', 'event', 'typing', 'invoke', 'conversationUpdate', 'handoff', 'trace'),
            fc.jsonValue(),
          ),
          text: fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()),
          name: fc.oneof(
            fc.constantFrom('handoff.initiate', 'handoff.cancel', 'handoff.status', '__proto__'),
            fc.jsonValue(),
          ),
          value: fc.jsonValue(),
          from: fc.oneof(fc.record({ id: fc.jsonValue(), name: fc.jsonValue(), role: fc.jsonValue() }), fc.jsonValue()),
          attachments: fc.oneof(fc.array(fc.jsonValue(), { maxLength: 3 }), fc.jsonValue()),
          entities: fc.jsonValue(),
          channelData: fc.oneof(
            fc.record({ clientActivityID: fc.jsonValue(), handoff: fc.jsonValue() }),
            fc.jsonValue(),
          ),
          replyToId: fc.jsonValue(),
          recipient: fc.jsonValue(),
          conversation: fc.jsonValue(),
          suggestedActions: fc.jsonValue(),
        },
        { requiredKeys: [] },
      );
      const posted = fc.oneof(
        { weight: 6, arbitrary: activityLike.map((value) => JSON.stringify(value)) },
        { weight: 2, arbitrary: fc.json() },
        { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
      );
      const path = fc.constantFrom(activities, activities, '/conversations', '/tokens/generate', '/tokens/refresh');
      await fc.assert(
        fc.asyncProperty(path, posted, fc.boolean(), async (path, body, asSecret) => {
          const answer = await site.call('POST', path, { token: asSecret ? SECRET : token, body });
          assert.ok(answer.status < 500, `${answer.status}: ${JSON.stringify(answer.body)} to ${body}`);
          if (answer.status >= 400)
            assert.equal(typeof (answer.body as { error: { code: string } }).error.code, 'string');
          // Whatever was kept can be read again.
          const read = await site.call('GET', activities, { token });
          assert.equal(read.status, 200);
          assert.ok(Array.isArray((read.body as { activities: unknown[] }).activities));
        }),
        { numRuns: 300 },
      );
      const { status } = await site.call('POST', '/conversations', { token: SECRET });
      assert.equal(status, 201);
      await site.hub.settled();
      assert.deepEqual((await site.store.audit(conversationId))?.faults, []);
      const staffToken = await site.tokens.mintConversation({ conv: conversationId, view: 'staff', agent: 'sam' });
      assert.equal((await site.call('GET', activities, { token: staffToken })).status, 200);
    });
  });

  describe('pages', () => {
    it('answers every preflight, and says who may read on every answer, errors too', async () => {
      const preflight = await site.call('OPTIONS', '/conversations', {
        headers: {
          origin: SHOP,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,content-type,x-ms-bot-agent',
        },
      });
      assert.equal(preflight.status, 204);
      assert.equal(preflight.headers['access-control-allow-origin'], SHOP);
      for (const name of ['authorization', 'content-type', 'x-ms-bot-agent'])
        assert.ok(preflight.headers['access-control-allow-headers']?.includes(name), name);
      for (const method of ['GET', 'POST', 'PUT', 'OPTIONS'])
        assert.ok(preflight.headers['access-control-allow-methods']?.includes(method), method);
      assert.ok(Number(preflight.headers['access-control-max-age']) > 0);
      const { token, conversationId } = await site.start();
      const answers = [
        await site.call('POST', '/conversations', { token, headers: { origin: SHOP } }),
        await site.call('POST', '/conversations', { headers: { origin: SHOP } }),
        await site.call('POST', '/conversations', { token: 'wrong', headers: { origin: SHOP } }),
        await site.call('GET', '/conversations/unknown', { token: SECRET, headers: { origin: SHOP } }),
        await site.call('POST', `/conversations/${conversationId}/activities`, {
          token,
          body: '{',
          headers: { origin: SHOP },
        }),
        await site.call('GET', '/nothing/here', { headers: { origin: SHOP } }),
      ];
      for (const { status, headers } of answers) {
        assert.equal(headers['access-control-allow-origin'], SHOP, String(status));
        assert.match(headers['vary'] ?? '', /Origin/);
        assert.equal(headers['cache-control'], 'no-store', 'tokens and chats are kept nowhere on the way');
      }
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 401, 403, 404, 400, 404],
      );
    });

    it('checks the list a token carries on every call and on the stream; programs without an Origin pass', async () => {
      const { token, conversationId } = await generate({ user: { id: 'dl_kim' }, trustedOrigins: [`${SHOP}/`] });
      const start = (origin?: string) =>
        site.call('POST', '/conversations', { token, headers: origin === undefined ? {} : { origin } });
      refuses(await start(EVIL), 403, 'ServiceError', /evil\.example is not in the list of trusted origins/);
      assert.equal(await site.hub.conversation(conversationId), undefined);
      const { status, body } = await start(SHOP);
      assert.equal(status, 201);
      assert.equal((await start()).status, 200);
      const { token: refreshed, streamUrl = '' } = body as Grant;
      for (const [method, path] of [
        ['GET', `/conversations/${conversationId}`],
        ['GET', `/conversations/${conversationId}/activities`],
        ['POST', `/conversations/${conversationId}/activities`],
        ['POST', `/conversations/${conversationId}/upload`],
        ['POST', '/tokens/refresh'],
        ['GET', '/session/getsessionid'],
      ] as const)
        refuses(await site.call(method, path, { token: refreshed, headers: { origin: EVIL } }), 403, 'ServiceError');
      assert.equal(await upgradeStatus(streamUrl, EVIL), 403);
      assert.equal(await upgradeStatus(streamUrl, SHOP), 101);
      assert.equal(await upgradeStatus(streamUrl), 101);
    });

    it('lets the list of the configuration replace every other, and always knows its own pages', async () => {
      await site.close();
      site = await openSite({ trustedOrigins: [SHOP] });
      const { token } = await generate({ user: { id: 'dl_kim' }, trustedOrigins: [EVIL] });
      refuses(await site.call('POST', '/conversations', { token, headers: { origin: EVIL } }), 403, 'ServiceError');
      refuses(
        await site.call('POST', '/conversations', { token: SECRET, headers: { origin: EVIL } }),
        403,
        'ServiceError',
      );
      for (const origin of [SHOP, site.url])
        assert.ok((await site.call('POST', '/conversations', { token, headers: { origin } })).status < 300, origin);
    });

    it('gives no session without a list', async () => {
      const { token } = await generate();
      const answer = await site.call('GET', '/session/getsessionid', { token, headers: { origin: SHOP } });
      refuses(answer, 403, 'ServiceError', /Trusted Origin list is empty/);
    });
  });

  describe('too many calls', () => {
    beforeEach(async () => {
      await site.close();
      site = await openSite({
        http: { trustProxy: true },
        rates: { perToken: { burst: 5, perSecond: 1 }, perAddress: { burst: 4, perSecond: 1 } },
      });
    });

    it('says 429 and when to come back, to one conversation only and not for long', async () => {
      const busy = await site.start('dl_kim');
      const other = await site.start('dl_lee');
      const read = (grant: { conversationId: string; token: string }) =>
        site.call('GET', `/conversations/${grant.conversationId}/activities`, {
          token: grant.token,
          headers: { origin: SHOP },
        });
      for (let call = 0; call < 5; call += 1) assert.equal((await read(busy)).status, 200);
      const refused = await read(busy);
      refuses(refused, 429, 'TooManyRequests');
      assert.equal(refused.headers['retry-after'], '1');
      assert.equal(refused.headers['access-control-allow-origin'], SHOP);
      assert.match(refused.headers['access-control-expose-headers'] ?? '', /retry-after/);
      assert.equal((await read(other)).status, 200);
      site.clock.advance(1_000);
      assert.equal((await read(busy)).status, 200);
      assert.equal((await read(busy)).status, 429);
    });

    it('never refuses the secret', async () => {
      for (let call = 0; call < 20; call += 1)
        assert.equal((await site.call('POST', '/tokens/generate', { token: SECRET })).status, 200);
    });

    it('slows down who guesses tokens or asks for many anonymous ones', async () => {
      const statuses = [];
      for (let call = 0; call < 6; call += 1)
        statuses.push((await site.call('POST', '/conversations', { token: 'guess', headers: STRANGER })).status);
      assert.deepEqual(statuses, [403, 403, 403, 403, 429, 429]);
      const widget = await request('POST', `${site.url}/api/widget/token`, { headers: STRANGER });
      assert.equal(widget.status, 429);
    });

    it('counts all addresses of one IPv6 network as one, and those of others by themselves', async () => {
      const ask = async (address: string) =>
        (await request('POST', `${site.url}/api/widget/token`, { headers: { 'x-forwarded-for': address } })).status;
      const addresses = ['2001:db8:0:7::1', '2001:db8:0:7:ffff::', '2001:0DB8::7:1:2:3:4', '2001:db8:0:7:1:2:3:5'];
      for (const address of addresses) assert.equal(await ask(address), 200, address);
      assert.equal(await ask('2001:db8:0:7::99'), 429);
      assert.equal(await ask('2001:db8:0:8::1'), 200);
      assert.equal(await ask('::ffff:203.0.113.7'), 200);
    });
  });
});

/** 101 when the socket opens (it is closed again), else the status of the refusal. */
function upgradeStatus(url: string, origin?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, origin === undefined ? {} : { origin });
    socket.on('open', () => {
      socket.on('close', () => resolve(101));
      socket.close();
    });
    socket.on('unexpected-response', (_request, response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    socket.on('error', reject);
  });
}

/** Everything the server says on one connection, until it closes it. */
function rawRequest(url: string, head: string, parts: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const { port, hostname } = new URL(url);
    const socket = net.connect(Number(port), hostname);
    let said = '';
    socket.on('data', (chunk) => (said += chunk.toString('utf8')));
    socket.on('error', reject);
    socket.on('close', () => resolve(said));
    socket.write(head);
    for (const part of parts) socket.write(part);
  });
}
