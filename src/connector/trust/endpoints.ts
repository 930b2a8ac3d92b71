// What bots ask the hub in place of Microsoft: its OpenID documents and keys, and tokens for their own calls.

import type { Bot } from '../../core/directory.js';
import { BadRequest } from '../../errors.js';
import type { HttpRequest, HttpResponse, HttpServer } from '../../http.js';
import type { Hub } from '../../hub/hub.js';
import { FailedAttempts } from './attempts.js';
import { CHANNEL_ISSUER, CONNECTOR_AUDIENCE, TOKEN_S, type HubAuth, type HubIssuer } from './issuer.js';
import { isSame } from './secrets.js';

/** A bot that the hub signs for. */
interface OwnBot {
  appId: string;
  auth: HubAuth;
}

export interface TrustOptions {
  issuer: HubIssuer;
  /** Values of the secrets that the configuration names. */
  env: Readonly<Record<string, string | undefined>>;
}

const FORM_LIMIT_BYTES = 16_384;
/** Wrong secrets for one app from one address: 20 at once, then 20 a minute. */
const WRONG_SECRETS = { size: 20, refillMs: 3_000 };
/** Bots keep the list for a day whatever it says; proxies between must not keep it longer than a revocation may take. */
const KEYS_FRESH_S = 300;
const NOT_STORED = { 'cache-control': 'no-store', pragma: 'no-cache' };

