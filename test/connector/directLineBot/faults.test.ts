/** What networks and services do to a conversation with a bot behind Direct Line, and what customer and people notice of it: nothing, or a person. */
import assert from 'node:assert/strict';
import { DirectLineBot } from '../../../src/connector/directLineBot/directLineBot.js';
import { SECRET } from '../../directline/site.js';
import { BOT, eventually, GREETING, LiveClock, openOurHub, Studio, type OurHub, type OurOptions } from './studio.js';

const MINUTE_MS = 60_000;
const POST = /^POST .*\/activities$/;

describe('A bot behind Direct Line', function () {
  this.timeout(90_000);
  let studio: Studio;
  let hub: OurHub;

  beforeEach(async () => {
    studio = await Studio.open();
  });
  afterEach(async () => {
    await hub.close();
    await studio.close();
  });

  const open = async (options: OurOptions = {}) => (hub = await openOurHub(studio, options));
  const bySecret = (): OurOptions => ({
    transport: { kind: 'directLine', secret: 'STUDIO_SECRET', baseUrl: studio.proxy.url },
    environment: { STUDIO_SECRET: SECRET },
  });
  /** The process is gone and another one picks up; `meanwhile` happens between. */
  const restart = async (meanwhile?: () => Promise<void>, options: OurOptions = {}) => {
    await hub.stop();
    await meanwhile?.();
    await open({ ...options, directory: hub.directory });
  };
  const botTexts = async (id: string) =>
    (await hub.log(id))
      .filter(({ event }) => event.audience === 'everyone' && event.by.role === 'bot')
      .flatMap(({ event }) => event.body?.activity?.text ?? []);
  const seen = (id: string, ...texts: string[]) =>
    eventually(async () => assert.deepEqual(await botTexts(id), [GREETING, ...texts]));
  const greeted = async () => {
    const id = await hub.startConversation();
    await seen(id);
    return id;
  };
  /** Does not wait until the bot has it: failed turns are tried again for seconds. */
  const say = (id: string, text: string) =>
    hub.hub.handle(id, {
      type: 'say',
      by: { role: 'customer', id: 'kim' },
      activity: { type: 'message', text, from: { id: 'kim', role: 'user' } },
    });
  const holds = (id: string, text: string) =>
    say(id, `later ${text}`).then(() => eventually(() => assert.equal(studio.held.length, 1)));

  describe('whose stream breaks', () => {
    it('is heard again from where it was, and nothing is lost or doubled', async () => {
      await open();
      const id = await greeted();
      await holds(id, 'one');
      studio.proxy.cutStreams();
      await studio.release();
      await seen(id, 'Echo: one');
      await say(id, 'two');
      await seen(id, 'Echo: one', 'Echo: two');
    });

    it('is asked for what is new where sockets are refused', async () => {
      studio.proxy.breaks({ matching: /\/stream$/, does: 'reset' });
      await open();
      const id = await greeted();
      await say(id, 'one');
      await seen(id, 'Echo: one');
      assert.ok(studio.proxy.requests.some((line) => /^GET .*\/activities$/.test(line)));
      assert.equal(hub.connection.figures.sockets, 0);
    });

    it('is heard by stream again once sockets are let through', async () => {
      studio.proxy.breaks({ matching: /\/stream$/, does: 'reset', times: 3 });
      await open({ times: { refusedMs: 50 } });
      const id = await greeted();
      await eventually(() => assert.equal(hub.connection.figures.sockets, 1));
      await say(id, 'one');
      await seen(id, 'Echo: one');
    });

    it('is listened to once although everything comes three times', async () => {
      studio.proxy.repeats = 3;
      await open();
      const id = await greeted();
      await say(id, 'one');
      await say(id, 'two');
      await seen(id, 'Echo: one', 'Echo: two');
      await say(id, 'human');
      await eventually(async () => assert.equal((await hub.state(id)).phase, 'queued'));
      const escalations = (await hub.log(id)).filter(({ event }) => event.type === 'escalated');
      assert.equal(escalations.length, 1);
    });
  });

  describe('whose service refuses for a moment', () => {
    for (const status of [429, 503, 502, 504])
      it(`is told again after ${status}`, async () => {
        await open();
        const id = await greeted();
        studio.proxy.breaks({ matching: POST, times: 2, does: { answer: status } });
        await say(id, 'one');
        await seen(id, 'Echo: one');
        assert.equal((await hub.state(id)).phase, 'bot');
      });

    it('is told once what it took although its answer was lost', async () => {
      await open();
      const id = await greeted();
      studio.proxy.breaks({ matching: POST, times: 1, does: 'loseAnswer' });
      await say(id, 'one');
      await say(id, 'two');
      await seen(id, 'Echo: one', 'Echo: two');
      assert.deepEqual(studio.said, ['startConversation', 'one', 'two']);
    });

    it('is not taken for failed when its service answers only after the bot, and the bot thinks for long', async () => {
      await open({ timeoutMs: 1_000 });
      const id = await greeted();
      studio.proxy.breaks({ matching: POST, times: 1, does: 'hang' });
      await holds(id, 'one');
      await say(id, 'two');
      await seen(id, 'Echo: two');
      await studio.release();
      await seen(id, 'Echo: two', 'Echo: one');
      assert.deepEqual(studio.said, ['startConversation', 'later one', 'two']);
    });

    it('goes on in the same conversation after a restart of the service', async () => {
      await open();
      const id = await greeted();
      await studio.restart();
      await say(id, 'one');
      await seen(id, 'Echo: one');
      assert.equal(studio.conversations.length, 1);
    });
  });

  describe('that fails', () => {
    it('is not told the same again after 500: people take over, with the reason', async () => {
      await open();
      const id = await greeted();
      studio.proxy.breaks({ matching: POST, does: { answer: 500 } });
      await say(id, 'one');
      await eventually(async () => assert.equal((await hub.state(id)).phase, 'queued'));
      const posts = studio.proxy.requests.filter((line) => POST.test(line)).length;
      studio.proxy.heals();
      assert.deepEqual(studio.said, ['startConversation']);
      const failed = (await hub.log(id)).find(({ event }) => event.type === 'botFailed');
      assert.match((failed?.event as { cause: string }).cause, /posting an activity was answered 500/);
      assert.equal(posts, 3, 'the opening, the context and one try');
    });

    it('hands over when its token endpoint is wrong, and says what to do', async () => {
      studio.proxy.breaks({ matching: /directline\/token$/, does: { answer: 404 } });
      await open();
      const id = await hub.startConversation();
      await say(id, 'help');
      await eventually(async () => assert.equal((await hub.state(id)).phase, 'queued'));
      const failures = (await hub.log(id)).filter(({ event }) => event.type === 'botFailed');
      assert.match((failures.at(-1)?.event as { cause: string }).cause, /token endpoint answered 404.*Copilot Studio/s);
    });

    it('cannot be connected over the open network without encryption', async () => {
      await open();
      for (const transport of [
        { kind: 'directLine', tokenEndpoint: 'http://example.com/token', baseUrl: studio.proxy.url },
        { kind: 'directLine', tokenEndpoint: studio.tokenEndpoint, baseUrl: 'http://example.com' },
      ] as const)
        assert.throws(() => new DirectLineBot({ hub: hub.hub, botId: BOT, transport, timeoutMs: 1_000 }), /https:/);
    });

    it('cannot be connected without the secret its configuration names', async () => {
      await open();
      const transport = { kind: 'directLine', secret: 'STUDIO_SECRET', baseUrl: studio.proxy.url } as const;
      assert.throws(
        () => new DirectLineBot({ hub: hub.hub, botId: BOT, transport, timeoutMs: 1_000, environment: {} }),
        /STUDIO_SECRET/,
      );
    });
  });

  describe('whose token ends', () => {
    it('is given a fresh one in time, for as long as the conversation lives', async () => {
      const clock = new LiveClock();
      await studio.close();
      studio = await Studio.open(clock);
      await open({ clock });
      const id = await greeted();
      for (let round = 1; round <= 4; round += 1) {
        const refreshes = () => studio.proxy.requests.filter((line) => line.endsWith('/tokens/refresh')).length;
        const before = refreshes();
        clock.advance(20 * MINUTE_MS);
        await eventually(() => assert.ok(refreshes() > before));
        await say(id, `round ${round}`);
        await eventually(async () => assert.equal((await botTexts(id)).at(-1), `Echo: round ${round}`));
      }
      assert.equal(studio.conversations.length, 1);
    });

    it('is entered again with the secret when it has ended', async () => {
      const clock = new LiveClock();
      await studio.close();
      studio = await Studio.open(clock);
      await open(bySecret());
      const id = await greeted();
      clock.advance(31 * MINUTE_MS);
      await say(id, 'one');
      await seen(id, 'Echo: one');
      assert.equal(studio.conversations.length, 1);
    });

    it('is met in a new conversation with the context where only its endpoint gives tokens, and greets nobody twice', async () => {
      const clock = new LiveClock();
      await studio.close();
      studio = await Studio.open(clock);
      await open();
      const id = await greeted();
      await hub.hub.handle(id, {
        type: 'setContext',
        by: { role: 'bot', id: BOT },
        variables: { Order: { value: 17 } },
      });
      clock.advance(31 * MINUTE_MS);
      await say(id, 'one');
      await seen(id, 'Echo: one');
      assert.equal(studio.conversations.length, 2);
      assert.deepEqual(studio.said, ['startConversation', 'pvaSetContext', 'one']);
      assert.deepEqual(studio.heard[1]?.value, { Order: 17 });
    });
  });

  describe('that has lost the conversation', () => {
    it('is met in a new one, in the same turn', async () => {
      await open();
      const id = await greeted();
      const [lost = ''] = studio.conversations;
      studio.proxy.breaks({
        matching: new RegExp(lost),
        does: { answer: 404, body: { error: { code: 'BadArgument' } } },
      });
      studio.proxy.cutStreams();
      await say(id, 'one');
      await seen(id, 'Echo: one');
      assert.equal(studio.conversations.length, 2);
      assert.equal((await hub.state(id)).phase, 'bot');
    });

    it('leads to people only when a new one cannot be had either', async () => {
      await open();
      const id = await greeted();
      const [lost = ''] = studio.conversations;
      studio.proxy.breaks({ matching: new RegExp(lost), does: { answer: 404 } });
      studio.proxy.breaks({ matching: /directline\/token$/, does: { answer: 403 } });
      await say(id, 'one');
      await eventually(async () => assert.equal((await hub.state(id)).phase, 'queued'));
    });

    it('is not looked for while a person serves', async () => {
      await open();
      const id = await greeted();
      await say(id, 'human');
      await eventually(async () => assert.equal((await hub.state(id)).phase, 'queued'));
      const [lost = ''] = studio.conversations;
      studio.proxy.breaks({ matching: new RegExp(lost), does: { answer: 404 } });
      await hub.hub.handle(id, { type: 'pick', agent: 'ana' });
      await hub.hub.settled();
      assert.equal(
        (await hub.log(id)).some(({ event }) => event.type === 'deliveryFailed'),
        false,
      );
      await hub.hub.handle(id, { type: 'return', by: { role: 'agent', id: 'ana' } });
      await say(id, 'back');
      await eventually(async () => assert.equal((await botTexts(id)).at(-1), 'Echo: back'));
      assert.equal(studio.conversations.length, 2);
    });
  });

  describe('and this process', () => {
    it('picks up after a restart: what was said meanwhile arrives without a turn, nobody is greeted again', async () => {
      await open();
      const id = await greeted();
      await holds(id, 'one');
      await restart(() => studio.release());
      await seen(id, 'Echo: one');
      await say(id, 'two');
      await seen(id, 'Echo: one', 'Echo: two');
      assert.equal(studio.conversations.length, 1);
    });

    it('goes on with the token endpoint although the token has ended during a long stop', async () => {
      const clock = new LiveClock();
      await studio.close();
      studio = await Studio.open(clock);
      await open();
      const id = await greeted();
      await restart(() => Promise.resolve(clock.advance(31 * MINUTE_MS)));
      await say(id, 'one');
      await seen(id, 'Echo: one');
      assert.deepEqual(studio.said, ['startConversation', 'one']);
    });

    it('holds no socket for a conversation that is idle, and brings what the bot said meanwhile before the next answer', async () => {
      await open({ times: { idleMs: 1_000, owedMs: 1_000 } });
      const id = await greeted();
      await eventually(() => assert.equal(hub.connection.figures.sockets + hub.connection.figures.asked, 0));
      const [remote = ''] = studio.conversations;
      await studio.says({ conversationId: remote, answers: undefined }, { type: 'message', text: 'By the way' });
      await say(id, 'one');
      await seen(id, 'By the way', 'Echo: one');
    });

    it('holds no socket while a person serves, and keeps what the bot said meanwhile from passing for something new', async () => {
      await open({ times: { owedMs: 1_000 } });
      const id = await greeted();
      await holds(id, 'one');
      await say(id, 'human');
      await seen(id, 'I connect you with a person', 'Please wait a moment');
      await hub.hub.handle(id, { type: 'pick', agent: 'ana' });
      await eventually(() => assert.equal(hub.connection.figures.sockets + hub.connection.figures.asked, 0));
      const [remote = ''] = studio.conversations;
      await studio.says({ conversationId: remote, answers: undefined }, { type: 'message', text: 'By the way' });
      await studio.release();
      await hub.hub.handle(id, { type: 'return', by: { role: 'agent', id: 'ana' } });
      await say(id, 'two');
      await eventually(async () => assert.equal((await botTexts(id)).at(-1), 'Echo: two'));
      const drafts = (await hub.log(id)).filter(({ event }) => event.type === 'drafted');
      assert.deepEqual(
        drafts.map(({ event }) => event.body?.activity?.text),
        ['By the way', 'Echo: one'],
      );
      const texts = await botTexts(id);
      assert.ok(!texts.includes('By the way') && !texts.includes('Echo: one'));
    });

    it('keeps to its number of sockets, and hears everybody all the same', async () => {
      await open({ maxSockets: 1 });
      const ids = [await greeted(), await greeted(), await greeted()];
      for (const id of ids) await say(id, id);
      for (const id of ids) await seen(id, `Echo: ${id}`);
      assert.ok(hub.connection.figures.sockets <= 1);
    });

    it('forgets a conversation that is closed', async () => {
      await open({ times: { owedMs: 20 } });
      const id = await greeted();
      const record = () => hub.store.getGrant('directLineBot', `${BOT}/${id}`, 0);
      assert.ok((await record()) !== undefined);
      await say(id, 'close');
      await eventually(async () => assert.equal((await hub.state(id)).phase, 'closed'));
      await eventually(async () => assert.equal(await record(), undefined));
      assert.deepEqual(hub.connection.figures, { lines: 0, sockets: 0, asked: 0 });
    });
  });

  it('uses the conversation that its token endpoint names, and the Direct Line of its region', async () => {
    await open({
      transport: {
        kind: 'directLine',
        tokenEndpoint: studio.tokenEndpoint,
        baseUrl: 'https://directline.botframework.com',
      },
    });
    await greeted();
    assert.equal(studio.proxy.requests[0], 'GET /powervirtualagents/botsbyschema/cr_support/directline/token');
    assert.ok(studio.proxy.requests.includes('GET /powervirtualagents/regionalchannelsettings'));
    assert.deepEqual(studio.conversations, studio.named);
  });

  it('answers everything once and in order through one fault after another', async () => {
    await open({ times: { refusedMs: 50 } });
    const id = await greeted();
    const faults: (() => void | Promise<void>)[] = [
      () => studio.proxy.cutStreams(),
      () => studio.proxy.breaks({ matching: POST, times: 1, does: 'loseAnswer' }),
      () => studio.proxy.breaks({ matching: POST, times: 1, does: 'reset' }),
      () => studio.proxy.breaks({ matching: /\/stream$/, times: 2, does: 'reset' }),
      () => studio.proxy.breaks({ matching: /^GET .*\/activities$/, times: 1, does: { answer: 503 } }),
      () => studio.proxy.breaks({ matching: POST, times: 1, does: { answer: 429 } }),
      () => void (studio.proxy.repeats = 3 - studio.proxy.repeats),
      () => studio.restart(),
      () => restart(),
    ];
    const texts = Array.from({ length: 2 * faults.length }, (_, n) => `message ${n}`);
    for (const [n, text] of texts.entries()) {
      await faults[n % faults.length]?.();
      await say(id, text);
      // Some faults meet a turn that is under way, others one that is done.
      if (n % 2 === 1) await eventually(async () => assert.equal((await botTexts(id)).at(-1), `Echo: ${text}`), 30_000);
    }
    await eventually(
      async () => assert.deepEqual(await botTexts(id), [GREETING, ...texts.map((text) => `Echo: ${text}`)]),
      30_000,
    );
    assert.deepEqual(studio.said, ['startConversation', ...texts], 'and told everything once');
    assert.equal(studio.conversations.length, 1);
  });
});
