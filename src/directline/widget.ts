// What the widget page asks before it speaks Direct Line: an anonymous token that survives a reload, and how to show itself.

import { createHash, randomBytes } from 'node:crypto';
import { StoreUnavailable } from '../errors.js';
import type { HttpRequest, HttpResponse, HttpServer } from '../http.js';
import { newConversationId } from '../hub/conversationId.js';
import { CONVERSATION_TOKEN_MS, type CustomerClaims } from '../hub/tokens.js';
import { takeFromAddress, type Gate } from './callers.js';
import { corsHeaders, isListed, isSameOrigin, notTrusted } from './origins.js';

export interface WidgetPage {
  readonly title: string;
  readonly botName: string;
  /** Ways to sign in as somebody who serves, for the demo's page. */
  readonly signIn?: readonly { readonly id: string; readonly name: string; readonly url: string }[];
}

/** A visitor who comes back within this time finds the conversation again. */
const VISIT_LASTS_MS = 24 * 60 * 60_000;
const VISITOR = 'visitor';
const VISITOR_COOKIE = 'handoff_visitor';

interface Visit {
  conversationId: string;
  user: string;
}

export function serveWidget(
  http: HttpServer,
  gate: Gate,
  page: (request: HttpRequest) => WidgetPage | Promise<WidgetPage>,
): void {
  http.area('/api/widget', {
    headers: (request) => (mayCall(gate, request) ? corsHeaders(request) : { vary: 'Origin' }),
  });
  http.post('/api/widget/token', (request) => grantToken(gate, request));
  http.get('/api/widget/config', async (request) => {
    requireCaller(gate, request);
    return { headers: { 'cache-control': 'no-store' }, body: await page(request) };
  });
}

async function grantToken(gate: Gate, request: HttpRequest): Promise<HttpResponse> {
  requireCaller(gate, request);
  takeFromAddress(gate, request);
  if (!gate.hub.running) throw new StoreUnavailable('The hub is starting or stopping.');
  const now = gate.hub.clock.now();
  const cookie = cookieOf(request, VISITOR_COOKIE);
  const { claims, key } = (await comeBack(gate, cookie, now)) ?? newVisitor();
  const visit: Visit = { conversationId: claims.conv, user: claims.user as string };
  await gate.hub.store.putGrant({
    kind: VISITOR,
    id: digest(key),
    value: { ...visit },
    expiresAt: now + VISIT_LASTS_MS,
  });
  const token = await gate.tokens.mintConversation(claims);
  return {
    headers: { 'set-cookie': visitorCookie(gate, key), 'cache-control': 'no-store' },
    body: {
      token,
      conversationId: claims.conv,
      expires_in: CONVERSATION_TOKEN_MS / 1_000,
      domain: `${gate.publicUrl()}/v3/directline`,
    },
  };
}

interface Visitor {
  claims: CustomerClaims;
  /** The cookie's value: the store only has its digest. */
  key: string;
}

function newVisitor(): Visitor {
  return {
    claims: { conv: newConversationId(), user: `dl_${randomBytes(12).toString('hex')}` },
    key: randomBytes(24).toString('base64url'),
  };
}

/** The visitor's open conversation; of a closed one the same visitor gets a new one that knows it. */
async function comeBack(gate: Gate, key: string | undefined, now: number): Promise<Visitor | undefined> {
  if (key === undefined || !/^[\w-]{20,100}$/.test(key)) return undefined;
  const grant = await gate.hub.store.getGrant(VISITOR, digest(key), now);
  if (grant === undefined) return undefined;
  const { conversationId, user } = grant.value as unknown as Visit;
  const state = await gate.hub.conversation(conversationId);
  const claims =
    state?.phase === 'closed'
      ? { conv: newConversationId(), user, previous: conversationId }
      : { conv: conversationId, user };
  return { claims, key };
}

/** Embedded in another site (https only) the cookie has to travel along from there; the Origin is checked on every call. */
function visitorCookie(gate: Gate, key: string): string {
  const isSecure = gate.publicUrl().startsWith('https:');
  const sameSite = isSecure && gate.trustedOrigins.length > 0 ? 'None' : 'Lax';
  return [
    `${VISITOR_COOKIE}=${key}`,
    'Path=/api/widget',
    `Max-Age=${VISIT_LASTS_MS / 1_000}`,
    'HttpOnly',
    `SameSite=${sameSite}`,
    ...(isSecure ? ['Secure'] : []),
  ].join('; ');
}

function mayCall(gate: Gate, request: HttpRequest): boolean {
  const origin = request.header('origin');
  return origin === undefined || isSameOrigin(request, gate.publicUrl()) || isListed(origin, gate.trustedOrigins);
}

/** Anonymous tokens are only for our own pages and those on the list: any other page gets its tokens from its own server. */
function requireCaller(gate: Gate, request: HttpRequest): void {
  if (!mayCall(gate, request)) throw notTrusted(request.header('origin') as string);
}

function cookieOf(request: HttpRequest, name: string): string | undefined {
  for (const pair of (request.header('cookie') ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === name) return pair.slice(at + 1).trim();
  }
  return undefined;
}

function digest(key: string): string {
  return createHash('sha256').update(key).digest('base64url');
}
