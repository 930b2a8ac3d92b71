// Customers' activities on their way into the log: which conversation they belong to, in order, each once.

import { randomUUID } from 'node:crypto';
import type { Command } from '../core/commands.js';
import type { Conversation } from '../core/conversation.js';
import type { HandleOptions } from '../hub/engine.js';
import { newConversationId } from '../hub/conversationId.js';
import type { Hub } from '../hub/hub.js';
import { clientKeyOf, type Address } from './address.js';
import { turnKey, type WaitingTurn } from './connections.js';
import type { SdkActivity } from './host.js';
import { isStoreUnavailable } from './outgoing.js';
import { fromSdk } from './sdkActivity.js';

export interface IntakeOptions {
  readonly botId: string;
  /** Name of the channel connection. */
  readonly via: string;
  /** The only one there is, unless set. */
  readonly workStream: string | undefined;
  /** What must be done with a new activity before it can be recorded; it may take the time that a channel waits. */
  readonly prepare?: (activity: SdkActivity, conversationId: string) => Promise<SdkActivity>;
}

/** Where a customer's activity was recorded, and under which key its turn waits. */
export interface Heard {
  readonly conversationId: string;
  readonly seq: number;
  readonly turnKey: string;
}

/** Types that do not open a conversation by themselves. */
export const SAYS_LITTLE = new Set([
  'typing',
  'messageUpdate',
  'messageDelete',
  'messageReaction',
  'endOfConversation',
]);

const OBSERVED: HandleOptions = { observed: true };

/** Customers whose conversation is remembered without asking the store. */
const REMEMBERED = 2_000;
/** Conversations of the same customer looked at for the one before. */
const EARLIER = 50;
const RECORD_ATTEMPTS = 3;

export class Intake {
  /** Customers' turns that wait for their place in line, by conversation and key. */
  readonly waiting = new Map<string, WaitingTurn>();
  /** One after another per customer: what arrives first is first in the log. */
  readonly #arrivals = new Map<string, Promise<unknown>>();
  readonly #conversations = new Map<string, string>();

  constructor(
    private readonly hub: Hub,
    private readonly options: IntakeOptions,
  ) {}

  /**
   * Commits the activity; from then on `live` waits to be run as the bot's turn. Opens a conversation when the customer
   * has none. @returns undefined when the same activity was recorded before. @throws StoreUnavailable.
   */
  record(activity: SdkActivity, address: Address, live: WaitingTurn): Promise<Heard | undefined> {
    return this.#inOrder(address.key, () => this.#record(activity, address, live));
  }

