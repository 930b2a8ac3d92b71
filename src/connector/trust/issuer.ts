// The hub as issuer: the tokens it shows to bots, the tokens bots get from it, and which of the latter it believes.

import { jwtVerify, SignJWT } from 'jose';
import type { BotAuth } from '../../core/directory.js';
import type { Clock, Store } from '../../hub/ports.js';
import { SigningKeys } from './keys.js';
import { SKEW_S, UnknownKey } from './refusal.js';

/** Whom every bot of the Bot Framework trusts as its channel, once it is told where the channel's keys are. */
export const CHANNEL_ISSUER = 'https://api.botframework.com';
/** What a bot asks a token for when it calls its channel. */
export const CONNECTOR_AUDIENCE = 'https://api.botframework.com';

export const TOKEN_S = 60 * 60;
/** A token is shown so long, and lives on while it is under way. */
const SHOWN_MS = 50 * 60_000;
/** Tokens shown to bots, by bot, issuer and serviceUrl. */
const REMEMBERED = 1_000;

export type HubAuth = Extract<BotAuth, { issuer: 'hub' }>;

interface Shown {
  readonly kid: string;
  readonly until: number;
  readonly token: Promise<string>;
}

export class HubIssuer {
  readonly keys: SigningKeys;
  readonly #shown = new Map<string, Shown>();

  constructor(
    store: Pick<Store, 'secret' | 'getGrant' | 'putGrant'>,
    private readonly clock: Clock,
    /** Public origin without a trailing slash. */
    readonly origin: () => string,
  ) {
    this.keys = new SigningKeys(store, clock);
  }

  /** The token the hub shows to a bot with an activity that names this serviceUrl; signed about once an hour. */
  async tokenFor(appId: string, { style, tenant }: HubAuth, serviceUrl: string): Promise<string> {
    const now = this.clock.now();
    const issuer = style === 'channel' ? CHANNEL_ISSUER : this.tenantIssuer(tenant);
    const key = await this.keys.signing();
    const about = `${appId} ${issuer} ${serviceUrl}`;
    const known = this.#shown.get(about);
    if (known !== undefined && known.kid === key.kid && now < known.until && now >= known.until - SHOWN_MS)
      return known.token;
    const token = this.#sign({ serviceurl: serviceUrl }, issuer, appId);
    this.#shown.delete(about);
    this.#shown.set(about, { kid: key.kid, until: now + SHOWN_MS, token });
    token.catch(() => this.#shown.delete(about));
    const oldest = this.#shown.keys().next().value;
    if (this.#shown.size > REMEMBERED && oldest !== undefined) this.#shown.delete(oldest);
    return token;
  }

  /** The token a bot gets for its calls to the hub, with claims under the names of both versions of Entra's tokens. */
  tokenOf(appId: string, tenant: string): Promise<string> {
    return this.#sign(
      { appid: appId, azp: appId, tid: tenant, ver: '2.0' },
      this.tenantIssuer(tenant),
      CONNECTOR_AUDIENCE,
    );
  }

  /**
   * Whose token it is.
   * @throws JOSE's errors when it is none of ours, of another tenant or audience, or not valid at this time.
   */
  async verify(token: string, tenant: string): Promise<{ appId: string; kid: string; until: number }> {
    const { payload, protectedHeader } = await jwtVerify(
      token,
      async ({ kid = '' }) => {
        const key = await this.keys.find(kid);
        if (key === undefined) throw new UnknownKey();
        return key.publicKey;
      },
      {
        algorithms: ['RS256'],
        issuer: this.tenantIssuer(tenant),
        audience: CONNECTOR_AUDIENCE,
        currentDate: new Date(this.clock.now()),
        clockTolerance: SKEW_S,
        requiredClaims: ['exp', 'nbf', 'appid'],
      },
    );
    return {
      appId: String(payload['appid']),
      kid: protectedHeader.kid ?? '',
      until: ((payload.exp ?? 0) + SKEW_S) * 1_000,
    };
  }

  tenantIssuer(tenant: string): string {
    return `${this.origin()}/${tenant}/v2.0`;
  }

  async #sign(claims: Record<string, unknown>, issuer: string, audience: string): Promise<string> {
    const { kid, privateKey } = await this.keys.signing();
    const nowS = Math.floor(this.clock.now() / 1_000);
    return new SignJWT(claims)
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid })
      .setIssuer(issuer)
      .setAudience(audience)
      .setIssuedAt(nowS)
      .setNotBefore(nowS)
      .setExpirationTime(nowS + TOKEN_S)
      .sign(privateKey);
  }
}
