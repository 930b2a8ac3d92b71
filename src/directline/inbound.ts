// What clients post, read once: an activity with the fields the hub relies on checked and the sender set by us.

import { createHash } from 'node:crypto';
import { seqOf, type Activity } from '../core/activity.js';
import { BadRequest } from '../errors.js';

export interface Sender {
  readonly id: string;
  readonly name?: string;
}

const ACTIVITY_TYPE = /^[\w./-]{1,100}$/;
const MAX_ID_CHARACTERS = 256;
const MAX_NAME_CHARACTERS = 256;
/** How a client asks for the answer to be streamed; other modes are between a channel and its bot. */
const DELIVERY_MODES = new Set(['normal', 'stream']);

/** @throws BadRequest 400 when it is no activity */
export function parseActivity(body: unknown): Activity {
  if (!isRecord(body)) throw missing('Invalid or missing activities in HTTP body. Send one activity as a JSON object.');
  const { type } = body;
  if (typeof type !== 'string' || !ACTIVITY_TYPE.test(type))
    throw missing('The activity has no valid "type". Send "message", "event", "typing" or another activity type.');
  for (const field of ['text', 'name', 'locale', 'replyToId'] as const) requireText(body, field);
  for (const field of ['attachments', 'entities'] as const) requireObjects(body, field);
  for (const attachment of (body['attachments'] as Record<string, unknown>[] | undefined) ?? [])
    for (const field of ['contentType', 'contentUrl', 'name', 'thumbnailUrl']) requireText(attachment, field);
  if (body['from'] !== undefined && body['from'] !== null && !isRecord(body['from']))
    throw malformed('from', 'an object');
  return body as Activity;
}

/** The activity as it is kept: what the channel answers for is set here, everything else stays as it came. */
export function normalise(conversationId: string, posted: Activity, sender: Sender): Activity {
  const {
    id: _id,
    timestamp: _timestamp,
    serviceUrl: _serviceUrl,
    conversation: _conversation,
    recipient: _recipient,
    channelId: _channelId,
    callerId: _callerId,
    from: _from,
    replyToId,
    deliveryMode,
    ...content
  } = posted;
  return {
    ...content,
    channelId: 'directline',
    from: { id: sender.id, ...(sender.name === undefined ? {} : { name: sender.name }), role: 'user' },
    ...(seqOf(conversationId, replyToId ?? undefined) === undefined ? {} : { replyToId }),
    ...(typeof deliveryMode === 'string' && DELIVERY_MODES.has(deliveryMode) ? { deliveryMode } : {}),
  };
}

/** Under this key the same message is stored once, however often the client sends it. */
export function idempotencyKey(userId: string, { channelData }: Activity): string | undefined {
  const id = isRecord(channelData) ? channelData['clientActivityID'] : undefined;
  if (typeof id !== 'string' || id === '') return undefined;
  const scoped = JSON.stringify([userId, id]);
  // A digest: short, and plain ASCII whatever the client made up.
  return `client:${createHash('sha256').update(scoped).digest('base64url').slice(0, 32)}`;
}

/** The user id a page claims, if it may be one. @throws BadRequest 400 */
export function claimedId(value: unknown, field: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string' || value.length > MAX_ID_CHARACTERS || /\p{Cc}|\p{Cs}/u.test(value))
    throw malformed(field, `a string of at most ${MAX_ID_CHARACTERS} characters without control characters`);
  return value;
}

export function claimedName(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const name = value.replace(/\p{Cc}|\p{Cs}/gu, '').trim();
  return name === '' ? undefined : name.slice(0, MAX_NAME_CHARACTERS);
}

/** A field by its name in any case: published clients send `User`, `user`, `TrustedOrigins`, `trustedOrigins`. */
export function fieldOf(body: unknown, name: string): unknown {
  if (!isRecord(body)) return undefined;
  if (Object.hasOwn(body, name)) return body[name];
  const found = Object.keys(body).find((key) => key.toLowerCase() === name.toLowerCase());
  return found === undefined ? undefined : body[found];
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function requireText(holder: Record<string, unknown>, field: string): void {
  const value = holder[field];
  if (value !== undefined && value !== null && typeof value !== 'string') throw malformed(field, 'a string');
}

function requireObjects(holder: Record<string, unknown>, field: string): void {
  const value = holder[field];
  if (value === null) delete holder[field];
  else if (value !== undefined && !(Array.isArray(value) && value.every(isRecord)))
    throw malformed(field, 'an array of objects');
}

export function malformed(field: string, wanted: string): BadRequest {
  return new BadRequest(400, 'BadArgument', `"${field}" must be ${wanted}.`);
}

function missing(message: string): BadRequest {
  return new BadRequest(400, 'MissingProperty', message);
}
