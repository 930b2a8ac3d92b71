// Failed attempts to be a bot, by client address and app id: who guesses waits, and every other bot goes on.

import { BadRequest } from '../../errors.js';
import { Buckets, type BucketOptions } from '../../hub/buckets.js';
import type { Clock } from '../../hub/ports.js';

export class FailedAttempts {
  readonly #buckets: Buckets;

  /** App ids that are of no bot count as one: inventing them gives no further attempts. */
  constructor(
    private readonly clock: Clock,
    options: BucketOptions,
    private readonly isBot: (appId: string) => boolean,
  ) {
    this.#buckets = new Buckets(options);
  }

  /** @throws BadRequest 429 with the seconds until the next attempt is looked at. */
  requireLeft(address: string, appId: string | null | undefined): void {
    const waitMs = this.#buckets.waitMs(this.#key(address, appId), this.clock.now());
    if (waitMs === 0) return;
    const retryAfterS = Math.ceil(waitMs / 1_000);
    throw new BadRequest(
      429,
      'TooManyRequests',
      `Too many failed attempts of this app from this address. Correct its secret or token, and try again in ${retryAfterS} s.`,
      { retryAfterS },
    );
  }

  failed(address: string, appId: string | null | undefined): void {
    this.#buckets.spend(this.#key(address, appId), this.clock.now());
  }

  #key(address: string, appId: string | null | undefined): string {
    return JSON.stringify([address, appId != null && this.isBot(appId) ? appId : '']);
  }
}
