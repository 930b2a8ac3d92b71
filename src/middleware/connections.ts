// The hub's two ends on the user's adapter: the channel it came in by, and the bot outside of a customer's turn.

import { seqOf, type Activity } from '../core/activity.js';
import { isObject } from '../core/context.js';
import type { Hub } from '../hub/hub.js';
import type { BotConnection, BotTurn, ChannelConnection, Delivery } from '../hub/ports.js';
import { baseChannel, forSdk, replaceActivity, type BotTurnContext, type Reference } from './host.js';
import type { LiveSends } from './liveSends.js';
import { deliveryFailed, type Reach, type Within } from './reach.js';
import { toSdk } from './sdkActivity.js';

/** Channels that hand events and the hub's own channelData to a client that can read them; to others they are an error. */
export const CLIENTS_READ_EVENTS = new Set(['emulator', 'directline', 'webchat', 'test', 'console']);

const passOn: Within = (_context, next) => next();

export function channelConnection(reach: Reach, sends: LiveSends): ChannelConnection {
  return {
    async send(activity: Activity, reference: unknown, delivery: Delivery) {
      const live = await sends.take(delivery.conversationId, delivery.seq);
      if (live !== undefined) return live;
      const to = reference as Reference;
      if (delivery.send !== 'activity') {
        // What the channel gave no id to cannot be changed there.
        if (seqOf(delivery.conversationId, activity.id) !== undefined) return {};
      } else if (activity.type !== 'message' && !CLIENTS_READ_EVENTS.has(baseChannel(to.channelId ?? ''))) {
        return {};
      }
      let channelActivityId: string | undefined;
      await own(reach, to, async (context) => {
        if (delivery.send === 'delete') return context.deleteActivity(activity.id ?? '');
        const content = forSdk(context, toSdk(contentFor(activity, to.channelId)));
        if (delivery.send === 'update')
          return void (await context.updateActivity({ ...content, id: activity.id ?? '' }));
        speakAs(context, activity.from?.name);
        channelActivityId = (await context.sendActivity(content))?.id;
      });
      return channelActivityId === undefined || channelActivityId === '' ? {} : { channelActivityId };
    },

    signal(activity: Activity, reference: unknown): void {
      if (activity.type !== 'typing') return;
      // Shown or not: nobody waits for it.
      own(reach, reference as Reference, async (context) => {
        speakAs(context, undefined);
        await context.sendActivity({ type: 'typing' });
      }).catch(() => undefined);
    },
  };
}

async function own(
  reach: Reach,
  reference: Reference,
  logic: (context: BotTurnContext) => Promise<void>,
): Promise<void> {
  try {
    await reach.turn(reference, passOn, logic);
  } catch (error) {
    throw deliveryFailed(error);
  }
}

/**
 * Runs the bot in a turn that no customer started. `begin` makes the turn's activity the one to be heard; `answerable` =
 * the channel knows its id.
 */
export type RunOutside = (
  reference: Reference,
  turn: BotTurn,
  begin: (context: BotTurnContext) => { answerable: boolean },
) => Promise<void>;

/** A customer's turn that waits for its place in the line: the outbox decides when it goes in, and whether. */
export interface WaitingTurn {
  run(turn: BotTurn): Promise<void>;
}

export function botConnection(
  hub: Hub,
  botId: string,
  waiting: ReadonlyMap<string, WaitingTurn>,
  runOutside: RunOutside,
): BotConnection {
  return {
    async deliver(activity: Activity, turn: BotTurn) {
      const customers = turn.key === undefined ? undefined : waiting.get(turnKey(turn.conversationId, turn.key));
      if (customers !== undefined) {
        await customers.run(turn);
        return undefined;
      }
      const state = await hub.conversation(turn.conversationId);
      const reference = state?.reference as Reference | undefined;
      if (reference === undefined)
        throw new Error(`Conversation ${turn.conversationId} did not come in by an adapter.`);
      const known = turn.answers === undefined ? undefined : await channelIdOf(hub, turn.conversationId, turn.answers);
      try {
        await runOutside(reference, turn, (context) => {
          putIn(context, known === undefined ? activity : { ...activity, id: known }, reference, botId);
          return { answerable: known !== undefined };
        });
      } catch (error) {
        // A bot that was there before the hub need not understand the hub's own events: no customer waits for an answer.
        if (turn.answers !== undefined) throw error;
        hub.log.warn(
          { err: error, bot: botId, event: activity.name ?? activity.type },
          'the bot did not take what the hub told it',
        );
      }
      return undefined;
    },
  };
}

export function turnKey(conversationId: string, key: string): string {
  return `${conversationId} ${key}`;
}

export async function channelIdOf(hub: Hub, conversationId: string, seq: number): Promise<string | undefined> {
  const [entry] = await hub.entries(conversationId, seq - 1, 1);
  return entry?.channelActivityId;
}

/** Makes the turn's activity the one the bot is to hear, addressed as the channel addresses its own. */
export function putIn(context: BotTurnContext, activity: Activity, reference: Reference, botId: string): void {
  replaceActivity(context, toSdk({ ...activity, ...addressing(activity, reference, botId) }));
}

/** Who speaks to whom, and where, as the channel would say it. */
export function addressing(activity: Activity, reference: Reference, botId: string): Partial<Activity> {
  const { membersAdded } = activity as { membersAdded?: { id: string }[] };
  return {
    channelId: reference.channelId,
    serviceUrl: reference.serviceUrl,
    conversation: reference.conversation,
    from: reference.user,
    recipient: reference.bot,
    ...(membersAdded === undefined
      ? {}
      : { membersAdded: membersAdded.map((member) => (member.id === botId ? reference.bot : member)) }),
  } as Partial<Activity>;
}

/** What the activity says, without the addresses and marks that are the hub's. */
export function contentFor(activity: Activity, channelId = ''): Activity {
  const {
    id: _id,
    timestamp: _at,
    channelId: _channel,
    serviceUrl: _url,
    conversation: _conversation,
    from: _from,
    recipient: _recipient,
    replyToId: _reply,
    ...content
  } = activity;
  if (!isObject(content.channelData) || CLIENTS_READ_EVENTS.has(baseChannel(channelId))) return content;
  // On some channels channelData is the channel's own message: a mark of ours in it would replace the text.
  const { handoff: _mark, ...own } = content.channelData;
  const { channelData: _data, ...rest } = content;
  return Object.keys(own).length === 0 ? rest : { ...rest, channelData: own };
}

/** Under the person's name, where the channel shows one, and as a new activity: it answers nothing the channel knows. */
function speakAs(context: BotTurnContext, name: string | undefined): void {
  context.onSendActivities(async (_context, activities, next) => {
    for (const activity of activities) {
      delete activity.replyToId;
      if (name !== undefined && activity.from !== undefined) activity.from = { ...activity.from, name };
    }
    return next();
  });
}
