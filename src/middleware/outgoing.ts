// What becomes of a bot's words in one turn: recorded and sent, recorded for staff only, consumed as a signal, or passed on.

import { seqOf, type Activity } from '../core/activity.js';
import { readSignal } from '../core/escalation.js';
import { reaches } from '../core/floor.js';
import type { Hub } from '../hub/hub.js';
import type { BotTurnContext, ResourceResponse, SdkActivity } from './host.js';
import { shownSeqs, type LiveSends } from './liveSends.js';
import { fromSdk } from './sdkActivity.js';

/** The turn as the hub knows it. */
export interface Recorded {
  readonly conversationId: string;
  /** seq of the entry the bot answers; undefined for what it says unasked. */
  readonly answers: number | undefined;
  /** Commits what the bot says, whole or not at all. */
  say(activities: readonly Activity[]): Promise<{ id: string }[]>;
}

/** Why an escalation cannot be taken, as the bot reads it in `handoff.status`. */
export type Refusal = 'groupConversation' | 'hubUnavailable';

export interface OutgoingOptions {
  readonly hub: Hub;
  readonly botId: string;
  readonly sends: LiveSends;
  /** Opens a conversation for a turn that has none when the bot escalates in it; undefined where that is not possible. */
  readonly open?: () => Promise<Recorded>;
  /** The text for a customer whose escalation cannot be taken; undefined when it was told before. */
  readonly refusal: (why: Refusal) => Promise<string | undefined>;
  /** Whether customers keep their bot while the store cannot be written. */
  readonly passThrough: boolean;
  /** Why the turn has no conversation, when it has none. */
  readonly why: Refusal;
}

type SendNow = (activity: Partial<SdkActivity>) => Promise<string | undefined>;

export class Outgoing {
  /** Set when an escalation was refused in this turn. */
  refused: Refusal | undefined;
  #recorded: Recorded | undefined;
  /** Replies to what the channel does not know are sent as new activities. */
  #unanswerable = false;
  readonly #pending = new Set<Promise<unknown>>();

  constructor(
    context: BotTurnContext,
    private readonly options: OutgoingOptions,
  ) {
    context.onSendActivities((_context, activities, next) => this.#track(this.#send(activities, next)));
    context.onUpdateActivity((_context, activity, next) => this.#track(this.#update(activity, next)) as Promise<void>);
    context.onDeleteActivity((_context, reference, next) => this.#track(this.#delete(reference, next)));
  }

  record(recorded: Recorded, unanswerable = false): void {
    this.#recorded = recorded;
    this.#unanswerable = unanswerable;
  }

  /** Resolves when everything the bot began to send has gone its way, also what it did not wait for. */
  async finished(): Promise<void> {
    while (this.#pending.size > 0) await Promise.allSettled(this.#pending);
  }

  async #track<T>(work: Promise<T>): Promise<T> {
    this.#pending.add(work);
    try {
      return await work;
    } finally {
      this.#pending.delete(work);
    }
  }

  async #send(
    activities: Partial<SdkActivity>[],
    next: () => Promise<ResourceResponse[]>,
  ): Promise<ResourceResponse[]> {
    const all = [...activities];
    // The SDK sends what is in its array when `next` is called: so single activities can go, each at its own time.
    const sendNow: SendNow = async (activity) => {
      if (this.#unanswerable) delete activity.replyToId;
      activities.splice(0, activities.length, activity);
      const [response] = (await next()) ?? [];
      return response?.id;
    };
    const responses: ResourceResponse[] = all.map(() => ({ id: '' }));
    let batch: number[] = [];
    const flush = async () => {
      const indices = batch;
      batch = [];
      if (indices.length === 0) return;
      const ids = await this.#say(
        indices.map((index) => all[index] as Partial<SdkActivity>),
        sendNow,
      );
      for (const [position, index] of indices.entries()) responses[index] = { id: ids[position] ?? '' };
    };
    try {
      for (const [index, activity] of all.entries()) {
        if (isKept(activity)) {
          batch.push(index);
        } else {
          await flush();
          if (await this.#mayPass(activity)) responses[index] = { id: (await sendNow(activity)) ?? '' };
        }
      }
      await flush();
    } finally {
      // Middleware outside of this one reads what was sent from the same array.
      activities.splice(0, activities.length, ...all);
    }
    return responses;
  }

  /** Typing is fenced like texts; delays, traces and invoke responses are between the bot and its adapter. */
  async #mayPass(activity: Partial<SdkActivity>): Promise<boolean> {
    if (activity.type !== 'typing' || this.#recorded === undefined) return true;
    const { hub, botId } = this.options;
    const { conversationId, answers } = this.#recorded;
    await hub.signal(conversationId, { role: 'bot', id: botId }, fromSdk(activity), answers);
    const state = await hub.conversation(conversationId);
    return state === undefined || reaches(state, botId, answers, hub.directory);
  }

  async #say(batch: Partial<SdkActivity>[], sendNow: SendNow): Promise<string[]> {
    const plain = batch.map(fromSdk);
    const { open, why } = this.options;
    try {
      if (this.#recorded === undefined && open !== undefined && plain.some(escalates)) this.#recorded = await open();
      if (this.#recorded === undefined) return await this.#sayUnrecorded(batch, plain, sendNow, why);
      return await this.#sayRecorded(this.#recorded, batch, plain, sendNow);
    } catch (error) {
      if (!isStoreUnavailable(error) || !this.#botHolds()) throw error;
      this.options.hub.log.warn(
        { err: error, bot: this.options.botId },
        'what a bot said was sent without being recorded',
      );
      return this.#sayUnrecorded(batch, plain, sendNow, 'hubUnavailable');
    }
  }

  async #sayRecorded(
    recorded: Recorded,
    batch: Partial<SdkActivity>[],
    plain: Activity[],
    sendNow: SendNow,
  ): Promise<string[]> {
    const { conversationId } = recorded;
    let ids: { id: string }[] = [];
    const given = await this.options.sends.through(
      conversationId,
      async () => {
        ids = await recorded.say(plain);
        return shownSeqs(this.options.hub, conversationId, ids, plain);
      },
      batch.map((activity) => () => sendNow(activity)),
    );
    return ids.map(({ id }, index) => given[index] ?? id);
  }

  /** Nobody is queued and nothing is kept: texts go their way, an escalation is refused in so many words. */
  async #sayUnrecorded(
    batch: Partial<SdkActivity>[],
    plain: Activity[],
    sendNow: SendNow,
    why: Refusal,
  ): Promise<string[]> {
    const ids: string[] = [];
    for (const [index, activity] of batch.entries()) {
      const said = plain[index] as Activity;
      if (escalates(said)) {
        this.refused = why;
        const text = await this.options.refusal(why);
        if (text !== undefined) await sendNow(textLike(activity, text));
        ids.push('');
      } else {
        const passes = isContent(said) || said.type === 'endOfConversation';
        ids.push((passes ? await sendNow(activity) : undefined) ?? '');
      }
    }
    return ids;
  }

  async #update(activity: Partial<SdkActivity>, next: () => Promise<unknown>): Promise<unknown> {
    const { hub, botId } = this.options;
    const id = activity.id ?? '';
    let response: unknown = { id };
    const commit = (conversationId: string) => hub.botEdits(conversationId, botId, id, fromSdk(activity));
    await this.#change(id, commit, async () => {
      response = await next();
    });
    return response;
  }

