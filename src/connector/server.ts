// The Bot Connector on our HTTP server: what bots that live elsewhere call, on the serviceUrl they were given.

import { BadRequest, Conflict, StoreUnavailable, toHttpError } from '../errors.js';
import { BODY_LIMIT_BYTES, type HttpRequest, type HttpResponse, type HttpServer } from '../http.js';
import type { Attachments } from '../hub/attachments.js';
import type { Hub } from '../hub/hub.js';
import type { ForeignCalls } from '../hub/ports.js';
import { UploadRoom } from '../hub/uploadRoom.js';
import type { BotCallers } from './callers.js';
import type { Call, CallContext } from './calls.js';
import {
  createConversation,
  deleteMember,
  getActivityMembers,
  getConversations,
  getMember,
  getMembers,
  getPagedMembers,
} from './conversations.js';
import { uploadAttachment, uploadBodyBytes } from './files.js';
import { readOperation, type NoOperation, type Operation } from './operations.js';
import { Repeats } from './repeats.js';
import { remove, say, sendHistory, update } from './speaking.js';

export interface ConnectorOptions {
  readonly callers: BotCallers;
  readonly attachments: Attachments;
  /** Conversations that bots open come in by this one. */
  readonly workStream: string;
  /** Of one file. */
  readonly uploadLimitBytes?: number;
  /** What files and histories under way may take of the memory. */
  readonly uploadRoomBytes?: number;
  /** Channels that are not the hub's own. */
  readonly foreign?: ForeignCalls;
  /** Calls served at once; the others are told to come back. */
  readonly mostCalls?: number;
}

export interface Connector {
  /** A file that is not ours, from the channel it is on, for a bot that may have it. */
  fileElsewhere(request: HttpRequest): Promise<HttpResponse | undefined>;
}

const MEBIBYTE = 1_048_576;
const UPLOAD_LIMIT_BYTES = 4 * MEBIBYTE;
const UPLOAD_ROOM_BYTES = 128 * MEBIBYTE;
const HISTORY_BYTES = 4 * MEBIBYTE;
/** Each takes some milliseconds and at most 256 KiB; files and histories take from the upload room. */
const MOST_CALLS = 500;
/** Of those, so many may be one caller's: a bot that hangs in the middle of its calls leaves room for the others. */
const SHARE_OF_ONE = 0.8;
const ROOT = '/v3/conversations';

export function serveConnector(http: HttpServer, hub: Hub, options: ConnectorOptions): Connector {
  const context: CallContext = {
    hub,
    attachments: options.attachments,
    uploadRoom: new UploadRoom(options.uploadRoomBytes ?? UPLOAD_ROOM_BYTES),
    uploadLimitBytes: options.uploadLimitBytes ?? UPLOAD_LIMIT_BYTES,
    workStream: options.workStream,
    repeats: new Repeats(hub.clock),
  };
  const serving = new Serving(context, options);
  const answer = (request: HttpRequest) => serving.answer(request);
  for (const path of [ROOT, `${ROOT}/*`]) {
    http.get(path, answer);
    http.hotPost(path, answer);
    http.put(path, answer);
    http.delete(path, answer);
  }
  // Bots kept their state in the channel once; SDKs that still ask must not take us for one that does it.
  for (const method of ['get', 'post', 'delete'] as const) http[method]('/v3/botstate/*', botStateIsGone);
  return { fileElsewhere: (request) => serving.fileElsewhere(request) };
}

class Serving {
  #underWay = 0;
  readonly #underWayOf = new Map<string, number>();

  constructor(
    private readonly context: CallContext,
    private readonly options: ConnectorOptions,
  ) {}

  async answer(request: HttpRequest): Promise<HttpResponse> {
    const operation = readOperation(request.method, request.raw.url ?? '');
    const name = typeof operation === 'string' ? 'none' : operation.name;
    const { hub } = this.context;
    try {
      const response = await this.#inTurn(() => this.#take(request, operation));
      hub.notify('botCall', { operation: name, status: response.status ?? 200 });
      return response;
    } catch (error) {
      // SDKs repeat after a 429 with Retry-After, and do not after a 409.
      const told = error instanceof Conflict ? tooMuch('The conversation kept changing.', error) : error;
      const { status, body } = toHttpError(told);
      hub.notify('botCall', { operation: name, status, code: body.error.code });
      if (status < 500) hub.log.info({ operation: name, status, code: body.error.code }, 'a call of a bot was refused');
      throw told;
    }
  }

  async fileElsewhere(request: HttpRequest): Promise<HttpResponse | undefined> {
    const { foreign, callers } = this.options;
    if (foreign === undefined || request.header('authorization') === undefined) return undefined;
    const { botIds } = await callers.authenticate(request);
    return foreign.take({ ...wire(request), botIds, speaks: false, body: Buffer.alloc(0) });
  }

  async #inTurn(work: () => Promise<HttpResponse>): Promise<HttpResponse> {
    if (this.#underWay >= this.#mostCalls) throw tooMuch('Too many calls at once.');
    this.#underWay += 1;
    try {
      return await work();
    } finally {
      this.#underWay -= 1;
    }
  }

