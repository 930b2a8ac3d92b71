// A small contact centre for tests of decisions, and the language they are written in: given, when, then.

import assert from 'node:assert/strict';
import { inOrder, kindOf, type WaitingItem } from '../../src/core/assignment.js';
import type { Circumstances, Command, CommandOf } from '../../src/core/commands.js';
import { NOT_STARTED, type Conversation, type ConversationEvent, type State } from '../../src/core/conversation.js';
import { decide } from '../../src/core/decide.js';
import {
  DEFAULT_TIMERS,
  DEFAULT_WORK_STREAM,
  type Directory,
  type Person,
  type WorkStream,
} from '../../src/core/directory.js';
import type { Step } from '../../src/core/plan.js';
import { react, type Effect } from '../../src/core/react.js';
import { Rejected } from '../../src/core/rejected.js';

export const START = Date.UTC(2026, 0, 5, 9, 0, 0);
export const MINUTE = 60_000;
export const TIMERS = DEFAULT_TIMERS;

export const KIM = { role: 'customer', id: 'kim' } as const;
export const DEMO = { role: 'bot', id: 'demo' } as const;
export const ANA = { role: 'agent', id: 'ana' } as const;
export const BEN = { role: 'agent', id: 'ben' } as const;
export const SAM = { role: 'supervisor', id: 'sam' } as const;

function person(id: string, capacity: number, roles: Person['roles'] = ['agent']): Person {
  return { id, name: id[0]?.toUpperCase() + id.slice(1), roles, capacity };
}

/** `web` routes by `topic`, its bots greet first; `desk` has people only. Ana and Ben serve cards, Ben loans and, behind two bots, sales. */
export function directoryWith(change: Partial<WorkStream> = {}): Directory {
  const web: WorkStream = {
    ...DEFAULT_WORK_STREAM,
    id: 'web',
    name: 'Contoso',
    context: [{ name: 'topic', type: 'text', displayable: true }],
    rules: [
      { when: { variable: 'topic', operator: 'hasNoData' }, queue: 'Bots' },
      { when: { variable: 'topic', operator: 'equals', value: 'card' }, queue: 'Cards' },
      { when: { variable: 'topic', operator: 'equals', value: 'loan' }, queue: 'Loans', priority: 5 },
    ],
    fallbackQueue: 'Cards',
    ...change,
  };
  const queue = (id: string, members: string[]) => ({
    id,
    name: `${id} queue`,
    members,
    method: 'highestCapacity' as const,
  });
  return {
    version: 1,
    bots: {
      demo: { id: 'demo', name: 'Demo Bot', bridging: 'open', transport: { kind: 'inProcess' } },
      sales: {
        id: 'sales',
        name: 'Sales Bot',
        bridging: 'open',
        transport: { kind: 'inProcess' },
        draftsWhileHeld: true,
      },
      strict: { id: 'strict', name: 'Strict Bot', bridging: 'strict', transport: { kind: 'inProcess' } },
    },
    queues: {
      Bots: queue('Bots', ['demo']),
      Cards: queue('Cards', ['ana', 'ben']),
      Loans: queue('Loans', ['ben']),
      Sales: queue('Sales', ['demo', 'sales', 'ben']),
    },
    workStreams: { web, desk: { ...web, id: 'desk', rules: [] } },
    people: { ana: person('ana', 2), ben: person('ben', 3), sam: person('sam', 0, ['supervisor']) },
  };
}

export function circumstancesAt(now: number, directory: Directory = directoryWith(), online = 2): Circumstances {
  return { now, directory, queues: { place: () => 1, online: () => online } };
}

/** What may be written in a test: commands, and milliseconds that pass between them. */
export type Happening = Command | number | readonly Happening[];

export const text = (words: string) => ({ type: 'message', text: words });

export const started: CommandOf<'start'> = {
  type: 'start',
  id: 'c1',
  workStream: 'web',
  channel: { id: 'directline' },
  customer: 'kim',
};
export const startedAtDesk: CommandOf<'start'> = { ...started, workStream: 'desk' };
export const startedOnTeams: CommandOf<'start'> = { ...started, channel: { id: 'msteams', key: 'demo/msteams/a/kim' } };

export const customerSays = (words: string): Command => ({ type: 'say', by: KIM, activity: text(words) });
export const botSays = (words: string, answers?: number, bot = 'demo'): Command => ({
  type: 'say',
  by: { role: 'bot', id: bot },
  activity: text(words),
  ...(answers !== undefined && { answers }),
});
export const agentSays = (words: string, agent = 'ana'): Command => ({
  type: 'say',
  by: { role: 'agent', id: agent },
  activity: text(words),
});
export const escalates = (answers?: number, topic = 'card', bot = 'demo'): Command => ({
  type: 'escalate',
  bot,
  ...(answers !== undefined && { answers }),
  dialect: 'handoffProtocol',
  summary: 'angry',
  variables: { topic: { value: topic } },
});
export const offeredTo = (...agents: string[]): Command => ({
  type: 'offer',
  agents,
  receipt: {
    kind: 'assign',
    at: START,
    queue: 'Cards',
    method: 'highestCapacity',
    candidates: [],
    chosen: agents[0] ?? '',
  },
});
export const accepts = (agent = 'ana'): Command => ({ type: 'accept', agent });
export const rejects = (agent = 'ana'): Command => ({ type: 'reject', agent });
export const tick: Command = { type: 'tick' };

