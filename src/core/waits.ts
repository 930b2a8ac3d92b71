// How long somebody who asks for a person now would wait: the moment by which enough places are likely to be free.
//
// A place is room for one chat with somebody who is there. Each chat under way frees its place with the chance that recent
// chats tell: of those that lasted longer than it has, so many were over so much later. Summed up over all people that is how
// many places will have opened by a given moment, and each opens again after the mean length of a chat, because those who
// wait before take them. Who has `ahead` others before is served when `ahead` + 1 places have opened.

/** Fewer recent chats tell nothing: no estimate is better than one of these. */
export const FEWEST_LENGTHS = 5;
/** Of one chat, in milliseconds: one that is over at once has still taken somebody's attention. */
const SHORTEST_MS = 1_000;
const STEP_MS = 1_000;
/**
 * Half the width of the range in standard deviations. For the single place of one person it is exact: the range ends where
 * the chance is 0.9, since 0.9 - 4/3 √(0.9 · 0.1) = ½; for many places it leaves out 9 % on either side.
 */
const DEVIATIONS = 4 / 3;

export interface WaitQuestion {
  /** Customers who get a place before; one whom other people may serve as well counts as a fraction. */
  readonly ahead: number;
  /** Units of capacity that the chat takes. */
  readonly cost: number;
  /** The people who are there and may be given it. */
  readonly seats: readonly Seat[];
  /** Recent chats of the queue, by `lengthsOf`. */
  readonly lengths: readonly number[];
  /** Recent chats of another queue, by `lengthsOf`; those of the question where they are too few. */
  readonly lengthsIn?: (queue: string) => readonly number[];
  /** Epoch milliseconds. */
  readonly now: number;
}

export interface Seat {
  readonly capacity: number;
  readonly load: number;
  readonly held: readonly HeldChat[];
}

export interface HeldChat {
  readonly cost: number;
  /** Epoch milliseconds; it counts as one that begins now where that is not known. */
  readonly acceptedAt?: number | undefined;
  readonly queue?: string;
}

export interface WaitEstimate {
  /** Too long as often as too short. 0 = there is a place now. */
  readonly estimatedWaitMs: number;
  /** Meant for four of five waits, and right for three of four: see docs/skills-and-waits.md. */
  readonly range: { readonly fromMs: number; readonly toMs: number };
}

/** How long chats took, in milliseconds, in the order that estimates need. */
export function lengthsOf(durationsMs: readonly number[]): number[] {
  return durationsMs.map((ms) => Math.max(ms, SHORTEST_MS)).sort((a, b) => a - b);
}

/**
 * Undefined when nobody could ever take it, or when too few recent chats are known to tell when somebody can.
 * 100 people with three chats each and 30 customers ahead: 20 ms on two busy cores; 1,000 people and 300 ahead: 80 ms. A
 * centre that needs more steps than `most` for one moment is looked at in part.
 */
export function estimateWait(question: WaitQuestion, most = MOST_STEPS): WaitEstimate | undefined {
  const { ahead, cost, seats, lengths } = question;
  const needed = ahead + 1 / 2;
  const free = sumOf(seats, ({ capacity, load }) => placesIn(capacity - load, cost));
  if (free >= needed) return { estimatedWaitMs: 0, range: { fromMs: 0, toMs: 0 } };
  if (lengths.length < FEWEST_LENGTHS) return undefined;
  const openings = new Openings(question, most);
  if (openings.places === 0) return undefined;
  const short = (at: number, deviations: number) => {
    const { mean, variance } = openings.by(at);
    return mean + deviations * Math.sqrt(variance) < needed;
  };
  const estimatedWaitMs = firstStep(0, Infinity, (at) => !short(at, 0));
  return {
    estimatedWaitMs,
    range: {
      fromMs: firstStep(0, estimatedWaitMs, (at) => !short(at, DEVIATIONS)),
      toMs: firstStep(estimatedWaitMs, Infinity, (at) => !short(at, -DEVIATIONS)),
    },
  };
}

/** A number that is not known for certain. */
interface Expected {
  readonly mean: number;
  readonly variance: number;
}