export function serveTrust(http: HttpServer, hub: Hub, { issuer, env }: TrustOptions): void {
  const bots = () => Object.values(hub.directory.bots).flatMap(ownBot);
  /** Nothing is here while no bot needs it. */
  const requireBots = (request: HttpRequest, tenant?: string): OwnBot[] => {
    const found = bots().filter(({ auth }) => tenant === undefined || auth.tenant === tenant);
    if (found.length > 0) return found;
    throw new BadRequest(404, 'NotFound', `There is nothing at ${request.path}: no bot has {issuer: hub}.`);
  };
  const wrong = new FailedAttempts(hub.clock, WRONG_SECRETS, (id) => bots().some(({ appId }) => appId === id));
  /** @returns undefined when the secret is wrong. @throws BadRequest 429 after too many of those. */
  const authenticate = (
    request: HttpRequest,
    among: readonly OwnBot[],
    appId: string | null,
    secret?: string | null,
  ) => {
    // First, in constant time: a bot gets its token however many guess beside it, and secrets are too long to be guessed.
    const bot = verified(among, env, appId, secret);
    if (bot !== undefined) return bot;
    try {
      wrong.failed(request.ip, appId);
    } catch (error) {
      hub.notify('callRefused', { reason: 'tooMany' });
      throw error;
    }
    hub.notify('callRefused', { reason: 'secret' });
    return undefined;
  };
  const keys = async (): Promise<HttpResponse> => ({
    headers: { 'cache-control': `public, max-age=${KEYS_FRESH_S}` },
    body: { keys: (await issuer.keys.published()).map(({ jwk }) => jwk) },
  });

  http.get('/v1/.well-known/openidconfiguration', (request) => {
    requireBots(request);
    return {
      body: {
        issuer: CHANNEL_ISSUER,
        authorization_endpoint: 'https://invalid.botframework.com',
        jwks_uri: `${issuer.origin()}/v1/.well-known/keys`,
        id_token_signing_alg_values_supported: ['RS256'],
        token_endpoint_auth_methods_supported: ['private_key_jwt'],
      },
    };
  });
  http.get('/v1/.well-known/keys', (request) => {
    requireBots(request);
    return keys();
  });
  http.get('/:tenant/v2.0/.well-known/openid-configuration', (request) => {
    const tenant = request.params['tenant'] ?? '';
    requireBots(request, tenant);
    const root = `${issuer.origin()}/${tenant}`;
    return {
      body: {
        issuer: issuer.tenantIssuer(tenant),
        authorization_endpoint: `${root}/oauth2/v2.0/authorize`,
        token_endpoint: `${root}/oauth2/v2.0/token`,
        jwks_uri: `${root}/discovery/v2.0/keys`,
        response_types_supported: ['token'],
        subject_types_supported: ['pairwise'],
        id_token_signing_alg_values_supported: ['RS256'],
        token_endpoint_auth_methods_supported: ['client_secret_post'],
      },
    };
  });
  http.get('/:tenant/discovery/v2.0/keys', (request) => {
    requireBots(request, request.params['tenant']);
    return keys();
  });
  http.post('/:tenant/oauth2/v2.0/token', async (request) => {
    const tenant = request.params['tenant'] ?? '';
    const form = new URLSearchParams((await request.bytes(FORM_LIMIT_BYTES)).toString('utf8'));
    const refuse = (error: string, error_description: string, status = 400) => ({
      status,
      headers: NOT_STORED,
      body: { error, error_description },
    });
    if (form.get('grant_type') !== 'client_credentials')
      return refuse('unsupported_grant_type', 'Ask with grant_type=client_credentials.');
    const among = requireBots(request, tenant);
    const bot = authenticate(request, among, form.get('client_id'), form.get('client_secret'));
    if (bot === undefined)
      return refuse(
        'invalid_client',
        'The app id or its secret is wrong. Compare them with appId and auth.secret of the bot.',
        401,
      );
    if (!isForConnector(form.get('scope')?.replace(/\/\.default$/, '')))
      return refuse('invalid_scope', `Tokens are for ${CONNECTOR_AUDIENCE}/.default only.`);
    return {
      headers: NOT_STORED,
      body: {
        token_type: 'Bearer',
        expires_in: TOKEN_S,
        ext_expires_in: TOKEN_S,
        access_token: await issuer.tokenOf(bot.appId, tenant),
      },
    };
  });
  // App Service's managed identity, 2019-08-01: what IDENTITY_ENDPOINT and IDENTITY_HEADER lead to.
  http.get('/msi/token', async (request) => {
    const { query } = request;
    const secret = request.header('x-identity-header');
    const bot = authenticate(request, requireBots(request), query.get('client_id'), secret);
    if (bot === undefined)
      throw new BadRequest(
        401,
        'Unauthorized',
        'client_id or IDENTITY_HEADER is wrong. Compare them with appId and auth.secret of the bot.',
      );
    const resource = query.get('resource')?.replace(/\/\.default$/, '');
    if (!isForConnector(resource))
      throw new BadRequest(400, 'BadArgument', `Tokens are for the resource ${CONNECTOR_AUDIENCE} only.`);
    const expires_on = String(Math.floor(hub.clock.now() / 1_000) + TOKEN_S);
    return {
      headers: NOT_STORED,
      body: {
        access_token: await issuer.tokenOf(bot.appId, bot.auth.tenant),
        expires_on,
        resource: CONNECTOR_AUDIENCE,
        token_type: 'Bearer',
        client_id: bot.appId,
      },
    };
  });
}

/** Several bots of the directory may share one app id; any of their secrets counts. */
function verified(
  bots: readonly OwnBot[],
  env: TrustOptions['env'],
  appId: string | null,
  given: string | null | undefined,
): OwnBot | undefined {
  return bots.find(({ appId: id, auth: { secret } }) => {
    const expected = secret === undefined ? undefined : env[secret];
    return id === appId && expected !== undefined && expected !== '' && isSame(given ?? '', expected);
  });
}

function ownBot({ transport }: Bot): OwnBot[] {
  if (transport.kind !== 'http' || transport.auth === 'none' || transport.auth.issuer !== 'hub') return [];
  return transport.appId === undefined ? [] : [{ appId: transport.appId, auth: transport.auth }];
}

function isForConnector(resource: string | undefined): boolean {
  return resource?.replace(/\/$/, '') === CONNECTOR_AUDIENCE;
}
