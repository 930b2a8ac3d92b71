// One chat account of one person, at the node that holds it: everything that happens to it goes one after another, and what
// it is owed is told in the end.

import type { TurnContext } from 'botbuilder';
import type { Activity } from '../../core/activity.js';
import { Conflict } from '../../errors.js';
import type { Hub } from '../../hub/hub.js';
import { within } from '../../hub/patience.js';
import { saidKey } from '../commands.js';
import { Pace } from '../pace.js';
import { entriesAfter, originalsOf } from '../reading.js';
import { idOf, type Account, type Accounts } from './accounts.js';
import { PRESENCE_WORDS } from './asks.js';
import { troubleOf, type ChatChannel } from './channel.js';
import { isNewcomer, newSlot, news, stageOf, text, type Reading, type Slot, type Step } from './news.js';

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;
/** Channels show typing for a few seconds; more often would only be traffic. */
const TYPING_MS = 3_000;
const CLOSE_WITHIN_MS = 1_000;

export interface SeatOptions {
  readonly accounts: Accounts;
  readonly channel: ChatChannel;
  /** Public origin of this server. */
  readonly origin: () => string;
}

export class Seat {
  readonly id: string;
  #account: Account;
  #line: Promise<unknown> = Promise.resolve();
  /** Conversations whose news wait for their place in line. */
  readonly #touched = new Set<string>();
  /** Conversations whose news did not get through. */
  readonly #owed = new Set<string>();
  /** Conversations whose news wait until it is sure that no other node tells them. */
  readonly #unsure = new Set<string>();
  readonly #watched = new Map<string, () => void>();
  readonly #typing = new Pace(TYPING_MS, (id) => this.#showTyping(id));
  #retry: NodeJS.Timeout | undefined;
  #attempts = 0;
  /** Nothing new begins here: another node goes on. */
  #isLeaving = false;
  #closed = false;
  /** The channel takes nothing until the person writes again. */
  #silenced = false;

  constructor(
    private readonly hub: Hub,
    private readonly options: SeatOptions,
    account: Account,
  ) {
    const presence = account.presence ?? hub.people.row(account.person)?.presence;
    this.#account = presence === undefined ? account : { ...account, presence };
    this.id = idOf(account);
  }

  get account(): Account {
    return this.#account;
  }

  /** Whoever comes now must look for the account anew. */
  get isLeaving(): boolean {
    return this.#isLeaving || this.#closed;
  }

  /** What is said through this account has log keys that begin so. */
  get clientIds(): string {
    return `chat:${this.id}:`;
  }

  slotOf(conversationId: string): Slot | undefined {
    return this.#account.slots.find(({ conversation }) => conversation === conversationId);
  }

