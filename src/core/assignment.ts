// Which waiting conversation goes to which person: strict order of the items, the queue's method for the people.

import type { AssignmentMethod, Presence } from './directory.js';

/** One conversation that waits in a queue. */
export interface WaitingItem {
  conversationId: string;
  queue: string;
  workStream: string;
  priority: number;
  waitingSince: number;
  front: boolean;
  /** How often each agent declined it. */
  declines: Readonly<Record<string, number>>;
  /** `pick` items are taken from the list by people; nobody is chosen for them. */
  mode: 'push' | 'pick';
  /** Units of capacity it takes. */
  cost: number;
  declineLimit: number;
  allowedPresences: readonly Presence[];
  /** An agent it must not go back to (the one who just transferred it or was lost). */
  exclude?: string;
}

/** A person who is a member of the item's queue. */
export interface Candidate {
  id: string;
  presence: Presence;
  capacity: number;
  load: number;
  lastAssignedAt: number;
  /** Since when the load is 0. */
  idleSince: number;
}

export type ExclusionReason = 'presence' | 'capacity' | 'declined' | 'excluded';

/** The written reason of one assignment decision. */
export interface AssignReceipt {
  kind: 'assign';
  at: number;
  queue: string;
  method: string;
  /** Eligible people first, best first; then the excluded with the reason. At most MAX_RECEIPT_CANDIDATES. */
  candidates: { id: string; load?: number; capacity?: number; presence?: Presence; excluded?: string }[];
  /** People beyond those listed. */
  omitted?: number;
  chosen?: string;
  /** What decided between people who were equal by the method. */
  tieBreak?: string;
}

/** A receipt is stored with its conversation: a queue of a thousand people must not make each one 60 KB. */
export const MAX_RECEIPT_CANDIDATES = 50;

/** Priority, then those put in front, then who waits longest. A total order: ids decide between equals. */
export function inOrder(a: WaitingItem, b: WaitingItem): number {
  return (
    b.priority - a.priority ||
    Number(b.front) - Number(a.front) ||
    a.waitingSince - b.waitingSince ||
    byId(a.conversationId, b.conversationId)
  );
}

/** Chooses among the members of the item's queue; the receipt has no `chosen` when nobody can take it now. */
export function choose(
  item: WaitingItem,
  members: readonly Candidate[],
  method: AssignmentMethod,
  at: number,
): AssignReceipt {
  const seats = members.map((member) => ({ ...member, turn: 0 }));
  return decideAmong(item, seats, method, at);
}

/**
 * Gives out as much as people can take, walking the items in their order and reserving load on the way, so that nobody
 * is chosen twice for the same unit and no eligible earlier item is passed over. Somebody in several queues counts once.
 * Items nobody was found for are not in the answer. With nobody free, 50,000 items cost one pass over them.
 */
export function match(
  items: readonly WaitingItem[],
  candidatesOf: (queue: string) => readonly Candidate[],
  methodOf: (queue: string) => AssignmentMethod,
  at: number,
): { item: WaitingItem; receipt: AssignReceipt }[] {
  const pushed = items.filter((item) => item.mode === 'push');
  const seatsOf = seatsByQueue(pushed, candidatesOf);
  if (![...seatsOf.values()].some((seats) => seats.some((seat) => seat.load < seat.capacity))) return [];

  const given: { item: WaitingItem; receipt: AssignReceipt }[] = [];
  // Loads only grow in one run: when nobody has room for one kind of item, nobody will have for the next of its kind.
  const exhausted = new Set<string>();
  let turn = 0;
  for (const item of pushed.sort(inOrder)) {
    const kind = `${item.queue}\n${item.cost}\n${item.allowedPresences.join()}`;
    if (exhausted.has(kind)) continue;
    const seats = seatsOf.get(item.queue) ?? [];
    if (!seats.some((seat) => hasRoom(item, seat))) {
      exhausted.add(kind);
      continue;
    }
    if (!seats.some((seat) => exclusionOf(item, seat) === undefined)) continue;
    const receipt = decideAmong(item, seats, methodOf(item.queue), at);
    const chosen = seats.find((seat) => seat.id === receipt.chosen);
    if (chosen === undefined) continue;
    turn += 1;
    chosen.load += item.cost;
    chosen.lastAssignedAt = at;
    chosen.turn = turn;
    given.push({ item, receipt });
  }
  return given;
}

/** A person whose load is counted up while items are given out. */
interface Seat extends Candidate {
  /** Orders those who were assigned something in the same run; 0 = nothing yet. */
  turn: number;
}

