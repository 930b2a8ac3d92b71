// Which queue a conversation goes to: ordered rules over context variables and conversation facts, first match wins.

import { evaluate, type ConditionResult, type Facts } from './conditions.js';
import type { ContextVariables } from './context.js';
import { hasSkills, type Directory, type Queue, type RoutingRule, type WorkStream } from './directory.js';

export {
  FACTS,
  OPERATORS,
  conditionFaults,
  conditionNames,
  evaluate,
  type Comparison,
  type Condition,
  type ConditionResult,
  type Fact,
  type Facts,
  type Operator,
} from './conditions.js';

/** The written reason of one routing decision. */
export interface RouteReceipt {
  kind: 'route';
  at: number;
  /** Version of the directory the decision used. */
  ruleSetVersion: number;
  /**
   * Every rule looked at, up to and including the one that decided. Of those whose conditions do not hold only the first
   * MAX_RECEIPT_RULES are listed in what is stored; deciding once more (retracing.ts) gives the others.
   */
  rules: {
    /** 1 = the work stream's first rule. */
    rule: number;
    /** Whether its conditions hold. */
    matched: boolean;
    /** Why a rule whose conditions hold was passed over all the same. */
    skipped?: string;
    queue: string;
    conditions: ConditionResult[];
  }[];
  /** Rules looked at beyond those listed: their conditions do not hold. */
  omitted?: number;
  /** How the queue was found; `none` = there is nowhere to go. */
  by: 'rule' | 'fallback' | 'default' | 'only' | 'none';
  queue?: string;
  priority: number;
  /** What people need to have to be given it; absent = nothing. */
  skills?: readonly string[];
  /** The bot that takes it, when one of the queue's bots does. */
  bot?: string;
  /** Bots of the queue; why one was passed over: `loopGuard` (escalated this conversation), `escalation`, `laterMember`. */
  candidates: { id: string; excluded?: string }[];
}

/**
 * A receipt is stored with its conversation: with 200 rules before the one that decides, listing all would make it 55 KB and
 * cost three times the CPU of everything else a new conversation takes.
 */
export const MAX_RECEIPT_RULES = 25;

export interface RouteRequest {
  at: number;
  workStream: WorkStream;
  directory: Directory;
  context: ContextVariables;
  facts: Facts;
  /** True where only a person helps (a bot failed, the customer waits in line already): only queues with people match. */
  needsPeople: boolean;
  /** Bots that escalated this conversation (loop guard). */
  triedBots: readonly string[];
}

/**
 * Decides where the conversation goes. A bot of the queue that has not had it takes it first, also after another bot's
 * escalation; then its people do.
 * Nothing is lost: no rule → the work stream's fallback queue → the default queue → the only queue there is.
 * @returns the receipt as it is stored.
 */
export function route(request: RouteRequest): RouteReceipt {
  return shortened(routeInFull(request));
}

/** Of the rules whose conditions do not hold only the first are kept. */
export function shortened(receipt: RouteReceipt): RouteReceipt {
  let failed = 0;
  const rules = receipt.rules.filter(({ matched }) => matched || (failed += 1) <= MAX_RECEIPT_RULES);
  const omitted = receipt.rules.length - rules.length;
  return omitted === 0 ? receipt : { ...receipt, rules, omitted };
}

