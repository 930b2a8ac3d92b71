// What everybody saw of a run, held against the logs it left: each sentence that this returns is a promise that was broken.

import { loadsOf, NOT_STARTED, type Entry, type State } from '../../src/core/conversation.js';
import { evolve } from '../../src/core/evolve.js';

/** One end of the line: `customer`, `agent:ana`, `bot:demo`. */
export type End = string;

/** What one end saw: it sent a text, heard that it is kept, or was given something that is in the log. */
export type Seen =
  | { did: 'sent' | 'acknowledged'; end: End; conversation: string; text: string }
  | { did: 'received'; end: End; conversation: string; text: string; seq: number };

type Received = Extract<Seen, { did: 'received' }>;

/** Records in the order in which things are seen. */
export class History {
  readonly seen: Seen[] = [];

  sent(end: End, conversation: string, text: string): void {
    this.seen.push({ did: 'sent', end, conversation, text });
  }

  acknowledged(end: End, conversation: string, text: string): void {
    this.seen.push({ did: 'acknowledged', end, conversation, text });
  }

  received(end: End, conversation: string, text: string, seq: number): void {
    this.seen.push({ did: 'received', end, conversation, text, seq });
  }

  count(did: Seen['did']): number {
    return this.seen.filter((one) => one.did === did).length;
  }
}

export interface Record {
  logs: ReadonlyMap<string, readonly Entry[]>;
  /** Of each person; absent where the clock of the run does not order conversations among each other. */
  capacities?: Readonly<{ [agent: string]: number }>;
  /** How far the clocks by which the entries are dated may be apart: nobody has too much for longer. 0 unless set. */
  clocksDifferMs?: number;
}

/** Every text of a run is sent once: it names its sender and its number. @returns nothing where everything was kept. */
export function faultsOf(history: History, record: Record): string[] {
  const faults: string[] = [];
  for (const [conversation, log] of record.logs) {
    faults.push(...keptFaults(history, conversation, log));
    faults.push(...readingFaults(history, conversation, log));
    faults.push(...holderFaults(conversation, log));
  }
  for (const { conversation, did } of history.seen)
    if (did !== 'sent' && !record.logs.has(conversation)) faults.push(`${conversation}: has no log`);
  if (record.capacities !== undefined)
    faults.push(...capacityFaults(record.logs, record.capacities, record.clocksDifferMs));
  return faults;
}

/** What was acknowledged is in the log once; what is in the log was sent; of one sender in the order of sending. */
function keptFaults(history: History, conversation: string, log: readonly Entry[]): string[] {
  const faults: string[] = [];
  const own = history.seen.filter((one) => one.conversation === conversation);
  const ends = new Set(own.filter(({ did }) => did === 'sent').map(({ end }) => end));
  for (const end of ends) {
    const sent = own.filter((one) => one.did === 'sent' && one.end === end).map(({ text }) => text);
    const kept = log.filter((entry) => endOf(entry) === end && isSpoken(entry)).map(textOf);
    for (const { did, end: by, text } of own)
      if (did === 'acknowledged' && by === end && !kept.includes(text))
        faults.push(`${conversation}: "${text}" of ${end} was acknowledged and is lost`);
    for (const text of doubles(kept)) faults.push(`${conversation}: "${text}" of ${end} is in the log twice`);
    for (const text of kept)
      if (!sent.includes(text)) faults.push(`${conversation}: "${text}" of ${end} is in the log and was never sent`);
    const places = kept.map((text) => sent.indexOf(text)).filter((place) => place >= 0);
    if (places.some((place, index) => place < (places[index - 1] ?? place)))
      faults.push(`${conversation}: what ${end} sent is not in the order of sending`);
  }
  return faults;
}

