// Operations 5 and 6 of Direct Line: what was said, and saying something - as the customer, or as the person in a chat pane.

import { randomUUID } from 'node:crypto';
import { claimedId, claimedName, isRecord, parseActivity } from '../activityJson.js';
import { takesPart } from '../core/access.js';
import { activityId, type Activity } from '../core/activity.js';
import type { Command } from '../core/commands.js';
import type { Conversation, Party } from '../core/conversation.js';
import type { Viewer } from '../core/projection.js';
import { BadRequest, Rejected } from '../errors.js';
import type { HttpRequest, HttpResponse } from '../http.js';
import { authenticateFor, staffParty, unknownConversation, type Caller } from './callers.js';
import { anonymousId, customerId, findConversation, type ConversationContext } from './conversations.js';
import { idempotencyKey, normalise } from './inbound.js';
import { emptySet, parseWatermark, readSet } from './reading.js';

/** JSON of one answer to GET activities; the watermark in it leads to the rest. */
const SET_CHARACTERS = 1_048_576;

/** GET /conversations/{id}/activities?watermark= */
export async function getActivities(context: ConversationContext, request: HttpRequest): Promise<HttpResponse> {
  const conversationId = request.params['id'] ?? '';
  const caller = await authenticateFor(context, request, conversationId);
  const watermark = parseWatermark(request.query.get('watermark'));
  const state = await findConversation(context, caller, conversationId, watermark);
  if (caller.kind === 'customer') await comeBack(context, state);
  const after = startAfter(state, watermark);
  const { json, upTo } = await readSet(context.hub, state, viewerOf(caller), after, SET_CHARACTERS);
  return { headers: { 'content-type': 'application/json; charset=utf-8' }, body: json ?? emptySet(upTo) };
}

/** POST /conversations/{id}/activities: 200 with the id once the activity is on disk. */
export async function postActivity(context: ConversationContext, request: HttpRequest): Promise<HttpResponse> {
  const conversationId = request.params['id'] ?? '';
  const caller = await authenticateFor(context, request, conversationId);
  const activity = parseActivity(await request.json());
  const state = await findConversation(context, caller, conversationId);
  return { body: { id: await submit(context, caller, state, activity) } };
}

export function viewerOf(caller: Caller): Viewer {
  return caller.kind === 'staff' ? { agent: caller.claims.agent } : 'customer';
}

/** Where a client's watermark leads in this log, of which at least as much is known: one from beyond its end is none of ours. */
export function startAfter(state: Conversation, watermark: number): number {
  return watermark > state.version ? 0 : watermark;
}

/** Who speaks, by the token and, where it leaves that open, by what the page says. */
export interface Speaker {
  readonly by: Party;
  readonly name?: string;
}

export function speakerOf(context: ConversationContext, caller: Caller, state: Conversation, from: unknown): Speaker {
  if (caller.kind === 'staff') {
    const { agent } = caller.claims;
    if (!takesPart(state, agent))
      throw new BadRequest(
        403,
        'notAllowed',
        'You do not take part in this conversation any more. Pick it or ask for it first.',
      );
    return { by: staffParty(context, agent) };
  }
  const said = isRecord(from) ? from : {};
  const claims = caller.kind === 'customer' ? caller.claims : undefined;
  const claimed = claimedId(said['id'], 'from.id');
  const id = customerId(context, claims, state.id, claimed) ?? state.customer.id ?? anonymousId(state.id);
  const name = claimedName(said['name']) ?? claims?.name;
  return { by: { role: 'customer', id }, ...(name === undefined ? {} : { name }) };
}

/** @returns the activity's id. Resolves when it is on disk; typing is shown and forgotten. */
export async function submit(
  context: ConversationContext,
  caller: Caller,
  state: Conversation,
  posted: Activity,
  speaker: Speaker = speakerOf(context, caller, state, posted.from),
): Promise<string> {
  const { hub } = context;
  const { by, name } = speaker;
  const activity = normalise(state.id, posted, { id: by.id, ...(name === undefined ? {} : { name }) });
  if (activity.type === 'typing') {
    const id = `${state.id}|${randomUUID()}`;
    await hub.signal(state.id, by, { ...activity, id });
    return id;
  }
  const key = idempotencyKey(by.id, posted);
  const command = commandOf(by, activity, key);
  try {
    const isBack = by.role === 'customer' && state.customerGone;
    const commands: Command[] = isBack ? [{ type: 'reconnect', party: 'customer' }, command] : [command];
    const handled = await hub.handle(state.id, commands);
    return activityId(state.id, handled.seqs.at(-1) ?? handled.state.version);
  } catch (error) {
    if (!(error instanceof Rejected)) throw error;
    // What was kept before the conversation closed or changed hands is kept; its client only missed the answer.
    const known = key === undefined ? undefined : await hub.store.findEntry(state.id, { key });
    if (known !== undefined) return activityId(state.id, known.seq);
    throw refused(error);
  }
}

/** A customer who reads or writes is there, socket or not. */
async function comeBack({ hub }: ConversationContext, state: Conversation): Promise<void> {
  if (state.customerGone && state.phase !== 'closed')
    await hub.handle(state.id, { type: 'reconnect', party: 'customer' });
}

function commandOf(by: Party, activity: Activity, key: string | undefined): Command {
  const keyed = key === undefined ? {} : { key };
  if (by.role === 'customer') return { type: 'say', by, activity, ...keyed };
  return { type: isNote(activity) ? 'note' : 'say', by, activity, ...keyed };
}

/** A person's pane marks what only staff may read. */
function isNote({ channelData }: Activity): boolean {
  const mark = isRecord(channelData) ? channelData['handoff'] : undefined;
  return isRecord(mark) && mark['audience'] === 'staff';
}

function refused(error: Rejected): Error {
  if (error.code === 'conversationUnknown') return unknownConversation();
  // Chat clients take 403 for a lost permission; 409 would be an unknown failure to them.
  if (error.code === 'notHolder')
    return new BadRequest(403, error.code, error.message, error.details, { cause: error });
  return error;
}
