// Conversations and their members as bots see them: opening one, listing, who is in it, who leaves it.

import { createHash } from 'node:crypto';
import { claimedId, claimedName, malformed, parseActivity } from '../activityJson.js';
import type { ChannelAccount } from '../core/activity.js';
import { isObject } from '../core/context.js';
import { DIRECT_LINE } from '../core/react.js';
import { BadRequest } from '../errors.js';
import type { HttpResponse } from '../http.js';
import { accountOf, conversationIdFor } from '../hub/owed.js';
import { fieldsOf, placeOf, speakerOf, type Call, type CallContext, type Place } from './calls.js';
import type { OfActivity, OfConversation, OfMember } from './operations.js';
import { begin, callKey, requireActivity, stored } from './speaking.js';

const PAGE_MEMBERS = 100;
const MAX_PAGE_MEMBERS = 500;
/** Conversations read at once, about as many as one answer has, and how many of all are looked through for it. */
const PAGE_CONVERSATIONS = 50;
const SCANNED_CONVERSATIONS = 1_000;
const LOCALE = /^[\w-]{1,35}$/;

/** POST /v3/conversations: the bot speaks first. The conversation is new, and with this bot. */
export async function createConversation(context: CallContext, call: Call): Promise<HttpResponse> {
  const { hub, workStream } = context;
  const parameters = fieldsOf(call, '{"bot": {"id"}, "members": [{"id", "name"}], "activity"}');
  // The Agents SDK calls it agent.
  const bot = openingBot(context, call, parameters['bot'] ?? parameters['agent']);
  const customer = customerIn(context, parameters);
  const posted = parameters['activity'];
  const activity =
    posted === undefined || posted === null
      ? undefined
      : parseActivity(isObject(posted) ? { type: 'message', ...posted } : posted);
  if (activity?.type === 'typing' || activity?.type === 'invoke')
    throw new BadRequest(
      400,
      'BadArgument',
      'A conversation opens with something to read. Send a message, or nothing.',
    );
  const begun = begin(context, call, callKey);
  // The same for a call that is repeated, so that it finds what the first one opened.
  const id = createHash('sha256').update(begun.key).digest('hex').slice(0, 26);
  const serviceUrl = hub.serviceUrl;
  try {
    const opened = await hub.speech.start(
      {
        type: 'start',
        id,
        workStream,
        channel: { id: DIRECT_LINE },
        customer: customer.id,
        ...(customer.name === undefined ? {} : { customerName: customer.name }),
        ...(activity?.locale !== undefined && LOCALE.test(activity.locale) ? { locale: activity.locale } : {}),
        frontBot: bot,
      },
      bot,
      activity,
      begun.key,
    );
    begun.end(true);
    return { status: 201, body: { id, serviceUrl, ...opened } };
  } catch (error) {
    await stored(context, begun, error, () => hub.store.conversation(id));
    return { status: 201, body: { id, serviceUrl } };
  }
}

/** GET /v3/conversations?continuationToken=: those the bot has or had, newest first. */
export async function getConversations({ hub }: CallContext, { request, botIds }: Call): Promise<HttpResponse> {
  const conversations: { id: string; members: ChannelAccount[] }[] = [];
  let cursor = request.query.get('continuationToken') ?? undefined;
  if (cursor === '') cursor = undefined;
  for (let scanned = 0; scanned < SCANNED_CONVERSATIONS && conversations.length < PAGE_CONVERSATIONS;) {
    // Always whole pages: asking for the few that are missing would read the rest nearly one by one.
    const page = await hub.store.list({}, PAGE_CONVERSATIONS, cursor);
    for (const state of page.items) {
      const bots = state.bots.filter((id) => botIds.has(id));
      const [first] = bots;
      if (first !== undefined)
        conversations.push({ id: conversationIdFor(hub, state, first), members: membersOf(hub, { state, bots }) });
    }
    scanned += page.items.length;
    cursor = page.next;
    if (cursor === undefined) break;
  }
  return { body: { conversations, ...(cursor === undefined ? {} : { continuationToken: cursor }) } };
}

/** GET …/members */
export async function getMembers(
  context: CallContext,
  call: Call,
  { conversationId }: OfConversation,
): Promise<HttpResponse> {
  return { body: membersOf(context.hub, await placeOf(context, call, conversationId)) };
}

/** GET …/activities/{id}/members: everybody who is in the conversation saw it. */
export async function getActivityMembers(
  context: CallContext,
  call: Call,
  { conversationId, activityId }: OfActivity,
): Promise<HttpResponse> {
  const place = await placeOf(context, call, conversationId);
  await requireActivity(context, place, activityId);
  return { body: membersOf(context.hub, place) };
}

