// What a person asks in the chat, carried out by the same commands as in the console, and what they are answered.

import type { TurnContext } from 'botbuilder';
import type { Activity } from '../../core/activity.js';
import { mayReadLog } from '../../core/access.js';
import { inOrder } from '../../core/assignment.js';
import type { Person } from '../../core/directory.js';
import { BadRequest, Conflict, Rejected, StoreUnavailable } from '../../errors.js';
import type { Hub } from '../../hub/hub.js';
import type { Caller } from '../callers.js';
import type { StaffCommands, StaffVerb } from '../commands.js';
import { conversationOf, originalsOf, wholeLog } from '../reading.js';
import { digest } from './accounts.js';
import { PRESENCE_WORDS, type Ask, type Asked } from './asks.js';
import { listCard, statusCard, transcriptCards, transferCard, type Mine, type Waiting } from './cards.js';
import { hasFiles, keepFiles, type FileSource } from './files.js';
import { cardMessage, customerOf, linesOf, text, timeOfDay, type Slot } from './news.js';
import type { Seat } from './seat.js';
import { readTarget, transferTargets } from './targets.js';

export interface Turn {
  readonly context: TurnContext;
  /** As it came. */
  readonly activity: Activity;
  /** What names it: a channel that did not hear our answer sends it again. */
  readonly key: string;
  readonly source: FileSource;
}

/** Conversations of the waiting list that are shown with a button. */
const LISTED = 5;

export const HELP = [
  'What you write goes to the customer you are talking with; "#2 …" goes to conversation 2.',
  'accept, reject [reason] – the request that is open; take – who is next in your queues',
  'note … – for staff only',
  'return [summary] – back to the bot; transfer <queue, person or bot>',
  'end – the conversation is over; close – and so is its wrap-up',
  'switch 2 – whom you write to; history – what was said so far',
  'status – you and your queues; list – your conversations and who waits',
  'presence available, busy, away, do not disturb or offline',
  'sign out – this account is yours no longer',
  'With "/" in front it is a command whatever follows; "say …" goes to the customer whatever follows.',
].join('\n');

export class Answers {
  constructor(
    private readonly hub: Hub,
    private readonly commands: StaffCommands,
    private readonly origin: () => string,
  ) {}

