// What a bot may ask the hub and wait for: invoke activities that it sends to the conversation instead of to a person.

import type { Activity } from '../core/activity.js';
import { isObject } from '../core/context.js';
import { Rejected } from '../core/rejected.js';
import { outlook, skillsFault, type OutlookQuestion, type Prospect } from './outlook.js';
import type { InvokeResponse } from './ports.js';

/** Whether people could take the conversation now; value `{queue?, skills?}`. The answer is an `Outlook`. */
export const CAN_ESCALATE = 'handoff/canEscalate';

/**
 * The answer to one invoke activity of a bot: its body is what the HTTP response to the bot carries.
 * @throws Rejected when there is no such conversation or the bot never had it.
 */
export async function answerBot(
  hub: Prospect,
  conversationId: string,
  botId: string,
  activity: Activity,
): Promise<InvokeResponse> {
  const state = await hub.conversation(conversationId);
  if (state === undefined) throw new Rejected('conversationUnknown', 'There is no such conversation.');
  if (!state.bots.includes(botId))
    throw new Rejected('notAllowed', `Bot "${botId}" has never had this conversation; only bots that had it may ask.`);
  if (activity.name !== CAN_ESCALATE)
    return refusal(501, 'notImplemented', `The hub answers invokes named "${CAN_ESCALATE}" only.`);
  const { value = {} } = activity;
  const queue = isObject(value) ? value['queue'] : undefined;
  if (!isObject(value) || (queue !== undefined && typeof queue !== 'string'))
    return refusal(400, 'badValue', 'The value is an object; its "queue", where there is one, names a queue.');
  const { skills } = value;
  const fault = skillsFault(skills);
  if (fault !== undefined) return refusal(400, 'badValue', fault);
  try {
    const asked = { queue, skills } as OutlookQuestion;
    return { status: 200, body: await outlook(hub, conversationId, asked) };
  } catch (error) {
    if (error instanceof Rejected && error.code === 'notFound') return refusal(404, error.code, error.message);
    throw error;
  }
}

function refusal(status: number, code: string, message: string): InvokeResponse {
  return { status, body: { error: { code, message } } };
}
