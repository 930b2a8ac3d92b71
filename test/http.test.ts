/** What every request and answer has in common: bodies within their limit, JSON, and what is told when they are not. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import fc from 'fast-check';
import type { Log } from '../src/hub/ports.js';
import { BadRequest } from '../src/errors.js';
import { BODY_LIMIT_BYTES, HttpServer, isLocal, parseJson } from '../src/http.js';
import { request } from './fakes/request.js';

const silent: Log = { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} };

describe('The HTTP server', () => {
  let server: HttpServer;
  let url: string;

  before(async () => {
    server = new HttpServer({ log: silent });
    server.post('/echo', async (incoming) => ({ body: { got: await incoming.json() } }));
    server.post('/text', async (incoming) => ({ body: (await incoming.bytes()).toString() }));
    server.hotPost('/hot/:id/said', ({ id, params, query }) => ({
      headers: { 'x-seen': id },
      body: { id: params['id'], q: query.get('q') },
    }));
    server.hotPost('/hot/:id/fails', () => {
      throw new BadRequest(409, 'Taken', 'Somebody has it.');
    });
    server.area('/hot', {
      headers: (asked) => {
        if (asked.header('x-area') === 'fails') throw new Error('There are no headers.');
        return { 'access-control-allow-origin': '*' };
      },
    });
    url = await server.listen(0, '127.0.0.1');
  });

  after(() => server.close(0));

  it('answers a route that every message takes as it answers every other, however its path is spelled', async () => {
    for (const path of ['/hot/a%7Cb/said?q=1', '/hot/a|b/said/?q=1']) {
      const { status, body, headers } = await request('POST', url + path, { body: {} });
      assert.equal(status, 200, path);
      assert.deepEqual([(body as { id: string }).id, (body as { q: string }).q], ['a|b', '1'], path);
      assert.equal(headers['access-control-allow-origin'], '*', path);
      assert.equal(headers['x-request-id'], headers['x-seen'], path);
    }
    const refused = await request('POST', `${url}/hot/x/fails`, { body: {} });
    assert.deepEqual([refused.status, (refused.body as { error: { code: string } }).error.code], [409, 'Taken']);
    assert.equal(refused.headers['access-control-allow-origin'], '*');
    assert.equal((await request('POST', `${url}/hot/x/said/more`, { body: {} })).status, 404);
  });

  it('answers alike whether the request line names a path or, as proxies send it, the whole URL', async () => {
    server.post('/cold', (asked) => ({
      body: { path: asked.path, q: asked.query.get('q'), host: asked.header('host') },
    }));
    server.area('/cold', { headers: () => ({ 'access-control-allow-origin': '*' }) });
    const seen = async (target: string, host: string) => {
      const answer = await request('POST', url, { target, headers: { host } });
      return [answer.status, answer.headers['access-control-allow-origin'], answer.body];
    };
    for (const [path, body] of [
      ['/cold?q=1', { path: '/cold', q: '1', host: 'bots.example:8080' }],
      ['/hot/a%7Cb/said?q=1', { id: 'a|b', q: '1' }],
    ] as const)
      for (const [target, host] of [
        [path, 'bots.example:8080'],
        [`http://bots.example:8080${path}`, 'bots.example:8080'],
        // The URL counts, not a Host that says otherwise.
        [`HTTPS://somebody@bots.example:8080${path}`, 'localhost'],
      ] as const)
        assert.deepEqual(await seen(target, host), [200, '*', body], target);
    assert.equal((await request('POST', url, { target: 'http://bots.example' })).status, 404);
  });

  it('refuses a host and a request line that are none, and goes on', async () => {
    for (const [target, host] of [
      ['/echo', '%%'],
      ['/echo', 'a b'],
      ['/echo', 'x:99999'],
      ['/echo', '[::1'],
      ['http://[bad/echo', 'x'],
      ['other://[bad/echo', 'x'],
    ] as const) {
      const { status, body } = await request('POST', url, { target, headers: { host }, timeoutMs: 2_000 });
      assert.equal(status, 400, `${target} at ${host}`);
      assert.match((body as { error: { message: string } }).error.message, /Host header/);
    }
    assert.equal((await request('POST', `${url}/echo`, { body: {} })).status, 200);
  });

  it('hands on a JSON body that came in many pieces, with letters of many bytes', async () => {
    const { port } = new URL(url);
    const body = Buffer.from(JSON.stringify({ text: 'Grüße, 世界 🙂' }));
    const answer = await new Promise<string>((resolve, reject) => {
      const outgoing = http.request({ port, host: '127.0.0.1', method: 'POST', path: '/echo' }, (incoming) => {
        let text = '';
        incoming.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        incoming.on('end', () => resolve(text));
      });
      outgoing.on('error', reject);
      for (let at = 0; at < body.length; at += 5) outgoing.write(body.subarray(at, at + 5));
      outgoing.end();
    });
    assert.deepEqual(JSON.parse(answer), { got: { text: 'Grüße, 世界 🙂' } });
  });

  it('is certain of a client only where a trusted proxy names it', async () => {
    const trusting = new HttpServer({ log: silent, trustProxy: true });
    trusting.get('/who', ({ clientAddress }) => ({ body: { who: clientAddress ?? 'unknown' } }));
    const at = await trusting.listen(0, '127.0.0.1');
    const who = async (headers: Record<string, string>) =>
      ((await request('GET', `${at}/who`, { headers })).body as { who: string }).who;
    assert.equal(await who({}), '127.0.0.1');
    assert.equal(await who({ 'x-forwarded-for': '127.0.0.1, 203.0.113.7' }), '203.0.113.7');
    // The port is another one with every connection: who counts attempts would never count two.
    assert.equal(await who({ 'x-forwarded-for': '203.0.113.7:51234' }), '203.0.113.7');
    assert.equal(await who({ 'x-forwarded-for': '[2001:db8::7]:51234' }), '2001:db8::7');
    assert.equal(await who({ 'x-forwarded-for': '2001:db8::7' }), '2001:db8::7');
    // The proxy's own address is private: its clients from anywhere would be taken for neighbours.
    for (const name of ['forwarded', 'x-real-ip', 'via'])
      assert.equal(await who({ [name]: 'for=203.0.113.7' }), 'unknown', name);
    await trusting.close(0);
  });

  it('answers a route that every message takes with the same status, headers and body as every other', async () => {
    // With a slash at its end the same route is found as every other.
    const answerTo = async (path: string, headers: Record<string, string>) => {
      const { id, ...answer } = await request('POST', url + path, { body: {}, headers, timeoutMs: 2_000 }).then(
        ({ status, headers: { date, 'x-request-id': id, 'x-seen': seen, ...sent }, body }) => ({
          id,
          status,
          // An error tells the path it was asked for.
          body: JSON.stringify(body).replace('/said/.', '/said.'),
          headers: { ...sent, 'content-length': undefined, date: typeof date, 'x-seen': typeof seen },
        }),
      );
      assert.match(String(id), /^[0-9a-f-]{36}$/);
      return answer;
    };
    const [longest, longer] = ['x'.repeat(2_048), 'x'.repeat(2_049)];
    for (const [path, status, headers] of [
      ['/hot/x/said', 200, {}],
      [`/hot/${longest}/said`, 200, {}],
      [`/hot/${longest.replaceAll('x', '%7C')}/said`, 200, {}],
      [`/hot/${longer}/said`, 404, {}],
      ['/hot/x/fails', 409, {}],
      ['/hot/x/said', 500, { 'x-area': 'fails' }],
    ] as const) {
      const hot = await answerTo(path, headers);
      assert.equal(hot.status, status, path);
      assert.deepEqual(hot, await answerTo(`${path}/`, headers), path);
    }
    // Nobody's path has its area's headers as well, and they may fail there, too.
    assert.equal((await request('PATCH', `${url}/hot/%`, { headers: { 'x-area': 'fails' } })).status, 500);
  });

  it('takes an empty body for no body', async () => {
    assert.deepEqual((await request('POST', `${url}/echo`)).body, {});
    assert.equal((await request('POST', `${url}/text`)).body, undefined);
  });

  it('answers 400 and what to send when the body is not JSON', async () => {
    const { status, body } = await request('POST', `${url}/echo`, { body: '{"text":' });
    assert.equal(status, 400);
    assert.match((body as { error: { message: string } }).error.message, /not valid JSON/);
  });

  it('answers 413 to a body that says it is over the limit, and the connection goes on', async () => {
    const { status, headers } = await request('POST', `${url}/echo`, { body: Buffer.alloc(BODY_LIMIT_BYTES + 1, 32) });
    assert.equal(status, 413);
    assert.equal(headers.connection, 'keep-alive');
  });

  it('answers 413 to a body that turns out to be over the limit, without keeping the rest', async () => {
    const { port } = new URL(url);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const outgoing = http.request({ port, host: '127.0.0.1', method: 'POST', path: '/echo' }, (incoming) => {
        resolve(incoming.statusCode);
        incoming.resume();
        outgoing.destroy();
      });
      outgoing.on('error', reject);
      // Never ended: only the limit can end it.
      outgoing.write(Buffer.alloc(BODY_LIMIT_BYTES + 65_536, 32));
    });
    assert.equal(status, 413);
  });

  it('still serves the same connection after an answer', async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    try {
      const first = await request('POST', `${url}/echo`, { agent, body: { n: 1 } });
      const second = await request('POST', `${url}/echo`, { agent, body: { n: 2 } });
      assert.deepEqual([first.body, second.body], [{ got: { n: 1 } }, { got: { n: 2 } }]);
    } finally {
      agent.destroy();
    }
  });

  it('refuses JSON nested deeper than anybody writes it, and counts no brackets in texts', async () => {
    const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;
    assert.equal((await request('POST', `${url}/echo`, { body: nested(256) })).status, 200);
    for (const body of [
      nested(257),
      '['.repeat(BODY_LIMIT_BYTES - 1),
      `${'{"a":'.repeat(1_000)}1${'}'.repeat(1_000)}`,
    ]) {
      const answer = await request('POST', `${url}/echo`, { body });
      assert.equal(answer.status, 400);
      assert.match((answer.body as { error: { message: string } }).error.message, /nested/);
    }
    const text = '[{"\\'.repeat(1_000);
    assert.deepEqual((await request('POST', `${url}/echo`, { body: { text } })).body, { got: { text } });
  });

  it('reads every JSON value as JSON.parse does', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        assert.deepEqual(parseJson(Buffer.from(json)), JSON.parse(json));
      }),
    );
  });

  it('counts as no fault of ours when a client hangs up before it has said everything', async () => {
    const faults: unknown[] = [];
    const quiet = new HttpServer({ log: { ...silent, error: (fields) => faults.push(fields) } });
    let begun: (() => void) | undefined;
    let ended: ((error: unknown) => void) | undefined;
    const beginning = new Promise<void>((resolve) => (begun = resolve));
    const ending = new Promise<unknown>((resolve) => (ended = resolve));
    quiet.post('/echo', async (incoming) => {
      begun?.();
      return {
        body: await incoming.bytes().catch((error: unknown) => (ended?.(error), Promise.reject(error as Error))),
      };
    });
    const { port } = new URL(await quiet.listen(0, '127.0.0.1'));
    const outgoing = http.request({
      port,
      host: '127.0.0.1',
      method: 'POST',
      path: '/echo',
      headers: { 'content-length': 10 },
    });
    outgoing.on('error', () => undefined);
    outgoing.write('12345');
    await beginning;
    outgoing.destroy();
    assert.equal(((await ending) as { code: string }).code, 'RequestAborted');
    await quiet.close(0);
    assert.deepEqual(faults, []);
  });

  it('ends a request whose client hung up before its body was asked for', async () => {
    const late = new HttpServer({ log: silent });
    let begun: (() => void) | undefined;
    const beginning = new Promise<void>((resolve) => (begun = resolve));
    let ended: ((error: unknown) => void) | undefined;
    const ending = new Promise<unknown>((resolve) => (ended = resolve));
    late.post('/late', async (incoming) => {
      begun?.();
      await once(incoming.raw, 'close').catch(() => undefined);
      await incoming.bytes().catch((error: unknown) => ended?.(error));
      return {};
    });
    const { port } = new URL(await late.listen(0, '127.0.0.1'));
    const headers = { 'content-length': 10 };
    const outgoing = http.request({ port, host: '127.0.0.1', method: 'POST', path: '/late', headers });
    outgoing.on('error', () => undefined);
    outgoing.write('12345');
    await beginning;
    outgoing.destroy();
    assert.equal(((await ending) as { code: string }).code, 'RequestAborted');
    await late.close(0);
  });

  it('takes only this machine asked by its own name for local', async () => {
    const asked: boolean[] = [];
    server.get('/local', (incoming) => ({ body: { local: asked.push(isLocal(incoming)) } }));
    for (const host of [
      'localhost:3978',
      '127.0.0.1',
      '[::1]:3978',
      'evil.example:3978',
      'localhost.evil.example',
      '10.0.0.1',
    ])
      await request('GET', `${url}/local`, { headers: { host } });
    for (const name of ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'])
      await request('GET', `${url}/local`, { headers: { host: 'localhost:3978', [name]: '127.0.0.1' } });
    assert.deepEqual(asked, [true, true, true, ...Array<boolean>(8).fill(false)]);
  });

  it('answers clients that would rather speak HTTP/2, with and without a body, on one connection', async () => {
    const { port } = new URL(url);
    const client = net.connect({ port: Number(port), host: '127.0.0.1' });
    const answer = async (method: string, path: string, body = '') => {
      client.write(
        `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n` +
          `HTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: ${body.length}\r\n\r\n`,
      );
      // The body comes in a packet of its own, as after a pause.
      if (body !== '') setImmediate(() => client.write(body));
      let said = '';
      while (!/\r\n\r\n.*\}$/s.test(said)) said += ((await once(client, 'data')) as [Buffer])[0].toString();
      return said;
    };
    const warnings: string[] = [];
    const warn = ({ message }: Error) => warnings.push(message);
    process.on('warning', warn);
    try {
      for (let round = 0; round < 15; round += 1) {
        assert.match(await answer('POST', '/echo', '{"text":"hi"}'), /^HTTP\/1\.1 200 [^]*\{"got":\{"text":"hi"\}\}$/);
        assert.match(await answer('GET', '/nothing'), /^HTTP\/1\.1 404 /);
      }
      assert.deepEqual(warnings, [], 'listeners do not pile up on the socket');
    } finally {
      process.off('warning', warn);
      client.destroy();
    }
  });

  it('keeps no socket that it refused to open, even when the client never closes its side', async () => {
    const { port } = new URL(url);
    const client = net.connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
    const [serving] = (await once(server.node, 'connection')) as [net.Socket];
    const gone = once(serving, 'close');
    client.write('GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    const [answer] = (await once(client, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 404 /);
    await gone;
    client.destroy();
  });
});

describe('Another HTTP server in the same process', () => {
  it('may go on writing after writeHead, as Node promises', async () => {
    const other = http.createServer((_incoming, outgoing) => {
      outgoing.writeHead(201, { 'content-type': 'text/plain' }).end('made');
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = other.address() as net.AddressInfo;
      const { status, body } = await request('GET', `http://127.0.0.1:${port}/`);
      assert.deepEqual([status, body], [201, 'made']);
    } finally {
      other.closeAllConnections();
      await new Promise((resolve) => other.close(resolve));
    }
  });
});
