// What bots ask: say something, escalate, set context, end. Only the holder is obeyed; the rest becomes a staff-only draft.

import type { Activity } from './activity.js';
import type { CommandOf } from './commands.js';
import { mergeVariables } from './context.js';
import { openTurnOf, SYSTEM, type DraftReason, type OpenTurn, type Party } from './conversation.js';
import { isBridged } from './escalation.js';
import { activityTimers } from './fromCustomer.js';
import { fence, isSurveyOf, mayCommand } from './floor.js';
import { observe, passOn } from './observing.js';
import type { Plan } from './plan.js';
import { Rejected } from './rejected.js';
import { handToPeople, isFallback, missesOf } from './triggers.js';

export function sayByBot(plan: Plan, command: CommandOf<'say'>): void {
  const { activity, by, answers } = command;
  const state = plan.open;
  const verdict = plan.observes ? 'through' : fence(state, by.id, answers);
  // What a bot suggests to a person never goes past that person.
  const suggests = state.phase === 'agent' && state.assistant === by.id;
  const unaskedIsWelcome =
    answers === undefined && state.phase !== 'closed' && !suggests && plan.workStream.proactiveWhileHeld === 'deliver';
  if (verdict !== 'through' && !unaskedIsWelcome) {
    const answersThePresent = answers === undefined || answers >= state.sessionSeq;
    return draft(plan, by, activity, answers, suggests && answersThePresent ? 'suggested' : verdict);
  }
  const bot = plan.circumstances.directory.bots[by.id];
  if (!plan.observes && bot?.bridging === 'strict' && !isBridged(activity))
    return draft(plan, by, activity, answers, 'notBridged');
  const { fallbacks } = plan.workStream.triggers ?? {};
  const missed = fallbacks !== undefined && mayCommand(state, by.id, answers) && isFallback(fallbacks, activity);
  plan.emit(
    {
      type: 'said',
      activityType: activity.type,
      ...(answers === undefined ? {} : { answers }),
      ...(missed ? { fallback: true } : {}),
      timers: activityTimers(plan),
      body: { activity },
    },
    by,
    'everyone',
  );
  // One turn is one miss, in however many texts it is said.
  if (!missed || missesOf(plan.open) === missesOf(state) || missesOf(plan.open) < fallbacks.count) return;
  if (!state.customerSaidSomething) return;
  handToPeople(plan, 'trigger:fallback', answers === undefined ? {} : { openTurn: { bot: by.id, answers } });
}

export function escalate(plan: Plan, command: CommandOf<'escalate'>): void {
  const { bot, answers, summary, activity, dialect } = command;
  const by: Party = { role: 'bot', id: bot };
  const state = plan.open;
  if (plan.observes) return escalateObserved(plan, command, by);
  const waits = state.phase === 'queued' || state.phase === 'offered';
  if (!waits && !mayCommand(state, bot, answers)) return draftCommand(plan, by, activity, answers);
  // Only the bot that asked for people adds to its request; an earlier one has no say in it.
  if (waits && state.lastBot !== bot) return draftCommand(plan, by, activity, answers);

  takeAlong(plan, command, by);
  if (summary !== undefined && summary !== '')
    plan.emit(
      {
        type: 'noted',
        kind: 'summary',
        body: { activity: { type: 'message', text: summary, from: { id: bot, role: 'bot' } } },
      },
      by,
    );
  plan.emit(
    {
      type: 'escalated',
      reason: 'signal',
      dialect,
      bot,
      ...(answers === undefined ? {} : { answers }),
      body: {
        ...(summary === undefined ? {} : { summary }),
        ...(activity === undefined ? {} : { activity: withoutTranscript(activity) }),
      },
    },
    by,
  );
  // Offers already made stand; a change of queue would take the request out of somebody's hands.
  if (state.phase === 'offered') return;
  // Who waits already was asked for by a bot that could not help: only people take it from here.
  const routed = plan.route('escalated', waits, openTurn(command, waits));
  if (!routed && state.phase === 'bot') {
    plan.tell('nobodyCame');
    plan.returnToBot(bot, 'failed', by, { message: 'noQueue' });
  }
}

/** It goes on as the bot sent it, on whatever handoff it may live; where it would have led is put on record. */
function escalateObserved(plan: Plan, command: CommandOf<'escalate'>, by: Party): void {
  const { bot, answers, dialect, summary } = command;
  passOn(plan, by, command);
  takeAlong(plan, command, by);
  const about = { dialect, bot, ...(answers === undefined ? {} : { answers }) };
  observe(plan, 'signal', about, by, summary === undefined ? {} : { summary });
}

/** What comes with an escalation: turns that the log has not, and context. */
function takeAlong(plan: Plan, { unseen = [], variables, warnings }: CommandOf<'escalate'>, by: Party): void {
  for (const { activity, key } of unseen) plan.emit({ type: 'imported', key, body: { activity } }, by);
  mergeContext(plan, by, variables, warnings);
}

/** Our own log is the transcript: the bot's copy of it is not kept beside it. */
function withoutTranscript(activity: Activity): Activity {
  if (activity.attachments === undefined) return activity;
  const attachments = activity.attachments.filter((attachment) => !/^tran?s?scr?ipt$/i.test(attachment.name ?? ''));
  return { ...activity, attachments };
}

