// The lines of waiting conversations as they are now, kept from every commit: places, lengths, and what the assigner matches.

import { inOrder, kindOf, type WaitingItem } from '../core/assignment.js';
import type { Conversation } from '../core/conversation.js';
import { DEFAULT_WORK_STREAM, type Directory } from '../core/directory.js';

type Item = WaitingItem & { readonly offered: boolean; readonly version: number };

export class Lines {
  /** Per queue in serving order; items already offered to somebody keep their place in it until they are taken. */
  readonly #queues = new Sorted();
  /** Per kind in serving order: what the assigner has to give out. */
  readonly #unoffered = new Sorted();
  readonly #items = new Map<string, Item>();
  #versions = 0;

  /** @returns the queues whose line changed. */
  update(state: Conversation, directory: Directory): string[] {
    const before = this.#items.get(state.id);
    const after = itemOf(state, directory);
    if (before === undefined && after === undefined) return [];
    // News of other nodes may come late.
    if (before !== undefined && before.version > state.version) return [];
    const changed = new Set<string>();
    if (before !== undefined) {
      this.#remove(before);
      changed.add(before.queue);
    }
    if (after !== undefined) {
      this.#queues.add(after.queue, after);
      if (!after.offered) this.#unoffered.add(kindOf(after), after);
      this.#items.set(state.id, after);
      this.#versions += after.version;
      changed.add(after.queue);
    }
    return [...changed];
  }

  #remove(item: Item): void {
    this.#queues.remove(item.queue, item);
    if (!item.offered) this.#unoffered.remove(kindOf(item), item);
    this.#items.delete(item.conversationId);
    this.#versions -= item.version;
  }

  /** Everybody who waits, and the sum of their versions: what another reader of the record must come to, too. */
  sum(): { count: number; versions: number } {
    return { count: this.#items.size, versions: this.#versions };
  }

  /** Who waits according to the record: others do not any more. @returns the queues whose line changed. */
  keepOnly(ids: ReadonlySet<string>): string[] {
    const gone = [...this.#items.values()].filter(({ conversationId }) => !ids.has(conversationId));
    for (const item of gone) this.#remove(item);
    return [...new Set(gone.map(({ queue }) => queue))];
  }

  /** The place a newcomer would get: 1 = next. */
  place(queue: string, priority: number, waitingSince: number): number {
    const line = this.#queues.of(queue);
    const newcomer = { conversationId: '\uffff', queue, priority, waitingSince, front: false } as Item;
    return indexOf(line, newcomer) + 1;
  }

  /** Who waits before that place and has not been offered to anybody yet. */
  before(queue: string, priority: number, waitingSince: number): WaitingItem[] {
    return this.#queues
      .of(queue)
      .slice(0, this.place(queue, priority, waitingSince) - 1)
      .filter((item) => !item.offered && item.mode === 'push');
  }

  /** Place in line of a waiting conversation: 1 = next. */
  position(conversationId: string): number | undefined {
    const item = this.#items.get(conversationId);
    return item === undefined ? undefined : indexOf(this.#queues.of(item.queue), item) + 1;
  }

  line(queue: string): readonly WaitingItem[] {
    return this.#queues.of(queue);
  }

  /** What nobody has been offered yet: items of one kind each, in serving order. */
  unoffered(): Iterable<readonly WaitingItem[]> {
    return this.#unoffered.all().map(([, line]) => line);
  }

  lengths(): { queue: string; length: number; oldestWaitingSince: number }[] {
    return this.#queues.all().map(([queue, line]) => ({
      queue,
      length: line.length,
      oldestWaitingSince: line.reduce((oldest, { waitingSince }) => Math.min(oldest, waitingSince), Infinity),
    }));
  }
}

/** Named lines, each in serving order; one that is empty is forgotten. */
class Sorted {
  readonly #lines = new Map<string, Item[]>();

  of(name: string): readonly Item[] {
    return this.#lines.get(name) ?? [];
  }

  all(): [name: string, line: readonly Item[]][] {
    return [...this.#lines];
  }

  add(name: string, item: Item): void {
    const line = this.#lines.get(name) ?? [];
    if (line.length === 0) this.#lines.set(name, line);
    line.splice(indexOf(line, item), 0, item);
  }

  remove(name: string, item: Item): void {
    const line = this.#lines.get(name) ?? [];
    line.splice(indexOf(line, item), 1);
    if (line.length === 0) this.#lines.delete(name);
  }
}

function itemOf(state: Conversation, directory: Directory): Item | undefined {
  if (state.phase !== 'queued' && state.phase !== 'offered') return undefined;
  const workStream = directory.workStreams[state.workStream] ?? DEFAULT_WORK_STREAM;
  return {
    conversationId: state.id,
    queue: state.queue,
    workStream: state.workStream,
    priority: state.priority,
    waitingSince: state.waitingSince,
    front: state.front,
    declines: state.declines,
    mode: workStream.mode,
    cost: workStream.cost,
    declineLimit: workStream.declineLimit,
    allowedPresences: workStream.allowedPresences,
    skills: state.skills,
    offered: state.phase === 'offered',
    version: state.version,
  };
}

/** Where `item` is, or where it belongs: binary search, because 50,000 may wait. */
function indexOf(line: readonly Item[], item: Item): number {
  let low = 0;
  let high = line.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (inOrder(line[middle] as Item, item) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