  /**
   * Commits what the bot hears without the hub. @returns undefined when the customer has no conversation, and this activity
   * opens none. @throws StoreUnavailable.
   */
  observe(activity: SdkActivity, address: Address): Promise<Heard | undefined> {
    return this.#inOrder(address.key, async () => {
      if (SAYS_LITTLE.has(activity.type) && (await this.find(address)) === undefined) return undefined;
      return this.#record(activity, address);
    });
  }

  /** The customer's open conversation, opened if there is none, for a bot that has something to ask of the hub. */
  open(activity: SdkActivity, address: Address, options?: HandleOptions): Promise<string> {
    return this.#inOrder(address.key, async () => {
      const found = await this.find(address);
      if (found !== undefined) return found;
      const id = newConversationId();
      await this.hub.handle(id, this.#start(id, address, activity, await this.#previous(address)), options);
      this.#remember(address.key, id);
      return id;
    });
  }

  /**
   * A conversation between two stays one while it is open, whatever a later activity of the channel says: taken for a
   * group's, it would go past the person who has it to the bot.
   */
  async placed<A extends Address | undefined>(address: A): Promise<A> {
    if (address?.isGroup !== true) return address;
    const open = await this.find(address).catch((error: unknown) => {
      if (isStoreUnavailable(error)) return undefined;
      throw error;
    });
    return open === undefined ? address : { ...address, isGroup: false };
  }

  /** What is known here without asking the store. */
  known({ key }: Address): Conversation | undefined {
    const id = this.#conversations.get(key);
    return id === undefined ? undefined : this.hub.known(id);
  }

  /** The customer's open conversation. */
  async find({ key }: Address): Promise<string | undefined> {
    const remembered = this.#conversations.get(key);
    const state = remembered === undefined ? undefined : await this.hub.conversation(remembered);
    if (state !== undefined && state.phase !== 'closed') return state.id;
    const id = await this.hub.store.findOpen(key);
    if (id !== undefined) this.#remember(key, id);
    return id;
  }

  /** The activity as a command: edits and deletions are about what the customer said before. */
  async said(conversationId: string, activity: SdkActivity, address: Address): Promise<Command> {
    const by = { role: 'customer', id: address.customer.id } as const;
    const { serviceUrl: _url, callerId: _caller, ...said } = fromSdk(activity);
    const content = { ...said, from: { ...address.reference.user, id: by.id, role: 'user' } };
    if (activity.type === 'messageUpdate' || activity.type === 'messageDelete') {
      const target = await this.hub.store.findEntry(conversationId, { channelActivityId: activity.id ?? '' });
      if (target?.event.by.id === by.id) {
        const about = { by, target: target.seq, author: target.event.by, audience: target.event.audience };
        return activity.type === 'messageDelete'
          ? { type: 'delete', ...about }
          : { type: 'edit', ...about, activity: { ...content, type: 'message' } };
      }
    }
    return {
      type: 'say',
      by,
      activity: content,
      ...(activity.id === undefined ? {} : { channelActivityId: activity.id }),
    };
  }

  /** Without `live` the turn is under way past the hub: also what was recorded before is answered again. */
  async #record(activity: SdkActivity, address: Address, live?: WaitingTurn): Promise<Heard | undefined> {
    const { prepare } = this.options;
    const key = clientKeyOf(activity) ?? `channel:${randomUUID()}`;
    for (let attempt = 1; ; attempt += 1) {
      const found = await this.find(address);
      const conversationId = found ?? newConversationId();
      const commands: Command[] = [];
      if (found === undefined) {
        const previous = await this.#previous(address);
        if (previous !== undefined && (await this.hub.store.findEntry(previous.id, { key })) !== undefined)
          return undefined;
        commands.push(this.#start(conversationId, address, activity, previous));
      }
      const place = turnKey(conversationId, key);
      if (this.waiting.has(place)) return undefined;
      if (prepare !== undefined && (await this.hub.store.findEntry(conversationId, { key })) !== undefined)
        return undefined;
      const ready = (await prepare?.(activity, conversationId)) ?? activity;
      commands.push({ ...(await this.said(conversationId, ready, address)), key });
      if (live !== undefined) this.waiting.set(place, live);
      try {
        const { seqs, repeated } = await this.hub.handle(conversationId, commands, live === undefined ? OBSERVED : {});
        this.#remember(address.key, conversationId);
        const seq = seqs.at(-1);
        if (seq !== undefined && (!repeated || live === undefined)) return { conversationId, seq, turnKey: place };
        this.waiting.delete(place);
        return undefined;
      } catch (error) {
        this.waiting.delete(place);
        // Closed, or opened by another node, between the look and the commit.
        const { code } = error as { code?: string };
        if ((code !== 'conversationClosed' && code !== 'conversationExists') || attempt === RECORD_ATTEMPTS)
          throw error;
        this.#conversations.delete(address.key);
      }
    }
  }

  #start(id: string, address: Address, activity: SdkActivity, previous: Conversation | undefined): Command {
    const { channelId, key, customer, reference } = address;
    const { botId } = this.options;
    const begins = activity.type === 'conversationUpdate' || activity.type === 'installationUpdate';
    return {
      type: 'start',
      id,
      workStream: this.options.workStream ?? Object.keys(this.hub.directory.workStreams)[0] ?? '',
      channel: { id: channelId, key, via: this.options.via },
      customer: customer.id,
      ...(customer.name === undefined ? {} : { customerName: customer.name }),
      ...(typeof activity.locale === 'string' ? { locale: activity.locale } : {}),
      ...(previous === undefined ? {} : { previous: previous.id }),
      reference: JSON.parse(JSON.stringify(reference)) as unknown,
      // A bot that was taken out of the configuration begins nothing: the rules say who does.
      ...(this.hub.directory.bots[botId] === undefined
        ? {}
        : previous === undefined && !begins
          ? { adoptedBot: botId }
          : { frontBot: botId }),
    };
  }

  #remember(key: string, conversationId: string): void {
    this.#conversations.delete(key);
    this.#conversations.set(key, conversationId);
    if (this.#conversations.size <= REMEMBERED) return;
    const oldest = this.#conversations.keys().next().value;
    if (oldest !== undefined) this.#conversations.delete(oldest);
  }

  async #previous({ key, customer }: Address): Promise<Conversation | undefined> {
    const { items } = await this.hub.store.list({ customer: customer.id }, EARLIER);
    return items.find(({ channel }) => channel.key === key);
  }

  async #inOrder<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#arrivals.get(key);
    const turn = before === undefined ? work() : before.then(work, work);
    this.#arrivals.set(key, turn);
    try {
      return await turn;
    } finally {
      if (this.#arrivals.get(key) === turn) this.#arrivals.delete(key);
    }
  }
}
