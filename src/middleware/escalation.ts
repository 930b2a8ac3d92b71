// What a bot asks of the hub in so many words: hand over, end, and whether anybody would be there.

import { outlook, type Outlook, type OutlookQuestion } from '../hub/outlook.js';
import type { BotTurnContext, ResourceResponse } from './host.js';
import { linkOf } from './turnLink.js';

export type { Outlook } from '../hub/outlook.js';

export interface EscalateOptions {
  /** Context variables: plain values, or `{ value, isDisplayable }`. Rules route by them, people see the displayable ones. */
  variables?: Record<string, unknown>;
  /** For people only; the customer never reads it. */
  summary?: string;
}

/**
 * Asks for a person. The customer is queued before this resolves; further activities of the same turn are still delivered.
 * Sends the Bot Framework handoff protocol's own event, so that it works in process and over HTTP alike.
 */
export function escalate(
  context: BotTurnContext,
  options: EscalateOptions = {},
): Promise<ResourceResponse | undefined> {
  const { variables = {}, summary } = options;
  return context.sendActivity({
    type: 'event',
    name: 'handoff.initiate',
    value: { Context: variables, ...(summary === undefined ? {} : { MessageToAgent: summary }) },
  });
}

/** Ends the conversation. The customer is told that it is closed. */
export function endConversation(context: BotTurnContext): Promise<ResourceResponse | undefined> {
  const ended = { type: 'endOfConversation', code: 'completedSuccessfully' };
  return context.sendActivity(ended);
}

/**
 * Whether people could take the conversation now: for the queue and the skills its rules lead to, or for those named.
 * Nothing is reserved. A turn that did not come through the hub, or one of a group, answers `open: false`.
 * @throws Rejected when there is no such queue, or the skills are no list of at most 20 names.
 */
export async function canEscalate(context: BotTurnContext, asked: OutlookQuestion = {}): Promise<Outlook> {
  const link = linkOf(context);
  const conversationId = await link?.conversationId;
  if (link === undefined || conversationId === undefined) return { open: false, agentsOnline: 0, position: 0 };
  return outlook(link.hub, conversationId, asked);
}
