// What people say, note and decide on: what is taken, what is refused, and that lost answers double nothing.

import assert from 'node:assert/strict';
import { activityId } from '../../src/core/activity.js';
import type { BotTurn } from '../../src/hub/ports.js';
import { FunctionBot, handoff } from '../fakes/hub.js';
import { request } from '../fakes/request.js';
import { errorIn, openOffice, shownIn, type Desk, type Office } from './office.js';

interface Message {
  id: string;
  seq: number;
}

describe('staff API: speaking', () => {
  let office: Office;
  let ana: Desk;
  let ben: Desk;
  let id: string;
  beforeEach(async () => {
    office = await openOffice();
    [ana, ben] = await Promise.all([office.as('ana'), office.as('ben')]);
    id = await office.customerAsks('CreditCard');
    shownIn(await ana.asks(id, 'pick'));
  });
  afterEach(() => office.close());

  async function stored(seq: number) {
    const [entry] = await office.hub.entries(id, seq - 1, 1);
    return entry?.event;
  }

  it('keeps cards and attachments as they are, and says itself who speaks', async () => {
    const card = {
      contentType: 'application/vnd.microsoft.card.adaptive',
      content: { type: 'AdaptiveCard', body: [] },
    };
    const { message } = shownIn(
      await ana.asks(id, 'messages', {
        type: 'message',
        text: 'please fill in',
        attachments: [card],
        channelData: { clientActivityID: 'c1', mine: true, handoff: { kind: 'position' } },
        from: { id: 'sam', name: 'The Boss', role: 'user' },
        id: 'chosen',
        timestamp: '1999-01-01T00:00:00Z',
        conversation: { id: 'another' },
        serviceUrl: 'https://evil.example',
        recipient: { id: 'x' },
      }),
    ) as unknown as { message: Message };
    assert.equal(message.id, activityId(id, message.seq));
    const event = await stored(message.seq);
    assert.deepEqual(event?.by, { role: 'agent', id: 'ana' });
    assert.deepEqual(event?.body?.activity, {
      type: 'message',
      text: 'please fill in',
      attachments: [card],
      channelData: { clientActivityID: 'c1', mine: true, handoff: { kind: 'agent' } },
      from: { id: 'ana', name: 'Ana', role: 'bot' },
    });
  });

  it('stores a message once, however often it is sent, also at the same time and after the chat has gone', async () => {
    const say = () => ana.says(id, 'hello', { channelData: { clientActivityID: 'm1' } });
    const answers = await Promise.all(Array.from({ length: 10 }, say));
    const messages = answers.map((answer) => shownIn(answer)['message']);
    for (const message of messages) assert.deepEqual(message, messages[0]);
    shownIn(await ana.asks(id, 'end'));
    assert.deepEqual(shownIn(await say())['message'], messages[0]);
    const fresh = await ana.says(id, 'more', { channelData: { clientActivityID: 'm2' } });
    assert.deepEqual([fresh.status, errorIn(fresh).code], [409, 'notHolder']);
    assert.equal((await office.customerSees(id)).filter((text) => text === 'hello').length, 1);
  });

  it('does not take one person’s message for another’s with the same client id', async () => {
    const more = { audience: 'staff', channelData: { clientActivityID: 'same' } };
    shownIn(await ana.says(id, 'a note of Ana', more));
    shownIn(await ben.says(id, 'a note of Ben', more));
    const notes = (await office.log(id)).filter(({ event }) => event.type === 'noted' && event.kind === 'note');
    assert.deepEqual(
      notes.map(({ event }) => [event.by.id, event.body?.activity?.text, event.audience]),
      [
        ['ana', 'a note of Ana', 'staff'],
        ['ben', 'a note of Ben', 'staff'],
      ],
    );
  });

  it('says what is wrong with what cannot be said', async () => {
    const before = (await office.log(id)).length;
    for (const body of [
      {},
      { type: 'message' },
      { type: 'message', text: '' },
      { type: 'message', text: 7 },
      { type: 'message', text: 'x', audience: 'world' },
      { type: 'message', attachments: 'photo' },
      { type: 'message', attachments: [{ content: 1 }] },
      { type: 'event' },
      { type: 'typing' },
      { type: 'endOfConversation' },
      { type: 'conversationUpdate', membersAdded: [] },
      { type: 'handoff', name: 'handoff.initiate' },
      { type: 'message', text: 'x', channelData: { clientActivityID: 'y'.repeat(201) } },
      [],
      'text',
    ]) {
      const answer = await ana.asks(id, 'messages', body);
      assert.equal(answer.status, 400, JSON.stringify(body));
      assert.ok(errorIn(answer).message.length > 10);
    }
    const broken = await request('POST', `${ana.url}/api/v1/conversations/${id}/messages`, {
      token: ana.token,
      body: '{"type": "message"',
      headers: { 'content-type': 'application/json' },
    });
    assert.deepEqual([broken.status, errorIn(broken).code], [400, 'BadSyntax']);
    const large = await ana.says(id, 'x'.repeat(300_000));
    assert.deepEqual([large.status, errorIn(large).code], [413, 'RequestTooLarge']);
    assert.equal((await office.log(id)).length, before);
  });

  it('shows typing to the customer, and only that of who holds the chat', async () => {
    const seen: string[] = [];
    const unwatch = office.hub.watch(id, {
      entries: () => undefined,
      signal: ({ by, activity, audience }) => seen.push([by.role, by.id, activity.type, audience].join(' ')),
    });
    shownIn(await ana.asks(id, 'typing'));
    assert.equal((await ben.asks(id, 'typing')).status, 409);
    unwatch();
    assert.deepEqual(seen, ['agent ana typing everyone']);
    assert.ok(!(await office.log(id)).some(({ event }) => event.type === 'said' && event.activityType === 'typing'));
  });

  it('tells the bot how it went when the chat is given back', async () => {
    shownIn(await ana.asks(id, 'return', { outcome: 'solved', summary: 'card blocked' }));
    await office.hub.settled();
    const status = office.bot.heard.filter(({ name }) => name === 'handoff.status').at(-1);
    const { state, message } = status?.value as { state: string; message: Record<string, unknown> };
    assert.equal(state, 'completed');
    const { outcome, summary, agent, queue } = message;
    assert.deepEqual(
      { outcome, summary, agent, queue },
      { outcome: 'solved', summary: 'card blocked', agent: { id: 'ana', name: 'Ana' }, queue: 'CreditCardQueue' },
    );
  });

  it('takes notes after the end from those who may read the log', async () => {
    shownIn(await ana.asks(id, 'end'));
    shownIn(await ana.asks(id, 'close'));
    shownIn(await ben.says(id, 'called back', { audience: 'staff' }));
    assert.equal((await ana.says(id, 'hello?')).status, 409);
  });
});

