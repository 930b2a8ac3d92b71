// What people do with a conversation, by the staff API or in a chat: each becomes one command of the core.

import { activityId, type Activity } from '../core/activity.js';
import { holds, takesPart } from '../core/access.js';
import type { Command } from '../core/commands.js';
import { isObject } from '../core/context.js';
import type { Conversation, ConversationEvent } from '../core/conversation.js';
import { Rejected } from '../core/rejected.js';
import { BadRequest } from '../errors.js';
import type { HttpRequest } from '../http.js';
import type { Handled, Hub } from '../hub/hub.js';
import { actingParty, isSupervisor, requireReader, requireRole, type Caller } from './callers.js';
import { spokenActivity } from './spoken.js';
import { conversationOf, stateOf, type StaffHandler } from './reading.js';
import { conversationShape } from './shapes.js';

type Fields = Record<string, unknown>;

interface Ask {
  caller: Caller;
  state: Conversation;
  body: Fields;
}

/** What became of it: the conversation as it is now and, of something said, where it stands in the log. */
export interface Done {
  state: Conversation;
  message?: { id: string; seq: number };
}

/** One thing people do, with the fields of the staff API's body. A repetition by the same person succeeds again. */
export type StaffCommand = (caller: Caller, conversationId: string, fields: Fields) => Promise<Done>;
export type StaffVerb = keyof ReturnType<typeof staffCommands>;
export type StaffCommands = Readonly<Record<StaffVerb, StaffCommand>>;

/** How far back a repeated command is recognised, in entries. */
const LOOK_BACK = 500;

/** POST routes below /api/v1/conversations/:id, by what follows. */
export function commandRoutes(hub: Hub): Record<string, StaffHandler> {
  const routes = Object.entries(staffCommands(hub)).map(([verb, command]): [string, StaffHandler] => [
    verb,
    async (caller, request) => {
      const { id } = await stateOf(hub, request);
      const { state, ...more } = await command(caller, id, await fieldsOf(request));
      return { body: { ...conversationShape(hub, state, caller.person), ...more } };
    },
  ]);
  return {
    ...Object.fromEntries(routes),
    'drafts/:seq/send': resolveDraft(hub, true),
    'drafts/:seq/discard': resolveDraft(hub, false),
  };
}

