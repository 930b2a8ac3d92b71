// Which browser pages may call: trusted origins, the page's own origin, and the CORS headers that say so.

import { BadRequest } from '../errors.js';
import type { HttpRequest } from '../http.js';

/** Chromium keeps a preflight's answer no longer than this. */
const PREFLIGHT_LASTS_S = 7_200;

/** Headers of every answer, errors too: a client that cannot read an error takes it for a lost connection. */
export function corsHeaders(request: HttpRequest): Record<string, string> {
  const origin = request.header('origin');
  if (origin === undefined) return { vary: 'Origin' };
  const headers = {
    'access-control-allow-origin': origin,
    // session/getsessionid is sent with credentials; every other call is let in by its token alone.
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'retry-after, x-request-id',
    vary: 'Origin',
  };
  if (request.method !== 'OPTIONS') return headers;
  return {
    ...headers,
    'access-control-allow-methods': 'GET, POST, PUT, OPTIONS',
    'access-control-allow-headers':
      request.header('access-control-request-headers') ??
      'authorization, content-type, x-ms-bot-agent, x-requested-with, accept',
    'access-control-max-age': String(PREFLIGHT_LASTS_S),
  };
}

/**
 * True for a page this server gave out itself. The browser sets both headers, a page cannot; under a rebound DNS name a
 * stranger's page passes too, and gets nothing a program without a browser could not have.
 */
export function isSameOrigin(request: HttpRequest, publicUrl: string): boolean {
  const origin = request.header('origin');
  if (origin === undefined || origin === originOf(publicUrl)) return true;
  if (request.header('sec-fetch-site') === 'same-origin') return true;
  return hostOf(origin) !== undefined && hostOf(origin) === request.header('host');
}

/**
 * A list in the configuration replaces what a token carries; with neither, every page may call. Calls without an Origin
 * come from programs and pass.
 * @throws BadRequest 403
 */
export function requireTrusted(
  request: HttpRequest,
  publicUrl: string,
  configured: readonly string[],
  embedded: readonly string[] | undefined,
): void {
  const trusted = configured.length > 0 ? configured : (embedded ?? []);
  if (trusted.length === 0 || isSameOrigin(request, publicUrl)) return;
  const origin = request.header('origin') as string;
  if (isListed(origin, trusted)) return;
  throw notTrusted(origin);
}

export function isListed(origin: string, trusted: readonly string[]): boolean {
  return trusted.some((one) => originOf(one) === origin);
}

export function notTrusted(origin: string): BadRequest {
  return new BadRequest(
    403,
    'ServiceError',
    `${origin} is not in the list of trusted origins. Add it to the list if this page may open conversations.`,
  );
}

/** As browsers write it: no path, no trailing slash, lower case. Anything that is no URL stays as it is. */
function originOf(url: string): string {
  try {
    return new URL(url).origin;
  } catch {
    return url;
  }
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}
