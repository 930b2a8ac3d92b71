// What a work stream that only observes has seen, summed up: escalations by queue, repeats, reasons, and the waits there would have been.

import type { ObservedReason } from './conversation.js';
import { waitsWith, type Assumptions, type Waits } from './staffing.js';

export interface ObservedEscalation {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly conversation: string;
  /** The same for the records that follow one another in one chat of a channel. */
  readonly chat: string;
  readonly reason: ObservedReason;
  /** Absent where nobody would have taken it. */
  readonly queue?: string;
  /** The other bot that would have taken it before people. */
  readonly nextBot?: string;
  /** How long it would have waited at most. */
  readonly limitMs: number;
  /** Further ones of the same conversation, of which only the number is known. */
  readonly more?: number;
}

export interface Question {
  /** Epoch milliseconds; unset: from the first one on. */
  readonly since?: number;
  readonly fromPeople: number;
  readonly toPeople: number;
  readonly meanHandlingMs: number;
  readonly capacity: number;
}

export interface Tally {
  readonly escalations: number;
  /** Of these: asked again in the same chat, while the one before could still wait. */
  readonly repeats: number;
  readonly conversations: number;
  readonly reasons: Readonly<Partial<Record<ObservedReason, number>>>;
  /** Of these, without repeats: taken by another bot of the queue before people. */
  readonly toBots: number;
  /** The hour (UTC) with the most of them, without repeats. */
  readonly busiestHour?: { readonly from: number; readonly escalations: number };
}

export interface QueueReport extends Tally {
  /** undefined = nobody would have taken these. */
  readonly queue: string | undefined;
  readonly waits: readonly Waits[];
}

export interface ObservedReport {
  readonly from?: number;
  readonly to?: number;
  readonly total: Tally;
  readonly queues: readonly QueueReport[];
  /** As if everybody served every queue; only where there is more than one with waits. */
  readonly together: readonly Waits[];
  readonly question: Question;
  readonly runs: number;
  readonly assumptions: readonly string[];
}

const HOUR_MS = 3_600_000;
/** Waits that are drawn for one line of the report: a short list is played through more often. */
const DRAWN = 200_000;
const MOST_RUNS = 50;
const SEED = 20_260_105;

/** The same for the same input. Yields between the numbers of people: one of them may take a tenth of a second. */
export function* summed(
  escalations: readonly ObservedEscalation[],
  question: Question,
): Generator<void, ObservedReport> {
  const { since = -Infinity, fromPeople, toPeople, meanHandlingMs, capacity } = question;
  const seen = escalations.filter(({ at }) => at >= since).sort((a, b) => a.at - b.at);
  const repeats = repeatsAmong(seen);
  const waitFor = seen.filter((one) => !repeats.has(one) && one.queue !== undefined && one.nextBot === undefined);
  const runs = Math.max(1, Math.min(MOST_RUNS, Math.floor(DRAWN / Math.max(1, waitFor.length))));
  const drawn: Assumptions = { meanHandlingMs, capacity, runs, seed: SEED };
  function* waitsOf(arrivals: readonly ObservedEscalation[]): Generator<void, Waits[]> {
    const waits: Waits[] = [];
    if (arrivals.length === 0) return waits;
    for (let people = fromPeople; people <= toPeople; people += 1) {
      waits.push(waitsWith(people, arrivals, drawn));
      yield;
    }
    return waits;
  }

  const named = [...new Set(seen.flatMap(({ queue }) => queue ?? []))].sort();
  const queues: QueueReport[] = [];
  for (const queue of [...named, undefined]) {
    const own = seen.filter((one) => one.queue === queue);
    if (own.length === 0) continue;
    const waits = yield* waitsOf(waitFor.filter((one) => one.queue === queue));
    queues.push({ queue, ...tally(own, repeats), waits });
  }
  const served = queues.filter(({ waits }) => waits.length > 0).length;
  const [first] = seen;
  const last = seen.at(-1);
  return {
    ...(first === undefined || last === undefined ? {} : { from: first.at, to: last.at }),
    total: tally(seen, repeats),
    queues,
    together: served > 1 ? yield* waitsOf(waitFor) : [],
    question,
    runs,
    assumptions: assumptionsOf(question, runs),
  };
}

/** In order of time: each that comes while the last counted one of its chat could still wait. */
function repeatsAmong(inOrder: readonly ObservedEscalation[]): ReadonlySet<ObservedEscalation> {
  const repeats = new Set<ObservedEscalation>();
  const counted = new Map<string, ObservedEscalation>();
  for (const one of inOrder) {
    const before = counted.get(one.chat);
    if (before !== undefined && one.at - before.at < before.limitMs) repeats.add(one);
    else counted.set(one.chat, one);
  }
  return repeats;
}

function tally(some: readonly ObservedEscalation[], repeats: ReadonlySet<ObservedEscalation>): Tally {
  const more = some.reduce((sum, one) => sum + (one.more ?? 0), 0);
  const firsts = some.filter((one) => !repeats.has(one));
  const reasons: Partial<Record<ObservedReason, number>> = {};
  for (const { reason } of some) reasons[reason] = (reasons[reason] ?? 0) + 1;
  const hours = new Map<number, number>();
  for (const { at } of firsts) {
    const from = Math.floor(at / HOUR_MS) * HOUR_MS;
    hours.set(from, (hours.get(from) ?? 0) + 1);
  }
  const [busiest] = [...hours].sort(([a, inA], [b, inB]) => inB - inA || a - b);
  return {
    escalations: some.length + more,
    repeats: some.length - firsts.length + more,
    conversations: new Set(some.map(({ conversation }) => conversation)).size,
    reasons,
    toBots: firsts.filter(({ nextBot }) => nextBot !== undefined).length,
    ...(busiest === undefined ? {} : { busiestHour: { from: busiest[0], escalations: busiest[1] } }),
  };
}

function assumptionsOf({ meanHandlingMs, capacity }: Question, runs: number): string[] {
  const chats = capacity === 1 ? 'one chat' : `${capacity} chats`;
  return [
    'People are there whenever a customer asks, at night and on Sundays too, and are free for nothing else.',
    `A chat takes ${Math.round(meanHandlingMs / 1_000)} s on average, drawn anew for each of ${runs} runs (exponential: many short, few long).`,
    `Each person holds ${chats} at once${capacity === 1 ? '' : ', each as fast as a single one'}. Who asked first is served first, whatever the priority.`,
    'Everybody waits until served; in fact some leave, and some come back and ask again.',
    'Who asks again in the same chat while the first request could still wait is counted once.',
  ];
}
