// What a person is told in the chat about one conversation: from what was shown last and how it stands now to the messages
// between the two. A pure function, so that a restart, a lost notice or a failed delivery only means to ask it again.

import type { Activity, Attachment } from '../../core/activity.js';
import type { ContextVariables } from '../../core/context.js';
import type { Conversation, Entry } from '../../core/conversation.js';
import type { Directory } from '../../core/directory.js';
import { namesIn } from '../../core/names.js';
import { projectActivity, readActivities, type Reader } from '../../core/projection.js';
import { readableText } from '../../core/readable.js';
import {
  CARD_TYPE,
  filesCard,
  inertText,
  offerCard,
  settledCard,
  takenCard,
  transcriptCards,
  wrapUpCard,
  type Card,
  type Fact,
  type Line,
  type Link,
  type Subject,
} from './cards.js';
import { transferTargets } from './targets.js';

export type Stage = 'offered' | 'held' | 'wrapUp' | 'gone';

/** What one chat account was shown of one conversation. */
export interface Slot {
  readonly conversation: string;
  /** As the person calls it: `#2`. Never used again for another one while the person is signed in. */
  readonly number: number;
  readonly customer: string;
  readonly stage: Stage;
  /** seq of the last entry shown. */
  readonly seq: number;
  /** Of the request shown; one made again has another end. */
  readonly lapsesAt?: number;
  /** The channel's id of the request's card. */
  readonly card?: string;
  /** Which of its stretches with this person: one that came back is introduced again. */
  readonly session?: number;
}

export interface Reading {
  readonly person: string;
  readonly state: Conversation;
  /** Everything after `slot.seq`; the whole log for a conversation that has just come to this person. */
  readonly entries: readonly Entry[];
  readonly original: (seq: number) => Entry | undefined;
  readonly directory: Directory;
  readonly now: number;
  readonly timeZone: string | undefined;
  /** What the person writes without a number goes there. */
  readonly current: boolean;
  /** Keys of what was said through this account begin so: the person sees those messages already. */
  readonly ownKeys: string;
  /** Origin of this server, whose files are shown in place. */
  readonly origin: string;
}

/** One message, and what is true once it is out. */
export interface Step {
  readonly slot: Slot;
  /** undefined: nothing to send. */
  readonly activity?: Activity;
  /** Replaces the card of this id, where the channel can; `activity` goes out as a new message where it cannot. */
  readonly replaces?: string;
  /** The id the channel gives this message is the card's. */
  readonly isOffer?: true;
}

/** Whether `standing` needs the whole log, or only what came after `slot.seq`. */
export function isNewcomer(slot: Slot | undefined, state: Conversation, person: string): boolean {
  return stageOf(state, person) === 'held' && (slot?.stage !== 'held' || slot.session !== state.sessionSeq);
}

export function stageOf(state: Conversation, person: string): Stage {
  switch (state.phase) {
    case 'offered':
      return state.offers.some(({ agent }) => agent === person) ? 'offered' : 'gone';
    case 'agent':
      return state.agent === person ? 'held' : 'gone';
    case 'wrapUp':
      return state.agent === person ? 'wrapUp' : 'gone';
    case 'bot':
    case 'queued':
    case 'waiting':
    case 'closed':
      return 'gone';
  }
}

export function newSlot(state: Conversation, number: number): Slot {
  return { conversation: state.id, number, customer: customerOf(state), stage: 'gone', seq: 0 };
}

/** In order; empty when there is nothing new. */
export function news(slot: Slot, reading: Reading): Step[] {
  const { state, person } = reading;
  const stage = stageOf(state, person);
  const now: Slot = { ...slot, customer: customerOf(state), seq: state.version };
  switch (stage) {
    case 'offered':
      return offered(slot, now, reading);
    case 'held':
      return isNewcomer(slot, state, person) ? taken(slot, now, reading) : live(slot, now, reading);
    case 'wrapUp':
      return slot.stage === 'wrapUp' ? live(slot, now, reading) : wrappingUp(slot, now, reading);
    case 'gone':
      return slot.stage === 'gone' ? [] : gone(slot, now, reading);
  }
}

