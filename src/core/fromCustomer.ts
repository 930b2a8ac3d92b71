// What customers ask: say something, leave the line, leave altogether, come and go.

import type { CommandOf } from './commands.js';
import { mergeVariables } from './context.js';
import { SYSTEM, type Audience } from './conversation.js';
import { isSurvey } from './floor.js';
import { startObserving } from './observing.js';
import type { Plan } from './plan.js';
import { Rejected } from './rejected.js';
import { handToPeople, leaveGoneBot, phraseIn } from './triggers.js';

/** Recorded, never shown to the customer's other windows. */
const STAFF_ONLY = new Set(['conversationUpdate', 'installationUpdate', 'invoke', 'contactRelationUpdate']);

/** The state names every member: a page that speaks under a new id each time must not make it grow without end. */
const MAX_MEMBERS = 100;

export function start(plan: Plan, command: CommandOf<'start'>): void {
  if (plan.state.phase !== 'none') return;
  const {
    id,
    workStream,
    channel,
    customer,
    customerName,
    locale,
    variables,
    previous,
    reference,
    adoptedBot,
    frontBot,
  } = command;
  const context = mergeVariables({}, variables ?? {}, plan.workStream.context);
  plan.emit(
    {
      type: 'started',
      id,
      workStream,
      channel,
      ...(customer === undefined ? {} : { customer }),
      ...(adoptedBot === undefined ? {} : { adopted: true }),
      ...(previous === undefined ? {} : { previous }),
      body: {
        ...(customerName === undefined ? {} : { customerName }),
        ...(locale === undefined ? {} : { locale }),
        ...(variables === undefined ? {} : { variables: context.variables }),
        ...(reference === undefined ? {} : { reference }),
      },
    },
    customer === undefined ? SYSTEM : { role: 'customer', id: customer },
  );
  const first = adoptedBot ?? frontBot;
  if (first !== undefined) plan.connectBot(first, undefined, false);
  else if (!(plan.observes ? startObserving(plan) : plan.route('started', false)))
    throw new Rejected(
      'badCommand',
      `Work stream "${workStream}" leads nowhere: give it a rule that matches, a fallbackQueue, or the configuration a defaultQueue.`,
    );
  plan.trace(context.warnings);
}

export function sayByCustomer(plan: Plan, command: CommandOf<'say'>): void {
  const { activity, by } = command;
  const state = plan.open;
  if (state.phase === 'closed')
    throw new Rejected('conversationClosed', 'This conversation is closed. Start a new one.', { reason: state.reason });
  if (activity.type === 'endOfConversation') return leave(plan);
  if (!state.members.includes(by.id) && state.members.length < MAX_MEMBERS)
    plan.emit({ type: 'memberJoined', member: by.id }, by);
  const audience: Audience = STAFF_ONLY.has(activity.type) ? 'staff' : 'everyone';
  plan.emit(
    { type: 'said', activityType: activity.type, timers: activityTimers(plan), body: { activity } },
    by,
    audience,
  );
  if (state.phase === 'waiting') plan.queueAgain('customerWrote');
  else if (asksToLeaveTheLine(plan, command)) cancel(plan);
  else if (!leaveGoneBot(plan)) askForPeople(plan, command);
}

/** A phrase of the work stream hands over; the bot does not hear it. Where no queue has people the bot goes on, and hears it. */
function askForPeople(plan: Plan, { activity }: CommandOf<'say'>): void {
  const state = plan.open;
  if (state.phase !== 'bot' || isSurvey(state)) return;
  const phrase = phraseIn(plan.workStream.triggers, activity, state.locale);
  if (phrase === undefined || handToPeople(plan, 'trigger:phrase', { note: phrase })) return;
  plan.trace([`"${phrase}" would hand over, but no queue has people for this conversation.`]);
}

/** A message keeps the one who holds the conversation from being called silent. */
export function activityTimers(plan: Plan) {
  const state = plan.open;
  const { timers } = plan.workStream;
  switch (state.phase) {
    case 'bot':
    case 'wrapUp':
      if (isSurvey(state)) return { surveyEnds: plan.now + timers.surveyMs };
      return state.phase === 'bot' ? { botIdle: plan.now + timers.botIdleMs } : undefined;
    case 'agent':
      return { agentSilent: plan.now + timers.agentSilentMs };
    case 'queued':
    case 'offered':
    case 'waiting':
    case 'closed':
      return undefined;
  }
}

function asksToLeaveTheLine(plan: Plan, { activity }: CommandOf<'say'>): boolean {
  const { phase } = plan.open;
  if (phase !== 'queued' && phase !== 'offered') return false;
  if (activity.type === 'event') return activity.name === 'handoff.cancel';
  const text =
    activity.type === 'message' && typeof activity.text === 'string' ? activity.text.trim().toLowerCase() : '';
  return text !== '' && plan.workStream.cancelPhrases.some((phrase) => phrase.trim().toLowerCase() === text);
}

/** Back to the bot the customer came from; without one the conversation is over. */
export function cancel(plan: Plan): void {
  const state = plan.open;
  if (state.phase !== 'queued' && state.phase !== 'offered') return;
  const by = customerOf(plan);
  const bot = state.lastBot;
  if (bot === undefined || plan.circumstances.directory.bots[bot] === undefined) plan.close('customerLeft', by);
  else plan.returnToBot(bot, 'cancelled', by);
}

export function leave(plan: Plan): void {
  const state = plan.open;
  const by = customerOf(plan);
  switch (state.phase) {
    case 'bot':
    case 'queued':
    case 'offered':
    case 'waiting':
      return plan.close('customerLeft', by);
    case 'agent':
      return plan.end('customerLeft', by, false);
    case 'wrapUp':
      if (isSurvey(state)) plan.endSurvey('customerLeft', by);
      return;
    case 'closed':
      return;
  }
}

/** A customer who lost the connection is waited for, but only while people would be waiting too. */
export function disconnectCustomer(plan: Plan): void {
  const state = plan.open;
  if (state.customerGone || (state.phase !== 'queued' && state.phase !== 'offered' && state.phase !== 'agent')) return;
  const timers = { customerGone: plan.now + plan.workStream.timers.customerGoneMs };
  plan.emit({ type: 'disconnected', party: 'customer', timers }, customerOf(plan));
}

export function reconnectCustomer(plan: Plan): void {
  if (plan.open.phase === 'closed' || !plan.open.customerGone) return;
  plan.emit({ type: 'reconnected', party: 'customer', timers: { customerGone: null } }, customerOf(plan));
}

function customerOf(plan: Plan) {
  const id = plan.open.customer.id;
  return id === undefined ? SYSTEM : ({ role: 'customer', id } as const);
}