/** Ways to get a conversation into a phase. */
export const withBot: Happening = [started, customerSays('hi')];
export const queued: Happening = [withBot, escalates()];
export const offered: Happening = [queued, offeredTo('ana')];
export const withAna: Happening = [offered, accepts()];
export const parked: Happening = [withAna, { type: 'park', by: ANA }];
export const wrappedUp: Happening = [withAna, { type: 'end', by: ANA }];
export const closed: Happening = [withBot, { type: 'leave' }];

type Expected = { readonly type: ConversationEvent['type'] } & Record<string, unknown>;

export interface Scenario {
  when(...happenings: Happening[]): Outcome;
  readonly state: Conversation;
}

export interface Outcome {
  /** Exactly these events, in order; of each only the named fields are compared. */
  then(...events: readonly (Expected | ConversationEvent['type'])[]): Outcome;
  thenNothing(): Outcome;
  thenRejected(code: string): Rejected;
  readonly events: readonly ConversationEvent[];
  /** What bots and channels are owed for these events. */
  readonly effects: readonly Effect[];
  readonly state: Conversation;
}

export function given(...happenings: Happening[]): Scenario {
  return givenIn({}, ...happenings);
}

/** With the work stream or the whole directory changed, or with another number of people online. */
export function givenIn(
  {
    workStream = {},
    online = 2,
    change = (directory) => directory,
  }: { workStream?: Partial<WorkStream>; online?: number; change?: (directory: Directory) => Directory },
  ...happenings: Happening[]
): Scenario {
  const directory = change(directoryWith(workStream));
  let now = START;
  let state: State = NOT_STARTED;

  function carryOut(happening: Happening, steps: Step[]): Rejected | undefined {
    if (typeof happening === 'number') {
      now += happening;
      return undefined;
    }
    if (!('type' in happening)) {
      for (const inner of happening) {
        const rejected = carryOut(inner, steps);
        if (rejected !== undefined) return rejected;
      }
      return undefined;
    }
    const decided = decide(state, happening, circumstancesAt(now, directory, online));
    if (decided instanceof Rejected) return decided;
    state = decided.state;
    steps.push(...decided.steps);
    return undefined;
  }

  const rejected = carryOut(happenings, []);
  assert.equal(rejected, undefined, `given: ${rejected?.message ?? ''}`);

  return {
    get state() {
      return state as Conversation;
    },
    when(...then): Outcome {
      const steps: Step[] = [];
      return outcomeOf(carryOut(then, steps), steps, () => state as Conversation);
    },
  };
}

function outcomeOf(rejected: Rejected | undefined, steps: readonly Step[], state: () => Conversation): Outcome {
  const events = steps.map(({ event }) => event);
  const accepted = (): void => assert.equal(rejected, undefined, rejected?.message);
  const outcome: Outcome = {
    then(...expected) {
      accepted();
      const wanted = expected.map((one) => (typeof one === 'string' ? { type: one } : one));
      assert.deepEqual(
        events.map(({ type }) => type),
        wanted.map(({ type }) => type),
      );
      for (const [index, want] of wanted.entries()) {
        const got = events[index] as unknown as Record<string, unknown>;
        assert.deepEqual(Object.fromEntries(Object.keys(want).map((field) => [field, got[field]])), want);
      }
      return outcome;
    },
    thenNothing() {
      accepted();
      assert.deepEqual(events, []);
      return outcome;
    },
    thenRejected(code) {
      assert.ok(rejected !== undefined, `not rejected, but ${events.map(({ type }) => type).join(', ') || 'nothing'}`);
      assert.equal(rejected.code, code);
      return rejected;
    },
    get events() {
      accepted();
      return events;
    },
    get effects() {
      accepted();
      return steps.flatMap(({ event, after, observed }) => react(event, after, observed));
    },
    get state() {
      accepted();
      return state();
    },
  };
  return outcome;
}

/** The texts the hub told the customer among these events. */
export function told(events: readonly ConversationEvent[]): string[] {
  return events.flatMap((event) => (event.type === 'told' ? [event.text] : []));
}

/** Waiting items as the hub keeps them: one line per kind, each in order. */
export function inLines(items: readonly WaitingItem[]): WaitingItem[][] {
  const lines = new Map<string, WaitingItem[]>();
  for (const item of items.toSorted(inOrder)) {
    const kind = kindOf(item);
    lines.set(kind, [...(lines.get(kind) ?? []), item]);
  }
  return [...lines.values()];
}
