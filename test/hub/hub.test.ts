// The main job at the hub: from the bot to a person and back, committed before it is told.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { readConfiguration } from '../../src/config.js';
import type { Activity } from '../../src/core/activity.js';
import { type Rejected } from '../../src/core/rejected.js';
import { FunctionBot, handoff, openHub, type TestHub } from '../fakes/hub.js';
import { until } from '../fakes/shop.js';

const CUSTOMER = { role: 'customer', id: 'kim' } as const;
const ANA = { role: 'agent', id: 'ana' } as const;

function escalatingBot(): FunctionBot {
  return new FunctionBot((activity) => {
    if (activity.type === 'conversationUpdate') return ['Welcome'];
    if (activity.type !== 'message') return [];
    if (activity.text?.startsWith('human') === true) {
      const topic = activity.text.split(' ')[1];
      return [
        'one moment',
        handoff(topic === undefined ? {} : { BotHandoffTopic: topic, va_AgentMessage: 'angry' }),
        'bye for now',
      ];
    }
    if (activity.text === 'fail') throw new Error('the bot broke');
    return [`Echo: ${activity.text ?? ''}`];
  });
}

describe('hub: widget → bot → person → bot', () => {
  let test: TestHub;
  beforeEach(async () => {
    test = await openHub({ bot: escalatingBot() });
  });
  afterEach(() => test.close());

  it('gives the customer to the bot first, which greets once and hears the context', async () => {
    const id = await test.startConversation();
    assert.equal((await test.state(id)).phase, 'bot');
    assert.deepEqual(await test.customerSees(id), ['Welcome']);
    assert.deepEqual(
      test.bot.heard.map(({ type, name }) => name ?? type),
      ['conversationUpdate', 'omnichannelSetContext'],
    );
    await test.says(id, 'hello');
    assert.deepEqual(await test.customerSees(id), ['Welcome', 'hello', 'Echo: hello']);
  });

  it('delivers what a bot says before and after its escalation in the same turn, and queues the customer in one commit', async () => {
    const id = await test.startConversation();
    await test.hub.people.setPresence('ana', 'busy');
    await test.says(id, 'human CreditCard');
    const state = await test.state(id);
    assert.equal(state.phase, 'queued');
    assert.equal(state.phase === 'queued' && state.queue, 'CreditCardQueue');
    assert.equal(state.summary, 'angry');
    assert.deepEqual(state.context['BotHandoffTopic'], { value: 'CreditCard', displayable: true });
    const seen = await test.customerSees(id);
    assert.deepEqual(seen.slice(1, 3), ['human CreditCard', 'one moment']);
    assert.ok(seen.includes('bye for now'));
    assert.ok(seen.some((text) => text.includes('next in line')));
  });

  it('offers to the person who is available, connects on accept, and tells customer and bot', async () => {
    const id = await test.startConversation();
    await test.hub.people.setPresence('ana', 'available');
    await test.says(id, 'human CreditCard');
    assert.equal((await test.state(id)).phase, 'offered');
    assert.equal(test.hub.people.row('ana')?.load, 1);
    await test.hub.handle(id, { type: 'accept', agent: 'ana' });
    await test.hub.settled();
    assert.equal((await test.state(id)).phase, 'agent');
    const status = test.bot.heard.at(-1);
    assert.deepEqual([status?.name, status?.value], ['handoff.status', { state: 'accepted' }]);
    const heardBefore = test.bot.heard.length;
    await test.says(id, 'hello Ana');
    await test.hub.handle(id, { type: 'say', by: ANA, activity: { type: 'message', text: 'hello Kim' } });
    await test.hub.settled();
    assert.equal(test.bot.heard.length, heardBefore, 'the bot hears nothing while a person holds the chat');
    assert.deepEqual((await test.customerSees(id)).slice(-3), [
      'Ana joined the conversation.',
      'hello Ana',
      'hello Kim',
    ]);
  });

  it('returns to the same bot with a session summary, without a second welcome, and the bot can escalate again', async () => {
    const id = await test.startConversation();
    await test.hub.people.setPresence('ana', 'available');
    await test.says(id, 'human CreditCard');
    await test.hub.handle(id, { type: 'accept', agent: 'ana' });
    await test.hub.handle(id, { type: 'return', by: ANA, outcome: 'solved', summary: 'card blocked' });
    await test.hub.settled();
    const [context, status] = test.bot.heard.slice(-2);
    assert.equal(context?.name, 'omnichannelSetContext');
    const value = status?.value as {
      state: string;
      message: { outcome: string; agent: { name: string }; summary: string };
    };
    assert.deepEqual(
      [value.state, value.message.outcome, value.message.agent.name, value.message.summary],
      ['completed', 'solved', 'Ana', 'card blocked'],
    );
    assert.equal(test.hub.people.row('ana')?.load, 0);
    await test.says(id, 'still there?');
    assert.equal((await test.customerSees(id)).filter((text) => text === 'Welcome').length, 1);
    assert.equal((await test.customerSees(id)).at(-1), 'Echo: still there?');
    await test.says(id, 'human CreditCard');
    assert.equal((await test.state(id)).phase, 'offered');
    await test.hub.handle(id, { type: 'accept', agent: 'ana' });
    await test.hub.handle(id, { type: 'end', by: ANA });
    await test.hub.handle(id, { type: 'close', by: ANA });
    assert.equal((await test.state(id)).phase, 'closed');
    await assert.rejects(test.says(id, 'one more thing'), (error: Rejected) => error.code === 'conversationClosed');
  });

  it('keeps a late reply of the bot as a draft for staff', async () => {
    let late: ((activities: Activity[]) => Promise<unknown>) | undefined;
    test.bot.script = (activity, turn) => {
      if (activity.text === 'think') late = (activities) => turn.respond(activities);
      return activity.text === 'human' ? [handoff()] : [];
    };
    const id = await test.startConversation();
    await test.hub.people.setPresence('ana', 'available');
    await test.says(id, 'think');
    await test.says(id, 'human');
    await test.hub.handle(id, { type: 'accept', agent: 'ana' });
    await late?.([{ type: 'message', text: 'I have thought' }]);
    await test.hub.handle(id, { type: 'return', by: ANA });
    await late?.([{ type: 'message', text: 'I have thought more' }]);
    const drafts = (await test.log(id)).flatMap(({ event }) => (event.type === 'drafted' ? [event.why] : []));
    assert.deepEqual(drafts, ['notHolder', 'earlierSession']);
    assert.ok(!(await test.customerSees(id)).some((text) => text.startsWith('I have thought')));
  });

  it('hands over to people once when the bot throws, and tells the customer', async () => {
    const id = await test.startConversation();
    await test.says(id, 'fail');
    const state = await test.state(id);
    assert.equal(state.phase, 'queued');
    assert.equal(state.escalationReason, 'botUnavailable');
    assert.ok((await test.customerSees(id)).includes('Sorry, Demo Bot cannot answer right now.'));
    await test.says(id, 'fail');
    const escalations = (await test.log(id)).filter(({ event }) => event.type === 'escalated');
    assert.equal(escalations.length, 1);
  });

  it('stores what arrives twice under one key once and answers the same', async () => {
    const id = await test.startConversation();
    const say = {
      type: 'say',
      by: CUSTOMER,
      activity: { type: 'message', text: 'once', from: { id: 'kim' } },
      key: 'c:kim:1',
    } as const;
    const [first, second] = await Promise.all([test.hub.handle(id, say), test.hub.handle(id, say)]);
    assert.deepEqual(first.seqs, second.seqs);
    assert.equal((await test.log(id)).filter(({ event }) => event.body?.activity?.text === 'once').length, 1);
  });

  it('gives the chat back to the line when the request lapses, in its old place, and the person counts as inactive', async () => {
    const id = await test.startConversation();
    await test.hub.people.setPresence('ana', 'available');
    await test.says(id, 'human CreditCard');
    const before = await test.state(id);
    test.clock.advance(120_000);
    await test.hub.tick();
    await test.hub.settled();
    const after = await test.state(id);
    assert.equal(after.phase, 'queued');
    assert.equal('waitingSince' in after && after.waitingSince, 'waitingSince' in before && before.waitingSince);
    assert.equal(test.hub.people.row('ana')?.load, 0);
    assert.equal(test.hub.people.row('ana')?.presence, 'inactive');
  });

  it('sends after a restart what a crash left undelivered', async () => {
    const id = await test.startConversation();
    let blocked = true;
    test.bot.script = (activity) => (blocked ? new Promise(() => {}) : [`Echo: ${activity.text ?? ''}`]);
    await test.hub.handle(id, {
      type: 'say',
      by: CUSTOMER,
      activity: { type: 'message', text: 'wait for me', from: { id: 'kim' } },
    });
    await test.hub.stop(1);
    blocked = false;
    test = await test.restart();
    await test.hub.settled();
    assert.equal((await test.customerSees(id)).at(-1), 'Echo: wait for me');
  });
});

