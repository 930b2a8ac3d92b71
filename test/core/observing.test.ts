// A work stream that only observes: what it puts on record, and that nobody can notice it.

import assert from 'node:assert/strict';
import type { Command } from '../../src/core/commands.js';
import type { ConversationEvent } from '../../src/core/conversation.js';
import { decide } from '../../src/core/decide.js';
import type { Queue } from '../../src/core/directory.js';
import { describeEvent } from '../../src/core/describe.js';
import { fold } from '../../src/core/evolve.js';
import { Rejected } from '../../src/core/rejected.js';
import {
  botSays,
  circumstancesAt,
  customerSays,
  directoryWith,
  escalates,
  givenIn,
  MINUTE,
  SAM,
  START,
  started,
  startedAtDesk,
  startedOnTeams,
  tick,
  withAna,
  withBot,
  type Happening,
} from './world.js';

const observe = { workStream: { observe: true } };
const withBotOnTeams: Happening = [{ ...startedOnTeams, frontBot: 'demo' }, customerSays('hi')];

const initiate = {
  type: 'event',
  name: 'handoff.initiate',
  value: { topic: 'card' },
  attachments: [{ contentType: 'application/json', name: 'Transcript', content: { activities: [] } }],
};
const escalation = (activity: { type: string } & Record<string, unknown>, topic = 'card'): Command => ({
  ...(escalates(undefined, topic) as Extract<Command, { type: 'escalate' }>),
  activity,
});

