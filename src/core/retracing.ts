// A routing decision of the log made once more: what it was made from, as the entries before it tell.

import type { Entry, EventOf } from './conversation.js';
import type { Directory } from './directory.js';
import { fold } from './evolve.js';
import { factsOf, retired } from './plan.js';
import type { RouteRequest } from './routing.js';

export type RoutingEvent = EventOf<'routed' | 'escalationObserved'>;

/**
 * What was asked of the rules at `seq`: `route` answers it with what was decided then.
 * @param log The whole of it.
 * @param event The decision, entry `seq` of the log.
 * @param directory Of the version that the decision cites.
 * @returns undefined where what was known then has been erased.
 */
export function requestOf(
  log: readonly Entry[],
  seq: number,
  event: RoutingEvent,
  directory: Directory,
): RouteRequest | undefined {
  if (log.slice(seq).some((later) => later.event.type === 'erased' && later.event.context)) return undefined;
  const observed = event.type === 'escalationObserved' ? event : undefined;
  // At the start the bot that holds instead of people is connected before the decision is put on record: the rules knew nothing of it.
  const known = observed?.reason === 'start' ? seq - 2 : seq - 1;
  const state = fold(log.slice(0, known).map((before) => before.event));
  if (state.phase === 'none') return undefined;
  const { workStream, context, triedBots } = state;
  const facts = factsOf(state);
  const asked = {
    at: event.at,
    workStream: directory.workStreams[workStream] ?? retired(workStream, directory),
    directory,
    context,
  };
  if (observed === undefined || observed.reason === 'start') {
    // Bots can be asked at the start, and when the one that holds asks itself; else only people help.
    const byHolder = state.phase === 'bot' && state.escalationReason === 'signal';
    return { ...asked, facts, needsPeople: state.phase !== 'closed' && !byHolder, triedBots };
  }
  const { bot, reason } = observed;
  return {
    ...asked,
    facts: { ...facts, escalationReason: reason },
    needsPeople: reason !== 'signal',
    triedBots: bot === undefined ? triedBots : [...triedBots, bot],
  };
}
