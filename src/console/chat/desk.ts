// Everybody who serves from a chat channel: who is signed in with which account, and what concerns them.
//
// Of several nodes, the one that heard a person last has their seat, and tells them what happens; another that hears them asks
// for it and waits until what was begun there has ended. What a dead node had, whoever looks first takes over.

import { setTimeout as sleep } from 'node:timers/promises';
import type { TurnContext } from 'botbuilder';
import type { Activity } from '../../core/activity.js';
import { holds, servingOf } from '../../core/access.js';
import type { Conversation, State } from '../../core/conversation.js';
import { StoreUnavailable } from '../../errors.js';
import type { Hub } from '../../hub/hub.js';
import { Turns } from '../../hub/turns.js';
import type { Caller } from '../callers.js';
import { staffCommands, type StaffCommands } from '../commands.js';
import { comeToWork } from '../signIn.js';
import { Accounts, CHAT_ACCOUNT, idOf, isOf, type Account, type Sender } from './accounts.js';
import { Answers, signedInAs, type Turn } from './answers.js';
import { readPressed, readText, type Asked } from './asks.js';
import type { ChatChannel } from './channel.js';
import type { FileSource } from './files.js';
import { text } from './news.js';
import { findPairingCode, spendPairingCode } from './pairing.js';
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

const WRONG_CODE =
  'This code is not valid (any more). A code works once, for ten minutes; get a new one in the console.';

/** Longer than a channel may take for a message that is under way at the node that has the seat. */
const WAIT_FOR_SEAT_MS = 25_000;
/** Between two looks whether another node has given it. */
const ASK_AGAIN_MS = 50;

