// Everybody who serves from a chat channel: who is signed in with which account, and what concerns them.

import type { TurnContext } from 'botbuilder';
import type { Activity } from '../../core/activity.js';
import { holds, servingOf } from '../../core/access.js';
import type { Conversation, State } from '../../core/conversation.js';
import type { Hub } from '../../hub/hub.js';
import type { Caller } from '../callers.js';
import { staffCommands, type StaffCommands } from '../commands.js';
import { comeToWork } from '../signIn.js';
import { Accounts, keyOf, type Account, type Sender } from './accounts.js';
import { Answers, type Turn } from './answers.js';
import { readPressed, readText, type Asked } from './asks.js';
import type { ChatChannel } from './channel.js';
import type { FileSource } from './files.js';
import { text } from './news.js';
import { PairingCodes } from './pairing.js';
import { Seat } from './seat.js';

/** One message of a person, as the channel vouches for it. */
export interface Incoming extends Sender {
  readonly context: TurnContext;
  readonly activity: Activity;
  readonly reference: Account['reference'];
  readonly timeZone?: string;
  readonly token?: FileSource['token'];
}

const HOW_TO_SIGN_IN =
  'You are not signed in here. Open the console, choose "Work from a chat" (or run "handoff pairing-code <person>"), and write: sign in CODE';

export class ChatDesk {
  readonly #accounts: Accounts;
  readonly #codes: PairingCodes;
  readonly #answers: Answers;
  readonly #commands: StaffCommands;
  readonly #seats = new Map<string, Seat>();
  /** Signing in goes one after another: one account is never two people's. */
  #signingIn: Promise<unknown> = Promise.resolve();
  /** Who writes while the accounts are being read waits: nobody is told to be a stranger who is none. */
  readonly #loaded: Promise<void>;
  #markLoaded: () => void = () => undefined;
  #unobserve: () => void = () => undefined;
  #closed = false;

  constructor(
    private readonly hub: Hub,
    private readonly channel: ChatChannel,
    private readonly origin: () => string,
  ) {
    this.#accounts = new Accounts(hub);
    this.#codes = new PairingCodes(hub);
    this.#commands = staffCommands(hub);
    this.#answers = new Answers(hub, this.#commands, origin);
    this.#loaded = new Promise((resolve) => (this.#markLoaded = resolve));
  }

