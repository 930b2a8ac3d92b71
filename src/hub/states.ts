// The latest states of conversations as this node knows them: as many as fit, and how old the knowledge is.

import type { Conversation } from '../core/conversation.js';

/** States kept in memory; the rest is read from the store when somebody speaks (100,000 idle conversations must not stay). */
const CACHED_STATES = 2_000;
/** Where other nodes write, too, what was seen longer ago is read again: the net under lost notices. */
const FRESH_MS = 500;

export class KnownStates {
  readonly #states = new Map<string, { state: Conversation; seenAt: number }>();

  get(id: string): Conversation | undefined {
    return this.#states.get(id)?.state;
  }

  /** The state, if it was seen to be the latest just now. */
  fresh(id: string): Conversation | undefined {
    const known = this.#states.get(id);
    return known !== undefined && performance.now() - known.seenAt < FRESH_MS ? known.state : undefined;
  }

  /** Keeps what was committed or read; an answer that was overtaken changes nothing. @returns the latest state known. */
  remember(state: Conversation): Conversation {
    const known = this.#states.get(state.id);
    if (known !== undefined && known.state.version > state.version) return known.state;
    this.#states.delete(state.id);
    this.#states.set(state.id, { state, seenAt: performance.now() });
    if (this.#states.size > CACHED_STATES) {
      const oldest = this.#states.keys().next().value;
      if (oldest !== undefined) this.#states.delete(oldest);
    }
    return state;
  }

  forget(id: string): void {
    this.#states.delete(id);
  }
}
