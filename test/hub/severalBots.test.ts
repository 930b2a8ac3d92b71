// Several bots at a real hub: from one to the next, to people, and back.

import assert from 'node:assert/strict';
import type { Activity } from '../../src/core/activity.js';
import { FunctionBot, handoff, openHub, type TestHub } from '../fakes/hub.js';

const CONFIGURATION = {
  bots: [
    { id: 'front', name: 'Front Bot', connect: 'inProcess' as const },
    { id: 'sales', name: 'Sales Bot', connect: 'inProcess' as const },
  ],
  queues: [{ id: 'Desk', members: ['front', 'sales', 'ana'] }],
  people: [{ id: 'ana', name: 'Ana' }],
  workStreams: [{ id: 'web', fallbackQueue: 'Desk' }],
};

function botCalled(name: string): FunctionBot {
  return new FunctionBot((activity) => {
    if (activity.type === 'conversationUpdate') return [`${name} here`];
    if (activity.type !== 'message') return [];
    if (activity.text === 'next') return [`${name} asks somebody else`, handoff({ from: name }), `${name} is off`];
    return [`${name}: ${activity.text ?? ''}`];
  });
}

function statuses(bot: FunctionBot): unknown[] {
  return bot.heard.flatMap((activity) =>
    activity.name === 'handoff.status' ? [(activity.value as { state: string }).state] : [],
  );
}

describe('two bots and a person in one queue', () => {
  let test: TestHub;
  let front: FunctionBot;
  let sales: FunctionBot;
  let id: string;
  beforeEach(async () => {
    front = botCalled('Front');
    sales = botCalled('Sales');
    test = await openHub({
      configuration: CONFIGURATION,
      beforeStart: (hub) => {
        hub.connectBot('front', front);
        hub.connectBot('sales', sales);
      },
    });
    id = await test.startConversation();
  });
  afterEach(() => test.close());

  it('serve the customer one after the other, each with the context, and the last one gets it back', async () => {
    const { hub } = test;
    await test.says(id, 'next');
    assert.deepEqual((await test.customerSees(id)).slice(0, 4), [
      'Front here',
      'next',
      'Front asks somebody else',
      'You are now with Sales Bot.',
    ]);
    assert.deepEqual((await test.customerSees(id)).slice(4).sort(), ['Front is off', 'Sales here']);
    assert.deepEqual(statuses(front), ['accepted']);
    const context = sales.heard.find(({ name }) => name === 'omnichannelSetContext');
    assert.deepEqual(context?.value, { from: 'Front' });

    await test.says(id, 'hello');
    assert.equal((await test.customerSees(id)).at(-1), 'Sales: hello');
    assert.equal(
      front.heard.some(({ text }) => text === 'hello'),
      false,
    );

    await hub.people.setPresence('ana', 'available');
    await test.says(id, 'next');
    await hub.settled();
    await hub.handle(id, { type: 'accept', agent: 'ana' });
    await hub.settled();
    await hub.handle(id, { type: 'return', by: { role: 'agent', id: 'ana' }, outcome: 'sold' });
    await hub.settled();
    assert.deepEqual(statuses(sales), ['accepted', 'completed']);
    await test.says(id, 'thanks');
    assert.equal((await test.customerSees(id)).at(-1), 'Sales: thanks');
  });

  it('stay apart after a restart: who holds the conversation is on disk', async () => {
    await test.says(id, 'next');
    test = await test.restart();
    await test.says(id, 'still there?');
    assert.equal((await test.customerSees(id)).at(-1), 'Sales: still there?');
  });
});

describe('a bot that hands over in a batch that answers nothing', () => {
  let test: TestHub;
  let id: string;
  beforeEach(async () => {
    test = await openHub({ bot: new FunctionBot(() => []) });
    id = await test.startConversation();
  });
  afterEach(() => test.close());

  const say = (text: string): Activity => ({ type: 'message', text });
  const drafts = async () =>
    (await test.log(id)).flatMap(({ event }) =>
      event.type === 'drafted' ? [event.body?.activity?.text ?? event.activityType] : [],
    );

  it('has all its texts delivered in order, around one hand-over', async () => {
    const ids = await test.hub.botSays(id, 'demo', [
      say('Your order is late.'),
      handoff({ BotHandoffTopic: 'CreditCard' }),
      { type: 'typing' },
      say('A person will explain.'),
    ]);
    const seen = await test.customerSees(id);
    assert.deepEqual([seen[0], seen.at(-1)], ['Your order is late.', 'A person will explain.']);
    assert.deepEqual(await drafts(), []);
    assert.equal((await test.state(id)).phase, 'queued');
    assert.equal(new Set(ids.map((one) => one.id)).size, 4, 'an id for each activity');
  });

  it('is silent from the next batch on', async () => {
    await test.hub.botSays(id, 'demo', [handoff(), say('One moment.')]);
    await test.hub.botSays(id, 'demo', [say('By the way')]);
    assert.deepEqual(await drafts(), ['By the way']);
  });
});
