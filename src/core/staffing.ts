// How long customers would wait with so many people: a queue served in the order of arrival, played through with drawn handling times.

export interface Arrival {
  /** Epoch milliseconds. */
  readonly at: number;
  /** The time after which its work stream gives up, in milliseconds. */
  readonly limitMs: number;
}

export interface Assumptions {
  /** Mean of the time that one chat takes one person; drawn from an exponential distribution. */
  readonly meanHandlingMs: number;
  /** Chats that each person holds at once, each as fast as a single one. */
  readonly capacity: number;
  /** Times that the same arrivals are played through, each with other handling times. */
  readonly runs: number;
  readonly seed: number;
}

/** Over all arrivals of all runs. Shares are from 0 to 1. */
export interface Waits {
  readonly people: number;
  readonly medianMs: number;
  readonly p90Ms: number;
  readonly longestMs: number;
  readonly servedAtOnce: number;
  readonly overLimit: number;
}

/**
 * The handling time of an arrival is the same for every number of people: so more people never mean a longer wait.
 * Everybody waits until served; nobody gives up.
 */
export function waitsWith(people: number, arrivals: readonly Arrival[], assumptions: Assumptions): Waits {
  const inOrder = [...arrivals].sort((a, b) => a.at - b.at);
  const waits = new Float64Array(inOrder.length * assumptions.runs);
  let overLimit = 0;
  for (let run = 0; run < assumptions.runs; run += 1)
    for (const [index, waitMs] of playThrough(people, inOrder, assumptions, run).entries()) {
      waits[run * inOrder.length + index] = waitMs;
      if (waitMs > (inOrder[index]?.limitMs ?? Infinity)) overLimit += 1;
    }
  waits.sort();
  const atOnce = waits.findIndex((waitMs) => waitMs > 0);
  return {
    people,
    medianMs: quantile(waits, 0.5),
    p90Ms: quantile(waits, 0.9),
    longestMs: waits.at(-1) ?? 0,
    servedAtOnce: waits.length === 0 || atOnce < 0 ? 1 : atOnce / waits.length,
    overLimit: waits.length === 0 ? 0 : overLimit / waits.length,
  };
}

/** The waits of one run, in the order of arrival, in milliseconds. */
export function playThrough(
  people: number,
  inOrder: readonly Arrival[],
  { meanHandlingMs, capacity, seed }: Omit<Assumptions, 'runs'>,
  run = 0,
): number[] {
  const random = randomFrom(seed + run);
  // When each place for a chat is free again: a heap, the earliest first.
  const freeAt = new Float64Array(people * capacity).fill(-Infinity);
  return inOrder.map(({ at }) => {
    const begins = Math.max(at, freeAt[0] ?? Infinity);
    replaceEarliest(freeAt, begins - meanHandlingMs * Math.log(1 - random()));
    return begins - at;
  });
}

function replaceEarliest(heap: Float64Array, value: number): void {
  let hole = 0;
  for (;;) {
    const left = 2 * hole + 1;
    if (left >= heap.length) break;
    const right = left + 1;
    const child = right < heap.length && (heap[right] as number) < (heap[left] as number) ? right : left;
    if ((heap[child] as number) >= value) break;
    heap[hole] = heap[child] as number;
    hole = child;
  }
  heap[hole] = value;
}

/** Nearest rank. */
function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
