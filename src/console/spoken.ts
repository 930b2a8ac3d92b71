// What a person posts to be said or noted, as an activity of the hub: content stays, what only the hub may say goes.

import type { Activity } from '../core/activity.js';
import { isObject } from '../core/context.js';
import { BadRequest } from '../errors.js';

export interface Spoken {
  audience: 'everyone' | 'staff';
  activity: Activity;
  /** The sender's own id of the message: what arrives twice under it is stored once. */
  clientId?: string;
}

/** Said by the hub, or by nobody: who speaks and where is known from the call itself. */
const NOT_THE_SENDERS = new Set([
  'audience',
  'id',
  'timestamp',
  'localTimestamp',
  'channelId',
  'serviceUrl',
  'from',
  'recipient',
  'conversation',
  'callerId',
  'deliveryMode',
]);

const CLIENT_ID_CHARS = 200;

/** @throws BadRequest 400 when it is nothing a person can say. */
export function spokenActivity(fields: Record<string, unknown>): Spoken {
  const audience = fields['audience'] ?? 'everyone';
  if (audience !== 'everyone' && audience !== 'staff') throw bad('"audience" is "everyone" or "staff".');
  const type = fields['type'] ?? 'message';
  // Typing has its own call; ending, events of membership and the like are not a person's to say.
  if (type !== 'message' && type !== 'event') throw bad('People send activities of type "message" or "event".');
  const { text, attachments, name, channelData } = fields;
  if (text !== undefined && typeof text !== 'string') throw bad('"text" must be a text.');
  if (attachments !== undefined && !areAttachments(attachments))
    throw bad('"attachments" must be a list of objects with a "contentType".');
  if (type === 'event' && (typeof name !== 'string' || name === '')) throw bad('An event needs a "name".');
  const isEmpty = (text ?? '') === '' && (attachments ?? []).length === 0 && fields['value'] === undefined;
  if (type === 'message' && isEmpty) throw bad('A message needs "text" or "attachments".');
  const content = Object.entries(fields).filter(([field]) => !NOT_THE_SENDERS.has(field));
  const clientId = clientIdOf(channelData);
  return {
    audience,
    activity: { ...Object.fromEntries(content), type },
    ...(clientId !== undefined && { clientId }),
  };
}

function clientIdOf(channelData: unknown): string | undefined {
  const id = isObject(channelData) ? channelData['clientActivityID'] : undefined;
  if (id === undefined || id === '') return undefined;
  if (typeof id !== 'string' || id.length > CLIENT_ID_CHARS)
    throw bad(`"channelData.clientActivityID" must be a text of at most ${CLIENT_ID_CHARS} characters.`);
  return id;
}

function areAttachments(value: unknown): value is readonly Record<string, unknown>[] {
  return Array.isArray(value) && value.every((one) => isObject(one) && typeof one['contentType'] === 'string');
}

function bad(message: string): BadRequest {
  return new BadRequest(400, 'badActivity', message);
}
