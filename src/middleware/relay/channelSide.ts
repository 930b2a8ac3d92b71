// The channel's side of a relayed bot: what the hub owes customers there, and what a bot says to them, in the order of the log.

import { randomUUID } from 'node:crypto';
import { seqOf, type Activity } from '../../core/activity.js';
import type { ChannelConnection, Delivery } from '../../hub/ports.js';
import { CLIENTS_READ_EVENTS, contentFor } from '../connections.js';
import type { Reference } from '../host.js';
import type { LiveSends } from '../liveSends.js';
import { idIn, requireTaken, type ChannelHttp } from './channelHttp.js';
import type { Place, Places } from './places.js';

export class ChannelSide implements ChannelConnection {
  readonly takesBotCalls = true;
  /** Channels that wait for the replies in the answer of their call (expectReplies), by the channel's conversation. */
  readonly #gathered = new Map<string, Activity[]>();

  constructor(
    readonly http: ChannelHttp,
    private readonly places: Places,
    private readonly sends: LiveSends,
  ) {}

  /** What people say, what the hub says, and what a crash or a channel that was down left unsent. */
  async send(activity: Activity, reference: unknown, delivery: Delivery): Promise<{ channelActivityId?: string }> {
    const live = await this.sends.take(delivery.conversationId, delivery.seq);
    if (live !== undefined) return live;
    const place = await this.#placeOf(reference as Reference);
    if (delivery.send !== 'activity') {
      // What the channel gave no id to cannot be changed there.
      if (seqOf(delivery.conversationId, activity.id) !== undefined) return {};
    } else if (activity.type !== 'message' && !CLIENTS_READ_EVENTS.has(place.channelId)) {
      return {};
    }
    const content = { ...contentFor(activity, place.channelId), ...addressed(place, activity.from?.name) };
    switch (delivery.send) {
      case 'delete':
        await this.change('DELETE', place, activity.id ?? '');
        return {};
      case 'update':
        await this.change('PUT', place, activity.id ?? '', { ...content, id: activity.id ?? '' });
        return {};
      case 'activity': {
        const id = await this.post(place, content);
        return id === undefined ? {} : { channelActivityId: id };
      }
    }
  }

  signal(activity: Activity, reference: unknown): void {
    if (activity.type !== 'typing') return;
    // Shown or not: nobody waits for it.
    this.#placeOf(reference as Reference)
      .then((place) => this.post(place, { type: 'typing', ...addressed(place) }))
      .catch(() => undefined);
  }

  /** @returns the id the channel gave to it. @throws ChannelRefused, DeliveryFailed. */
  async post(place: Place, activity: Activity, replyToId?: string): Promise<string | undefined> {
    const gathered = this.#gathered.get(place.conversation.id);
    if (gathered !== undefined) {
      const id = randomUUID();
      gathered.push({ ...activity, id, ...(replyToId === undefined ? {} : { replyToId }) });
      return id;
    }
    const tail = replyToId === undefined ? '' : `/${encodeURIComponent(replyToId)}`;
    const url = `${activitiesOf(place)}${tail}`;
    const said = replyToId === undefined ? activity : { ...activity, replyToId };
    return idIn(requireTaken(await this.http.call(place.serviceUrl, { method: 'POST', url, body: bytesOf(said) })));
  }

  /** @throws ChannelRefused, DeliveryFailed. */
  async change(method: 'PUT' | 'DELETE', place: Place, id: string, activity?: Activity): Promise<void> {
    const url = `${activitiesOf(place)}/${encodeURIComponent(id)}`;
    const body = activity === undefined ? {} : { body: bytesOf(activity) };
    requireTaken(await this.http.call(place.serviceUrl, { method, url, ...body }));
  }

  /** From now on what is for this conversation is kept for the answer of the channel's call. */
  gather(channelConversation: string): { take(): Activity[] } {
    const gathered: Activity[] = [];
    this.#gathered.set(channelConversation, gathered);
    return {
      take: () => {
        if (this.#gathered.get(channelConversation) === gathered) this.#gathered.delete(channelConversation);
        return gathered;
      },
    };
  }

  /** The serviceUrl that the channel named last counts: it may have moved since the conversation began. */
  async #placeOf(reference: Reference): Promise<Place> {
    const { channelId = '', serviceUrl = '', conversation = { id: '' }, user, bot = { id: '' } } = reference;
    const known = await this.places.of(conversation.id);
    return {
      channelId,
      serviceUrl: known?.serviceUrl ?? serviceUrl,
      conversation,
      ...(user === undefined ? {} : { user }),
      bot,
      isGroup: false,
    } as Place;
  }
}

/** From the bot's account, under the name of who speaks: channels know nobody else there. */
export function addressed({ channelId, serviceUrl, conversation, bot, user }: Place, name?: string): Partial<Activity> {
  return {
    channelId,
    serviceUrl,
    conversation,
    from: { ...bot, ...(name === undefined ? {} : { name }) },
    ...(user === undefined ? {} : { recipient: user }),
  } as unknown as Partial<Activity>;
}

function activitiesOf({ conversation }: Place): string {
  return `/v3/conversations/${encodeURIComponent(conversation.id)}/activities`;
}

function bytesOf(activity: Activity): Buffer {
  return Buffer.from(JSON.stringify(activity));
}

/** Ids that the hub made up mean nothing to the channel. */
export function isHubsOwnId(conversationId: string, id: string): boolean {
  return id.startsWith(`${conversationId}|`) || id.startsWith(`${conversationId}/`);
}
