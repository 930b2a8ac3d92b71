// Who may post activities while nobody's identity can be checked: this machine and private networks, and never a web page.

import { isPrivate, isPrivateHost } from './addresses.js';
import { BadRequest } from './errors.js';
import type { HttpRequest } from './http.js';

/**
 * A page of any site in a browser on this network could post here, too, and have the bot's answers sent to its neighbours.
 * Browsers say so on every such call; bots' channels and the Emulator do not.
 * @throws BadRequest 403
 */
export function refusePages({ raw }: Pick<HttpRequest, 'raw'>): void {
  if (raw.headers['origin'] === undefined && raw.headers['sec-fetch-site'] === undefined) return;
  throw new BadRequest(
    403,
    'Unauthenticated',
    'Web pages may not post here. Let them use Direct Line, under /v3/directline.',
  );
}

/**
 * The nearest peer and everybody a proxy names must be close by; so must the place the answers go to. `appIdVariable` names
 * the setting with which callers from afar could be told apart.
 * @throws BadRequest 403
 */
export function requireNeighbour(
  { raw, clientAddress }: Pick<HttpRequest, 'raw' | 'clientAddress'>,
  { serviceUrl }: { serviceUrl?: unknown },
  appIdVariable: string,
): void {
  const password = /AppId$/.test(appIdVariable) ? ` and ${appIdVariable.replace(/AppId$/, 'AppPassword')}` : '';
  const cure = `Set ${appIdVariable}${password} to serve Azure Bot Service.`;
  const named = (raw.headers['x-forwarded-for'] ?? '')
    .toString()
    .split(',')
    .map((hop) => hop.trim());
  const peers = [raw.socket.remoteAddress ?? '', ...named.filter((hop) => hop !== '')];
  // Whoever stands in front names nobody, or not where we look.
  const isUnnamed = raw.headers['forwarded'] !== undefined || (named.join('') === '' && clientAddress === undefined);
  if (isUnnamed || !peers.every(isPrivate))
    throw new BadRequest(
      403,
      'Unauthenticated',
      `Without ${appIdVariable} only this machine and private networks may post here. ${cure}`,
    );
  if (typeof serviceUrl !== 'string' || !URL.canParse(serviceUrl) || !isPrivateHost(new URL(serviceUrl).hostname))
    throw new BadRequest(
      403,
      'Unauthenticated',
      `Without ${appIdVariable} answers go to loopback and private addresses only; serviceUrl is not one. ${cure}`,
    );
}
