// react(event, state after) → effects: what a bot or a foreign channel must hear. It depends only on who spoke and who holds.

import type { Activity } from './activity.js';
import { holderOf, type Conversation, type ConversationEvent, type SessionSummary } from './conversation.js';

export type Effect =
  /** The activity of the entry itself; `always`: also when somebody else has the conversation by then. */
  | { readonly to: Addressee; readonly send: 'activity'; readonly always?: true }
  /** The entry at `target` changed or went away. */
  | { readonly to: Addressee; readonly send: 'update' | 'delete'; readonly target: number }
  /** conversationUpdate with membersAdded. */
  | { readonly to: Addressee; readonly send: 'members'; readonly members: readonly string[] }
  /** event omnichannelSetContext with the context as it is when it goes out. */
  | { readonly to: Addressee; readonly send: 'context' }
  /** event handoff.status. */
  | {
      readonly to: Addressee;
      readonly send: 'status';
      readonly state: 'accepted' | 'failed' | 'completed';
      readonly message?: string | SessionSummary;
    };

export type Addressee = { readonly bot: string } | 'channel';

/** `bot:{id}` or `channel`: effects for one party go out one after another. */
export function partyOf(to: Addressee): string {
  return to === 'channel' ? 'channel' : `bot:${to.bot}`;
}

/** The hub's own channel. A foreign channel may have the same id (Azure's Direct Line): only that one has a key. */
export const DIRECT_LINE = 'directline';

const HUBS_OWN_EVENTS = new Set(['handoff.status', 'omnichannelSetContext']);

const BOT_HEARS_ALWAYS = new Set(['invoke', 'conversationUpdate', 'installationUpdate']);

/** `observed`: by a work stream that only observes. Then what somebody said goes on to the other side, and nothing else goes out. */
export function react(event: ConversationEvent, after: Conversation, observed = false): Effect[] {
  const toBot = observed ? passedOn(event, after) : botEffects(event, after);
  return [...toBot, ...channelEffects(event, after)];
}

/** What the bot hears of a hub that only observes: the customer, and on the hub's own channel who is there. */
function passedOn(event: ConversationEvent, after: Conversation): Effect[] {
  const isOwnChannel = after.channel.key === undefined;
  if (event.type === 'said')
    return event.by.role === 'customer' && after.phase === 'bot'
      ? [{ to: { bot: after.bot }, send: 'activity', always: true }]
      : [];
  if (event.type === 'edited' || event.type === 'deleted') return botEffects(event, after);
  if (event.type === 'memberJoined') return isOwnChannel ? botEffects(event, after) : [];
  if (event.type === 'botConnected' && event.welcome)
    return [{ to: { bot: event.bot }, send: 'members', members: [event.bot, ...after.members] }];
  return [];
}

function botEffects(event: ConversationEvent, after: Conversation): Effect[] {
  switch (event.type) {
    case 'said': {
      if (event.by.role !== 'customer' || isHubsOwnEvent(event.body?.activity)) return [];
      const holder = holderOf(after);
      if (holder?.role === 'bot') return [{ to: { bot: holder.id }, send: 'activity' }];
      if (after.phase === 'agent' && after.assistant !== undefined && event.activityType === 'message')
        return [{ to: { bot: after.assistant }, send: 'activity' }];
      return after.lastBot !== undefined && BOT_HEARS_ALWAYS.has(event.activityType)
        ? [{ to: { bot: after.lastBot }, send: 'activity' }]
        : [];
    }
    case 'edited':
    case 'deleted': {
      if (event.by.role !== 'customer' || after.phase !== 'bot') return [];
      return [{ to: { bot: after.bot }, send: event.type === 'edited' ? 'update' : 'delete', target: event.target }];
    }
    case 'memberJoined':
      return after.phase === 'bot' ? [{ to: { bot: after.bot }, send: 'members', members: [event.member] }] : [];
    case 'botConnected': {
      const to = { bot: event.bot };
      return [
        ...(event.welcome ? [{ to, send: 'members', members: [event.bot, ...after.members] } as const] : []),
        { to, send: 'context' },
        ...(event.asked === undefined
          ? []
          : [{ to: { bot: event.asked }, send: 'status', state: 'accepted' } as const]),
      ];
    }
    case 'accepted':
      return after.escalatedBy === undefined
        ? []
        : [{ to: { bot: after.escalatedBy }, send: 'status', state: 'accepted' }];
    case 'returned': {
      const to = { bot: event.bot };
      const failed = event.reason === 'failed' || event.reason === 'cancelled' || event.message !== undefined;
      const outcome = failed
        ? ({ send: 'status', state: 'failed', message: event.message ?? event.reason } as const)
        : ({ send: 'status', state: 'completed', message: event.body?.session } as const);
      return [
        ...(event.welcome ? [{ to, send: 'members', members: [event.bot, ...after.members] } as const] : []),
        { to, send: 'context' },
        { to, ...outcome },
        ...(event.asked === undefined ? [] : [{ to: { bot: event.asked }, ...outcome }]),
      ];
    }
    case 'surveyStarted': {
      const to = { bot: event.bot };
      const isTold = after.escalatedBy === event.bot;
      return [
        ...(event.welcome ? [{ to, send: 'members', members: [event.bot, ...after.members] } as const] : []),
        { to, send: 'context' },
        ...(isTold ? [] : [{ to, send: 'status', state: 'completed', message: event.body?.session } as const]),
      ];
    }
    case 'ended':
      return after.escalatedBy === undefined
        ? []
        : [{ to: { bot: after.escalatedBy }, send: 'status', state: 'completed', message: event.body?.session }];
    case 'closed': {
      if (after.escalatedBy === undefined || event.from === 'bot' || event.from === 'wrapUp') return [];
      const to = { bot: after.escalatedBy };
      return event.from === 'queued' || event.from === 'offered'
        ? [{ to, send: 'status', state: 'failed', message: event.reason }]
        : [{ to, send: 'status', state: 'completed', message: event.body?.session }];
    }
    case 'started':
    case 'memberLeft':
    case 'contextSet':
    case 'routed':
    case 'drafted':
    case 'draftResolved':
    case 'noted':
    case 'told':
    case 'imported':
    case 'escalated':
    case 'escalationObserved':
    case 'queued':
    case 'offered':
    case 'declined':
    case 'lapsed':
    case 'withdrawn':
    case 'transferred':
    case 'parked':
    case 'resumed':
    case 'botFailed':
    case 'surveyEnded':
    case 'wrapUpEnded':
    case 'turnEnded':
    case 'disconnected':
    case 'reconnected':
    case 'joined':
    case 'left':
    case 'waitExtended':
    case 'deliveryFailed':
    case 'erased':
      return [];
  }
}

/** A bot cannot tell who sent it an event: what only the hub may say is kept in the log and not passed on. */
function isHubsOwnEvent(activity: Activity | undefined): boolean {
  return activity?.type === 'event' && HUBS_OWN_EVENTS.has(activity.name ?? '');
}

/** Customers of the hub's own channel read the log; everybody on a foreign one is sent what they should see. */
function channelEffects(event: ConversationEvent, after: Conversation): Effect[] {
  if (after.channel.key === undefined || event.audience !== 'everyone' || event.by.role === 'customer') return [];
  if (event.type === 'edited') return [{ to: 'channel', send: 'update', target: event.target }];
  if (event.type === 'deleted') return [{ to: 'channel', send: 'delete', target: event.target }];
  const isSpoken = event.type === 'said' || event.type === 'told' || event.type === 'closed';
  return isSpoken && event.body?.activity !== undefined ? [{ to: 'channel', send: 'activity' }] : [];
}
