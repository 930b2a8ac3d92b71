// Who is calling: one-time tickets become sessions, sessions and bearer tokens become persons of the directory.

import { createHash, randomBytes } from 'node:crypto';
import type { Person } from '../core/directory.js';
import { BadRequest, Rejected } from '../errors.js';
import type { HttpRequest, HttpResponse } from '../http.js';
import type { Hub } from '../hub/hub.js';
import type { Grant, Store } from '../hub/ports.js';
import { SESSION_GRANT } from '../hub/tokens.js';
import { Buckets } from '../hub/buckets.js';
import { networkOf } from '../addresses.js';
import type { Caller } from './callers.js';

/** A sign-in link works once, for this long. */
export const TICKET_LASTS_MS = 10 * 60_000;
/** A ticket for the events socket is used at once. */
export const SOCKET_TICKET_LASTS_MS = 30_000;
/** A session ends this long after its last use. */
export const SESSION_LASTS_MS = 12 * 60 * 60_000;
/** Using a session writes its new end at most this often. */
const RENEW_AFTER_MS = 10 * 60_000;

const TICKET = 'ticket';
const SOCKET_TICKET = 'socketTicket';
/** Of a session just ended: a call that was under way, perhaps at another node, must not bring it back by prolonging it. */
const ENDED_SESSION = 'endedSession';

export interface SignInOptions {
  /** Public origin, without a path. */
  publicUrl(): string;
  /** Pages of other sites may frame the console. */
  isFramed: boolean;
  /** The person a sound, unexpired bearer token of staff was made for. */
  verify(token: string): Promise<{ person: string; expiresAt: number } | undefined>;
}

/** A caller, and the headers the answer must carry (a session that was prolonged). */
export interface Proven {
  caller: Caller;
  headers: Record<string, string>;
}

/** Makes a one-time sign-in link's path; the store keeps only a digest of what is in it. */
export async function createTicket(store: Store, personId: string, now: number): Promise<string> {
  const ticket = newSecret();
  await store.putGrant({
    kind: TICKET,
    id: digest(ticket),
    value: { person: personId },
    expiresAt: now + TICKET_LASTS_MS,
  });
  return `/console/?ticket=${ticket}`;
}

/** Who signs in to serve is there, as in Omnichannel; who was away or busy elsewhere stays it. */
export async function comeToWork(hub: Pick<Hub, 'people'>, { id, roles }: Person): Promise<void> {
  if (roles.includes('agent') && hub.people.row(id)?.presence === 'offline')
    await hub.people.setPresence(id, 'available');
}

export class SignIn {
  /** Wrong links by the network they are opened from. */
  readonly #attempts = new Buckets({ size: 10, refillMs: 6_000 });
  #onEnded: (session: string) => void = () => undefined;

  constructor(
    private readonly hub: Hub,
    private readonly options: SignInOptions,
  ) {}

  /** Calls back when a session is signed out. */
  onEnded(listener: (session: string) => void): void {
    this.#onEnded = listener;
  }

  /** @throws Rejected when there is no such person. */
  async createTicket(personId: string): Promise<string> {
    if (this.hub.directory.people[personId] === undefined)
      throw new Rejected('notFound', `There is no person "${personId}". The configuration names those who serve.`);
    return createTicket(this.hub.store, personId, this.hub.clock.now());
  }

  /** Opens a session with the ticket of a sign-in link, or says on a page why not. */
  async redeem(request: HttpRequest, ticket: string): Promise<HttpResponse> {
    const now = this.hub.clock.now();
    // First, and no write for what was guessed: a link that works is refused to nobody because others guess.
    const known = await this.hub.store.getGrant(TICKET, digest(ticket), now);
    const grant = known && (await this.hub.store.getGrant(TICKET, digest(ticket), now, true));
    const person = grant === undefined ? undefined : this.hub.directory.people[String(grant.value['person'])];
    if (person === undefined) return this.#wrongLink(networkOf(request.ip), now);
    await this.#endSession(cookieOf(request, this.#cookieName));
    const secret = newSecret();
    const value = { person: person.id, since: now };
    await this.hub.store.putGrant({
      kind: SESSION_GRANT,
      id: digest(secret),
      value,
      expiresAt: now + SESSION_LASTS_MS,
    });
    this.hub.log.info({ person: person.id }, 'signed in');
    await comeToWork(this.hub, person);
    return {
      status: 302,
      headers: {
        location: '/console/',
        'set-cookie': this.#cookie(secret, SESSION_LASTS_MS),
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
      },
    };
  }

