// Failed attempts to be a bot, by client network and app id: who guesses waits, and every bot goes on.

import { networkOf } from '../../addresses.js';
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

  /**
   * One more that was wrong. What is right never comes here: nobody is refused because others guess.
   * @throws BadRequest 429 when too many were wrong before it, with the seconds until the next one is answered otherwise.
   */
  failed(address: string, appId: string | null | undefined): void {
    const now = this.clock.now();
    const key = JSON.stringify([networkOf(address), appId != null && this.isBot(appId) ? appId : '']);
    const waitMs = this.#buckets.waitMs(key, now);
    if (waitMs === 0) return this.#buckets.spend(key, now);
    const retryAfterS = Math.ceil(waitMs / 1_000);
    throw new BadRequest(
      429,
      'TooManyRequests',
      `Too many failed attempts of this app from this address. Correct its secret or token, and try again in ${retryAfterS} s.`,
      { retryAfterS },
    );
  }
}
