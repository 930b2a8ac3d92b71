// The lines of waiting conversations as they are now, kept from every commit: places, lengths, and what the assigner matches.

import { inOrder, type WaitingItem } from '../core/assignment.js';
import type { Conversation } from '../core/conversation.js';
import { DEFAULT_WORK_STREAM, type Directory } from '../core/directory.js';

type Item = WaitingItem & { readonly offered: boolean };

/** Per queue one array in serving order; items already offered to somebody keep their place in it until they are taken. */
export class Lines {
  readonly #queues = new Map<string, Item[]>();
  readonly #items = new Map<string, Item>();

  /** @returns the queues whose line changed. */
  update(state: Conversation, directory: Directory): string[] {
    const before = this.#items.get(state.id);
    const after = itemOf(state, directory);
    if (before === undefined && after === undefined) return [];
    const changed = new Set<string>();
    if (before !== undefined) {
      const line = this.#queues.get(before.queue) ?? [];
      line.splice(indexOf(line, before), 1);
      if (line.length === 0) this.#queues.delete(before.queue);
      this.#items.delete(state.id);
      changed.add(before.queue);
    }
    if (after !== undefined) {
      const line = this.#queues.get(after.queue) ?? [];
      if (line.length === 0) this.#queues.set(after.queue, line);
      line.splice(indexOf(line, after), 0, after);
      this.#items.set(state.id, after);
      changed.add(after.queue);
    }
    return [...changed];
  }

  /** The place a newcomer would get: 1 = next. */
  place(queue: string, priority: number, waitingSince: number): number {
    const line = this.#queues.get(queue) ?? [];
    const newcomer = { conversationId: '\uffff', queue, priority, waitingSince, front: false } as Item;
    return indexOf(line, newcomer) + 1;
  }

  /** Who waits before that place and has not been offered to anybody yet. */
  before(queue: string, priority: number, waitingSince: number): WaitingItem[] {
    const line = this.#queues.get(queue) ?? [];
    return line
      .slice(0, this.place(queue, priority, waitingSince) - 1)
      .filter((item) => !item.offered && item.mode === 'push');
  }

  /** Place in line of a waiting conversation: 1 = next. */
  position(conversationId: string): number | undefined {
    const item = this.#items.get(conversationId);
    return item === undefined ? undefined : indexOf(this.#queues.get(item.queue) ?? [], item) + 1;
  }

  line(queue: string): readonly WaitingItem[] {
    return this.#queues.get(queue) ?? [];
  }

  /** Items that nobody has been offered yet, in serving order over all queues. */
  waiting(): WaitingItem[] {
    const items: Item[] = [];
    for (const line of this.#queues.values())
      for (const item of line) if (!item.offered && item.mode === 'push') items.push(item);
    return items.sort(inOrder);
  }

  lengths(): { queue: string; length: number; oldestWaitingSince: number }[] {
    return [...this.#queues].map(([queue, line]) => ({
      queue,
      length: line.length,
      oldestWaitingSince: Math.min(...line.map((item) => item.waitingSince)),
    }));
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
