// The hub's own signing keys: one per period, each published for a whole period before it signs, revocable at any time.

import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';
import { Rejected } from '../../errors.js';
import type { Clock, Store } from '../../hub/ports.js';

/**
 * Bots keep the list of keys for a day, and some ask at most once an hour for a key they do not know. A key that was
 * published for a whole period before it signs is known to all of them.
 */
export const KEY_PERIOD_MS = 30 * 24 * 60 * 60_000;
/** After its period a key is believed for so long: more than any of its tokens lives. */
export const KEY_OVERLAP_MS = 24 * 60 * 60_000;
/** Another process on the same store may revoke a key: so soon every process has heard of it. */
export const RECHECK_MS = 5_000;

const REVOKED = 'revokedSigningKey';
const REVOKED_MS = 10 * KEY_PERIOD_MS;
const RSA_BITS = 2_048;

export interface SigningKey {
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  /** Number of the period in which it signs, and when that begins. */
  readonly period: number;
  readonly from: number;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** What bots read. */
  readonly jwk: JWK;
}

type KeyStore = Pick<Store, 'secret' | 'getGrant' | 'putGrant'>;

export class SigningKeys {
  readonly #loaded = new Map<number, Promise<SigningKey>>();
  #published: Promise<readonly SigningKey[]> | undefined;
  #checkedAt = 0;

  constructor(
    private readonly store: KeyStore,
    private readonly clock: Clock,
  ) {}

  /** The key that signs now: the present period's or, while that is revoked, the next one's, which is published already. */
  async signing(): Promise<SigningKey> {
    const period = this.#period();
    return (await this.published()).find((key) => key.period >= period) as SigningKey;
  }

  /** What is believed: keys whose tokens may still live, the one that signs, and the one that signs after it. */
  published(): Promise<readonly SigningKey[]> {
    const sinceMs = this.clock.now() - this.#checkedAt;
    if (this.#published === undefined || sinceMs >= RECHECK_MS || sinceMs < 0) {
      this.#checkedAt = this.clock.now();
      const published = this.#publish();
      this.#published = published;
      published.catch(() => {
        if (this.#published === published) this.#published = undefined;
      });
    }
    return this.#published;
  }

  /** @returns undefined for a key that is not ours, is revoked, or is too old. */
  async find(kid: string): Promise<SigningKey | undefined> {
    return (await this.published()).find((key) => key.kid === kid);
  }

  /** For operators: the key that signs now, the next, and the last one while its tokens live. */
  async list(): Promise<{ kid: string; from: number; signs: boolean }[]> {
    const signing = await this.signing();
    return (await this.published()).map(({ kid, from }) => ({ kid, from, signs: kid === signing.kid }));
  }

  /**
   * No token of this key is believed any more: here at once, by bots when they read the list of keys again.
   * `named`: its kid, or as much of its beginning as no other key of the list has.
   * @throws Rejected for a key that is none of the list, or not the only one.
   */
  async revoke(named: string): Promise<void> {
    if (named === '') throw new Rejected('badCommand', 'Name the key to revoke. "handoff keys" lists them.');
    const [key, ...others] = (await this.published()).filter(({ kid }) => kid.startsWith(named));
    if (key === undefined)
      throw new Rejected('notFound', `There is no signing key "${named}". "handoff keys" lists them.`);
    if (others.length > 0)
      throw new Rejected('badCommand', `Several signing keys begin with "${named}". Name more of the one you mean.`);
    const { kid } = key;
    const at = this.clock.now();
    await this.store.putGrant({ kind: REVOKED, id: kid, value: { at }, expiresAt: at + REVOKED_MS });
    this.#published = undefined;
  }

  async #publish(): Promise<readonly SigningKey[]> {
    const period = this.#period();
    for (const old of this.#loaded.keys()) if (old < period - 1) this.#loaded.delete(old);
    const sinceStartMs = this.clock.now() - period * KEY_PERIOD_MS;
    const keys = sinceStartMs < KEY_OVERLAP_MS ? [await this.#unlessRevoked(period - 1)] : [];
    // Two that can sign: when one is revoked the other takes over, and nobody has to learn it first.
    for (let next = period, able = 0; able < 2; next += 1) {
      const key = await this.#unlessRevoked(next);
      if (key === undefined) continue;
      keys.push(key);
      able += 1;
    }
    return keys.filter((key) => key !== undefined);
  }

  async #unlessRevoked(period: number): Promise<SigningKey | undefined> {
    let loading = this.#loaded.get(period);
    if (loading === undefined) {
      loading = loadKey(this.store, period);
      this.#loaded.set(period, loading);
      loading.catch(() => this.#loaded.delete(period));
    }
    const key = await loading;
    const revoked = await this.store.getGrant(REVOKED, key.kid, this.clock.now());
    return revoked === undefined ? key : undefined;
  }

  #period(): number {
    return Math.floor(this.clock.now() / KEY_PERIOD_MS);
  }
}

/** Every process on the store has the same key for a period, whoever made it. */
async function loadKey(store: KeyStore, period: number): Promise<SigningKey> {
  const name = `signingKey:${period}`;
  let pem: string;
  try {
    pem = await store.secret(name, () => {
      throw new NotMadeYet();
    });
  } catch (error) {
    if (!(error instanceof NotMadeYet)) throw error;
    // Making one takes a third of a second of a core: on a thread of its own, and only when it is needed.
    const made = await promisify(generateKeyPair)('rsa', {
      modulusLength: RSA_BITS,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    pem = await store.secret(name, () => made.privateKey);
  }
  const privateKey = createPrivateKey(pem);
  const publicKey = createPublicKey(privateKey);
  const bare = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(bare);
  return {
    kid,
    period,
    from: period * KEY_PERIOD_MS,
    privateKey,
    publicKey,
    jwk: { ...bare, kid, use: 'sig', alg: 'RS256' },
  };
}

class NotMadeYet extends Error {}
