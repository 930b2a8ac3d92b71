// What customers and bots are told where nobody can take over: in groups, and while nothing can be recorded.

import { createHash, randomUUID } from 'node:crypto';
import type { Activity } from '../core/activity.js';
import type { Hub } from '../hub/hub.js';
import type { Refusal } from './outgoing.js';

export interface MiddlewareTexts {
  /** Once per group in which the bot tried to hand over. */
  groupConversation: string;
  hubUnavailable: string;
}

export const DEFAULT_TEXTS: MiddlewareTexts = {
  groupConversation: 'Representatives join one-to-one conversations only. Please write to me directly.',
  hubUnavailable: 'Your message cannot be passed on right now. Please try again in a few minutes.',
};

/** A group that asks again after this time is told again. */
const GROUP_TOLD_FOR_MS = 30 * 24 * 60 * 60_000;
const GROUP_TOLD = 'groupTold';

/** What the customer is told. @returns undefined when the group was told before. */
export async function refusalText(
  hub: Hub,
  why: Refusal,
  group: readonly [botId: string, channelId: string, conversationId: string] | undefined,
  texts: MiddlewareTexts = DEFAULT_TEXTS,
): Promise<string | undefined> {
  const text = texts[why];
  if (text === '') return undefined;
  if (why !== 'groupConversation' || group === undefined) return text;
  const id = createHash('sha256').update(JSON.stringify(group)).digest('base64url');
  const { store, clock } = hub;
  const now = clock.now();
  if ((await store.getGrant(GROUP_TOLD, id, now)) !== undefined) return undefined;
  await store.putGrant({ kind: GROUP_TOLD, id, value: {}, expiresAt: now + GROUP_TOLD_FOR_MS });
  return text;
}

/** As from a queue nobody serves. */
export function refusalStatus(why: Refusal): Activity {
  return { type: 'event', name: 'handoff.status', id: randomUUID(), value: { state: 'failed', message: why } };
}