  #wrongLink(network: string, now: number): HttpResponse {
    const waitMs = this.#attempts.waitMs(network, now);
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1_000);
      const page = signInPage(429, 'Too many attempts', `Please wait ${seconds} seconds and open the link again.`);
      return { ...page, headers: { ...page.headers, 'retry-after': String(seconds) } };
    }
    this.#attempts.spend(network, now);
    return signInPage(
      401,
      'This sign-in link does not work any more',
      'A link works once, for ten minutes. Get a new one with "handoff sign-in <person>", or from the server\'s start.',
    );
  }

  /**
   * @throws BadRequest 401 `signedOut` when nobody is proven, 403 `forgedCall` when a page of another site may have made
   * a call in a signed-in person's name.
   */
  async prove(request: HttpRequest): Promise<Proven> {
    const authorization = request.header('authorization');
    if (authorization !== undefined) {
      const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
      const verified = token === undefined ? undefined : await this.options.verify(token);
      const person = verified === undefined ? undefined : this.hub.directory.people[verified.person];
      if (verified === undefined || person === undefined)
        throw signedOut('This token is not valid (any more). Make a new one with "handoff token <person>".');
      return { caller: { person, provenUntil: verified.expiresAt }, headers: {} };
    }
    const secret = cookieOf(request, this.#cookieName);
    if (secret === undefined) throw signedOut('You are not signed in. Open a sign-in link, or send a bearer token.');
    this.#refuseForged(request);
    const session = digest(secret);
    const now = this.hub.clock.now();
    const grant = await this.hub.store.getGrant(SESSION_GRANT, session, now);
    const person = grant === undefined ? undefined : this.hub.directory.people[String(grant.value['person'])];
    if (grant === undefined || person === undefined) throw signedOut('Your session has ended. Please sign in again.');
    const renewed = await this.#renew(grant, now);
    const headers: Record<string, string> = renewed ? { 'set-cookie': this.#cookie(secret, SESSION_LASTS_MS) } : {};
    return { caller: { person, session, provenUntil: now + SESSION_LASTS_MS }, headers };
  }

  /** A one-shot ticket with which the caller's events socket may be opened where cookies and headers cannot be sent. */
  async createSocketTicket({ person, session, provenUntil }: Caller): Promise<string> {
    const ticket = newSecret();
    const value = { person: person.id, provenUntil, ...(session !== undefined && { session }) };
    const expiresAt = this.hub.clock.now() + SOCKET_TICKET_LASTS_MS;
    await this.hub.store.putGrant({ kind: SOCKET_TICKET, id: digest(ticket), value, expiresAt });
    return ticket;
  }

  /**
   * The events socket is open to pages of this server's own address alone.
   * @throws BadRequest 403 `otherAddress` naming that address.
   */
  requireOwnPage(request: HttpRequest): void {
    const origin = request.header('origin');
    // A browser says from which page it calls; programs say nothing and have no cookie of somebody else's.
    if (origin === undefined || this.#isOwn(origin)) return;
    const own = originOf(this.options.publicUrl())?.origin ?? this.options.publicUrl();
    throw new BadRequest(
      403,
      'otherAddress',
      `This page was opened at ${origin}, where no news can reach it. Open ${own}/console/ instead,` +
        ` or set PUBLIC_URL to ${origin} and restart the server.`,
    );
  }

  /** @throws BadRequest as `prove` and `requireOwnPage` do. */
  async proveSocket(request: HttpRequest): Promise<Caller> {
    this.requireOwnPage(request);
    const ticket = request.query.get('ticket');
    if (ticket === null) return (await this.prove(request)).caller;
    const now = this.hub.clock.now();
    const grant = await this.hub.store.getGrant(SOCKET_TICKET, digest(ticket), now, true);
    const value = (grant?.value ?? {}) as { person?: string; session?: string; provenUntil?: number };
    const person = value.person === undefined ? undefined : this.hub.directory.people[value.person];
    if (person === undefined)
      throw signedOut('This ticket was used or is too old. Ask for a new one with POST /api/v1/ticket.');
    const { session, provenUntil = now } = value;
    const caller: Caller = { person, provenUntil, ...(session !== undefined && { session }) };
    if (!(await this.isProven(caller))) throw signedOut('Your session has ended. Please sign in again.');
    return caller;
  }

  /** Whether a caller proven earlier still is: the session goes on, the token has not expired, the person still serves. */
  async isProven({ person, session, provenUntil }: Caller): Promise<boolean> {
    const now = this.hub.clock.now();
    if (this.hub.directory.people[person.id] === undefined) return false;
    if (session === undefined) return now < provenUntil;
    return (await this.hub.store.getGrant(SESSION_GRANT, session, now)) !== undefined;
  }

  /** Ends the session of this call's cookie. Idempotent; needs no valid session. */
  async signOut(request: HttpRequest): Promise<HttpResponse> {
    const secret = cookieOf(request, this.#cookieName);
    if (secret !== undefined) this.#refuseForged(request);
    await this.#endSession(secret);
    return { status: 200, body: {}, headers: { 'set-cookie': this.#cookie('', 0) } };
  }

  async #endSession(secret: string | undefined): Promise<void> {
    if (secret === undefined) return;
    const { store, clock } = this.hub;
    const session = digest(secret);
    const now = clock.now();
    // Nothing is kept of what was guessed.
    if ((await store.getGrant(SESSION_GRANT, session, now)) !== undefined) {
      await store.putGrant({ kind: ENDED_SESSION, id: session, value: {}, expiresAt: now + RENEW_AFTER_MS });
      await store.removeGrant(SESSION_GRANT, session);
    }
    this.#onEnded(session);
  }

  async #renew(grant: Grant, now: number): Promise<boolean> {
    if (grant.expiresAt - now > SESSION_LASTS_MS - RENEW_AFTER_MS) return false;
    const { store } = this.hub;
    await store.putGrant({ ...grant, expiresAt: now + SESSION_LASTS_MS });
    if ((await store.getGrant(ENDED_SESSION, grant.id, now)) === undefined) return true;
    await store.removeGrant(SESSION_GRANT, grant.id);
    return false;
  }

  /** A form or image of another site carries the cookie, but can set no header and says where it comes from. */
  #refuseForged(request: HttpRequest): void {
    if (request.method === 'GET' || request.method === 'HEAD') return;
    if (request.header('x-requested-with') !== undefined) return;
    const origin = request.header('origin');
    if (origin === undefined || !this.#isOwn(origin)) throw forged();
  }

  #isOwn(origin: string): boolean {
    const own = originOf(this.options.publicUrl());
    const given = originOf(origin);
    if (own === undefined || given === undefined) return false;
    if (own.origin === given.origin) return true;
    // On one's own machine the server has several names; all of them are this machine.
    return isLoopback(own) && isLoopback(given) && own.port === given.port && own.protocol === given.protocol;
  }

  get #isSecure(): boolean {
    return this.options.publicUrl().startsWith('https:');
  }

  /** The prefix makes browsers refuse the cookie from other hosts of the same domain and from unencrypted pages. */
  get #cookieName(): string {
    return this.#isSecure ? '__Host-handoff_session' : 'handoff_session';
  }

  #cookie(value: string, lastsMs: number): string {
    // In a frame of another site: a session of its own below that site, which no third one's pages can use.
    const sites = this.#isSecure && this.options.isFramed ? 'SameSite=None; Partitioned' : 'SameSite=Lax';
    const secure = this.#isSecure ? '; Secure' : '';
    return `${this.#cookieName}=${value}; Path=/; Max-Age=${lastsMs / 1_000}; HttpOnly; ${sites}${secure}`;
  }
}

function signedOut(message: string): BadRequest {
  return new BadRequest(401, 'signedOut', message);
}

function forged(): BadRequest {
  return new BadRequest(
    403,
    'forgedCall',
    'This call may come from a page of another site. Send the header x-requested-with, or call from the console itself.',
  );
}

function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

function digest(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

function cookieOf(request: HttpRequest, name: string): string | undefined {
  for (const part of request.header('cookie')?.split(';') ?? []) {
    const at = part.indexOf('=');
    if (at > 0 && part.slice(0, at).trim() === name) return part.slice(at + 1).trim() || undefined;
  }
  return undefined;
}

function originOf(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}

function isLoopback({ hostname }: URL): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}

/** Only fixed texts come in here. */
function signInPage(status: number, title: string, text: string): HttpResponse {
  const escaped = text.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
    },
    body: `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>:root { color-scheme: light dark } body { font: 16px/1.5 "Segoe UI", system-ui, sans-serif; margin: 20vh auto 0; max-width: 32rem; padding: 0 1rem }</style>
<h1>${title}</h1>
<p>${escaped}</p>
<p><a href="/console/">Open the console</a></p>
</html>
`,
  };
}
