// Where a conversation takes place as its channel sees it: one place has many of the hub's conversations, one after another.

import type { Channel } from './conversation.js';

export interface ChannelPlace {
  readonly channelId: string;
  /** The channel's own conversation. */
  readonly conversationId: string;
}

/** Of envelopes only, so that it outlives an erasure. A widget's conversation is a place of its own. */
export function channelPlaceOf({ id, channel }: { readonly id: string; readonly channel: Channel }): ChannelPlace {
  return { channelId: channel.id, conversationId: conversationOf(channel.key) ?? id };
}

/** Both kinds of key, a customer's and the archive's, have it third. */
function conversationOf(key: string | undefined): string | undefined {
  if (key === undefined) return undefined;
  try {
    const parts: unknown = JSON.parse(key);
    const conversation: unknown = Array.isArray(parts) ? parts[2] : undefined;
    return typeof conversation === 'string' ? conversation : undefined;
  } catch {
    return undefined;
  }
}