  /** Carries it out and answers. Within `seat.run`. @returns true when the person signs out. */
  async give(seat: Seat, asked: Asked, turn: Turn): Promise<boolean> {
    if (asked.ask.do === 'signOut') return true;
    const tell = (activity: Activity) => seat.tell(activity, turn.context);
    try {
      for (const activity of await this.#do(seat, asked, asked.ask, turn)) await tell(activity);
    } catch (error) {
      const words = refusal(error, seat);
      if (words === undefined) throw error;
      await tell(text(words));
      // Whoever pressed too late is shown how it stands.
      const about =
        asked.conversation ?? seat.account.slots.find(({ number }) => number === asked.number)?.conversation;
      if (about !== undefined) await seat.showNews(about, turn.context);
    }
    return false;
  }

  async #do(seat: Seat, asked: Asked, ask: Ask, turn: Turn): Promise<Activity[]> {
    switch (ask.do) {
      case 'say':
        return this.#say(seat, asked, ask.text, turn);
      case 'note':
        return this.#note(seat, asked, ask.text, turn);
      case 'accept':
        return this.#accept(seat, asked, turn);
      case 'reject': {
        const slot = this.#offered(seat, asked);
        await this.#command(seat, 'reject', slot, turn, ask.reason === undefined ? {} : { reason: ask.reason });
        return [];
      }
      case 'pick':
        return this.#pick(seat, asked, turn);
      case 'return': {
        const slot = this.#mine(seat, asked);
        await this.#command(seat, 'return', slot, turn, ask.summary === undefined ? {} : { summary: ask.summary });
        return [];
      }
      case 'transfer': {
        const slot = this.#mine(seat, asked);
        const { directory } = this.hub;
        if (ask.to === '') {
          const targets = transferTargets(directory, seat.account.person);
          return [cardMessage(transferCard(slot.number, slot.conversation, slot.customer, targets))];
        }
        await this.#command(seat, 'transfer', slot, turn, { to: readTarget(directory, ask.to) });
        return [];
      }
      case 'end':
        await this.#command(seat, 'end', this.#mine(seat, asked), turn);
        return [];
      case 'close':
        await this.#command(seat, 'close', this.#closable(seat, asked), turn);
        return [];
      case 'switch':
        return this.#switch(seat, asked);
      case 'history':
        return this.#history(seat, this.#mine(seat, asked));
      case 'presence':
        await seat.keep({ ...seat.account, presence: ask.presence });
        await this.hub.people.setPresence(seat.account.person, ask.presence);
        return [text(`You are ${PRESENCE_WORDS[ask.presence]} now.`)];
      case 'status':
        return [this.status(seat)];
      case 'list':
        return [await this.#list(seat)];
      case 'help':
        return [{ type: 'message', text: HELP, textFormat: 'plain' }];
      case 'signIn':
        return [text(signedInAs(this.#person(seat).name))];
      case 'unknown':
        return [text(`${ask.why} Nothing was sent. "help" lists the commands.`)];
      case 'signOut':
        return [];
    }
  }

  status(seat: Seat): Activity {
    const { people, directory, lines } = this.hub;
    const person = this.#person(seat);
    const row = people.row(person.id);
    const queues = Object.values(directory.queues).filter(({ members }) => members.includes(person.id));
    return cardMessage(
      statusCard({
        name: person.name,
        presence: row?.presence ?? 'offline',
        ...(row?.presenceUntil !== undefined && { presenceUntil: row.presenceUntil }),
        load: row?.load ?? 0,
        capacity: row?.capacity ?? person.capacity,
        queues: queues.map(({ id, name }) => ({
          name,
          waiting: lines.line(id).length,
          here: people.candidates(id).filter(({ presence }) => presence !== 'offline').length,
        })),
        mine: mineOf(seat),
      }),
    );
  }

  async #say(seat: Seat, asked: Asked, words: string, turn: Turn): Promise<Activity[]> {
    if (seat.account.slots.every(({ stage }) => stage === 'gone') && asked.number === undefined)
      return [text('Nobody is with you, so this went to nobody. "help" lists the commands.')];
    const slot = await this.#listener(seat, asked);
    const { attachments, refused } = hasFiles(turn.activity)
      ? await keepFiles(this.hub, slot.conversation, turn.activity, turn.source, this.origin())
      : { attachments: [], refused: [] };
    if (words !== '' || attachments.length > 0)
      await this.commands.messages(this.#caller(seat), slot.conversation, {
        type: 'message',
        text: words,
        ...(attachments.length > 0 && { attachments }),
        channelData: { clientActivityID: this.#clientId(seat, turn) },
      });
    return refused.map((why) => text(why));
  }

  async #note(seat: Seat, asked: Asked, words: string, turn: Turn): Promise<Activity[]> {
    const slot = this.#mine(seat, asked);
    await this.commands.messages(this.#caller(seat), slot.conversation, {
      type: 'message',
      text: words,
      audience: 'staff',
      channelData: { clientActivityID: this.#clientId(seat, turn) },
    });
    return [text(`Noted for #${slot.number} (staff only).`)];
  }

  async #accept(seat: Seat, asked: Asked, turn: Turn): Promise<Activity[]> {
    const slot = this.#offered(seat, asked);
    await this.commands.accept(this.#caller(seat), slot.conversation, {});
    if (slot.stage === 'held') return [text(`#${slot.number} ${slot.customer} is with you already.`)];
    await this.#goTo(seat, slot.conversation);
    await seat.showNews(slot.conversation, turn.context);
    return [];
  }

  async #pick(seat: Seat, asked: Asked, turn: Turn): Promise<Activity[]> {
    const id = asked.conversation ?? (await this.#waiting(seat, 1)).shown[0]?.conversation;
    if (id === undefined) return [text('Nobody waits in your queues.')];
    await this.commands.pick(this.#caller(seat), id, {});
    await this.#goTo(seat, id);
    await seat.showNews(id, turn.context);
    return [];
  }

  async #command(seat: Seat, verb: StaffVerb, slot: Slot, turn: Turn, fields: Record<string, unknown> = {}) {
    await this.commands[verb](this.#caller(seat), slot.conversation, fields);
    await seat.showNews(slot.conversation, turn.context);
  }

  async #switch(seat: Seat, asked: Asked): Promise<Activity[]> {
    const slot = this.#named(seat, asked);
    if (slot === undefined) return [await this.#list(seat)];
    if (slot.stage !== 'held') throw new Rejected('notHolder', `${await this.#standing(slot)} You cannot write to it.`);
    await this.#goTo(seat, slot.conversation);
    return [text(`What you write now goes to #${slot.number} ${slot.customer}.`)];
  }

  async #history(seat: Seat, slot: Slot): Promise<Activity[]> {
    const state = await conversationOf(this.hub, slot.conversation);
    const { person } = seat.account;
    if (!mayReadLog(state, person, this.hub.directory))
      throw new Rejected('notAllowed', `What is said in #${slot.number} is not for you any more.`);
    const entries = await wholeLog(this.hub, slot.conversation);
    const lines = linesOf({
      person,
      state,
      entries,
      original: await originalsOf(this.hub, slot.conversation, entries),
      directory: this.hub.directory,
      origin: this.origin(),
    });
    return transcriptCards(slot.number, lines).map(cardMessage);
  }

  async #list(seat: Seat): Promise<Activity> {
    const { shown, more } = await this.#waiting(seat, LISTED);
    return cardMessage(listCard(mineOf(seat), shown, more));
  }

  /** Those who wait in the person's queues and are offered to nobody, next first. */
  async #waiting(seat: Seat, most: number): Promise<{ shown: Waiting[]; more: number }> {
    const { directory, lines } = this.hub;
    const { person } = seat.account;
    const items = Object.values(directory.queues)
      .filter(({ members }) => members.includes(person))
      .flatMap(({ id }) => lines.line(id))
      .sort(inOrder);
    const shown: Waiting[] = [];
    let free = 0;
    for (const { conversationId } of items) {
      const state = await this.hub.conversation(conversationId);
      if (state?.phase !== 'queued') continue;
      free += 1;
      if (shown.length >= most) continue;
      const queue = directory.queues[state.queue]?.name ?? state.queue;
      shown.push({ conversation: state.id, customer: customerOf(state), queue, since: state.waitingSince });
    }
    return { shown, more: free - shown.length };
  }

