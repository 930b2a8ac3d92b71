// What bots and channels are owed: who hears what depends on who spoke and who holds, on nothing else.

import assert from 'node:assert/strict';
import { partyOf } from '../../src/core/react.js';
import {
  accepts,
  agentSays,
  ANA,
  botSays,
  customerSays,
  DEMO,
  escalates,
  given,
  KIM,
  MINUTE,
  offered,
  offeredTo,
  queued,
  SAM,
  started,
  startedOnTeams,
  text,
  tick,
  TIMERS,
  withAna,
  withBot,
  wrappedUp,
} from './world.js';

const demo = { bot: 'demo' };
const sales = { bot: 'sales' };

describe('what a bot hears', () => {
  it('at the start is who takes part, then the context, before the first word', () => {
    assert.deepEqual(given().when(started).effects, [
      { to: demo, send: 'members', members: ['demo', 'kim'] },
      { to: demo, send: 'context' },
    ]);
  });

  it('in a conversation already under way is the context only', () => {
    assert.deepEqual(given().when({ ...started, adoptedBot: 'demo' }).effects, [{ to: demo, send: 'context' }]);
  });

  it('is what the customer says while it holds the conversation', () => {
    assert.deepEqual(given(started).when(customerSays('hi')).effects, [{ to: demo, send: 'activity' }]);
  });

  it('is no event that only the hub may send, when a customer sends it', () => {
    const event = (name: string) => ({ type: 'say', by: KIM, activity: { type: 'event', name, value: {} } }) as const;
    for (const name of ['handoff.status', 'omnichannelSetContext'])
      assert.deepEqual(given(withBot).when(event(name)).effects, [], name);
    assert.deepEqual(given(withBot).when(event('webchat/join')).effects, [{ to: demo, send: 'activity' }]);
  });

  it('is nothing of what the customer says while people are asked for or hold it', () => {
    for (const phase of [queued, offered, withAna, wrappedUp]) {
      for (const type of ['message', 'event', 'messageReaction']) {
        const say = { type: 'say', by: KIM, activity: { type, name: 'x' } } as const;
        assert.deepEqual(given(phase).when(say).effects, [], type);
      }
    }
  });

  it('is an invoke or a change of members all the same', () => {
    for (const type of ['invoke', 'conversationUpdate', 'installationUpdate']) {
      const say = { type: 'say', by: KIM, activity: { type } } as const;
      assert.deepEqual(given(withAna).when(say).effects, [{ to: demo, send: 'activity' }], type);
    }
  });

  it('is not its own words, nor those of people', () => {
    assert.deepEqual(given(withBot).when(botSays('x')).effects, []);
    assert.deepEqual(given(withAna).when(agentSays('x')).effects, []);
  });

  it('is that the customer changed or took back a message', () => {
    const change = { by: KIM, author: KIM, target: 4, audience: 'everyone' } as const;
    assert.deepEqual(given(withBot).when({ type: 'edit', ...change, activity: text('x') }).effects, [
      { to: demo, send: 'update', target: 4 },
    ]);
    assert.deepEqual(given(withBot).when({ type: 'delete', ...change }).effects, [
      { to: demo, send: 'delete', target: 4 },
    ]);
    assert.deepEqual(given(withAna).when({ type: 'delete', ...change }).effects, []);
  });
});

describe('how a bot learns what came of its escalation', () => {
  it('accepted: once, when a person takes it', () => {
    assert.deepEqual(given(offered).when(accepts()).effects, [{ to: demo, send: 'status', state: 'accepted' }]);
    assert.deepEqual(given(withAna).when(accepts()).effects, []);
  });

  it('failed, with a reason: nobody took it in time, the customer left the line or the conversation, there is no queue', () => {
    const failed = (message: string) => [
      { to: demo, send: 'context' },
      { to: demo, send: 'status', state: 'failed', message },
    ];
    assert.deepEqual(given(queued, TIMERS.queueLimitMs).when(tick).effects, failed('queueLimit'));
    assert.deepEqual(given(queued).when({ type: 'cancel' }).effects, failed('cancelled'));
    assert.deepEqual(given(queued).when({ type: 'leave' }).effects, [
      { to: demo, send: 'status', state: 'failed', message: 'customerLeft' },
    ]);
  });

  it('completed, with the summary of the session: returned, ended or closed by force', () => {
    const summary = (effects: readonly unknown[]) => effects.at(-1) as { state: string; message: { outcome: string } };
    const back = given(withAna, MINUTE).when({ type: 'return', by: ANA, outcome: 'solved' }).effects;
    assert.deepEqual(
      back.map(({ send }) => send),
      ['context', 'status'],
    );
    assert.deepEqual([summary(back).state, summary(back).message.outcome], ['completed', 'solved']);
    const ended = summary(given(withAna).when({ type: 'end', by: ANA }).effects);
    assert.deepEqual([ended.state, ended.message.outcome], ['completed', 'agentEnded']);
    const forced = summary(given(withAna).when({ type: 'close', by: SAM }).effects);
    assert.deepEqual([forced.state, forced.message.outcome], ['completed', 'forced']);
    assert.deepEqual(given(wrappedUp).when({ type: 'close', by: ANA }).effects, []);
  });

  it('tells the bot that gets the conversation, when that is another one, and the one that had asked', () => {
    const { effects } = given(withAna).when({ type: 'return', by: ANA, bot: 'sales' });
    assert.deepEqual(
      effects.map(({ to, send }) => [to, send]),
      [
        [sales, 'members'],
        [sales, 'context'],
        [sales, 'status'],
        [demo, 'status'],
      ],
    );
  });

  it('hears nothing when it failed and people took over', () => {
    const failed = given(withBot, { type: 'botFailed', bot: 'demo', cause: 'timeout' }, offeredTo('ana'));
    assert.deepEqual(failed.when(accepts()).effects, []);
  });
});

describe('what a foreign channel is sent', () => {
  const onTeams = [startedOnTeams, customerSays('hi')];

  it('is everything meant for the customer, and nothing else', () => {
    assert.deepEqual(given(onTeams).when(botSays('hello')).effects, [{ to: 'channel', send: 'activity' }]);
    const asked = given(onTeams).when(escalates()).effects;
    assert.deepEqual(asked, [{ to: 'channel', send: 'activity' }], 'the place in line');
    const held = given(onTeams, escalates(), offeredTo('ana'), accepts());
    assert.deepEqual(held.when(agentSays('x')).effects, [{ to: 'channel', send: 'activity' }]);
    assert.deepEqual(held.when({ type: 'note', by: ANA, activity: text('x') }).effects, []);
    assert.deepEqual(held.when(botSays('draft')).effects, []);
  });

  it('is not what the customer wrote there', () => {
    assert.deepEqual(given(onTeams).when(customerSays('x')).effects, [{ to: demo, send: 'activity' }]);
  });

  it('is a change of what it was sent, not of what it never saw', () => {
    const edit = { type: 'edit', by: DEMO, author: DEMO, target: 5, activity: text('x') } as const;
    assert.deepEqual(given(onTeams).when({ ...edit, audience: 'everyone' }).effects, [
      { to: 'channel', send: 'update', target: 5 },
    ]);
    assert.deepEqual(given(onTeams).when({ ...edit, audience: 'staff' }).effects, []);
  });
});

describe('parties', () => {
  it('are what effects go out one after another for', () => {
    assert.deepEqual([partyOf(demo), partyOf('channel')], ['bot:demo', 'channel']);
  });
});
