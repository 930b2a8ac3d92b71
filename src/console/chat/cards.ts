// What a person sees in a chat channel, as Adaptive Cards: pure functions from facts to a card.
//
// Nothing a customer or a bot wrote is put where a card reads Markdown or template functions: it goes into TextRuns, which show
// text as it is. Only elements of version 1.2 are used, so that every client since the Emulator's shows them.

import type { Presence } from '../../core/directory.js';
import { PRESENCE_WORDS, type Pressed } from './asks.js';

export const CARD_TYPE = 'application/vnd.microsoft.card.adaptive';

export interface Card {
  readonly type: 'AdaptiveCard';
  readonly $schema: string;
  readonly version: string;
  readonly fallbackText: string;
  readonly body: readonly Element[];
  readonly actions?: readonly Element[];
}
export type Element = { readonly type: string } & Readonly<Record<string, unknown>>;

export interface Fact {
  readonly name: string;
  readonly value: string;
}

/** A conversation as a person is asked to take it, or has taken it. */
export interface Subject {
  readonly number: number;
  readonly conversation: string;
  readonly customer: string;
  readonly queue?: string;
  /** Displayable variables. */
  readonly context: readonly Fact[];
  /** The bot's private summary. */
  readonly summary?: string;
}

/** One thing somebody said before the person came. */
export interface Line {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly name: string;
  readonly text: string;
  readonly staffOnly: boolean;
  readonly links: readonly Link[];
}

export interface Link {
  readonly name: string;
  readonly url: string;
}

/** Where a conversation can be handed on to, as the choice of a card and as the value it comes back with. */
export interface Target {
  readonly title: string;
  readonly value: string;
}

/** A card of this size is taken by every channel (Teams refuses messages of more than about 28 KB). */
const CARD_CHARS = 16_000;
/** Of one text on a card; the console shows it whole. */
const TEXT_CHARS = 6_000;
const TEXT_LINES = 60;
const VALUE_CHARS = 400;
/** Variables a card shows. */
const MOST_FACTS = 15;
/** Files of one message. */
const MOST_LINKS = 12;
/** Targets a card lists at most; others can be typed. */
const MOST_TARGETS = 50;
/** Buttons in a row that Teams still shows. */
const MOST_BUTTONS = 6;

export function offerCard(subject: Subject, lapsesAt: number, secondsLeft: number): Card {
  const title = `Request #${subject.number} from ${subject.customer}`;
  return card(
    title,
    [
      heading(title),
      ...about(subject),
      textBlock(`Lapses at ${clock(lapsesAt)}, in ${secondsLeft} seconds.`, { isSubtle: true, wrap: true }),
    ],
    [
      submit('Accept', { do: 'accept', conversation: subject.conversation }, 'positive'),
      submit('Reject', { do: 'reject', conversation: subject.conversation }),
    ],
  );
}

/** What an offer's card turns into: nothing can be pressed on it any more. */
export function settledCard(number: number, customer: string, outcome: string): Card {
  const title = `Request #${number} from ${customer}`;
  return card(`${title}: ${outcome}`, [heading(title, true), plain(outcome)]);
}

/** Says whom the person talks with from now on, and what is known. */
export function takenCard(subject: Subject, current: boolean, targets: readonly Target[]): Card {
  const { number, conversation, customer } = subject;
  const title = `#${number}: you are talking with ${customer}`;
  const how = current
    ? `What you write now goes to the customer. "help" lists the commands.`
    : `Begin with #${number} to write to this customer, or switch with "switch ${number}".`;
  return card(
    title,
    [heading(title), ...about(subject), textBlock(how, { isSubtle: true, wrap: true })],
    [
      submit('End', { do: 'end', conversation }),
      returnAction(conversation),
      ...(targets.length === 0 ? [] : [transferAction(conversation, targets)]),
      ...(current ? [] : [submit(`Switch to #${number}`, { do: 'switch', conversation })]),
    ],
  );
}

/** The conversation so far, on as many cards as it needs. */
export function transcriptCards(number: number, lines: readonly Line[]): Card[] {
  const pages: Element[][] = [[]];
  let chars = 0;
  for (const line of lines) {
    const elements = lineElements(line);
    const size = JSON.stringify(elements).length;
    if (chars > 0 && chars + size > CARD_CHARS) {
      pages.push([]);
      chars = 0;
    }
    pages.at(-1)?.push(...elements);
    chars += size;
  }
  return pages.map((elements, page) => {
    const part = pages.length === 1 ? '' : ` (${page + 1} of ${pages.length})`;
    const title = `#${number}: what was said before${part}`;
    return card(title, [heading(title, true), ...(elements.length === 0 ? [plain('Nothing yet.')] : elements)]);
  });
}

export function wrapUpCard(number: number, conversation: string, customer: string, until: number | undefined): Card {
  const title = `#${number}: the conversation with ${customer} has ended`;
  const time = until === undefined ? '' : ` until ${clock(until)}`;
  return card(
    title,
    [heading(title), textBlock(`Wrap-up${time}: add notes with "#${number} note …", then close.`, { wrap: true })],
    [submit('Close', { do: 'close', conversation })],
  );
}

