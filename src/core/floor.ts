// Who may speak and be obeyed now: the bot or the person that has the conversation, and nobody out of an earlier session.

import { holderOf, openTurnOf, type Conversation, type Party, type State } from './conversation.js';
import type { Directory } from './directory.js';
import { Rejected } from './rejected.js';

/** Whether what a bot sends now, answering `answers`, comes from its present session (or the turn that escalated). */
export function fence(
  state: Conversation,
  bot: string,
  answers: number | undefined,
): 'through' | 'notHolder' | 'earlierSession' {
  if (isWith(state, bot)) return answers === undefined || answers >= state.sessionSeq ? 'through' : 'earlierSession';
  const turn = openTurnOf(state);
  return turn !== undefined && turn.bot === bot && turn.answers === answers ? 'through' : 'notHolder';
}

/** Whether what a bot sends now reaches the customer. */
export function reaches(state: Conversation, bot: string, answers: number | undefined, directory: Directory): boolean {
  return observes(state, directory) || fence(state, bot, answers) === 'through';
}

/** Whether the hub only observes it: people who have a conversation already, and a survey after one, go on as ever. */
export function observes(state: Conversation, directory: Directory): boolean {
  return directory.workStreams[state.workStream]?.observe === true && isObservable(state);
}

export function isObservable(state: State): boolean {
  return state.phase === 'none' || state.phase === 'closed' || (state.phase === 'bot' && state.survey !== true);
}

/** Whether it is this bot that speaks with the customer now: it holds the conversation, or asks how it was. */
function isWith(state: Conversation, bot: string): boolean {
  const holder = holderOf(state);
  return holder?.role === 'bot' && holder.id === bot;
}

/** Whether a command of this bot counts: it holds the conversation, and answers something of its present session. */
export function mayCommand(state: Conversation, bot: string, answers: number | undefined): boolean {
  return isWith(state, bot) && !isSurvey(state) && fence(state, bot, answers) === 'through';
}

/** Whether this bot's survey runs, and it answers something of it. */
export function isSurveyOf(state: Conversation, bot: string, answers: number | undefined): boolean {
  return isWith(state, bot) && isSurvey(state) && fence(state, bot, answers) === 'through';
}

export function isSurvey(state: Conversation): boolean {
  return (state.phase === 'bot' && state.survey === true) || (state.phase === 'wrapUp' && state.survey !== undefined);
}

export function requireHolder(state: Conversation, by: Party): void {
  const holder = holderOf(state);
  if (holder?.role === 'agent' && holder.id === by.id) return;
  throw new Rejected('notHolder', 'This conversation is not with you any more. Read it again to see who has it.', {
    phase: state.phase,
    ...(holder === undefined ? {} : { owner: holder.id, at: new Date(state.sessionAt).toISOString() }),
  });
}
