// The doctor on the hub as issuer: whether a bot finds the hub's keys, and takes what the hub signs with them.

import { decodeProtectedHeader } from 'jose';
import type { HubAuth, HubIssuer } from '../connector/trust/issuer.js';
import { call, jsonIn, probeOf, unreached, type Finding, type Seen } from './calls.js';

/** The bot as it is configured, and the hub that signs for it. */
export interface DoctorHub {
  readonly appId: string;
  readonly auth: HubAuth;
  /** Over the keys of the data directory, under the origin by which bots reach the server. */
  readonly issuer: HubIssuer;
  readonly now: () => number;
}

/** Clocks that are further apart than that make every token invalid. */
const SKEW_MS = 5 * 60_000;

export async function hubTrustFindings(endpoint: URL, seen: Seen | undefined, hub: DoctorHub): Promise<Finding[]> {
  const { appId, auth, issuer } = hub;
  const serviceUrl = `${issuer.origin()}/`;
  // First: a server that has signed nothing yet makes its keys when they are asked for.
  const read = await publishedKeys(hub);
  let token: string;
  try {
    token = await issuer.tokenFor(appId, auth, serviceUrl);
  } catch {
    const text =
      'This record holds no key to sign with yet. Start the server once, or name its record with --data or DATABASE_URL.';
    return ['check' in read ? read : { check: 'keys', is: 'wrong', text, setting: '--data or DATABASE_URL' }];
  }
  const keys = 'check' in read ? read : keysFinding(read, decodeProtectedHeader(token).kid);
  if (seen === undefined) return [keys];
  if (seen.distrust !== undefined)
    return [
      keys,
      { check: 'trust', is: 'doubtful', text: 'No token was shown to the bot: its certificate is not trusted.' },
    ];
  return [keys, await trustFinding(endpoint, seen, hub, token, keys.is !== 'right')];
}

interface Published {
  readonly uri: string;
  readonly kids: readonly unknown[];
}

/** What the bot does: reads the document of its issuer, and the keys that it names. */
async function publishedKeys({ auth, issuer }: DoctorHub): Promise<Published | Finding> {
  const url = metadataOf(auth.style, { auth, issuer });
  const wrong = (text: string): Finding => ({ check: 'keys', is: 'wrong', text, setting: 'PUBLIC_URL' });
  try {
    const { status, text, distrust } = await call(new URL(url), 'GET');
    const uri = (jsonIn(text) as { jwks_uri?: unknown } | undefined)?.jwks_uri;
    if (distrust !== undefined) return wrong(`The certificate of ${new URL(url).host} is not trusted (${distrust}).`);
    if (status !== 200 || typeof uri !== 'string')
      return wrong(
        `${url} answers ${status} and names no keys. Start the server with this configuration, or correct PUBLIC_URL.`,
      );
    if (new URL(uri).origin !== issuer.origin())
      return wrong(`${url} sends bots to ${uri}: the server runs with another PUBLIC_URL than this command.`);
    const { keys = [] } = (jsonIn((await call(new URL(uri), 'GET')).text) ?? {}) as { keys?: { kid?: unknown }[] };
    return { uri, kids: keys.map(({ kid }) => kid) };
  } catch (error) {
    const code = (error as { code?: string }).code ?? (error as Error).message;
    return wrong(`The hub's keys are not reached at ${url} (${code}). Start the server, or correct PUBLIC_URL.`);
  }
}

function keysFinding({ uri, kids }: Published, kid: string | undefined): Finding {
  if (kids.includes(kid)) return { check: 'keys', is: 'right', text: `The hub's keys are read at ${uri}.` };
  return {
    check: 'keys',
    is: 'wrong',
    text: `${uri} has other keys than this record. Name the record of the server that runs there.`,
    setting: '--data or DATABASE_URL',
  };
}

async function trustFinding(
  endpoint: URL,
  { headers }: Seen,
  hub: DoctorHub,
  token: string,
  areKeysHidden: boolean,
): Promise<Finding> {
  const { appId, auth, issuer } = hub;
  const serviceUrl = `${issuer.origin()}/`;
  const answer = (shown: string, named = serviceUrl) => call(endpoint, 'POST', { body: probeOf(named), token: shown });
  const isRefusal = (status: number) => status === 401 || status === 403;
  try {
    const { status } = await answer(token);
    if (status < 300)
      return { check: 'trust', is: 'right', text: `The bot takes what this hub signs (style: ${auth.style}).` };
    if (!isRefusal(status))
      return {
        check: 'trust',
        is: 'doubtful',
        text: `With the hub's token the bot answers ${status}. The cause is in its own log.`,
      };
    const refused = `The bot answers ${status} to the hub's token`;
    const wrong = (why: string, setting: string): Finding => ({
      check: 'trust',
      is: 'wrong',
      text: `${refused}: ${why}`,
      setting,
    });
    const offMs = Math.abs(Date.parse(headers.date ?? '') - hub.now());
    if (offMs > SKEW_MS)
      return wrong(
        `the clocks are ${Math.round(offMs / 1_000)} s apart. Set them by a time server (NTP).`,
        'the clock of the bot, or of this machine',
      );
    if (areKeysHidden) return wrong('it cannot read the keys that the token is checked with, see above.', 'PUBLIC_URL');
    const other = auth.style === 'channel' ? 'tenant' : 'channel';
    const { status: otherStatus } = await answer(await issuer.tokenFor(appId, { ...auth, style: other }, serviceUrl));
    if (!isRefusal(otherStatus))
      return wrong(
        `it takes the hub for its ${other}, not for its ${auth.style}.`,
        `auth: { issuer: hub, style: ${other}, … }`,
      );
    const elsewhere = `${serviceUrl}elsewhere/`;
    const { status: elsewhereStatus } = await answer(await issuer.tokenFor(appId, auth, elsewhere), elsewhere);
    if (!isRefusal(elsewhereStatus))
      return wrong(
        `it takes the token for another serviceUrl, but not for ${serviceUrl}, which the token and every activity name.`,
        'what the bot itself says of allowed service URLs',
      );
    return wrong(
      `it does not trust the issuer ${auth.style === 'channel' ? 'that the hub stands for' : issuer.tenantIssuer(auth.tenant)}, reads other keys than those of ${metadataOf(auth.style, hub)}, or has another app id than ${appId}.`,
      auth.style === 'channel'
        ? `MicrosoftAppId=${appId}, ToBotFromChannelOpenIdMetadataUrl=${metadataOf('channel', hub)} and the others of the page about connecting a bot`
        : `clientId=${appId}, tenantId=${auth.tenant}, authorityEndpoint=${issuer.origin()}/${auth.tenant}`,
    );
  } catch (error) {
    return { check: 'trust', is: 'wrong', text: unreached(endpoint, (error as { code?: string }).code ?? 'unknown') };
  }
}

function metadataOf(style: HubAuth['style'], { auth, issuer }: Pick<DoctorHub, 'auth' | 'issuer'>): string {
  return style === 'channel'
    ? `${issuer.origin()}/v1/.well-known/openidconfiguration`
    : `${issuer.origin()}/${auth.tenant}/v2.0/.well-known/openid-configuration`;
}
