// Calls that a bot repeats because it never heard the answer: they get the key of the first one, so that nothing is said twice.

import { createHash } from 'node:crypto';
import type { Clock } from '../hub/ports.js';

/** SDKs repeat a call three times within about 7 s after a 5xx or a broken connection. */
const REMEMBERED_MS = 30_000;
/** Beyond this many, those whose time is up are forgotten at every new call. */
const SWEEP_AT = 1_000;

interface Call {
  readonly key: string;
  /** Its connection is still there, so that its answer can be heard. */
  readonly isConnected: () => boolean;
  /** Set when it ended unheard. */
  until?: number;
}

export interface Begun {
  readonly key: string;
  /** `isCertain` = the caller can be told what became of it. */
  end(isCertain: boolean): void;
}

/**
 * A bot's call carries no id of its own: the same words may be said twice on purpose. Only one whose answer cannot have
 * been heard (its connection broke, or what became of it is not known) is taken for the same when it comes again.
 */
export class Repeats {
  readonly #calls = new Map<string, Call[]>();

  constructor(private readonly clock: Clock) {}

  /** @param newKey for a call that is no repetition. */
  begin(fingerprint: string, isConnected: () => boolean, newKey: () => string): Begun {
    const now = this.clock.now();
    if (this.#calls.size >= SWEEP_AT) this.#sweep(now);
    const calls = (this.#calls.get(fingerprint) ?? []).filter(({ until }) => until === undefined || until > now);
    const unheard = calls.find((call) => call.until !== undefined || !call.isConnected());
    const call: Call = { key: unheard?.key ?? newKey(), isConnected };
    this.#keep(fingerprint, [...calls.filter((one) => one !== unheard), call]);
    return {
      key: call.key,
      end: (isCertain) => {
        if (!isCertain || !isConnected()) call.until = this.clock.now() + REMEMBERED_MS;
        else this.#forget(fingerprint, call);
      },
    };
  }

  #forget(fingerprint: string, call: Call): void {
    this.#keep(
      fingerprint,
      (this.#calls.get(fingerprint) ?? []).filter((one) => one !== call),
    );
  }

  #keep(fingerprint: string, calls: Call[]): void {
    if (calls.length === 0) this.#calls.delete(fingerprint);
    else this.#calls.set(fingerprint, calls);
  }

  #sweep(now: number): void {
    for (const [fingerprint, calls] of this.#calls)
      this.#keep(
        fingerprint,
        calls.filter(({ until }) => until === undefined || until > now),
      );
  }
}

/** Equal for calls that ask the same, byte for byte. */
export function fingerprintOf(method: string, url: string, botIds: ReadonlySet<string>, body: Uint8Array): string {
  return createHash('sha256')
    .update(JSON.stringify([method, url, [...botIds].sort()]))
    .update(body)
    .digest('base64url');
}
