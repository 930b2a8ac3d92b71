// An activity from outside: JSON in which the fields that the hub relies on have the types they should have.

import type { Activity } from './core/activity.js';
import { BadRequest } from './errors.js';

const ACTIVITY_TYPE = /^[\w./-]{1,100}$/;
const MAX_ID_CHARACTERS = 256;
const MAX_NAME_CHARACTERS = 256;

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

/** The id of a user, as the caller claims it, if it may be one. @throws BadRequest 400 */
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