  async #goTo(seat: Seat, conversationId: string): Promise<void> {
    await seat.keep({ ...seat.account, current: conversationId });
  }

  /** By a number or a button. @throws Rejected for a number nobody has here. */
  #named(seat: Seat, { number, conversation }: Asked): Slot | undefined {
    const { slots } = seat.account;
    if (conversation !== undefined)
      // A button of a card from before the last sign-in: the rules say whether it still goes.
      return seat.slotOf(conversation) ?? { conversation, number: 0, customer: '', stage: 'gone', seq: 0 };
    if (number === undefined) return undefined;
    const slot = slots.find((one) => one.number === number);
    if (slot === undefined)
      throw new Rejected('notFound', `There is no #${number} here. "list" shows your conversations.`);
    return slot;
  }

  /** The request meant by accept and reject: the one named, or the oldest that is open. */
  #offered(seat: Seat, asked: Asked): Slot {
    const slot = this.#named(seat, asked) ?? seat.account.slots.find(({ stage }) => stage === 'offered');
    if (slot === undefined) throw new Rejected('offerGone', 'No request is open. "list" shows who waits.');
    return slot;
  }

  /** The one named, or the one the person is in. */
  #mine(seat: Seat, asked: Asked): Slot {
    const named = this.#named(seat, asked);
    if (named !== undefined) return named;
    const { slots, current } = seat.account;
    const open = slots.filter(({ stage }) => stage === 'held' || stage === 'wrapUp');
    const slot = open.find(({ conversation }) => conversation === current);
    if (slot !== undefined) return slot;
    const [only] = open;
    if (only === undefined) throw new Rejected('notHolder', 'Nobody is with you. "list" shows who waits.');
    if (open.length === 1) return only;
    throw ambiguous(open);
  }

  /** Whose wrap-up ends: the one named, else the one in wrap-up. */
  #closable(seat: Seat, asked: Asked): Slot {
    const named = this.#named(seat, asked);
    const ended = seat.account.slots.filter(({ stage }) => stage === 'wrapUp');
    const [only] = ended;
    if (named !== undefined || only === undefined) return named ?? this.#mine(seat, asked);
    if (ended.length === 1) return only;
    throw ambiguous(ended);
  }

  /** Who hears what is written: never somebody else than the person thinks. @throws Rejected */
  async #listener(seat: Seat, asked: Asked): Promise<Slot> {
    const named = this.#named(seat, asked);
    if (named !== undefined) {
      if (named.stage === 'held') return named;
      throw new Rejected('notHolder', `${await this.#standing(named)} This was not sent.`);
    }
    const { slots, current } = seat.account;
    const held = slots.filter(({ stage }) => stage === 'held');
    const slot = held.find(({ conversation }) => conversation === current);
    if (slot !== undefined) return slot;
    const before = slots.find(({ conversation }) => conversation === current);
    const [only] = held;
    if (before === undefined) {
      if (only === undefined)
        throw new Rejected('notHolder', 'Nobody is with you yet: accept the request first. This was not sent.');
      if (held.length > 1) throw ambiguous(held);
      await this.#goTo(seat, only.conversation);
      return only;
    }
    // It was meant for a conversation that ended while it was typed. From the next message on, somebody else may be meant.
    if (before.stage === 'gone') await this.#forget(seat);
    const next =
      only === undefined
        ? ''
        : ` To write to ${held.map(({ number, customer }) => `#${number} ${customer}`).join(' or ')}, begin with ${held.length === 1 ? 'that number' : 'its number'}, or switch.`;
    throw new Rejected('notHolder', `${await this.#standing(before)} This was not sent.${next}`);
  }

  async #forget(seat: Seat): Promise<void> {
    const { current: _current, ...rest } = seat.account;
    await seat.keep(rest);
  }

  /** Where a conversation that is not with the person is now. */
  async #standing(slot: Slot): Promise<string> {
    const state = await conversationOf(this.hub, slot.conversation);
    const who = `#${slot.number} ${slot.customer}`;
    switch (state.phase) {
      case 'wrapUp':
        return `The conversation with ${who} has ended: you can add notes ("note …") and close it.`;
      case 'closed':
        return `The conversation with ${who} is closed.`;
      case 'bot':
        return `${who} is with ${this.hub.directory.bots[state.bot]?.name ?? state.bot}.`;
      case 'agent':
        return `${who} is with ${this.hub.directory.people[state.agent]?.name ?? state.agent}.`;
      case 'offered':
        return slot.stage === 'offered' ? `Accept ${who} first.` : `Somebody else is asked to take ${who}.`;
      case 'queued':
        return `${who} waits in the queue.`;
      case 'waiting':
        return `${who} will write again some time.`;
    }
  }

  /** The person's words under their own key: sent again by the channel, they are said once. */
  #clientId(seat: Seat, turn: Turn): string {
    return `${seat.clientIds}${digest(turn.key)}`;
  }

  #caller(seat: Seat): Caller {
    return { person: this.#person(seat), provenUntil: Number.MAX_SAFE_INTEGER };
  }

  #person(seat: Seat): Person {
    const person = this.hub.directory.people[seat.account.person];
    if (person === undefined) throw new Rejected('notAllowed', 'You are not in the configuration any more.');
    return person;
  }
}

