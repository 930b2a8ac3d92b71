// The report of what was observed: what is asked, read from words, and answered from a store, of a running hub or beside it.

import type { Conversation } from '../core/conversation.js';
import { DEFAULT_TIMERS, type Directory } from '../core/directory.js';
import { summed, type ObservedEscalation, type ObservedReport, type Question } from '../core/observed.js';
import type { Store } from './ports.js';

const PAGE = 500;
/** Bounds of one report: conversations looked at, the newest first, and escalations played through. */
const MOST_CONVERSATIONS = 100_000;
const MOST_ESCALATIONS = 20_000;

const MOST_PEOPLE = 50;
const MOST_CAPACITY = 20;
const MOST_HANDLING_MS = 24 * 3_600_000;

export interface Observed extends ObservedReport {
  readonly conversations: number;
  /** Older conversations, or escalations, were left out. */
  readonly truncated: boolean;
}

/** As people write it; what is absent has a default. */
export interface AskedInWords {
  since?: string | undefined;
  people?: string | undefined;
  handling?: string | undefined;
  capacity?: string | undefined;
}

/** `nameOf` says what the asker calls a field. @returns what is wrong and what to write instead, one line per field. */
export function readQuestion(
  { since, people = '1-8', handling = '8m', capacity = '1' }: AskedInWords,
  nameOf: (field: keyof AskedInWords) => string,
  now: number,
): { question: Question } | { faults: string[] } {
  const faults: string[] = [];
  const sinceMs = since === undefined ? undefined : readMoment(since, now);
  if (since !== undefined && sinceMs === undefined)
    faults.push(
      `${nameOf('since')} takes a date such as 2026-01-31, a time in ISO 8601, or a span such as 7d or 12h, not "${since}".`,
    );
  const [from, to = from] =
    /^(\d{1,3})(?:-(\d{1,3}))?$/
      .exec(people)
      ?.slice(1)
      .flatMap((digits) => (digits === undefined ? [] : [Number(digits)])) ?? [];
  if (from === undefined || to === undefined || from < 1 || to < from || to > MOST_PEOPLE)
    faults.push(`${nameOf('people')} takes a number from 1 to ${MOST_PEOPLE} or a range such as 1-8, not "${people}".`);
  const handlingMs = readSpan(handling);
  if (handlingMs === undefined || handlingMs < 1_000 || handlingMs > MOST_HANDLING_MS)
    faults.push(`${nameOf('handling')} takes a time from 1 second to 24 hours, not "${handling}".`);
  const chats = /^\d{1,3}$/.test(capacity) ? Number(capacity) : NaN;
  if (!(chats >= 1 && chats <= MOST_CAPACITY))
    faults.push(`${nameOf('capacity')} takes a number from 1 to ${MOST_CAPACITY}, not "${capacity}".`);
  if (faults.length > 0) return { faults };
  return {
    question: {
      ...(sinceMs === undefined ? {} : { since: sinceMs }),
      fromPeople: from as number,
      toPeople: to as number,
      meanHandlingMs: handlingMs as number,
      capacity: chats,
    },
  };
}

/** Waits between its parts for whoever else is to be served. */
export async function observedIn(store: Store, directory: Directory, question: Question): Promise<Observed> {
  const escalations: ObservedEscalation[] = [];
  let conversations = 0;
  let cursor: string | undefined;
  do {
    const page = await store.list({}, PAGE, cursor);
    cursor = page.next;
    conversations += page.items.length;
    const seen = page.items.filter(({ observed, lastAt }) => observed !== undefined && lastAt >= (question.since ?? 0));
    for (const some of await Promise.all(seen.map((state) => escalationsOf(store, directory, state))))
      escalations.push(...some);
  } while (cursor !== undefined && conversations < MOST_CONVERSATIONS && escalations.length < MOST_ESCALATIONS);
  const parts = summed(escalations.slice(0, MOST_ESCALATIONS), question);
  for (;;) {
    const part = parts.next();
    if (part.done === true)
      return {
        ...part.value,
        conversations,
        truncated: cursor !== undefined || escalations.length > MOST_ESCALATIONS,
      };
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function escalationsOf(store: Store, directory: Directory, state: Conversation): Promise<ObservedEscalation[]> {
  const { id, channel, workStream, observed = { seqs: [], count: 0 } } = state;
  const limitMs = directory.workStreams[workStream]?.timers.queueLimitMs ?? DEFAULT_TIMERS.queueLimitMs;
  const found = await Promise.all(observed.seqs.map(async (seq) => (await store.entries(id, seq - 1, 1))[0]?.event));
  const more = observed.count - observed.seqs.length;
  return found.flatMap((event, index) => {
    if (event?.type !== 'escalationObserved') return [];
    const { at, reason, queue, nextBot } = event;
    return [
      {
        at,
        conversation: id,
        chat: channel.key ?? id,
        reason,
        ...(queue === undefined ? {} : { queue }),
        ...(nextBot === undefined ? {} : { nextBot }),
        limitMs,
        ...(more > 0 && index === found.length - 1 ? { more } : {}),
      },
    ];
  });
}

/** A date or time; or a span before now. */
function readMoment(text: string, now: number): number | undefined {
  const span = readSpan(text);
  if (span !== undefined) return now - span;
  const at = /^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:?\d{2})?)?$/.test(text) ? Date.parse(text) : NaN;
  return Number.isNaN(at) ? undefined : at;
}

const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000, d: 24 * 3_600_000 } as const;

/** `90s`, `8m`, `1.5h`, `7d`. In milliseconds. */
function readSpan(text: string): number | undefined {
  const [, amount, unit] = /^(\d{1,6}(?:\.\d{1,3})?)([smhd])$/.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * UNITS_MS[unit as keyof typeof UNITS_MS];
}
