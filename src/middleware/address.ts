// Whose activity it is: the customer, the channel's own conversation, and the keys under which the hub knows both.

import { baseChannel, type Caller, type Reference, type SdkAccount, type SdkActivity } from './host.js';

export interface Address {
  readonly channelId: string;
  readonly customer: { readonly id: string; readonly name?: string };
  /** Bot, channel, channel conversation and user: one open conversation each. */
  readonly key: string;
  /** More than one customer may write here. */
  readonly isGroup: boolean;
  /** Where to send: as the SDK's own, but of no activity in particular. */
  readonly reference: Reference;
}

/** Undefined when no customer can be made out: the bot was added alone, or the channel named nobody. */
export function addressOf(activity: SdkActivity, botId: string, caller?: Caller): Address | undefined {
  const { conversation, recipient, serviceUrl, locale } = activity;
  const user = userOf(activity);
  if (user === undefined || typeof conversation?.id !== 'string' || typeof activity.channelId !== 'string')
    return undefined;
  const { isGroup, conversationType } = conversation;
  const channelId = baseChannel(activity.channelId);
  return {
    channelId,
    customer: { id: user.id, ...(typeof user.name === 'string' && user.name !== '' ? { name: user.name } : {}) },
    key: JSON.stringify([botId, channelId, conversation.id, user.id]),
    isGroup: isGroup === true || conversationType === 'groupChat' || conversationType === 'channel',
    reference: {
      user,
      conversation,
      channelId: activity.channelId,
      ...(recipient === undefined ? {} : { bot: recipient }),
      ...(serviceUrl === undefined ? {} : { serviceUrl }),
      ...(locale === undefined ? {} : { locale }),
      ...(caller === undefined ? {} : { caller }),
    },
  };
}

/**
 * Unique for what happened once: a channel that did not hear our answer sends the activity again under the same id. Edits
 * come under the id of what they edit, so theirs has the time as well.
 */
export function clientKeyOf(activity: SdkActivity): string | undefined {
  const { channelId = '', conversation, id, type, timestamp } = activity;
  if (typeof id !== 'string' || id === '') return undefined;
  const parts: unknown[] = [baseChannel(channelId), conversation?.id, id];
  if (type === 'messageUpdate' || type === 'messageDelete') parts.push(type, timestamp);
  return `channel:${JSON.stringify(parts)}`;
}

/** What a bot's own code starts with continueConversationAsync; the names differ by SDK version. */
export function isContinuation({ type, name }: SdkActivity): boolean {
  return type === 'event' && typeof name === 'string' && name.toLowerCase() === 'continueconversation';
}

/** Membership is told by the channel itself: who was added is the customer, not who sent it. */
function userOf({
  type,
  from,
  recipient,
  conversation,
  membersAdded,
}: SdkActivity): (SdkAccount & { id: string }) | undefined {
  const isCustomer = (account: SdkAccount | undefined): account is SdkAccount & { id: string } =>
    typeof account?.id === 'string' &&
    account.id !== '' &&
    account.id !== recipient?.id &&
    account.id !== conversation?.id;
  const added = type === 'conversationUpdate' ? (membersAdded ?? []).filter(isCustomer) : [];
  if (added.length === 1) return added[0];
  return isCustomer(from) ? from : undefined;
}
