// People come in here: the staff API, its live events, and signing in.

import { BadRequest } from '../errors.js';
import type { Handler, HttpRequest, HttpResponse, HttpServer } from '../http.js';
import type { Hub } from '../hub/hub.js';
import { CONVERSATION_TOKEN_MS, TokenRefused, type Tokens } from '../hub/tokens.js';
import { requireReader } from './callers.js';
import { createPairingCode, PAIRING_CODE_LASTS_MS } from './chat/pairing.js';
import { commandRoutes, fieldsOf } from './commands.js';
import { LiveEvents } from './events.js';
import { presenceOf, readingRoutes, stateOf, type StaffHandler } from './reading.js';
import { personShape } from './shapes.js';
import { SignIn, SOCKET_TICKET_LASTS_MS, TICKET_LASTS_MS } from './signIn.js';

export { createTicket } from './signIn.js';
export { createPairingCode, putPairingCode } from './chat/pairing.js';

export interface ConsoleOptions {
  tokens: Tokens;
  /** Public origin without a path; asked when needed, because a port may be chosen while listening. */
  publicUrl: () => string;
  /** Serves the console's page; sign-in links land on its address. */
  page?: Handler;
  /** Other sites may show the console in a frame: its session must be sent there, too. */
  isFramed?: boolean;
  /** For tests: how often sockets are checked, and how much may wait for a slow one. */
  beatMs?: number;
  bufferBytes?: number;
}

export interface Console {
  /** Path of a one-time sign-in link. @throws Rejected when there is no such person. */
  createTicket(personId: string): Promise<string>;
  /** Live sockets, the people behind them, and how many do not keep up. */
  readonly figures: { readonly sockets: number; readonly people: number; readonly behind: number };
  /** Closes the live sockets. Idempotent. */
  close(): Promise<void>;
}

/** Tokens of people; a Direct Line token is none, and neither is this one there. */
const STAFF_AUDIENCE = 'staff';
/** A bearer token for scripts; who leaves the directory is out at once all the same. */
export const PERSON_TOKEN_MS = 30 * 24 * 60 * 60_000;

const API = '/api/v1';

/** What `handoff token <person>` prints. The roles are not in it: they are the directory's at each call. */
export function mintPersonToken(tokens: Tokens, personId: string, lifeMs = PERSON_TOKEN_MS): Promise<string> {
  return tokens.mint(STAFF_AUDIENCE, { person: personId }, lifeMs);
}

async function verifyPersonToken(
  tokens: Tokens,
  token: string,
): Promise<{ person: string; expiresAt: number } | undefined> {
  try {
    const { person, exp } = await tokens.verify(STAFF_AUDIENCE, token);
    return typeof person === 'string' ? { person, expiresAt: Number(exp) * 1_000 } : undefined;
  } catch (error) {
    if (error instanceof TokenRefused) return undefined;
    throw error;
  }
}

export function serveConsole(http: HttpServer, hub: Hub, options: ConsoleOptions): Console {
  const { tokens, publicUrl, page, isFramed = false, beatMs, bufferBytes } = options;
  const signIn = new SignIn(hub, { publicUrl, isFramed, verify: (token) => verifyPersonToken(tokens, token) });
  const events = new LiveEvents(hub, {
    isProven: (caller) => signIn.isProven(caller),
    ...(beatMs !== undefined && { beatMs }),
    ...(bufferBytes !== undefined && { bufferBytes }),
  });
  signIn.onEnded((session) => events.endSession(session));

  /** Nothing here is answered before it is known who asks. */
  function forStaff(handler: StaffHandler): Handler {
    return async (request: HttpRequest): Promise<HttpResponse> => {
      const { caller, headers } = await signIn.prove(request);
      const answer = await handler(caller, request);
      return { ...answer, headers: { ...headers, ...answer.headers } };
    };
  }

  http.area(API, { headers: () => ({ 'cache-control': 'no-store' }) });
  for (const [path, handler] of Object.entries(readingRoutes(hub))) http.get(`${API}${path}`, forStaff(handler));
  for (const [verb, handler] of Object.entries(commandRoutes(hub)))
    http.post(`${API}/conversations/:id/${verb}`, forStaff(handler));

  http.put(
    `${API}/me/presence`,
    forStaff(async ({ person }, request) => {
      const row = await hub.people.setPresence(person.id, presenceOf(await fieldsOf(request)));
      return { body: personShape(hub.directory, person, row) };
    }),
  );

  http.post(
    `${API}/conversations/:id/token`,
    forStaff(async (caller, request) => {
      const state = await stateOf(hub, request);
      requireReader(caller, state, hub.directory);
      const { person, session, provenUntil } = caller;
      const proof = session === undefined ? { until: provenUntil } : { session };
      const token = await tokens.mintConversation({ conv: state.id, view: 'staff', agent: person.id, ...proof });
      const domain = `${publicUrl().replace(/\/+$/, '')}/v3/directline`;
      return { body: { token, conversationId: state.id, domain, expires_in: CONVERSATION_TOKEN_MS / 1_000 } };
    }),
  );

  http.post(
    `${API}/ticket`,
    forStaff(async (caller, request) => {
      signIn.requireOwnPage(request);
      const ticket = await signIn.createSocketTicket(caller);
      return { body: { ticket, expires_in: SOCKET_TICKET_LASTS_MS / 1_000 } };
    }),
  );

  // For `handoff sign-in` beside a running server: the link is for the caller, whoever that is.
  http.post(
    `${API}/me/sign-in-link`,
    forStaff(async ({ person }) => ({
      body: { path: await signIn.createTicket(person.id), expires_in: TICKET_LASTS_MS / 1_000 },
    })),
  );

  // What a person writes to the bot for staff, to be known there as who is signed in here.
  http.post(
    `${API}/me/pairing-code`,
    forStaff(async ({ person }) => {
      const code = await createPairingCode(hub, person.id);
      return { body: { code, write: `sign in ${code}`, expires_in: PAIRING_CODE_LASTS_MS / 1_000 } };
    }),
  );

  http.post(`${API}/sign-out`, (request) => signIn.signOut(request));

  http.upgrade(`${API}/events`, async (request, socket, head) => {
    events.open(await signIn.proveSocket(request), request, socket, head);
  });

  http.get('/console', async (request) => {
    const ticket = request.query.get('ticket');
    if (ticket !== null) return signIn.redeem(request, ticket);
    if (page === undefined) throw new BadRequest(404, 'NotFound', 'The console page is not served here.');
    return page(request);
  });

  return {
    createTicket: (personId) => signIn.createTicket(personId),
    get figures() {
      return events.figures;
    },
    close: () => events.close(),
  };
}
