// One-time codes by which a person of the directory becomes known in a chat channel: made where they are signed in, typed there.

import { createHash, randomBytes } from 'node:crypto';
import { Rejected } from '../../errors.js';
import type { Hub } from '../../hub/hub.js';
import type { Grant, Store } from '../../hub/ports.js';

/** A code works once, for this long. */
export const PAIRING_CODE_LASTS_MS = 10 * 60_000;

const PAIRING_CODE = 'pairingCode';
/** Without I, L, O and U: what is read aloud or copied by hand is not mistaken. */
const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/**
 * 60 bits: who tries 10,000 a second while 100 are good finds one in 30,000 years. So nobody has to be slowed, and what
 * is right is never refused because others guess.
 */
const LENGTH = 12;
const GROUP = /.{4}(?=.)/g;

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
  return code.replace(GROUP, '$&-');
}

/** The code as it was made, whatever case and spacing it is typed in; undefined when it cannot be one. */
export function readPairingCode(typed: string): string | undefined {
  const code = typed.toUpperCase().replace(/[\s-]/g, '').replace(/O/g, '0').replace(/[IL]/g, '1');
  return code.length === LENGTH && [...code].every((letter) => LETTERS.includes(letter)) ? code : undefined;
}

/** Whose code it is; it stays good. */
export async function findPairingCode(hub: Pick<Hub, 'store' | 'clock'>, typed: string): Promise<string | undefined> {
  const person = (await grantOf(hub, typed, false))?.value['person'];
  return typeof person === 'string' ? person : undefined;
}

/**
 * Spends the code on `use`; it is good again when that fails.
 * @returns false when it is spent, too old or none.
 */
export async function spendPairingCode(
  hub: Pick<Hub, 'store' | 'clock'>,
  typed: string,
  use: () => Promise<void>,
): Promise<boolean> {
  const grant = await grantOf(hub, typed, true);
  if (grant === undefined) return false;
  try {
    await use();
  } catch (error) {
    await hub.store.putGrant(grant);
    throw error;
  }
  return true;
}

async function grantOf(
  { store, clock }: Pick<Hub, 'store' | 'clock'>,
  typed: string,
  take: boolean,
): Promise<Grant | undefined> {
  const code = readPairingCode(typed);
  return code === undefined ? undefined : store.getGrant(PAIRING_CODE, digest(code), clock.now(), take);
}

function digest(code: string): string {
  return createHash('sha256').update(code).digest('hex');
}
