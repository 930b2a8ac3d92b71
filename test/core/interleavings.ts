// Two customers, two people with room for one conversation each, one process that may crash at any point: every order in which
// what they do can happen, breadth first, each state that is reached looked at once.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Command } from '../../src/core/commands.js';
import { NOT_STARTED, type Conversation, type Entry, type State } from '../../src/core/conversation.js';
import { decide } from '../../src/core/decide.js';
import type { Directory } from '../../src/core/directory.js';
import { react } from '../../src/core/react.js';
import { Rejected } from '../../src/core/rejected.js';
import { appendOf, ownStep, type Decided } from '../../src/hub/appends.js';
import type { Append } from '../../src/hub/ports.js';
import { StoreModel } from '../store/model.js';
import * as promises from './promises.js';
import { totalLoads, type Happened } from './randomTraffic.js';
import {
  accepts,
  ANA,
  BEN,
  circumstancesAt,
  DEMO,
  directoryWith,
  escalates,
  KIM,
  offeredTo,
  rejects,
  START,
  started,
  text,
  tick,
} from './world.js';

const NAMES = ['c1', 'c2'] as const;
const PEOPLE = ['ana', 'ben'] as const;

/** What is tried. Tests replace parts by faulty ones, to see that the walk finds out. */
export interface Tried extends promises.Rules {
  store: new () => StoreModel;
  /** `deliverFirst`: a delivery is taken off the list when it has arrived, never before. */
  settles: 'deliverFirst' | 'settleFirst';
  /** `afterCommit`: a sender hears 200 when the entry is on disk, never before. */
  answers: 'afterCommit' | 'beforeCommit';
  /** The key under which a sender repeats what was not answered. */
  repeatedUnder: (key: string) => string;
}

export const AS_BUILT: Tried = {
  decide,
  react,
  store: StoreModel,
  settles: 'deliverFirst',
  answers: 'afterCommit',
  repeatedUnder: (key) => key,
};

export interface Bounds {
  /** Steps from the opening: a decision, a commit, a delivery, a crash, a passing deadline. */
  depth: number;
  /** States after which a walk is broken off. */
  states: number;
}

export interface Walked {
  states: number;
  steps: number;
  crashes: number;
  /** Every state up to this many steps from the opening was looked at. */
  depth: number;
  /** Names of what was done at least once. */
  done: ReadonlySet<string>;
}

/** Each conversation's commands before the walk begins. */
export type Opening = readonly [readonly Command[], readonly Command[]];

const withBot: readonly Command[] = [started, { type: 'say', by: KIM, activity: text('hi') }];
const queued: readonly Command[] = [...withBot, escalates()];
const withAna: readonly Command[] = [...queued, offeredTo('ana'), accepts()];
export const OPENINGS: Record<string, Opening> = {
  'one with the bot, one in line': [withBot, queued],
  'both in line': [queued, queued],
  'one with Ana, one in line': [withAna, queued],
};

/** At most this many crashes, and deadlines that pass, on one way. */
const CRASHES = 2;
const DEADLINES = 2;
/** At most this many commands are decided and not yet written: as many processes, or requests of one. */
const IN_FLIGHT = 2;
/** Messages with a key, per conversation and way. */
const SENDS = 2;

/** A command with what was decided on it, in memory only. */
interface Pending {
  conversation: number;
  command: Command;
  now: number;
  append: Append;
  decided: Decided;
}

interface World {
  store: StoreModel;
  now: number;
  pending: readonly Pending[];
  /** Sent, and the answer was lost in a crash. */
  unanswered: readonly { conversation: number; command: Command }[];
  /** Answered 200. */
  acknowledged: readonly { conversation: number; key: string }[];
  /** Outbox rows that were written, and those that reached their far end. */
  owed: readonly string[];
  heard: readonly string[];
  sends: readonly number[];
  crashes: number;
  deadlines: number;
  /** Names of the logs, for telling worlds apart. */
  logs: readonly number[];
}

interface Successor {
  does: string;
  world: World;
}