function offered(slot: Slot, now: Slot, reading: Reading): Step[] {
  const { state, person } = reading;
  const offer = state.phase === 'offered' ? state.offers.find(({ agent }) => agent === person) : undefined;
  if (offer === undefined || (slot.stage === 'offered' && slot.lapsesAt === offer.lapsesAt)) return [];
  const seconds = Math.max(0, Math.round((offer.lapsesAt - reading.now) / 1_000));
  const { session: _session, card: _card, ...rest } = now;
  return [
    {
      slot: { ...rest, stage: 'offered', lapsesAt: offer.lapsesAt },
      activity: cardMessage(offerCard(subjectOf(now.number, reading), offer.lapsesAt, seconds)),
      isOffer: true,
    },
  ];
}

function taken(slot: Slot, now: Slot, reading: Reading): Step[] {
  const { state, directory, person } = reading;
  const at = timeOfDay(state.sessionAt, reading.timeZone);
  const steps: Step[] = settle(slot, `You have it since ${at}.`);
  const before = steps.at(-1)?.slot ?? slot;
  const targets = transferTargets(directory, person);
  steps.push({
    slot: before,
    activity: cardMessage(takenCard(subjectOf(slot.number, reading), reading.current, targets)),
  });
  const lines = linesOf(reading);
  for (const page of transcriptCards(slot.number, lines)) steps.push({ slot: before, activity: cardMessage(page) });
  const { lapsesAt: _lapses, card: _card, ...rest } = now;
  const held: Slot = { ...rest, stage: 'held', session: state.sessionSeq };
  return steps.map((step, index) => (index === steps.length - 1 ? { ...step, slot: held } : step));
}

function wrappingUp(slot: Slot, now: Slot, reading: Reading): Step[] {
  const { state } = reading;
  const until = state.phase === 'wrapUp' ? state.timers.wrapUpEnds : undefined;
  const { lapsesAt: _lapses, card: _card, ...rest } = now;
  const last = slot.stage === 'held' ? live(slot, now, reading) : settle(slot, 'It has ended.');
  return [
    ...last.map((step) => ({ ...step, slot: { ...slot, seq: step.slot.seq } })),
    {
      slot: { ...rest, stage: 'wrapUp' },
      activity: cardMessage(wrapUpCard(slot.number, state.id, now.customer, until)),
    },
  ];
}

function gone(slot: Slot, now: Slot, reading: Reading): Step[] {
  const { lapsesAt: _lapses, card: _card, session: _session, ...rest } = now;
  const after: Slot = { ...rest, stage: 'gone' };
  const why = whyGone(reading);
  if (slot.stage === 'offered') return settle(slot, why).map((step) => ({ ...step, slot: after }));
  const last = slot.stage === 'held' ? live(slot, now, reading) : [];
  return [...last, { slot: after, activity: text(`#${slot.number} ${now.customer}: ${why}`) }];
}

/** The request's card says how it ended; where there is none, so does a message. */
function settle(slot: Slot, outcome: string): Step[] {
  if (slot.stage !== 'offered') return [];
  const { card: _card, ...rest } = slot;
  return [
    {
      slot: rest,
      activity: cardMessage(settledCard(slot.number, slot.customer, outcome)),
      ...(slot.card !== undefined && { replaces: slot.card }),
    },
  ];
}

function live(slot: Slot, now: Slot, reading: Reading): Step[] {
  const steps: Step[] = [];
  for (const entry of reading.entries) {
    if (entry.seq <= slot.seq) continue;
    const activity = spoken(entry, now, reading);
    if (activity !== undefined) steps.push({ slot: { ...now, seq: entry.seq }, activity });
  }
  const last = steps.at(-1)?.slot.seq ?? slot.seq;
  return last === now.seq || slot.seq === now.seq ? steps : [...steps, { slot: now }];
}