  #delete(reference: { activityId?: string }, next: () => Promise<unknown>): Promise<void> {
    const { hub, botId } = this.options;
    const id = reference.activityId ?? '';
    return this.#change(id, (conversationId) => hub.botDeletes(conversationId, botId, id), next);
  }

  async #change(
    id: string,
    commit: (conversationId: string) => Promise<{ seq: number | undefined }>,
    next: () => Promise<unknown>,
  ): Promise<void> {
    if (this.#recorded === undefined) return void (await next());
    const { conversationId, answers } = this.#recorded;
    // The channel has nothing under an id that the hub made up.
    const send = seqOf(conversationId, id) === undefined ? () => next().then(() => undefined) : undefined;
    try {
      await this.options.sends.through(conversationId, async () => [(await commit(conversationId)).seq], [send]);
    } catch (error) {
      if (isStoreUnavailable(error) && this.#botHolds()) return void (await next());
      if ((error as { code?: string }).code !== 'notFound') throw error;
      // Sent before the hub was there: the bot may change it while it holds the conversation.
      const state = await this.options.hub.conversation(conversationId);
      const { hub, botId } = this.options;
      if (state !== undefined && reaches(state, botId, answers, hub.directory)) await next();
    }
  }

  /** Whether the customer keeps the bot without the hub, as far as is known here. */
  #botHolds(): boolean {
    if (!this.options.passThrough || this.#recorded === undefined) return false;
    const { conversationId, answers } = this.#recorded;
    const { hub, botId } = this.options;
    const state = hub.known(conversationId);
    return state === undefined || reaches(state, botId, answers, hub.directory);
  }
}

export function isStoreUnavailable(error: unknown): boolean {
  return (error as { code?: string } | undefined)?.code === 'StoreUnavailable';
}

/** What the log keeps, texts and signals alike. */
export function isKept({ type }: Partial<SdkActivity>): boolean {
  return type !== 'typing' && type !== 'delay' && type !== 'trace' && type !== 'invokeResponse';
}

function isContent(activity: Activity): boolean {
  return readSignal(activity).kind === 'none';
}

export function escalates(activity: Activity): boolean {
  return readSignal(activity).kind === 'escalate';
}

/** A text to the same customer by the same way, of the same class where the SDK has one. */
function textLike(activity: Partial<SdkActivity>, text: string): Partial<SdkActivity> {
  const { channelId, serviceUrl, conversation, from, recipient, replyToId, locale } = activity;
  const addressed = { channelId, serviceUrl, conversation, from, recipient, replyToId, locale };
  const alike = Object.create(Object.getPrototypeOf(activity) as object) as Partial<SdkActivity>;
  return Object.assign(alike, { type: 'message', text }, addressed);
}