describe('a work stream that only observes', () => {
  it('passes an escalation on as the bot sent it, and puts on record where it would have gone', () => {
    const outcome = givenIn(observe, withBotOnTeams).when(escalation(initiate));
    outcome.then({ type: 'said', audience: 'everyone', body: { activity: initiate } }, 'contextSet', {
      type: 'escalationObserved',
      audience: 'staff',
      reason: 'signal',
      bot: 'demo',
      queue: 'Cards',
      ruleSetVersion: 1,
    });
    assert.deepEqual(outcome.effects, [{ to: 'channel', send: 'activity' }]);
    assert.equal(outcome.state.phase, 'bot');
    const { receipt, summary } = outcome.events[2]?.body ?? {};
    assert.equal(summary, 'angry');
    assert.ok(receipt?.kind === 'route');
    assert.deepEqual(
      receipt.rules.map(({ rule, matched }) => [rule, matched]),
      [
        [1, false],
        [2, true],
      ],
    );
  });

  it('counts the escalations it has seen, each with its entry', () => {
    const { state } = givenIn(observe, withBot, escalates(), MINUTE, escalates());
    assert.equal(state.observed?.count, 2);
    assert.equal(state.observed.seqs.length, 2);
  });

  it('remembers the entries of the first hundred only, and how many there were', () => {
    const { observed } = givenIn(observe, withBot, Array<Command>(130).fill(escalates())).state;
    assert.deepEqual([observed?.seqs.length, observed?.count], [100, 130]);
  });

  it('says so where nobody would have taken it, and tells the customer nothing', () => {
    const noPeople = {
      ...observe,
      change: ({ queues: { Bots }, ...directory }: ReturnType<typeof directoryWith>) => ({
        ...directory,
        people: {},
        queues: { Bots: Bots as Queue },
      }),
    };
    const { events } = givenIn(noPeople, withBot)
      .when(escalates())
      .then('contextSet', { type: 'escalationObserved', reason: 'signal', queue: undefined });
    assert.match(describeEvent(events[1] as ConversationEvent, () => undefined) ?? '', /nobody would have taken it/);
  });

  it('names the other bot that would have taken it before people', () => {
    const rules = [{ when: { variable: 'topic', operator: 'hasNoData' as const }, queue: 'Bots' }];
    givenIn({ workStream: { observe: true, rules, fallbackQueue: 'Sales' } }, withBot)
      .when(escalates())
      .then('contextSet', { type: 'escalationObserved', queue: 'Sales', nextBot: 'sales' });
  });

  it('lets the bot hear a phrase that would have handed over', () => {
    const triggers = { phrases: [{ says: ['agent'], match: 'contains' as const }] };
    const outcome = givenIn({ workStream: { observe: true, triggers } }, withBot).when(
      customerSays('an agent, please'),
    );
    outcome.then('said', { type: 'escalationObserved', reason: 'trigger:phrase', queue: 'Cards', bot: 'demo' });
    assert.equal(outcome.events[1]?.body?.note, 'agent');
    assert.deepEqual(outcome.effects, [{ to: { bot: 'demo' }, send: 'activity', always: true }]);
  });

  it('puts replies that were not understood on record, and delivers them', () => {
    const triggers = { phrases: [], fallbacks: { count: 2, texts: ['sorry'], patterns: [], topics: [] } };
    const missed: Happening = [customerSays('hm'), botSays('Sorry?')];
    givenIn({ workStream: { observe: true, triggers } }, withBot, missed)
      .when(missed)
      .then('said', { type: 'said', audience: 'everyone' }, { type: 'escalationObserved', reason: 'trigger:fallback' });
  });

  it('puts a failure of the bot on record, and tells the customer nothing', () => {
    for (const onBotFailure of ['escalate', 'close'] as const) {
      const outcome = givenIn({ workStream: { observe: true, onBotFailure } }, withBot).when({
        type: 'botFailed',
        bot: 'demo',
        cause: 'it hangs',
      });
      const wouldAct = onBotFailure === 'escalate';
      outcome.then(
        'botFailed',
        ...(wouldAct ? [{ type: 'escalationObserved', reason: 'botUnavailable' } as const] : []),
      );
      assert.deepEqual(outcome.effects, []);
      assert.equal(outcome.state.phase, 'bot');
    }
  });

  it('delivers what a bridged bot did not mark, what it says late, and what another bot says', () => {
    const outcome = givenIn(observe, withBot).when(
      botSays('unmarked', undefined, 'strict'),
      botSays('late', 1),
      botSays('from another', undefined, 'sales'),
    );
    assert.ok(outcome.events.every(({ type, audience }) => type === 'said' && audience === 'everyone'));
  });

  it('passes an event that sets context on, and knows its values', () => {
    const activity = { type: 'event', name: 'setContext', value: { tier: 'gold' } };
    const outcome = givenIn(observe, withBotOnTeams).when({
      type: 'setContext',
      by: { role: 'bot', id: 'demo' },
      activity,
      variables: { tier: { value: 'gold' } },
    });
    outcome.then({ type: 'said', body: { activity } }, 'contextSet');
    assert.equal(outcome.state.context['tier']?.value, 'gold');
  });

  it("passes the bot's end on and closes its record without a word, on a channel of others", () => {
    const end = { type: 'endOfConversation', code: 'completedSuccessfully' };
    const outcome = givenIn(observe, withBotOnTeams).when({ type: 'endByBot', bot: 'demo', activity: end });
    outcome.then(
      { type: 'said', audience: 'everyone', body: { activity: end } },
      { type: 'closed', audience: 'staff' },
    );
    assert.deepEqual(outcome.effects, [{ to: 'channel', send: 'activity' }]);
  });

  it('delivers what the bot says and asks for after the end of the record', () => {
    const end: Command = { type: 'endByBot', bot: 'demo', activity: { type: 'endOfConversation' } };
    const outcome = givenIn(observe, withBotOnTeams, end).when(botSays('one more thing'), escalation(initiate));
    outcome.then('said', 'said', 'contextSet', { type: 'escalationObserved', queue: 'Cards' });
    assert.deepEqual(outcome.effects, [
      { to: 'channel', send: 'activity' },
      { to: 'channel', send: 'activity' },
    ]);
  });

  it("keeps a conversation of the hub's own channel open after the bot's end: the customer may go on, as elsewhere", () => {
    const end: Command = { type: 'endByBot', bot: 'demo', activity: { type: 'endOfConversation' } };
    const outcome = givenIn(observe, withBot).when(end, customerSays('and another thing'));
    outcome.then('said', 'said');
    assert.equal(outcome.state.phase, 'bot');
  });

  it('ends idle conversations without a text', () => {
    const idle = 31 * MINUTE;
    const foreign = givenIn(observe, withBotOnTeams).when(idle, tick).then({ type: 'closed', audience: 'staff' });
    assert.deepEqual(foreign.effects, []);
    givenIn(observe, withBot).when(idle, tick).then({ type: 'closed', audience: 'everyone' });
  });

  it('introduces nobody to a bot behind another channel, and sets no context; its own channel still introduces', () => {
    const opened = (start: Command) => givenIn(observe).when(start).effects;
    assert.deepEqual(opened({ ...startedOnTeams, frontBot: 'demo' }), []);
    assert.deepEqual(opened(started), [{ to: { bot: 'demo' }, send: 'members', members: ['demo', 'kim'] }]);
  });

  it('lets the bot hear events that only the hub may send it otherwise: another handoff may live on them', () => {
    const status = { type: 'event', name: 'handoff.status', value: { state: 'completed' } };
    const by = { role: 'customer', id: 'kim' } as const;
    const { effects } = givenIn(observe, withBotOnTeams).when({ type: 'say', by, activity: status });
    assert.deepEqual(effects, [{ to: { bot: 'demo' }, send: 'activity', always: true }]);
  });

  it('starts with a bot where the rules lead to people from the start, and says so', () => {
    const outcome = givenIn(observe).when(startedAtDesk);
    outcome.then(
      'started',
      { type: 'botConnected', bot: 'demo' },
      { type: 'escalationObserved', reason: 'start', queue: 'Cards' },
    );
  });

  it('cannot start without any bot', () => {
    const noBots = {
      ...observe,
      change: (directory: ReturnType<typeof directoryWith>) => ({ ...directory, bots: {} }),
    };
    givenIn(noBots).when(started).thenRejected('badCommand');
  });

  it('hands nothing over by a supervisor either', () => {
    const { message } = givenIn(observe, withBot)
      .when({ type: 'transfer', by: SAM, to: { queue: 'Cards' } })
      .thenRejected('notAllowed');
    assert.match(message, /observe/);
  });
});

