// Conversations the hub did not carry: what others recorded, kept and read back as it was.

import type { Activity, ChannelAccount } from './activity.js';
import { channelPlaceOf, type ChannelPlace } from './channelPlace.js';
import { isObject } from './context.js';
import type { Channel, Conversation, ConversationEvent, Entry, EventOf, Party } from './conversation.js';

const VIA = 'archive';

export function isArchived({ channel }: { readonly channel: Channel }): boolean {
  return channel.via === VIA;
}

/** Whose record it is; undefined of what the hub carried itself. */
export function archivedPlace(state: Conversation): ChannelPlace | undefined {
  return isArchived(state) ? channelPlaceOf(state) : undefined;
}

/** Nobody holds an archived conversation: a log that only began folds to a closed one. */
export function archiveStarted(
  id: string,
  place: ChannelPlace,
  workStream: string,
  at: number,
  first: Activity,
): EventOf<'started'> {
  const customer = customerOf(first);
  return {
    v: 1,
    type: 'started',
    at,
    by: { role: 'system', id: 'archive' },
    audience: 'staff',
    id,
    workStream,
    channel: { id: place.channelId, key: JSON.stringify([VIA, place.channelId, place.conversationId]), via: VIA },
    ...(customer?.id === undefined ? {} : { customer: customer.id }),
  };
}

/** One activity as it was recorded. What an export marked as staff's own stays so. */
export function archivedTurn(activity: Activity, at: number, key: string): ConversationEvent {
  const { channelData, from } = activity;
  const mark = isObject(channelData) ? channelData['handoff'] : undefined;
  const isStaffOnly = isObject(mark) && mark['audience'] === 'staff';
  const by: Party = isFromCustomer(activity)
    ? { role: 'customer', id: from?.id ?? 'customer' }
    : { role: 'bot', id: from?.id ?? 'bot' };
  return {
    v: 1,
    type: 'said',
    at,
    by,
    audience: isStaffOnly ? 'staff' : 'everyone',
    key,
    activityType: activity.type,
    body: { activity },
  };
}

/** What was recorded, unchanged; erased activities are gone. */
export function archivedActivities(entries: Iterable<Entry>, forWhom: 'staff' | 'customer' = 'staff'): Activity[] {
  const activities: Activity[] = [];
  for (const { event } of entries) {
    if (event.type !== 'said' || event.body?.activity === undefined) continue;
    if (forWhom === 'staff' || event.audience === 'everyone') activities.push(event.body.activity);
  }
  return activities;
}

/** When it was said, where the record tells. */
export function recordedAt({ timestamp }: Activity): number | undefined {
  const at = typeof timestamp === 'string' ? Date.parse(timestamp) : NaN;
  return Number.isNaN(at) ? undefined : at;
}

/** Roles where the channel tells them; else the customer is who speaks without answering. */
function isFromCustomer({ from, recipient, replyToId }: Activity): boolean {
  if (from?.role === 'user' || from?.role === 'bot') return from.role === 'user';
  if (recipient?.role === 'user' || recipient?.role === 'bot') return recipient.role === 'bot';
  return replyToId === undefined;
}

function customerOf(activity: Activity): ChannelAccount | undefined {
  return isFromCustomer(activity) ? activity.from : activity.recipient;
}
