// What happens when nobody does anything: a passed deadline always produces an event.

import { SYSTEM, type Conversation, type TimerName } from './conversation.js';
import type { CommandOf } from './commands.js';
import type { Directory } from './directory.js';
import { peopleOf } from './routing.js';
import type { Plan } from './plan.js';
import { leaveGoneBot } from './triggers.js';

export function tick(plan: Plan): void {
  const state = plan.open;
  const due = earliest(state, plan.now);
  if (due === undefined) return;
  switch (due) {
    case 'botIdle':
      // On a foreign channel the next message starts a new conversation: its end is nothing to be told.
      return plan.close('inactive', SYSTEM, state.channel.key === undefined);
    case 'queueLimit':
      return queueLimit(plan);
    case 'offerLapses':
      return lapse(plan, (offer) => offer.lapsesAt <= plan.now, 'time');
    case 'agentSilent':
      return agentSilent(plan);
    case 'waitingLimit':
      return plan.close('inactive', SYSTEM);
    case 'wrapUpEnds':
      return plan.endWrapUp('wrapUpOver', SYSTEM);
    case 'surveyEnds':
      return plan.endSurvey('inactive', SYSTEM);
    case 'customerGone':
      if (state.phase === 'agent') return plan.end('customerGone', SYSTEM, false);
      return plan.close('customerGone', SYSTEM);
    case 'agentGone':
      return agentGone(plan);
  }
}

function earliest(state: Conversation, now: number): TimerName | undefined {
  let due: TimerName | undefined;
  for (const [name, at] of Object.entries(state.timers) as [TimerName, number][])
    if (at <= now && (due === undefined || at < (state.timers[due] ?? Infinity))) due = name;
  return due;
}

/** Nobody being online is not a failure: the customer was told and keeps the place. */
function queueLimit(plan: Plan): void {
  const state = plan.open;
  if (state.phase !== 'queued') return;
  if (plan.circumstances.queues.online(state.queue, state.workStream, state.skills) === 0)
    return plan.emit({ type: 'waitExtended', timers: { queueLimit: plan.now + plan.workStream.timers.queueLimitMs } });
  const bot = state.lastBot;
  plan.tell('nobodyCame');
  if (
    plan.workStream.onQueueLimit === 'failed' &&
    bot !== undefined &&
    plan.circumstances.directory.bots[bot] !== undefined
  )
    return plan.returnToBot(bot, 'failed', SYSTEM, { message: 'queueLimit' });
  plan.close('queueLimit', SYSTEM);
}

function agentSilent(plan: Plan): void {
  const state = plan.open;
  if (state.phase !== 'agent') return;
  if (plan.workStream.onAgentSilent === 'wrapUp') return plan.end('silent', SYSTEM, true);
  plan.queueAgain('silent');
}

function agentGone(plan: Plan): void {
  const state = plan.open;
  if (state.phase !== 'agent') return;
  plan.queueAgain('agentGone');
}

/** Whether it waits where nobody can ever come: its queue is gone, or everybody in it who has the required skills. */
export function isStranded(state: Conversation, directory: Directory): boolean {
  if (state.phase !== 'queued') return false;
  const queue = directory.queues[state.queue];
  return queue === undefined || (state.skills !== undefined && peopleOf(queue, directory, state.skills).length === 0);
}

/** Who waits keeps the waiting-since in the queue it is routed to. */
export function reroute(plan: Plan): void {
  leaveGoneBot(plan);
  leaveGonePerson(plan);
  if (isStranded(plan.open, plan.circumstances.directory)) plan.route('overflow', true);
}

/** Nobody is held by, or offered to, people whom the configuration does not name any more: they can do nothing for them. */
function leaveGonePerson(plan: Plan): void {
  const { people } = plan.circumstances.directory;
  lapse(plan, ({ agent }) => people[agent] === undefined, 'agentGone');
  if (plan.open.phase === 'agent' && people[plan.open.agent] === undefined) plan.queueAgain('agentGone');
}

/** An offer ends without an answer; the item keeps its waiting-since. */
export function lapse(
  plan: Plan,
  isOver: (offer: { agent: string; lapsesAt: number }) => boolean,
  why: 'time' | 'agentGone',
): void {
  const state = plan.open;
  if (state.phase !== 'offered') return;
  const over = state.offers.filter(isOver).map((offer) => offer.agent);
  if (over.length === 0) return;
  const rest = state.offers.filter((offer) => !over.includes(offer.agent));
  const timers =
    rest.length === 0
      ? plan.waitingTimers(state.waitingSince)
      : { offerLapses: Math.min(...rest.map((offer) => offer.lapsesAt)) };
  plan.emit({ type: 'lapsed', agents: over, why, timers });
}

export function disconnectAgent(plan: Plan, { agent }: CommandOf<'disconnect'>): void {
  const state = plan.open;
  if (state.phase !== 'agent' || state.agent !== agent || state.agentGone) return;
  const timers = { agentGone: plan.now + plan.workStream.timers.agentGoneChatMs };
  plan.emit({ type: 'disconnected', party: 'agent', timers }, { role: 'agent', id: agent });
}

export function reconnectAgent(plan: Plan, { agent }: CommandOf<'reconnect'>): void {
  const state = plan.open;
  if (state.phase !== 'agent' || state.agent !== agent || !state.agentGone) return;
  plan.emit({ type: 'reconnected', party: 'agent', timers: { agentGone: null } }, { role: 'agent', id: agent });
}