/** One seat per person, shared by all queues the person serves. */
function seatsByQueue(
  items: readonly WaitingItem[],
  candidatesOf: (queue: string) => readonly Candidate[],
): Map<string, Seat[]> {
  const seatOf = new Map<string, Seat>();
  const seatsOf = new Map<string, Seat[]>();
  for (const { queue } of items) {
    if (seatsOf.has(queue)) continue;
    const seats = new Set<Seat>();
    for (const candidate of candidatesOf(queue)) {
      const seat = seatOf.get(candidate.id) ?? { ...candidate, turn: 0 };
      seatOf.set(candidate.id, seat);
      seats.add(seat);
    }
    seatsOf.set(queue, [...seats]);
  }
  return seatsOf;
}

function hasRoom(item: WaitingItem, seat: Seat): boolean {
  return item.allowedPresences.includes(seat.presence) && seat.load + item.cost <= seat.capacity;
}

function exclusionOf(item: WaitingItem, seat: Seat): ExclusionReason | undefined {
  if (!item.allowedPresences.includes(seat.presence)) return 'presence';
  if (seat.load + item.cost > seat.capacity) return 'capacity';
  if (item.exclude === seat.id) return 'excluded';
  const declines = Object.hasOwn(item.declines, seat.id) ? (item.declines[seat.id] ?? 0) : 0;
  return declines >= item.declineLimit ? 'declined' : undefined;
}

function decideAmong(item: WaitingItem, seats: readonly Seat[], method: AssignmentMethod, at: number): AssignReceipt {
  const eligible: Seat[] = [];
  const excluded: { seat: Seat; reason: ExclusionReason }[] = [];
  for (const seat of seats) {
    const reason = exclusionOf(item, seat);
    if (reason === undefined) eligible.push(seat);
    else if (excluded.length < MAX_RECEIPT_CANDIDATES) excluded.push({ seat, reason });
  }
  const better = COMPARISONS[method];
  const best = firstInOrder(eligible, better, MAX_RECEIPT_CANDIDATES);
  const candidates = [
    ...best.map((seat) => listed(seat)),
    ...excluded.map(({ seat, reason }) => ({ ...listed(seat), excluded: reason })),
  ].slice(0, MAX_RECEIPT_CANDIDATES);
  const [first, second] = best;
  const tieBreak = first !== undefined && second !== undefined ? tieBreakOf(method, first, second) : undefined;
  return {
    kind: 'assign',
    at,
    queue: item.queue,
    method,
    candidates,
    ...(seats.length > candidates.length && { omitted: seats.length - candidates.length }),
    ...(first !== undefined && { chosen: first.id }),
    ...(tieBreak !== undefined && { tieBreak }),
  };
}

function listed(seat: Seat): { id: string; load: number; capacity: number; presence: Presence } {
  return { id: seat.id, load: seat.load, capacity: seat.capacity, presence: seat.presence };
}

type Comparison = (a: Seat, b: Seat) => number;

const mostFree: Comparison = (a, b) => b.capacity - b.load - (a.capacity - a.load);
const longestSinceAssigned: Comparison = (a, b) => a.lastAssignedAt - b.lastAssignedAt || a.turn - b.turn;
/** Who has nothing to do goes before who has something, however long that was ago. */
const longestIdle: Comparison = (a, b) => Number(a.load > 0) - Number(b.load > 0) || a.idleSince - b.idleSince;

const FIRST_CRITERION: Record<AssignmentMethod, Comparison> = {
  highestCapacity: mostFree,
  roundRobin: longestSinceAssigned,
  longestIdle,
};

const COMPARISONS: Record<AssignmentMethod, Comparison> = {
  highestCapacity: (a, b) => mostFree(a, b) || longestSinceAssigned(a, b) || byId(a.id, b.id),
  roundRobin: (a, b) => longestSinceAssigned(a, b) || byId(a.id, b.id),
  longestIdle: (a, b) => longestIdle(a, b) || longestSinceAssigned(a, b) || byId(a.id, b.id),
};

function tieBreakOf(method: AssignmentMethod, first: Seat, second: Seat): string | undefined {
  if (FIRST_CRITERION[method](first, second) !== 0) return undefined;
  return longestSinceAssigned(first, second) !== 0 ? 'longestSinceLastAssigned' : 'id';
}

/** The first `count` in order, without sorting the rest: a queue may have a thousand members. */
function firstInOrder<T>(items: readonly T[], compare: (a: T, b: T) => number, count: number): T[] {
  if (items.length <= count) return [...items].sort(compare);
  const first: T[] = [];
  for (const item of items) {
    const last = first.at(-1);
    if (first.length === count && last !== undefined && compare(item, last) >= 0) continue;
    let place = first.length;
    while (place > 0 && compare(item, first[place - 1] as T) < 0) place -= 1;
    first.splice(place, 0, item);
    if (first.length > count) first.pop();
  }
  return first;
}

function byId(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
