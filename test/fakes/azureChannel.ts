/**
 * Azure Bot Service as a bot sees it, on one port: a channel that posts customers' activities with tokens of its own, its
 * Connector, which takes only tokens of the bot, and Entra, which gives those out.
 */
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { decodeJwt, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import type { Activity } from '../../src/core/activity.js';
import { Arrivals } from './arrivals.js';
import { request, type Answer } from './request.js';

export interface ChannelCall {
  method: string;
  /** Path and query, as they came. */
  url: string;
  token: string | undefined;
  contentType: string | undefined;
  body: Buffer;
  /** The activity in the body, if it is one. */
  activity: Activity;
  /** What the Connector gave as id. */
  id?: string;
}

export interface Tls {
  key: string;
  cert: string;
}

/** The only tenant that Entra knows. */
export const TENANT = '11111111-2222-3333-4444-555555555555';
const ISSUER = 'https://api.botframework.com';
const CONVERSATION = /^\/teams\/v3\/conversations\/([^/]+)\/activities(?:\/([^/]+))?$/;

export class AzureChannel {
  channelId = 'msteams';
  /** The messaging endpoint of the Azure Bot. */
  endpoint = '';
  appId = '00000000-0000-0000-0000-00000000b0b0';
  /** What Entra asks for; any unless set. */
  secret: string | undefined;
  /** The Connector takes only tokens of the bot's app. */
  authenticates = false;
  /** The Connector's answer to what is no activity, by method and path below the serviceUrl. */
  readonly answers = new Map<string, { status: number; body: unknown; type?: string }>();
  /** What the Connector answers instead of taking an activity. */
  refuse: (call: ChannelCall) => { status: number; body?: unknown } | undefined = () => undefined;
  /** Tokens of the bot that count no more. */
  readonly revoked = new Set<string>();
  /** How often Entra was asked for a token. */
  tokensGiven = 0;
  readonly calls: ChannelCall[] = [];
  private readonly arrivals = new Arrivals<ChannelCall>(
    'The channel',
    ({ method, url, activity }) => `${method} ${activity.text ?? activity.name ?? activity.type ?? url}`,
  );
  private count = 0;
  private made = 0;

  private constructor(
    private readonly server: http.Server,
    private readonly isSecure: boolean,
    private readonly key: CryptoKey,
    private readonly jwk: JWK,
    private readonly agent: http.Agent,
  ) {}

  static async start(tls?: Tls): Promise<AzureChannel> {
    const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: randomUUID(), use: 'sig', alg: 'RS256' };
    let channel: AzureChannel | undefined = undefined;
    const serve: http.RequestListener = (req, res) => void channel?.serve(req, res);
    const server = tls === undefined ? http.createServer(serve) : https.createServer(tls, serve);
    const agent =
      tls === undefined ? new http.Agent({ keepAlive: true }) : new https.Agent({ keepAlive: true, ca: tls.cert });
    channel = new AzureChannel(server, tls !== undefined, privateKey, jwk, agent);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return channel;
  }

  get origin(): string {
    const { port } = this.server.address() as AddressInfo;
    return this.isSecure ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
  }

  get serviceUrl(): string {
    return `${this.origin}/teams/`;
  }

  /** What a bot or hub reads so that this is its channel, by the SDK's names. */
  get settings(): Record<string, string> {
    return { ToBotFromChannelOpenIdMetadataUrl: `${this.origin}/v1/.well-known/openidconfiguration` };
  }

  /** What the customers read, in order. */
  get texts(): string[] {
    return this.arrivals.all.flatMap(({ method, activity }) => (method === 'POST' ? (activity.text ?? []) : []));
  }

  /** Activities that the Connector took, in order. */
  get delivered(): readonly ChannelCall[] {
    return this.arrivals.all;
  }

  next(text: string, timeoutMs = 10_000): Promise<ChannelCall> {
    return this.arrivals.next(({ activity }) => activity.text === text, timeoutMs);
  }

  nextOf(type: string, timeoutMs = 10_000): Promise<ChannelCall> {
    return this.arrivals.next(({ activity }) => activity.type === type, timeoutMs);
  }

  /** An activity as the channel writes it; a string is a message. */
  activity(activity: string | Partial<Activity>, customer = 'kim'): Activity {
    this.count += 1;
    const content = typeof activity === 'string' ? { type: 'message', text: activity } : activity;
    return {
      type: 'message',
      id: `in-${this.count}`,
      timestamp: new Date().toISOString(),
      channelId: this.channelId,
      serviceUrl: this.serviceUrl,
      from: { id: `29:${customer}`, name: customer, aadObjectId: `aad-${customer}` },
      recipient: { id: `28:${this.appId}`, name: 'Shop' },
      conversation: { id: `a:${customer}`, conversationType: 'personal', tenantId: 'contoso' },
      channelData: { tenant: { id: 'contoso' } },
      ...content,
    };
  }

  /** Posts a customer's activity with a token of the channel. Resolves with the answer. */
  async post(
    activity: string | Partial<Activity>,
    { customer, token }: { customer?: string; token?: string | undefined } = {},
  ): Promise<Answer> {
    const body = this.activity(activity, customer);
    const bearer = token ?? (await this.token(body));
    return request('POST', this.endpoint, { agent: this.agent, token: bearer, body, timeoutMs: 30_000 });
  }

  /** A token as the channel signs it, for this activity's serviceUrl; claims may be others. */
  token(activity: Pick<Activity, 'serviceUrl'>, claims: Record<string, unknown> = {}, key = this.key): Promise<string> {
    const nowS = Math.floor(Date.now() / 1_000);
    return new SignJWT({
      iss: ISSUER,
      aud: this.appId,
      serviceurl: activity.serviceUrl,
      nbf: nowS - 60,
      exp: nowS + 600,
      ...claims,
    })
      .setProtectedHeader({ alg: 'RS256', kid: this.jwk.kid as string })
      .sign(key);
  }

  async stop(): Promise<void> {
    this.agent.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async serve(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const url = req.url ?? '';
    // Not by writeHead: restify changes what it returns for every server of the process.
    const answer = (status: number, content: unknown, type = 'application/json') => {
      res.statusCode = status;
      res.setHeader('content-type', type);
      res.end(Buffer.isBuffer(content) ? content : content === undefined ? '' : JSON.stringify(content));
    };
    if (url === '/v1/.well-known/openidconfiguration')
      return answer(200, { issuer: ISSUER, jwks_uri: `${this.origin}/v1/.well-known/keys` });
    if (url === '/v1/.well-known/keys') return answer(200, { keys: [this.jwk] });
    if (/\/(?:\.well-known\/openid-configuration|oauth2\/v2\.0\/token|discovery\/v2\.0\/keys)/.test(url))
      return this.entra(url, body, answer);
    const call: ChannelCall = {
      method: req.method ?? '',
      url: url.replace(/^\/teams(?=\/)/, ''),
      token: req.headers.authorization?.replace(/^Bearer /, ''),
      contentType: req.headers['content-type'],
      body,
      activity: activityIn(body),
    };
    this.calls.push(call);
    if (this.authenticates && !this.isBots(call.token))
      return answer(401, { error: { code: 'Unauthorized', message: 'no token of the bot' } });
    const known = this.answers.get(`${call.method} ${call.url}`);
    if (known !== undefined) return answer(known.status, known.body, known.type);
    if (!CONVERSATION.test(url.split('?', 1)[0] as string))
      return answer(404, { error: { code: 'NotFound', message: url } });
    const refused = this.refuse(call);
    if (refused !== undefined)
      return answer(refused.status, refused.body ?? { error: { code: 'Refused', message: 'no' } });
    if (call.method === 'POST') {
      this.made += 1;
      call.id = `out-${this.made}`;
    }
    this.arrivals.add(call);
    answer(
      200,
      call.method === 'DELETE' ? undefined : { id: call.id ?? decodeURIComponent(url.split('/').at(-1) ?? '') },
    );
  }

  /** Signed here, for the Connector, to the app of the bot. */
  private isBots(token = ''): boolean {
    try {
      const { aud, appid } = decodeJwt(token);
      return aud === ISSUER && appid === this.appId && !this.revoked.has(token);
    } catch {
      return false;
    }
  }

  private async entra(url: string, body: Buffer, answer: (status: number, content: unknown) => void): Promise<void> {
    const tenant = url.split('/')[1] ?? '';
    const base = `${this.origin}/${tenant}`;
    if (url.includes('/discovery/')) return answer(200, { keys: [this.jwk] });
    if (tenant !== TENANT)
      return answer(400, { error: 'invalid_tenant', error_description: `AADSTS90002: Tenant '${tenant}' not found.` });
    if (!url.includes('/oauth2/'))
      return answer(200, {
        issuer: `https://sts.windows.net/${tenant}/`,
        token_endpoint: `${base}/oauth2/v2.0/token`,
        authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
        jwks_uri: `${base}/discovery/v2.0/keys`,
      });
    const form = new URLSearchParams(body.toString());
    if (this.secret !== undefined && form.get('client_secret') !== this.secret)
      return answer(401, { error: 'invalid_client', error_description: 'AADSTS7000215: Invalid client secret.' });
    this.tokensGiven += 1;
    const clientId = form.get('client_id') ?? '';
    const nowS = Math.floor(Date.now() / 1_000);
    const token = await new SignJWT({
      ver: '1.0',
      tid: TENANT,
      appid: clientId,
      iss: `https://sts.windows.net/${TENANT}/`,
      aud: form.get('scope')?.replace(/\/\.default$/, ''),
      nbf: nowS - 60,
      exp: nowS + 3_600,
      uti: String(this.tokensGiven),
    })
      .setProtectedHeader({ alg: 'RS256', kid: this.jwk.kid as string })
      .sign(this.key);
    answer(200, { token_type: 'Bearer', expires_in: 3_600, access_token: token });
  }
}

function activityIn(body: Buffer): Activity {
  try {
    return JSON.parse(body.toString()) as Activity;
  } catch {
    return { type: 'none' };
  }
}