  get #mostCalls(): number {
    return this.options.mostCalls ?? MOST_CALLS;
  }

  async #inShare(botIds: ReadonlySet<string>, work: () => Promise<HttpResponse>): Promise<HttpResponse> {
    const caller = JSON.stringify([...botIds].sort());
    const underWay = this.#underWayOf.get(caller) ?? 0;
    if (underWay >= Math.max(1, Math.floor(this.#mostCalls * SHARE_OF_ONE)))
      throw tooMuch('Too many calls of this bot at once.');
    this.#underWayOf.set(caller, underWay + 1);
    try {
      return await work();
    } finally {
      const left = (this.#underWayOf.get(caller) ?? 1) - 1;
      if (left === 0) this.#underWayOf.delete(caller);
      else this.#underWayOf.set(caller, left);
    }
  }

  async #take(request: HttpRequest, operation: Operation | NoOperation): Promise<HttpResponse> {
    const { botIds } = await this.options.callers.authenticate(request);
    if (operation === 'unknown')
      throw new BadRequest(404, 'NotFound', `The Bot Connector has no operation at ${request.path}.`);
    if (operation === 'wrongMethod')
      throw new BadRequest(405, 'MethodNotAllowed', `${request.method} is no operation of the Bot Connector here.`);
    return this.#inShare(botIds, () => this.#read(request, operation, botIds));
  }

  async #read(request: HttpRequest, operation: Operation, botIds: ReadonlySet<string>): Promise<HttpResponse> {
    if (operation.name !== 'uploadAttachment' && operation.name !== 'sendConversationHistory')
      return this.#carryOut({ request, operation, botIds, bytes: await request.bytes(BODY_LIMIT_BYTES) });
    const limitBytes = operation.name === 'uploadAttachment' ? uploadBodyBytes(this.context) : HISTORY_BYTES;
    const said = Number(request.header('content-length') ?? limitBytes);
    const leave = this.context.uploadRoom.take(operation.conversationId, Math.min(said || limitBytes, limitBytes));
    try {
      return await this.#carryOut({ request, operation, botIds, bytes: await request.bytes(limitBytes) });
    } finally {
      leave();
    }
  }

  async #carryOut(call: Call): Promise<HttpResponse> {
    return (await this.#elsewhere(call)) ?? (await this.#here(call));
  }

  /** Conversations of other channels are named by the channel's own ids. */
  async #elsewhere({ request, operation, botIds, bytes }: Call): Promise<HttpResponse | undefined> {
    const { foreign } = this.options;
    if (foreign === undefined) return undefined;
    const conversationId = 'conversationId' in operation ? operation.conversationId : undefined;
    if (conversationId !== undefined && (await this.#isHere(conversationId))) return undefined;
    return foreign.take({
      ...wire(request),
      botIds,
      ...(conversationId === undefined ? {} : { conversationId }),
      ...('activityId' in operation ? { activityId: operation.activityId } : {}),
      speaks: SPEAKS.has(operation.name),
      body: bytes,
    });
  }

  /** While the store cannot be read, other channels' bots still reach their customers. */
  async #isHere(conversationId: string): Promise<boolean> {
    try {
      return (await this.context.hub.conversation(conversationId)) !== undefined;
    } catch (error) {
      if (error instanceof StoreUnavailable) return false;
      throw error;
    }
  }

  #here(call: Call): Promise<HttpResponse> {
    const { context } = this;
    const { operation } = call;
    switch (operation.name) {
      case 'createConversation':
        return createConversation(context, call);
      case 'getConversations':
        return getConversations(context, call);
      case 'sendToConversation':
      case 'replyToActivity':
        return say(context, call, operation);
      case 'updateActivity':
        return update(context, call, operation);
      case 'deleteActivity':
        return remove(context, call, operation);
      case 'sendConversationHistory':
        return sendHistory(context, call, operation);
      case 'getConversationMembers':
        return getMembers(context, call, operation);
      case 'getConversationMember':
        return getMember(context, call, operation);
      case 'getConversationPagedMembers':
        return getPagedMembers(context, call, operation);
      case 'getActivityMembers':
        return getActivityMembers(context, call, operation);
      case 'deleteConversationMember':
        return deleteMember(context, call, operation);
      case 'uploadAttachment':
        return uploadAttachment(context, call, operation);
    }
  }
}

const SPEAKS: ReadonlySet<Operation['name']> = new Set([
  'sendToConversation',
  'replyToActivity',
  'updateActivity',
  'deleteActivity',
]);

function wire({ method, raw }: HttpRequest) {
  const contentType = raw.headers['content-type'];
  return { method, url: raw.url ?? '', ...(contentType === undefined ? {} : { contentType }) };
}

function tooMuch(what: string, cause?: Error): BadRequest {
  return new BadRequest(
    429,
    'TooManyRequests',
    `${what} Nothing was stored; try again in 1 s.`,
    { retryAfterS: 1 },
    cause === undefined ? {} : { cause },
  );
}

function botStateIsGone(): never {
  throw new BadRequest(
    410,
    'Gone',
    'Channels keep no state for bots any more. Give the bot a storage of its own (Azure Blob Storage, Cosmos DB, a database).',
  );
}
