// `handoff doctor`: looks at a bot and at this hub from outside, and says of each thing whether it is right and which setting to change.

import type { IncomingHttpHeaders } from 'node:http';
import { isLoopback, isPrivateHost } from '../addresses.js';
import { entraTokens } from '../connector/trust/entra.js';
import { call, jsonIn, probeOf, unreached, type Finding, type Seen } from './calls.js';
import { hubTrustFindings, type DoctorHub } from './trust.js';

export interface DoctorOptions {
  /** The URL of the bot's messaging endpoint. */
  readonly bot: string;
  readonly appId?: string;
  readonly tenant?: string;
  /** Name of the environment variable that holds the bot's client secret. */
  readonly secret?: string;
  /** Where Microsoft Entra is; the public cloud's unless set. */
  readonly authority?: string;
  /** Under which bots and browsers reach this hub. */
  readonly publicUrl?: string;
  /** Where this hub listens, or would. */
  readonly ownUrl: string;
  /** Where the bot is one of the configuration that has the hub as issuer. */
  readonly hub?: DoctorHub;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly now: () => number;
}

const ENTRA = 'https://login.microsoftonline.com';
const MULTI_TENANT = 'botframework.com';
const CONNECTOR = 'https://api.botframework.com';
/** The SDKs take tokens whose times are off by so much. */
const SKEW_MS = 5 * 60_000;
const EXPIRES_SOON_MS = 14 * 24 * 60 * 60_000;

/** Every check that can be made; none of them changes anything at the bot, which is sent an activity of a type no bot knows. */
export async function examine(options: DoctorOptions): Promise<Finding[]> {
  const findings: Finding[] = [];
  const endpoint = new URL(options.bot);
  findings.push(...encryptionFindings(endpoint));
  const seen = await probe(endpoint, findings);
  if (seen !== undefined) {
    findings.push(...certificateFindings(endpoint, seen, options.now()));
    findings.push(answerFinding(endpoint, seen, options));
    findings.push(...clockFindings('The bot', seen.headers, options.now()));
  }
  if (options.hub === undefined || options.secret !== undefined)
    findings.push(...(await entraFindings(endpoint, seen, options)));
  if (options.hub !== undefined) findings.push(...(await hubTrustFindings(endpoint, seen, options.hub)));
  findings.push(...(await hubFindings(endpoint, options)));
  return findings;
}

/** For a terminal: what is wrong is told with the setting to change. */
export function show(findings: readonly Finding[]): string {
  const marks = { right: 'ok   ', doubtful: 'maybe', wrong: 'WRONG' };
  return findings
    .flatMap(({ check, is, text, setting }) => [
      `${marks[is]}  ${check.padEnd(11)}  ${text}`,
      ...(setting === undefined || is === 'right' ? [] : [`${' '.repeat(20)}Setting: ${setting}`]),
    ])
    .join('\n');
}

function encryptionFindings({ protocol, hostname }: URL): Finding[] {
  if (protocol !== 'http:' || isPrivateHost(hostname)) return [];
  return [
    {
      check: 'endpoint',
      is: 'doubtful',
      text: 'What customers write goes to this bot unencrypted. Use https:// for a bot that is not on a private network.',
      setting: 'endpoint',
    },
  ];
}

async function probe(endpoint: URL, findings: Finding[]): Promise<Seen | undefined> {
  try {
    const seen = await call(endpoint, 'POST', { body: probeOf('http://localhost/') });
    findings.push({ check: 'endpoint', is: 'right', text: `${endpoint.host} is reached and answers.` });
    return seen;
  } catch (error) {
    const code = (error as { code?: string }).code ?? (error as Error).message;
    findings.push({ check: 'endpoint', is: 'wrong', text: unreached(endpoint, code), setting: 'endpoint' });
    return undefined;
  }
}