/** How many places have opened by a moment, those that are free now included. */
class Openings {
  /** Places when everything that is held now is over. */
  readonly places: number;
  readonly #meanMs: number;
  /** Square of the chats' coefficient of variation. */
  readonly #variation: number;
  /** The recent chats are a sample: by so much, squared, their mean is off, for all places alike. */
  readonly #sampling: number;
  /** After so long everything that is held now is over, as far as recent chats tell. */
  readonly #allOverMs: number;

  readonly #seats: readonly WeighedSeat[];

  constructor(
    private readonly question: WaitQuestion,
    most: number,
  ) {
    const { seats, cost, lengths } = question;
    this.places = sumOf(seats, ({ capacity, load, held }) => placesIn(capacity - load + sumOf(held, unitsOf), cost));
    this.#meanMs = sumOf(lengths, (ms) => ms) / lengths.length;
    this.#variation = sumOf(lengths, (ms) => (ms / this.#meanMs - 1) ** 2) / lengths.length;
    // At most by half: the range of a few chats of all lengths would have no end.
    this.#sampling = Math.min(this.#variation / lengths.length, 1 / 4);
    let allOverMs = 0;
    for (const { held } of seats)
      for (const chat of held) allOverMs = Math.max(allOverMs, this.#lengthsFor(chat).at(-1) ?? 0);
    this.#allOverMs = allOverMs;
    const rounds = Math.floor(allOverMs / this.#meanMs) + 1;
    this.#seats = affordable(seats, cost, most / rounds);
  }

  by(at: number): Expected {
    // Rounds in which every place opens for certain need no look at who holds what: a line may be thousands long.
    const whole = Math.max(0, Math.floor((at - this.#allOverMs) / this.#meanMs) + 1);
    let mean = whole * this.places;
    let variance = Math.max(0, whole - 1) * this.places * this.#variation;
    for (let round = whole; round * this.#meanMs <= at; round += 1) {
      const opened = this.#opened(at - round * this.#meanMs);
      mean += opened.mean;
      // Each chat that began meanwhile brings the uncertainty of its own length.
      variance += opened.variance + (round > 0 ? opened.mean * this.#variation : 0);
    }
    variance += mean * mean * this.#sampling;
    return { mean, variance };
  }

  /** By the end of what is held now. */
  #opened(withinMs: number): Expected {
    let mean = 0;
    let variance = 0;
    for (const seat of this.#seats) {
      const opened = seat.isExact ? this.#exactly(seat, withinMs) : this.#nearly(seat, withinMs);
      mean += seat.weight * opened.mean;
      variance += seat.weight * opened.variance;
    }
    return { mean, variance: Math.max(0, variance) };
  }

  #exactly({ capacity, load, held }: WeighedSeat, withinMs: number): Expected {
    // Chance per number of units that are given back: chats of other work streams may take more or less than this one.
    let chances = new Map([[0, 1]]);
    for (const chat of held) {
      const over = this.#chanceOver(chat, withinMs);
      const next = new Map<number, number>();
      for (const [units, chance] of chances) {
        next.set(units, (next.get(units) ?? 0) + chance * (1 - over));
        next.set(units + chat.cost, (next.get(units + chat.cost) ?? 0) + chance * over);
      }
      chances = next;
    }
    let mean = 0;
    let squares = 0;
    for (const [units, chance] of chances) {
      const count = placesIn(capacity - load + units, this.question.cost);
      mean += chance * count;
      squares += chance * count * count;
    }
    return { mean, variance: squares - mean * mean };
  }

  /** Of many chats: by the mean of the units that are given back, exact where each chat frees whole places. */
  #nearly({ capacity, load, held, chatWeight }: WeighedSeat, withinMs: number): Expected {
    const { cost } = this.question;
    let units = 0;
    let variance = 0;
    let isWhole = load <= capacity;
    for (const chat of held) {
      const over = this.#chanceOver(chat, withinMs);
      units += chatWeight * chat.cost * over;
      variance += chatWeight * chat.cost ** 2 * over * (1 - over);
      isWhole &&= chat.cost % cost === 0;
    }
    const spare = capacity - load;
    // Units that are left over because they make no whole place: any number of them as likely as another.
    const mean = isWhole ? placesIn(spare, cost) + units / cost : Math.max(0, spare + units - (cost - 1) / 2) / cost;
    return { mean, variance: variance / cost ** 2 };
  }

  #chanceOver(chat: HeldChat, withinMs: number): number {
    const { now } = this.question;
    return chanceOver(this.#lengthsFor(chat), now - (chat.acceptedAt ?? now), withinMs);
  }

  #lengthsFor({ queue }: HeldChat): readonly number[] {
    const lengths = queue === undefined ? [] : (this.question.lengthsIn?.(queue) ?? []);
    return lengths.length < FEWEST_LENGTHS ? this.question.lengths : lengths;
  }
}

interface WeighedSeat extends Seat {
  /** Stands for so many seats. */
  readonly weight: number;
  /** Each of its chats stands for so many. */
  readonly chatWeight: number;
  readonly isExact: boolean;
}

/**
 * Steps for one moment: 1,000 people with three chats each, or one with 150, are looked at exactly where the longest chat took
 * up to eight times as long as the mean.
 */
const MOST_STEPS = 100_000;
/** More chats of one person are not looked at one by one where the whole is too much. */
const FEW_CHATS = 16;
const MOST_CHATS = 500;

/** All of them exactly where that takes at most `most` steps; else large ones nearly, and of many an even choice. */
function affordable(seats: readonly Seat[], cost: number, most: number): WeighedSeat[] {
  const exactly = ({ held }: Seat) => (held.length * (held.length + 1)) / 2;
  const exact = { weight: 1, chatWeight: 1, isExact: true };
  if (sumOf(seats, exactly) <= most) return seats.map((seat) => ({ ...seat, ...exact }));
  const nearly = seats.map((seat): WeighedSeat => {
    if (seat.held.length <= FEW_CHATS) return { ...seat, ...exact };
    const held = evenChoice(seat.held, Math.min(MOST_CHATS, most));
    // By units, so that what is free when all is over stays what it is.
    const chatWeight = sumOf(seat.held, unitsOf) / sumOf(held, unitsOf);
    return { ...seat, held, weight: 1, chatWeight, isExact: false };
  });
  const steps = sumOf(nearly, (seat) => (seat.isExact ? exactly(seat) : seat.held.length));
  if (steps <= most) return nearly;
  const bySize = nearly.filter((seat) => freeAtLast(seat, cost) > 0).sort((a, b) => a.held.length - b.held.length);
  const chosen = evenChoice(bySize, Math.max(1, Math.floor((bySize.length * most) / steps)));
  const weight = sumOf(bySize, (seat) => freeAtLast(seat, cost)) / sumOf(chosen, (seat) => freeAtLast(seat, cost));
  return chosen.map((seat) => ({ ...seat, weight }));
}

function freeAtLast({ capacity, load, held, chatWeight }: WeighedSeat, cost: number): number {
  return placesIn(capacity - load + Math.round(chatWeight * sumOf(held, unitsOf)), cost);
}

/** The middle one of each of `count` equal stretches. */
function evenChoice<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, index) => items[Math.floor(((index + 0.5) * items.length) / count)] as T);
}

