// Direct Line 3.0 on our HTTP server: every route, the stream, files, and what the widget page asks.

import { parseActivity } from '../activityJson.js';
import { toHttpError } from '../errors.js';
import { parseJson, type HttpRequest, type HttpServer, type UpgradeHandler } from '../http.js';
import type { Hub } from '../hub/hub.js';
import { Attachments } from '../hub/attachments.js';
import type { Tokens } from '../hub/tokens.js';
import { UploadRoom } from '../hub/uploadRoom.js';
import { getActivities, postActivity, startAfter, submit, viewerOf } from './activities.js';
import { authenticateStream, isSignedIn, requireConversation, type Caller } from './callers.js';
import {
  generateToken,
  getSessionId,
  reconnectConversation,
  refreshToken,
  startConversation,
} from './conversations.js';
import { serveFiles, type FilesElsewhere } from './files.js';
import { DEFAULT_RATES, RateLimit, type Rates } from './limits.js';
import { corsHeaders } from './origins.js';
import { parseWatermark } from './reading.js';
import { Streams, type StreamFigures } from './streams.js';
import { upload, type UploadContext } from './upload.js';
import { serveWidget, type WidgetPage } from './widget.js';

export interface DirectLineOptions {
  /** Each of them opens everything; two while one is being replaced. */
  readonly secrets: readonly string[];
  readonly tokens: Tokens;
  /** The origin clients reach us under, without a trailing slash. */
  readonly publicUrl: () => string;
  /** Origins whose pages may call. Empty: every page that has a token. Replaces the list a token carries. */
  readonly trustedOrigins?: readonly string[];
  /** Id of the work stream new conversations come in by. */
  readonly workStream: string;
  /** Of one file. */
  readonly uploadLimitBytes?: number;
  /** Of all uploads under way together. */
  readonly uploadRoomBytes?: number;
  /** Where all files go; one of its own unless set. */
  readonly attachments?: Attachments;
  /** Asked for files that are not kept here. */
  readonly filesElsewhere?: FilesElsewhere;
  readonly keepAliveMs?: number;
  /** A socket that takes nothing for this long is closed. */
  readonly stallMs?: number;
  /** `false` turns rate limits off. */
  readonly rates?: Rates | false;
  /** Absent: no page of ours asks for anonymous tokens, and nobody else can. */
  readonly widget?: (request: HttpRequest) => WidgetPage | Promise<WidgetPage>;
}

export interface DirectLine {
  /** Tells every socket's client to come back, and closes them. Idempotent. */
  close(): Promise<void>;
  readonly figures: StreamFigures;
}

const MEBIBYTE = 1_048_576;
const UPLOAD_LIMIT_BYTES = 4 * MEBIBYTE;
const UPLOAD_ROOM_BYTES = 128 * MEBIBYTE;
/** Proxies commonly cut connections that are silent for 30 to 60 s. */
const KEEP_ALIVE_MS = 20_000;
const STALL_MS = 30_000;
const ROOT = '/v3/directline';

export function serveDirectLine(http: HttpServer, hub: Hub, options: DirectLineOptions): DirectLine {
  const rates = options.rates ?? DEFAULT_RATES;
  const attachments = options.attachments ?? new Attachments(hub.store, hub.clock);
  const context: UploadContext = {
    hub,
    tokens: options.tokens,
    secrets: options.secrets,
    publicUrl: options.publicUrl,
    trustedOrigins: options.trustedOrigins ?? [],
    workStream: options.workStream,
    perToken: new RateLimit(rates === false ? undefined : rates.perToken, hub.clock),
    perAddress: new RateLimit(rates === false ? undefined : rates.perAddress, hub.clock),
    attachments,
    uploadLimitBytes: options.uploadLimitBytes ?? UPLOAD_LIMIT_BYTES,
    uploadRoom: new UploadRoom(options.uploadRoomBytes ?? UPLOAD_ROOM_BYTES),
  };
  const streams = new Streams(hub, {
    keepAliveMs: options.keepAliveMs ?? KEEP_ALIVE_MS,
    stallMs: options.stallMs ?? STALL_MS,
  });

  http.area(ROOT, { headers: (request) => ({ ...corsHeaders(request), 'cache-control': 'no-store' }) });
  http.post(`${ROOT}/tokens/generate`, (request) => generateToken(context, request));
  http.post(`${ROOT}/tokens/refresh`, (request) => refreshToken(context, request));
  http.hotPost(`${ROOT}/conversations`, (request) => startConversation(context, request));
  http.get(`${ROOT}/conversations/:id`, (request) => reconnectConversation(context, request));
  http.get(`${ROOT}/conversations/:id/activities`, (request) => getActivities(context, request));
  http.hotPost(`${ROOT}/conversations/:id/activities`, (request) => postActivity(context, request));
  http.post(`${ROOT}/conversations/:id/upload`, (request) => upload(context, request));
  http.get(`${ROOT}/session/getsessionid`, (request) => getSessionId(context, request));
  const openStream: UpgradeHandler = (request, socket, head) => open(context, streams, request, socket, head);
  http.upgrade(`${ROOT}/conversations/:id/stream`, openStream);
  // Clients in voice mode ask for this path and send their activities over the socket.
  http.upgrade(`${ROOT}/conversations/:id/stream/multimodal`, openStream);
  serveFiles(http, attachments, options.filesElsewhere);
  if (options.widget !== undefined) serveWidget(http, context, options.widget);

  return {
    close: () => streams.close(),
    get figures() {
      return streams.figures;
    },
  };
}

async function open(
  context: UploadContext,
  streams: Streams,
  request: HttpRequest,
  ...connection: SocketAndHead
): Promise<void> {
  const conversationId = request.params['id'] ?? '';
  const claims = await authenticateStream(context, request, conversationId);
  const caller: Caller = claims.view === 'staff' ? { kind: 'staff', claims } : { kind: 'customer', claims };
  const watermark = parseWatermark(request.query.get('watermark') ?? claims.watermark);
  const state = requireConversation(context, caller, await context.hub.conversation(conversationId, watermark));
  streams.open(request, ...connection, {
    conversationId,
    viewer: viewerOf(caller),
    after: startAfter(state, watermark),
    onFrame: (json) => postFrame(context, caller, json),
    isSignedIn: () => (claims.view === 'staff' ? isSignedIn(context, claims) : Promise.resolve(true)),
  });
}

type SocketAndHead = Parameters<UpgradeHandler> extends [unknown, ...infer Rest] ? Rest : never;

/** There is no answer to a frame: what was taken comes back as its echo, what was not does not. */
async function postFrame(context: UploadContext, caller: Caller, json: Buffer): Promise<void> {
  const { hub } = context;
  const conversationId = caller.kind === 'secret' ? '' : caller.claims.conv;
  try {
    if (caller.kind === 'customer') context.perToken.take(conversationId);
    const activity = parseActivity(parseJson(json));
    const state = requireConversation(context, caller, await hub.conversation(conversationId));
    await submit(context, caller, state, activity);
  } catch (error) {
    // Not the error itself: a parser's message quotes what was said.
    const { status, body } = toHttpError(error);
    hub.log.info({ conversation: conversationId, status, code: body.error.code }, 'a frame of a client was not taken');
  }
}