function certificateFindings(endpoint: URL, { certificate, distrust }: Seen, now: number): Finding[] {
  if (endpoint.protocol !== 'https:' || certificate === undefined) return [];
  const ends = Date.parse(certificate.valid_to);
  if (distrust !== undefined)
    return [
      {
        check: 'certificate',
        is: 'wrong',
        text: `The certificate of ${endpoint.host} is not trusted (${distrust}). Use one of a known authority that names this host, or let this process trust yours.`,
        setting: 'NODE_EXTRA_CA_CERTS=/path/to/your-authority.pem',
      },
    ];
  const day = new Date(ends).toISOString().slice(0, 10);
  if (ends - now < EXPIRES_SOON_MS)
    return [{ check: 'certificate', is: 'doubtful', text: `The certificate ends on ${day}. Renew it.` }];
  return [{ check: 'certificate', is: 'right', text: `The certificate is trusted until ${day}.` }];
}

function answerFinding(
  endpoint: URL,
  { status, headers, text }: Seen,
  { hub, appId = hub?.appId }: DoctorOptions,
): Finding {
  const isPage = (headers['content-type'] ?? '').startsWith('text/html') && text !== '';
  const wrong = (what: string, setting = 'endpoint'): Finding => ({
    check: 'answer',
    is: 'wrong',
    text: what,
    setting,
  });
  if (status === 401 || status === 403)
    return {
      check: 'answer',
      is: appId === undefined ? 'doubtful' : 'right',
      text: `The bot answers ${status} to who shows no token: it authenticates (it has an app id).${appId === undefined ? ' Tell the hub which.' : ''}`,
      setting:
        'appId: …, auth: { issuer: entra, tenantId: …, secret: ${NAME} } or auth: { issuer: hub, secret: ${NAME} }',
    };
  if (status >= 300 && status < 400)
    return wrong(`The bot's address leads on to ${headers.location ?? 'nowhere'}. Name the place where the bot is.`);
  if (status === 404 || status === 405 || status === 410 || (isPage && status < 500))
    return wrong(
      `There is no bot at ${endpoint.pathname} (${status}${isPage ? ', a web page' : ''}). Messaging endpoints usually end in /api/messages.`,
    );
  if (status >= 200 && status < 300) {
    const isNear = isPrivateHost(endpoint.hostname);
    return {
      check: 'answer',
      is: isNear && appId === undefined ? 'right' : 'wrong',
      text: isNear
        ? `The bot takes what anybody sends: it has no app id.${appId === undefined ? '' : ' Leave appId out, or give the bot this one.'}`
        : 'The bot takes what anybody on the internet sends. Give it an app id, or keep it on a private network.',
      setting: isNear ? 'auth: none' : 'MicrosoftAppId, MicrosoftAppType, MicrosoftAppPassword of the bot',
    };
  }
  if (status >= 500)
    return {
      check: 'answer',
      is: 'doubtful',
      text: `The bot answers ${status} to an activity of an unknown type. The cause is in its own log; often it is a setting that does not fit its app id.`,
      setting: 'MicrosoftAppId, MicrosoftAppType, MicrosoftAppPassword, MicrosoftAppTenantId of the bot',
    };
  return {
    check: 'answer',
    is: 'doubtful',
    text: `The bot answers ${status}, which tells nothing about it. Look into its log.`,
  };
}

function clockFindings(whose: string, { date }: IncomingHttpHeaders, now: number): Finding[] {
  const theirs = date === undefined ? Number.NaN : Date.parse(date);
  if (Number.isNaN(theirs)) return [];
  const offMs = Math.abs(now - theirs);
  const seconds = Math.round(offMs / 1_000);
  if (offMs <= SKEW_MS / 5)
    return [{ check: 'clock', is: 'right', text: `${whose}'s clock and this machine's agree (${seconds} s apart).` }];
  return [
    {
      check: 'clock',
      is: offMs > SKEW_MS ? 'wrong' : 'doubtful',
      text: `${whose}'s clock and this machine's are ${seconds} s apart; tokens are refused from 300 s on. Set them by a time server (NTP).`,
    },
  ];
}

// ------------------------------------------------------------------------------------------------------ Microsoft Entra

