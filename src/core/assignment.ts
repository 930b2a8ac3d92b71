// Which waiting conversation goes to which person: strict order of the items, the queue's method for the people.

import { hasSkills, type AssignmentMethod, type Presence } from './directory.js';

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
  /** Only people who have them all can be chosen. */
  skills?: readonly string[] | undefined;
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
  skills?: readonly string[];
}

export type ExclusionReason = 'skill' | 'presence' | 'capacity' | 'declined' | 'excluded';

/** The written reason of one assignment decision. */
export interface AssignReceipt {
  kind: 'assign';
  at: number;
  queue: string;
  method: string;
  /**
   * The chosen, the next best, other eligible people, then the excluded with the reason. Of more than
   * MAX_RECEIPT_CANDIDATES members only so many are listed.
   */
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
  const seats = members.map((member) => seatOf(member));
  return receiptOf(item, seats, bestTwo(item, seats, method), method, at);
}

/**
 * Who can take an item, but for its own history, is the same for all items of one kind: where nobody can take one of them,
 * none of the others has to be looked at.
 */
export function kindOf({ queue, mode, cost, allowedPresences, skills }: WaitingItem): string {
  const kind = [queue, mode, cost, ...allowedPresences].join('\n');
  return skills === undefined ? kind : `${kind}\n${JSON.stringify(skills)}`;
}

/**
 * Gives out as much as people can take, walking the items in their order and reserving load on the way, so that nobody
 * is chosen twice for the same unit and no eligible earlier item is passed over. Somebody in several queues counts once.
 * Items nobody was found for are not in the answer.
 *
 * `lines` are items of one kind each, in order. A line is left when nobody has room for its kind any more, so what is
 * walked is what is given out and not what waits: a seat freed before 50,000 items costs under 1 ms (1,000 people).
 * At most `atMost` items are given out, the first ones.
 */
export function match(
  lines: Iterable<readonly WaitingItem[]>,
  candidatesOf: (queue: string) => readonly Candidate[],
  methodOf: (queue: string) => AssignmentMethod,
  at: number,
  atMost = Infinity,
): { item: WaitingItem; receipt: AssignReceipt }[] {
  const seatsIn = seatsByQueue(candidatesOf);
  const open: Line[] = [];
  for (const items of lines) {
    const [first] = items;
    if (first === undefined || first.mode === 'pick') continue;
    const isOpenTo = (person: Candidate) =>
      hasSkills(person, first.skills) && first.allowedPresences.includes(person.presence) && hasRoom(first, person);
    const { candidates, seats } = seatsIn(first.queue);
    if (candidates.some(isOpenTo)) putInOrder(open, { items, next: 0, roomy: seats().filter(isOpenTo) });
  }

  const given: { item: WaitingItem; receipt: AssignReceipt }[] = [];
  for (let line = open.shift(); line !== undefined && given.length < atMost; line = open.shift()) {
    const item = line.items[line.next] as WaitingItem;
    const method = methodOf(item.queue);
    const best = bestTwo(item, line.roomy, method);
    const chosen = best[0];
    if (chosen !== undefined) {
      given.push({ item, receipt: receiptOf(item, seatsIn(item.queue).seats(), best, method, at) });
      chosen.load += item.cost;
      chosen.lastAssignedAt = at;
      chosen.turn = given.length;
    }
    // Loads only grow in one run: whoever has no room for one item has none for the next of its kind.
    line.roomy = line.roomy.filter((seat) => hasRoom(item, seat));
    line.next += 1;
    if (line.roomy.length > 0 && line.next < line.items.length) putInOrder(open, line);
  }
  return given;
}

/** Items of one kind that are given out, and the people who have room for one more of them. */
interface Line {
  readonly items: readonly WaitingItem[];
  /** Index of the next one to be given out. */
  next: number;
  roomy: Seat[];
}

/** Keeps `open` in the order of what is next in each line. */
function putInOrder(open: Line[], line: Line): void {
  const next = (of: Line) => of.items[of.next] as WaitingItem;
  let low = 0;
  let high = open.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (inOrder(next(open[middle] as Line), next(line)) < 0) low = middle + 1;
    else high = middle;
  }
  open.splice(low, 0, line);
}