  /** Exclusively: nothing else happens to the account meanwhile. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#line.then(work);
    this.#line = done.catch(() => undefined);
    return done;
  }

  /** The person wrote: whatever was in the way of writing to them is worth another try. */
  heard(reference: Account['reference'], timeZone: string | undefined): Promise<void> {
    this.#silenced = false;
    this.#attempts = 0;
    const { timeZone: _zone, ...rest } = this.#account;
    const account = { ...rest, reference, ...(timeZone !== undefined && { timeZone }) };
    const changed = JSON.stringify([account.reference, timeZone]) !== JSON.stringify([this.#account.reference, _zone]);
    if (changed) return this.keep(account);
    return Promise.resolve();
  }

  /** @throws Conflict when another node holds the account by now: nothing more happens here. */
  async keep(account: Account): Promise<void> {
    this.#account = account;
    try {
      await this.options.accounts.save(account);
    } catch (error) {
      if (error instanceof Conflict) this.#end();
      throw error;
    }
  }

  /** Whether the person was last shown the conversation as one of theirs. */
  shows(conversationId: string): boolean {
    const slot = this.slotOf(conversationId);
    return slot !== undefined && slot.stage !== 'gone';
  }

  /** Something happened in the conversation: it is told in its turn. */
  touch(conversationId: string): void {
    if (this.isLeaving || this.#touched.has(conversationId)) return;
    if (this.#silenced || this.#retry !== undefined) return void this.#owed.add(conversationId);
    this.#touched.add(conversationId);
    this.run(async () => {
      this.#touched.delete(conversationId);
      await this.showNews(conversationId);
    }).catch((error: unknown) => {
      this.hub.log.error({ err: error, conversation: conversationId }, 'a person could not be told what happened');
    });
  }

  /** After `heard`, or when the time for another try has come. */
  catchUp(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const owed = [...this.#owed];
    this.#owed.clear();
    for (const id of owed) this.touch(id);
  }

  /** The account is still held here. */
  goOn(): void {
    const unsure = [...this.#unsure];
    this.#unsure.clear();
    for (const id of unsure) this.touch(id);
  }

  /** Within `run`. Tells what is new of one conversation; what does not get through is tried again. */
  async showNews(conversationId: string, turn?: TurnContext): Promise<void> {
    if (this.#closed) return;
    const state = await this.hub.conversation(conversationId);
    if (state === undefined) return;
    const { person } = this.#account;
    const stage = stageOf(state, person);
    let slot = this.slotOf(conversationId);
    if (slot === undefined) {
      if (stage === 'gone') return;
      slot = newSlot(state, this.#account.nextNumber);
      this.#put(slot, { nextNumber: slot.number + 1 });
    }
    if (stage === 'held' && this.#account.current === undefined) this.#put(slot, { current: conversationId });
    const newcomer = isNewcomer(slot, state, person);
    const entries = (await entriesAfter(this.hub, conversationId, newcomer ? 0 : slot.seq)).filter(
      ({ seq }) => seq <= state.version,
    );
    const reading: Reading = {
      person,
      state,
      entries,
      original: await originalsOf(this.hub, conversationId, entries),
      directory: this.hub.directory,
      now: this.hub.clock.now(),
      timeZone: this.#account.timeZone,
      current: this.#account.current === conversationId,
      ownKeys: saidKey(person, this.clientIds),
      origin: this.options.origin(),
    };
    this.#follow(conversationId, stage === 'held' || stage === 'wrapUp');
    await this.#show(news(slot, reading), turn);
  }

  /** Sends; a message the channel will not take as it is goes out in plain words. @throws when nothing gets through. */
  async tell(activity: Activity, turn?: TurnContext): Promise<string | undefined> {
    const { channel } = this.options;
    const { reference } = this.#account;
    try {
      return await channel.send(reference, activity, turn);
    } catch (error) {
      if (troubleOf(error) !== 'refused') throw error;
      this.hub.log.warn({ err: error, channel: reference.channelId }, 'the channel refused a message: it goes as text');
      return channel.send(reference, text(activity.text ?? activity.summary ?? ''), turn);
    }
  }

  presenceChanged(): void {
    if (this.isLeaving || this.#newPresence() === undefined) return;
    this.run(async () => {
      const presence = this.#newPresence();
      if (presence === undefined || this.#closed) return;
      const words =
        presence === 'inactive'
          ? 'You are inactive now, because a request lapsed. Write "presence available" to be asked again.'
          : `You are ${PRESENCE_WORDS[presence]} now.`;
      await this.keep({ ...this.#account, presence });
      await this.tell(text(words));
    }).catch((error: unknown) => {
      this.hub.log.debug({ err: error }, 'a change of presence was not shown in a chat');
    });
  }

  #newPresence(): Account['presence'] {
    const presence = this.hub.people.row(this.#account.person)?.presence;
    return presence === this.#account.presence ? undefined : presence;
  }

  /** Another node goes on with the account: resolves when everything that began here has ended. */
  async leave(): Promise<void> {
    this.#isLeaving = true;
    await this.#line;
    this.#end();
  }

  /** Resolves when what is under way has ended, or soon: a channel that hangs holds nobody up. Idempotent. */
  async close(): Promise<void> {
    this.#end();
    await within(CLOSE_WITHIN_MS, this.#line);
  }

  #end(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#typing.stop();
    for (const unwatch of this.#watched.values()) unwatch();
    this.#watched.clear();
  }

  async #show(steps: readonly Step[], turn: TurnContext | undefined): Promise<void> {
    for (const { slot, activity, replaces, isOffer } of steps) {
      // Others may have taken over by now, as after a time in which the whole process stood still.
      if (turn === undefined && this.hub.nodes?.isHeard === false) return void this.#unsure.add(slot.conversation);
      let id: string | undefined;
      try {
        id = activity === undefined ? undefined : await this.#deliver(activity, replaces, turn);
      } catch (error) {
        return this.#hold(slot.conversation, error);
      }
      this.#put(isOffer === true && id !== undefined ? { ...slot, card: id } : slot);
      // Each by itself: whenever it ends, and however, at most what was on its way just then is told twice.
      await this.keep(this.#account);
    }
    this.#attempts = 0;
  }

  async #deliver(activity: Activity, replaces: string | undefined, turn: TurnContext | undefined) {
    if (replaces === undefined) return this.tell(activity, turn);
    try {
      await this.options.channel.update(this.#account.reference, replaces, activity, turn);
      return replaces;
    } catch {
      // A channel that cannot change a card gets the outcome as a new one.
      return this.tell(activity, turn);
    }
  }

  /** Nothing more is told until the time or the person says so; then it goes on where it stopped. */
  #hold(conversationId: string, error: unknown): void {
    this.#owed.add(conversationId);
    const { channelId } = this.#account;
    if (troubleOf(error) === 'later') {
      const delayMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#attempts);
      this.#attempts += 1;
      this.#retry ??= setTimeout(() => this.catchUp(), delayMs).unref();
      this.hub.log.warn(
        { err: error, channel: channelId, delayMs },
        'a person could not be written to; it is tried again',
      );
      return;
    }
    this.#silenced = true;
    this.hub.log.warn(
      { err: error, channel: channelId, person: this.#account.person },
      'the channel takes nothing for this person until they write again: is the bot still installed there?',
    );
  }

  #put(slot: Slot, more: Partial<Account> = {}): void {
    const { slots } = this.#account;
    const known = slots.some(({ conversation }) => conversation === slot.conversation);
    const next = known ? slots.map((one) => (one.conversation === slot.conversation ? slot : one)) : [...slots, slot];
    this.#account = { ...this.#account, ...more, slots: next };
  }

  /** The hub keeps the signals of conversations that somebody watches only, and hears in any case what other nodes do to them. */
  #follow(conversationId: string, isTheirs: boolean): void {
    const unwatch = this.#watched.get(conversationId);
    if (isTheirs === (unwatch !== undefined)) return;
    if (unwatch !== undefined) {
      unwatch();
      this.#watched.delete(conversationId);
      return;
    }
    const watching = this.hub.watch(conversationId, {
      entries: () => undefined,
      signal: ({ by }) => {
        if (by.role === 'customer') this.#typing.touch(conversationId);
      },
    });
    this.#watched.set(conversationId, watching);
  }

  /** Typing says nobody's name: it is shown for the conversation the person is in only. Tried once. */
  #showTyping(conversationId: string): void {
    if (this.#silenced || this.#retry !== undefined || this.#account.current !== conversationId) return;
    this.options.channel.send(this.#account.reference, { type: 'typing' }).catch((error: unknown) => {
      this.hub.log.debug({ err: error }, 'typing was not shown in a chat');
    });
  }
}