describe('staff API: what a bot said too late', () => {
  let office: Office;
  let ana: Desk;
  let ben: Desk;
  let turns: BotTurn[];
  beforeEach(async () => {
    turns = [];
    const bot = new FunctionBot((activity, turn) => {
      if (activity.type !== 'message') return [];
      turns.push(turn);
      return activity.text === 'human' ? [handoff({ BotHandoffTopic: 'CreditCard' })] : [];
    });
    office = await openOffice({ bot });
    [ana, ben] = await Promise.all([office.as('ana'), office.as('ben')]);
  });
  afterEach(() => office.close());

  /** A chat that Ana holds, and the seqs of two texts the bot sent late, and of a command of its. */
  async function withDrafts(): Promise<{ id: string; drafts: number[] }> {
    const id = await office.startConversation();
    await office.says(id, 'human');
    shownIn(await ana.asks(id, 'pick'));
    await turns[0]?.respond([
      { type: 'message', text: 'I found the form' },
      { type: 'message', text: 'and another thing' },
      { type: 'endOfConversation' },
    ]);
    const log = await office.log(id);
    return { id, drafts: log.filter(({ event }) => event.type === 'drafted').map(({ seq }) => seq) };
  }

  it('is sent as it is or as edited, by who holds the chat, once', async () => {
    const { id, drafts } = await withDrafts();
    const [first, second] = drafts as [number, number];
    assert.equal((await ben.asks(id, `drafts/${first}/send`)).status, 409, 'Ben does not hold it');
    shownIn(await ana.asks(id, `drafts/${first}/send`));
    shownIn(await ana.asks(id, `drafts/${first}/send`));
    shownIn(await ana.asks(id, `drafts/${second}/send`, { type: 'message', text: 'one more thing' }));
    const seen = await office.customerSees(id);
    assert.deepEqual(seen.slice(-2), ['I found the form', 'one more thing']);
    const late = await ana.asks(id, `drafts/${first}/discard`);
    assert.deepEqual([late.status, errorIn(late).code, errorIn(late)['owner']], [409, 'wrongPhase', 'ana']);
    const said = (await office.log(id)).filter(({ event }) => event.body?.activity?.text === 'I found the form');
    assert.deepEqual(
      said.map(({ event }) => [event.type, event.by.role]),
      [
        ['drafted', 'bot'],
        ['said', 'agent'],
      ],
    );
  });

  it('keeps what else it holds when the person only changes its words', async () => {
    const { id } = await withDrafts();
    const attachments = [{ contentType: 'image/png', contentUrl: 'https://shop.example/a.png' }];
    await turns[0]?.respond([{ type: 'message', text: 'a picture', attachments }]);
    const seq = (await office.log(id)).at(-1)?.seq ?? 0;
    shownIn(await ana.asks(id, `drafts/${seq}/send`, { text: 'the picture you asked for' }));
    const { event } = (await office.log(id)).at(-1) ?? {};
    assert.deepEqual(
      [event?.body?.activity?.text, event?.body?.activity?.attachments],
      ['the picture you asked for', attachments],
    );
  });

  it('is put away, and then not sent any more', async () => {
    const { id, drafts } = await withDrafts();
    const [first] = drafts as [number];
    shownIn(await ana.asks(id, `drafts/${first}/discard`));
    shownIn(await ana.asks(id, `drafts/${first}/discard`));
    assert.equal((await ana.asks(id, `drafts/${first}/send`)).status, 409);
    assert.ok(!(await office.customerSees(id)).includes('I found the form'));
    const resolved = (await office.log(id)).filter(({ event }) => event.type === 'draftResolved');
    assert.equal(resolved.length, 1);
  });

  it('is sent or discarded, not both, when two windows decide at once', async () => {
    const { id, drafts } = await withDrafts();
    const answers = await Promise.all(
      ['send', 'discard', 'send', 'discard'].map((what) => ana.asks(id, `drafts/${drafts[0]}/${what}`)),
    );
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 200, 409, 409]);
    assert.equal((await office.log(id)).filter(({ event }) => event.type === 'draftResolved').length, 1);
  });

  it('is not sent when it was a command; and an entry that is no draft is none', async () => {
    const { id, drafts } = await withDrafts();
    const command = await ana.asks(id, `drafts/${drafts.at(-1)}/send`);
    assert.deepEqual([command.status, errorIn(command).code], [400, 'badCommand']);
    for (const seq of ['1', '0', '99999', 'x', '-1']) {
      const none = await ana.asks(id, `drafts/${seq}/send`);
      assert.deepEqual([none.status, errorIn(none).code], [404, 'notFound'], seq);
    }
  });
});
