// The calls that only read: lists, state, log, transcript, receipts, and who and what there is.

import type { AssignReceipt } from '../core/assignment.js';
import { describeEscalation } from '../core/describe.js';
import { namesIn } from '../core/names.js';
import { PRESENCES, type Presence } from '../core/directory.js';
import type { Conversation, Entry, Party, Phase } from '../core/conversation.js';
import { Rejected } from '../core/rejected.js';
import type { RouteReceipt } from '../core/routing.js';
import { renderTranscript, transcriptFacts, transcriptContentType, TRANSCRIPT_FORMATS } from '../core/transcript.js';
import { BadRequest } from '../errors.js';
import type { HttpRequest, HttpResponse } from '../http.js';
import type { Hub } from '../hub/hub.js';
import { readQuestion } from '../hub/observed.js';
import { fullReceipt } from '../hub/receipts.js';
import { botShape } from './botShape.js';
import { requireReader, type Caller } from './callers.js';
import { Reports } from './reports.js';
import { conversationShape, entryShape, personShape, queueShape, receiptShape, workStreamShape } from './shapes.js';

export type StaffHandler = (caller: Caller, request: HttpRequest) => Promise<HttpResponse>;

const PHASES: readonly Phase[] = ['bot', 'queued', 'offered', 'agent', 'waiting', 'wrapUp', 'closed'];
const LIST_LIMIT = 50;
const LOG_LIMIT = 500;
/** Rows of one answer at most, and entries read from the store at once. */
const MOST_ROWS = 1_000;
/** Later than this after its deadline, a conversation counts as overdue. */
const OVERDUE_AFTER_MS = 5_000;

const OBSERVED_QUERY = ['since', 'people', 'handlingSeconds', 'capacity'];

