// Rate limits: buckets that fill steadily. Generous, because a chat client takes a refusal for a failed send.

import { BadRequest } from '../errors.js';
import type { Clock } from '../hub/ports.js';

export interface Rate {
  /** Calls at once. */
  readonly burst: number;
  /** Calls in the long run. */
  readonly perSecond: number;
}

export interface Rates {
  /** Per conversation and reader: what one chat client may ask. */
  readonly perToken: Rate;
  /** Per client address: anonymous tokens, conversations started, and calls without a valid token. */
  readonly perAddress: Rate;
}

/** One client in a closed loop reaches about 300 messages a second; a building behind one address opens some hundred pages at once. */
export const DEFAULT_RATES: Rates = {
  perToken: { burst: 3_000, perSecond: 300 },
  perAddress: { burst: 600, perSecond: 20 },
};

/** Beyond this many buckets the full ones are forgotten: they say nothing. */
const SWEEP_AT = 10_000;

interface Bucket {
  left: number;
  at: number;
}

export class Buckets {
  readonly #buckets = new Map<string, Bucket>();
  #sweepAt = SWEEP_AT;

  constructor(
    private readonly rate: Rate | undefined,
    private readonly clock: Clock,
  ) {}

  /** @throws BadRequest 429 with the seconds until the next call has a chance. */
  take(key: string): void {
    const { rate } = this;
    if (rate === undefined) return;
    const now = this.clock.now();
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      if (this.#buckets.size >= this.#sweepAt) this.#sweep(now);
      this.#buckets.set(key, { left: rate.burst - 1, at: now });
      return;
    }
    bucket.left = this.#filled(bucket, now);
    bucket.at = now;
    if (bucket.left < 1) {
      const retryAfterS = Math.ceil((1 - bucket.left) / rate.perSecond);
      throw new BadRequest(429, 'TooManyRequests', `Too many requests. Try again in ${retryAfterS} s.`, {
        retryAfterS,
      });
    }
    bucket.left -= 1;
  }

  #filled(bucket: Bucket, now: number): number {
    const rate = this.rate as Rate;
    return Math.min(rate.burst, bucket.left + (Math.max(0, now - bucket.at) / 1_000) * rate.perSecond);
  }

  #sweep(now: number): void {
    const { burst } = this.rate as Rate;
    for (const [key, bucket] of this.#buckets) if (this.#filled(bucket, now) >= burst - 1) this.#buckets.delete(key);
    // When most are in use a sweep at every new one would cost more than the memory.
    this.#sweepAt = Math.max(SWEEP_AT, this.#buckets.size * 2);
  }
}
