// What the staff API says, as JSON: conversations, log entries, receipts, people, queues. Times go out as ISO 8601.

import type { Activity } from '../core/activity.js';
import { mayReadLog, servingOf } from '../core/access.js';
import type { AssignReceipt } from '../core/assignment.js';
import { holderOf, omnichannelState, type Conversation, type Entry, type Party } from '../core/conversation.js';
import type { Directory, Person, Presence, Queue, WorkStream } from '../core/directory.js';
import { isSurvey } from '../core/floor.js';
import { projectActivity, type Reader } from '../core/projection.js';
import type { RouteReceipt } from '../core/routing.js';
import type { Hub } from '../hub/hub.js';
import type { Tally } from '../core/observed.js';
import type { Observed } from '../hub/observed.js';
import type { AgentRow } from '../hub/ports.js';

type Json = Record<string, unknown>;

/** ISO 8601; undefined stays undefined, and JSON leaves it out. */
export function time(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString();
}

function personNamed(directory: Directory, id: string): { id: string; name: string } {
  return { id, name: directory.people[id]?.name ?? id };
}

/**
 * A conversation as `reader` may see it. Everybody who serves reads state and context; the bot's private summary is what
 * was said in other words, so only those who may read the log get it.
 */
export function conversationShape(hub: Hub, state: Conversation, reader: Person): Json {
  const { directory } = hub;
  const serving = servingOf(state);
  // A request made to several people is, to each of them, a request to them.
  const agent = serving.includes(reader.id) ? reader.id : serving[0];
  const queue = 'queue' in state ? state.queue : undefined;
  return {
    id: state.id,
    phase: state.phase,
    omnichannelState: omnichannelState(state.phase),
    epoch: state.epoch,
    version: state.version,
    queue,
    queueName: queue === undefined ? undefined : (directory.queues[queue]?.name ?? queue),
    agent: agent === undefined ? undefined : personNamed(directory, agent),
    bot: state.phase === 'bot' ? state.bot : undefined,
    /** The bot that asks the customer how it was, in wrap-up and after it. */
    surveyBot: isSurvey(state) ? holderOf(state)?.id : undefined,
    /** The bot that drafts replies for the person who holds it. */
    assistant: state.phase === 'agent' ? state.assistant : undefined,
    position: hub.lines.position(state.id),
    waitingSince: 'waitingSince' in state ? time(state.waitingSince) : undefined,
    priority: 'priority' in state ? state.priority : undefined,
    /** What people need to have to be offered it. */
    skills: 'skills' in state ? state.skills : undefined,
    offers:
      state.phase === 'offered'
        ? state.offers.map((offer) => ({ agent: personNamed(directory, offer.agent), lapsesAt: time(offer.lapsesAt) }))
        : undefined,
    dueAt: time(state.dueAt),
    timers: Object.fromEntries(Object.entries(state.timers).map(([name, at]) => [name, time(at)])),
    customer: { id: state.customer.id, name: state.customer.name, gone: state.customerGone },
    agentGone: state.phase === 'agent' ? state.agentGone : undefined,
    context: Object.fromEntries(
      Object.entries(state.context).map(([name, { value, displayable }]) => [
        name,
        { value, displayable: displayable === true },
      ]),
    ),
    summary: mayReadLog(state, reader.id, directory) ? state.summary : undefined,
    workStream: state.workStream,
    channel: state.channel.id,
    locale: state.locale,
    lastBot: state.lastBot,
    escalationReason: state.escalationReason,
    /** Times somebody would have been asked for, had the work stream not only observed. */
    observedEscalations: state.observed?.count,
    servedBy: state.servedBy.map((id) => personNamed(directory, id)),
    participants: state.participants.map((one) => ({ ...personNamed(directory, one.agent), as: one.as })),
    previous: state.previous,
    startedAt: time(state.startedAt),
    lastAt: time(state.lastAt),
    heldSince: time(state.sessionAt),
    closedAt: state.phase === 'closed' ? time(state.closedAt) : undefined,
    closeReason: state.phase === 'closed' ? state.reason : undefined,
  };
}