/** A person whose load is counted up while items are given out. */
interface Seat extends Candidate {
  /** Orders those who were assigned something in the same run; 0 = nothing yet. */
  turn: number;
}

function seatOf({ id, presence, capacity, load, lastAssignedAt, idleSince, skills = [] }: Candidate): Seat {
  return { id, presence, capacity, load, lastAssignedAt, idleSince, skills, turn: 0 };
}

interface Members {
  readonly candidates: readonly Candidate[];
  /** Made at the first use: most queues have nobody with room. */
  readonly seats: () => Seat[];
}

/** One seat per person, shared by all queues the person serves. */
function seatsByQueue(candidatesOf: (queue: string) => readonly Candidate[]): (queue: string) => Members {
  const byPerson = new Map<string, Seat>();
  const byQueue = new Map<string, Members>();
  const seatFor = (candidate: Candidate): Seat => {
    const seat = byPerson.get(candidate.id) ?? seatOf(candidate);
    byPerson.set(candidate.id, seat);
    return seat;
  };
  return (queue) => {
    const known = byQueue.get(queue);
    if (known !== undefined) return known;
    const candidates = candidatesOf(queue);
    let made: Seat[] | undefined;
    const members = { candidates, seats: () => (made ??= [...new Set(candidates.map(seatFor))]) };
    byQueue.set(queue, members);
    return members;
  };
}

function hasRoom(item: WaitingItem, { load, capacity }: Pick<Candidate, 'load' | 'capacity'>): boolean {
  return load + item.cost <= capacity;
}

function exclusionOf(item: WaitingItem, seat: Seat): ExclusionReason | undefined {
  // First, because it does not change: who lacks it would not get it when back and free either.
  if (!hasSkills(seat, item.skills)) return 'skill';
  if (!item.allowedPresences.includes(seat.presence)) return 'presence';
  if (!hasRoom(item, seat)) return 'capacity';
  if (item.exclude === seat.id) return 'excluded';
  const declines = Object.hasOwn(item.declines, seat.id) ? (item.declines[seat.id] ?? 0) : 0;
  return declines >= item.declineLimit ? 'declined' : undefined;
}

/** The one to choose and the next best, whom a tie-break may have decided against. */
function bestTwo(item: WaitingItem, seats: readonly Seat[], method: AssignmentMethod): readonly Seat[] {
  const better = COMPARISONS[method];
  let best: Seat | undefined;
  let second: Seat | undefined;
  for (const seat of seats) {
    if (exclusionOf(item, seat) !== undefined) continue;
    if (best === undefined || better(seat, best) < 0) {
      second = best;
      best = seat;
    } else if (second === undefined || better(seat, second) < 0) second = seat;
  }
  return best === undefined ? [] : second === undefined ? [best] : [best, second];
}

function receiptOf(
  item: WaitingItem,
  members: readonly Seat[],
  [first, second]: readonly Seat[],
  method: AssignmentMethod,
  at: number,
): AssignReceipt {
  const eligible: Seat[] = [];
  const excluded: AssignReceipt['candidates'] = [];
  for (const seat of members) {
    // In a large queue the rest is only counted: the walk must not grow with it.
    if (eligible.length + excluded.length >= MAX_RECEIPT_CANDIDATES) break;
    if (seat === first || seat === second) continue;
    const reason = exclusionOf(item, seat);
    if (reason === undefined) eligible.push(seat);
    else excluded.push({ ...listed(seat), excluded: reason });
  }
  const bestFirst = [first, second].filter((seat) => seat !== undefined);
  const candidates = [...bestFirst, ...eligible.sort(COMPARISONS[method])]
    .map(listed)
    .concat(excluded)
    .slice(0, MAX_RECEIPT_CANDIDATES);
  const tieBreak = first !== undefined && second !== undefined ? tieBreakOf(method, first, second) : undefined;
  return {
    kind: 'assign',
    at,
    queue: item.queue,
    method,
    candidates,
    ...(members.length > candidates.length && { omitted: members.length - candidates.length }),
    ...(first !== undefined && { chosen: first.id }),
    ...(tieBreak !== undefined && { tieBreak }),
  };
}

function listed({ id, load, capacity, presence }: Seat): AssignReceipt['candidates'][number] {
  return { id, load, capacity, presence };
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

function byId(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
