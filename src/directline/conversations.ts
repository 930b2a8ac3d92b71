// Operations 1 to 4 and 8 of Direct Line: tokens, starting a conversation, finding it again, the browser session.

import { createHash, randomUUID } from 'node:crypto';
import { claimedId, claimedName, isRecord, malformed } from '../activityJson.js';
import type { Conversation } from '../core/conversation.js';
import { DIRECT_LINE } from '../core/react.js';
import { BadRequest } from '../errors.js';
import type { HttpRequest, HttpResponse } from '../http.js';
import { newConversationId } from '../hub/conversationId.js';
import { CONVERSATION_TOKEN_MS, type ConversationClaims, type CustomerClaims } from '../hub/tokens.js';
import {
  authenticate,
  authenticateFor,
  requireConversation,
  unknownConversation,
  type Caller,
  type Gate,
  takeFromAddress,
} from './callers.js';
import { fieldOf } from './inbound.js';
import { isListed, isSameOrigin, notTrusted } from './origins.js';

export interface ConversationContext extends Gate {
  /** New conversations come in by this one. */
  readonly workStream: string;
}

const MAX_ORIGINS = 50;
/** What ids of conversations look like, ours and what the secret's holder may ask for: printable, no spaces. */
const CONVERSATION_ID = /^[\x21-\x7e]{1,200}$/;
const LOCALE = /^[\w-]{1,35}$/;
/** Ids that a page cannot claim by itself. */
const VOUCHED = 'dl_';
const SESSION_COOKIE = 'handoff_session';

/** POST /tokens/generate: allocates an id and starts nothing. */
export async function generateToken(context: ConversationContext, request: HttpRequest): Promise<HttpResponse> {
  const caller = await authenticate(context, request);
  if (caller.kind !== 'secret')
    throw new BadRequest(403, 'BadArgument', 'Tokens are generated with the secret. Refresh this token instead.');
  const claims: CustomerClaims = { conv: newConversationId(), ...parameters(context, await request.json()) };
  return { body: await granted(context, claims) };
}

/** POST /tokens/refresh: same conversation, same user, from now on. */
export async function refreshToken(context: ConversationContext, request: HttpRequest): Promise<HttpResponse> {
  const caller = await authenticate(context, request);
  if (caller.kind === 'secret')
    throw new BadRequest(403, 'BadArgument', 'Send the token to be refreshed, not the secret.');
  if (caller.kind === 'staff') requireConversation(context, caller, await context.hub.conversation(caller.claims.conv));
  return { body: await granted(context, caller.claims) };
}

/** POST /conversations: 201 when it is new, 200 when this token's conversation was started before. */
export async function startConversation(context: ConversationContext, request: HttpRequest): Promise<HttpResponse> {
  const caller = await authenticate(context, request);
  const body = await request.json();
  if (caller.kind === 'staff') {
    requireConversation(context, caller, await context.hub.conversation(caller.claims.conv));
    return { status: 200, body: await opened(context, caller.claims, '') };
  }
  if (caller.kind === 'customer') takeFromAddress(context, request);
  const claims: CustomerClaims =
    caller.kind === 'customer' ? caller.claims : { conv: newConversationId(), ...parameters(context, body) };
  const isNew = await start(context, claims, body);
  return { status: isNew ? 201 : 200, body: await opened(context, claims, '') };
}

/** GET /conversations/{id}: the same with a fresh stream, from the client's watermark on. */
export async function reconnectConversation(context: ConversationContext, request: HttpRequest): Promise<HttpResponse> {
  const conversationId = request.params['id'] ?? '';
  const caller = await authenticateFor(context, request, conversationId);
  const state = await findConversation(context, caller, conversationId);
  const claims: ConversationClaims = caller.kind === 'secret' ? vouchedFor(state) : caller.claims;
  return { body: await opened(context, claims, request.query.get('watermark') ?? '') };
}

/**
 * The page's server opens a conversation that is there, for example one that a bot began. Where the customer goes by an id
 * that only a token can vouch for, this one does.
 */
function vouchedFor({ id: conv, customer: { id, name } }: Conversation): CustomerClaims {
  if (id?.startsWith(VOUCHED) !== true) return { conv };
  return { conv, user: id, ...(name === undefined ? {} : { name }) };
}

/** GET /session/getsessionid: a page on the list of trusted origins gets a session of its own. */
export async function getSessionId(context: ConversationContext, request: HttpRequest): Promise<HttpResponse> {
  const caller = await authenticate(context, request);
  const embedded = caller.kind === 'customer' ? (caller.claims.origin ?? []) : [];
  const trusted = context.trustedOrigins.length > 0 ? context.trustedOrigins : embedded;
  if (trusted.length === 0) throw new BadRequest(403, 'ServiceError', 'Trusted Origin list is empty.');
  const origin = request.header('origin');
  if (origin !== undefined && !isSameOrigin(request, context.publicUrl()) && !isListed(origin, trusted))
    throw notTrusted(origin);
  const sessionId = randomUUID();
  const crossSite = context.publicUrl().startsWith('https:') ? 'SameSite=None; Secure' : 'SameSite=Lax';
  const cookie = `${SESSION_COOKIE}=${sessionId}; Path=/v3/directline; HttpOnly; ${crossSite}`;
  return { headers: { 'set-cookie': cookie }, body: { sessionId } };
}

/**
 * The conversation of an operation. A customer's token whose conversation has not been started starts it: a page may
 * begin with conversation id and token, and a 404 would end it for good.
 */