async function entraFindings(endpoint: URL, seen: Seen | undefined, options: DoctorOptions): Promise<Finding[]> {
  const { appId, tenant, secret, authority = ENTRA, env, now } = options;
  const findings: Finding[] = [];
  const realm = tenant ?? MULTI_TENANT;
  if (appId === undefined && tenant === undefined) return findings;
  const known = await tenantFindings(authority, realm, now());
  findings.push(...known);
  if (appId === undefined || secret === undefined || known.some(({ is }) => is === 'wrong')) return findings;
  const setting = `${tenant === undefined ? '' : `tenantId: ${tenant}, `}secret: \${${secret}}`;
  let token: string;
  try {
    const client = { clientId: appId, authority, credential: { kind: 'secret' as const, secret } };
    const tokens = entraTokens({ ...client, ...(tenant === undefined ? {} : { tenantId: tenant }) }, env);
    token = await tokens.token(appId);
    await tokens.token(CONNECTOR);
  } catch (error) {
    const text = `${(error as Error).message}${typeHint(error as Error, tenant)}`;
    return [...findings, { check: 'token', is: 'wrong', text, setting }];
  }
  const type = tenant === undefined ? 'MultiTenant' : 'SingleTenant';
  findings.push({
    check: 'token',
    is: 'right',
    text: `Entra gives tokens to the app: its type is ${type}${tenant === undefined ? '' : `, its tenant ${tenant}`}.`,
    setting:
      tenant === undefined
        ? 'auth: { issuer: entra } without a tenantId'
        : `auth: { issuer: entra, tenantId: ${tenant} }`,
  });
  if (seen !== undefined) findings.push(await trustFinding(endpoint, seen, token));
  return findings;
}

async function tenantFindings(authority: string, realm: string, now: number): Promise<Finding[]> {
  const url = new URL(`${authority}/${realm}/v2.0/.well-known/openid-configuration`);
  try {
    const { status, headers, text, distrust } = await call(url, 'GET');
    if (distrust !== undefined) return [wrongTenant(`The certificate of ${url.host} is not trusted (${distrust}).`)];
    const issuer = (jsonIn(text) as { issuer?: unknown } | undefined)?.issuer;
    if (status !== 200 || typeof issuer !== 'string')
      return [
        wrongTenant(`Microsoft Entra knows no tenant "${realm}" (${status}). Compare it with the app registration.`),
      ];
    return [
      { check: 'tenant', is: 'right', text: `Microsoft Entra knows the tenant ${realm}; it issues as ${issuer}.` },
      ...clockFindings('Entra', headers, now),
    ];
  } catch (error) {
    const code = (error as { code?: string }).code ?? (error as Error).message;
    const text = `${url.host} was not reached (${code}): auth: { issuer: entra } needs the way there. A bot may trust this server instead.`;
    return [{ check: 'tenant', is: 'doubtful', text, setting: 'auth: { issuer: hub, secret: ${NAME} }' }];
  }
}

function wrongTenant(text: string): Finding {
  return { check: 'tenant', is: 'wrong', text, setting: 'tenantId (MicrosoftAppTenantId of the bot)' };
}

/** The codes by which Entra tells that the app lives somewhere else. */
function typeHint({ message }: Error, tenant: string | undefined): string {
  if (!/AADSTS(?:700016|90002|50020|7000229)/.test(message)) return '';
  return tenant === undefined
    ? ' The app is no multi-tenant one: name its tenant with --tenant.'
    : ' The app is not in this tenant: leave --tenant out for a multi-tenant app.';
}

async function trustFinding(endpoint: URL, seen: Seen, token: string): Promise<Finding> {
  if (seen.distrust !== undefined)
    return {
      check: 'trust',
      is: 'doubtful',
      text: 'The token was not shown to the bot: its certificate is not trusted.',
    };
  try {
    const { status } = await call(endpoint, 'POST', { body: probeOf('http://localhost/'), token });
    if (status < 300)
      return { check: 'trust', is: 'right', text: 'The bot takes the token that the hub would show (as: bot).' };
    if (status === 401 || status === 403)
      return {
        check: 'trust',
        is: 'wrong',
        text: `The bot answers ${status} to a token of its own app: it runs under another app id, type or tenant.`,
        setting: 'MicrosoftAppId, MicrosoftAppType, MicrosoftAppTenantId of the bot',
      };
    return {
      check: 'trust',
      is: 'doubtful',
      text: `With a token the bot answers ${status}. The cause is in its own log.`,
    };
  } catch (error) {
    return { check: 'trust', is: 'wrong', text: unreached(endpoint, (error as { code?: string }).code ?? 'unknown') };
  }
}