/** Walks from one opening. @throws AssertionError with the way that leads there, where a promise is broken. */
export function walk(opening: Opening, bounds: Bounds, tried: Tried = AS_BUILT): Walked {
  const scope = new Scope(tried);
  const first = scope.open(opening);
  const seen = new Set<string>([hashOf(first)]);
  // Of each state: the one before it, and what led here. Worlds themselves are forgotten when they have been looked at.
  const from: number[] = [0];
  const does: string[] = [''];
  const done = new Set<string>();
  let frontier: { at: number; world: World }[] = [{ at: 0, world: first }];
  let steps = 0;
  let crashes = 0;
  let depth = 0;
  for (; depth < bounds.depth && frontier.length > 0; depth += 1) {
    const next: typeof frontier = [];
    for (const { at, world } of frontier) {
      try {
        for (const step of scope.successors(world)) {
          steps += 1;
          done.add(step.does.split(' ')[0] ?? '');
          if (step.world.crashes > world.crashes) crashes += 1;
          const hash = hashOf(step.world);
          if (seen.has(hash)) continue;
          seen.add(hash);
          next.push({ at: from.length, world: step.world });
          from.push(at);
          does.push(step.does);
          scope.judge(step.world);
        }
      } catch (error) {
        if (error instanceof Error) error.message = `${error.message}\nafter: ${wayTo(at, from, does).join(', ')}`;
        throw error;
      }
      if (seen.size > bounds.states) return { states: seen.size, steps, crashes, depth, done };
    }
    frontier = next;
  }
  return { states: seen.size, steps, crashes, depth, done };
}

function wayTo(state: number, from: readonly number[], does: readonly string[]): string[] {
  const way: string[] = [];
  for (let at = state; at > 0; at = from[at] ?? 0) way.unshift(does[at] ?? '');
  return way;
}

function hashOf(world: World): string {
  return createHash('sha1').update(keyOf(world)).digest('base64');
}

function keyOf(world: World): string {
  const pending = world.pending.map(({ conversation, command, now, append }) =>
    [conversation, append.expectedVersion, now, JSON.stringify(command)].join(),
  );
  return [
    world.logs.join(),
    [...world.store.outbox.keys()].join(),
    pending.sort().join(';'),
    world.unanswered.map(({ conversation, command }) => `${conversation}${command.key}`).join(),
    world.acknowledged.length,
    world.heard.length,
    world.sends.join(),
    world.now,
    world.crashes,
    world.deadlines,
  ].join('|');
}

class Scope {
  readonly #directory: Directory;
  /** A log is named once: by the log before it and what was added. */
  readonly #names = new Map<string, number>();

  constructor(private readonly tried: Tried) {
    const { people, ...rest } = directoryWith();
    const { ana, ben } = people as { ana: NonNullable<Directory['people'][string]>; ben: typeof ana };
    this.#directory = { ...rest, people: { ana: { ...ana, capacity: 1 }, ben: { ...ben, capacity: 1 } } };
  }

  open(opening: Opening): World {
    const store = new this.tried.store();
    store.saveAgents(PEOPLE.map((id) => ({ id, capacity: 1 })));
    let world: World = {
      store,
      now: START,
      pending: [],
      unanswered: [],
      acknowledged: [],
      owed: [],
      heard: [],
      sends: [0, 0],
      crashes: 0,
      deadlines: 0,
      logs: [0, 0],
    };
    for (const [conversation, commands] of opening.entries())
      for (const command of commands) {
        const own = command.type === 'start' ? { ...command, id: NAMES[conversation] as string } : command;
        world = this.#commit(this.#decide(world, conversation, own) as World, 0);
      }
    for (const id of [...world.store.outbox.keys()]) world = this.#deliver(world, id);
    return world;
  }