describe('hub: configuration changes', () => {
  it('hands the customers of a bot that was removed to people, in the middle of its turn or while the hub was down', async () => {
    let test = await openHub({ bot: escalatingBot() });
    try {
      const held = [];
      for (let count = 0; count < 3; count += 1) {
        held.push(await test.startConversation(`kim${count}`));
        await test.says(held[count] as string, 'hello', `kim${count}`);
      }
      const silent = await test.startConversation('lee');
      const { bots, ...rest } = test.hub.directory;
      let finish = () => {};
      let begun = () => {};
      const begins = new Promise<void>((resolve) => (begun = resolve));
      test.bot.script = async () => {
        begun();
        await new Promise<void>((resolve) => (finish = resolve));
        return ['too late'];
      };
      const [inTurn = ''] = held;
      const activity = { type: 'message', text: 'wait', from: { id: 'kim0' } };
      await test.hub.handle(inTurn, { type: 'say', by: { role: 'customer', id: 'kim0' }, activity });
      await begins;
      await test.hub.useDirectory({ ...rest, version: 2, bots: {} });
      await until('people have it', async () => (await test.state(inTurn)).phase === 'queued');
      finish();
      await test.hub.settled();
      for (const id of held) {
        const state = await test.state(id);
        assert.deepEqual([state.phase, state.escalationReason], ['queued', 'botUnavailable']);
      }
      assert.ok(!(await test.customerSees(inTurn)).includes('too late'));
      assert.equal((await test.state(silent)).phase, 'bot', 'who has said nothing asks for nobody yet');

      await test.hub.useDirectory({ ...rest, version: 3, bots });
      test.bot.script = () => ['yes?'];
      const later = await test.startConversation('mia');
      await test.says(later, 'hello', 'mia');
      const yaml = (await readFile('handoff.yaml', 'utf8'))
        .replace('id: demo', 'id: other')
        .replace('[demo]', '[other]');
      test = await test.restart({ configuration: readConfiguration(yaml) });
      await test.hub.settled();
      assert.equal((await test.state(later)).phase, 'queued');
    } finally {
      await test.close();
    }
  });

  it('routes who waits in a queue that is gone again, in the old place', async () => {
    const test = await openHub({ bot: escalatingBot() });
    try {
      const id = await test.startConversation();
      await test.says(id, 'human CreditCard');
      const before = await test.state(id);
      const { CreditCardQueue, ...queues } = test.hub.directory.queues;
      assert.ok(CreditCardQueue);
      const stream = test.hub.directory.workStreams['web'];
      assert.ok(stream);
      const rules = stream.rules.filter((rule) => rule.queue !== 'CreditCardQueue');
      const workStreams = { web: { ...stream, rules, fallbackQueue: 'HomeLoanQueue' } };
      await test.hub.useDirectory({ ...test.hub.directory, version: 2, queues, workStreams });
      const after = await test.state(id);
      assert.equal(after.phase === 'queued' && after.queue, 'HomeLoanQueue');
      assert.equal(after.phase === 'queued' && after.waitingSince, before.phase === 'queued' && before.waitingSince);
    } finally {
      await test.close();
    }
  });
});