export class ChatDesk {
  readonly #accounts: Accounts;
  readonly #answers: Answers;
  readonly #commands: StaffCommands;
  /** Of the accounts that this node holds, by their ids. */
  readonly #seats = new Map<string, Seat>();
  readonly #byPerson = new Map<string, Set<Seat>>();
  /** Taking, giving, signing in and out go one after another per account: it is never two people's. */
  readonly #turns = new Turns();
  #looking: Promise<void> | undefined;
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
    this.#commands = staffCommands(hub);
    this.#answers = new Answers(hub, this.#commands, origin);
    this.#loaded = new Promise((resolve) => (this.#markLoaded = resolve));
  }

  get figures(): { accounts: number } {
    return { accounts: this.#seats.size };
  }

  /**
   * Goes on where it stopped: who is signed in hears what happened since. Requests that are open are shown again when no other
   * process can have shown them.
   */
  async start(): Promise<void> {
    this.#unobserve = this.hub.observe({
      committed: (_entries, state, before) => this.#committed(state, before),
      learned: (state, before) => this.#committed(state, before),
      person: (person) => this.#personChanged(person),
      directory: () => void this.#dropStrangers(),
      lived: () => {
        this.#look(false).catch((error: unknown) => {
          this.hub.log.warn({ err: error }, 'chats of other processes could not be looked at; it is tried again');
        });
      },
      wanted: (kind, id) => {
        if (kind === CHAT_ACCOUNT && this.#seats.has(id)) this.#give(id);
      },
    });
    await this.#look(this.hub.nodes === undefined);
    this.#markLoaded();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#markLoaded();
    this.#unobserve();
    await this.#looking?.catch(() => undefined);
    await Promise.all([...this.#seats.values()].map((seat) => seat.close()));
  }

  /** One turn of a person, to its end. @throws StoreUnavailable when it was not begun: the person is told to try again. */
  async hear(incoming: Incoming): Promise<void> {
    const { activity, context, reference, timeZone } = incoming;
    if (isOwn(activity)) return;
    await this.#loaded;
    if (isGroup(activity)) {
      if (activity.type === 'message')
        await send(context, 'Customers are served in a personal chat with me: here others would read along.');
      return;
    }
    if (activity.type === 'typing') return this.#typing(incoming);
    const id = idOf(incoming);
    for (;;) {
      const seat = await this.#turns.run(id, () => this.#seatHere(id, incoming));
      if (seat === undefined) return this.#stranger(incoming);
      // Another node has asked for it just now. Nothing may wait between this and the turn: what has begun is waited for.
      if (seat.isLeaving) continue;
      const signsOut = await seat.run(async () => {
        await this.hub.people.attended(seat.account.person);
        await seat.heard(reference, timeZone);
        return this.#turn(seat, incoming);
      });
      if (signsOut) await this.#signOut(seat, context);
      else seat.catchUp();
      return;
    }
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

  /** The seat of whoever writes, from now on here; undefined when nobody is signed in with the account. Within its turn. */
  async #seatHere(id: string, sender: Sender): Promise<Seat | undefined> {
    if (this.#closed) throw new StoreUnavailable('This process is stopping.');
    const here = this.#seats.get(id);
    if (here?.isLeaving === true) this.#dismiss(here);
    else if (here !== undefined && this.hub.nodes?.isHeard === false && !(await this.#accounts.hold(id)))
      this.#lose(here);
    const known = this.#seats.get(id)?.account ?? (await this.#accounts.read(id));
    if (known === undefined || !isOf(known, sender)) return undefined;
    const seat = this.#seats.get(id) ?? (await this.#take(id));
    if (seat === undefined || this.hub.directory.people[seat.account.person] !== undefined) return seat;
    await this.#drop(seat);
    return undefined;
  }

  /** Waits for the node that has it. @returns undefined when nobody is signed in with it any more. */
  async #take(id: string): Promise<Seat | undefined> {
    await this.#hold(id);
    const account = await this.#accounts.read(id);
    if (account === undefined) {
      await this.#accounts.remove(id);
      return undefined;
    }
    const seat = this.#sit(account);
    this.#touchAll(seat);
    return seat;
  }

  async #hold(id: string): Promise<void> {
    const startedAt = performance.now();
    while (!(await this.#accounts.hold(id))) {
      if (this.#closed || performance.now() - startedAt > WAIT_FOR_SEAT_MS)
        throw new StoreUnavailable('Another process is still writing to this chat. Please try again.');
      await sleep(ASK_AGAIN_MS);
    }
  }

  /** To the node that asks for it, when what was begun here has ended. */
  #give(id: string): void {
    this.#inTurn(id, async () => {
      const seat = this.#seats.get(id);
      await seat?.leave();
      if (seat !== undefined) this.#dismiss(seat);
      await this.#accounts.release(id);
    });
  }

  /** What this node holds by now, and what is asked of it. `anew`: requests that are open are shown once more. */
  async #look(anew: boolean): Promise<void> {
    if (this.#looking !== undefined) return this.#looking;
    this.#looking = this.#compare(anew).finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  async #compare(anew: boolean): Promise<void> {
    const before = [...this.#seats.values()];
    const held = await this.#accounts.look();
    const ids = new Set(held.map(({ id }) => id));
    for (const seat of before) {
      if (ids.has(seat.id)) seat.goOn();
      // This node was taken for dead.
      else if (this.#seats.get(seat.id) === seat) this.#lose(seat);
    }
    for (const { id, wanted } of held) if (wanted) this.#give(id);
    const free = held.filter(({ id, wanted }) => !wanted && !this.#seats.has(id));
    await Promise.all(free.map(({ id }) => this.#turns.run(id, () => this.#takeOver(id, anew))));
  }

  async #takeOver(id: string, anew: boolean): Promise<void> {
    if (this.#closed || this.#seats.has(id) || !(await this.#accounts.hold(id))) return;
    const account = await this.#accounts.read(id);
    if (account === undefined) return this.#accounts.remove(id);
    const seat = this.#sit(anew ? { ...account, slots: account.slots.map(asNew) } : account);
    this.#touchAll(seat);
    seat.presenceChanged();
  }

  /** Another node has it by now: what is under way here can keep nothing any more. */
  #lose(seat: Seat): void {
    this.#dismiss(seat);
    void seat.close();
  }

  #inTurn(id: string, work: () => Promise<void>): void {
    this.#turns.run(id, work).catch((error: unknown) => {
      this.hub.log.warn({ err: error }, 'a chat could not change to another process; it is tried again');
    });
  }

  /** Nobody is signed in with this account. */
  async #stranger(incoming: Incoming): Promise<void> {
    const { activity, context } = incoming;
    if (activity.type === 'conversationUpdate' && addsSomebody(activity))
      return void (await send(context, HOW_TO_SIGN_IN));
    if (activity.type !== 'message') return;
    const { ask } = readText(activity.text ?? '', { signedIn: false, isOffered: false });
    if (ask.do !== 'signIn') return void (await send(context, HOW_TO_SIGN_IN));
    await this.#turns.run(idOf(incoming), () => this.#signIn(incoming, ask.code));
  }

  async #signIn(incoming: Incoming, code: string): Promise<void> {
    const { context, channelId, userId, aadObjectId, reference, timeZone } = incoming;
    const id = idOf(incoming);
    const known = await this.#accounts.read(id);
    if (known !== undefined && !isOf(known, incoming))
      return void (await send(context, 'This account is signed in under another identity. Its owner signs out first.'));
    if (known !== undefined) return void (await send(context, signedInAs(this.#nameOf(known.person))));
    const owner = await findPairingCode(this.hub, code);
    if (owner === undefined) return void (await send(context, WRONG_CODE));
    const person = this.hub.directory.people[owner];
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
    await this.#hold(id);
    // The same account may have come by another node.
    const quicker = await this.#accounts.read(id);
    if (quicker !== undefined) return void (await send(context, signedInAs(this.#nameOf(quicker.person))));
    if (!(await spendPairingCode(this.hub, code, () => this.#accounts.save(account)))) {
      await this.#accounts.release(id);
      return void (await send(context, WRONG_CODE));
    }
    this.hub.log.info({ person: person.id, channel: channelId }, 'signed in from a chat');
    await comeToWork(this.hub, person);
    await this.hub.people.attendedAnew(person.id);
    const seat = this.#sit(account);
    await seat.run(async () => {
      await seat.tell(
        text(`Hello ${person.name}. You are signed in until you write "sign out"; "help" lists the commands.`),
        context,
      );
      await seat.tell(this.#answers.status(seat), context);
    });
    this.#touchAll(seat);
  }

  #nameOf(person: string): string {
    return this.hub.directory.people[person]?.name ?? person;
  }

  async #signOut(seat: Seat, context: TurnContext): Promise<void> {
    const { account } = seat;
    const held = account.slots.filter(({ stage }) => stage === 'held');
    await this.#turns.run(seat.id, () => this.#drop(seat));
    this.hub.log.info({ person: account.person, channel: account.channelId }, 'signed out from a chat');
    const left = held.map(({ number, customer }) => `#${number} ${customer}`).join(', ');
    const elsewhere = this.hub.people.isConnected(account.person) || (await this.#accounts.isSignedIn(account.person));
    const what =
      held.length === 0 || elsewhere
        ? ''
        : ` You still have ${left}: unless you sign in again, others are asked to take over in a few minutes.`;
    await send(context, `You are signed out.${what}`);
  }

  /** The end of the binding. Within the account's turn. */
  async #drop(seat: Seat): Promise<void> {
    this.#dismiss(seat);
    // Meanwhile it may have gone to a node that asked for it: only who holds it ends it.
    await this.#hold(seat.id);
    await this.#accounts.remove(seat.id);
    await seat.close();
    const { person } = seat.account;
    if (!(await this.#accounts.isSignedIn(person))) await this.hub.people.unattended(person);
  }

  async #dropStrangers(): Promise<void> {
    for (const seat of [...this.#seats.values()])
      if (this.hub.directory.people[seat.account.person] === undefined)
        await this.#turns
          .run(seat.id, () => this.#drop(seat))
          .catch((error: unknown) => this.hub.log.error({ err: error }, 'a chat account could not be released'));
  }

  #sit(account: Account): Seat {
    const seat = new Seat(this.hub, { accounts: this.#accounts, channel: this.channel, origin: this.origin }, account);
    this.#seats.set(seat.id, seat);
    this.#byPerson.set(account.person, (this.#byPerson.get(account.person) ?? new Set()).add(seat));
    return seat;
  }

  #dismiss(seat: Seat): void {
    if (this.#seats.get(seat.id) === seat) this.#seats.delete(seat.id);
    const { person } = seat.account;
    const seats = this.#byPerson.get(person);
    seats?.delete(seat);
    if (seats?.size === 0) this.#byPerson.delete(person);
  }

  #committed(state: Conversation, before: State): void {
    if (this.#seats.size === 0) return;
    const people = new Set(servingOf(state));
    if (before.phase !== 'none') for (const person of servingOf(before)) people.add(person);
    for (const person of people) for (const seat of this.#byPerson.get(person) ?? []) seat.touch(state.id);
    // What another node did to a conversation that was not known here: whose it was, only the seats can tell.
    if (before.phase === 'none')
      for (const seat of this.#seats.values()) if (seat.shows(state.id)) seat.touch(state.id);
  }

  #personChanged(person: string): void {
    for (const seat of this.#byPerson.get(person) ?? []) {
      seat.presenceChanged();
      // The notice of a request may have been lost, of the load it means others may not.
      if (this.hub.nodes !== undefined) this.#touchAll(seat);
    }
  }

  /** Everything that the person was shown as theirs, is with them, or is asked of them. */
  #touchAll(seat: Seat): void {
    const { person, slots } = seat.account;
    for (const { conversation, stage } of slots) if (stage !== 'gone') seat.touch(conversation);
    this.hub.store.list({ phases: ['offered', 'agent', 'wrapUp'], agent: person }, 1_000).then(
      ({ items }) => {
        for (const { id } of items.toReversed()) seat.touch(id);
      },
      (error: unknown) => {
        this.hub.log.warn({ err: error, person }, 'what is with a person could not be read for their chat');
      },
    );
  }

  /** No reason to ask another node for the seat. */
  async #typing(sender: Sender): Promise<void> {
    const id = idOf(sender);
    const account = this.#seats.get(id)?.account ?? (await this.#accounts.read(id));
    if (account === undefined || !isOf(account, sender)) return;
    const { current, person } = account;
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
