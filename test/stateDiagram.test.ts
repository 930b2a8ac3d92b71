// The README's state diagram is the truth: every phase is walked with every command, and exactly the drawn arrows happen.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Circumstances, Command } from '../src/core/commands.js';
import { NOT_STARTED, type Party, type State } from '../src/core/conversation.js';
import { decide } from '../src/core/decide.js';
import {
  DEFAULT_TEXTS,
  DEFAULT_WORK_STREAM,
  type Bot,
  type Directory,
  type Person,
  type Queue,
  type WorkStream,
} from '../src/core/directory.js';
import { Rejected } from '../src/core/rejected.js';

const START_AT = Date.UTC(2026, 0, 5, 9);
const KIM: Party = { role: 'customer', id: 'kim' };
const SAM: Party = { role: 'supervisor', id: 'sam' };
const PEOPLE = ['ana', 'ben'];
const BOTS = ['first', 'second'];

describe('the state diagram in the README', () => {
  it('draws exactly the changes of phase that the core makes', function () {
    this.timeout(60_000);
    assert.deepEqual([...walk()].sort(), [...drawn()].sort());
  });
});

/** `from --> to` of every arrow, labels left out. */
function drawn(): Set<string> {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const diagram = /```mermaid\n\s*stateDiagram-v2\n([\s\S]*?)```/.exec(readme)?.[1];
  assert.ok(diagram, 'README.md has a mermaid block that begins with stateDiagram-v2');
  return new Set([...diagram.matchAll(/^\s*(\S+) --> (\w+)/gm)].map(([, from, to]) => `${from} --> ${to}`));
}

/** Every arrow reachable from a start: breadth first over phases × commands, in work streams that differ in their settings. */
function walk(): Set<string> {
  const arrows = new Set<string>();
  for (const workStream of Object.keys(directory().workStreams)) {
    const seen = new Set<string>();
    let frontier: State[] = [NOT_STARTED];
    while (frontier.length > 0) {
      const next: State[] = [];
      for (const state of frontier)
        for (const command of commandsFor(state, workStream))
          // Only a deadline asks whether somebody is there.
          for (const online of command.type === 'tick' ? [0, 1] : [1]) {
            const decided = decide(state, command, circumstances(state, online));
            if (decided instanceof Rejected) continue;
            let before: State = state;
            for (const { event, after } of decided.steps) {
              // `started` itself holds nobody: the arrow into the first phase is the one that follows it.
              if (event.type === 'started') continue;
              const from = state.phase === 'none' && before === state ? '[*]' : before.phase;
              const takesPlace = event.type === 'queued' || event.type === 'botConnected' || event.type === 'returned';
              const changes = after.phase !== from && (from !== '[*]' || takesPlace);
              if (changes || (takesPlace && after.phase === before.phase)) arrows.add(`${from} --> ${after.phase}`);
              if (from !== '[*]' || takesPlace) before = after;
            }
            const reached = signature(decided.state);
            if (seen.has(reached)) continue;
            seen.add(reached);
            next.push(decided.state);
          }
      frontier = next;
    }
    assert.ok(seen.size > 5, `the walk through ${workStream} came to ${seen.size} different states only`);
  }
  return arrows;
}

