// Who calls the connector with a token: issued here or by Microsoft Entra, checked in full, and turned into bots of the directory.

import { decodeJwt, decodeProtectedHeader, type JWTPayload } from 'jose';
import type { Bot } from '../../core/directory.js';
import { BadRequest } from '../../errors.js';
import type { HttpRequest } from '../../http.js';
import type { Hub } from '../../hub/hub.js';
import type { BotCaller, BotCallers } from '../callers.js';
import { FailedAttempts } from './attempts.js';
import { appIdOf, EntraVerifier, type EntraAuth } from './entra.js';
import type { HubIssuer } from './issuer.js';
import { notBelieved, TokenNotBelieved } from './refusal.js';

/** Verified tokens remembered: a look-up takes a hundredth of a signature's time. */
const REMEMBERED_TOKENS = 4_096;
/** Tokens of one app from one address that were not believed. 100 at once, then 100 a minute. */
const WRONG_TOKENS = { size: 100, refillMs: 600 };

interface Believed {
  readonly appId: string;
  /** Epoch ms: checked again from then on. */
  readonly until: number;
  /** The hub's own key, which may be revoked meanwhile. */
  readonly kid?: string;
}

type HttpBotEntry = Bot & { readonly transport: Extract<Bot['transport'], { kind: 'http' }> };

export class TrustedCallers implements BotCallers {
  readonly #believed = new Map<string, Believed>();
  readonly #entra: EntraVerifier;
  readonly #wrong: FailedAttempts;

  constructor(
    private readonly hub: Hub,
    private readonly issuer: HubIssuer,
    /** Calls without a token. */
    private readonly unauthenticated: BotCallers,
  ) {
    this.#entra = new EntraVerifier(hub.clock);
    this.#wrong = new FailedAttempts(hub.clock, WRONG_TOKENS, (appId) =>
      Object.values(hub.directory.bots).some((bot) => isHttpBot(bot) && bot.transport.appId === appId),
    );
  }

  async authenticate(request: HttpRequest): Promise<BotCaller> {
    try {
      const token = /^Bearer\s+(\S+)$/i.exec(request.header('authorization')?.trim() ?? '')?.[1];
      return await (token === undefined
        ? this.unauthenticated.authenticate(request)
        : this.#believe(token, request.ip));
    } catch (error) {
      if (error instanceof BadRequest) this.hub.notify('callRefused', { reason: reasonOf(error) });
      throw error;
    }
  }

  /** Who fails beside a bot at the same address costs it nothing: only what is not believed is counted and slowed. */
  async #believe(token: string, address: string): Promise<BotCaller> {
    const claims = claimsOf(token);
    const from = { address, appId: appIdOf(claims) };
    const bots = Object.values(this.hub.directory.bots).filter(isHttpBot);
    const isHubs = bots.filter(({ transport: { auth } }) => isIssuedHere(auth, this.issuer, claims.iss));
    const [hubs] = isHubs;
    if (hubs !== undefined && hubs.transport.auth !== 'none' && hubs.transport.auth.issuer === 'hub') {
      const { tenant } = hubs.transport.auth;
      const { appId } = await this.#check(`hub ${tenant}`, token, from, () => this.issuer.verify(token, tenant));
      return callersOf(isHubs, appId);
    }
    const named = bots.filter(({ transport }) => isEntra(transport.auth) && transport.appId === from.appId);
    const auth = named[0]?.transport.auth;
    if (auth === undefined || !isEntra(auth)) throw new TokenNotBelieved('issuer');
    const realm = realmOf(auth);
    const { appId } = await this.#check(realm, token, from, () => this.#entra.verify(token, auth));
    return callersOf(
      named.filter(({ transport }) => isEntra(transport.auth) && realmOf(transport.auth) === realm),
      appId,
    );
  }

  async #check(
    realm: string,
    token: string,
    from: { address: string; appId: string | undefined },
    verify: () => Promise<Believed>,
  ): Promise<Believed> {
    const id = `${realm} ${token}`;
    const known = this.#believed.get(id);
    const now = this.hub.clock.now();
    if (known !== undefined && now < known.until) {
      if (known.kid === undefined || (await this.issuer.keys.find(known.kid)) !== undefined) return known;
    }
    this.#believed.delete(id);
    try {
      const believed = await verify();
      this.#believed.set(id, believed);
      const oldest = this.#believed.keys().next().value;
      if (this.#believed.size > REMEMBERED_TOKENS && oldest !== undefined) this.#believed.delete(oldest);
      return believed;
    } catch (cause) {
      const told = notBelieved(cause);
      // Keys that cannot be loaded are no fault of the caller.
      if (told instanceof TokenNotBelieved) this.#wrong.failed(from.address, from.appId);
      throw told;
    }
  }
}

function reasonOf(error: BadRequest): string {
  if (error instanceof TokenNotBelieved) return error.reason;
  return error.status === 429 ? 'tooMany' : 'noToken';
}

/** As the token says of itself: only to know by which rules to check it. */
function claimsOf(token: string): JWTPayload {
  try {
    // Before anything else: a token "signed" with our public key as a secret, or not at all.
    if (decodeProtectedHeader(token).alg !== 'RS256') throw new TokenNotBelieved('algorithm');
    return decodeJwt(token);
  } catch (cause) {
    throw cause instanceof TokenNotBelieved ? cause : new TokenNotBelieved('malformed', { cause });
  }
}

function callersOf(bots: readonly HttpBotEntry[], appId: string): BotCaller {
  const botIds = new Set(bots.filter(({ transport }) => transport.appId === appId).map(({ id }) => id));
  if (botIds.size === 0) throw new TokenNotBelieved('bot');
  return { botIds };
}

function isHttpBot(bot: Bot): bot is HttpBotEntry {
  return bot.transport.kind === 'http';
}

function isEntra(auth: HttpBotEntry['transport']['auth']): auth is EntraAuth {
  return auth !== 'none' && auth.issuer === 'entra';
}

function isIssuedHere(auth: HttpBotEntry['transport']['auth'], issuer: HubIssuer, iss: string | undefined): boolean {
  return auth !== 'none' && auth.issuer === 'hub' && issuer.tenantIssuer(auth.tenant) === iss;
}

/** Bots whose tokens are checked by the same rules. */
function realmOf({ authority, tenantId, as, clientId }: EntraAuth): string {
  return `entra ${authority} ${tenantId ?? ''} ${as === 'skill' ? clientId : ''}`;
}