  successors(world: World): Successor[] {
    const found: Successor[] = [];
    const add = (does: string, reached: World | undefined): void => {
      if (reached !== undefined) found.push({ does, world: reached });
    };
    const mayCrash = world.crashes < CRASHES;
    if (world.pending.length < IN_FLIGHT)
      for (const conversation of NAMES.keys())
        for (const command of this.#commands(world, conversation))
          add(`${command.type} (${NAMES[conversation]})`, this.#decide(world, conversation, command));
    for (const index of world.pending.keys()) {
      const name = NAMES[world.pending[index]?.conversation ?? 0];
      add(`commit (${name})`, this.#commit(world, index));
      if (mayCrash) add(`crashAfterCommit (${name})`, this.#crash(this.#commit(world, index, false)));
    }
    for (const id of this.#firstOfLanes(world)) {
      add(`deliver ${id}`, this.#deliver(world, id));
      if (mayCrash) add(`crashAfterDelivery ${id}`, this.#crash(this.#deliver(world, id, false)));
    }
    if (mayCrash && world.pending.length > 0) add('crashBeforeCommit', this.#crash(world));
    if (world.pending.length < IN_FLIGHT)
      for (const [index, { conversation, command }] of world.unanswered.entries()) {
        const unanswered = world.unanswered.filter((_, position) => position !== index);
        const again = { ...command, key: this.tried.repeatedUnder(command.key as string) };
        add(`sendAgain (${NAMES[conversation]})`, this.#decide({ ...world, unanswered }, conversation, again));
      }
    if (world.deadlines < DEADLINES) {
      const dueAt = Math.min(...NAMES.map((_, index) => this.#state(world, index).dueAt ?? Infinity));
      if (dueAt > world.now && Number.isFinite(dueAt))
        add('deadlinePasses', { ...world, now: dueAt, deadlines: world.deadlines + 1 });
    }
    return found;
  }

  /** What holds in every world; what holds of a log was looked at when the log was made. */
  judge({ store, acknowledged, owed, heard }: World): void {
    const states = [...store.conversations.values()].map(({ state }) => state);
    const loads = totalLoads(states);
    for (const [id, { load, capacity }] of store.agents) {
      assert.equal(load, loads[id] ?? 0, `3. the load of ${id}`);
      assert.ok(load <= capacity, `4. ${id} has ${load} of ${capacity}`);
    }
    for (const { conversation, key } of acknowledged) {
      const log = store.conversations.get(NAMES[conversation] as string)?.entries ?? [];
      const times = log.filter(({ event }) => event.body?.activity?.text === key).length;
      assert.equal(times, 1, `acknowledged: ${key} is in the log ${times} times`);
    }
    for (const id of owed) assert.ok(heard.includes(id) || store.outbox.has(id), `owed: ${id} reaches nobody any more`);
  }

  #state(world: World, conversation: number): Conversation {
    return this.#before(world, conversation) as Conversation;
  }

  #before(world: World, conversation: number): State {
    return world.store.conversations.get(NAMES[conversation] as string)?.state ?? NOT_STARTED;
  }

  /** What somebody may do now. Both people reach for everything, also for what is not theirs. */
  #commands(world: World, conversation: number): Command[] {
    const state = this.#state(world, conversation);
    const sent = world.sends[conversation] ?? 0;
    const key = `${NAMES[conversation]} message ${sent + 1}`;
    const log = world.store.conversations.get(state.id)?.entries ?? [];
    const asked = log.findLast(({ event }) => event.type === 'said' && event.by.role === 'customer')?.seq;
    const answers = asked === undefined ? {} : { answers: asked };
    const says: Command[] = sent < SENDS ? [{ type: 'say', by: KIM, activity: text(key), key }] : [];
    const replies: Command = { type: 'say', by: DEMO, activity: text('a reply'), ...answers };
    const due: Command[] = state.dueAt !== undefined && state.dueAt <= world.now ? [tick] : [];
    switch (state.phase) {
      case 'bot':
        return [...says, replies, escalates(asked), ...due];
      case 'queued':
        return [
          offeredTo('ana'),
          offeredTo('ana', 'ben'),
          { type: 'pick', agent: 'ben' },
          { type: 'cancel' },
          replies,
          ...due,
        ];
      case 'offered':
        return [...PEOPLE.map((id) => accepts(id)), rejects('ana'), { type: 'cancel' }, replies, ...due];
      case 'agent': {
        const by = state.agent === 'ana' ? ANA : BEN;
        const other = state.agent === 'ana' ? 'ben' : 'ana';
        return [
          ...says,
          replies,
          { type: 'say', by, activity: text('a word') },
          { type: 'say', by: { ...by, id: other }, activity: text('a word of another') },
          { type: 'transfer', by, to: { agent: other } },
          { type: 'return', by },
          { type: 'end', by },
          ...due,
        ];
      }
      case 'wrapUp':
        return [{ type: 'close', by: { role: 'agent', id: state.agent } }, replies, ...due];
      case 'waiting':
      case 'closed':
        return [replies];
    }
  }

  /** @returns undefined when it is refused or is so already. */
  #decide(world: World, conversation: number, command: Command): World | undefined {
    const before = this.#before(world, conversation);
    const decided = this.tried.decide(before, command, circumstancesAt(world.now, this.#directory));
    if (decided instanceof Rejected || decided.steps.length === 0) {
      const isDue = before.phase !== 'none' && (before.dueAt ?? Infinity) <= world.now;
      assert.ok(command.type !== 'tick' || !isDue, '8. a deadline has passed and nothing happens');
      return undefined;
    }
    const own = ownStep(decided.steps, command);
    const seq = own?.after.version ?? 0;
    const made: Decided = {
      steps: [...decided.steps],
      state: decided.state,
      own: [{ index: 0, seq }],
      force: false,
      said: 0,
    };
    const append = appendOf(NAMES[conversation] as string, before, made, decided.state as Conversation, world.now);
    const pending = { conversation, command, now: world.now, append, decided: made };
    const answered = this.tried.answers === 'beforeCommit' ? this.#answered(world, conversation, command) : world;
    return { ...answered, sends: this.#counted(world, conversation, command), pending: [...world.pending, pending] };
  }

  #counted(world: World, conversation: number, { key }: Command): readonly number[] {
    if (key === undefined) return world.sends;
    const isNew = key === `${NAMES[conversation]} message ${(world.sends[conversation] ?? 0) + 1}`;
    return world.sends.map((sent, index) => (isNew && index === conversation ? sent + 1 : sent));
  }

  #commit(world: World, index: number, answer = true): World {
    const { conversation, command, append, decided, now } = world.pending[index] as Pending;
    const rest: World = { ...world, pending: world.pending.filter((_, position) => position !== index) };
    const store = world.store.copy();
    const before = this.#before(world, conversation);
    const log = world.store.conversations.get(append.conversationId)?.entries ?? [];
    const appended = store.append(append);
    switch (appended.outcome) {
      case 'done': {
        const { state: after } = append;
        const happened: Happened = { conversation, command, now, before, log, steps: decided.steps, after };
        const logs = world.logs.map((name, at) => (at === conversation ? this.#named(name, append) : name));
        if (logs[conversation] === this.#names.size) this.#judgeLog(happened, [...log, ...appended.entries]);
        const owed = append.outbox.map(({ seq, ordinal }) => `${append.conversationId}/${seq}/${ordinal}`);
        const written = { ...rest, store, logs, owed: [...world.owed, ...owed] };
        if (answer) return this.#answered(written, conversation, command);
        return this.#unanswered(written, conversation, command);
      }
      case 'duplicate':
        return answer ? this.#answered(rest, conversation, command) : this.#unanswered(rest, conversation, command);
      case 'conflict':
        // As the hub does: decided again on what is there now.
        return this.#decide(rest, conversation, command) ?? rest;
      case 'channelTaken':
      case 'noCapacity':
        return rest;
    }
  }

  /** Names the log that an append leads to; a new name is the highest. */
  #named(before: number, append: Append): number {
    const way = `${before} ${append.conversationId} ${JSON.stringify(append.events)}`;
    const known = this.#names.get(way) ?? this.#names.size + 1;
    this.#names.set(way, known);
    return known;
  }

  #judgeLog(happened: Happened, log: readonly Entry[]): void {
    const state = happened.after as Conversation;
    promises.onlyTheFloorReachesTheCustomer(happened, this.#directory);
    promises.oneBotHears(happened, this.tried);
    promises.onlyTheHolderSpeaks(happened);
    promises.oneHolderPerEpoch(happened);
    promises.noOfferOutlivesTheAccept(log);
    promises.onlyTheHolderCommands(happened);
    promises.logFoldsToState(log, state);
    promises.loadIsInTheLog(log, state);
    promises.returnsOnlyOnPurpose(happened, this.#directory, this.tried);
    promises.keepsItsPlace(happened);
    promises.customerSeesWhatIsForEveryone(log);
    promises.staffMattersStayWithStaff(log);
    promises.hasDeadline(state);
    promises.deadlineActs(state, this.#directory, this.tried);
  }

  #answered(world: World, conversation: number, { key }: Command): World {
    if (key === undefined) return world;
    const name = key.replace(/ again$/, '');
    return { ...world, acknowledged: [...world.acknowledged, { conversation, key: name }] };
  }

  #unanswered(world: World, conversation: number, command: Command): World {
    if (command.key === undefined) return world;
    return { ...world, unanswered: [...world.unanswered, { conversation, command }] };
  }

  /** Of each conversation and party the row that goes next. */
  #firstOfLanes({ store }: World): string[] {
    const first = new Map<string, string>();
    for (const { id, conversationId, party } of store.outbox.values()) {
      const lane = `${conversationId} ${party}`;
      if (!first.has(lane)) first.set(lane, id);
    }
    return [...first.values()];
  }

  /** `whole`: false when the process dies between the delivery and taking it off the list, whichever it does first. */
  #deliver(world: World, id: string, whole = true): World {
    const settlesFirst = this.tried.settles === 'settleFirst';
    const store = world.store.copy();
    const { heard } = world;
    if (whole || settlesFirst) store.settle([{ id, outcome: 'done' }]);
    const arrives = (whole || !settlesFirst) && !heard.includes(id);
    return { ...world, store, heard: arrives ? [...heard, id] : heard };
  }

  /** Memory is gone: what was decided and not written was never answered. */
  #crash(world: World): World {
    let after: World = { ...world, pending: [], crashes: world.crashes + 1 };
    if (this.tried.answers === 'afterCommit')
      for (const { conversation, command } of world.pending) after = this.#unanswered(after, conversation, command);
    return after;
  }
}
