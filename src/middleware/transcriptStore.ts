// HandoffTranscriptStore: the SDKs' TranscriptStore over the hub's log, for what reads transcripts and what logs them.

import { archivedActivities, isArchived } from '../core/archive.js';
import { activityId, type Activity } from '../core/activity.js';
import { channelPlaceOf, type ChannelPlace } from '../core/channelPlace.js';
import type { Conversation, Entry } from '../core/conversation.js';
import { readActivities } from '../core/projection.js';
import { allEntries, eraseConversation, keepInArchive } from '../hub/archive.js';
import type { Hub } from '../hub/hub.js';
import { within } from '../hub/patience.js';
import { baseChannel, type SdkActivity } from './host.js';
import { fromSdk, toSdk } from './sdkActivity.js';

export interface HandoffTranscriptStoreOptions {
  /** The bot whose conversations the hub carries, where handoffMiddleware does so: what is in its log is not kept twice. */
  botId?: string;
  /** The work stream under which conversations are filed that the hub did not carry; the first one unless set. */
  workStream?: string;
}

export interface TranscriptPage<T> {
  items: T[];
  continuationToken: string;
}

export interface Transcript {
  channelId: string;
  id: string;
  created: Date;
}

const PAGE = 20;
/** Readings that go on page by page are kept so long, so many at once: each page would else read all that was said there. */
const READING_LASTS_MS = 60_000;
const MOST_READINGS = 4;
/** Conversations of one customer that are asked whether they have an activity already. */
const EARLIER = 50;
/** What is being sent is waited for so long, to learn which id the channel gave it. */
const SENDING_MS = 1_000;
/** What the hub shows and does not record. */
const NEVER_KEPT = new Set(['typing', 'trace', 'delay', 'invokeResponse']);

/**
 * Give it to the SDK's `TranscriptLoggerMiddleware`: what a bot says and hears without the hub is then on disk, in the same
 * log, found by the console and by exports, and erased with everything else. What the hub has recorded itself is recognised
 * by its id. Read from it, conversations of the hub and of the archive are alike; `A` is the activity type of the SDK.
 */
export class HandoffTranscriptStore<A = never> {
  /** By place, those begun longest ago first. */
  readonly #readings = new Map<string, Reading>();

  constructor(
    private readonly hub: Hub,
    private readonly options: HandoffTranscriptStoreOptions = {},
  ) {}

