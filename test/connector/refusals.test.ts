// What bots are told when a call is wrong, and that nothing is lost, said twice, or done in somebody else's conversation.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { measure } from '../../src/metrics.js';
import { BadRequest, Conflict, StoreUnavailable } from '../../src/errors.js';
import type { BotCallers } from '../../src/connector/callers.js';
import { handoff, openHub } from '../fakes/hub.js';
import { openConnector, remoteBots, type ConnectorSite, type ConnectorSiteOptions } from './site.js';

interface Told {
  status: number;
  code: string;
  message: string;
}

describe('calls of bots that cannot be served', () => {
  let site: ConnectorSite;
  let conversation: string;
  const open = async (options: ConnectorSiteOptions = {}) => {
    await site?.close();
    site = await openConnector(options);
    conversation = (await site.start('dl_kim')).conversationId;
    await site.says(conversation, 'hello', 'dl_kim');
  };
  beforeEach(() => open());
  afterEach(async () => {
    await site.close();
    site = undefined as never;
  });

  async function told(method: string, path: string, body?: unknown): Promise<Told> {
    const answer = await site.bots(method, path, body);
    const { error } = answer.body as { error: { code: string; message: string } };
    return { status: answer.status, ...error };
  }
  const activities = () => `/conversations/${conversation}/activities`;
  const texts = async () => (await site.customerSees(conversation)).slice(2);

  describe('because of what they send', () => {
    const wrong: [what: string, body: unknown, status: number, code: string, says: RegExp][] = [
      ['no JSON', '{"type": "message", ', 400, 'BadSyntax', /not valid JSON/],
      ['nothing at all', undefined, 400, 'BadArgument', /JSON object/],
      ['a list', [{ type: 'message', text: 'x' }], 400, 'BadArgument', /JSON object/],
      ['a type that is no text', { type: 5 }, 400, 'MissingProperty', /"type"/],
      ['a text that is none', { text: { de: 'hallo' } }, 400, 'BadArgument', /"text" must be a string/],
      ['attachments that are no list', { attachments: 'x' }, 400, 'BadArgument', /"attachments" must be/],
      ['a sender that is no account', { from: 'demo' }, 400, 'BadArgument', /"from" must be/],
      ['more than 256 KiB', { text: 'x'.repeat(262_144) }, 413, 'RequestTooLarge', /262144 bytes/],
      ['JSON that nests without end', `{"a":${'['.repeat(300)}${']'.repeat(300)}}`, 400, 'BadSyntax', /nested/],
    ];
    for (const [what, body, status, code, says] of wrong)
      it(`refuses ${what} and stores nothing`, async () => {
        const before = (await site.log(conversation)).length;
        const answer = await told('POST', activities(), body);
        assert.deepEqual([answer.status, answer.code], [status, code]);
        assert.match(answer.message, says);
        assert.equal((await site.log(conversation)).length, before);
        assert.equal((await site.bots('POST', activities(), { text: 'still served' })).status, 200);
        assert.deepEqual(await texts(), ['still served']);
      });

    it('takes 256 KiB', async () => {
      const activity = { type: 'message', text: 'x'.repeat(261_000) };
      assert.equal((await site.bots('POST', activities(), activity)).status, 200);
    });

    it('takes activities without a type for messages, and a reply to what is not known for one to nothing', async () => {
      const answer = await site.bots('POST', `${activities()}/9a0f3b`, { text: 'hi', attachments: null });
      assert.equal(answer.status, 200);
      const last = (await site.log(conversation)).at(-1);
      assert.deepEqual([last?.event.type, 'answers' in (last?.event ?? {})], ['said', false]);
      const ahead = await site.bots('POST', `${activities()}/${conversation}|0009999`, { text: 'from the future' });
      assert.equal(ahead.status, 200);
      assert.equal('answers' in ((await site.log(conversation)).at(-1)?.event ?? {}), false);
    });

    it('answers invoke responses and traces with an id and tells nobody', async () => {
      const before = (await site.log(conversation)).length;
      for (const type of ['trace', 'invokeResponse'])
        assert.ok(
          ((await site.bots('POST', activities(), { type })).body as { id: string }).id.startsWith(conversation),
        );
      assert.equal((await site.log(conversation)).length, before);
    });

    it('refuses files without a type, without content, not in base64, or too large', async () => {
      await open({ uploadLimitBytes: 100 });
      const path = `/conversations/${conversation}/attachments`;
      const type = 'image/png';
      const codes = [];
      for (const body of [
        { originalBase64: 'AAAA' },
        { type, name: 'x.png' },
        { type, originalBase64: 'not base64!' },
        { type, originalBase64: Buffer.alloc(101).toString('base64') },
      ]) {
        const { status, code } = await told('POST', path, body);
        codes.push(`${status} ${code}`);
      }
      assert.deepEqual(codes, ['400 MissingProperty', '400 MissingProperty', '400 BadArgument', '413 RequestTooLarge']);
      const exact = { type, originalBase64: Buffer.alloc(100, 1).toString('base64') };
      assert.equal((await site.bots('POST', path, exact)).status, 200);
    });

    it('refuses a history with a turn that is none, and keeps none of it', async () => {
      const turns = [
        { type: 'message', id: '1', text: 'a' },
        { type: 'message', id: '2', text: 5 },
      ];
      const answer = await told('POST', `${activities()}/history`, { activities: turns });
      assert.deepEqual([answer.status, answer.code], [400, 'BadArgument']);
      assert.match(answer.message, /^activities\[1\]: "text"/);
      assert.ok(!(await site.log(conversation)).some(({ event }) => event.type === 'imported'));
    });

    it('takes a turn of a history whose id is no text as one without', async () => {
      const activities_ = [5, {}, null].map((id) => ({ type: 'message', id, text: `with ${JSON.stringify(id)}` }));
      const answer = await site.bots('POST', `${activities()}/history`, { activities: activities_ });
      assert.equal(answer.status, 200);
      const imported = (await site.log(conversation)).filter(({ event }) => event.type === 'imported');
      assert.equal(imported.length, activities_.length);
    });
  });

  describe('because of what they are about', () => {
    it('say so for operations, conversations, activities, members and files that are not there', async () => {
      const codes = [];
      for (const [method, path, body] of [
        ['GET', activities(), undefined],
        ['PATCH', activities(), {}],
        ['GET', `/conversations/${conversation}/unheard`, undefined],
        ['POST', '/conversations/nowhere/activities', { text: 'x' }],
        ['POST', `/conversations/${conversation}%00/activities`, { text: 'x' }],
        ['PUT', `${activities()}/${conversation}|0000099`, { text: 'x' }],
        ['DELETE', `${activities()}/${conversation}|f1e2`, undefined],
        ['GET', `/conversations/${conversation}/members/nobody`, undefined],
        ['DELETE', `/conversations/${conversation}/members/nobody`, undefined],
        ['GET', '/attachments/none', undefined],
        ['GET', '/attachments/none/views/thumbnail', undefined],
        ['GET', '/botstate/directline/users/dl_kim', undefined],
        ['POST', '/botstate/directline/users/dl_kim', {}],
      ] as const) {
        const { status, code } = await told(method, path, body);
        codes.push(`${method} ${status} ${code}`);
      }
      assert.deepEqual(codes, [
        'GET 405 MethodNotAllowed',
        'PATCH 404 NotFound',
        'GET 404 NotFound',
        'POST 404 ConversationNotFound',
        'POST 404 ConversationNotFound',
        'PUT 404 ActivityNotFoundInConversation',
        'DELETE 404 ActivityNotFoundInConversation',
        'GET 404 MemberNotFoundInConversation',
        'DELETE 404 MemberNotFoundInConversation',
        'GET 404 BadArgument',
        'GET 404 BadArgument',
        'GET 410 Gone',
        'POST 410 Gone',
      ]);
    });

    it('let a bot change only what it said itself', async () => {
      const [customers] = (await site.log(conversation)).filter(({ event }) => event.by.role === 'customer').slice(-1);
      const path = `${activities()}/${conversation}|${String(customers?.seq).padStart(7, '0')}`;
      for (const [method, body] of [
        ['PUT', { text: 'I love this bot' }],
        ['DELETE', undefined],
      ] as const) {
        const answer = await told(method, path, body);
        assert.deepEqual([answer.status, answer.code], [403, 'notAllowed']);
      }
    });

    it('let pages of members be asked for in a sensible way only', async () => {
      for (const query of ['pageSize=0', 'pageSize=many', 'continuationToken=next']) {
        const answer = await told('GET', `/conversations/${conversation}/pagedmembers?${query}`);
        assert.deepEqual([answer.status, answer.code], [400, 'BadArgument']);
      }
    });

    it('open no groups, none without a customer, and none with a person who serves', async () => {
      const codes = [];
      for (const body of [
        { bot: { id: 'demo' }, isGroup: true, members: [{ id: 'dl_a' }] },
        { bot: { id: 'demo' }, members: [{ id: 'dl_a' }, { id: 'dl_b' }] },
        { bot: { id: 'demo' }, members: [{ id: 'demo' }] },
        { bot: { id: 'demo' } },
        { bot: { id: 'demo' }, members: 'dl_a' },
        { bot: { id: 'demo' }, members: [{ id: 'ana' }] },
        { bot: { id: 'nobody' }, members: [{ id: 'dl_a' }] },
        { bot: { id: 'demo' }, members: [{ id: 'dl_a' }], activity: { type: 'message', text: 5 } },
      ]) {
        const { status, code } = await told('POST', '/conversations', body);
        codes.push(`${status} ${code}`);
      }
      assert.deepEqual(codes, [
        '400 BadArgument',
        '400 BadArgument',
        '400 MissingProperty',
        '400 MissingProperty',
        ...Array<string>(4).fill('400 BadArgument'),
      ]);
      assert.equal((await site.store.list({}, 10)).items.length, 1);
    });
  });

  describe('because of who calls', () => {
    const as = (...ids: string[]): BotCallers => ({ authenticate: () => Promise.resolve({ botIds: new Set(ids) }) });

    it("keep a bot out of another bot's conversation, whatever it asks, and count it", async () => {
      await open({ callers: as('other') });
      const metrics = measure(site.hub, () => ({}));
      const last = `${conversation}|0000004`;
      const before = (await site.log(conversation)).length;
      for (const [method, path, body] of [
        ['POST', activities(), { text: 'hi, it is me' }],
        ['POST', `${activities()}/${last}`, { text: 'hi', from: { id: 'demo' } }],
        ['PUT', `${activities()}/${last}`, { text: 'x' }],
        ['DELETE', `${activities()}/${last}`, undefined],
        ['POST', `${activities()}/history`, { activities: [] }],
        ['GET', `${activities()}/${last}/members`, undefined],
        ['GET', `/conversations/${conversation}/members`, undefined],
        ['GET', `/conversations/${conversation}/members/dl_kim`, undefined],
        ['GET', `/conversations/${conversation}/pagedmembers`, undefined],
        ['DELETE', `/conversations/${conversation}/members/dl_kim`, undefined],
        ['POST', `/conversations/${conversation}/attachments`, { type: 'text/plain', originalBase64: 'eA==' }],
      ] as const) {
        const answer = await told(method, path, body);
        assert.deepEqual([answer.status, answer.code], [403, 'BotNotInConversationRoster'], `${method} ${path}`);
      }
      assert.equal((await site.log(conversation)).length, before);
      assert.deepEqual((await site.bots('GET', '/conversations')).body, { conversations: [] });
      const figures = await metrics.registry.metrics();
      metrics.stop();
      assert.match(
        figures,
        /handoff_bot_calls_total\{operation="sendToConversation",status="403",code="BotNotInConversationRoster"\} 1/,
      );
    });

    it('take a bot that lost the conversation at its word, but do not let it act there', async () => {
      await site.hub.botSays(conversation, 'demo', [handoff()]);
      await site.hub.settled();
      assert.equal((await site.state(conversation)).phase, 'queued');
      assert.equal((await site.bots('POST', activities(), { text: 'and another thing' })).status, 200);
      const answer = await told('DELETE', `/conversations/${conversation}/members/dl_kim`);
      assert.deepEqual([answer.status, answer.code], [409, 'notHolder']);
      assert.equal((await site.log(conversation)).at(-1)?.event.type, 'drafted');
    });

    it('speak with several bots behind one identity as the one that says who it is', async () => {
      await open({ callers: as('demo', 'other') });
      const by = async () => (await site.log(conversation)).at(-1)?.event.by.id;
      await site.bots('POST', activities(), { text: 'mine', from: { id: 'other' } });
      assert.equal(await by(), 'demo', 'other never had it');
      await site.hub.handle(conversation, {
        type: 'transfer',
        by: { role: 'supervisor', id: 'sam' },
        to: { bot: 'other' },
      });
      for (const id of ['demo', 'other']) {
        await site.bots('POST', activities(), { text: `from ${id}`, from: { id } });
        assert.equal(await by(), id);
      }
      assert.equal((await texts()).at(-1), 'from other');
    });

    it('without a token come from this machine or a private network, by its name, and from no page', async () => {
      const statuses = [];
      for (const headers of [
        {},
        { origin: 'http://shop.example' },
        { host: 'rebound.example' },
        { 'x-forwarded-for': '203.0.113.9' },
        { forwarded: 'for=203.0.113.9' },
      ] as Record<string, string>[])
        statuses.push((await site.bots('POST', activities(), { text: 'x' }, { headers })).status);
      assert.deepEqual(statuses, [200, 401, 401, 401, 401]);
    });
  });

  describe('because the hub cannot take them now', () => {
    const failing = (error: Error, times = 1) => {
      const { store } = site;
      const append = store.append.bind(store);
      let left = times;
      store.append = (request) => (left-- > 0 ? Promise.reject(error) : append(request));
    };

    it('answer 503 when nothing was stored, which SDKs repeat, and the repetition is said once', async () => {
      failing(new StoreUnavailable('The disk is full.'));
      const first = await told('POST', activities(), { text: 'once' });
      assert.deepEqual([first.status, first.code], [503, 'StoreUnavailable']);
      assert.equal((await site.bots('POST', activities(), { text: 'once' })).status, 200);
      assert.deepEqual(await texts(), ['once']);
    });

    it('answer 429 with Retry-After when the conversation kept changing', async () => {
      failing(new Conflict('changed'));
      const answer = await site.bots('POST', activities(), { text: 'once' });
      assert.deepEqual([answer.status, answer.headers['retry-after']], [429, '1']);
      assert.equal((await site.bots('POST', activities(), { text: 'once' })).status, 200);
      assert.deepEqual(await texts(), ['once']);
    });

    it('answer 429 with Retry-After while too many are under way', async () => {
      await open({ mostCalls: 1 });
      let release = () => {};
      const held = new Promise<void>((resolve) => (release = resolve));
      let begun = () => {};
      const began = new Promise<void>((resolve) => (begun = resolve));
      const { store } = site;
      const append = store.append.bind(store);
      store.append = async (request) => {
        begun();
        await held;
        return append(request);
      };
      const first = site.bots('POST', activities(), { text: 'first' });
      await began;
      const second = await site.bots('POST', activities(), { text: 'second' });
      assert.deepEqual([second.status, second.headers['retry-after']], [429, '1']);
      release();
      assert.equal((await first).status, 200);
      assert.equal((await site.bots('POST', activities(), { text: 'second' })).status, 200);
      assert.deepEqual(await texts(), ['first', 'second']);
    });

    it('have so much memory for histories and are told to come back when there is none', async () => {
      await open({ uploadRoomBytes: 1_000_000 });
      const history = `${activities()}/history`;
      const sending = http.request(`${site.url}/v3${history}`, {
        method: 'POST',
        agent: false,
        headers: { 'content-length': '999990', expect: '100-continue' },
      });
      sending.on('error', () => undefined);
      // Node says so when it hands the request on.
      const handedOn = once(sending, 'continue');
      sending.flushHeaders();
      await handedOn;
      const said = { activities: [{ type: 'message', id: 'earlier', text: 'said before' }] };
      const answer = await site.bots('POST', history, said);
      assert.deepEqual([answer.status, answer.headers['retry-after']], [429, '2']);
      assert.equal((await site.bots('POST', activities(), { text: 'goes on' })).status, 200);
      sending.destroy();
      while ((await site.bots('POST', history, said)).status !== 200);
    });

    it('leave room for other bots while one hangs in the middle of its calls', async () => {
      const named: BotCallers = {
        authenticate: (request) => Promise.resolve({ botIds: new Set([request.header('x-bot') ?? 'demo']) }),
      };
      await open({ mostCalls: 5, callers: named });
      const hanging = Array.from({ length: 10 }, () => {
        const headers = { 'x-bot': 'demo', 'content-length': '100' };
        const call = http.request(`${site.url}/v3${activities()}`, { method: 'POST', agent: false, headers });
        call.on('error', () => undefined);
        call.on('response', (response) => response.resume());
        call.write('{');
        return call;
      });
      const statusFor = async (bot: string) =>
        (await site.bots('GET', `/conversations/${conversation}/members`, undefined, { headers: { 'x-bot': bot } }))
          .status;
      while ((await statusFor('demo')) !== 429);
      assert.equal(await statusFor('other'), 403, 'it is heard, and told that this is not its conversation');
      for (const call of hanging) call.destroy();
      while ((await statusFor('demo')) !== 200);
    });

    it('answer 200 with the id when something fails after it was stored: a 5xx would have it said twice', async () => {
      const stop = site.hub.observe({
        committed() {
          throw new Error('a fault of ours');
        },
      });
      const answer = await site.bots('POST', activities(), { text: 'once' });
      stop();
      assert.equal(answer.status, 200);
      const last = (await site.log(conversation)).at(-1);
      assert.deepEqual(answer.body, { id: `${conversation}|${String(last?.seq).padStart(7, '0')}` });
      assert.deepEqual(await texts(), ['once']);
      const opening = { bot: { id: 'demo' }, members: [{ id: 'dl_lee' }], activity: { text: 'first' } };
      const stopAgain = site.hub.observe({
        committed() {
          throw new Error('a fault of ours');
        },
      });
      const opened = await site.bots('POST', '/conversations', opening);
      stopAgain();
      assert.equal(opened.status, 201);
      assert.deepEqual(await site.customerSees((opened.body as { id: string }).id), ['first']);
    });

    it('say once what a bot repeats because its connection broke before it heard the answer', async () => {
      const { store } = site;
      const append = store.append.bind(store);
      let release = () => {};
      const held = new Promise<void>((resolve) => (release = resolve));
      let begun = () => {};
      const began = new Promise<void>((resolve) => (begun = resolve));
      store.append = async (request) => {
        begun();
        await held;
        return append(request);
      };
      const body = JSON.stringify({ type: 'message', text: 'once' });
      const broken = http.request(`${site.url}/v3${activities()}`, { method: 'POST' });
      broken.on('error', () => {});
      broken.end(body);
      await began;
      const gone = new Promise((resolve) => broken.on('close', resolve));
      broken.destroy();
      await gone;
      // The hub has seen it too when a new connection is answered.
      await site.bots('GET', `/conversations/${conversation}/members`);
      const repeated = site.bots('POST', activities(), body);
      release();
      assert.equal((await repeated).status, 200);
      await site.hub.settled();
      assert.deepEqual(await texts(), ['once']);
      assert.equal((await site.bots('POST', activities(), body)).status, 200);
      assert.deepEqual(await texts(), ['once', 'once'], 'said again on purpose');
    });

    it('know the replies of a turn that is run again after a crash', async () => {
      let crash = true;
      let isUp = () => {};
      const up = new Promise<void>((resolve) => (isUp = resolve));
      const configuration = await remoteBots();
      await open({ configuration });
      site.bot.script = async (activity) => {
        if (activity.type !== 'message') return;
        if (!crash) await up;
        const path = `${activities()}/${activity.id}`;
        assert.equal((await site.bots('POST', path, { text: 'one' })).status, 200);
        // The process ends here, at the first time.
        if (crash) await new Promise(() => {});
        assert.equal((await site.bots('POST', path, { text: 'two' })).status, 200);
      };
      await site.hub.handle(conversation, {
        type: 'say',
        by: { role: 'customer', id: 'dl_kim' },
        activity: { type: 'message', text: 'go' },
      });
      for (let tries = 0; (await texts()).length < 2 && tries < 500; tries += 1)
        await new Promise((resolve) => setTimeout(resolve, 10));
      assert.deepEqual(await texts(), ['go', 'one']);
      const before = site;
      const { directory, clock, bot } = before;
      await before.hub.stop(0);
      await before.store.close();
      crash = false;
      site = await openConnector({ hub: await openHub({ directory, configuration, clock, bot }) });
      isUp();
      try {
        await site.hub.settled();
        assert.deepEqual(await texts(), ['go', 'one', 'two']);
      } finally {
        await site.close();
        site = before;
      }
    });
  });

  it('are refused before anything is read when nobody knows the caller', async () => {
    await open({
      callers: { authenticate: () => Promise.reject(new BadRequest(401, 'Unauthorized', 'Send a token.')) },
    });
    const answer = await told('POST', activities(), 'x'.repeat(1_000));
    assert.deepEqual([answer.status, answer.code], [401, 'Unauthorized']);
  });
});