/** The one way in which people act, by verb: roles and parts are checked here, for every edge by which they come. */
export function staffCommands(hub: Hub) {
  /** Asks the core for one command; `was` recognises the caller's own earlier success in the log. */
  function command(build: (ask: Ask) => Command, was?: (event: ConversationEvent, ask: Ask) => boolean): StaffCommand {
    return async (caller, conversationId, body) => {
      const state = await conversationOf(hub, conversationId);
      const ask: Ask = { caller, state, body };
      const asked = build(ask);
      try {
        const handled = await hub.handle(state.id, asked);
        return { state: handled.state };
      } catch (error) {
        const repeated = was !== undefined && error instanceof Rejected && (await isRepeated(hub, ask, was));
        if (!repeated) throw error;
        return { state: await conversationOf(hub, conversationId) };
      }
    };
  }

  return {
    accept: command(({ caller }) => {
      requireRole(caller, 'agent', 'Accepting a request');
      return { type: 'accept', agent: caller.person.id };
    }),

    reject: command(
      ({ caller, body }) => {
        requireRole(caller, 'agent', 'Declining a request');
        const reason = optionalText(body, 'reason', 500);
        return { type: 'reject', agent: caller.person.id, ...(reason !== undefined && { reason }) };
      },
      (event) => event.type === 'declined',
    ),

    pick: command(({ caller }) => {
      requireRole(caller, 'agent', 'Taking a conversation');
      return { type: 'pick', agent: caller.person.id };
    }),

    transfer: command(
      (ask) => {
        const { caller, state, body } = ask;
        const by = actingParty(caller, state);
        if (by.role === 'agent') requireRole(caller, 'agent', 'Transferring a conversation');
        const to = targetOf(body);
        if (to.agent !== undefined) requireServes(hub, to.agent);
        return { type: 'transfer', by, to };
      },
      (event, { body }) => event.type === 'transferred' && sameTarget(event.to, targetOf(body)),
    ),

    return: command(
      ({ caller, body }) => {
        requireRole(caller, 'agent', 'Returning a conversation to its bot');
        const bot = optionalText(body, 'bot', 200);
        const outcome = optionalText(body, 'outcome', 200);
        const summary = optionalText(body, 'summary', 32_000);
        return {
          type: 'return',
          by: { role: 'agent', id: caller.person.id },
          ...(bot !== undefined && { bot }),
          ...(outcome !== undefined && { outcome }),
          ...(summary !== undefined && { summary }),
        };
      },
      (event, { body }) => event.type === 'returned' && (body['bot'] === undefined || body['bot'] === event.bot),
    ),

    end: command(
      ({ caller, state }) => {
        const by = actingParty(caller, state);
        if (by.role === 'agent') requireRole(caller, 'agent', 'Ending a conversation');
        return { type: 'end', by };
      },
      (event) => event.type === 'ended',
    ),

    close: command(
      ({ caller, state }) => {
        if (!isSupervisor(caller) && !takesPart(state, caller.person.id) && !state.servedBy.includes(caller.person.id))
          throw new Rejected('notAllowed', 'Who wraps a conversation up closes it; a supervisor can close any.');
        return { type: 'close', by: actingParty(caller, state) };
      },
      (event) => event.type === 'closed',
    ),

    assign: command(
      ({ caller, body }) => {
        requireRole(caller, 'supervisor', 'Assigning a conversation');
        const agent = requiredText(body, 'agent');
        requireServes(hub, agent);
        return { type: 'assign', by: { role: 'supervisor', id: caller.person.id }, agent };
      },
      (event, { body }) => event.type === 'accepted' && event.how === 'assign' && event.agent === body['agent'],
    ),

    monitor: command(({ caller }) => {
      requireRole(caller, 'supervisor', 'Monitoring a conversation');
      return { type: 'join', agent: caller.person.id, as: 'monitoring' };
    }),

    consult: command(({ caller, state, body }) => {
      if (!isSupervisor(caller) && !holds(state, caller.person.id))
        throw new Rejected('notAllowed', 'Who holds the conversation, or a supervisor, asks somebody to consult.');
      const agent = requiredText(body, 'agent');
      requireServes(hub, agent);
      return { type: 'join', agent, as: 'consulting' };
    }),

    leave: command(({ caller }) => ({ type: 'quit', agent: caller.person.id })),

    messages: async (caller: Caller, conversationId: string, fields: Fields): Promise<Done> => {
      const state = await conversationOf(hub, conversationId);
      const { audience, activity, clientId } = spokenActivity(fields);
      const { person } = caller;
      const by = actingParty(caller, state);
      const key = clientId === undefined ? undefined : saidKey(person.id, clientId);
      if (audience === 'staff') requireReader(caller, state, hub.directory);
      else requireRole(caller, 'agent', 'Speaking to a customer');
      const say: Command =
        audience === 'staff'
          ? { type: 'note', by, activity, ...(key !== undefined && { key }) }
          : { type: 'say', by: { role: 'agent', id: person.id }, activity, ...(key !== undefined && { key }) };
      const handled = await handleOnce(hub, state.id, say);
      const now = handled?.state ?? (await conversationOf(hub, conversationId));
      const seq =
        handled?.seqs[0] ?? (key === undefined ? undefined : (await hub.store.findEntry(state.id, { key }))?.seq);
      return { state: now, ...(seq !== undefined && { message: { id: activityId(state.id, seq), seq } }) };
    },

    typing: async (caller: Caller, conversationId: string): Promise<Done> => {
      const state = await conversationOf(hub, conversationId);
      requireRole(caller, 'agent', 'Typing to a customer');
      const { id, name } = caller.person;
      if (!holds(state, id))
        throw new Rejected('notHolder', 'This conversation is not with you. Read it again to see who has it.');
      await hub.signal(state.id, { role: 'agent', id }, { type: 'typing', from: { id, name, role: 'bot' } });
      return { state };
    },
  };
}

/** The key in the log of what a person said under an id of their own client's. */
export function saidKey(personId: string, clientId: string): string {
  return `staff:${personId}:${clientId}`;
}

/** What a bot sent while it did not hold the conversation: the holder says it (as it is, or as edited) or puts it away. */
function resolveDraft(hub: Hub, send: boolean): StaffHandler {
  return async (caller, request) => {
    const state = await stateOf(hub, request);
    requireRole(caller, 'agent', 'Deciding on a draft');
    requireReader(caller, state, hub.directory);
    const target = await draftOf(hub, state.id, request.params['seq'] as string);
    const key = `draft:${target.seq}`;
    const edited = await fieldsOf(request);
    const activity = send ? sendableDraft(target.activity, edited) : undefined;
    await handleOnce(hub, state.id, {
      type: 'resolveDraft',
      by: { role: 'agent', id: caller.person.id },
      target: target.seq,
      key,
      ...(activity !== undefined && { activity }),
    });
    const resolved = await hub.store.findEntry(state.id, { key });
    if (resolved?.event.type === 'draftResolved' && resolved.event.sent !== send)
      throw new Rejected('wrongPhase', `This draft was ${send ? 'discarded' : 'sent'} already.`, {
        owner: resolved.event.by.id,
        at: new Date(resolved.event.at).toISOString(),
      });
    return { body: conversationShape(hub, await stateOf(hub, request), caller.person) };
  };
}

async function draftOf(hub: Hub, conversationId: string, text: string): Promise<{ seq: number; activity?: Activity }> {
  const seq = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  const [entry] = seq > 0 ? await hub.entries(conversationId, seq - 1, 1) : [];
  if (entry?.seq !== seq || entry.event.type !== 'drafted')
    throw new Rejected('notFound', `Entry ${text} of this conversation is no draft.`);
  const activity = entry.event.body?.activity;
  return { seq, ...(activity !== undefined && { activity }) };
}

