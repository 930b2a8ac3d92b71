// Signed tokens of every kind: minted and checked with the hub's clock, and never one kind taken for another.

import { createHmac, createSecretKey, randomBytes, timingSafeEqual, type KeyObject } from 'node:crypto';
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

/**
 * Every token's first part: what has another one, of another algorithm, is not ours. Signed here in the hub's own thread, because
 * Web Crypto, which does each signature in a thread of a pool, took 33 % of what the start of a conversation costs, and this 6 %.
 */
const HEADER = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT' })).toString('base64url');
/** Verified tokens remembered, about 1 KB each: a signature costs 3 % of a message. */
const VERIFIED = 1_000;
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

export class Tokens {
  /** Tokens whose signature was looked at: time and audience are looked at every time. */
  readonly #verified = new Map<string, Claims>();

  private constructor(
    private readonly key: KeyObject,
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
    return new Tokens(createSecretKey(secret, 'base64url'), clock, issuer);
  }

  /** A JWT. `audience` names the kind of token; only `verify` with the same audience accepts it. */
  async mint(audience: string, claims: Claims, lifeMs: number): Promise<string> {
    const nbf = this.#nowS();
    const exp = nbf + Math.ceil(lifeMs / 1_000);
    const payload = Buffer.from(JSON.stringify({ ...claims, nbf, exp, iss: this.issuer(), aud: audience }));
    const signed = `${HEADER}.${payload.toString('base64url')}`;
    return `${signed}.${this.#signatureOf(signed)}`;
  }

  /** @throws TokenRefused when it is not one of ours, of another audience, not yet valid, or expired. */
  async verify(audience: string, token: string): Promise<Claims> {
    const claims = this.#verified.get(token) ?? this.#signed(token);
    const { aud, nbf, exp } = claims;
    const nowS = this.#nowS();
    if (aud !== audience || typeof exp !== 'number' || typeof nbf !== 'number') throw new TokenRefused('invalid');
    if (nbf > nowS + NOT_BEFORE_TOLERANCE_S) throw new TokenRefused('invalid');
    if (exp <= nowS) throw new TokenRefused('expired');
    return claims;
  }

  /** The claims of a token whose signature is ours. */
  #signed(token: string): Claims {
    const [header, payload = '', signature = '', ...rest] = token.split('.');
    const due = this.#signatureOf(`${HEADER}.${payload}`);
    if (header !== HEADER || rest.length > 0 || !isSame(signature, due)) throw new TokenRefused('invalid');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Claims;
    if (this.#verified.size === VERIFIED) this.#verified.clear();
    this.#verified.set(token, claims);
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

  #signatureOf(signed: string): string {
    return createHmac('sha256', this.key).update(signed).digest('base64url');
  }

  #nowS(): number {
    return Math.floor(this.clock.now() / 1_000);
  }
}

function isSame(signature: string, due: string): boolean {
  const [a, b] = [Buffer.from(signature), Buffer.from(due)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function conversationClaims(claims: Claims): StreamClaims {
  const isStaff = claims['view'] === 'staff';
  if (typeof claims['conv'] !== 'string' || (isStaff && typeof claims['agent'] !== 'string'))
    throw new TokenRefused('invalid');
  return claims as unknown as StreamClaims;
}