export async function findConversation(
  context: ConversationContext,
  caller: Caller,
  conversationId: string,
  atLeast?: number,
): Promise<Conversation> {
  if (!CONVERSATION_ID.test(conversationId)) throw unknownConversation();
  let state = await context.hub.conversation(conversationId, atLeast);
  if (state === undefined && caller.kind === 'customer') {
    await start(context, caller.claims, undefined);
    state = await context.hub.conversation(conversationId);
  }
  return requireConversation(context, caller, state);
}

/**
 * The id a customer goes by. A token's user wins. A page may claim an id, but none that only a token can vouch for
 * (`dl_…`) or that belongs to a bot or a person who serves: such a claim becomes an id of its own, the same every time.
 */
export function customerId(
  context: Gate,
  claims: CustomerClaims | undefined,
  conversationId: string,
  claimed: string | undefined,
): string | undefined {
  if (claims?.user !== undefined) return claims.user;
  if (claimed === undefined) return undefined;
  const { people, bots } = context.hub.directory;
  const isTaken = claimed === 'system' || Object.hasOwn(people, claimed) || Object.hasOwn(bots, claimed);
  // The secret's holder is the page's server: it vouches for its users itself.
  const needsVouching = claims !== undefined && claimed.startsWith(VOUCHED);
  return isTaken || needsVouching ? anonymousId(conversationId, claimed) : claimed;
}

export function anonymousId(conversationId: string, claimed = ''): string {
  return `r_${createHash('sha256').update(`${conversationId}\n${claimed}`).digest('hex').slice(0, 12)}`;
}

/** @returns true when it was not there before. */
async function start(context: ConversationContext, claims: CustomerClaims, body: unknown): Promise<boolean> {
  const user = fieldOf(body, 'user');
  const customer = customerId(context, claims, claims.conv, claimedId(fieldOf(user, 'id'), 'user.id'));
  const name = claims.name ?? claimedName(fieldOf(user, 'name'));
  const locale = fieldOf(body, 'locale');
  if (locale !== undefined && locale !== null && locale !== '' && (typeof locale !== 'string' || !LOCALE.test(locale)))
    throw malformed('locale', 'a language tag such as "en-US"');
  const handled = await context.hub.handle(claims.conv, {
    type: 'start',
    id: claims.conv,
    workStream: context.workStream,
    channel: { id: DIRECT_LINE },
    ...(customer === undefined ? {} : { customer }),
    ...(customer === undefined || name === undefined ? {} : { customerName: name }),
    ...(typeof locale === 'string' && locale !== '' ? { locale } : {}),
    ...(claims.previous === undefined ? {} : { previous: claims.previous }),
  });
  return !handled.repeated;
}

/** TokenParameters: `user` and `trustedOrigins`, in any case. A list in the configuration replaces what the call sends. */
function parameters(context: Gate, body: unknown): Pick<CustomerClaims, 'user' | 'name' | 'origin'> {
  if (body !== undefined && body !== null && !isRecord(body)) throw malformed('body', 'a JSON object');
  const user = fieldOf(body, 'user');
  const id = customerId(context, undefined, '', claimedId(fieldOf(user, 'id'), 'user.id'));
  const name = claimedName(fieldOf(user, 'name'));
  const origins = context.trustedOrigins.length > 0 ? undefined : originsOf(fieldOf(body, 'trustedOrigins'));
  return {
    ...(id === undefined ? {} : { user: id }),
    ...(id === undefined || name === undefined ? {} : { name }),
    ...(origins === undefined ? {} : { origin: origins }),
  };
}

function originsOf(value: unknown): string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (
    !Array.isArray(value) ||
    value.length > MAX_ORIGINS ||
    !value.every((one) => typeof one === 'string' && one.length <= 256)
  )
    throw malformed('trustedOrigins', `an array of at most ${MAX_ORIGINS} origins such as "https://example.com"`);
  return value.length === 0 ? undefined : (value as string[]);
}

async function granted(context: Gate, claims: ConversationClaims) {
  const token = await context.tokens.mintConversation(withoutSignature(claims));
  return { conversationId: claims.conv, token, expires_in: CONVERSATION_TOKEN_MS / 1_000 };
}

async function opened(context: Gate, claims: ConversationClaims, watermark: string) {
  const own = withoutSignature(claims);
  const [grant, stream] = await Promise.all([granted(context, own), context.tokens.mintStream({ ...own, watermark })]);
  const origin = context.publicUrl().replace(/^http/, 'ws');
  const from = encodeURIComponent(watermark === '' ? '-' : watermark);
  const streamUrl = `${origin}/v3/directline/conversations/${encodeURIComponent(claims.conv)}/stream?watermark=${from}&t=${stream}`;
  return { ...grant, streamUrl };
}

/** The claims themselves, without what one signature of them said about time and use. */
function withoutSignature(claims: ConversationClaims): ConversationClaims {
  if (claims.view === 'staff') {
    const { conv, view, agent, session, until } = claims;
    return {
      conv,
      view,
      agent,
      ...(session === undefined ? {} : { session }),
      ...(until === undefined ? {} : { until }),
    };
  }
  const { conv, user, name, origin, previous } = claims;
  return {
    conv,
    ...(user === undefined ? {} : { user }),
    ...(name === undefined ? {} : { name }),
    ...(origin === undefined ? {} : { origin }),
    ...(previous === undefined ? {} : { previous }),
  };
}
