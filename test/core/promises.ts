// What the core promises (docs/architecture.md, 1 to 8), each as a check of one decision or of one log: it throws where the promise is broken.

import assert from 'node:assert/strict';
import {
  holderOf,
  loadsOf,
  type Conversation,
  type ConversationEvent,
  type Entry,
} from '../../src/core/conversation.js';
import type { decide } from '../../src/core/decide.js';
import type { Directory } from '../../src/core/directory.js';
import { fold } from '../../src/core/evolve.js';
import { readActivities } from '../../src/core/projection.js';
import type { react } from '../../src/core/react.js';
import { Rejected } from '../../src/core/rejected.js';
import { floorAfter, holdsFloor, loadsFromLog } from './floor.js';
import { isOpen, type Happened } from './randomTraffic.js';
import { circumstancesAt } from './world.js';

/** The rules that are judged. */
export interface Rules {
  decide: typeof decide;
  react: typeof react;
}

export function eventsOf({ steps }: Happened): ConversationEvent[] {
  return steps.map(({ event }) => event);
}

/** 1. What a bot sends reaches the customer if and only if the bot has the floor. */
export function onlyTheFloorReachesTheCustomer(happened: Happened, directory: Directory): void {
  const { command, log, refused, now } = happened;
  if (command.type !== 'say' || command.by.role !== 'bot' || refused !== undefined) return;
  const floor = floorAfter(log);
  const delivers = directory.workStreams['web']?.proactiveWhileHeld === 'deliver';
  const suggests = floor.assistant === command.by.id;
  const welcome = delivers && command.answers === undefined && !floor.closed && !suggests;
  const expected = holdsFloor(floor, command.by.id, command.answers) || welcome;
  // A reply that was the last straw is followed by a hand-over.
  const [first, second] = eventsOf(happened);
  assert.deepEqual(
    [first?.type, first?.audience],
    expected ? ['said', 'everyone'] : ['drafted', 'staff'],
    `${JSON.stringify(command)} at ${now}`,
  );
  if (second !== undefined) assert.ok(expected && second.type === 'escalated' && second.reason === 'trigger:fallback');
}

/** 1. What a customer says is heard by one bot at most: the one that speaks, or the one that drafts for a person. */
export function oneBotHears({ command, steps, log }: Happened, rules: Rules): void {
  if (command.type !== 'say' || command.by.role !== 'customer') return;
  const [said] = steps.filter(({ event }) => event.type === 'said');
  if (said === undefined) return;
  const hearers = rules
    .react(said.event, said.after)
    .flatMap(({ to, send }) => (to !== 'channel' && send === 'activity' ? [to.bot] : []));
  const floor = floorAfter(log);
  assert.deepEqual(
    hearers,
    [floor.held?.bot ?? floor.assistant].flatMap((bot) => bot ?? []),
  );
}

/** 1. Only the person who holds the conversation speaks to the customer. */
export function onlyTheHolderSpeaks(happened: Happened): void {
  for (const event of eventsOf(happened)) {
    if (event.type !== 'said' || event.by.role !== 'agent') continue;
    assert.ok(happened.before.phase === 'agent' && happened.before.agent === event.by.id);
  }
}

/** 1. Who holds changes together with the epoch. */
export function oneHolderPerEpoch({ before, steps }: Happened): void {
  let previous = before;
  for (const { after } of steps) {
    if (previous.phase !== 'none' && previous.epoch === after.epoch && holderOf(previous) !== undefined)
      assert.deepEqual(holderOf(after), holderOf(previous), `in epoch ${after.epoch}`);
    previous = after;
  }
}

/** 1. Whoever accepts is the last one to whom it was offered: everybody else was told that the offer is over. */
export function noOfferOutlivesTheAccept(log: readonly Entry[]): void {
  let offered: readonly string[] = [];
  for (const { event } of log) {
    if (event.type === 'offered') offered = event.offers.map(({ agent }) => agent);
    else if (event.type === 'declined') offered = offered.filter((id) => id !== event.agent);
    else if (event.type === 'lapsed' || event.type === 'withdrawn')
      offered = offered.filter((id) => !event.agents.includes(id));
    else if (event.type === 'accepted') {
      assert.deepEqual(
        offered.filter((id) => id !== event.agent),
        [],
        `${event.agent} accepted`,
      );
      offered = [];
    } else if (['queued', 'returned', 'closed'].includes(event.type)) offered = [];
  }
}

/** 2. Commands of a bot without the floor change nothing but leave a draft; in line they add context only. */
export function onlyTheHolderCommands(happened: Happened): void {
  const { command, before, after, log, refused } = happened;
  if (command.type !== 'escalate' && command.type !== 'endByBot' && command.type !== 'setContext') return;
  const bot = 'bot' in command ? command.bot : command.by.role === 'bot' ? command.by.id : undefined;
  if (bot === undefined || refused !== undefined || before.phase === 'none' || after.phase === 'none') return;
  const floor = floorAfter(log);
  const inLine = before.phase === 'queued' || before.phase === 'offered';
  const holds = floor.held?.bot === bot && (!floor.survey || command.type !== 'escalate');
  const commands = holds || (command.type === 'setContext' && floor.turn?.bot === bot);
  if (inLine && before.lastBot === bot && command.type !== 'endByBot') {
    assert.ok(after.phase === before.phase, 'still in line');
    assert.ok(Object.keys(after.context).length >= Object.keys(before.context).length);
  } else if (!holdsFloor(floor, bot, command.answers) || !commands) {
    assert.deepEqual(
      eventsOf(happened).map(({ type, audience }) => [type, audience]),
      [['drafted', 'staff']],
    );
    assert.deepEqual({ ...after, version: 0, lastAt: 0 }, { ...before, version: 0, lastAt: 0 });
  }
}

