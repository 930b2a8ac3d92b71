// Attempts per key, as buckets that refill: what guesses, waits.

import { createHash } from 'node:crypto';

export interface BucketOptions {
  /** Attempts at once. */
  size: number;
  /** One attempt comes back after this time. */
  refillMs: number;
}

/** Keys kept at most; those that tried longest ago are forgotten first. */
const MOST_KEYS = 10_000;
/** Forgotten at once: the first key of a map that loses its first key each time is found in 14 µs. */
const FORGOTTEN_KEYS = 1_000;
/** Characters; of longer keys a digest is kept, because whoever guesses may choose them. */
const LONGEST_KEY = 100;

export class Buckets {
  readonly #spent = new Map<string, { spent: number; at: number }>();

  constructor(private readonly options: BucketOptions) {}

  /** Milliseconds until the key has an attempt left; 0 = now. */
  waitMs(key: string, now: number): number {
    const spent = this.#spentBy(kept(key), now);
    return spent + 1 <= this.options.size ? 0 : Math.ceil((spent + 1 - this.options.size) * this.options.refillMs);
  }

  spend(whole: string, now: number): void {
    const key = kept(whole);
    const spent = this.#spentBy(key, now) + 1;
    this.#spent.delete(key);
    this.#spent.set(key, { spent, at: now });
    if (this.#spent.size <= MOST_KEYS) return;
    let count = 0;
    for (const oldest of this.#spent.keys()) {
      this.#spent.delete(oldest);
      if ((count += 1) === FORGOTTEN_KEYS) break;
    }
  }

  /** Keys remembered. */
  get keys(): number {
    return this.#spent.size;
  }

  #spentBy(key: string, now: number): number {
    const bucket = this.#spent.get(key);
    if (bucket === undefined) return 0;
    return Math.max(0, bucket.spent - Math.max(0, now - bucket.at) / this.options.refillMs);
  }
}

function kept(key: string): string {
  return key.length <= LONGEST_KEY ? key : createHash('sha256').update(key).digest('base64');
}