/** GET routes below /api/v1, by path. */
export function readingRoutes(hub: Hub): Record<string, StaffHandler> {
  const state = (request: HttpRequest) => stateOf(hub, request);
  const reports = new Reports(hub);

  /** The conversation of the path, for somebody who may read what was said in it. */
  async function readable(caller: Caller, request: HttpRequest): Promise<Conversation> {
    const found = await state(request);
    requireReader(caller, found, hub.directory);
    return found;
  }

  return {
    '/me': async ({ person }) => ({ body: personShape(hub.directory, person, hub.people.row(person.id)) }),

    '/conversations': async ({ person }, { query }) => {
      const agent = one(query, 'agent');
      const customer = one(query, 'customer');
      const phases = listed(query, 'phase', PHASES);
      const queues = listed(query, 'queue');
      const filter = {
        ...(phases !== undefined && { phases }),
        ...(queues !== undefined && { queues }),
        ...(agent !== undefined && { agent: agent === 'me' ? person.id : agent }),
        ...(customer !== undefined && { customer }),
      };
      const page = await hub.store.list(filter, limitOf(query, LIST_LIMIT), one(query, 'cursor'));
      return { body: { items: page.items.map((item) => conversationShape(hub, item, person)), next: page.next } };
    },

    '/conversations/:id': async ({ person }, request) => ({
      body: conversationShape(hub, await state(request), person),
    }),

    '/conversations/:id/log': async (caller, request) => {
      const conversation = await readable(caller, request);
      const after = whole(request.query, 'after', 0, Number.MAX_SAFE_INTEGER) ?? 0;
      const limit = limitOf(request.query, LOG_LIMIT);
      const entries = await hub.entries(conversation.id, after, limit);
      const original = await originalsOf(hub, conversation.id, entries);
      const nameOf = namesIn(hub.directory, conversation);
      const last = entries.at(-1)?.seq ?? after;
      return {
        body: {
          entries: entries.map((entry) => entryShape(entry, nameOf, original)),
          next: entries.length === limit && last < conversation.version ? last : undefined,
        },
      };
    },

    '/conversations/:id/transcript': async (caller, request) => {
      const conversation = await readable(caller, request);
      const asked = one(request.query, 'format') ?? 'transcript';
      const format = TRANSCRIPT_FORMATS.find((name) => name === asked);
      if (format === undefined)
        throw badQuery(`There is no transcript format "${asked}". Take one of ${TRANSCRIPT_FORMATS.join(', ')}.`);
      const entries = await wholeLog(hub, conversation.id);
      return {
        headers: {
          'content-type': transcriptContentType(format),
          // What customers wrote is shown from the console's own origin: nothing in it may run.
          'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
          ...(format !== 'html' && {
            'content-disposition': `attachment; filename="${fileName(conversation.id, format)}"`,
          }),
        },
        body: renderTranscript(transcriptFacts(conversation, hub.directory), entries, format, 'staff'),
      };
    },

    '/conversations/:id/receipts': async (caller, request) => {
      const conversation = await readable(caller, request);
      const entries = await wholeLog(hub, conversation.id);
      const nameOf = namesIn(hub.directory, conversation);
      const items = entries.flatMap(({ seq, event }) =>
        event.body?.receipt === undefined ? [] : [receiptOf(entries, seq, event.body.receipt, nameOf)],
      );
      return { body: { items } };
    },

    '/conversations/:id/receipts/:seq': async (caller, request) => {
      const conversation = await readable(caller, request);
      const named = request.params['seq'] as string;
      const log = await wholeLog(hub, conversation.id);
      const entry = /^\d{1,15}$/.test(named) ? log[Number(named) - 1] : undefined;
      const found =
        entry === undefined ? undefined : await fullReceipt(log, entry.seq, (version) => hub.directoryAt(version));
      if (entry === undefined || found === undefined)
        throw new Rejected('notFound', `Entry ${named} of this conversation has no receipt.`);
      const { receipt, omittedBecause } = found;
      const nameOf = namesIn(hub.directory, conversation);
      return { body: { ...receiptOf(log, entry.seq, receipt, nameOf), omittedBecause } };
    },

    '/queues': async () => ({
      body: { items: Object.values(hub.directory.queues).map((queue) => queueShape(hub, queue)) },
    }),
    '/agents': async () => ({
      body: {
        items: Object.values(hub.directory.people).map((person) =>
          personShape(hub.directory, person, hub.people.row(person.id)),
        ),
      },
    }),
    '/bots': async ({ person }) => {
      const others = (await hub.nodes?.others()) ?? [];
      return { body: { items: Object.values(hub.directory.bots).map((bot) => botShape(hub, bot, person, others)) } };
    },
    '/work-streams': async () => ({ body: { items: Object.values(hub.directory.workStreams).map(workStreamShape) } }),

    '/observed': async (caller, { query }) => {
      if (!caller.person.roles.some((role) => role === 'supervisor' || role === 'administrator'))
        throw new Rejected('notAllowed', 'What was observed is for supervisors and administrators.');
      // A mistyped assumption would make another report, not a wider one.
      const unknown = [...query.keys()].find((name) => !OBSERVED_QUERY.includes(name));
      if (unknown !== undefined)
        throw badQuery(`There is no "${unknown}" here. Ask with ${OBSERVED_QUERY.join(', ')}.`);
      const seconds = one(query, 'handlingSeconds');
      const asked = {
        since: one(query, 'since'),
        people: one(query, 'people'),
        handling: seconds === undefined ? undefined : `${seconds}s`,
        capacity: one(query, 'capacity'),
      };
      const read = readQuestion(
        asked,
        (field) => (field === 'handling' ? '"handlingSeconds"' : `"${field}"`),
        hub.clock.now(),
      );
      if ('faults' in read) throw badQuery(read.faults.join(' '));
      return { body: await reports.of(read.question) };
    },

    '/overdue': async ({ person }) => {
      const before = hub.clock.now() - OVERDUE_AFTER_MS;
      const ids = await hub.store.due(before, MOST_ROWS);
      const states = await Promise.all(ids.map((id) => hub.store.conversation(id)));
      const late = states.filter((found) => found?.dueAt !== undefined && found.dueAt <= before);
      return { body: { items: late.map((found) => conversationShape(hub, found as Conversation, person)) } };
    },
  };
}