function unitsOf({ cost }: HeldChat): number {
  return cost;
}

/** The chance that a chat that has lasted `elapsedMs` is over `withinMs` from now. */
function chanceOver(lengths: readonly number[], elapsedMs: number, withinMs: number): number {
  const shorter = countUpTo(lengths, elapsedMs);
  const longer = lengths.length - shorter;
  // It has outlasted every recent one: all that is known is that it is a chat, so it counts as one that begins now.
  if (longer === 0) return countUpTo(lengths, withinMs) / lengths.length;
  return (countUpTo(lengths, elapsedMs + withinMs) - shorter) / longer;
}

/** How many are at most `limit`; the list is in order. */
function countUpTo(lengths: readonly number[], limit: number): number {
  let low = 0;
  let high = lengths.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((lengths[middle] as number) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first whole second after `after`, or else `until`, from which on it holds. */
function firstStep(after: number, until: number, holds: (at: number) => boolean): number {
  let low = after;
  let step = STEP_MS;
  while (low + step < until && !holds(low + step)) {
    low += step;
    step *= 2;
  }
  let high = Math.min(low + step, until);
  while (high - low > STEP_MS) {
    const middle = low + Math.floor((high - low) / STEP_MS / 2) * STEP_MS;
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return high;
}

function placesIn(units: number, cost: number): number {
  return Math.max(0, Math.floor(units / cost));
}

function sumOf<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((sum, item) => sum + value(item), 0);
}