/** What one entry of the log is to the person who holds the conversation; undefined when it is nothing new. */
function spoken(entry: Entry, slot: Slot, reading: Reading): Activity | undefined {
  const { event } = entry;
  const { state, person, ownKeys } = reading;
  const own = event.by.id === person && event.by.role !== 'customer';
  if (own && event.key?.startsWith(ownKeys) === true) return undefined;
  const told = (words: string) => text(`#${slot.number} ${slot.customer}: ${words}`);
  switch (event.type) {
    case 'said':
    case 'noted':
    case 'drafted':
    case 'edited':
    case 'deleted':
      return quoted(entry, slot, reading);
    case 'contextSet':
      return contextTold(event.body?.variables, state, slot);
    case 'disconnected':
      return event.party === 'customer' ? told('(the connection was lost)') : undefined;
    case 'reconnected':
      return event.party === 'customer' ? told('(connected again)') : undefined;
    case 'deliveryFailed':
      return event.to === 'channel' ? told(`(could not be reached: ${event.reason})`) : undefined;
    case 'started':
    case 'memberLeft':
    case 'surveyStarted':
    case 'surveyEnded':
    case 'wrapUpEnded':
    case 'memberJoined':
    case 'routed':
    case 'botConnected':
    case 'draftResolved':
    case 'told':
    case 'imported':
    case 'escalated':
    case 'escalationObserved':
    case 'queued':
    case 'offered':
    case 'declined':
    case 'lapsed':
    case 'withdrawn':
    case 'accepted':
    case 'transferred':
    case 'returned':
    case 'parked':
    case 'resumed':
    case 'ended':
    case 'closed':
    case 'botFailed':
    case 'turnEnded':
    case 'joined':
    case 'left':
    case 'waitExtended':
    case 'erased':
      return undefined;
  }
}

function quoted(entry: Entry, slot: Slot, reading: Reading): Activity | undefined {
  const { event } = entry;
  const activity = projectActivity(entry, readerOf(reading));
  if (activity === undefined) return undefined;
  const own = event.by.id === reading.person && event.by.role !== 'customer';
  const name = own ? 'You, elsewhere' : (activity.from?.name ?? event.by.id);
  const who = `#${slot.number} ${name}${remark(entry)}`;
  if (event.type === 'deleted') return text(`${who}: (deleted)`);
  const words = readableText(activity);
  const { images, links } = filesOf(activity, reading.origin);
  if (words === '' && images.length + links.length === 0) return undefined;
  const message = text(`${who}: ${words === '' ? '(file)' : words}`);
  const attachments: Attachment[] = [
    ...images,
    ...(links.length === 0 ? [] : [{ contentType: CARD_TYPE, content: filesCard(`${who}: files`, links) }]),
  ];
  return attachments.length === 0 ? message : { ...message, attachments };
}

function remark({ event }: Entry): string {
  if (event.type === 'drafted') return ' (not sent to the customer)';
  if (event.type === 'edited') return ' (changed)';
  if (event.type === 'noted') return event.kind === 'summary' ? ' (summary, staff only)' : ' (note, staff only)';
  return '';
}

function contextTold(variables: ContextVariables | undefined, state: Conversation, slot: Slot): Activity | undefined {
  const names = Object.keys(variables ?? {}).filter((name) => state.context[name]?.displayable === true);
  if (names.length === 0) return undefined;
  const facts = factsOf(Object.fromEntries(names.map((name) => [name, state.context[name]])) as ContextVariables);
  return text(`#${slot.number} ${facts.map(({ name, value }) => `${name}: ${value}`).join('; ')}`);
}

/** Everything said before, as it reads now: edits applied, deletions left out. */
export function linesOf(
  reading: Pick<Reading, 'state' | 'entries' | 'directory' | 'person' | 'original' | 'origin'>,
): Line[] {
  return readActivities(reading.entries, readerOf(reading)).flatMap(({ entry, activity, edited }) => {
    const words = readableText(activity);
    const { images, links } = filesOf(activity, reading.origin);
    const all = [...images.map(({ name, contentUrl }) => ({ name: name ?? 'image', url: contentUrl ?? '' })), ...links];
    if (words === '' && all.length === 0) return [];
    return [
      {
        at: entry.event.at,
        name: `${activity.from?.name ?? entry.event.by.id}${edited ? ' (changed)' : ''}`,
        text: words,
        staffOnly: entry.event.audience === 'staff',
        links: all,
      },
    ];
  });
}

function readerOf({
  state,
  directory,
  person,
  original,
}: Pick<Reading, 'state' | 'directory' | 'person' | 'original'>): Reader {
  return { viewer: { agent: person }, nameOf: namesIn(directory, state), original };
}

function subjectOf(number: number, { state, directory }: Reading): Subject {
  const queue = 'queue' in state ? state.queue : undefined;
  return {
    number,
    conversation: state.id,
    customer: customerOf(state),
    context: factsOf(state.context),
    ...(queue !== undefined && { queue: directory.queues[queue]?.name ?? queue }),
    ...(state.summary !== undefined && { summary: state.summary }),
  };
}

