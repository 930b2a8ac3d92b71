// Signed tokens of every kind: minted and checked with the hub's clock, and never one kind taken for another.

import { randomBytes, webcrypto } from 'node:crypto';
import { errors, jwtVerify, SignJWT } from 'jose';
import type { Clock, Store } from './ports.js';

/** A Direct Line token lives this long; it can be refreshed any number of times before it ends. */
export const CONVERSATION_TOKEN_MS = 30 * 60_000;
/** A stream has to be opened within this time; an open one outlives its token. */
export const STREAM_TOKEN_MS = 60_000;

/** Audiences of the tokens minted here. Others (people's sessions) choose their own. */
export const CONVERSATION_AUDIENCE = 'directline';
export const STREAM_AUDIENCE = 'directline-stream';

/** Kind of the grants that are people's sessions; the id is a digest of what the cookie holds. */
export const SESSION_GRANT = 'session';

/** Verified tokens remembered: a look-up takes about a sixtieth of a signature's time (5 µs against 320 µs on a busy machine). */
const REMEMBERED_TOKENS = 4_096;
/** Between nodes whose clocks differ a little, a token may seem to be from the near future. */
const NOT_BEFORE_TOLERANCE_S = 5;

/** The customer of one conversation. */
export interface CustomerClaims {
  readonly conv: string;
  /** The customer's id, which no call with this token can change. Absent: the page may name one. */
  readonly user?: string;
  readonly name?: string;
  /** Browser origins that may use the token, where the server has no list of its own. */
  readonly origin?: readonly string[];
  /** The closed conversation this visitor comes back from. */
  readonly previous?: string;
  readonly view?: undefined;
}

/** A person's chat pane: reads what staff may read and speaks as that person. */
export interface StaffClaims {
  readonly conv: string;
  readonly view: 'staff';
  readonly agent: string;
  /** The session it was asked for in: it ends with it. */
  readonly session?: string;
  /** When the bearer token it was asked for with ends, epoch milliseconds. */
  readonly until?: number;
}

export type ConversationClaims = CustomerClaims | StaffClaims;

export type StreamClaims = ConversationClaims & {
  /** Where the stream starts when its URL does not say. */
  readonly watermark?: string;
};

/** Any claims a kind of token needs; `iss`, `aud`, `nbf` and `exp` are set by `mint`. */
export type Claims = Readonly<Record<string, unknown>>;

export class TokenRefused extends Error {
  readonly code = 'TokenRefused';
  constructor(
    readonly why: 'expired' | 'invalid',
    options?: ErrorOptions,
  ) {
    super(why === 'expired' ? 'The token has expired. Get a new one.' : 'The token is not valid here.', options);
    this.name = 'TokenRefused';
  }
}

interface Remembered {
  readonly audience: string;
  readonly claims: Claims;
  /** Epoch seconds. */
  readonly exp: number;
}

export class Tokens {
  readonly #remembered = new Map<string, Remembered>();

  private constructor(
    private readonly key: webcrypto.CryptoKey,
    private readonly clock: Clock,
    private readonly issuer: () => string,
  ) {}

  /** The key is the store's: every process on the same store accepts the same tokens. `issuer` is only for readers of a token. */
  static async open(
    store: Pick<Store, 'secret'>,
    clock: Clock,
    issuer: () => string = () => 'botframework-handoff',
  ): Promise<Tokens> {
    const secret = await store.secret('tokenKey', () => randomBytes(32).toString('base64url'));
    const key = await webcrypto.subtle.importKey(
      'raw',
      Buffer.from(secret, 'base64url'),
      { name: 'HMAC', hash: 'SHA-256' },
      false,
      ['sign', 'verify'],
    );
    return new Tokens(key, clock, issuer);
  }

  /** `audience` names the kind of token; only `verify` with the same audience accepts it. */
  async mint(audience: string, claims: Claims, lifeMs: number): Promise<string> {
    const nowS = this.#nowS();
    return new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setNotBefore(nowS)
      .setExpirationTime(nowS + Math.ceil(lifeMs / 1_000))
      .setIssuer(this.issuer())
      .setAudience(audience)
      .sign(this.key);
  }

  /** @throws TokenRefused when it is not one of ours, of another audience, not yet valid, or expired. */
  async verify(audience: string, token: string): Promise<Claims> {
    const known = this.#remembered.get(token);
    if (known !== undefined) {
      if (known.audience !== audience) throw new TokenRefused('invalid');
      if (known.exp > this.#nowS()) return known.claims;
      this.#remembered.delete(token);
      throw new TokenRefused('expired');
    }
    const claims = await this.#check(audience, token);
    const exp = claims['exp'] as number;
    if (exp <= this.#nowS()) throw new TokenRefused('expired');
    this.#remember(token, { audience, claims, exp });
    return claims;
  }

  mintConversation(claims: ConversationClaims, lifeMs = CONVERSATION_TOKEN_MS): Promise<string> {
    return this.mint(CONVERSATION_AUDIENCE, { bot: 'botframework-handoff', site: 'default', ...claims }, lifeMs);
  }

  /** @throws TokenRefused */
  async verifyConversation(token: string): Promise<ConversationClaims> {
    return conversationClaims(await this.verify(CONVERSATION_AUDIENCE, token));
  }

  mintStream(claims: StreamClaims): Promise<string> {
    return this.mint(STREAM_AUDIENCE, { bot: 'botframework-handoff', site: 'default', ...claims }, STREAM_TOKEN_MS);
  }

  /** @throws TokenRefused */
  async verifyStream(token: string): Promise<StreamClaims> {
    return conversationClaims(await this.verify(STREAM_AUDIENCE, token));
  }

  async #check(audience: string, token: string): Promise<Claims> {
    try {
      const { payload } = await jwtVerify(token, this.key, {
        algorithms: ['HS256'],
        audience,
        currentDate: new Date(this.clock.now()),
        clockTolerance: NOT_BEFORE_TOLERANCE_S,
        requiredClaims: ['exp', 'nbf'],
      });
      return payload;
    } catch (cause) {
      throw new TokenRefused(cause instanceof errors.JWTExpired ? 'expired' : 'invalid', { cause });
    }
  }

  #remember(token: string, verified: Remembered): void {
    this.#remembered.set(token, verified);
    if (this.#remembered.size <= REMEMBERED_TOKENS) return;
    const oldest = this.#remembered.keys().next().value;
    if (oldest !== undefined) this.#remembered.delete(oldest);
  }

  #nowS(): number {
    return Math.floor(this.clock.now() / 1_000);
  }
}

function conversationClaims(claims: Claims): StreamClaims {
  const isStaff = claims['view'] === 'staff';
  if (typeof claims['conv'] !== 'string' || (isStaff && typeof claims['agent'] !== 'string'))
    throw new TokenRefused('invalid');
  return claims as unknown as StreamClaims;
}
