// What the staff API tells: shapes, lists page by page, the log with its history, transcripts, receipts, and clear refusals.

import assert from 'node:assert/strict';
import { activityId } from '../../src/core/activity.js';
import { DeliveryFailed } from '../../src/errors.js';
import { errorIn, openOffice, shownIn, type Desk, type Office } from './office.js';

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

interface Line {
  seq: number;
  at: string;
  type: string;
  audience: string;
  by: { role: string; id: string; name: string };
  activity?: { id: string; text?: string; from: { name: string } };
  [field: string]: unknown;
}

describe('staff API: reading', () => {
  let office: Office;
  let ana: Desk;
  let sam: Desk;
  beforeEach(async () => {
    office = await openOffice();
    [ana, sam] = await Promise.all([office.as('ana'), office.as('sam')]);
  });
  afterEach(() => office.close());

  async function logOf(id: string, query = ''): Promise<{ entries: Line[]; next?: number }> {
    const { status, body } = await sam.get(`/conversations/${id}/log${query}`);
    assert.equal(status, 200, JSON.stringify(body));
    return body as { entries: Line[]; next?: number };
  }

  it('tells who I am, and takes my presence', async () => {
    assert.deepEqual(shownIn(await ana.get('/me')), {
      id: 'ana',
      name: 'Ana',
      roles: ['agent'],
      presence: 'offline',
      presenceAt: shownIn(await ana.get('/me'))['presenceAt'],
      capacity: 2,
      load: 0,
      queues: ['CreditCardQueue'],
    });
    const me = shownIn(await ana.call('PUT', '/me/presence', { presence: 'busy' }));
    assert.equal(me['presence'], 'busy');
    assert.match(String(me['presenceUntil']), ISO);
    for (const presence of ['asleep', undefined, 7]) {
      const refused = await ana.call('PUT', '/me/presence', { presence });
      assert.deepEqual([refused.status, errorIn(refused).code], [400, 'badCommand']);
    }
  });

  it('shows a waiting conversation with its place, its deadlines and its context', async () => {
    const first = await office.customerAsks('CreditCard', 'kim');
    office.clock.advance(60_000);
    const second = await office.customerAsks('CreditCard', 'lee');
    const shown = shownIn(await ana.get(`/conversations/${second}`));
    const { waitingSince, dueAt, startedAt, lastAt, heldSince, timers, version, ...rest } = shown;
    assert.deepEqual(rest, {
      id: second,
      phase: 'queued',
      omnichannelState: 'Open',
      epoch: rest['epoch'],
      queue: 'CreditCardQueue',
      queueName: 'CreditCardQueue',
      position: 2,
      priority: 0,
      customer: { id: 'lee', name: 'Kim', gone: false },
      context: {
        BotHandoffTopic: { value: 'CreditCard', displayable: true },
        va_AgentMessage: rest['context'] && (rest['context'] as Record<string, unknown>)['va_AgentMessage'],
      },
      summary: 'card lost',
      workStream: 'web',
      channel: 'directline',
      lastBot: 'demo',
      escalationReason: 'signal',
      servedBy: [],
      participants: [],
    });
    for (const at of [waitingSince, dueAt, startedAt, lastAt, heldSince]) assert.match(String(at), ISO);
    assert.equal(Date.parse(String(dueAt)) - Date.parse(String(waitingSince)), 20 * 60_000);
    assert.deepEqual(timers, { queueLimit: dueAt });
    assert.equal(version, (await office.log(second)).length);
    assert.equal(shownIn(await ana.get(`/conversations/${first}`))['position'], 1);
  });

  it('names the person asked and when the request lapses', async () => {
    await ana.present();
    const id = await office.customerAsks('CreditCard');
    const shown = shownIn(await sam.get(`/conversations/${id}`));
    assert.deepEqual(shown.agent, { id: 'ana', name: 'Ana' });
    assert.deepEqual(shown['offers'], [{ agent: { id: 'ana', name: 'Ana' }, lapsesAt: shown['dueAt'] }]);
  });

  it('lists conversations newest first, page by page, each once', async () => {
    const ids: string[] = [];
    for (let index = 0; index < 7; index += 1) {
      ids.push(await office.startConversation(`customer${index}`));
      // Two of them start in the same millisecond.
      if (index !== 3) office.clock.advance(1_000);
    }
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const path = `/conversations?limit=2${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;
      const page = (await ana.get(path)).body as { items: { id: string; startedAt: string }[]; next?: string };
      assert.ok(page.items.length <= 2);
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.next;
    } while (cursor !== undefined);
    assert.deepEqual([...seen].sort(), [...ids].sort());
    assert.equal(seen[0], ids.at(-1));
  });

  it('filters by phase, queue, person and customer', async () => {
    const bot = await office.startConversation('lee');
    const cards = await office.customerAsks('CreditCard', 'kim');
    const loans = await office.customerAsks('HomeLoan', 'max');
    shownIn(await ana.asks(cards, 'pick'));
    const ids = async (query: string) =>
      ((await ana.get(`/conversations?${query}`)).body as { items: { id: string }[] }).items.map(({ id }) => id).sort();
    assert.deepEqual(await ids('phase=bot'), [bot]);
    assert.deepEqual(await ids('phase=bot,queued'), [bot, loans].sort());
    assert.deepEqual(await ids('phase=bot&phase=queued'), [bot, loans].sort());
    assert.deepEqual(await ids('queue=HomeLoanQueue'), [loans]);
    assert.deepEqual(await ids('agent=ana'), [cards]);
    assert.deepEqual(await ids('agent=me'), [cards]);
    assert.deepEqual(await ids('customer=max'), [loans]);
    assert.deepEqual(await ids('customer=max&phase=bot'), []);
  });

  it('says what is wrong with a query', async () => {
    for (const query of ['phase=happy', 'limit=0', 'limit=x', 'limit=100000', 'cursor=%F0nonsense']) {
      const refused = await ana.get(`/conversations?${query}`);
      assert.equal(refused.status, 400, query);
      assert.notEqual(errorIn(refused).message, '');
    }
    const id = await office.customerAsks('CreditCard');
    assert.equal((await ana.get(`/conversations/${id}/log?after=-1`)).status, 400);
    assert.equal((await ana.get(`/conversations/${id}/transcript?format=docx`)).status, 400);
  });

  it('answers 404 for conversations, calls and drafts that do not exist', async () => {
    for (const path of ['', '/log', '/transcript', '/receipts']) {
      const answer = await sam.get(`/conversations/nope${path}`);
      assert.deepEqual([answer.status, errorIn(answer).code], [404, 'conversationUnknown'], path);
    }
    for (const verb of ['accept', 'reject', 'pick', 'return', 'end', 'typing', 'token', 'drafts/1/send'])
      assert.equal((await ana.asks('nope', verb)).status, 404, verb);
    assert.equal((await ana.says('nope', 'hello')).status, 404);
    assert.equal((await sam.asks('nope', 'close')).status, 404);
    assert.equal((await ana.asks('nope', 'transfer', { to: { queue: 'HomeLoanQueue' } })).status, 404);
    assert.equal((await ana.get('/nothing')).status, 404);
  });

  it('tells the log in order, named, with the staff-only entries marked, from any place on', async () => {
    const id = await office.customerAsks('CreditCard');
    shownIn(await ana.asks(id, 'pick'));
    shownIn(await ana.says(id, 'hello Kim'));
    shownIn(await ana.says(id, 'knows the bank manager', { audience: 'staff' }));
    const { entries, next } = await logOf(id);
    assert.equal(next, undefined);
    assert.deepEqual(
      entries.map(({ seq }) => seq),
      entries.map((_entry, index) => index + 1),
    );
    for (const { at, audience, by } of entries) {
      assert.match(at, ISO);
      assert.match(audience, /^(everyone|staff)$/);
      assert.ok(by.id !== '' && by.name !== '');
    }
    const spoken = entries.filter(({ activity }) => activity?.text !== undefined);
    const line = (text: string) => spoken.find(({ activity }) => activity?.text === text);
    assert.deepEqual(line('Welcome')?.by, { role: 'bot', id: 'demo', name: 'Demo Bot' });
    assert.deepEqual(line('human CreditCard')?.by, { role: 'customer', id: 'kim', name: 'Kim' });
    assert.deepEqual([line('hello Kim')?.by.name, line('hello Kim')?.audience], ['Ana', 'everyone']);
    assert.deepEqual(
      [line('knows the bank manager')?.type, line('knows the bank manager')?.audience],
      ['noted', 'staff'],
    );
    assert.equal(line('hello Kim')?.activity?.id, activityId(id, line('hello Kim')?.seq ?? 0));
    const paged: Line[] = [];
    let after: number | undefined = 0;
    while (after !== undefined) {
      const page: { entries: Line[]; next?: number } = await logOf(id, `?after=${after}&limit=3`);
      paged.push(...page.entries);
      after = page.next;
    }
    assert.deepEqual(paged, entries);
    assert.deepEqual((await logOf(id, `?after=${entries.length}`)).entries, []);
  });

  it('keeps the history of edits readable for staff, also when the original is on an earlier page', async () => {
    const id = await office.customerAsks('CreditCard');
    shownIn(await ana.asks(id, 'pick'));
    const { message } = shownIn(await ana.says(id, 'hello Kmi')) as unknown as { message: { seq: number } };
    const by = { role: 'agent', id: 'ana' } as const;
    const activity = { type: 'message', text: 'hello Kim' };
    await office.hub.handle(id, { type: 'edit', by, author: by, audience: 'everyone', target: message.seq, activity });
    const { entries } = await logOf(id);
    const versions = entries.filter((entry) => entry.activity?.id === activityId(id, message.seq));
    assert.deepEqual(
      versions.map((entry) => [entry.type, entry.activity?.text]),
      [
        ['said', 'hello Kmi'],
        ['edited', 'hello Kim'],
      ],
    );
    const later = await logOf(id, `?after=${message.seq}`);
    const edited = later.entries.find(({ type }) => type === 'edited');
    assert.deepEqual(edited, versions[1]);
    const text = (await sam.get(`/conversations/${id}/transcript?format=text`)).body as string;
    assert.ok(text.includes('hello Kim') && !text.includes('hello Kmi'));
  });

  it('exports a transcript in four formats, staff-only entries included and marked', async () => {
    const id = await office.customerAsks('CreditCard');
    shownIn(await ana.asks(id, 'pick'));
    shownIn(await ana.says(id, '<script>alert(1)</script>', { audience: 'staff' }));
    const types = {
      transcript: 'application/json; charset=utf-8',
      jsonl: 'application/x-ndjson; charset=utf-8',
      text: 'text/plain; charset=utf-8',
      html: 'text/html; charset=utf-8',
    };
    for (const [format, type] of Object.entries(types)) {
      const { status, headers, body } = await ana.get(`/conversations/${id}/transcript?format=${format}`);
      assert.deepEqual([status, headers['content-type']], [200, type]);
      assert.match(String(headers['content-security-policy']), /sandbox/);
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      assert.ok(text.includes('human CreditCard') && text.includes('alert(1)'), format);
      if (format === 'html') assert.ok(!text.includes('<script>'));
    }
    const asFile = await ana.get(`/conversations/${id}/transcript`);
    assert.ok(Array.isArray(asFile.body), 'the Emulator opens an array of activities');
    assert.equal(asFile.headers['content-disposition'], `attachment; filename="${id}.transcript"`);
  });

  it('tells why a conversation is where it is', async () => {
    await ana.present();
    const id = await office.customerAsks('CreditCard');
    const { items } = (await ana.get(`/conversations/${id}/receipts`)).body as { items: Record<string, unknown>[] };
    assert.deepEqual(
      items.map(({ kind, queue, bot, chosen }) => [kind, queue, bot ?? chosen]),
      [
        ['route', 'BotQueue', 'demo'],
        ['route', 'CreditCardQueue', undefined],
        ['assign', 'CreditCardQueue', 'ana'],
      ],
    );
    const rules = items[1]?.['rules'] as { rule: number; matched: boolean; conditions: Record<string, unknown>[] }[];
    assert.deepEqual(rules.at(-1), {
      rule: 2,
      matched: true,
      queue: 'CreditCardQueue',
      conditions: [
        {
          variable: 'BotHandoffTopic',
          operator: 'equals',
          expected: 'CreditCard',
          actual: 'CreditCard',
          result: true,
        },
      ],
    });
    for (const { at } of items) assert.match(String(at), ISO);
  });

  it('tells apart, in receipts and transcripts, a bot that failed from one that asked for a person', async () => {
    const told = async (id: string) => {
      const { items } = (await sam.get(`/conversations/${id}/receipts`)).body as { items: Record<string, unknown>[] };
      const last = items.at(-1);
      const alone = (await sam.get(`/conversations/${id}/receipts/${String(last?.['seq'])}`)).body as typeof last;
      assert.deepEqual(alone, last);
      const transcript = String((await sam.get(`/conversations/${id}/transcript?format=text`)).body);
      return [last?.['because'], /\* (.* a person.*)$/m.exec(transcript)?.[1]];
    };
    const asked = await office.customerAsks('CreditCard', 'kim');
    assert.deepEqual(await told(asked), ['Demo Bot asked for a person', 'Demo Bot asked for a person']);
    const failing = await office.startConversation('lee');
    office.bot.script = () => {
      throw new DeliveryFailed('Bot "demo" answered 500', false, { kind: 'failed' });
    };
    await office.says(failing, 'hello', 'lee');
    const failed = 'Demo Bot failed, and a person was asked for';
    assert.deepEqual(await told(failing), [failed, failed]);
  });

  it('counts the lines and the people of each queue', async () => {
    await office.customerAsks('HomeLoan', 'kim');
    office.clock.advance(90_000);
    await office.customerAsks('HomeLoan', 'lee');
    await (await office.as('ben')).present('busy');
    const { items } = (await ana.get('/queues')).body as { items: Record<string, unknown>[] };
    const loans = items.find(({ id }) => id === 'HomeLoanQueue');
    assert.deepEqual(
      [loans?.['waiting'], loans?.['oldestWaitMs'], loans?.['online'], loans?.['available']],
      [2, 90_000, 1, 0],
    );
    assert.deepEqual(loans?.['members'], [{ id: 'ben', name: 'Ben', kind: 'person', presence: 'busy' }]);
    const cards = items.find(({ id }) => id === 'CreditCardQueue');
    assert.deepEqual([cards?.['waiting'], cards?.['oldestWaitMs']], [0, undefined]);
  });

  it('tells of people, bots and work streams, but not how bots are reached', async () => {
    const people = (await ana.get('/agents')).body as { items: Record<string, unknown>[] };
    assert.deepEqual(
      people.items.map(({ id, roles }) => [id, roles]),
      [
        ['ana', ['agent']],
        ['ben', ['agent']],
        ['cleo', ['agent']],
        ['sam', ['supervisor']],
        ['ada', ['administrator']],
      ],
    );
    const bots = (await ana.get('/bots')).body as { items: Record<string, unknown>[] };
    assert.deepEqual(bots.items, [
      {
        id: 'demo',
        name: 'Demo Bot',
        bridging: 'open',
        connected: true,
        breaker: 'closed',
        latency: { turns: 0 },
        warnings: [],
        queues: ['BotQueue'],
      },
    ]);
    const streams = (await ana.get('/work-streams')).body as { items: Record<string, unknown>[] };
    assert.deepEqual([streams.items.length, streams.items[0]?.['fallbackQueue']], [1, 'CreditCardQueue']);
  });

  it('tells how a bot is doing, and to those who run it what to do and where', async () => {
    await office.startConversation('first');
    office.bot.script = () => {
      throw new DeliveryFailed('Bot "demo" at http://10.0.0.7:3978/api/messages answered 401', false, {
        kind: 'untrusted',
        cure: 'compare its appId with the one of 10.0.0.7',
      });
    };
    office.hub.botStatus.warn('demo', 'clock', 'Its clock is 7 minutes behind. Set the clock of bots.example:22.');
    const at = new Date(office.clock.now()).toISOString();
    for (let customer = 0; customer < 3; customer += 1) {
      const id = await office.startConversation(`customer${customer}`);
      await office.says(id, 'hello', `customer${customer}`);
      const entries = await office.log(id);
      assert.ok(
        !JSON.stringify(entries).includes('10.0.0.7'),
        'how a bot is reached is not in the log, which everybody who serves reads',
      );
    }
    const botFor = async (desk: Desk) => ((await desk.get('/bots')).body as { items: unknown[] }).items[0];
    const shown = {
      id: 'demo',
      name: 'Demo Bot',
      bridging: 'open',
      connected: true,
      breaker: 'open',
      failingSince: at,
      lastError: {
        at,
        kind: 'untrusted',
        what: 'Bot "demo" at http://10.0.0.7:3978/api/messages answered 401.',
        cure: 'Compare its appId with the one of 10.0.0.7.',
      },
      lastAnswerAt: at,
      latency: { turns: 0 },
      warnings: [{ code: 'clock', text: 'Its clock is 7 minutes behind. Set the clock of bots.example:22.', at }],
      queues: ['BotQueue'],
    };
    assert.deepEqual(await botFor(sam), shown);
    assert.deepEqual(await botFor(await office.as('ada')), shown);
    assert.deepEqual(await botFor(ana), {
      ...shown,
      lastError: {
        ...shown.lastError,
        what: 'Bot "demo" at its address answered 401.',
        cure: 'Compare its appId with the one of its address.',
      },
      warnings: [{ code: 'clock', text: 'Its clock is 7 minutes behind. Set the clock of its address.', at }],
    });
  });

  it('lists what is overdue: nothing, unless deadlines are not kept', async () => {
    await office.customerAsks('CreditCard');
    assert.deepEqual((await ana.get('/overdue')).body, { items: [] });
    // The clock passes the deadline and nobody has ticked yet.
    office.clock.advance(20 * 60_000 + 4_000);
    assert.deepEqual((await ana.get('/overdue')).body, { items: [] }, 'up to five seconds are no fault');
    office.clock.advance(2_000);
    assert.equal(((await ana.get('/overdue')).body as { items: unknown[] }).items.length, 1);
    await office.hub.tick();
    await office.hub.settled();
    assert.deepEqual((await ana.get('/overdue')).body, { items: [] });
  });
});
