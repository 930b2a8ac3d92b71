// Microsoft Entra between hub and bot: the tokens the hub gets there, and the bots' tokens it believes.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConfidentialClientApplication, ManagedIdentityApplication } from '@azure/msal-node';
import { createRemoteJWKSet, jwtVerify, type JWTVerifyGetKey } from 'jose';
import type { BotAuth, EntraCredential } from '../../core/directory.js';
import { ConfigError, DeliveryFailed } from '../../errors.js';
import type { Clock } from '../../hub/ports.js';
import { SKEW_S } from './refusal.js';
import { readSecret } from './secrets.js';

export type EntraAuth = Extract<BotAuth, { issuer: 'entra' }>;

/** Where apps get tokens that belong to no tenant of their own, and under which tenants those are issued. */
const MULTI_TENANT = 'botframework.com';
const PUBLIC_TENANTS = ['d6d49420-f39b-4df7-a1dc-d59a935871db', 'f8cdef31-a31e-4b4a-93e4-5f571e91255a'];
const GOVERNMENT_TENANTS = ['cab8a31a-1906-4287-a0d8-4eef66b95f6e'];

/** A verified token is looked at again after this time: so soon a key that Entra withdrew counts no more. */
export const ENTRA_RECHECK_MS = 5 * 60_000;

/** Who asks Entra for tokens. */
export interface EntraClient {
  readonly clientId: string;
  readonly tenantId?: string;
  readonly authority: string;
  readonly credential: EntraCredential;
}

export interface EntraTokens {
  /**
   * `resource` is what the token is for: an app id, or `https://api.botframework.com`. `anew`: not one that was kept, because
   * that was refused.
   * @throws DeliveryFailed
   */
  token(resource: string, anew?: boolean): Promise<string>;
}

/** @throws ConfigError when the credential is not there. Entra itself is asked at first need, and MSAL loaded then. */
export function entraTokens(client: EntraClient, env: Readonly<Record<string, string | undefined>>): EntraTokens {
  const ask = askerOf(client, env);
  return {
    async token(resource, anew = false) {
      try {
        return await ask(resource, anew);
      } catch (error) {
        throw notIssued(client, error);
      }
    },
  };
}

function askerOf(
  client: EntraClient,
  env: Readonly<Record<string, string | undefined>>,
): (resource: string, anew: boolean) => Promise<string> {
  const { clientId, credential, authority, tenantId = MULTI_TENANT } = client;
  if (credential.kind === 'managedIdentity') {
    let made: Promise<ManagedIdentityApplication> | undefined;
    return async (resource, anew) => {
      made ??= import('@azure/msal-node').then(
        (msal) => new msal.ManagedIdentityApplication({ managedIdentityIdParams: { userAssignedClientId: clientId } }),
      );
      return (await (await made).acquireToken({ resource, forceRefresh: anew })).accessToken;
    };
  }
  const proof =
    credential.kind === 'secret'
      ? { clientSecret: readSecret(env, credential.secret) }
      : { clientCertificate: certificateIn(credential.file) };
  let made: Promise<ConfidentialClientApplication> | undefined;
  // MSAL keeps a token until shortly before it ends.
  return async (resource, anew) => {
    made ??= import('@azure/msal-node').then(
      (msal) =>
        new msal.ConfidentialClientApplication({
          auth: {
            clientId,
            authority: `${authority}/${tenantId}`,
            // Named: MSAL need not ask Microsoft whether the address may be believed.
            knownAuthorities: [new URL(authority).host],
            ...proof,
          },
        }),
    );
    const answer = await (
      await made
    ).acquireTokenByClientCredential({ scopes: [`${resource}/.default`], skipCache: anew });
    if (answer === null) throw new Error('no token came back');
    return answer.accessToken;
  };
}