export interface Desk {
  readonly name: string;
  readonly presence: Presence;
  /** Until when the presence holds by itself, epoch milliseconds. */
  readonly presenceUntil?: number;
  readonly load: number;
  readonly capacity: number;
  readonly queues: readonly { readonly name: string; readonly waiting: number; readonly here: number }[];
  readonly mine: readonly Mine[];
}

export interface Mine {
  readonly number: number;
  readonly conversation: string;
  readonly customer: string;
  readonly stage: 'offered' | 'held' | 'wrapUp';
  readonly current: boolean;
}

const STAGE_WORDS: Readonly<Record<Mine['stage'], string>> = {
  offered: 'asks for you',
  held: 'talking with you',
  wrapUp: 'in wrap-up',
};

export function statusCard(desk: Desk): Card {
  const title = `${desk.name}: ${PRESENCE_WORDS[desk.presence]}`;
  const until = desk.presenceUntil === undefined ? '' : ` until ${clock(desk.presenceUntil)}`;
  return card(
    title,
    [
      heading(title),
      textBlock(
        `Capacity in use: ${desk.load} of ${desk.capacity}. Presence holds${until === '' ? ' until you change it' : until}.`,
        {
          wrap: true,
          isSubtle: true,
        },
      ),
      ...desk.queues.map(({ name, waiting, here }) => plain(`${name}: ${waiting} waiting, ${here} here`)),
      ...mineElements(desk.mine),
      {
        type: 'Input.ChoiceSet',
        id: 'presence',
        style: 'compact',
        value: desk.presence,
        choices: (Object.keys(PRESENCE_WORDS) as Presence[])
          .filter((presence) => presence !== 'inactive')
          .map((presence) => ({ title: PRESENCE_WORDS[presence], value: presence })),
      },
    ],
    [submit('Set presence', { do: 'presence' }), submit('List', { do: 'list' })],
  );
}

export interface Waiting {
  readonly conversation: string;
  readonly customer: string;
  readonly queue: string;
  readonly since: number;
}

/** The person's own conversations, and those of their queues that wait. */
export function listCard(mine: readonly Mine[], waiting: readonly Waiting[], more: number): Card {
  const title = 'Your conversations and your queues';
  return card(title, [
    heading(title),
    ...(mine.length === 0 ? [plain('Nobody is with you.', { isSubtle: true })] : mineElements(mine)),
    ...(waiting.length === 0
      ? [plain('Nobody waits in your queues.', { isSubtle: true })]
      : waiting.flatMap(({ conversation, customer, queue, since }) => [
          plain(`${customer} waits in ${queue}`, { separator: true }),
          textBlock(`since ${clock(since)}`, { isSubtle: true, spacing: 'None' }),
          { type: 'ActionSet', actions: [submit('Take', { do: 'pick', conversation })] },
        ])),
    ...(more > 0 ? [plain(`and ${more} more; "take" takes the one that is next.`, { isSubtle: true })] : []),
  ]);
}

export function transferCard(number: number, conversation: string, customer: string, targets: readonly Target[]): Card {
  const title = `#${number}: where to with ${customer}?`;
  return card(title, [heading(title), choices(targets)], [submit('Transfer', { do: 'transfer', conversation })]);
}

/** A file that came along, to be opened in the browser. */
export function filesCard(title: string, links: readonly Link[]): Card {
  return card(title, [plain(title), ...linkElements(links)]);
}

// ------------------------------------------------------------------------------------------------------------- elements

/** Text exactly as it is: no Markdown, no template functions, no line breaks lost. */
export function plain(text: string, more: Readonly<Record<string, unknown>> = {}): Element {
  const { isSubtle, weight, ...block } = more;
  return {
    type: 'RichTextBlock',
    ...block,
    inlines: [
      {
        type: 'TextRun',
        text: inertText(text),
        ...(isSubtle !== undefined && { isSubtle }),
        ...(weight !== undefined && { weight }),
      },
    ],
  };
}

/** Clients look for `{{DATE(…)}}` in every text; broken by an invisible space it is text like any other. */
export function inertText(text: string): string {
  return cut(text, TEXT_CHARS).replaceAll('{{', '{\u200b{');
}

/** A run of text has no lines of its own. What the console shows whole need not fit a card. */
function linesIn(text: string): string[] {
  const lines = cut(text, TEXT_CHARS).split('\n');
  return lines.length <= TEXT_LINES ? lines : [...lines.slice(0, TEXT_LINES), '… (cut; the console shows it whole)'];
}

function inOneLine(text: string): string {
  return cut(text.replace(/\s*\n\s*/g, ' / '), VALUE_CHARS);
}

function cut(text: string, mostChars: number): string {
  return text.length > mostChars ? `${text.slice(0, mostChars)} … (cut; the console shows it whole)` : text;
}