// ------------------------------------------------------------------------------------------------------------- this hub

async function hubFindings(bot: URL, { publicUrl, ownUrl }: DoctorOptions): Promise<Finding[]> {
  const setting = 'PUBLIC_URL=https://chat.example.com';
  if (publicUrl === undefined && isLoopback(bot.hostname))
    return [
      {
        check: 'publicUrl',
        is: 'right',
        text: `The bot is told to answer to ${ownUrl}, which leads here from this machine, where it runs. For a bot elsewhere set PUBLIC_URL.`,
      },
    ];
  if (publicUrl === undefined || !URL.canParse(publicUrl))
    return [
      {
        check: 'publicUrl',
        is: isPrivateHost(bot.hostname) ? 'doubtful' : 'wrong',
        text: `PUBLIC_URL is not set: the bot is told to answer to ${ownUrl}, which leads here only from this very machine.`,
        setting,
      },
    ];
  const url = new URL(publicUrl);
  const findings: Finding[] = [];
  const wrong = (text: string): Finding => ({ check: 'publicUrl', is: 'wrong', text, setting });
  if (isPrivateHost(url.hostname) && !isPrivateHost(bot.hostname))
    findings.push(wrong(`The bot is on the internet and cannot answer to ${url.origin}, which is a private address.`));
  if (url.protocol === 'http:' && !isPrivateHost(url.hostname))
    findings.push(
      wrong(`${url.origin} is not encrypted: bots do not show their tokens there, and channels do not call it.`),
    );
  try {
    const health = await call(new URL('/healthz', url), 'GET');
    if (health.distrust !== undefined)
      return [
        ...findings,
        wrong(`The certificate of ${url.host} is not trusted (${health.distrust}): bots will not answer there.`),
      ];
    if ((jsonIn(health.text) as { status?: unknown } | undefined)?.status !== 'ok')
      return [
        ...findings,
        wrong(`${url.origin} is not this server: /healthz answers ${health.status} and not {"status":"ok"}.`),
      ];
  } catch (error) {
    const code = (error as { code?: string }).code ?? (error as Error).message;
    return [...findings, wrong(`${url.origin} was not reached (${code}): start the server, or correct PUBLIC_URL.`)];
  }
  if (findings.length === 0)
    findings.push({
      check: 'publicUrl',
      is: 'right',
      text: `This server is reached at ${url.origin}; bots answer there.`,
    });
  return [...findings, await webSocketFinding(url)];
}

/** Without a token the server itself refuses the socket: that it is asked at all shows that nothing on the way is against sockets. */
async function webSocketFinding(hub: URL): Promise<Finding> {
  const url = new URL('/v3/directline/conversations/doctor/stream', hub);
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': Buffer.from('handoff doctor..').toString('base64'),
  };
  const setting = 'the proxy passes "Upgrade" and "Connection" on (nginx: proxy_set_header Upgrade $http_upgrade)';
  try {
    const { status, text } = await call(url, 'GET', { headers: upgrade });
    const { code } = (jsonIn(text) as { error?: { code?: unknown } } | undefined)?.error ?? {};
    if ((status === 401 || status === 403) && typeof code === 'string')
      return { check: 'webSocket', is: 'right', text: 'WebSockets reach the server: widgets hear at once.' };
    const text404 = `The server was asked for a page and not for a socket (${status}): widgets will hear nothing. Something on the way drops WebSockets.`;
    return { check: 'webSocket', is: 'wrong', text: text404, setting };
  } catch (error) {
    const code = (error as { code?: string }).code ?? (error as Error).message;
    return { check: 'webSocket', is: 'wrong', text: `A WebSocket to ${hub.host} broke (${code}).`, setting };
  }
}