export function signedInAs(name: string): string {
  return `You are signed in as ${name}. To change that, write "sign out" first.`;
}

function mineOf({ account }: Seat): Mine[] {
  return account.slots.flatMap(({ number, conversation, customer, stage }) =>
    stage === 'gone'
      ? []
      : [{ number, conversation, customer, stage, current: stage === 'held' && conversation === account.current }],
  );
}

function ambiguous(slots: readonly Slot[]): Rejected {
  const which = slots.map(({ number, customer }) => `#${number} (${customer})`).join(', ');
  return new Rejected(
    'badCommand',
    `Which one? You have ${which}. Begin with its number, or write "switch ${slots[0]?.number}". Nothing was sent.`,
  );
}

/** What the person is told; undefined for what is nobody's fault here. */
function refusal(error: unknown, seat: Seat): string | undefined {
  if (error instanceof Rejected) {
    const { at } = error.details;
    const since =
      typeof at === 'string' && error.code === 'offerGone'
        ? ` Since ${timeOfDay(Date.parse(at), seat.account.timeZone)}.`
        : '';
    return `${error.message}${since}`;
  }
  if (error instanceof BadRequest) return error.message;
  if (error instanceof Conflict) return 'Somebody else changed this at the same moment. Please try again.';
  if (error instanceof StoreUnavailable)
    return 'Nothing can be written just now, so this was not done. Please try again.';
  return undefined;
}