  /** @throws TypeError when there is no activity. */
  async logActivity(logged: object): Promise<void> {
    if (typeof logged !== 'object' || logged === null) throw new TypeError('logActivity needs an activity.');
    const activity = fromSdk(logged as SdkActivity);
    const { conversation } = activity;
    if (activity.channelId === undefined || conversation?.id === undefined)
      throw new TypeError('An activity is logged under its channelId and conversation.id; this one has not both.');
    if (await this.#isRecorded(activity)) return;
    const { workStream = Object.keys(this.hub.directory.workStreams)[0] ?? '' } = this.options;
    const place = { channelId: baseChannel(activity.channelId), conversationId: conversation.id };
    await keepInArchive(this.hub.store, place, workStream, [activity], this.hub.clock.now());
  }

  /** In the order of the log, 20 at a time. */
  async getTranscriptActivities(
    channelId: string,
    conversationId: string,
    continuationToken?: string,
    startDate?: Date,
  ): Promise<TranscriptPage<A>> {
    requireText(channelId, 'channelId');
    requireText(conversationId, 'conversationId');
    const place = { channelId, conversationId };
    const found = await this.#said(place, continuationToken === undefined);
    const from = startDate?.getTime() ?? -Infinity;
    const after = continuationToken === undefined ? -1 : found.findIndex(({ token }) => token === continuationToken);
    const rest = found.slice(after + 1).filter(({ at }) => at >= from);
    const page = rest.slice(0, PAGE);
    if (rest.length <= PAGE) this.#readings.delete(keyOf(place));
    return {
      items: page.map(({ activity }) => toSdk(activity) as unknown as A),
      continuationToken: (rest.length > PAGE ? page.at(-1)?.token : undefined) as string,
    };
  }

  /** Each conversation of the channel once, oldest first, at most 20 at a time. */
  async listTranscripts(channelId: string, continuationToken?: string): Promise<TranscriptPage<Transcript>> {
    requireText(channelId, 'channelId');
    const items: Transcript[] = [];
    let cursor = continuationToken;
    do {
      const page = await this.hub.store.list({ channel: channelId, oldestFirst: true }, PAGE, cursor);
      for (const state of page.items)
        if (await this.#isFirstLeft(state))
          items.push({ channelId, id: channelPlaceOf(state).conversationId, created: new Date(state.startedAt) });
      cursor = page.next;
    } while (items.length === 0 && cursor !== undefined);
    return { items, continuationToken: cursor as string };
  }

  /** Erases it: nothing that was said in it, here or in the hub's own conversations of that place, can be read any more. */
  async deleteTranscript(channelId: string, conversationId: string): Promise<void> {
    requireText(channelId, 'channelId');
    requireText(conversationId, 'conversationId');
    for await (const { id } of this.#conversations({ channelId, conversationId }))
      await eraseConversation(this.hub, id);
  }

  async #isRecorded(activity: Activity): Promise<boolean> {
    const { hub } = this;
    const { id = '', conversation, channelId = '', from, recipient } = activity;
    const own = conversation?.id ?? '';
    if (id === '') return false;
    // A widget's conversation: the hub gave the id.
    if (id.startsWith(own) && (await hub.conversation(own)) !== undefined) return true;
    const { botId } = this.options;
    if (botId === undefined) return false;
    for (const customer of [from?.id, recipient?.id]) {
      if (customer === undefined) continue;
      const key = JSON.stringify([botId, baseChannel(channelId), own, customer]);
      // While one is under way, all that is said there goes through the hub.
      if ((await hub.store.findOpen(key)) !== undefined) return true;
      for (const conversationId of await this.#closed(customer, key)) {
        if (NEVER_KEPT.has(activity.type)) return true;
        // Under an id of the hub's own is what the channel gave none: what it told the bot, what it kept from the customer.
        if (id.startsWith(conversationId)) return true;
        if (await this.#isEntry(conversationId, id)) return true;
      }
    }
    return false;
  }

  /** The channel's id of what the hub has just sent is written a moment after the logger has it. */
  async #isEntry(conversationId: string, id: string): Promise<boolean> {
    const { hub } = this;
    const isThere = async () => (await hub.store.findEntry(conversationId, { channelActivityId: id })) !== undefined;
    if (await isThere()) return true;
    const sending = hub.outbox.underWay(conversationId, 'channel');
    if (sending === undefined) return isThere();
    // Bounded: a logger that is waited for in the very turn that sends would wait for itself.
    await within(SENDING_MS, sending);
    return isThere();
  }

  async #closed(customer: string, key: string): Promise<string[]> {
    const { items } = await this.hub.store.list({ customer }, EARLIER);
    return items.filter(({ channel }) => channel.key === key).map(({ id }) => id);
  }

  /**
   * What was said there, in order: as it was read for the page before, unless something has changed since. What is said is
   * not all in its own place (an edit is where it was made), so there is no reading from the middle of a log.
   */
  async #said(place: ChannelPlace, anew: boolean): Promise<readonly Said[]> {
    const states: Conversation[] = [];
    for await (const state of this.#conversations(place)) states.push(state);
    const key = keyOf(place);
    const now = this.hub.clock.now();
    const versions = JSON.stringify(states.map(({ id, version }) => [id, version]));
    const before = this.#readings.get(key);
    if (!anew && before?.versions === versions && now - before.at < READING_LASTS_MS) return before.said;
    const said: Said[] = [];
    for (const state of states)
      said.push(...saidIn(state, await allEntries(this.hub.store, state.id), place.conversationId));
    // Conversations of the hub and the archive's are one to whoever reads: in the order in which they were said.
    said.sort((a, b) => a.at - b.at);
    this.#readings.delete(key);
    this.#readings.set(key, { at: now, versions, said });
    const oldest = this.#readings.keys().next().value;
    if (this.#readings.size > MOST_READINGS && oldest !== undefined) this.#readings.delete(oldest);
    return said;
  }

  /** All that took place there, oldest first: the hub's conversations, one after another, and the archive's. */
  async *#conversations({ channelId, conversationId }: ChannelPlace): AsyncGenerator<Conversation> {
    const there = { channel: channelId, channelConversation: conversationId, oldestFirst: true };
    let cursor: string | undefined;
    do {
      const page = await this.hub.store.list(there, PAGE, cursor);
      yield* page.items;
      cursor = page.next;
    } while (cursor !== undefined);
  }

  /** Of all that took place there and is not erased, the first. */
  async #isFirstLeft(state: Conversation): Promise<boolean> {
    if (await this.#isErased(state)) return false;
    for await (const earlier of this.#conversations(channelPlaceOf(state))) {
      if (earlier.id === state.id) break;
      if (!(await this.#isErased(earlier))) return false;
    }
    return true;
  }

  /** Nothing has been said since it was erased. */
  async #isErased({ id, version }: Conversation): Promise<boolean> {
    for (let before = version; before > 0; before -= PAGE) {
      const after = Math.max(before - PAGE, 0);
      // What a channel refused, say, is told to the log whenever it is found out.
      for (const { event } of (await this.hub.entries(id, after, before - after)).toReversed())
        if (event.type === 'erased' || event.body !== undefined) return event.type === 'erased';
    }
    return false;
  }
}

interface Reading {
  /** Epoch milliseconds. */
  readonly at: number;
  /** Of all conversations of the place: with another one, another reading. */
  readonly versions: string;
  readonly said: readonly Said[];
}

interface Said {
  readonly at: number;
  readonly activity: Activity;
  readonly token: string;
}

function saidIn(state: Conversation, entries: readonly Entry[], conversationId: string): Said[] {
  if (isArchived(state))
    return entries.flatMap((entry) =>
      archivedActivities([entry]).map((activity) => ({
        at: entry.event.at,
        activity,
        token: activityId(entry.conversationId, entry.seq),
      })),
    );
  const bySeq = new Map(entries.map((entry) => [entry.seq, entry]));
  const names = { viewer: 'customer', nameOf: () => undefined } as const;
  return readActivities(entries, names).map(({ seq, activity }) => {
    const entry = bySeq.get(seq);
    const id = entry?.channelActivityId ?? activity.id;
    return {
      at: entry?.event.at ?? state.startedAt,
      activity: {
        channelId: state.channel.id,
        ...activity,
        conversation: { id: conversationId },
        ...(id === undefined ? {} : { id }),
      },
      token: activityId(state.id, seq),
    };
  });
}

function keyOf({ channelId, conversationId }: ChannelPlace): string {
  return JSON.stringify([channelId, conversationId]);
}

function requireText(value: unknown, name: string): void {
  if (typeof value !== 'string' || value === '') throw new TypeError(`Missing ${name}`);
}
