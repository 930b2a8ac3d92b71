// What the core promises whatever is asked of it, each promise tried on random traffic and judged by the log alone.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  loadsOf,
  openTurnOf,
  type Conversation,
  type ConversationEvent,
  type Phase,
} from '../../src/core/conversation.js';
import { decide } from '../../src/core/decide.js';
import { fold } from '../../src/core/evolve.js';
import { react } from '../../src/core/react.js';
import { Rejected } from '../../src/core/rejected.js';
import {
  customerSeesWhatIsForEveryone,
  deadlineActs,
  eventsOf,
  forceIsWritten,
  hasDeadline,
  keepsItsPlace,
  loadIsInTheLog,
  logFoldsToState,
  noOfferOutlivesTheAccept,
  oneBotHears,
  oneHolderPerEpoch,
  onlyTheFloorReachesTheCustomer,
  onlyTheHolderCommands,
  onlyTheHolderSpeaks,
  returnsOnlyOnPurpose,
  staffMattersStayWithStaff,
} from './promises.js';
import { impulses, isOpen, runTraffic, settings, totalLoads, type Happened, type Traffic } from './randomTraffic.js';
import { circumstancesAt } from './world.js';

function always(check: (traffic: Traffic) => void): void {
  fc.assert(
    fc.property(impulses, settings, (given, workStream) => check(runTraffic(given, workStream))),
    { numRuns: 200 },
  );
}

/** Also where the work stream only observes. */
function alwaysEitherWay(check: (traffic: Traffic) => void): void {
  always(check);
  observing(check);
}

function observing(check: (traffic: Traffic) => void): void {
  fc.assert(
    fc.property(impulses, settings, (given, workStream) => check(runTraffic(given, { ...workStream, observe: true }))),
    { numRuns: 200 },
  );
}

const RULES = { decide, react };