/** GET …/members/{id} */
export async function getMember(
  context: CallContext,
  call: Call,
  { conversationId, memberId }: OfMember,
): Promise<HttpResponse> {
  const members = membersOf(context.hub, await placeOf(context, call, conversationId));
  const member = members.find(({ id }) => id === memberId);
  if (member === undefined) throw noMember(memberId);
  return { body: member };
}

/** GET …/pagedmembers?pageSize=&continuationToken=: the last page has no token. */
export async function getPagedMembers(
  context: CallContext,
  call: Call,
  { conversationId }: OfConversation,
): Promise<HttpResponse> {
  const { query } = call.request;
  const size = query.get('pageSize') ?? '';
  const token = query.get('continuationToken') ?? '';
  if (size !== '' && !/^[1-9]\d{0,5}$/.test(size)) throw malformed('pageSize', 'a whole number above 0');
  if (token !== '' && !/^\d{1,6}$/.test(token))
    throw malformed('continuationToken', 'the one that came with the page before');
  const members = membersOf(context.hub, await placeOf(context, call, conversationId));
  const from = Number(token);
  const to = from + Math.min(size === '' ? PAGE_MEMBERS : Number(size), MAX_PAGE_MEMBERS);
  return {
    body: {
      members: members.slice(from, to),
      ...(to < members.length ? { continuationToken: String(to) } : {}),
    },
  };
}

/** DELETE …/members/{id}: with the last of its customers the conversation is over. */
export async function deleteMember(
  context: CallContext,
  call: Call,
  { conversationId, memberId }: OfMember,
): Promise<HttpResponse> {
  const place = await placeOf(context, call, conversationId);
  const { state } = place;
  if (state.bots.includes(memberId))
    throw new BadRequest(
      400,
      'BadArgument',
      'Bots are not removed. To end the conversation send an activity of type endOfConversation.',
    );
  if (!state.members.includes(memberId)) throw noMember(memberId);
  await context.hub.handle(state.id, { type: 'removeMember', bot: speakerOf(place, undefined), member: memberId });
  return { status: 200 };
}

/** Its customers, under each id they go by, and the bot that asks. People who serve are the hub's affair. */
function membersOf(hub: CallContext['hub'], { state, bots }: Place): ChannelAccount[] {
  const ids = [...state.members, ...bots];
  return ids.map((id) => accountOf(hub, state, id));
}

function openingBot({ hub }: CallContext, { botIds }: Call, bot: unknown): string {
  const claimed = isObject(bot) ? bot['id'] : undefined;
  const known = [...botIds].filter((id) => Object.hasOwn(hub.directory.bots, id));
  const [only] = known;
  if (typeof claimed === 'string' && known.includes(claimed)) return claimed;
  if (only !== undefined && known.length === 1) return only;
  throw new BadRequest(
    400,
    'BadArgument',
    `"bot.id" must say which bot opens the conversation: ${known.map((id) => `"${id}"`).join(', ')}.`,
  );
}

/** @throws BadRequest 400 unless there is exactly one customer, by an id nobody else has. */
function customerIn({ hub }: CallContext, parameters: Record<string, unknown>): { id: string; name?: string } {
  const { isGroup, members = [] } = parameters;
  if (members !== null && !(Array.isArray(members) && members.every(isObject)))
    throw malformed('members', 'an array of accounts, each with an "id"');
  const { bots, people } = hub.directory;
  const accounts = ((members ?? []) as Record<string, unknown>[]).filter(
    ({ id }) => typeof id !== 'string' || !Object.hasOwn(bots, id),
  );
  if (isGroup === true || accounts.length > 1)
    throw new BadRequest(
      400,
      'BadArgument',
      'Conversations have one customer here, groups are not opened. Open one each.',
    );
  const [account] = accounts;
  const id = claimedId(account?.['id'], 'members[0].id');
  if (id === undefined)
    throw new BadRequest(
      400,
      'MissingProperty',
      '"members" must name the customer: the user id under which the customer\'s page asks for its Direct Line token.',
    );
  if (id === 'system' || Object.hasOwn(people, id)) throw malformed('members[0].id', 'the id of a customer');
  const name = claimedName(account?.['name']);
  return { id, ...(name === undefined ? {} : { name }) };
}

function noMember(id: string): BadRequest {
  return new BadRequest(404, 'MemberNotFoundInConversation', `There is no member "${id}" in this conversation.`);
}
