// Rate limits. Generous, because a chat client takes a refusal for a failed send.

import { BadRequest } from '../errors.js';
import { Buckets } from '../hub/buckets.js';
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

export class RateLimit {
  readonly #buckets: Buckets | undefined;

  constructor(
    rate: Rate | undefined,
    private readonly clock: Clock,
  ) {
    if (rate !== undefined) this.#buckets = new Buckets({ size: rate.burst, refillMs: 1_000 / rate.perSecond });
  }

  /** @throws BadRequest 429 with the seconds until the next call has a chance. */
  take(key: string): void {
    if (this.#buckets === undefined) return;
    const now = this.clock.now();
    const waitMs = this.#buckets.waitMs(key, now);
    if (waitMs === 0) return this.#buckets.spend(key, now);
    const retryAfterS = Math.ceil(waitMs / 1_000);
    throw new BadRequest(429, 'TooManyRequests', `Too many requests. Try again in ${retryAfterS} s.`, { retryAfterS });
  }
}