describe('switching observe on and off', () => {
  const acting = directoryWith();
  const observing = directoryWith({ observe: true });
  const decided = (events: readonly ConversationEvent[], command: Command, directory = acting) => {
    const outcome = decide(fold(events), command, circumstancesAt(START + MINUTE, directory));
    assert.ok(!(outcome instanceof Rejected));
    return outcome;
  };
  const eventsOf = (...happenings: Happening[]) => {
    const { events } = givenIn(observe).when(...happenings);
    return events;
  };

  it('lets the next escalation of a conversation under way act, once it is off', () => {
    const { steps, state } = decided(eventsOf(withBot, escalates()), escalates());
    assert.equal(state.phase, 'queued');
    assert.ok(steps.every(({ observed }) => !observed));
  });

  it('lets people finish what they have, once it is on', () => {
    const { events } = givenIn({}).when(withAna);
    const back = decided(events, { type: 'return', by: { role: 'agent', id: 'ana' } }, observing);
    assert.deepEqual(
      back.steps.map(({ event }) => event.type),
      ['told', 'returned', 'told'],
    );
    const { steps } = decided([...events, ...back.steps.map(({ event }) => event)], escalates(), observing);
    assert.equal(steps.at(-1)?.event.type, 'escalationObserved');
  });

  it('takes what has gone its way already as observed, whatever is in force by now', () => {
    const outcome = decide(fold(eventsOf(withBot)), escalates(), {
      ...circumstancesAt(START + MINUTE, acting),
      observed: true,
    });
    assert.ok(!(outcome instanceof Rejected));
    assert.equal(outcome.state.phase, 'bot');
  });
});
