// What would come of an escalation if it were asked for now: the answer to a bot that asks first.

import type { Candidate, WaitingItem } from '../core/assignment.js';
import { DEFAULT_WORK_STREAM, hasSkills, MAX_SKILLS } from '../core/directory.js';
import { factsOf } from '../core/plan.js';
import { Rejected } from '../core/rejected.js';
import { route, type RouteReceipt } from '../core/routing.js';
import { estimateWait, type Seat, type WaitEstimate } from '../core/waits.js';
import type { Engine } from './engine.js';
import type { Handling } from './handling.js';
import type { Lines } from './lines.js';
import type { People } from './people.js';

/** What an outlook is made from: the hub, or its parts in a test. */
export interface Prospect extends Pick<Engine, 'conversation' | 'directory' | 'clock'> {
  readonly lines: Lines;
  readonly people: People;
  readonly handling: Handling;
}

export interface Outlook {
  /** Somebody of the queue who has the skills is there, with room or without. */
  open: boolean;
  /** People of the queue who have the skills and are there. */
  agentsOnline: number;
  /** The place in line the customer would get, whatever the others need: 1 = next. 0 = there is no queue to wait in. */
  position: number;
  /**
   * Until somebody is offered the conversation, in milliseconds: too long as often as too short. 0 when somebody has room right
   * now; absent when the hub cannot say.
   */
  estimatedWaitMs?: number;
  /** Beside `estimatedWaitMs`: about three of four waits end within it. */
  range?: { fromMs: number; toMs: number };
  /** The queue the rules lead to, or the one asked about. */
  queue?: string;
}

export interface OutlookQuestion {
  /** The queue that the rules lead to unless named. */
  queue?: string;
  /** What people need to have, in place of what the rule requires. At most 20; one that nobody has is no error. */
  skills?: readonly string[];
}

/**
 * Fresh at the moment asked: nothing is reserved.
 * @throws Rejected for an unknown conversation or queue, and for skills that are no list of names.
 */
export async function outlook(hub: Prospect, conversationId: string, asked: OutlookQuestion = {}): Promise<Outlook> {
  const fault = skillsFault(asked.skills);
  if (fault !== undefined) throw new Rejected('badCommand', fault);
  const state = await hub.conversation(conversationId);
  if (state === undefined) throw new Rejected('conversationUnknown', 'There is no such conversation.');
  const { directory } = hub;
  const workStream = directory.workStreams[state.workStream];
  const at = hub.clock.now();
  if (asked.queue !== undefined && directory.queues[asked.queue] === undefined)
    throw new Rejected('notFound', `There is no queue "${asked.queue}".`);
  const found: Pick<RouteReceipt, 'queue' | 'priority' | 'skills'> =
    asked.queue !== undefined || workStream === undefined
      ? { queue: asked.queue, priority: 0 }
      : route({
          at,
          workStream,
          directory,
          context: state.context,
          facts: { ...factsOf(state), escalationReason: 'signal' },
          needsPeople: true,
          triedBots: state.lastBot === undefined ? state.triedBots : [...state.triedBots, state.lastBot],
        });
  const { queue, priority, skills = [] } = asked.skills === undefined ? found : { ...found, skills: asked.skills };
  if (queue === undefined) return { open: false, agentsOnline: 0, position: 0 };
  const agentsOnline = hub.people.online(queue, state.workStream, skills);
  const position = hub.lines.place(queue, priority, at);
  const wait = waitOf(hub, { ...(workStream ?? DEFAULT_WORK_STREAM), queue, priority, skills, waitingSince: at });
  return { open: agentsOnline > 0, agentsOnline, position, queue, ...wait };
}

/** What is wrong with skills that a bot asks about, and what to write. */
export function skillsFault(skills: unknown): string | undefined {
  if (skills === undefined) return undefined;
  const isName = (skill: unknown) => typeof skill === 'string' && skill.trim() !== '';
  if (Array.isArray(skills) && skills.length <= MAX_SKILLS && skills.every(isName)) return undefined;
  return `"skills" is a list of at most ${MAX_SKILLS} names, such as ["french"]; leave it out to ask about what the rules require.`;
}

type Newcomer = Pick<
  WaitingItem,
  'queue' | 'mode' | 'cost' | 'priority' | 'waitingSince' | 'allowedPresences' | 'skills'
>;

/**
 * Nothing where people pick for themselves: when they do is not for the hub to say. People whose presence says that they take
 * nothing now are not counted on.
 */
function waitOf(hub: Prospect, newcomer: Newcomer): WaitEstimate | undefined {
  const { queue, mode, cost } = newcomer;
  if (mode === 'pick') return undefined;
  const { handling } = hub;
  const lengthsIn = (other: string) => handling.lengths(other);
  const now = hub.clock.now();
  const estimate = (people: readonly Candidate[], seats: readonly Seat[]) =>
    estimateWait({ ahead: aheadOf(hub, newcomer, people), cost, seats, lengths: lengthsIn(queue), lengthsIn, now });
  const takers = takersOf(hub, queue, newcomer);
  // Who waits before although these have room waits for somebody else. What they hold has no part in that.
  const free = takers.filter(({ load, capacity }) => load + cost <= capacity);
  const atOnce = estimate(
    free,
    free.map(({ load, capacity }) => ({ load, capacity, held: [] })),
  );
  if (atOnce?.estimatedWaitMs === 0) return atOnce;
  return estimate(
    takers,
    takers.map(({ id, load, capacity }) => ({ load, capacity, held: handling.held(id) })),
  );
}

/** The people of a queue who would be given this now, if they had room. */
function takersOf(hub: Prospect, queue: string, item: Pick<WaitingItem, 'allowedPresences' | 'skills'>): Candidate[] {
  return hub.people
    .candidates(queue)
    .filter((person) => item.allowedPresences.includes(person.presence) && hasSkills(person, item.skills));
}

/**
 * Customers who get one of these people before the newcomer does, in whatever queue they wait: people who serve several queues
 * are given whoever is first over all of them. Whom others may serve as well counts by the share of capacity that these have.
 */
function aheadOf(hub: Prospect, { priority, waitingSince }: Newcomer, takers: readonly Candidate[]): number {
  const ours = new Set(takers.map(({ id }) => id));
  const queues = Object.values(hub.directory.queues).filter(({ members }) => members.some((id) => ours.has(id)));
  let ahead = 0;
  for (const { id } of queues) {
    // Those of one kind are many, and the kinds few.
    const shares = new Map<string, number>();
    for (const item of hub.lines.before(id, priority, waitingSince)) {
      const kind = JSON.stringify([item.allowedPresences, item.skills]);
      const share = shares.get(kind) ?? shareOf(takersOf(hub, id, item), ours);
      shares.set(kind, share);
      ahead += share;
    }
  }
  return ahead;
}

function shareOf(people: readonly Candidate[], ours: ReadonlySet<string>): number {
  const capacityOf = (some: readonly Candidate[]) => some.reduce((sum, { capacity }) => sum + capacity, 0);
  const all = capacityOf(people);
  return all === 0 ? 0 : capacityOf(people.filter(({ id }) => ours.has(id))) / all;
}