describe('what the core guarantees under random traffic', function () {
  this.timeout(60_000);

  it('1. what a bot sends reaches the customer if and only if the bot has the floor', () => {
    always(({ history, directory }) => {
      for (const happened of history) onlyTheFloorReachesTheCustomer(happened, directory);
    });
  });

  it('1. a batch that answers nothing is delivered whole or drafted whole, and leaves no turn open', () => {
    always(({ history, directory }) => {
      if (directory.workStreams['web']?.proactiveWhileHeld === 'deliver') return;
      for (const [index, { command, after, conversation, before }] of history.entries()) {
        if (command.type !== 'endTurn' || command.answers !== undefined || after.phase === 'none') continue;
        const batch = history.slice(index - 3, index);
        const [, escalation] = batch;
        if (escalation?.command.type !== 'escalate' || escalation.command.continues !== true) continue;
        assert.ok(batch.every((one) => one.conversation === conversation) && before.phase !== 'none');
        assert.ok(openTurnOf(after)?.answers !== undefined || openTurnOf(after) === undefined);
        const texts = [batch[0], batch[2]].map((one) => eventsOf(one as Happened).map(({ type }) => type));
        assert.deepEqual(texts[1], texts[0]);
      }
    });
  });

  it('1. what a customer says is heard by one bot at most: the one that speaks, or the one that drafts for a person', () => {
    always(({ history }) => {
      for (const happened of history) oneBotHears(happened, RULES);
    });
  });

  it('2. the work stream hands over where people can take it only, and tells of a failing bot once until it answers', () => {
    always(({ history, logs }) => {
      for (const { steps, after } of history)
        for (const { event } of steps)
          if (event.type === 'escalated' && event.reason !== 'signal')
            assert.ok(after.phase === 'queued' && event.bot !== undefined && after.triedBots.includes(event.bot));
      for (const log of logs) {
        let told = false;
        for (const { event } of log) {
          if (event.type === 'told' && event.text === 'botFailed') {
            assert.equal(told, false);
            told = true;
          } else if (
            (event.type === 'said' && event.by.role === 'bot') ||
            ['queued', 'botConnected', 'returned'].includes(event.type)
          )
            told = false;
        }
      }
    });
  });

  it('1. only the person who holds the conversation speaks to the customer', () => {
    always(({ history }) => history.forEach(onlyTheHolderSpeaks));
  });

  it('1. who holds a conversation changes together with its epoch', () => {
    always(({ history }) => history.forEach(oneHolderPerEpoch));
  });

  it('1. whoever accepts is the last one to whom it was offered: every other offer is withdrawn', () => {
    // Random traffic offers to one person at a time; test/core/interleavings.test.ts offers to two.
    always(({ logs }) => logs.forEach(noOfferOutlivesTheAccept));
  });

  it('2. commands of a bot without the floor change nothing but leave a draft; in line they add context only', () => {
    always(({ history }) => history.forEach(onlyTheHolderCommands));
  });

  it('3. the state is what the log folds to, numbered without gaps, in time that never runs backwards', () => {
    alwaysEitherWay(({ states, logs }) => {
      for (const [index, log] of logs.entries())
        if (log.length > 0) logFoldsToState(log, states[index] as Conversation);
    });
  });

  it('3. phase, holder, timers and load do not depend on what can be erased', () => {
    alwaysEitherWay(({ states, logs }) => {
      for (const [index, log] of logs.entries()) {
        const state = states[index];
        if (state === undefined || state.phase === 'none') continue;
        const bare = fold(
          log.map(({ event: { body: _body, ...envelope } }) => envelope as ConversationEvent),
        ) as Conversation;
        const essence = (of: Conversation): unknown => {
          const { context: _c, changedWithPeople: _w, summary: _s, customer, locale: _l, reference: _r, ...rest } = of;
          return { ...rest, customer: customer.id, loads: loadsOf(of) };
        };
        assert.deepEqual(essence(bare), essence(state));
      }
    });
  });

  it("3. a person's load is the cost of what is offered to, held by or wrapped up with them", () => {
    always(({ states, logs }) => {
      for (const [index, log] of logs.entries()) loadIsInTheLog(log, states[index] as Conversation);
    });
  });

  it('4. nobody gets more than fits except by force, and bots cost nothing', () => {
    always(({ history, directory }) => {
      const states: Conversation[] = [];
      const forced = new Set<string>();
      for (const happened of history) {
        const { command, conversation, after, refused } = happened;
        // What the assigner offers fits, and what was offered is reserved: accepting never fails for lack of room.
        if (command.type === 'offer' || command.type === 'accept') assert.notEqual(refused, 'noCapacity');
        if (command.type === 'assign' && refused === undefined) forced.add(command.agent);
        forceIsWritten(happened);
        states[conversation] = after as Conversation;
        const loads = totalLoads(states.filter((state) => state !== undefined));
        for (const [agent, load] of Object.entries(loads)) {
          assert.ok(directory.people[agent] !== undefined, agent);
          if (!forced.has(agent)) assert.ok(load <= (directory.people[agent]?.capacity ?? 0), agent);
        }
      }
    });
  });

  it('5. no bot that escalated a conversation is handed it again by routing; an explicit return always works', () => {
    always(({ history, directory }) => {
      for (const happened of history) returnsOnlyOnPurpose(happened, directory, RULES);
    });
  });

  it('6. what was declined or lapsed keeps its waiting-since; after a transfer to a person it goes to the front', () => {
    always(({ history }) => history.forEach(keepsItsPlace));
  });

  it('7. the customer sees exactly the entries for everyone: no note, summary, draft or word about them', () => {
    alwaysEitherWay(({ logs, directory }) => {
      const observes = directory.workStreams['web']?.observe;
      for (const log of logs) customerSeesWhatIsForEveryone(log, observes);
    });
  });

  it('7. a change is seen by nobody but those who saw what it changes', () => {
    always(({ logs }) => {
      for (const log of logs) {
        for (const { event } of log) {
          if (event.type !== 'edited' && event.type !== 'deleted') continue;
          assert.equal(event.audience, log[event.target - 1]?.event.audience);
        }
      }
    });
  });

  it('7. what is for staff by its nature is never marked for everyone', () => {
    alwaysEitherWay(({ logs }) => logs.forEach(staffMattersStayWithStaff));
  });

  it('8. every open conversation has a deadline, the earliest of its timers', () => {
    alwaysEitherWay(({ history }) => {
      for (const { after } of history) if (after.phase !== 'none') hasDeadline(after);
    });
  });

  it('8. a deadline that has passed always makes something happen, and things come to rest', () => {
    alwaysEitherWay(({ states, directory }) => {
      for (const state of states) if (state.phase !== 'none') deadlineActs(state, directory, RULES);
    });
  });

  it('9. a work stream that only observes never takes a conversation from its bot, but by the end of the record', () => {
    observing(({ states, history }) => {
      for (const { before, after } of history) {
        assert.ok(after.phase === 'bot' || after.phase === 'closed' || after.phase === 'none', after.phase);
        if (before.phase === 'bot' && after.phase === 'bot') assert.equal(after.bot, before.bot);
      }
      assert.deepEqual(totalLoads(states), {});
    });
  });

  it('9. where the work stream only observes, nothing goes out but what somebody said, and all that a bot sends does', () => {
    observing(({ history }) => {
      for (const { command, steps, refused } of history) {
        for (const { event, after, observed } of steps) {
          assert.ok(observed);
          for (const { send } of react(event, after, observed)) {
            const isPassedOn =
              (send === 'activity' && event.type === 'said') ||
              (send === 'update' && event.type === 'edited') ||
              (send === 'delete' && event.type === 'deleted') ||
              (send === 'members' &&
                after.channel.key === undefined &&
                ['botConnected', 'memberJoined'].includes(event.type));
            assert.ok(isPassedOn, `${send} for ${event.type}`);
          }
          assert.ok(event.type !== 'told' && event.type !== 'drafted' && event.type !== 'escalated', event.type);
        }
        const isSpeech = command.type === 'say' || command.type === 'escalate' || command.type === 'endByBot';
        if (!isSpeech || refused !== undefined || !('activity' in command) || command.activity === undefined) continue;
        const bot = 'bot' in command ? command.bot : command.by.role === 'bot' ? command.by.id : undefined;
        if (bot === undefined) continue;
        const said = steps.filter(({ event }) => event.type === 'said');
        assert.deepEqual(
          said.map(({ event }) => [event.audience, event.body?.activity]),
          [['everyone', command.activity]],
        );
      }
    });
  });

  it('leaves every conversation to its deadlines alone until it is closed: nobody is stuck', () => {
    always(({ states, directory }) => {
      for (let state of states) {
        let rounds = 0;
        while (isOpen(state)) {
          const now = Math.max(state.dueAt as number, state.lastAt);
          const ticked = decide(state, { type: 'tick' }, circumstancesAt(now, directory));
          assert.ok(!(ticked instanceof Rejected));
          state = ticked.state;
          rounds += 1;
          assert.ok(rounds < 20, `${state.phase} never ends`);
        }
      }
    });
  });

  it('is tried in every phase, by commands that succeed and commands that are refused', function () {
    this.timeout(60_000);
    const phases = new Set<Phase | 'none'>();
    const types = new Set<string>();
    const done = new Set<string>();
    const happenings = new Set<string>();
    for (const [given, workStream] of fc.sample(fc.tuple(impulses, settings), { numRuns: 1_500, seed: 5 })) {
      for (const { after, steps, command, refused } of runTraffic(given, workStream).history) {
        phases.add(after.phase);
        for (const { event } of steps) {
          types.add(event.type);
          if (event.type === 'escalated') happenings.add(event.reason);
          if (event.type === 'drafted') happenings.add(event.why);
          if (event.type === 'botConnected' && event.openTurn !== undefined) happenings.add('nextBot');
          if (event.type === 'surveyEnded') happenings.add(`survey ${event.reason}`);
        }
        if (after.phase === 'bot' && after.survey === true) happenings.add('survey without wrap-up');
        if (refused === undefined && steps.length > 0) done.add(command.type);
      }
    }
    assert.deepEqual([...phases].sort(), ['agent', 'bot', 'closed', 'offered', 'queued', 'waiting', 'wrapUp']);
    for (const type of [
      'lapsed',
      'declined',
      'withdrawn',
      'resumed',
      'botFailed',
      'imported',
      'erased',
      'waitExtended',
      'drafted',
      'edited',
      'surveyStarted',
      'surveyEnded',
      'wrapUpEnded',
    ])
      assert.ok(types.has(type), type);
    for (const happening of [
      'signal',
      'botUnavailable',
      'trigger:phrase',
      'trigger:fallback',
      'trigger:botError',
      'suggested',
      'earlierSession',
      'nextBot',
      'survey without wrap-up',
      'survey inactive',
    ])
      assert.ok(happenings.has(happening), happening);
    for (const type of [
      'escalate',
      'pick',
      'assign',
      'transfer',
      'return',
      'park',
      'resume',
      'close',
      'edit',
      'delete',
      'tick',
      'cancel',
      'leave',
    ])
      assert.ok(done.has(type), type);
  });
});
