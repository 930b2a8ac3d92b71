// Random traffic through a small contact centre: several conversations, two people, two bots, a clock that jumps.

import fc from 'fast-check';
import { match, type Candidate, type WaitingItem } from '../../src/core/assignment.js';
import type { Command } from '../../src/core/commands.js';
import { loadsOf, NOT_STARTED, type Conversation, type Entry, type State } from '../../src/core/conversation.js';
import { decide } from '../../src/core/decide.js';
import type { Directory, WorkStream } from '../../src/core/directory.js';
import type { Step } from '../../src/core/plan.js';
import { Rejected } from '../../src/core/rejected.js';
import {
  ANA,
  BEN,
  circumstancesAt,
  directoryWith,
  inLines,
  KIM,
  MINUTE,
  SAM,
  START,
  started,
  startedOnTeams,
} from './world.js';

/** One command and what came of it. */
export interface Happened {
  conversation: number;
  command: Command;
  now: number;
  before: State;
  /** The log before the command. */
  log: readonly Entry[];
  steps: readonly Step[];
  after: State;
  /** `noCapacity` when the store refused what the rules allowed. */
  refused?: string;
}

export interface Traffic {
  history: Happened[];
  states: State[];
  logs: Entry[][];
  directory: Directory;
}

const KINDS = [
  'start',
  'customerSays',
  'customerSays',
  'customerSays',
  'neverMind',
  'asksForPerson',
  'answer',
  'answer',
  'answer',
  'answer',
  'answerOld',
  'notUnderstood',
  'notUnderstoodTwice',
  'unasked',
  'escalate',
  'escalate',
  'escalate',
  'escalateUnasked',
  'escalateInBatch',
  'personTakesOver',
  'personTakesOver',
  'botSetsContext',
  'botEnds',
  'botFails',
  'botFailsTwice',
  'turnEnds',
  'turnEnds',
  'turnEnds',
  'cancel',
  'leave',
  'assign',
  'assigner',
  'assigner',
  'assigner',
  'accept',
  'accept',
  'accept',
  'accept',
  'accept',
  'reject',
  'pick',
  'agentSays',
  'agentSays',
  'note',
  'agentSetsContext',
  'toQueue',
  'toAgent',
  'toAgent',
  'toBot',
  'return',
  'return',
  'returnToOther',
  'end',
  'endAndClose',
  'close',
  'forceClose',
  'move',
  'park',
  'park',
  'resume',
  'resume',
  'join',
  'quit',
  'customerGone',
  'customerBack',
  'agentGone',
  'agentBack',
  'lapse',
  'edit',
  'delete',
  'resolveDraft',
  'imports',
  'erase',
  'tick',
  'tick',
] as const;
type Kind = (typeof KINDS)[number];

export interface Impulse {
  conversation: number;
  kind: Kind;
  agent: 'ana' | 'ben';
  bot: 'demo' | 'sales';
  queue: 'Cards' | 'Loans';
  pick: number;
  waitMs: number;
}

const impulse: fc.Arbitrary<Impulse> = fc.record({
  conversation: fc.nat({ max: 2 }),
  kind: fc.constantFrom(...KINDS),
  agent: fc.constantFrom('ana' as const, 'ben' as const),
  bot: fc.constantFrom('demo' as const, 'demo' as const, 'demo' as const, 'sales' as const),
  queue: fc.constantFrom('Cards' as const, 'Loans' as const),
  pick: fc.nat({ max: 1_000 }),
  waitMs: fc.constantFrom(0, 0, 0, 1_000, 1_000, 20_000, 2 * MINUTE, 4 * MINUTE, 31 * MINUTE),
});

export const impulses = fc.array(impulse, { minLength: 10, maxLength: 90, size: 'max' });