/** As it is; with another text where only that is given; or something else altogether, as a whole activity. */
function sendableDraft(draft: Activity | undefined, edited: Fields): Activity {
  const fields = Object.keys(edited);
  const onlyText = fields.length === 1 && fields[0] === 'text';
  if (onlyText && draft?.type === 'message') return spokenActivity({ ...draft, ...edited }).activity;
  if (fields.length > 0) return spokenActivity(edited).activity;
  if (draft?.type !== 'message')
    throw new Rejected('badCommand', 'Only a message can be sent on; this draft is a command of the bot. Discard it.');
  return spokenActivity(draft).activity;
}

/**
 * Handles a command that carries a key. A repetition is a success even when the rules would refuse it by now (the
 * conversation moved on since): then the answer is undefined, and what the first one wrote is found by its key.
 */
async function handleOnce(hub: Hub, conversationId: string, command: Command): Promise<Handled | undefined> {
  try {
    return await hub.handle(conversationId, command);
  } catch (error) {
    const { key } = command;
    if (!(error instanceof Rejected) || key === undefined) throw error;
    if ((await hub.store.findEntry(conversationId, { key })) === undefined) throw error;
    return undefined;
  }
}

/**
 * Whether the caller has had this very success before and nothing between them and the conversation happened since. Then
 * the answer to the first call was lost, and the caller hears it again instead of "not with you any more".
 */
async function isRepeated(hub: Hub, ask: Ask, was: (event: ConversationEvent, ask: Ask) => boolean): Promise<boolean> {
  const me = ask.caller.person.id;
  const version = (await hub.conversation(ask.state.id))?.version ?? ask.state.version;
  const entries = await hub.entries(ask.state.id, Math.max(0, version - LOOK_BACK), LOOK_BACK);
  const last = entries.findLast(({ event }) => concerns(event, me));
  return last !== undefined && last.event.by.id === me && was(last.event, ask);
}

/** Entries by which a person and a conversation come together or part. */
function concerns(event: ConversationEvent, person: string): boolean {
  switch (event.type) {
    case 'offered':
      return event.offers.some(({ agent }) => agent === person);
    case 'lapsed':
    case 'withdrawn':
      return event.agents.includes(person);
    case 'accepted':
    case 'resumed':
      return event.agent === person || event.by.id === person;
    case 'declined':
    case 'transferred':
    case 'returned':
    case 'parked':
    case 'ended':
    case 'wrapUpEnded':
    case 'closed':
      return event.by.id === person;
    case 'started':
    case 'memberJoined':
    case 'memberLeft':
    case 'contextSet':
    case 'routed':
    case 'botConnected':
    case 'said':
    case 'drafted':
    case 'draftResolved':
    case 'noted':
    case 'told':
    case 'imported':
    case 'edited':
    case 'deleted':
    case 'escalated':
    case 'escalationObserved':
    case 'queued':
    case 'botFailed':
    case 'surveyStarted':
    case 'surveyEnded':
    case 'turnEnded':
    case 'disconnected':
    case 'reconnected':
    case 'joined':
    case 'left':
    case 'waitExtended':
    case 'deliveryFailed':
    case 'erased':
      return false;
  }
}

interface Target {
  queue?: string;
  agent?: string;
  bot?: string;
}

/** Exactly one of queue, agent and bot is for the core to check. */
function targetOf(body: Fields): Target {
  const { to } = body;
  if (!isObject(to)) throw badBody('Say where to: {"to": {"queue": …}} or {"agent": …} or {"bot": …}.');
  const queue = optionalText(to, 'queue', 200);
  const agent = optionalText(to, 'agent', 200);
  const bot = optionalText(to, 'bot', 200);
  return {
    ...(queue !== undefined && { queue }),
    ...(agent !== undefined && { agent }),
    ...(bot !== undefined && { bot }),
  };
}

function sameTarget(a: Target, b: Target): boolean {
  return a.queue === b.queue && a.agent === b.agent && a.bot === b.bot;
}

/** @throws Rejected when the named person is unknown or does not serve customers. */
function requireServes(hub: Hub, personId: string): void {
  const person = hub.directory.people[personId];
  if (person === undefined) throw new Rejected('notFound', `There is no person "${personId}".`);
  if (!person.roles.includes('agent'))
    throw new Rejected(
      'badCommand',
      `${person.name} does not serve customers (no role agent). Name somebody who does.`,
    );
}

/** The body as an object; no body is an empty one. */
export async function fieldsOf(request: HttpRequest): Promise<Fields> {
  const body = (await request.json()) ?? {};
  if (!isObject(body)) throw badBody('The body must be a JSON object.');
  return body;
}

function optionalText(body: Fields, name: string, mostChars: number): string | undefined {
  const value = body[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'string' || value.length > mostChars)
    throw badBody(`"${name}" must be a text of at most ${mostChars} characters.`);
  return value === '' ? undefined : value;
}

function requiredText(body: Fields, name: string): string {
  const value = optionalText(body, name, 200);
  if (value === undefined) throw badBody(`"${name}" is missing.`);
  return value;
}

function badBody(message: string): BadRequest {
  return new BadRequest(400, 'badCommand', message);
}