/** A batch of a bot that does not hold the conversation is drafted whole: what precedes the escalation was. */
function openTurn({ bot, answers, continues }: CommandOf<'escalate'>, waits: boolean): OpenTurn | undefined {
  if (answers !== undefined) return { bot, answers };
  return continues === true && !waits ? { bot } : undefined;
}

export function setContextByBot(plan: Plan, command: CommandOf<'setContext'>): void {
  const { by, answers, variables, warnings } = command;
  const state = plan.open;
  if (plan.observes) {
    passOn(plan, by, command);
    return mergeContext(plan, by, variables, warnings);
  }
  const waits = (state.phase === 'queued' || state.phase === 'offered') && state.lastBot === by.id;
  if (!waits && fence(state, by.id, answers) !== 'through') return draftCommand(plan, by, undefined, answers);
  mergeContext(plan, by, variables, warnings);
}

export function endByBot(plan: Plan, command: CommandOf<'endByBot'>): void {
  const { bot, answers, activity } = command;
  const by: Party = { role: 'bot', id: bot };
  const state = plan.open;
  if (plan.observes) {
    passOn(plan, by, command);
    // On the hub's own channel the end of the record would be the end of the customer's conversation.
    if (state.phase === 'bot' && state.channel.key !== undefined) plan.close('botEnded', by);
    return;
  }
  if (isSurveyOf(state, bot, answers)) return plan.endSurvey('botEnded', by);
  if (!mayCommand(state, bot, answers)) return draftCommand(plan, by, activity, answers);
  plan.close('botEnded', by);
}

/** Staff read it; nobody's message appears in front of a customer because a bot says that it was said. */
export function importByBot(plan: Plan, { by, activity, key }: CommandOf<'import'>): void {
  plan.emit({ type: 'imported', ...(key === undefined ? {} : { key }), body: { activity } }, by);
}

export function removeMember(plan: Plan, { bot, member }: CommandOf<'removeMember'>): void {
  const by: Party = { role: 'bot', id: bot };
  const state = plan.open;
  if (state.phase === 'closed')
    throw new Rejected('conversationClosed', 'This conversation is closed; nobody can leave it any more.');
  if (!state.members.includes(member))
    throw new Rejected('notFound', `There is no member "${member}" in this conversation.`);
  if (fence(state, bot, undefined) !== 'through')
    throw new Rejected('notHolder', 'Only the bot that has the conversation can remove its members.', {
      phase: state.phase,
    });
  plan.emit({ type: 'memberLeft', member }, by);
  if (plan.open.members.length > 0) return;
  if (isSurveyOf(state, bot, undefined)) plan.endSurvey('customerLeft', by);
  else plan.close('botEnded', by);
}

/** The customer is told, and handed to people once: afterwards the bot does not hold it any more. */
export function botFailed(plan: Plan, command: CommandOf<'botFailed'>): void {
  const { bot, cause, answers } = command;
  const state = plan.open;
  const inSurvey = isSurveyOf(state, bot, answers);
  if (!inSurvey && !mayCommand(state, bot, answers)) return;
  plan.emit({ type: 'botFailed', bot, cause });
  if (inSurvey) return plan.endSurvey('botFailed', SYSTEM);
  // A bot that fails to greet must not fill the queues with people who have asked nothing.
  const after = plan.open;
  if (!state.customerSaidSomething || after.phase !== 'bot') return;
  const { failures = 1 } = after;
  // Once until it answers again: where nobody can take over, more of the same text helps nobody.
  if (failures === 1) plan.tell('botFailed', { bot });
  if (plan.workStream.onBotFailure === 'close') {
    if (!plan.observes) plan.close('botFailed', SYSTEM);
    return;
  }
  const { botErrors } = plan.workStream.triggers ?? {};
  if (failures < (botErrors ?? 1)) return;
  handToPeople(plan, botErrors === undefined ? 'botUnavailable' : 'trigger:botError');
}

export function endTurn(plan: Plan, command: CommandOf<'endTurn'>): void {
  const turn = openTurnOf(plan.open);
  if (turn === undefined || turn.bot !== command.bot || turn.answers !== command.answers) return;
  plan.emit({ type: 'turnEnded', ...(command.answers === undefined ? {} : { answers: command.answers }) });
}

export function mergeContext(
  plan: Plan,
  by: Party,
  incoming: CommandOf<'setContext'>['variables'],
  warnings: readonly string[] = [],
): void {
  const merged = mergeVariables(plan.open.context, incoming, plan.workStream.context);
  const changed = Object.fromEntries(
    merged.changed.flatMap((name) => {
      const variable = merged.variables[name];
      return variable === undefined ? [] : [[name, variable]];
    }),
  );
  plan.setContext(changed, by);
  plan.trace([...warnings, ...merged.warnings]);
}

function draft(plan: Plan, by: Party, activity: Activity, answers: number | undefined, why: DraftReason): void {
  plan.emit(
    {
      type: 'drafted',
      activityType: activity.type,
      why,
      ...(answers === undefined ? {} : { answers }),
      body: { activity },
    },
    by,
  );
}

function draftCommand(plan: Plan, by: Party, activity: Activity | undefined, answers: number | undefined): void {
  draft(
    plan,
    by,
    activity === undefined ? { type: 'event', name: 'setContext' } : withoutTranscript(activity),
    answers,
    'command',
  );
}