export const settings: fc.Arbitrary<Partial<WorkStream>> = fc.constantFrom<Partial<WorkStream>>(
  {},
  { onBotFailure: 'close', onQueueLimit: 'close', onAgentSilent: 'requeue' },
  { cost: 2 },
  { proactiveWhileHeld: 'deliver' },
  { rules: [], fallbackQueue: 'Cards' },
  { surveyBot: 'sales', fallbackQueue: 'Sales' },
  {
    surveyBot: 'demo',
    triggers: {
      phrases: [{ says: ['agent'], match: 'contains' }],
      fallbacks: { count: 2, texts: ['sorry'], patterns: [], topics: [] },
      botErrors: 2,
    },
  },
  {
    // From bot to bot: an escalation about loans goes to the queue of both bots, where the second one takes it.
    rules: [
      { when: { variable: 'topic', operator: 'hasNoData' }, queue: 'Bots' },
      { when: { variable: 'topic', operator: 'equals', value: 'loan' }, queue: 'Sales' },
    ],
  },
);

/** Runs the impulses; commands are made for the state they meet, so that most of them mean something. */
export function runTraffic(given: readonly Impulse[], workStream: Partial<WorkStream> = {}): Traffic {
  const directory = directoryWith(workStream);
  const states: State[] = [NOT_STARTED, NOT_STARTED, NOT_STARTED];
  const logs: Entry[][] = states.map(() => []);
  const history: Happened[] = [];
  let now = START;

  const openings = states.map((_, conversation): Impulse => ({
    conversation,
    kind: 'start',
    agent: 'ana',
    bot: 'demo',
    queue: 'Cards',
    pick: conversation,
    waitMs: 0,
  }));
  for (const [index, one] of [...openings, ...given].entries()) {
    now += one.waitMs;
    const commands =
      one.kind === 'assigner'
        ? assignerCommands(states, directory, now)
        : commandFor(one, states[one.conversation] as State, logs[one.conversation] as Entry[], `t${index}`);
    for (const { conversation, command } of commands.map((made) =>
      'command' in made ? made : { conversation: one.conversation, command: made },
    )) {
      const before = states[conversation] as State;
      const log = [...(logs[conversation] as Entry[])];
      const decided = decide(before, command, circumstancesAt(now, directory, one.pick % 4 === 0 ? 0 : 2));
      if (decided instanceof Rejected) {
        history.push({ conversation, command, now, before, log, steps: [], after: before, refused: decided.code });
        continue;
      }
      const happened = { conversation, command, now, before, log, steps: decided.steps, after: decided.state };
      if (command.type !== 'assign' && exceedsCapacity(before, decided.state, states, directory)) {
        history.push({ ...happened, steps: [], after: before, refused: 'noCapacity' });
        continue;
      }
      history.push(happened);
      states[conversation] = decided.state;
      for (const { event, after } of decided.steps)
        logs[conversation]?.push({ conversationId: after.id, seq: after.version, event });
    }
  }
  return { history, states, logs, directory };
}

export function totalLoads(states: readonly State[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const state of states)
    for (const [agent, load] of Object.entries(loadsOf(state))) total[agent] = (total[agent] ?? 0) + load;
  return total;
}

/** The store's rule: a claim that does not fit makes the whole append fail. */
function exceedsCapacity(before: State, after: State, states: readonly State[], directory: Directory): boolean {
  const total = totalLoads(states);
  return Object.entries(loadsOf(after)).some(([agent, load]) => {
    const delta = load - (loadsOf(before)[agent] ?? 0);
    return delta > 0 && (total[agent] ?? 0) + delta > (directory.people[agent]?.capacity ?? 0);
  });
}

function assignerCommands(
  states: readonly State[],
  directory: Directory,
  now: number,
): { conversation: number; command: Command }[] {
  const loads = totalLoads(states);
  const items = states.flatMap((state): WaitingItem[] => {
    if (state.phase !== 'queued') return [];
    const workStream = directory.workStreams[state.workStream] as WorkStream;
    const { id: conversationId, queue, priority, waitingSince, front, declines } = state;
    const { mode, cost, declineLimit, allowedPresences } = workStream;
    return [
      {
        conversationId,
        queue,
        workStream: workStream.id,
        priority,
        waitingSince,
        front,
        declines,
        mode,
        cost,
        declineLimit,
        allowedPresences,
      },
    ];
  });
  const candidate = (id: string): Candidate => ({
    id,
    presence: 'available',
    capacity: directory.people[id]?.capacity ?? 0,
    load: loads[id] ?? 0,
    lastAssignedAt: 0,
    idleSince: 0,
  });
  return match(
    inLines(items),
    (queue) =>
      (directory.queues[queue]?.members ?? []).filter((id) => directory.people[id] !== undefined).map(candidate),
    () => 'highestCapacity',
    now,
  ).map(({ item, receipt }) => ({
    conversation: states.findIndex((state) => state.phase !== 'none' && state.id === item.conversationId),
    command: { type: 'offer', agents: [receipt.chosen as string], receipt },
  }));
}