/** A receipt, the entry that has it, and what asked for a person where that made the decision necessary. */
function receiptOf(
  log: readonly Entry[],
  seq: number,
  receipt: RouteReceipt | AssignReceipt,
  nameOf: (party: Party) => string | undefined,
): Record<string, unknown> {
  const [before, own] = [log[seq - 2]?.event, log[seq - 1]?.event];
  const observed = own?.type === 'escalationObserved';
  // An escalation is routed by the entry after it.
  const asked = observed ? own : receipt.kind === 'route' && before?.type === 'escalated' ? before : undefined;
  return {
    seq,
    ...receiptShape(receipt),
    ...(asked !== undefined && { because: describeEscalation(asked, nameOf) }),
    ...(observed && { observed }),
  };
}

/** @throws Rejected 404 when the path names no conversation. */
export function stateOf(hub: Hub, request: HttpRequest): Promise<Conversation> {
  return conversationOf(hub, request.params['id'] as string);
}

/** @throws Rejected 404 for an unknown one. */
export async function conversationOf(hub: Hub, id: string): Promise<Conversation> {
  const found = await hub.conversation(id);
  if (found === undefined) throw new Rejected('conversationUnknown', 'There is no such conversation.');
  return found;
}

/** A whole log, page by page. */
export function wholeLog(hub: Hub, conversationId: string): Promise<Entry[]> {
  return entriesAfter(hub, conversationId, 0);
}

/** Everything after this seq, page by page. */
export async function entriesAfter(hub: Hub, conversationId: string, after: number): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (;;) {
    const page = await hub.entries(conversationId, entries.at(-1)?.seq ?? after, MOST_ROWS);
    entries.push(...page);
    if (page.length < MOST_ROWS) return entries;
  }
}

/** Every entry that an edit or a deletion of the page is about, also from before the page. */
export async function originalsOf(
  hub: Hub,
  conversationId: string,
  entries: readonly Entry[],
): Promise<(seq: number) => Entry | undefined> {
  const bySeq = new Map(entries.map((entry) => [entry.seq, entry]));
  const targets = new Set(
    entries.flatMap(({ event }) => (event.type === 'edited' || event.type === 'deleted' ? [event.target] : [])),
  );
  await Promise.all(
    [...targets]
      .filter((seq) => !bySeq.has(seq))
      .map(async (seq) => {
        const [found] = await hub.entries(conversationId, seq - 1, 1);
        if (found?.seq === seq) bySeq.set(seq, found);
      }),
  );
  return (seq) => bySeq.get(seq);
}

/** @throws BadRequest when the body names no presence. */
export function presenceOf(body: Record<string, unknown>): Presence {
  const presence = PRESENCES.find((name) => name === body['presence']);
  if (presence === undefined)
    throw new BadRequest(400, 'badCommand', `"presence" must be one of ${PRESENCES.join(', ')}.`);
  return presence;
}

function fileName(conversationId: string, format: string): string {
  const ending = format === 'text' ? 'txt' : format;
  return `${conversationId.replace(/[^\w.-]/g, '_')}.${ending}`;
}

function one(query: URLSearchParams, name: string): string | undefined {
  const value = query.get(name);
  return value === null || value === '' ? undefined : value;
}

/** `phase=queued,offered` or `phase=queued&phase=offered`. */
function listed<T extends string>(query: URLSearchParams, name: string, known?: readonly T[]): T[] | undefined {
  const values = query
    .getAll(name)
    .flatMap((value) => value.split(','))
    .filter((value) => value !== '');
  if (values.length === 0) return undefined;
  const unknown = known === undefined ? undefined : values.find((value) => !known.includes(value as T));
  if (unknown !== undefined) throw badQuery(`There is no ${name} "${unknown}". Take one of ${known?.join(', ')}.`);
  return values as T[];
}

function limitOf(query: URLSearchParams, otherwise: number): number {
  return whole(query, 'limit', 1, MOST_ROWS) ?? otherwise;
}

function whole(query: URLSearchParams, name: string, least: number, most: number): number | undefined {
  const text = one(query, name);
  if (text === undefined) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (!(value >= least && value <= most)) throw badQuery(`"${name}" must be a whole number from ${least} to ${most}.`);
  return value;
}

function badQuery(message: string): BadRequest {
  return new BadRequest(400, 'badQuery', message);
}
