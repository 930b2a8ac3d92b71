// What bots say, change, take back and report: the Connector's operations on activities.

import { randomUUID } from 'node:crypto';
import { parseActivity } from '../activityJson.js';
import { activityId, seqOf, type Activity } from '../core/activity.js';
import type { Entry } from '../core/conversation.js';
import { BadRequest, Conflict, Rejected, StoreUnavailable } from '../errors.js';
import type { HttpResponse } from '../http.js';
import { replyKey } from '../hub/botSpeech.js';
import { fieldsOf, placeOf, speakerOf, type Call, type CallContext, type Place } from './calls.js';
import type { OfActivity, OfConversation } from './operations.js';
import { fingerprintOf, type Begun } from './repeats.js';

/** Turns of one uploaded history. */
const MAX_TURNS = 5_000;

/** POST …/activities and …/activities/{id}: 200 with the id once it is on disk. */
export async function say(
  context: CallContext,
  call: Call,
  operation: OfConversation | OfActivity,
): Promise<HttpResponse> {
  const { hub } = context;
  const posted = activityIn(call);
  const activity = 'activityId' in operation ? { ...posted, replyToId: operation.activityId } : posted;
  const place = await placeOf(context, call, operation.conversationId);
  const { state } = place;
  const bot = speakerOf(place, activity.from);
  // The hub itself answers: nobody in the conversation is asked.
  if (activity.type === 'invoke') {
    const { status, body } = await hub.botAsks(state.id, bot, activity);
    return { status, body };
  }
  if (activity.type === 'typing') return { body: (await hub.botSays(state.id, bot, [activity]))[0] };
  const begun = begin(context, call, () => keyOf(context, place, bot, activity));
  try {
    const [said] = await hub.botSays(state.id, bot, [activity], { key: begun.key });
    begun.end(true);
    return { body: said };
  } catch (error) {
    const { seq } = await stored(context, begun, error, () => hub.store.findEntry(state.id, { key: begun.key }));
    return { body: { id: activityId(state.id, seq) } };
  }
}

/** PUT …/activities/{id}: readers get the same id with the new content; the log keeps both. */
export async function update(
  context: CallContext,
  call: Call,
  { conversationId, activityId: id }: OfActivity,
): Promise<HttpResponse> {
  const activity = activityIn(call);
  const place = await placeOf(context, call, conversationId);
  const entry = await entryOf(context, place, id);
  await context.hub.botEdits(place.state.id, authorOf(place, entry, activity.from), id, activity);
  return { body: { id } };
}

/** DELETE …/activities/{id} */
export async function remove(
  context: CallContext,
  call: Call,
  { conversationId, activityId: id }: OfActivity,
): Promise<HttpResponse> {
  const place = await placeOf(context, call, conversationId);
  const entry = await entryOf(context, place, id);
  await context.hub.botDeletes(place.state.id, authorOf(place, entry, undefined), id);
  return { status: 200 };
}

/** POST …/activities/history: what the log has not seen is kept for staff to read. */
export async function sendHistory(
  context: CallContext,
  call: Call,
  { conversationId }: OfConversation,
): Promise<HttpResponse> {
  const { activities } = fieldsOf(call, '{"activities": […]}');
  if (!Array.isArray(activities))
    throw new BadRequest(400, 'MissingProperty', 'There is no "activities". Send {"activities": […]}.');
  if (activities.length > MAX_TURNS)
    throw new BadRequest(
      413,
      'RequestTooLarge',
      `At most ${MAX_TURNS} activities at once. Send the rest in more calls.`,
    );
  const turns = activities.map((one: unknown, index) => {
    try {
      return parseActivity(withType(one));
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      throw new BadRequest(error.status, error.code, `activities[${index}]: ${error.message}`, {}, { cause: error });
    }
  });
  const place = await placeOf(context, call, conversationId);
  const { state } = place;
  const { seq } = await context.hub.speech.importHistory(state.id, speakerOf(place, undefined), turns);
  return { body: { id: activityId(state.id, seq ?? state.version) } };
}

/** @throws BadRequest 404 when the conversation has no such activity. */
export async function requireActivity(context: CallContext, { state }: Place, id: string): Promise<void> {
  // What the hub itself tells a bot has an id of its own: `{conversation}/{seq}/{ordinal}`.
  const told = id.startsWith(`${state.id}/`) ? /^(\d{1,15})\/\d{1,3}$/.exec(id.slice(state.id.length + 1)) : null;
  if (told !== null && Number(told[1]) <= state.version) return;
  if ((await context.hub.speech.entry(state.id, id)) === undefined) throw noActivity(id);
}

async function entryOf({ hub }: CallContext, { state }: Place, id: string): Promise<Entry> {
  const entry = await hub.speech.entry(state.id, id);
  if (entry === undefined) throw noActivity(id);
  return entry;
}

function noActivity(id: string): BadRequest {
  return new BadRequest(
    404,
    'ActivityNotFoundInConversation',
    `There is no activity "${id}" in this conversation. Use the id that came back when it was sent; typing is not kept.`,
  );
}

/** Changing is done in the author's name, where the author is one of the caller's bots. */
function authorOf(place: Place, { event }: Entry, from: unknown): string {
  return event.by.role === 'bot' && place.bots.includes(event.by.id) ? event.by.id : speakerOf(place, from);
}

function activityIn(call: Call): Activity {
  return parseActivity(withType(fieldsOf(call, 'one activity')));
}

/** A text alone is a message. */
function withType(body: unknown): unknown {
  return typeof body === 'object' && body !== null && (body as { type?: unknown }).type === undefined
    ? { ...body, type: 'message' }
    : body;
}

// ------------------------------------------------------------------------------------------------ said once, or not at all

/** What comes within the bot's turn is recognised when the turn is run again; everything else when the call is repeated. */
function keyOf({ hub }: CallContext, { state }: Place, bot: string, activity: Activity): string {
  const answers = seqOf(state.id, activity.replyToId);
  const turn = answers === undefined ? undefined : hub.outbox.turnOf(state.id, bot, answers);
  return turn === undefined ? callKey() : replyKey(turn, activity);
}

export function callKey(): string {
  return `call:${randomUUID()}`;
}

export function begin({ repeats }: CallContext, { request, botIds, bytes }: Call, newKey: () => string): Begun {
  const { raw, method } = request;
  return repeats.begin(fingerprintOf(method, raw.url ?? '', botIds, bytes), () => !raw.socket.destroyed, newKey);
}

/**
 * SDKs send a call again after a 5xx: one may only be answered when nothing was stored. What became of a call that failed
 * in an unforeseen way is read from the store.
 * @returns what `find` finds there. @throws the error, when that is nothing.
 */
export async function stored<T>(
  { hub }: CallContext,
  begun: Begun,
  error: unknown,
  find: () => Promise<T | undefined>,
): Promise<T> {
  const isForeseen = [Rejected, BadRequest, Conflict, StoreUnavailable].some((kind) => error instanceof kind);
  let found: T | undefined;
  try {
    if (!isForeseen) found = await find();
  } catch {
    begun.end(false);
    throw error;
  }
  begun.end(true);
  if (found === undefined) throw error;
  hub.log.error({ err: error }, 'a call of a bot failed after it was stored');
  return found;
}
