// Attempts per key, as buckets that refill: what guesses, waits.

export interface BucketOptions {
  /** Attempts at once. */
  size: number;
  /** One attempt comes back after this time. */
  refillMs: number;
}

/** Keys kept at most; the fullest are forgotten first, which costs an attacker with that many addresses nothing new. */
const MOST_KEYS = 10_000;

export class Buckets {
  readonly #spent = new Map<string, { spent: number; at: number }>();

  constructor(private readonly options: BucketOptions) {}

  /** Milliseconds until the key has an attempt left; 0 = now. */
  waitMs(key: string, now: number): number {
    const spent = this.#spentBy(key, now);
    return spent + 1 <= this.options.size ? 0 : Math.ceil((spent + 1 - this.options.size) * this.options.refillMs);
  }

  spend(key: string, now: number): void {
    const spent = this.#spentBy(key, now) + 1;
    this.#spent.delete(key);
    this.#spent.set(key, { spent, at: now });
    if (this.#spent.size > MOST_KEYS) this.#forget(now);
  }

  #spentBy(key: string, now: number): number {
    const bucket = this.#spent.get(key);
    if (bucket === undefined) return 0;
    return Math.max(0, bucket.spent - Math.max(0, now - bucket.at) / this.options.refillMs);
  }

  #forget(now: number): void {
    for (const key of this.#spent.keys()) if (this.#spentBy(key, now) === 0) this.#spent.delete(key);
    for (const key of this.#spent.keys()) {
      if (this.#spent.size <= MOST_KEYS) return;
      this.#spent.delete(key);
    }
  }
}