function card(fallbackText: string, body: readonly Element[], actions: readonly Element[] = []): Card {
  return {
    type: 'AdaptiveCard',
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    version: '1.2',
    fallbackText: inertText(fallbackText),
    body,
    ...(actions.length > 0 && { actions }),
  };
}

function heading(text: string, isSubtle = false): Element {
  return {
    type: 'RichTextBlock',
    inlines: [
      { type: 'TextRun', text: inertText(text), weight: 'Bolder', size: 'Medium', ...(isSubtle && { isSubtle }) },
    ],
  };
}

/** Of our own words only: it reads Markdown. */
function textBlock(text: string, more: Readonly<Record<string, unknown>> = {}): Element {
  return { type: 'TextBlock', text, ...more };
}

function about({ queue, context, summary }: Subject): Element[] {
  return [
    ...(queue === undefined ? [] : [plain(queue, { isSubtle: true })]),
    ...context.slice(0, MOST_FACTS).map(({ name, value }) => named(inOneLine(name), inOneLine(value))),
    ...(context.length > MOST_FACTS
      ? [plain(`and ${context.length - MOST_FACTS} more in the console`, { isSubtle: true })]
      : []),
    ...(summary === undefined ? [] : [named('Summary (private)', summary)]),
  ];
}

function named(name: string, value: string): Element {
  const [first = '', ...rest] = linesIn(value);
  return {
    type: 'Container',
    spacing: 'Small',
    items: [
      {
        type: 'RichTextBlock',
        inlines: [
          { type: 'TextRun', text: inertText(`${name}: `), weight: 'Bolder' },
          { type: 'TextRun', text: inertText(first) },
        ],
      },
      ...rest.map((line) => plain(line, { spacing: 'None' })),
    ],
  };
}

function mineElements(mine: readonly Mine[]): Element[] {
  return mine.map(({ number, customer, stage, current }) =>
    plain(`#${number} ${customer}: ${STAGE_WORDS[stage]}${current ? ' (what you write goes there)' : ''}`),
  );
}

function lineElements({ at, name, text, staffOnly, links }: Line): Element[] {
  const [first = '', ...rest] = linesIn(text);
  const who = staffOnly ? `${name} (staff only): ` : `${name}: `;
  return [
    textBlock(clock(at), { isSubtle: true, size: 'Small', spacing: 'Small' }),
    {
      type: 'RichTextBlock',
      spacing: 'None',
      inlines: [
        { type: 'TextRun', text: inertText(who), weight: 'Bolder' },
        { type: 'TextRun', text: inertText(first) },
      ],
    },
    ...rest.map((more) => plain(more, { spacing: 'None' })),
    ...linkElements(links),
  ];
}

function linkElements(links: readonly Link[]): Element[] {
  const actions = links
    .slice(0, MOST_LINKS)
    .map(({ name, url }) => ({ type: 'Action.OpenUrl', title: openTitle(name, url), url }));
  const sets: Element[] = [];
  for (let at = 0; at < actions.length; at += MOST_BUTTONS)
    sets.push({ type: 'ActionSet', actions: actions.slice(at, at + MOST_BUTTONS) });
  return sets;
}

/** A file's name may claim anything: where it comes from stands beside it. */
function openTitle(name: string, url: string): string {
  const host = URL.canParse(url) ? new URL(url).host : '';
  return `Open ${name.length > 60 ? `${name.slice(0, 60)}…` : name} (${host})`;
}

function submit(title: string, handoff: Pressed, style?: 'positive'): Element {
  return { type: 'Action.Submit', title, data: { handoff }, ...(style !== undefined && { style }) };
}

function returnAction(conversation: string): Element {
  return {
    type: 'Action.ShowCard',
    title: 'Return to bot',
    card: {
      type: 'AdaptiveCard',
      version: '1.2',
      body: [
        {
          type: 'Input.Text',
          id: 'words',
          isMultiline: true,
          placeholder: 'Summary for the bot (not shown to the customer)',
        },
      ],
      actions: [submit('Return', { do: 'return', conversation })],
    },
  };
}

function transferAction(conversation: string, targets: readonly Target[]): Element {
  return {
    type: 'Action.ShowCard',
    title: 'Transfer',
    card: {
      type: 'AdaptiveCard',
      version: '1.2',
      body: [choices(targets)],
      actions: [submit('Transfer', { do: 'transfer', conversation })],
    },
  };
}

function choices(targets: readonly Target[]): Element {
  return {
    type: 'Input.ChoiceSet',
    id: 'target',
    style: 'compact',
    choices: targets.slice(0, MOST_TARGETS).map(({ title, value }) => ({ title: inertText(title), value })),
  };
}

/** The client's own time of day. Clients read whole seconds only. */
function clock(at: number): string {
  return `{{TIME(${new Date(at).toISOString().replace(/\.\d{3}Z$/, 'Z')})}}`;
}
