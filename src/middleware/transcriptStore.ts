// HandoffTranscriptStore: the SDKs' TranscriptStore over the hub's log, for what reads transcripts and what logs them.

import { archivedActivities, archivedPlace, isArchived } from '../core/archive.js';
import { activityId, type Activity } from '../core/activity.js';
import type { Conversation, Entry } from '../core/conversation.js';
import { readActivities } from '../core/projection.js';
import { allEntries, archiveIdOf, eraseConversation, keepInArchive } from '../hub/archive.js';
import type { Hub } from '../hub/hub.js';
import { baseChannel, type Reference, type SdkActivity } from './host.js';
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
const CONVERSATIONS_PER_READ = 200;
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
    const found: Said[] = [];
    for (const state of await this.#conversations(channelId, conversationId))
      found.push(...saidIn(state, await allEntries(this.hub.store, state.id), conversationId));
    // Conversations of the hub and the archive's are one to whoever reads: in the order in which they were said.
    found.sort((a, b) => a.at - b.at);
    const from = startDate?.getTime() ?? -Infinity;
    const after = continuationToken === undefined ? -1 : found.findIndex(({ token }) => token === continuationToken);
    const rest = found.slice(after + 1).filter(({ at }) => at >= from);
    const page = rest.slice(0, PAGE);
    return {
      items: page.map(({ activity }) => toSdk(activity) as unknown as A),
      continuationToken: (rest.length > PAGE ? page.at(-1)?.token : undefined) as string,
    };
  }

  /** Each conversation of the channel once, oldest first, 20 at a time. */
  async listTranscripts(channelId: string, continuationToken?: string): Promise<TranscriptPage<Transcript>> {
    requireText(channelId, 'channelId');
    const transcripts = new Map<string, Transcript>();
    for await (const state of this.#all(channelId)) {
      const id = conversationIdOf(state);
      if (await this.#isErased(state)) continue;
      const known = transcripts.get(id);
      if (known === undefined || known.created.getTime() > state.startedAt)
        transcripts.set(id, { channelId, id, created: new Date(state.startedAt) });
    }
    const sorted = [...transcripts.values()].sort((a, b) => a.created.getTime() - b.created.getTime());
    const after = continuationToken === undefined ? -1 : sorted.findIndex(({ id }) => id === continuationToken);
    const page = sorted.slice(after + 1, after + 1 + PAGE);
    const hasMore = after + 1 + PAGE < sorted.length;
    return { items: page, continuationToken: (hasMore ? page.at(-1)?.id : undefined) as string };
  }

  /** Erases it: nothing that was said in it, here or in the hub's own conversations of that place, can be read any more. */
  async deleteTranscript(channelId: string, conversationId: string): Promise<void> {
    requireText(channelId, 'channelId');
    requireText(conversationId, 'conversationId');
    for (const { id } of await this.#conversations(channelId, conversationId)) await eraseConversation(this.hub, id);
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
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([sending, new Promise((resolve) => (timer = setTimeout(resolve, SENDING_MS)))]);
    clearTimeout(timer);
    return isThere();
  }

  async #closed(customer: string, key: string): Promise<string[]> {
    const { items } = await this.hub.store.list({ customer }, EARLIER);
    return items.filter(({ channel }) => channel.key === key).map(({ id }) => id);
  }

  /** All that was said at this place: in the hub's conversations, one after another, and in the archive. */
  async #conversations(channelId: string, conversationId: string): Promise<Conversation[]> {
    const { store } = this.hub;
    const states: Conversation[] = [];
    const [archived, own] = await Promise.all([
      store.conversation(archiveIdOf({ channelId, conversationId })),
      store.conversation(conversationId),
    ]);
    if (archived !== undefined) states.push(archived);
    if (own?.channel.id === channelId && own.reference === undefined) return [own, ...states];
    for await (const state of this.#all(channelId))
      if (!isArchived(state) && state.id !== conversationId && conversationIdOf(state) === conversationId)
        states.push(state);
    return states;
  }

  async *#all(channelId: string): AsyncGenerator<Conversation> {
    let cursor: string | undefined;
    do {
      const page = await this.hub.store.list({}, CONVERSATIONS_PER_READ, cursor);
      for (const state of page.items) if (state.channel.id === channelId) yield state;
      cursor = page.next;
    } while (cursor !== undefined);
  }

  /** Nothing has been said since it was erased. */
  async #isErased({ id, version }: Conversation): Promise<boolean> {
    const [last] = await this.hub.entries(id, version - 1, 1);
    return last?.event.type === 'erased';
  }
}

interface Said {
  readonly at: number;
  readonly activity: Activity;
  readonly token: string;
}

/** The id under which the channel knows it. */
function conversationIdOf(state: Conversation): string {
  const place = archivedPlace(state);
  if (place !== undefined) return place.conversationId;
  const reference = state.reference as Reference | undefined;
  return reference?.conversation?.id ?? state.id;
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

function requireText(value: unknown, name: string): void {
  if (typeof value !== 'string' || value === '') throw new TypeError(`Missing ${name}`);
}
