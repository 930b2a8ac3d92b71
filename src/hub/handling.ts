// How long people take: since when each chat is with whom, and how long the last ones of each queue took.

import { loadsOf, type Conversation, type State } from '../core/conversation.js';
import { lengthsOf } from '../core/waits.js';
import type { Engine } from './engine.js';
import { Turns } from './turns.js';

/** Of each queue so many are remembered. */
const REMEMBERED = 100;
/** A queue in which no chat has ended for so long begins anew. */
const KEPT_MS = 30 * 24 * 60 * 60_000;
const KIND = 'handlingTimes';
const PAGE = 500;

/** A chat that takes a person's capacity. */
export interface Held {
  readonly queue: string;
  readonly cost: number;
  /** Absent while it is only offered, and for a wrap-up that was under way when the hub started. */
  readonly acceptedAt?: number | undefined;
}

export class Handling {
  /** Per person, by conversation. */
  readonly #held = new Map<string, Map<string, Held>>();
  /** Per queue, the latest last. */
  readonly #recent = new Map<string, number[]>();
  readonly #lengths = new Map<string, readonly number[]>();
  /** Per queue: learned here and not in the record yet. */
  readonly #unsaved = new Map<string, number[]>();
  readonly #saving = new Turns();
  #saved: Promise<void> = Promise.resolve();

  constructor(private readonly hub: Pick<Engine, 'store' | 'log' | 'clock' | 'directory' | 'known'>) {}

  /** One small record per queue, and the conversations that people hold now: never more than they have room for. */
  async start(): Promise<void> {
    const { store, clock, directory } = this.hub;
    for (const queue of Object.keys(directory.queues)) {
      const recent = (await store.getGrant(KIND, queue, clock.now()))?.value['ms'];
      if (Array.isArray(recent)) this.#recent.set(queue, recent as number[]);
    }
    let cursor: string | undefined;
    do {
      const page = await store.list({ phases: ['offered', 'agent', 'wrapUp'] }, PAGE, cursor);
      for (const state of page.items) this.#keep(this.hub.known(state.id) ?? state);
      cursor = page.next;
    } while (cursor !== undefined);
  }

  /** From `accepted` to the end of what takes the person's capacity: that is how long a chat took. */
  committed(before: State, after: Conversation): void {
    const still = loadsOf(after);
    for (const agent of Object.keys(loadsOf(before))) {
      if (still[agent] !== undefined) continue;
      const chats = this.#held.get(agent);
      const ended = chats?.get(after.id);
      chats?.delete(after.id);
      if (ended?.acceptedAt !== undefined) this.#learn(ended.queue, after.lastAt - ended.acceptedAt);
    }
    this.#keep(after);
  }

  /** Another node committed something: who holds what is known here as well; how long it took is kept by that node. */
  learned(state: Conversation): void {
    const still = loadsOf(state);
    for (const [agent, chats] of this.#held) if (still[agent] === undefined) chats.delete(state.id);
    this.#keep(state);
  }

  /** A person may have thousands: they are kept as they are, and nothing is made of each. */
  held(agent: string): readonly Held[] {
    return [...(this.#held.get(agent)?.values() ?? [])];
  }

  /** As estimates take them. */
  lengths(queue: string): readonly number[] {
    const known = this.#lengths.get(queue);
    if (known !== undefined) return known;
    const lengths = lengthsOf(this.#recent.get(queue) ?? []);
    this.#lengths.set(queue, lengths);
    return lengths;
  }

  /** Resolves when what was learned is on disk. */
  settled(): Promise<void> {
    return this.#saved;
  }

  #keep(state: Conversation): void {
    if (state.phase !== 'offered' && state.phase !== 'agent' && state.phase !== 'wrapUp') return;
    for (const [agent, cost] of Object.entries(loadsOf(state))) {
      const chats = this.#held.get(agent) ?? new Map<string, Held>();
      this.#held.set(agent, chats);
      const acceptedAt = state.phase === 'agent' ? state.sessionAt : chats.get(state.id)?.acceptedAt;
      chats.set(state.id, { queue: state.queue, cost, acceptedAt });
    }
  }

  #learn(queue: string, ms: number): void {
    const recent = [...(this.#recent.get(queue) ?? []), ms].slice(-REMEMBERED);
    this.#recent.set(queue, recent);
    this.#lengths.delete(queue);
    this.#unsaved.set(queue, [...(this.#unsaved.get(queue) ?? []), ms]);
    // One after another: a save that read before the one before it had written would undo it.
    const saved = this.#saving.run(queue, () => this.#save(queue));
    this.#saved = Promise.all([this.#saved, saved]).then(() => undefined);
  }

  /** What two nodes write at the same moment only one of them has written: it costs nothing but its part in estimates. */
  async #save(queue: string): Promise<void> {
    const { store, clock, log } = this.hub;
    const fresh = this.#unsaved.get(queue);
    // A save before this one has taken it along.
    if (fresh === undefined) return;
    this.#unsaved.delete(queue);
    try {
      const ms = await this.#merged(queue, fresh);
      await store.putGrant({ kind: KIND, id: queue, value: { ms }, expiresAt: clock.now() + KEPT_MS });
    } catch (error) {
      log.warn({ err: error, queue }, 'how long a chat took could not be kept; estimates go on without it');
    }
  }

  /** With what other nodes have kept meanwhile. */
  async #merged(queue: string, fresh: readonly number[]): Promise<readonly number[]> {
    const { store, clock } = this.hub;
    const recent = this.#recent.get(queue) ?? fresh;
    if (store.shared === undefined) return recent;
    const kept = (await store.getGrant(KIND, queue, clock.now()))?.value['ms'];
    return Array.isArray(kept) ? [...(kept as number[]), ...fresh].slice(-REMEMBERED) : recent;
  }
}