  get figures(): { accounts: number } {
    return { accounts: this.#seats.size };
  }

  /** Goes on where it stopped: who is signed in hears what happened since, and requests that are open are shown again. */
  async start(): Promise<void> {
    await this.#accounts.load();
    this.#unobserve = this.hub.observe({
      committed: (_entries, state, before) => this.#committed(state, before),
      learned: (state, before) => this.#committed(state, before),
      person: (person) => {
        for (const key of this.#accounts.keysOf(person)) this.#seats.get(key)?.presenceChanged();
      },
      directory: () => void this.#dropStrangers(),
    });
    for (const account of this.#accounts.all) {
      const seat = this.#sit({ ...account, slots: account.slots.map(asNew) });
      for (const { conversation, stage } of account.slots) if (stage !== 'gone') seat.touch(conversation);
    }
    this.#markLoaded();
    for (const person of this.#accounts.people) await this.#touchAll(person);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#markLoaded();
    this.#unobserve();
    await Promise.all([...this.#seats.values()].map((seat) => seat.close()));
  }

  /** One turn of a person, to its end. */
  async hear(incoming: Incoming): Promise<void> {
    const { activity, context, reference, timeZone } = incoming;
    if (isOwn(activity)) return;
    await this.#loaded;
    if (this.#closed) return;
    if (isGroup(activity)) {
      if (activity.type === 'message')
        await send(context, 'Customers are served in a personal chat with me: here others would read along.');
      return;
    }
    const seat = await this.#seatOf(incoming);
    if (seat === undefined) return this.#stranger(incoming);
    if (activity.type === 'typing') return this.#typing(seat);
    this.hub.people.attended(seat.account.person);
    const signsOut = await seat.run(async () => {
      await seat.heard(reference, timeZone);
      return this.#turn(seat, incoming);
    });
    if (signsOut) await this.#signOut(seat, context);
    else seat.catchUp();
  }

  /** Within `seat.run`. @returns whether the person signs out. */
  async #turn(seat: Seat, incoming: Incoming): Promise<boolean> {
    const { activity, context } = incoming;
    if (activity.type === 'messageUpdate' || activity.type === 'messageDelete')
      await seat.tell(text('The customer still sees the message as it was: write a new one to correct it.'), context);
    else if (addsSomebody(activity)) await seat.tell(this.#answers.status(seat), context);
    if (activity.type !== 'message') return false;
    const asked = this.#askedIn(seat, activity);
    if (asked === undefined) {
      await seat.tell(text('This button is not from one of my cards. "help" lists the commands.'), context);
      return false;
    }
    const { serviceUrl = '' } = activity;
    const source: FileSource = { serviceUrl, ...(incoming.token !== undefined && { token: incoming.token }) };
    return this.#answers.give(seat, asked, { context, activity, key: keyOfTurn(activity), source } satisfies Turn);
  }

  #askedIn(seat: Seat, activity: Activity): Asked | undefined {
    const words = activity.text ?? '';
    if (words.trim() === '' && activity.value !== undefined && activity.value !== null)
      return readPressed(activity.value);
    const isOffered = seat.account.slots.some(({ stage }) => stage === 'offered');
    return readText(words, { signedIn: true, isOffered });
  }

  async #seatOf(sender: Sender): Promise<Seat | undefined> {
    const account = this.#accounts.of(sender);
    if (account === undefined) return undefined;
    const seat = this.#seats.get(keyOf(account));
    if (seat === undefined || this.hub.directory.people[account.person] !== undefined) return seat;
    await this.#drop(seat);
    return undefined;
  }

  /** Nobody is signed in with this account. */
  async #stranger(incoming: Incoming): Promise<void> {
    const { activity, context } = incoming;
    if (activity.type === 'conversationUpdate' && addsSomebody(activity))
      return void (await send(context, HOW_TO_SIGN_IN));
    if (activity.type !== 'message') return;
    const { ask } = readText(activity.text ?? '', { signedIn: false, isOffered: false });
    if (ask.do !== 'signIn') return void (await send(context, HOW_TO_SIGN_IN));
    const signedIn = this.#signingIn.then(() => this.#signIn(incoming, ask.code));
    this.#signingIn = signedIn.catch(() => undefined);
    await signedIn;
  }

  async #signIn(incoming: Incoming, code: string): Promise<void> {
    const { context, channelId, userId, aadObjectId, reference, timeZone } = incoming;
    const key = keyOf(incoming);
    const known = this.#accounts.get(key);
    if (known !== undefined && this.#accounts.of(incoming) === undefined)
      return void (await send(context, 'This account is signed in under another identity. Its owner signs out first.'));
    if (known !== undefined) return void (await send(context, 'You are signed in already.'));
    const redeemed = await this.#codes.redeem(key, code);
    if ('refused' in redeemed) return void (await send(context, refusalOf(redeemed)));
    const person = this.hub.directory.people[redeemed.person];
    if (person === undefined) return void (await send(context, 'You are not in the configuration any more.'));
    const account: Account = {
      channelId,
      userId,
      ...(aadObjectId !== undefined && { aadObjectId }),
      person: person.id,
      since: this.hub.clock.now(),
      reference,
      ...(timeZone !== undefined && { timeZone }),
      nextNumber: 1,
      slots: [],
    };
    await this.#accounts.bind(account);
    this.hub.log.info({ person: person.id, channel: channelId }, 'signed in from a chat');
    await comeToWork(this.hub, person);
    this.hub.people.attended(person.id);
    const seat = this.#sit(account);
    await seat.run(async () => {
      await seat.tell(
        text(`Hello ${person.name}. You are signed in until you write "sign out"; "help" lists the commands.`),
        context,
      );
      await seat.tell(this.#answers.status(seat), context);
    });
    await this.#touchAll(person.id);
  }

  async #signOut(seat: Seat, context: TurnContext): Promise<void> {
    const { account } = seat;
    const held = account.slots.filter(({ stage }) => stage === 'held');
    await this.#drop(seat);
    this.hub.log.info({ person: account.person, channel: account.channelId }, 'signed out from a chat');
    const left = held.map(({ number, customer }) => `#${number} ${customer}`).join(', ');
    const elsewhere = this.#accounts.keysOf(account.person).length > 0 || this.hub.people.isConnected(account.person);
    const what =
      held.length === 0 || elsewhere
        ? ''
        : ` You still have ${left}: unless you sign in again, others are asked to take over in a few minutes.`;
    await send(context, `You are signed out.${what}`);
  }

  async #drop(seat: Seat): Promise<void> {
    this.#seats.delete(seat.key);
    await this.#accounts.unbind(seat.account);
    await seat.close();
    const { person } = seat.account;
    if (this.#accounts.keysOf(person).length === 0) this.hub.people.unattended(person);
  }

  async #dropStrangers(): Promise<void> {
    for (const seat of [...this.#seats.values()])
      if (this.hub.directory.people[seat.account.person] === undefined)
        await this.#drop(seat).catch((error: unknown) =>
          this.hub.log.error({ err: error }, 'a chat account could not be released'),
        );
  }

  #sit(account: Account): Seat {
    const seat = new Seat(this.hub, { accounts: this.#accounts, channel: this.channel, origin: this.origin }, account);
    this.#seats.set(seat.key, seat);
    return seat;
  }

  #committed(state: Conversation, before: State): void {
    if (this.#seats.size === 0) return;
    const people = new Set(servingOf(state));
    if (before.phase !== 'none') for (const person of servingOf(before)) people.add(person);
    for (const person of people) for (const key of this.#accounts.keysOf(person)) this.#seats.get(key)?.touch(state.id);
  }

  /** Everything that is with a person, or that they are asked to take. */
  async #touchAll(person: string): Promise<void> {
    const { items } = await this.hub.store.list({ phases: ['offered', 'agent', 'wrapUp'], agent: person }, 1_000);
    for (const { id } of items.toReversed())
      for (const key of this.#accounts.keysOf(person)) this.#seats.get(key)?.touch(id);
  }

  async #typing(seat: Seat): Promise<void> {
    const { current, person } = seat.account;
    const who = this.hub.directory.people[person];
    const state = current === undefined ? undefined : await this.hub.conversation(current);
    if (who === undefined || state === undefined || !holds(state, person)) return;
    const caller: Caller = { person: who, provenUntil: Number.MAX_SAFE_INTEGER };
    await this.#commands.typing(caller, state.id, {});
  }
}

/** After a restart a request that is still open is shown once more. */
function asNew<T extends { stage: string; lapsesAt?: number }>(slot: T): T {
  if (slot.stage !== 'offered') return slot;
  const { lapsesAt: _shown, ...rest } = slot;
  return rest as T;
}

function refusalOf(refused: { refused: 'wrong' } | { refused: 'wait'; waitMs: number }): string {
  if (refused.refused === 'wrong')
    return 'This code is not valid (any more). A code works once, for ten minutes; get a new one in the console.';
  return `Too many codes were tried. Please wait ${Math.ceil(refused.waitMs / 60_000)} minutes; a code that is right stays good until then if it is new enough.`;
}

async function send(context: TurnContext, words: string): Promise<void> {
  await context.sendActivity({ ...text(words) } as Parameters<TurnContext['sendActivity']>[0] & object);
}

/** What the bot itself sent comes back on some channels. */
function isOwn({ from, recipient }: Activity): boolean {
  return from?.id !== undefined && from.id === recipient?.id;
}

function isGroup({ conversation }: Activity): boolean {
  const { isGroup: group, conversationType: type } = (conversation ?? {}) as {
    isGroup?: boolean;
    conversationType?: string;
  };
  return group === true || type === 'groupChat' || type === 'channel';
}

/** The person came, or installed the bot. */
function addsSomebody({ type, membersAdded, recipient, channelId }: Activity): boolean {
  if (type !== 'conversationUpdate' || !Array.isArray(membersAdded)) return false;
  const others = membersAdded.some((member: { id?: unknown }) => member.id !== recipient?.id);
  // Teams adds the bot alone when somebody installs it.
  return others || (channelId === 'msteams' && membersAdded.length > 0);
}

function keyOfTurn({ id = '', conversation }: Activity): string {
  return JSON.stringify([conversation?.id, id]);
}