/** As `route`, with every rule looked at in the receipt. */
export function routeInFull(request: RouteRequest): RouteReceipt {
  const { at, workStream, directory, context, facts } = request;
  const rules: RouteReceipt['rules'] = [];
  const receipt = (
    by: RouteReceipt['by'],
    destination?: Destination,
    { priority = 0, skills = [] }: Pick<RoutingRule, 'priority' | 'skills'> = {},
  ): RouteReceipt => ({
    kind: 'route',
    at,
    ruleSetVersion: directory.version,
    rules,
    by,
    ...(destination !== undefined && { queue: destination.queue }),
    priority,
    ...(skills.length > 0 && { skills }),
    ...(destination?.bot !== undefined && { bot: destination.bot }),
    candidates: destination?.candidates ?? [],
  });

  for (const [index, rule] of workStream.rules.entries()) {
    const { matched, conditions } = evaluate(rule.when, context, facts);
    const looked: RouteReceipt['rules'][number] = { rule: index + 1, matched, queue: rule.queue, conditions };
    rules.push(looked);
    if (!matched) continue;
    const destination = destinationIn(rule.queue, request, rule.skills);
    if (!('skipped' in destination)) return receipt('rule', destination, rule);
    looked.skipped = destination.skipped;
  }

  for (const [by, queue] of [
    ['fallback', workStream.fallbackQueue],
    ['default', directory.defaultQueue],
  ] as const) {
    if (queue === undefined) continue;
    const destination = destinationIn(queue, request);
    if (!('skipped' in destination)) return receipt(by, destination);
  }
  const only = onlyDestination(request);
  return only === undefined ? receipt('none') : receipt('only', only);
}

interface Destination {
  queue: string;
  bot?: string;
  candidates: RouteReceipt['candidates'];
}

/**
 * People of a queue who can ever take something that requires these skills: presence and load change by the minute and are
 * no matter of routing.
 */
export function peopleOf(queue: Queue, directory: Directory, skills?: readonly string[]): string[] {
  return queue.members.filter((id) => canServe(id, directory, skills));
}

function hasPeople(queue: Queue, directory: Directory, skills?: readonly string[]): boolean {
  return queue.members.some((id) => canServe(id, directory, skills));
}

function canServe(id: string, directory: Directory, skills: readonly string[] | undefined): boolean {
  const person = entryOf(directory.people, id);
  return person !== undefined && person.capacity > 0 && hasSkills(person, skills);
}

export function botsOf(queue: Queue, directory: Directory): string[] {
  return queue.members.filter((id) => entryOf(directory.bots, id) !== undefined);
}

function destinationIn(
  queueId: string,
  request: RouteRequest,
  skills: readonly string[] = [],
): Destination | { skipped: string } {
  const { directory, needsPeople, triedBots } = request;
  const queue = entryOf(directory.queues, queueId);
  if (queue === undefined) return { skipped: `there is no queue ${queueId}` };
  const bots = botsOf(queue, directory);
  const bot = needsPeople ? undefined : bots.find((id) => !triedBots.includes(id));
  if (bot === undefined && !hasPeople(queue, directory, skills)) {
    if (skills.length > 0 && hasPeople(queue, directory))
      return { skipped: `nobody of the queue has ${skills.join(' and ')}` };
    if (needsPeople) return { skipped: 'no people after an escalation' };
    return { skipped: bots.length === 0 ? 'no members' : 'every bot of the queue has had it, and there are no people' };
  }
  const candidates = bots.map((id) => {
    if (triedBots.includes(id)) return { id, excluded: 'loopGuard' };
    if (needsPeople) return { id, excluded: 'escalation' };
    return id === bot ? { id } : { id, excluded: 'laterMember' };
  });
  return { queue: queueId, ...(bot !== undefined && { bot }), candidates };
}

/** The least configuration works: one queue with a bot and people, or one with a bot and one with people, and no rule. */
function onlyDestination(request: RouteRequest): Destination | undefined {
  const destinations = Object.keys(request.directory.queues)
    .map((queue) => destinationIn(queue, request))
    .filter((destination): destination is Destination => !('skipped' in destination));
  if (destinations.length === 1) return destinations[0];
  const withBot = destinations.filter((destination) => destination.bot !== undefined);
  const withPeople = destinations.filter(({ queue }) => {
    const named = entryOf(request.directory.queues, queue);
    return named !== undefined && hasPeople(named, request.directory);
  });
  // Where nothing says which queue was meant, a customer who asked for a person is not given to one more bot.
  const suitable = request.triedBots.length > 0 ? withPeople : withBot.length > 0 ? withBot : destinations;
  return suitable.length === 1 ? suitable[0] : undefined;
}

function entryOf<T>(entries: Readonly<Record<string, T>>, id: string): T | undefined {
  return Object.hasOwn(entries, id) ? entries[id] : undefined;
}
