/** A tenant of Microsoft Entra: its keys, its OpenID document, and tokens for apps that prove who they are. */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeProtectedHeader, exportJWK, jwtVerify, SignJWT } from 'jose';

export const TENANT = '11111111-2222-3333-4444-555555555555';

export interface Asked {
  clientId: string;
  scope: string;
  by: 'secret' | 'certificate';
}

export class FakeEntra {
  /** Where it says it is, when something terminates TLS in front of it. */
  publicUrl: string | undefined;
  /** Secrets of apps by client id. */
  readonly secrets = new Map<string, string>();
  /** Certificates of apps by client id, as PEM. */
  readonly certificates = new Map<string, string>();
  /** Who got tokens, and for what. */
  readonly asked: Asked[] = [];
  private readonly key: { publicKey: KeyObject; privateKey: KeyObject } = generateKeyPairSync('rsa', {
    modulusLength: 2_048,
  });
  private readonly server = http.createServer((request, response) => {
    this.answer(request).then(
      ([status, body]) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });

  static async start(): Promise<FakeEntra> {
    const entra = new FakeEntra();
    await new Promise<void>((resolve) => entra.server.listen(0, '127.0.0.1', resolve));
    return entra;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return this.publicUrl ?? `http://127.0.0.1:${this.port}`;
  }

  sign(claims: Record<string, unknown>): Promise<string> {
    const given = Object.entries(claims).filter(([, value]) => value !== undefined);
    return new SignJWT(Object.fromEntries(given))
      .setProtectedHeader({ alg: 'RS256', kid: 'entra-1', typ: 'JWT' })
      .sign(this.key.privateKey);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(request: http.IncomingMessage): Promise<[number, unknown]> {
    const path = (request.url ?? '').split('?')[0] ?? '';
    const [, tenant = ''] = path.split('/');
    if (path.endsWith('/discovery/v2.0/keys'))
      return [200, { keys: [{ ...(await exportJWK(this.key.publicKey)), kid: 'entra-1', use: 'sig', alg: 'RS256' }] }];
    if (path.endsWith('/v2.0/.well-known/openid-configuration')) {
      const root = `${this.url}/${tenant}`;
      return [
        200,
        {
          issuer: `${root}/v2.0`,
          authorization_endpoint: `${root}/oauth2/v2.0/authorize`,
          token_endpoint: `${root}/oauth2/v2.0/token`,
          jwks_uri: `${root}/discovery/v2.0/keys`,
        },
      ];
    }
    if (!path.endsWith('/oauth2/v2.0/token')) return [404, { error: 'not_found' }];
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    return this.issue(tenant, new URLSearchParams(Buffer.concat(chunks).toString()));
  }

  private async issue(tenant: string, form: URLSearchParams): Promise<[number, unknown]> {
    const clientId = form.get('client_id') ?? '';
    const by = form.has('client_assertion') ? 'certificate' : 'secret';
    const proven = by === 'secret' ? this.knowsSecret(clientId, form) : await this.knowsCertificate(clientId, form);
    if (!proven)
      return [
        401,
        {
          error: 'invalid_client',
          error_description: 'AADSTS7000215: Invalid client secret provided. Trace ID: 1 Correlation ID: 2',
          error_codes: [7000215],
        },
      ];
    const scope = form.get('scope') ?? '';
    this.asked.push({ clientId, scope, by });
    const now = Math.floor(Date.now() / 1_000);
    const access_token = await this.sign({
      // The address that the SDK knows as Entra's, whatever ours is.
      iss: `https://sts.windows.net/${tenant}/`,
      aud: scope.replace(/\/\.default$/, ''),
      appid: clientId,
      tid: tenant,
      ver: '1.0',
      nbf: now,
      iat: now,
      exp: now + 3_600,
    });
    return [200, { token_type: 'Bearer', expires_in: 3_600, ext_expires_in: 3_600, access_token }];
  }

  private knowsSecret(clientId: string, form: URLSearchParams): boolean {
    const secret = this.secrets.get(clientId);
    return secret !== undefined && secret === form.get('client_secret');
  }

  private async knowsCertificate(clientId: string, form: URLSearchParams): Promise<boolean> {
    const certificate = this.certificates.get(clientId);
    const assertion = form.get('client_assertion') ?? '';
    if (certificate === undefined) return false;
    try {
      const { alg = '' } = decodeProtectedHeader(assertion);
      // MSAL rounds "not before" to the next second.
      const options = { algorithms: [alg], clockTolerance: 5 };
      const { payload } = await jwtVerify(assertion, createPublicKey(certificate), options);
      return payload.iss === clientId && payload.sub === clientId;
    } catch {
      return false;
    }
  }
}
