// Who calls: the holder of the secret, the customer of one conversation, or a person's chat pane on one conversation.

import { createHash, timingSafeEqual } from 'node:crypto';
import { mayReadLog } from '../core/access.js';
import type { Conversation, Party } from '../core/conversation.js';
import { BadRequest, StoreUnavailable } from '../errors.js';
import { isLoopback, networkOf } from '../addresses.js';
import type { HttpRequest } from '../http.js';
import type { Hub } from '../hub/hub.js';
import {
  SESSION_GRANT,
  TokenRefused,
  type CustomerClaims,
  type StaffClaims,
  type StreamClaims,
  type Tokens,
} from '../hub/tokens.js';
import type { RateLimit } from './limits.js';
import { requireTrusted } from './origins.js';

export type Caller =
  | { readonly kind: 'secret' }
  | { readonly kind: 'customer'; readonly claims: CustomerClaims }
  | { readonly kind: 'staff'; readonly claims: StaffClaims };

export interface Gate {
  readonly hub: Hub;
  readonly tokens: Tokens;
  readonly secrets: readonly string[];
  readonly publicUrl: () => string;
  readonly trustedOrigins: readonly string[];
  readonly perToken: RateLimit;
  readonly perAddress: RateLimit;
}

/** @throws BadRequest 401 without any credential, 403 for a wrong one or a foreign page, 429 */
export async function authenticate(gate: Gate, request: HttpRequest): Promise<Caller> {
  requireRunning(gate.hub);
  const credential = /^(?:Bearer|BotConnector) +(\S+) *$/i.exec(request.header('authorization') ?? '')?.[1];
  if (credential === undefined) {
    takeFromAddress(gate, request);
    throw new BadRequest(401, 'BadArgument', 'Missing token or secret. Send it as "Authorization: Bearer TOKEN".');
  }
  const caller = await identify(gate, credential, request);
  switch (caller.kind) {
    case 'secret':
    case 'staff':
      break;
    case 'customer':
      gate.perToken.take(caller.claims.conv);
  }
  const embedded = caller.kind === 'customer' ? caller.claims.origin : undefined;
  requireTrusted(request, gate.publicUrl(), gate.trustedOrigins, embedded);
  return caller;
}

/** The caller of an operation on one conversation. @throws BadRequest 403 for a token of another one */
export async function authenticateFor(gate: Gate, request: HttpRequest, conversationId: string): Promise<Caller> {
  const caller = await authenticate(gate, request);
  if (caller.kind !== 'secret' && caller.claims.conv !== conversationId) throw otherConversation();
  return caller;
}

/** The reader of a stream, by the `t` of its URL. @throws BadRequest 403 */
export async function authenticateStream(
  gate: Gate,
  request: HttpRequest,
  conversationId: string,
): Promise<StreamClaims> {
  requireRunning(gate.hub);
  const token = request.query.get('t') ?? '';
  let claims: StreamClaims;
  try {
    claims = await gate.tokens.verifyStream(token);
    if (claims.view === 'staff') await requireSignedIn(gate, claims);
  } catch (error) {
    throw refusal(gate, error, request);
  }
  if (claims.conv !== conversationId) throw otherConversation();
  requireTrusted(request, gate.publicUrl(), gate.trustedOrigins, claims.view === 'staff' ? undefined : claims.origin);
  return claims;
}

/** @throws BadRequest 404; 403 when a person may not read it any more */
export function requireConversation(gate: Gate, caller: Caller, state: Conversation | undefined): Conversation {
  if (state === undefined) throw unknownConversation();
  if (caller.kind === 'staff' && !mayReadLog(state, caller.claims.agent, gate.hub.directory))
    throw new BadRequest(403, 'notAllowed', 'You may not read this conversation any more.');
  return state;
}

export function unknownConversation(): BadRequest {
  return new BadRequest(404, 'BadArgument', 'Unknown conversation. Start one with POST /v3/directline/conversations.');
}

export function staffParty(gate: Gate, agent: string): Party {
  const roles = gate.hub.directory.people[agent]?.roles ?? [];
  return { role: roles.includes('agent') || roles.length === 0 ? 'agent' : 'supervisor', id: agent };
}

async function identify(gate: Gate, credential: string, request: HttpRequest): Promise<Caller> {
  if (gate.secrets.some((secret) => isSame(secret, credential))) return { kind: 'secret' };
  try {
    const claims = await gate.tokens.verifyConversation(credential);
    if (claims.view !== 'staff') return { kind: 'customer', claims };
    await requireSignedIn(gate, claims);
    return { kind: 'staff', claims };
  } catch (error) {
    throw refusal(gate, error, request);
  }
}

/** A pane's token is refreshed for as long as the person is signed in, and no longer. */
export async function isSignedIn({ hub }: Gate, { session, until }: StaffClaims): Promise<boolean> {
  const now = hub.clock.now();
  if (until !== undefined && now >= until) return false;
  return session === undefined || (await hub.store.getGrant(SESSION_GRANT, session, now)) !== undefined;
}

async function requireSignedIn(gate: Gate, claims: StaffClaims): Promise<void> {
  if (!(await isSignedIn(gate, claims))) throw new TokenRefused('expired');
}

/**
 * Counts against the caller's address. This machine's own is exempt: what comes from there is an operator's or a proxy's,
 * behind which everybody looks the same.
 */
export function takeFromAddress(gate: Gate, request: HttpRequest): void {
  if (!isLoopback(request.ip)) gate.perAddress.take(networkOf(request.ip));
}

function refusal(gate: Gate, error: unknown, request: HttpRequest): unknown {
  if (!(error instanceof TokenRefused)) return error;
  takeFromAddress(gate, request);
  return error.why === 'expired'
    ? new BadRequest(403, 'TokenExpired', 'Token has expired. Refresh tokens before they end, or get a new one.')
    : new BadRequest(
        403,
        'BadArgument',
        'Invalid token or secret. Get a token from POST /v3/directline/tokens/generate.',
      );
}

function otherConversation(): BadRequest {
  return new BadRequest(
    403,
    'BadArgument',
    'Security token is not for this conversation. Use the token that came with it.',
  );
}

/** A 404 would tell clients that the conversation is over for good; this one they repeat. */
function requireRunning(hub: Hub): void {
  if (!hub.running) throw new StoreUnavailable('The hub is starting or stopping.');
}

function isSame(secret: string, credential: string): boolean {
  // Lengths are no secret; the comparison of equal lengths takes the same time wherever they differ.
  if (secret.length !== credential.length || secret === '') return false;
  return timingSafeEqual(digest(secret), digest(credential));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