/** One PEM file with the private key and its certificate, in any order. */
function certificateIn(file: string): { thumbprintSha256: string; privateKey: string; x5c: string } {
  try {
    const pem = readFileSync(file, 'utf8');
    const certificate = new X509Certificate(pem);
    const privateKey = createPrivateKey(pem);
    if (!certificate.checkPrivateKey(privateKey)) throw new Error('its private key belongs to another certificate');
    return {
      thumbprintSha256: certificate.fingerprint256.replaceAll(':', ''),
      privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      x5c: certificate.toString(),
    };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(
      [`${file} cannot be used (${why}). It must hold a private key and its certificate, both as PEM.`],
      { cause },
    );
  }
}

/** A refusal of Entra's stays one; everything else passes. */
function notIssued({ clientId, authority }: EntraClient, cause: unknown): DeliveryFailed {
  const { message = '', errorCode = 'unknown' } = cause as { message?: string; errorCode?: string };
  const refusal = /AADSTS\d+:[^\r\n]*?(?=Trace ID|$)/m.exec(message)?.[0].trim().replace(/\.$/, '');
  if (refusal !== undefined || errorCode === 'invalid_client')
    return new DeliveryFailed(`${authority} refuses a token to app ${clientId} (${refusal ?? errorCode}).`, false, {
      kind: 'untrusted',
      cure: 'compare its app id, tenant and credential with the app registration',
      cause,
    });
  return new DeliveryFailed(`${authority} gave no token for app ${clientId} (${errorCode}).`, true, {
    kind: 'unreachable',
    cure: 'check the way from the hub to Microsoft Entra',
    cause,
  });
}

/** What bots with these credentials ask tokens for when they call their channels. */
export function channelResourceOf({ authority }: Pick<EntraClient, 'authority'>): string {
  return isGovernment(authority) ? 'https://api.botframework.us' : 'https://api.botframework.com';
}

export class EntraVerifier {
  readonly #keys = new Map<string, JWTVerifyGetKey>();

  constructor(private readonly clock: Clock) {}

  /** @throws JOSE's errors, and those of the network when the keys cannot be loaded. */
  async verify(token: string, auth: EntraAuth): Promise<{ appId: string; until: number }> {
    const { payload } = await jwtVerify(token, this.#keysOf(auth), {
      algorithms: ['RS256'],
      issuer: issuersOf(auth),
      audience: audiencesOf(auth),
      currentDate: new Date(this.clock.now()),
      clockTolerance: SKEW_S,
      requiredClaims: ['exp', 'nbf'],
    });
    const now = this.clock.now();
    const until = Math.min(((payload.exp ?? 0) + SKEW_S) * 1_000, now + ENTRA_RECHECK_MS);
    return { appId: appIdOf(payload) ?? '', until };
  }

  /** The keys are loaded when they are needed, kept for ten minutes, and asked for again when an unknown one comes. */
  #keysOf({ authority, tenantId = MULTI_TENANT }: EntraAuth): JWTVerifyGetKey {
    const url = `${authority}/${tenantId}/discovery/v2.0/keys`;
    let keys = this.#keys.get(url);
    if (keys === undefined) this.#keys.set(url, (keys = createRemoteJWKSet(new URL(url))));
    return keys;
  }
}

/** Version 1 of Entra's tokens says `appid`, version 2 `azp`. */
export function appIdOf(claims: Readonly<Record<string, unknown>>): string | undefined {
  const id = claims['appid'] ?? claims['azp'];
  return typeof id === 'string' ? id : undefined;
}

function issuersOf({ authority, tenantId }: EntraAuth): string[] {
  const own = isGovernment(authority) ? GOVERNMENT_TENANTS : PUBLIC_TENANTS;
  const tenants = tenantId === undefined ? own : [tenantId];
  return tenants.flatMap((tenant) => [`https://sts.windows.net/${tenant}/`, `${authority}/${tenant}/v2.0`]);
}

function audiencesOf({ authority, as, clientId }: EntraAuth): string[] {
  const channel = channelResourceOf({ authority });
  // A skill answers its host: the token is for the app that called it.
  return as === 'skill' ? [clientId, `api://${clientId}`, channel] : [channel];
}

function isGovernment(authority: string): boolean {
  return new URL(authority).hostname.endsWith('.us');
}
