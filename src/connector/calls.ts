// One call of a bot: who it is, what it may touch, and in whose name it acts.

import { isObject } from '../core/context.js';
import { holderOf, type Conversation } from '../core/conversation.js';
import { BadRequest } from '../errors.js';
import type { HttpRequest } from '../http.js';
import type { Attachments } from '../hub/attachments.js';
import type { Hub } from '../hub/hub.js';
import type { UploadRoom } from '../hub/uploadRoom.js';
import { parseJson } from '../json.js';
import type { Operation } from './operations.js';
import type { Repeats } from './repeats.js';

export interface CallContext {
  readonly hub: Hub;
  readonly attachments: Attachments;
  readonly uploadRoom: UploadRoom;
  /** Of one file. */
  readonly uploadLimitBytes: number;
  /** Conversations that bots open come in by this one. */
  readonly workStream: string;
  readonly repeats: Repeats;
}

export interface Call {
  readonly request: HttpRequest;
  readonly operation: Operation;
  /** Verified: the bots of the directory that the caller is. */
  readonly botIds: ReadonlySet<string>;
  readonly bytes: Buffer;
}

/** The conversation of a call, and those of the caller's bots that had it at some time. */
export interface Place {
  readonly state: Conversation;
  readonly bots: readonly string[];
}

/** @throws BadRequest 404, 403 */
export async function placeOf({ hub }: CallContext, { botIds }: Call, conversationId: string): Promise<Place> {
  const state = await hub.conversation(conversationId);
  if (state === undefined)
    throw new BadRequest(
      404,
      'ConversationNotFound',
      'There is no such conversation. Take its id from an activity that came from it.',
    );
  const bots = state.bots.filter((id) => botIds.has(id));
  if (bots.length === 0)
    throw new BadRequest(
      403,
      'BotNotInConversationRoster',
      'This bot has never had the conversation; only bots that had it may call about it.',
    );
  return { state, bots };
}

/** Several bots behind one identity say by `from` which of them speaks; else it is the one that has the conversation. */
export function speakerOf({ state, bots }: Place, from: unknown): string {
  const claimed = isObject(from) ? from['id'] : undefined;
  const wanted = [claimed, holderOf(state)?.id, state.lastBot];
  return bots.find((id) => id === wanted.find((one) => bots.includes(one as string))) ?? (bots.at(-1) as string);
}

/** The body as a JSON object. @throws BadRequest 400 */
export function fieldsOf({ bytes }: Call, what: string): Record<string, unknown> {
  const body = bytes.length === 0 ? undefined : parseJson(bytes);
  if (isObject(body)) return body;
  throw new BadRequest(400, 'BadArgument', `The body must be a JSON object: ${what}.`);
}