function commandsFor(state: State, workStream: string): Command[] {
  const activity = { type: 'message', text: 'hello' };
  if (state.phase === 'none')
    return [{ type: 'start', id: 'c1', workStream, channel: { id: 'teams' }, customer: 'kim' }];
  const answers = state.version;
  const people = PEOPLE.map((id): Party => ({ role: 'agent', id }));
  return [
    { type: 'say', by: KIM, activity },
    { type: 'say', by: KIM, activity: { type: 'message', text: 'never mind' } },
    { type: 'say', by: KIM, activity: { type: 'endOfConversation' } },
    { type: 'cancel' },
    { type: 'leave' },
    { type: 'tick' },
    { type: 'reroute' },
    { type: 'disconnect', party: 'customer' },
    { type: 'reconnect', party: 'customer' },
    { type: 'offer', agents: PEOPLE, receipt: receipt() },
    { type: 'offer', agents: PEOPLE.slice(0, 1), receipt: receipt() },
    ...BOTS.flatMap((bot): Command[] => [
      { type: 'say', by: { role: 'bot', id: bot }, activity, answers },
      { type: 'escalate', bot, answers, dialect: 'handoffProtocol', variables: {} },
      {
        type: 'escalate',
        bot,
        answers,
        dialect: 'handoffProtocol',
        variables: { Topic: { value: 'other', displayable: false } },
      } as Command,
      { type: 'endByBot', bot, answers },
      { type: 'botFailed', bot, answers, cause: 'timeout' },
      { type: 'endTurn', bot, answers },
    ]),
    ...[...people, SAM].flatMap((by): Command[] => [
      { type: 'say', by, activity },
      { type: 'note', by, activity },
      { type: 'return', by },
      { type: 'return', by, bot: 'second' },
      { type: 'end', by },
      { type: 'close', by },
      { type: 'park', by },
      { type: 'transfer', by, to: { queue: 'others' } },
      { type: 'transfer', by, to: { bot: 'second' } },
      { type: 'transfer', by, to: { agent: 'ben' } },
      { type: 'assign', by, agent: 'ana' },
    ]),
    ...PEOPLE.flatMap((agent): Command[] => [
      { type: 'accept', agent },
      { type: 'reject', agent },
      { type: 'pick', agent },
      { type: 'lapse', agent },
      { type: 'resume', agent },
      { type: 'join', agent, as: 'consulting' },
      { type: 'quit', agent },
      { type: 'disconnect', party: 'agent', agent },
      { type: 'reconnect', party: 'agent', agent },
    ]),
  ];
}

function receipt(): Extract<Command, { type: 'offer' }>['receipt'] {
  return { kind: 'assign', at: START_AT, queue: 'people', method: 'highestCapacity', candidates: [] };
}

/** Time has passed up to the next deadline, so that `tick` finds it due. */
function circumstances(state: State, online: number): Circumstances {
  return {
    now: state.phase === 'none' ? START_AT : Math.max(state.lastAt, state.dueAt ?? 0),
    directory: directory(),
    queues: { place: () => 1, online: () => online },
  };
}

/** What decisions depend on; times and counters differ in every step and would make the walk endless. */
function signature(state: State): string {
  if (state.phase === 'none') return 'none';
  const { phase, lastBot, triedBots, customerSaidSomething, customerGone } = state;
  const own = {
    queue: 'queue' in state && state.queue,
    agent: 'agent' in state && state.agent,
    agentGone: state.phase === 'agent' && state.agentGone,
    offers: state.phase === 'offered' && state.offers.map(({ agent }) => agent),
    direct: state.phase === 'offered' && state.direct,
    survey: 'survey' in state && state.survey,
  };
  return JSON.stringify([phase, lastBot, triedBots.length, customerSaidSomething, customerGone, own]);
}

function directory(): Directory {
  const bot = (id: string): Bot => ({ id, name: id, bridging: 'open', transport: { kind: 'inProcess' } });
  const queue = (id: string, ...members: string[]): Queue => ({ id, name: id, members, method: 'highestCapacity' });
  const workStream = (id: string, more: Partial<WorkStream> = {}): WorkStream => ({
    ...DEFAULT_WORK_STREAM,
    id,
    name: id,
    texts: DEFAULT_TEXTS,
    rules: [
      { when: { variable: 'Topic', operator: 'equals', value: 'other' }, queue: 'secondBot' },
      { when: { fact: 'escalationReason', operator: 'hasNoData' }, queue: 'firstBot' },
    ],
    fallbackQueue: 'people',
    ...more,
  });
  const keyed = <T extends { id: string }>(...items: T[]): Record<string, T> =>
    Object.fromEntries(items.map((item) => [item.id, item]));
  return {
    version: 1,
    bots: keyed(bot('first'), bot('second')),
    queues: keyed(
      queue('firstBot', 'first'),
      queue('secondBot', 'second'),
      queue('people', ...PEOPLE),
      queue('others', 'ben'),
    ),
    people: keyed(...PEOPLE.map((id): Person => ({ id, name: id, roles: ['agent'], capacity: 2 })), {
      id: 'sam',
      name: 'Sam',
      roles: ['supervisor'],
      capacity: 0,
    }),
    workStreams: keyed(
      workStream('botFirst'),
      workStream('closing', { onBotFailure: 'close', onQueueLimit: 'close', onAgentSilent: 'requeue' }),
      workStream('peopleFirst', { rules: [] }),
      workStream('botsOnly', { fallbackQueue: 'firstBot' }),
      workStream('surveyed', { surveyBot: 'second' }),
    ),
  };
}
