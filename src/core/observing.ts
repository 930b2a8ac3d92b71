// Work streams that only observe: what would have been done for the customer is put on record, and nothing is done.

import type { CommandOf } from './commands.js';
import { SYSTEM, type Body, type EscalationReason, type EventOf, type Party } from './conversation.js';
import type { Directory } from './directory.js';
import type { Plan } from './plan.js';
import type { RouteReceipt } from './routing.js';

/** Puts on record where an escalation would have gone now. */
export function observe(
  plan: Plan,
  reason: EscalationReason,
  about: Pick<EventOf<'escalationObserved'>, 'dialect' | 'bot' | 'answers'>,
  by: Party,
  more: Pick<Body, 'summary' | 'note'> = {},
): void {
  // What the work stream itself does only people can take, as where it acts.
  record(plan, plan.prospect(reason !== 'signal', reason, about.bot), reason, about, by, more);
}

/** The bot holds from the start, also where the rules would have led to people. @returns false when there is no bot. */
export function startObserving(plan: Plan): boolean {
  const receipt = plan.prospect(false);
  if (receipt.bot !== undefined) return plan.route('started', false);
  const bot = firstBot(plan.circumstances.directory);
  if (bot === undefined) return false;
  // A foreign channel introduces its own bot.
  plan.connectBot(bot, undefined, plan.open.channel.key === undefined);
  record(plan, receipt, 'start', { bot }, SYSTEM);
  return true;
}

/** What a bot sends goes on as it is, signal or not. */
export function passOn(
  plan: Plan,
  by: Party,
  { activity, answers }: Pick<CommandOf<'escalate'>, 'activity' | 'answers'>,
): void {
  if (activity === undefined) return;
  plan.emit(
    {
      type: 'said',
      activityType: activity.type,
      ...(answers === undefined ? {} : { answers }),
      ...(plan.open.phase === 'bot' ? { timers: plan.botTimers() } : {}),
      body: { activity },
    },
    by,
    'everyone',
  );
}

function record(
  plan: Plan,
  receipt: RouteReceipt,
  reason: EventOf<'escalationObserved'>['reason'],
  about: Pick<EventOf<'escalationObserved'>, 'dialect' | 'bot' | 'answers'>,
  by: Party,
  more: Pick<Body, 'summary' | 'note'> = {},
): void {
  plan.emit(
    {
      type: 'escalationObserved',
      reason,
      ...about,
      ruleSetVersion: receipt.ruleSetVersion,
      ...(receipt.queue === undefined ? {} : { queue: receipt.queue }),
      ...(receipt.bot === undefined ? {} : { nextBot: receipt.bot }),
      body: { receipt, ...more },
    },
    by,
  );
}

function firstBot({ bots, queues }: Directory): string | undefined {
  const members = Object.values(queues).flatMap((queue) => queue.members);
  return members.find((id) => bots[id] !== undefined) ?? Object.keys(bots)[0];
}