/**
 * One line of the log for staff. An edit or deletion is a line of its own with the edited activity's id and its new
 * content, so the history stays readable. `original` must know every entry that edits in the page are about.
 */
export function entryShape(
  entry: Entry,
  nameOf: (party: Party) => string | undefined,
  original: (seq: number) => Entry | undefined,
): Json {
  const reader: Reader = { viewer: 'staff', nameOf, original };
  const activity = projectActivity(entry, reader);
  const { v: _v, at, by, audience, type, body, key: _key, timers: _timers, ...facts } = entry.event;
  // Where a foreign channel is reached is the hub's business; the activity comes projected.
  const { activity: _activity, reference: _reference, receipt, ...contents } = body ?? {};
  return {
    seq: entry.seq,
    at: time(at),
    type,
    audience,
    by: { role: by.role, id: by.id, name: speakerName(activity, by, nameOf) },
    ...withTimes(facts),
    ...contents,
    ...(receipt !== undefined && { receipt: receiptShape(receipt) }),
    ...(activity !== undefined && { activity }),
  };
}

function speakerName(activity: Activity | undefined, by: Party, nameOf: (party: Party) => string | undefined): string {
  const own = by.role === 'customer' ? activity?.from?.name : undefined;
  return own ?? nameOf(by) ?? by.id;
}

function withTimes(facts: Json): Json {
  const { waitingSince, offers, ...rest } = facts as Json & { waitingSince?: number; offers?: { lapsesAt: number }[] };
  return {
    ...rest,
    ...(waitingSince !== undefined && { waitingSince: time(waitingSince) }),
    ...(offers !== undefined && { offers: offers.map((offer) => ({ ...offer, lapsesAt: time(offer.lapsesAt) })) }),
  };
}

export function receiptShape(receipt: RouteReceipt | AssignReceipt): Json {
  return { ...receipt, at: time(receipt.at) };
}

export function observedShape({ from, to, total, queues, question, ...report }: Observed): Json {
  const tallyShape = ({ busiestHour, ...tally }: Tally): Json => ({
    ...tally,
    ...(busiestHour !== undefined && { busiestHour: { ...busiestHour, from: time(busiestHour.from) } }),
  });
  return {
    from: time(from),
    to: time(to),
    total: tallyShape(total),
    queues: queues.map(tallyShape),
    ...report,
    question: { ...question, since: time(question.since) },
  };
}

export function personShape(directory: Directory, person: Person, row: AgentRow | undefined): Json {
  return {
    id: person.id,
    name: person.name,
    roles: person.roles,
    skills: person.skills,
    presence: row?.presence ?? ('offline' satisfies Presence),
    presenceAt: time(row?.presenceAt),
    presenceUntil: time(row?.presenceUntil),
    capacity: row?.capacity ?? person.capacity,
    load: row?.load ?? 0,
    queues: Object.values(directory.queues)
      .filter((queue) => queue.members.includes(person.id))
      .map((queue) => queue.id),
  };
}

/** A queue with its line: `waiting` counts conversations queued or offered, `online` people who are signed in. */
export function queueShape(hub: Hub, queue: Queue): Json {
  const { directory, people } = hub;
  const line = hub.lines.line(queue.id);
  let oldest: number | undefined;
  for (const { waitingSince } of line) if (oldest === undefined || waitingSince < oldest) oldest = waitingSince;
  const rows = people.candidates(queue.id);
  return {
    id: queue.id,
    name: queue.name,
    method: queue.method,
    members: queue.members.map((id) => ({
      id,
      name: directory.people[id]?.name ?? directory.bots[id]?.name ?? id,
      kind: directory.people[id] === undefined ? 'bot' : 'person',
      presence: people.row(id)?.presence,
    })),
    waiting: line.length,
    oldestWaitingSince: time(oldest),
    oldestWaitMs: oldest === undefined ? undefined : Math.max(0, hub.clock.now() - oldest),
    online: rows.filter(({ presence }) => presence !== 'offline').length,
    available: rows.filter(({ presence, load, capacity }) => presence === 'available' && load < capacity).length,
  };
}

export function workStreamShape(workStream: WorkStream): Json {
  return { ...workStream };
}