function commandFor(one: Impulse, state: State, log: readonly Entry[], words: string): Command[] {
  const { bot, queue, pick } = one;
  // Mostly who holds it asks, sometimes the wrong person.
  const agent = 'agent' in state && pick % 5 !== 0 ? (state.agent as 'ana' | 'ben') : one.agent;
  const by = agent === 'ana' ? ANA : BEN;
  const asBot = { role: 'bot', id: bot } as const;
  const activity = { type: 'message', text: words };
  const asked = log.filter(({ event }) => event.type === 'said' && event.by.role === 'customer').map(({ seq }) => seq);
  const last = asked.at(-1);
  const old = asked[pick % Math.max(1, asked.length)];
  const answering = last === undefined ? {} : { answers: last };
  const target = log[pick % Math.max(1, log.length)];
  const variables = { topic: { value: queue === 'Cards' ? 'card' : 'loan' }, [`v${pick % 5}`]: { value: pick } };
  const escalation = { type: 'escalate', bot, dialect: 'commandTags', summary: words, variables, activity } as const;
  const changeOf =
    target === undefined
      ? undefined
      : {
          by: target.event.by,
          author: target.event.by,
          target: target.seq,
          audience: target.event.audience,
          ...('answers' in target.event && target.event.answers !== undefined && { answers: target.event.answers }),
        };

  switch (one.kind) {
    case 'assigner':
      return [];
    case 'start':
      return [
        {
          ...(one.conversation === 1 ? startedOnTeams : started),
          id: `c${one.conversation}`,
          workStream: pick % 3 === 2 ? 'desk' : 'web',
        },
      ];
    case 'customerSays':
      return [{ type: 'say', by: KIM, activity }];
    case 'neverMind':
      return [{ type: 'say', by: KIM, activity: { type: 'message', text: 'never mind' } }];
    case 'asksForPerson':
      return [{ type: 'say', by: KIM, activity: { type: 'message', text: `An agent, please! ${words}` } }];
    case 'notUnderstood':
      return [{ type: 'say', by: asBot, activity: { type: 'message', text: `Sorry, what? ${words}` }, ...answering }];
    case 'notUnderstoodTwice': {
      const turn: Command[] = [
        { type: 'say', by: KIM, activity },
        { type: 'say', by: asBot, activity: { type: 'message', text: `Sorry? ${words}` } },
      ];
      return [...turn, ...turn];
    }
    case 'answer':
      return [{ type: 'say', by: asBot, activity, ...answering }];
    case 'answerOld':
      return [{ type: 'say', by: asBot, activity, ...(old !== undefined && { answers: old }) }];
    case 'unasked':
      return [{ type: 'say', by: asBot, activity }];
    case 'escalate':
      return [{ ...escalation, ...answering }];
    case 'escalateUnasked':
      return [escalation];
    case 'personTakesOver':
      return [
        { ...escalation, ...answering },
        { type: 'assign', by: SAM, agent },
      ];
    case 'escalateInBatch':
      return [
        { type: 'say', by: asBot, activity },
        { ...escalation, continues: true },
        { type: 'say', by: asBot, activity: { type: 'message', text: `${words} after` } },
        { type: 'endTurn', bot },
      ];
    case 'imports':
      if (pick % 2 === 0) return [{ type: 'import', by: asBot, activity, key: `history:${pick}` }];
      return [{ ...escalation, ...answering, unseen: [{ activity, key: `import:${pick}` }] }];
    case 'erase':
      return [{ type: 'erase', targets: [1 + (pick % 7), 2 + (pick % 11), 10_000] }];
    case 'botSetsContext':
      return [
        { type: 'setContext', by: asBot, variables, ...(old !== undefined && pick % 2 === 0 && { answers: old }) },
      ];
    case 'botEnds':
      if (pick % 3 === 1) return [{ type: 'removeMember', bot, member: pick % 2 === 0 ? KIM.id : 'nobody' }];
      return pick % 3 === 0 ? [{ type: 'endByBot', bot, activity, ...(old !== undefined && { answers: old }) }] : [];
    case 'botFails':
      return [{ type: 'botFailed', bot, cause: 'timeout', ...answering }];
    case 'botFailsTwice':
      return Array<Command>(2).fill({ type: 'botFailed', bot, cause: 'timeout', ...answering });
    case 'turnEnds':
      return [{ type: 'endTurn', bot, ...answering }];
    case 'cancel':
      return [{ type: 'cancel' }];
    case 'leave':
      return pick % 3 === 0 ? [{ type: 'leave' }] : [];
    case 'assign':
      return [{ type: 'assign', by: SAM, agent }];
    case 'accept':
      return [{ type: 'accept', agent: state.phase === 'offered' ? (state.offers[0]?.agent ?? agent) : agent }];
    case 'reject':
      return [{ type: 'reject', agent: state.phase === 'offered' ? (state.offers[0]?.agent ?? agent) : agent }];
    case 'pick':
      return [{ type: 'pick', agent }];
    case 'agentSays':
      return [{ type: 'say', by, activity }];
    case 'note':
      return [{ type: 'note', by, activity }];
    case 'agentSetsContext':
      return [{ type: 'setContext', by, variables }];
    case 'toQueue':
      return [{ type: 'transfer', by, to: { queue } }];
    case 'toAgent':
      return [{ type: 'transfer', by, to: { agent: agent === 'ana' ? 'ben' : 'ana' } }];
    case 'toBot':
      return [{ type: 'transfer', by: pick % 2 === 0 ? by : SAM, to: { bot } }];
    case 'move':
      return [{ type: 'transfer', by: SAM, to: pick % 4 === 0 ? { bot } : { queue } }];
    case 'return':
      return [{ type: 'return', by, outcome: 'solved', summary: words }];
    case 'returnToOther':
      return [{ type: 'return', by, bot: 'sales' }];
    case 'end':
      return [{ type: 'end', by }];
    case 'endAndClose':
      return [
        { type: 'end', by },
        { type: 'close', by },
      ];
    case 'close':
      return [{ type: 'close', by }];
    case 'forceClose':
      return pick % 4 === 0 ? [{ type: 'close', by: SAM }] : [];
    case 'park':
      return [{ type: 'park', by }];
    case 'resume':
      return [{ type: 'resume', agent }];
    case 'join':
      return [{ type: 'join', agent, as: pick % 2 === 0 ? 'consulting' : 'monitoring' }];
    case 'quit':
      return [{ type: 'quit', agent }];
    case 'customerGone':
      return [{ type: 'disconnect', party: 'customer' }];
    case 'customerBack':
      return [{ type: 'reconnect', party: 'customer' }];
    case 'agentGone':
      return [{ type: 'disconnect', party: 'agent', agent }];
    case 'agentBack':
      return [{ type: 'reconnect', party: 'agent', agent }];
    case 'lapse':
      return [{ type: 'lapse', agent }];
    case 'edit':
      return changeOf === undefined ? [] : [{ type: 'edit', ...changeOf, activity }];
    case 'delete':
      return changeOf === undefined ? [] : [{ type: 'delete', ...changeOf }];
    case 'resolveDraft':
      return [{ type: 'resolveDraft', by, target: pick, ...(pick % 2 === 0 && { activity }) }];
    case 'tick':
      return [{ type: 'tick' }];
  }
}

export function isOpen(state: State): state is Conversation {
  return state.phase !== 'none' && state.phase !== 'closed';
}