/** The customer was given what is for everyone, all of it, once, in the order of the log. */
function readingFaults(history: History, conversation: string, log: readonly Entry[]): string[] {
  const faults: string[] = [];
  const received = history.seen.filter(
    (one): one is Received => one.conversation === conversation && one.did === 'received',
  );
  for (const end of new Set(received.map((one) => one.end))) {
    const seqs = received.filter((one) => one.end === end).map(({ seq }) => seq);
    for (const seq of doubles(seqs)) faults.push(`${conversation}: ${end} was given entry ${seq} twice`);
    if (seqs.some((seq, index) => seq < (seqs[index - 1] ?? seq)))
      faults.push(`${conversation}: ${end} was given entries out of order`);
    for (const { seq, text } of received.filter((one) => one.end === end)) {
      const entry = log[seq - 1];
      if (entry === undefined || textOf(entry) !== text)
        faults.push(`${conversation}: ${end} was given "${text}" as entry ${seq}, which is not in the log`);
      else if (end === 'customer' && entry.event.audience !== 'everyone')
        faults.push(`${conversation}: the customer was given entry ${seq}, which is for staff`);
    }
    if (end !== 'customer') continue;
    for (const entry of log)
      if (isSpoken(entry) && entry.event.audience === 'everyone' && !seqs.includes(entry.seq))
        faults.push(`${conversation}: the customer was never given entry ${entry.seq}`);
  }
  return faults;
}

/** One holder at a time; while a person holds, nothing of a bot is for the customer. */
function holderFaults(conversation: string, log: readonly Entry[]): string[] {
  const faults: string[] = [];
  let state: State = NOT_STARTED;
  for (const [index, { seq, event }] of log.entries()) {
    if (seq !== index + 1) faults.push(`${conversation}: entry ${index + 1} has number ${seq}`);
    if (event.type === 'said' && event.by.role === 'bot' && event.audience === 'everyone' && state.phase === 'agent')
      faults.push(`${conversation}: entry ${seq} of a bot reached the customer although ${state.agent} has accepted`);
    if (event.type === 'said' && event.by.role === 'agent' && (state.phase !== 'agent' || state.agent !== event.by.id))
      faults.push(`${conversation}: ${event.by.id} spoke in entry ${seq} without holding the conversation`);
    if (event.type === 'accepted' && (state.phase === 'agent' || state.phase === 'wrapUp'))
      faults.push(`${conversation}: ${event.agent} got it in entry ${seq} while ${state.agent} had it`);
    state = evolve(state, event);
  }
  return faults;
}

/** At each instant nobody has more than fits, unless a supervisor assigned it. What happens in one millisecond counts as one. */
function capacityFaults(
  logs: Record['logs'],
  capacities: NonNullable<Record['capacities']>,
  clocksDifferMs = 0,
): string[] {
  const changes: { at: number; agent: string; delta: number }[] = [];
  const forced = new Set<string>();
  for (const log of logs.values()) {
    let state: State = NOT_STARTED;
    for (const { event } of log) {
      if (event.type === 'accepted' && event.how === 'assign') forced.add(event.agent);
      const before = loadsOf(state);
      state = evolve(state, event);
      const after = loadsOf(state);
      for (const agent of new Set([...Object.keys(before), ...Object.keys(after)]))
        changes.push({ at: event.at, agent, delta: (after[agent] ?? 0) - (before[agent] ?? 0) });
    }
  }
  changes.sort((a, b) => a.at - b.at);
  const loads: { [agent: string]: number } = {};
  const tooMuchSince: { [agent: string]: number } = {};
  const faults = new Set<string>();
  for (const [index, { at, agent, delta }] of changes.entries()) {
    loads[agent] = (loads[agent] ?? 0) + delta;
    const next = changes[index + 1]?.at ?? Infinity;
    if (next === at) continue;
    for (const [id, load] of Object.entries(loads)) {
      const capacity = capacities[id] ?? 0;
      if (load <= capacity || forced.has(id)) delete tooMuchSince[id];
      else if (next - (tooMuchSince[id] ??= at) > clocksDifferMs)
        faults.add(`${id} has ${load} of ${capacity} at ${new Date(at).toISOString()}`);
    }
  }
  return [...faults];
}

function endOf({ event: { by } }: Entry): End {
  return by.role === 'customer' ? 'customer' : `${by.role}:${by.id}`;
}

/** Something that a reader of the chat sees as an activity of its own: drafts are for staff. */
function isSpoken({ event }: Entry): boolean {
  return (
    (event.type === 'said' || event.type === 'told' || event.type === 'drafted') &&
    event.body?.activity?.type === 'message'
  );
}

function textOf({ event }: Entry): string {
  return event.body?.activity?.text ?? '';
}

function doubles<T>(items: readonly T[]): T[] {
  const seen = new Set<T>();
  return items.filter((item) => seen.size === seen.add(item).size);
}
