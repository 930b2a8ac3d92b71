// A bot at a messaging endpoint: what it hears, what its answers mean, and what an operator is told when it does not answer.

import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import {
  createServer as createSocketServer,
  type AddressInfo,
  type Server as SocketServer,
  type Socket,
} from 'node:net';
import { Poster } from '../../src/connector/post.js';
import { httpBot, type HttpBot, type HttpBotOptions } from '../../src/connector/httpBot.js';
import type { Activity } from '../../src/core/activity.js';
import { DeliveryFailed } from '../../src/errors.js';
import type { InvokeResponse } from '../../src/hub/ports.js';
import { HttpBot as FarBot, type BotAnswer } from '../fakes/httpBot.js';
import { TestClock } from '../fakes/hub.js';

const HELLO: Activity = {
  type: 'message',
  id: 'c1|0000001',
  text: 'hello',
  channelId: 'directline',
  serviceUrl: 'http://localhost/',
  conversation: { id: 'c1' },
  from: { id: 'kim', role: 'user' },
  recipient: { id: 'shop', role: 'bot' },
};

describe('a bot over HTTP', () => {
  let far: FarBot;
  let near: HttpBot;
  let said: Activity[];
  const closing: (() => Promise<unknown> | unknown)[] = [];

  beforeEach(async () => {
    far = await FarBot.start(() => undefined);
    said = [];
    near = connect();
  });
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
    await far.stop();
  });

  function connect(options: Partial<HttpBotOptions> = {}): HttpBot {
    const bot = httpBot({
      id: 'shop',
      endpoint: far.endpoint,
      delivery: 'normal',
      timeoutMs: 5_000,
      clock: new TestClock(),
      ...options,
    });
    closing.push(() => bot.close());
    return bot;
  }

  function deliver(activity: Activity = HELLO, bot = near): Promise<InvokeResponse | undefined> {
    return bot.deliver(activity, {
      conversationId: 'c1',
      botId: 'shop',
      answers: 1,
      respond: (activities) => {
        said.push(...activities);
        return Promise.resolve(activities.map((_, index) => ({ id: String(index) })));
      },
    });
  }

  async function failure(run: () => Promise<unknown> = () => deliver()): Promise<DeliveryFailed> {
    try {
      await run();
    } catch (error) {
      assert.ok(error instanceof DeliveryFailed, String(error));
      return error;
    }
    assert.fail('the delivery should have failed');
  }

  function answering(answer: BotAnswer): void {
    far.script = () => answer;
  }

  /** A plain server that answers as it likes. */
  async function serve(listener: RequestListener): Promise<string> {
    return listening(createServer(listener));
  }

  async function listening(server: Server | SocketServer): Promise<string> {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => sockets.add(socket));
    closing.push(() => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    });
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/messages`;
  }

  it('hears the activity as it is, without what the client wished for itself', async () => {
    const heard = far.next('hello');
    assert.equal(await deliver({ ...HELLO, deliveryMode: 'stream' } as Activity), undefined);
    assert.deepEqual(await heard, HELLO);
  });

  it('answers in the response where expectReplies asks for it', async () => {
    answering({
      status: 200,
      body: { activities: [{ text: 'no type' }, { type: 'event', name: 'handoff.initiate' }] },
    });
    const bot = connect({ delivery: 'expectReplies' });
    const heard = far.next('hello');
    await deliver(HELLO, bot);
    assert.equal(((await heard) as { deliveryMode?: string }).deliveryMode, 'expectReplies');
    assert.deepEqual(said, [
      { type: 'message', text: 'no type' },
      { type: 'event', name: 'handoff.initiate' },
    ]);
  });

  it('may answer nothing where expectReplies asks for answers', async () => {
    await deliver(HELLO, connect({ delivery: 'expectReplies' }));
    assert.deepEqual(said, []);
  });

  it('has failed when it answers expectReplies with something else', async () => {
    const bot = connect({ delivery: 'expectReplies' });
    for (const body of ['fine', [1], { activities: 'none' }, { activities: [null] }]) {
      answering({ status: 200, body });
      const { retry, message } = await failure(() => deliver(HELLO, bot));
      assert.equal(retry, false);
      assert.match(message, /"activities"/);
    }
  });

  it('has failed when one of its replies is none: readers of the log could not show it', async () => {
    const bot = connect({ delivery: 'expectReplies' });
    for (const reply of [{ text: 5 }, { attachments: 'x' }, { entities: [null] }, { type: 'event', name: {} }]) {
      answering({
        status: 200,
        body: {
          activities: [
            { type: 'message', text: 'fine' },
            { type: 'message', ...reply },
          ],
        },
      });
      const error = (await failure(() => deliver(HELLO, bot))) as DeliveryFailed;
      assert.deepEqual([error.retry, error.kind], [false, 'nonsense']);
      assert.match(error.message, /activities\[1\]: ".+" must be/);
    }
    assert.deepEqual(said, []);
  });

  it('answers an invoke with its status and body, 501 included', async () => {
    const invoke = { ...HELLO, type: 'invoke', name: 'adaptiveCard/action' };
    answering({ status: 412, body: { code: 'later' } });
    assert.deepEqual(await deliver(invoke), { status: 412, body: { code: 'later' } });
    answering({ status: 501 });
    assert.deepEqual(await deliver(invoke), { status: 501 });
    answering({ status: 503 });
    assert.equal((await failure(() => deliver(invoke))).retry, true);
    answering({ status: 500 });
    assert.equal((await failure(() => deliver(invoke))).retry, false);
  });

  it('answers an invoke among its replies where expectReplies asks for it', async () => {
    const bot = connect({ delivery: 'expectReplies' });
    const value = { status: 200, body: { ok: true } };
    answering({ status: 200, body: { activities: [{ text: 'said' }, { type: 'invokeResponse', value }] } });
    assert.deepEqual(await deliver({ ...HELLO, type: 'invoke' }, bot), value);
    assert.deepEqual(said, [{ type: 'message', text: 'said' }]);
    answering({ status: 200, body: { activities: [] } });
    assert.deepEqual(await deliver({ ...HELLO, type: 'invoke' }, bot), { status: 501 });
  });

  describe('is called again', () => {
    it('when nobody listens', async () => {
      await far.stop();
      const { retry, message } = await failure();
      assert.equal(retry, true);
      assert.match(
        message,
        /^Bot "shop" at http:\/\/127\.0\.0\.1:\d+\/api\/messages was not reached \(ECONNREFUSED\).*\.$/,
      );
    });

    it('when its name is not known', async () => {
      const bot = connect({
        endpoint: 'https://bot.invalid/api/messages?code=secret',
        token: () => Promise.resolve('t'),
      });
      const { retry, message } = await failure(() => deliver(HELLO, bot));
      assert.equal(retry, true);
      assert.match(message, /E(NOTFOUND|AI_AGAIN)/);
      assert.ok(!message.includes('secret'), message);
    });

    it('when it says so, at the time it says', async () => {
      for (const status of [429, 502, 503, 504]) {
        answering({ status });
        assert.equal((await failure()).retry, true, String(status));
      }
      answering({ status: 429, headers: { 'retry-after': '2' } });
      assert.equal((await failure()).retryAfterMs, 2_000);
      answering({ status: 503, headers: { 'retry-after': new Date(new TestClock().now() + 5_000).toUTCString() } });
      assert.equal((await failure()).retryAfterMs, 5_000);
      answering({ status: 503, headers: { 'retry-after': 'soon' } });
      assert.equal((await failure()).retryAfterMs, undefined);
    });

    it('on a new connection when the kept one was dropped meanwhile', async () => {
      let connections = 0;
      let requests = 0;
      // Answers one request per connection and cuts the connection when the second one comes.
      const server = createSocketServer((socket) => {
        connections += 1;
        let asked = 0;
        socket.on('error', () => undefined);
        socket.on('data', () => {
          requests += 1;
          asked += 1;
          if (asked === 2) return socket.resetAndDestroy();
          socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
        });
      });
      const bot = connect({ endpoint: await listening(server) });
      await deliver(HELLO, bot);
      await deliver(HELLO, bot);
      bot.close();
      assert.equal(connections, 2);
      assert.ok(requests >= 3, String(requests));
    });
  });

  describe('has failed, with what to do about it,', () => {
    const cases: [answer: BotAnswer, words: RegExp][] = [
      [
        { status: 401, body: { error: { message: 'Unauthorized. No valid identity.' } } },
        /401 \("Unauthorized\. No valid identity\."\): it wants to be called with a token\. Set its appId and auth/,
      ],
      [{ status: 404 }, /404: no bot is there\. Its endpoint usually ends in \/api\/messages/],
      [{ status: 413 }, /413: the activity is larger than it takes/],
      [{ status: 400, body: { message: 'no' } }, /400 \("no"\): it does not understand the activity/],
      [
        { status: 500, body: { error: 'the customer said hello' } },
        /500: its turn failed\. The cause is in its own log\.$/,
      ],
      [
        { status: 302, headers: { location: 'https://elsewhere.example/' } },
        /302: redirects are not followed\. Set its endpoint to https:\/\/elsewhere\.example\//,
      ],
      [{ status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }, /web page/],
    ];
    for (const [answer, words] of cases)
      it(`when it answers ${answer.status}${answer.headers?.['content-type'] ?? ''}`, async () => {
        answering(answer);
        const { retry, message } = await failure();
        assert.equal(retry, false);
        assert.match(message, words);
      });

    it('when it takes too long', async () => {
      const bot = connect({ endpoint: await serve(() => undefined), timeoutMs: 100 });
      const { retry, message } = await failure(() => deliver(HELLO, bot));
      assert.equal(retry, false);
      assert.match(message, /did not answer within 100 ms/);
    });

    it('when its answer trickles in for too long', async () => {
      const endpoint = await serve((_request, response) => {
        const timer = setInterval(() => response.write(' '), 10);
        response.on('close', () => clearInterval(timer));
      });
      const bot = connect({ endpoint, timeoutMs: 200 });
      assert.match((await failure(() => deliver(HELLO, bot))).message, /did not answer within 200 ms/);
    });

    it('when it hangs up in its turn', async () => {
      far.script = ({ hangUp }) => hangUp();
      const { retry, message } = await failure();
      assert.equal(retry, false);
      assert.match(message, /broke the connection/);
    });

    it('when its answer has no end', async () => {
      const endpoint = await serve((_request, response) => {
        const piece = Buffer.alloc(1_048_576);
        const more = () => response.write(piece, (error) => error ?? more());
        more();
      });
      assert.match((await failure(() => deliver(HELLO, connect({ endpoint })))).message, /more than 4194304 bytes/);
    });

    it('when it speaks something else than HTTP', async () => {
      const endpoint = await listening(
        createSocketServer((socket) => socket.on('error', () => {}).end('SSH-2.0-x\r\n\r\n')),
      );
      assert.match((await failure(() => deliver(HELLO, connect({ endpoint })))).message, /does not speak HTTP/);
      const secure = connect({ endpoint: far.endpoint.replace('http:', 'https:') });
      assert.match((await failure(() => deliver(HELLO, secure))).message, /does not speak TLS/);
    });
  });

  describe('without authentication', () => {
    it('is reached by a name of this machine', async () => {
      await deliver(HELLO, connect({ endpoint: far.endpoint.replace('127.0.0.1', 'localhost') }));
      assert.equal(far.received.length, 1);
    });

    it('is not reached at a public address, however it is written', async () => {
      for (const host of ['192.0.2.7', '[2001:db8::7]', '169.254.169.254', '[::ffff:192.0.2.7]', '3221226119']) {
        const bot = connect({ endpoint: `http://${host}:9/api/messages`, timeoutMs: 2_000 });
        const { retry, message } = await failure(() => deliver(HELLO, bot));
        assert.equal(retry, false, host);
        assert.match(message, /auth: none but is not at a loopback or private address/, host);
      }
    });
  });

  it('is looked up again for every connection, and a name that leads elsewhere by then is not followed', async () => {
    const { port } = new URL(far.endpoint);
    const answers = [
      [{ address: '127.0.0.1', family: 4 }],
      [{ address: '192.0.2.7', family: 4 }],
      [
        { address: '192.0.2.7', family: 4 },
        { address: '127.0.0.1', family: 4 },
      ],
    ];
    const poster = new Poster({
      name: 'Bot "shop"',
      url: new URL(`http://shop.example:${port}/api/messages`),
      privateOnly: true,
      timeoutMs: 2_000,
      lookup: (_name, _options, callback) => callback(null, answers.shift() ?? []),
    });
    closing.push(() => poster.close());
    const post = async () => (await poster.post(JSON.stringify(HELLO), {})).status;
    assert.equal(await post(), 200);
    poster.retire();
    assert.match((await failure(post)).message, /auth: none/);
    assert.equal(await post(), 200);
    assert.equal(far.received.length, 2);
  });

  it('is owed the activity again when the hub stops in its turn', async () => {
    const bot = connect({ endpoint: await serve(() => bot.close()) });
    const { retry } = await failure(() => deliver(HELLO, bot));
    assert.equal(retry, true);
  });
});
