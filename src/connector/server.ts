// The Bot Connector on our HTTP server: what bots that live elsewhere call, on the serviceUrl they were given.

import type { Activity } from '../core/activity.js';
import { isObject } from '../core/context.js';
import type { Conversation } from '../core/conversation.js';
import { BadRequest } from '../errors.js';
import type { HttpRequest, HttpResponse, HttpServer } from '../http.js';
import type { Hub } from '../hub/hub.js';
import type { ForeignCall, ForeignCalls } from '../hub/ports.js';
import { readPath, type CallAddress } from './address.js';
import type { BotCaller, BotCallers } from './callers.js';

export interface ConnectorOptions {
  readonly callers: BotCallers;
  /** Takes what is about conversations that the hub does not know by its own id. */
  readonly foreign?: ForeignCalls;
}

const ROOT = '/v3/conversations';
/** A file of 4 MiB, as base64 in JSON. */
const FOREIGN_UPLOAD_BYTES = 6 * 1_048_576;

export function serveConnector(http: HttpServer, hub: Hub, options: ConnectorOptions): void {
  const answer = (request: HttpRequest) => serve(hub, options, request);
  for (const path of [ROOT, `${ROOT}/*`]) {
    http.get(path, answer);
    http.post(path, answer);
    http.put(path, answer);
    http.delete(path, answer);
  }
}

async function serve(hub: Hub, { callers, foreign }: ConnectorOptions, request: HttpRequest): Promise<HttpResponse> {
  const address = readPath(request.raw.url ?? '');
  const caller = await callers.authenticate(request);
  if (address === undefined) throw unknownOperation(request);
  if (foreign !== undefined && !('conversationId' in address && (await hub.conversation(address.conversationId)))) {
    const answer = await foreign.take(await foreignCall(request, address, caller));
    if (answer !== undefined) return answer;
  }
  switch (`${request.method} ${address.about}`) {
    case 'POST activities':
    case 'POST activity':
      return say(hub, caller, address as Extract<CallAddress, { conversationId: string }>, request);
  }
  throw unknownOperation(request);
}

async function foreignCall(request: HttpRequest, address: CallAddress, { botIds }: BotCaller): Promise<ForeignCall> {
  const contentType = request.header('content-type');
  const isUpload = address.about === 'attachments';
  return {
    botIds,
    method: request.method,
    url: request.raw.url ?? '',
    ...('conversationId' in address ? { conversationId: address.conversationId } : {}),
    ...('activityId' in address ? { activityId: address.activityId } : {}),
    speaks: (address.about === 'activities' || address.about === 'activity') && request.method !== 'GET',
    ...(contentType === undefined ? {} : { contentType }),
    body: await (isUpload ? request.bytes(FOREIGN_UPLOAD_BYTES) : request.bytes()),
  };
}

async function say(
  hub: Hub,
  caller: BotCaller,
  address: Extract<CallAddress, { conversationId: string }>,
  request: HttpRequest,
): Promise<HttpResponse> {
  const activity = await request.json();
  if (!isObject(activity))
    throw new BadRequest(400, 'BadArgument', 'The body is no activity. Send one activity as a JSON object.');
  const { state, botId } = await conversationOf(hub, caller, address.conversationId);
  const replyToId = address.about === 'activity' ? address.activityId : activity['replyToId'];
  const said = { type: 'message', ...activity, ...(typeof replyToId === 'string' ? { replyToId } : {}) } as Activity;
  const [id] = await hub.botSays(state.id, botId, [said]);
  return { body: { id: id?.id ?? '' } };
}

async function conversationOf(
  hub: Hub,
  { botIds }: BotCaller,
  conversationId: string,
): Promise<{ state: Conversation; botId: string }> {
  const state = await hub.conversation(conversationId);
  if (state === undefined) throw new BadRequest(404, 'BadArgument', 'There is no such conversation.');
  // The bot that has it, or had it last, when several of the caller's took part.
  const botId = [state.lastBot, ...state.bots].find((id) => id !== undefined && botIds.has(id));
  if (botId === undefined) throw new BadRequest(403, 'Forbidden', 'This bot takes no part in the conversation.');
  return { state, botId };
}

function unknownOperation({ method, path }: HttpRequest): BadRequest {
  return new BadRequest(404, 'NotFound', `The Bot Connector has no operation ${method} ${path}.`);
}
