// docs/triggers-and-drafts.md: its configurations on a real hub, played as the page tells it.

import assert from 'node:assert/strict';
import { fold } from '../../src/core/evolve.js';
import { FunctionBot, openHub, type TestHub } from '../fakes/hub.js';
import { configurationIn } from './snippets.js';

const ANA = { role: 'agent', id: 'ana' } as const;

const shop = () =>
  new FunctionBot(({ type, text = '' }) => {
    if (type !== 'message') return [];
    if (text === 'fail') throw new Error('broken');
    if (text.includes('blub')) return ['I did not understand.', 'You can ask about orders.'];
    return [`Shop: ${text}`];
  });

describe('docs/triggers-and-drafts.md', () => {
  let test: TestHub;
  let bot: FunctionBot;
  let id: string;
  afterEach(() => test.close());

  async function open(snippet: string): Promise<void> {
    bot = shop();
    test = await openHub({ configuration: configurationIn('triggers-and-drafts.md', snippet), bot });
    id = await test.startConversation();
  }

  const said = async () => (await test.customerSees(id)).slice(-2);
  const statuses = () =>
    bot.heard.flatMap(({ name, value }) => (name === 'handoff.status' ? [(value as { state: string }).state] : []));
  const escalation = async () =>
    (await test.log(id)).flatMap(({ event }) => (event.type === 'escalated' ? [event.reason] : []));

  async function withAna(): Promise<void> {
    await test.hub.people.setPresence('ana', 'available');
    await test.hub.settled();
    await test.hub.handle(id, { type: 'accept', agent: 'ana' });
    await test.hub.settled();
  }

  /** What was decided is what a later process reads. */
  async function isSound(): Promise<void> {
    const events = (await test.log(id)).map(({ event }) => event);
    const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
    assert.deepEqual(plain(fold(events)), plain(await test.state(id)));
  }

  it('a phrase hands over at once: the bot does not hear it, the customer is told, the bot learns the outcome', async () => {
    await open('triggers');
    await test.says(id, 'Is there an Agent, please?');
    const state = await test.state(id);
    assert.ok(state.phase === 'queued' && state.queue === 'Desk');
    assert.deepEqual(await escalation(), ['trigger:phrase']);
    assert.match((await said()).at(-1) ?? '', /Nobody is available right now/);
    assert.equal(
      bot.heard.some(({ type }) => type === 'message'),
      false,
    );
    await withAna();
    await test.hub.handle(id, { type: 'return', by: ANA });
    await test.hub.settled();
    assert.deepEqual(statuses(), ['accepted', 'completed']);
    await test.says(id, 'reagent');
    assert.equal((await said()).at(-1), 'Shop: reagent');
    await isSound();
  });

  it('three turns not understood in a row hand over, by the rule for them, after the reply that was the last straw', async () => {
    await open('triggers');
    for (const text of ['blub', 'blub', 'order 7', 'blub', 'blub']) await test.says(id, text);
    assert.equal((await test.state(id)).phase, 'bot');
    await test.says(id, 'blub again');
    const state = await test.state(id);
    assert.ok(state.phase === 'queued' && state.queue === 'Complaints' && state.openTurn === undefined);
    assert.deepEqual(await escalation(), ['trigger:fallback']);
    const texts = await test.customerSees(id);
    assert.equal(texts.filter((text) => text === 'You can ask about orders.').length, 5, 'the whole turn is delivered');
    await isSound();
  });

  it('the second failure in a row hands over; the customer is told once that the bot cannot answer', async () => {
    await open('triggers');
    await test.says(id, 'fail');
    assert.equal((await test.state(id)).phase, 'bot');
    await test.says(id, 'fail');
    assert.equal((await test.state(id)).phase, 'queued');
    assert.deepEqual(await escalation(), ['trigger:botError']);
    const sorry = (await test.customerSees(id)).filter((text) => text.includes('cannot answer right now'));
    assert.equal(sorry.length, 1);
    await isSound();
  });

  it('where no queue has people the bot goes on and hears the phrase, and staff can read why', async () => {
    bot = shop();
    const { people: _, ...configuration } = configurationIn('triggers-and-drafts.md', 'triggers');
    const queues = [
      { id: 'Desk', members: ['shop'] },
      { id: 'Complaints', members: [] },
    ];
    test = await openHub({ configuration: { ...configuration, queues }, bot });
    id = await test.startConversation();
    await test.says(id, 'agent');
    assert.equal((await said()).at(-1), 'Shop: agent');
    const traces = (await test.log(id)).flatMap(({ event }) =>
      event.type === 'noted' && event.kind === 'trace' ? [event.body?.activity?.text] : [],
    );
    assert.match(traces.join(), /"agent" would hand over/);
  });

  it('drafts: the bot hears along, its replies wait for the person, who sends one with other words', async () => {
    await open('drafts');
    bot.script = ({ type, text = '' }) =>
      type !== 'message' ? [] : text === 'over' ? [{ type: 'event', name: 'handoff.initiate' }] : [`Shop: ${text}`];
    await test.says(id, 'over');
    await withAna();
    await test.says(id, 'where is order 7?');
    const draft = (await test.log(id)).find(({ event }) => event.type === 'drafted');
    assert.ok(draft?.event.type === 'drafted');
    assert.deepEqual(
      [draft.event.why, draft.event.audience, draft.event.body?.activity?.text],
      ['suggested', 'staff', 'Shop: where is order 7?'],
    );
    assert.deepEqual((await said()).at(-1), 'where is order 7?');

    const send = {
      type: 'resolveDraft',
      by: ANA,
      target: draft.seq,
      activity: { type: 'message', text: 'It is on its way.' },
    } as const;
    await Promise.all([test.hub.handle(id, send), test.hub.handle(id, send)]);
    const sent = (await test.log(id)).filter(({ event }) => event.type === 'said' && event.by.role === 'agent');
    assert.deepEqual(
      sent.map(({ event }) => event.body?.activity?.text),
      ['It is on its way.'],
    );

    await test.hub.handle(id, { type: 'return', by: ANA });
    await test.says(id, 'thanks');
    assert.equal((await said()).at(-1), 'Shop: thanks');
    const heard = bot.heard.filter(({ type }) => type === 'message').map(({ text }) => text);
    assert.deepEqual(heard, ['over', 'where is order 7?', 'thanks'], 'each message once');
    await isSound();
  });

  it('drafts: a bot that asks there for something, or fails, changes nothing', async () => {
    await open('drafts');
    bot.script = ({ type, text }) => {
      if (type !== 'message') return [];
      if (text === 'break') throw new Error('broken');
      if (text === 'a person') return [{ type: 'event', name: 'handoff.initiate' }];
      return [
        { type: 'event', name: 'handoff.initiate', value: { va_x: 1 } },
        { type: 'event', name: 'setContext', value: { vip: true } },
        { type: 'endOfConversation' },
      ];
    };
    await test.says(id, 'a person');
    await withAna();
    for (const text of ['still there?', 'break', 'and now?']) await test.says(id, text);
    const state = await test.state(id);
    assert.ok(state.phase === 'agent' && state.agent === 'ana');
    assert.deepEqual(state.context, {});
    await isSound();
  });
});