/** 3. The state is what the log folds to, numbered without gaps, in time that never runs backwards. */
export function logFoldsToState(log: readonly Entry[], state: Conversation): void {
  const events = log.map(({ event }) => event);
  assert.deepEqual(fold(events), state);
  // What was on disk folds to the same: a store keeps JSON.
  assert.deepEqual(asJson(fold(asJson(events))), asJson(state));
  assert.deepEqual(
    log.map(({ seq }) => seq),
    log.map((_, position) => position + 1),
  );
  for (const [position, event] of events.entries()) assert.ok(event.at >= (events[position - 1]?.at ?? 0));
}

/** 3. A person's load is the cost of what is offered to, held by or wrapped up with them. */
export function loadIsInTheLog(log: readonly Entry[], state: Conversation): void {
  assert.deepEqual(loadsOf(state), loadsFromLog(log));
}

/** 4. Whoever gets more than fits was forced to, and the receipt says so. */
export function forceIsWritten(happened: Happened): void {
  if (happened.command.type !== 'assign' || happened.refused !== undefined) return;
  const accepted = eventsOf(happened).find(({ type }) => type === 'accepted');
  if (accepted !== undefined) assert.match(JSON.stringify(accepted.body?.receipt), /forced/);
}

/** 5. No bot that escalated a conversation is handed it again by routing; an explicit return always works. */
export function returnsOnlyOnPurpose(happened: Happened, directory: Directory, rules: Rules): void {
  const { before, after, now } = happened;
  let tried: readonly string[] = before.phase === 'none' ? [] : before.triedBots;
  for (const { event, after: then } of happened.steps) {
    if (event.type === 'routed' && event.bot !== undefined) assert.ok(!tried.includes(event.bot));
    tried = then.triedBots;
  }
  if (after.phase !== 'agent' || after.lastBot === undefined) return;
  const by = { role: 'agent', id: after.agent } as const;
  const returned = rules.decide(after, { type: 'return', by }, circumstancesAt(now, directory));
  assert.ok(!(returned instanceof Rejected));
  assert.ok(returned.state.phase === 'bot' && returned.state.bot === after.lastBot);
}

/** 6. What was declined or lapsed keeps its waiting-since; after a transfer to a person it goes to the front. */
export function keepsItsPlace({ command, before, steps, after: last }: Happened): void {
  if (['reject', 'lapse', 'tick'].includes(command.type) && before.phase === 'offered' && last.phase === 'queued')
    assert.equal(last.waitingSince, before.waitingSince, 'waiting-since');
  let previous = before;
  for (const { event, after } of steps) {
    const back = event.type === 'declined' || event.type === 'lapsed' || event.type === 'withdrawn';
    if (back && previous.phase === 'offered' && after.phase === 'queued') {
      assert.deepEqual(
        [after.waitingSince, after.queue, after.priority],
        [previous.waitingSince, previous.queue, previous.priority],
      );
      assert.equal(after.front, previous.front || previous.direct);
    }
    previous = after;
  }
}

/** 7. The customer sees exactly the entries for everyone: no note, summary, draft or word about them. */
export function customerSeesWhatIsForEveryone(log: readonly Entry[], observes = false): void {
  const seen = new Set(
    readActivities(log, { viewer: 'customer', nameOf: () => undefined }).map(({ activity }) => activity.text),
  );
  const changed = new Set(log.flatMap(({ event }) => ('target' in event ? [event.target] : [])));
  const spoken = new Set<string>();
  for (const { seq, event } of log) {
    const words = event.body?.activity?.text ?? '';
    if (event.audience === 'everyone') {
      spoken.add(words);
      if ((event.type === 'said' || event.type === 'told') && words !== '' && !changed.has(seq))
        assert.ok(seen.has(words), words);
    } else {
      // Where the hub only observes, a foreign channel's customers are not told of the end of the record.
      const isQuiet = observes && event.type === 'closed';
      assert.ok(isQuiet || !['told', 'closed'].includes(event.type), event.type);
    }
  }
  for (const { event } of log) {
    const words = event.body?.activity?.text;
    if (event.audience === 'staff' && words !== undefined && !spoken.has(words)) assert.ok(!seen.has(words), words);
  }
}

const FOR_EVERYONE = new Set(['said', 'told', 'closed', 'edited', 'deleted']);

/** 7. What is for staff by its nature is never marked for everyone. */
export function staffMattersStayWithStaff(log: readonly Entry[]): void {
  for (const { event } of log) if (event.audience === 'everyone') assert.ok(FOR_EVERYONE.has(event.type), event.type);
}

/** 8. Every open conversation has a deadline, the earliest of its timers. */
export function hasDeadline(state: Conversation): void {
  const times = Object.values(state.timers);
  if (isOpen(state)) assert.ok(times.length > 0 && Number.isFinite(state.dueAt), state.phase);
  assert.equal(state.dueAt, times.length > 0 ? Math.min(...times) : undefined);
}

/** 8. A deadline that has passed always makes something happen, and things come to rest. */
export function deadlineActs(state: Conversation, directory: Directory, rules: Rules): void {
  for (const online of [0, 2]) {
    let at = state;
    if (!isOpen(at)) continue;
    const now = at.dueAt as number;
    let rounds = 0;
    while (isOpen(at) && (at.dueAt as number) <= now) {
      const ticked = rules.decide(at, { type: 'tick' }, circumstancesAt(now, directory, online));
      assert.ok(!(ticked instanceof Rejected) && ticked.steps.length > 0, `${at.phase} ${JSON.stringify(at.timers)}`);
      at = ticked.state as Conversation;
      rounds += 1;
      assert.ok(rounds < 10, 'comes to rest');
    }
  }
}

function asJson<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}
