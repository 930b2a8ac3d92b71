// Bots that are slow, down, refusing or answer nonsense, over real sockets, while hundreds of customers talk.

import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { echo, HttpBot, type Script } from '../fakes/httpBot.js';
import { Shop, until, type ShopOptions } from '../fakes/shop.js';

const HUNDREDS = 200;

/** Takes the call and never answers. */
const hang: Script = () => new Promise(() => undefined);
const answering =
  (status: number, body?: unknown, headers: Record<string, string> = {}): Script =>
  () => ({ status, body, headers });

describe('a bot that fails', function () {
  this.timeout(180_000);
  let shaky: HttpBot;
  let steady: HttpBot;
  let shop: Shop | undefined;
  const sockets: { server: Server; open: Set<Socket> }[] = [];

  beforeEach(async () => {
    [shaky, steady] = await Promise.all([HttpBot.start(), HttpBot.start()]);
  });
  afterEach(async () => {
    await shop?.remove();
    shop = undefined;
    await Promise.all([shaky.stop(), steady.stop()]);
    for (const { server, open } of sockets.splice(0)) {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  async function open(options: Partial<ShopOptions> = {}): Promise<Shop> {
    const { shaky: endpoint = shaky.endpoint } = options;
    return (shop = await Shop.open({ ...options, shaky: endpoint, steady: steady.endpoint }));
  }

  /** Something on a port that does not speak as bots do. */
  async function listening(serve: (socket: Socket) => void): Promise<string> {
    const open = new Set<Socket>();
    const server = createServer((socket) => {
      open.add(socket.on('error', () => undefined));
      socket.once('close', () => open.delete(socket));
      serve(socket);
    });
    sockets.push({ server, open });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/messages`;
  }

  async function allHandedOver(shop: Shop, ids: readonly string[], why = ''): Promise<void> {
    await until(`${ids.length} customers are with people ${why}`, async () => {
      const states = await Promise.all(ids.map((id) => shop.state(id)));
      return states.every(({ phase }) => phase === 'queued');
    });
    for (const id of ids) {
      const state = await shop.state(id);
      assert.equal(state.escalationReason, 'botUnavailable');
      const sees = await shop.sees(id);
      assert.ok(sees.includes('system: Sorry, Shaky cannot answer right now.'), sees.join('\n'));
    }
  }

  async function allAnswered(shop: Shop, ids: readonly string[], text: string): Promise<void> {
    await until(`${ids.length} customers have their answer`, async () => {
      for (const id of ids) if (!(await shop.sees(id)).includes(`bot: Echo: ${text}`)) return false;
      return true;
    });
  }

  const heard = (bot: HttpBot, text: string) => bot.received.filter((activity) => activity.text === text).length;

  it('by hanging, costs the first customers the time of one turn and the others nothing; the bot beside it is not touched', async () => {
    const shop = await open({ botTimeoutMs: 3_000 });
    const [first, others, beside] = [
      await shop.enter(20),
      await shop.enter(HUNDREDS),
      await shop.enter(HUNDREDS, 'steady'),
    ];
    await until('everybody is greeted', () => shop.hub.outbox.depth === 0);
    shaky.script = hang;
    await Promise.all(first.map((id) => shop.say(id, 'first')));
    await allHandedOver(shop, first);

    const talks = Promise.all(beside.map((id) => shop.say(id, 'beside')));
    await Promise.all(others.map((id) => shop.say(id, 'other')));
    await talks;
    await allHandedOver(shop, others);
    await allAnswered(shop, beside, 'beside');

    const asked = heard(shaky, 'other');
    assert.ok(asked < HUNDREDS / 4, `the hanging bot was asked ${asked} times more: only to see whether it is back`);
    const causes = await Promise.all(
      others.map(async (id) =>
        (await shop.log(id)).flatMap(({ event }) => (event.type === 'botFailed' ? event.cause : [])),
      ),
    );
    assert.equal(causes.flat().filter((cause) => cause.includes('was not asked')).length, HUNDREDS - asked);
    assert.equal(shop.hub.botStatus.of('steady').breaker, 'closed');
    assert.equal(shop.hub.botStatus.of('steady').lastError, undefined);
    for (const id of beside) assert.equal((await shop.state(id)).phase, 'bot');
  });

  it('by answering 500, is asked once for each message, and no more when it fails at every one', async () => {
    const shop = await open();
    const ids = await shop.enter(HUNDREDS);
    await until('everybody is greeted', () => shop.hub.outbox.depth === 0);
    shaky.script = answering(500);
    for (const id of ids) await shop.say(id, `from ${id}`);
    await allHandedOver(shop, ids);
    for (const id of ids) assert.ok(heard(shaky, `from ${id}`) <= 1, 'what a bot may have got is not sent again');
    const { breaker, lastError } = shop.hub.botStatus.of('shaky');
    assert.notEqual(breaker, 'closed');
    assert.match(lastError?.what ?? '', /answered 500/);
    assert.match(lastError?.cure ?? '', /its own log/i);
    assert.ok(shaky.received.filter(({ type }) => type === 'message').length < HUNDREDS, 'it was spared');
  });

  it('by being down, keeps nobody waiting longer than 15 s, and is found again by itself', async () => {
    const shop = await open();
    const talking = await shop.enter(HUNDREDS);
    await until('everybody is greeted', () => shop.hub.outbox.depth === 0);
    const { port } = shaky;
    await shaky.stop();
    const quiet = await shop.enter(5);
    await Promise.all(talking.map((id) => shop.say(id, 'hello')));
    await allHandedOver(shop, talking);
    for (const id of talking) {
      const entries = await shop.log(id);
      const failedAt = entries.find(({ event }) => event.type === 'botFailed')?.event.at ?? Infinity;
      const saidAt = entries.find(({ event }) => event.type === 'said')?.event.at ?? 0;
      // The patience, and what a busy machine needs for hundreds of hand-overs at once.
      assert.ok(failedAt - saidAt < 15_000 + 10_000, `${failedAt - saidAt} ms`);
    }
    for (const id of quiet) {
      assert.equal((await shop.state(id)).phase, 'bot', 'who has said nothing is not handed over');
      assert.deepEqual(await shop.sees(id), []);
    }
    const late = await shop.enter(1);
    await shop.say(late[0] as string, 'is anybody there?');
    await allHandedOver(shop, late);
    assert.match(shop.hub.botStatus.of('shaky').lastError?.what ?? '', /not reached \(ECONNREFUSED\)/);

    shaky = await HttpBot.start(echo, port);
    await until('those who wait in silence are greeted', () =>
      quiet.every((id) =>
        shaky.received.some(({ type, conversation }) => type === 'conversationUpdate' && conversation?.id === id),
      ),
    );
    assert.equal(shop.hub.botStatus.of('shaky').breaker, 'closed');
    const [again] = await shop.enter(1);
    await shop.say(again as string, 'back?');
    await allAnswered(shop, [again as string], 'back?');
  });

  it('by refusing for a moment, as when it is deployed, is waited for: everybody gets every answer, once and in order', async () => {
    const shop = await open();
    const ids = await shop.enter(HUNDREDS);
    await until('everybody is greeted', () => shop.hub.outbox.depth === 0);
    let refusals = 0;
    shaky.script = (turn) => ((refusals += 1) <= 150 ? { status: refusals % 2 === 0 ? 503 : 429 } : echo(turn));
    await Promise.all(
      ids.map(async (id) => {
        await shop.say(id, 'one');
        await shop.say(id, 'two');
      }),
    );
    // Probes come one at a time: the moment passes while everybody waits.
    await until('the bot has been tried', () => heard(shaky, 'one') > 3);
    shaky.script = echo;
    await allAnswered(shop, ids, 'two');
    for (const id of ids)
      assert.deepEqual(
        await shop.sees(id),
        ['customer: one', 'customer: two', 'bot: Echo: one', 'bot: Echo: two'].sort(
          (a, b) => Number(a.startsWith('bot')) - Number(b.startsWith('bot')),
        ),
      );
  });

  it('by answering nonsense, hands its customers over and says what is wrong', async () => {
    const page = '<html>It works!</html>';
    const cases: [string, string | Script, Partial<ShopOptions>, RegExp][] = [
      ['a web page', answering(200, page, { 'content-type': 'text/html' }), {}, /web page/],
      ['no replies', answering(200, { activities: 42 }), { delivery: 'expectReplies' }, /activities/],
      ['no HTTP', await listening((socket) => void socket.end('220 mail.example ESMTP\r\n')), {}, /HTTP/],
      ['a hang-up', await listening((socket) => void socket.once('data', () => socket.destroy())), {}, /broke/],
      [
        'half an answer',
        await listening(
          (socket) => void socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{')),
        ),
        {},
        /broke/,
      ],
      ['401', answering(401), {}, /401/],
      ['404', answering(404), {}, /404/],
    ];
    for (const [name, what, options, words] of cases) {
      if (typeof what !== 'string') shaky.script = what;
      const shop = await open({ ...options, ...(typeof what === 'string' ? { shaky: what } : {}) });
      const ids = await shop.enter(10);
      await Promise.all(ids.map((id) => shop.say(id, 'hello')));
      await allHandedOver(shop, ids, name);
      const { lastError } = shop.hub.botStatus.of('shaky');
      assert.match(lastError?.what ?? '', words, name);
      assert.ok((lastError?.cure.length ?? 0) > 20, `${name}: ${lastError?.cure}`);
      await shop.remove();
    }
  });

  it('by taking connections and saying nothing, counts as failed after the time of a turn', async () => {
    const shop = await open({ shaky: await listening(() => undefined), botTimeoutMs: 1_000 });
    const ids = await shop.enter(HUNDREDS);
    await Promise.all(ids.map((id) => shop.say(id, 'hello')));
    await allHandedOver(shop, ids);
    assert.equal(shop.hub.botStatus.of('shaky').lastError?.kind, 'timedOut');
  });

  it('while the hub restarts, gets afterwards what it is owed, each once and in order', async () => {
    const shop = await open();
    const ids = await shop.enter(20);
    await until('everybody is greeted', () => shop.hub.outbox.depth === 0);
    const { port } = shaky;
    await shaky.stop();
    for (const text of ['one', 'two', 'three']) await Promise.all(ids.map((id) => shop.say(id, text)));
    await shop.close();
    const again = await open({ directory: shop.directory, shaky: `http://127.0.0.1:${port}/api/messages` });
    await until('it is tried', () => again.hub.botStatus.of('shaky').lastError !== undefined);
    shaky = await HttpBot.start(echo, port);
    await allAnswered(again, ids, 'three');
    for (const id of ids) {
      const texts = shaky.received.filter((one) => one.conversation?.id === id && one.type === 'message');
      assert.deepEqual(
        texts.map(({ text }) => text),
        ['one', 'two', 'three'],
      );
      assert.equal((await again.state(id)).phase, 'bot');
    }
  });

  it('is seen from outside: in the figures, and by supervisors with address and cure', async () => {
    const shop = await open();
    shaky.script = answering(401, { error: { message: 'Unauthorized' } });
    const ids = await shop.enter(5);
    await Promise.all(ids.map((id) => shop.say(id, 'hello')));
    await allHandedOver(shop, ids);
    const figures = await shop.figures();
    assert.match(figures, /^handoff_bot_breaker_state\{bot="shaky"\} [12]$/m);
    assert.match(figures, /^handoff_bot_breaker_state\{bot="steady"\} 0$/m);
    assert.match(figures, /^handoff_bot_failures_total\{bot="shaky",outcome="failed",kind="untrusted"\} \d+$/m);
    assert.match(figures, /^handoff_bot_handovers_total\{bot="shaky"\} 5$/m);
    assert.match(figures, /^handoff_bot_breaker_opened_total\{bot="shaky"\} 1$/m);
  });
});
