// The activity an outbox row stands for, as the bot or channel reads it at the moment it goes out.

import { activityId, type Activity } from '../core/activity.js';
import { setContextValue } from '../core/context.js';
import type { Conversation, Entry } from '../core/conversation.js';
import type { Addressee } from '../core/react.js';
import type { Engine } from './engine.js';
import type { OutboxRow } from './ports.js';

/** The holder changed before the row went out: nobody is waiting for it any more. */
export const NO_LONGER_OWED = Symbol('no longer owed');

export interface Owed {
  activity: Activity;
  state: Conversation;
  entry: Entry;
}

export const activityFor = { row: rowActivity, signal: signalActivity };

async function rowActivity(
  hub: Engine,
  row: OutboxRow,
  known: Entry | undefined,
): Promise<Owed | typeof NO_LONGER_OWED> {
  // What is known here may be older than the row, where another node wrote it.
  const state = await hub.conversation(row.conversationId, row.seq);
  if (state === undefined) return NO_LONGER_OWED;
  const entry = known ?? (await hub.entries(row.conversationId, row.seq - 1, 1))[0];
  if (entry === undefined || isSuperseded(row, entry, state)) return NO_LONGER_OWED;
  const { effect } = row;
  const head = headOf(hub, state, effect.to, row.id, entry.event.at);
  switch (effect.send) {
    case 'activity': {
      const content = entry.event.body?.activity;
      if (content === undefined) return NO_LONGER_OWED;
      return {
        state,
        entry,
        // The empty one first, as in core's projection: 0.1 µs instead of 6.
        activity: { ...{}, ...content, ...head, id: activityId(state.id, row.seq), from: content.from ?? head.from },
      };
    }
    case 'update': {
      const content = entry.event.body?.activity;
      if (content === undefined) return NO_LONGER_OWED;
      const type = effect.to === 'channel' ? content.type : 'messageUpdate';
      const id = await idFor(hub, state, effect.to, effect.target);
      return { state, entry, activity: { ...content, ...head, type, id, from: content.from ?? head.from } };
    }
    case 'delete':
      return {
        state,
        entry,
        activity: { ...head, type: 'messageDelete', id: await idFor(hub, state, effect.to, effect.target) },
      };
    case 'members': {
      const membersAdded = effect.members.map((id) => accountOf(hub, state, id));
      return {
        state,
        entry,
        activity: {
          ...head,
          type: 'conversationUpdate',
          membersAdded,
          ...(state.locale === undefined ? {} : { locale: state.locale }),
        },
      };
    }
    case 'context':
      return {
        state,
        entry,
        activity: { ...head, type: 'event', name: 'omnichannelSetContext', value: setContextValue(state.context) },
      };
    case 'status': {
      const value = { state: effect.state, ...(effect.message === undefined ? {} : { message: effect.message }) };
      return { state, entry, activity: { ...head, type: 'event', name: 'handoff.status', value } };
    }
  }
}

function signalActivity(hub: Engine, state: Conversation, bot: string, activity: Activity): Activity {
  return {
    ...activity,
    ...headOf(hub, state, { bot }, `${state.id}|typing`, hub.clock.now()),
    from: activity.from ?? customerOf(state),
  };
}

/** Statuses are always told; what the customer said to a holder who is not it any more is not. */
function isSuperseded(row: OutboxRow, entry: Entry, state: Conversation): boolean {
  const { effect } = row;
  if (effect.to === 'channel' || effect.send === 'status') return false;
  if (entry.event.type === 'said' && entry.event.activityType !== 'message' && entry.event.audience === 'staff')
    return false;
  if (effect.send === 'activity' && effect.always === true) return false;
  return row.epoch !== state.epoch;
}

function headOf(hub: Engine, state: Conversation, to: Addressee, id: string, at: number) {
  const conversation = { id: to === 'channel' ? wireIdOf(state) : conversationIdFor(hub, state, to.bot) };
  const head = {
    id,
    timestamp: new Date(at).toISOString(),
    channelId: state.channel.id,
    serviceUrl: hub.serviceUrl,
    conversation,
  };
  if (to === 'channel') return { ...head, from: { id: 'system', role: 'bot' } };
  return { ...head, from: customerOf(state), recipient: accountOf(hub, state, to.bot) };
}

function customerOf(state: Conversation) {
  return {
    id: state.customer.id ?? state.id,
    ...(state.customer.name === undefined ? {} : { name: state.customer.name }),
    role: 'user',
  };
}

/** An account as bots see it: a bot of ours, the customer, or another id that spoke as the customer. */
export function accountOf(hub: Engine, state: Conversation, id: string) {
  const bot = hub.directory.bots[id];
  if (bot !== undefined) return { id, name: bot.name, role: 'bot' };
  return id === state.customer.id ? customerOf(state) : { id, role: 'user' };
}

/**
 * The conversation's id as this bot knows it. A bot that is behind the customer's own channel has that channel's; any other
 * bot it is handed to answers here, where the channel's id may mean nothing.
 */
export function conversationIdFor(hub: Engine, state: Conversation, botId: string): string {
  const { via } = state.channel;
  if (via === undefined || hub.bots.has(`${botId} ${via}`)) return wireIdOf(state);
  return hub.channels.get(via)?.takesBotCalls === true ? wireIdOf(state) : state.id;
}

/** On a foreign channel, the channel's own id. */
function wireIdOf(state: Conversation): string {
  if (state.channel.key === undefined) return state.id;
  const reference = state.reference as { conversation?: { id?: string } } | undefined;
  return reference?.conversation?.id ?? state.id;
}

async function idFor(hub: Engine, state: Conversation, to: Addressee, target: number): Promise<string> {
  if (to !== 'channel') return activityId(state.id, target);
  const [entry] = await hub.entries(state.id, target - 1, 1);
  return entry?.channelActivityId ?? activityId(state.id, target);
}
