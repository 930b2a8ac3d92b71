// What clients post: who speaks, under which key it is stored once, and which fields of it the hub answers for.

import { createHash } from 'node:crypto';
import { isRecord } from '../activityJson.js';
import { seqOf, type Activity } from '../core/activity.js';

export interface Sender {
  readonly id: string;
  readonly name?: string;
}

/** How a client asks for the answer to be streamed; other modes are between a channel and its bot. */
const DELIVERY_MODES = new Set(['normal', 'stream']);

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

/** A field by its name in any case: published clients send `User`, `user`, `TrustedOrigins`, `trustedOrigins`. */
export function fieldOf(body: unknown, name: string): unknown {
  if (!isRecord(body)) return undefined;
  if (Object.hasOwn(body, name)) return body[name];
  const found = Object.keys(body).find((key) => key.toLowerCase() === name.toLowerCase());
  return found === undefined ? undefined : body[found];
}