function factsOf(context: ContextVariables): Fact[] {
  return Object.entries(context).flatMap(([name, { value, displayable }]) =>
    displayable === true && value !== null
      ? [{ name, value: Array.isArray(value) ? value.join(', ') : String(value) }]
      : [],
  );
}

/** Why it is not with this person (any more): who has it since when, or where it went. */
export function whyGone({ state, directory, entries, person, timeZone }: Reading): string {
  const since = `since ${timeOfDay(state.sessionAt, timeZone)}`;
  const personName = (id: string) => directory.people[id]?.name ?? id;
  const mine = entries.findLast(({ event }) => isLoss(event, person))?.event;
  const lapsed =
    mine?.type === 'lapsed' ? 'The request lapsed. ' : mine?.type === 'declined' ? 'You declined it. ' : '';
  switch (state.phase) {
    case 'agent':
      return `${lapsed}${personName(state.agent)} has it ${since}.`;
    case 'wrapUp':
    case 'waiting':
      return `${lapsed}It was with ${personName(state.agent)} and has ended.`;
    case 'offered':
      return `${lapsed}${state.offers.map(({ agent }) => personName(agent)).join(', ')} is asked to take it ${since}.`;
    case 'queued':
      return `${lapsed}It waits in ${directory.queues[state.queue]?.name ?? state.queue} ${since}.`;
    case 'bot':
      return `${lapsed}It is with ${directory.bots[state.bot]?.name ?? state.bot} ${since}.`;
    case 'closed':
      return `${lapsed}It is closed since ${timeOfDay(state.closedAt, timeZone)}.`;
  }
}

function isLoss(event: Entry['event'], person: string): boolean {
  return (
    (event.type === 'lapsed' && event.agents.includes(person)) || (event.type === 'declined' && event.agent === person)
  );
}

/** Images of this server stand in the chat; whatever lies elsewhere is opened on purpose, with its address shown. */
function filesOf(activity: Activity, origin: string): { images: Attachment[]; links: Link[] } {
  const images: Attachment[] = [];
  const links: Link[] = [];
  for (const { contentType, contentUrl, name } of Array.isArray(activity.attachments) ? activity.attachments : []) {
    if (typeof contentUrl !== 'string' || !/^https?:\/\//i.test(contentUrl)) continue;
    const title = typeof name === 'string' && name !== '' ? name : 'file';
    if (/^image\/(png|jpeg|gif|webp)$/.test(contentType) && contentUrl.startsWith(origin))
      images.push({ contentType, contentUrl, name: title });
    else links.push({ name: title, url: contentUrl });
  }
  return { images, links };
}

/** Channels' own limit of a message is about 28 KB. */
const MESSAGE_CHARS = 16_000;

/** A message that is shown as it is. What begins a further line cannot be taken for somebody else's. */
export function text(words: string): Activity {
  const lines = words.split(/\r\n|[\n\r\u2028\u2029]/);
  const whole = lines.map((line, index) => (index === 0 ? line : `│ ${line}`)).join('\n');
  const cut =
    whole.length > MESSAGE_CHARS ? `${whole.slice(0, MESSAGE_CHARS)} … (cut; the console shows it whole)` : whole;
  return { type: 'message', text: cut, textFormat: 'plain' };
}

export function cardMessage(card: Card): Activity {
  return {
    type: 'message',
    // What a notification says, where the channel shows one.
    summary: card.fallbackText,
    attachments: [{ contentType: CARD_TYPE, content: card }],
  };
}

export function customerOf({ customer }: Conversation): string {
  const name = (customer.name ?? customer.id ?? 'Customer').replace(/[\p{Cc}\u2028\u2029]/gu, ' ').trim();
  return inertText(name === '' ? 'Customer' : name.slice(0, 80));
}

/** `10:31:05` where the person is, when the channel says where; else in UTC, saying so. */
export function timeOfDay(at: number, timeZone: string | undefined): string {
  const time = new Intl.DateTimeFormat('en-GB', {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZone: timeZone ?? 'UTC',
  }).format(at);
  return timeZone === undefined ? `${time} UTC` : time;
}
