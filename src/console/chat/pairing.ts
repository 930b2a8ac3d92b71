// One-time codes by which a person of the directory becomes known in a chat channel: made where they are signed in, typed there.

import { createHash, randomBytes } from 'node:crypto';
import { Rejected } from '../../errors.js';
import type { Hub } from '../../hub/hub.js';
import type { Store } from '../../hub/ports.js';
import { Buckets } from '../../hub/buckets.js';

/** A code works once, for this long. */
export const PAIRING_CODE_LASTS_MS = 10 * 60_000;

const PAIRING_CODE = 'pairingCode';
/** Without I, L, O and U: what is read aloud or copied by hand is not mistaken. 8 of 32 are 40 bits. */
const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const LENGTH = 8;

export type Redeemed = { person: string } | { refused: 'wrong' } | { refused: 'wait'; waitMs: number };

/** Makes a code; the store keeps only a digest of it. @throws Rejected for somebody the directory does not name. */
export async function createPairingCode(
  hub: Pick<Hub, 'directory' | 'store' | 'clock'>,
  personId: string,
): Promise<string> {
  if (hub.directory.people[personId] === undefined)
    throw new Rejected('notFound', `There is no person "${personId}". The configuration names those who serve.`);
  return putPairingCode(hub.store, personId, hub.clock.now());
}

/** For who knows already that the person exists. */
export async function putPairingCode(store: Pick<Store, 'putGrant'>, personId: string, now: number): Promise<string> {
  const code = [...randomBytes(LENGTH)].map((byte) => LETTERS[byte % LETTERS.length]).join('');
  const expiresAt = now + PAIRING_CODE_LASTS_MS;
  await store.putGrant({ kind: PAIRING_CODE, id: digest(code), value: { person: personId }, expiresAt });
  return `${code.slice(0, LENGTH / 2)}-${code.slice(LENGTH / 2)}`;
}

/** The code as it was made, whatever case and spacing it is typed in; undefined when it cannot be one. */
export function readPairingCode(typed: string): string | undefined {
  const code = typed.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1');
  return code.length === LENGTH && [...code].every((letter) => LETTERS.includes(letter)) ? code : undefined;
}

/** Takes codes, and makes who guesses wait. */
export class PairingCodes {
  /** Wrong codes by the account they are typed in: five at once, then one every two minutes. */
  readonly #byAccount = new Buckets({ size: 5, refillMs: 2 * 60_000 });
  /** A channel that asks for no authentication lets anybody invent accounts: all of them together guess 100 times a minute. */
  readonly #byAll = new Buckets({ size: 100, refillMs: 600 });

  constructor(private readonly hub: Pick<Hub, 'store' | 'clock'>) {}

  /** A code that is refused because its account has to wait stays good. */
  async redeem(account: string, typed: string): Promise<Redeemed> {
    const now = this.hub.clock.now();
    const waitMs = Math.max(this.#byAccount.waitMs(account, now), this.#byAll.waitMs('', now));
    if (waitMs > 0) return { refused: 'wait', waitMs };
    // Counted before it is known whether it is right: a hundred guesses at once are a hundred guesses.
    this.#byAccount.spend(account, now);
    this.#byAll.spend('', now);
    const code = readPairingCode(typed);
    const grant = code === undefined ? undefined : await this.hub.store.getGrant(PAIRING_CODE, digest(code), now, true);
    const person = grant?.value['person'];
    return typeof person === 'string' ? { person } : { refused: 'wrong' };
  }
}

function digest(code: string): string {
  return createHash('sha256').update(code).digest('hex');
}
