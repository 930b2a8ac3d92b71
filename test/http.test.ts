/** What every request and answer has in common: bodies within their limit, JSON, and what is told when they are not. */
import assert from 'node:assert/strict';
import http from 'node:http';
import type { Log } from '../src/hub/ports.js';
import { BODY_LIMIT_BYTES, HttpServer } from '../src/http.js';
import { request } from './fakes/request.js';

const silent: Log = { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} };

describe('The HTTP server', () => {
  let server: HttpServer;
  let url: string;

  before(async () => {
    server = new HttpServer({ log: silent });
    server.post('/echo', async (incoming) => ({ body: { got: await incoming.json() } }));
    server.post('/text', async (incoming) => ({ body: (await incoming.bytes()).toString() }));
    url = await server.listen(0, '127.0.0.1');
  });

  after(() => server.close(0));

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

  it('takes an empty body for no body', async () => {
    assert.deepEqual((await request('POST', `${url}/echo`)).body, {});
    assert.equal((await request('POST', `${url}/text`)).body, undefined);
  });

  it('answers 400 and what to send when the body is not JSON', async () => {
    const { status, body } = await request('POST', `${url}/echo`, { body: '{"text":' });
    assert.equal(status, 400);
    assert.match((body as { error: { message: string } }).error.message, /not valid JSON/);
  });

  it('answers 413 to a body that says it is over the limit', async () => {
    const { status, headers } = await request('POST', `${url}/echo`, { body: Buffer.alloc(BODY_LIMIT_BYTES + 1, 32) });
    assert.equal(status, 413);
    assert.equal(headers.connection, 'close');
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
});
