// Who follows which conversation, and up to which entry they were told.

import type { Conversation, Entry } from '../core/conversation.js';
import type { Signal, Watcher } from './engine.js';

interface Followed {
  readonly watchers: Set<Watcher>;
  /** seq of the last entry told; undefined until something happened. */
  told: number | undefined;
}

export class Followers {
  readonly #followed = new Map<string, Followed>();

  /** @returns how to stop following. */
  add(conversationId: string, watcher: Watcher): () => void {
    const followed = this.#followed.get(conversationId) ?? { watchers: new Set(), told: undefined };
    this.#followed.set(conversationId, followed);
    const { watchers } = followed;
    watchers.add(watcher);
    return () => {
      watchers.delete(watcher);
      if (watchers.size === 0 && this.#followed.get(conversationId) === followed) this.#followed.delete(conversationId);
    };
  }

  has(conversationId: string): boolean {
    return this.#followed.has(conversationId);
  }

  ids(): string[] {
    return [...this.#followed.keys()];
  }

  told(conversationId: string): number | undefined {
    return this.#followed.get(conversationId)?.told;
  }

  tell(state: Conversation, entries: readonly Entry[]): void {
    const followed = this.#followed.get(state.id);
    const last = entries.at(-1)?.seq;
    if (followed === undefined || last === undefined) return;
    followed.told = Math.max(followed.told ?? 0, last);
    for (const watcher of [...followed.watchers]) watcher.entries(entries, state);
  }

  show(signal: Signal): void {
    for (const watcher of this.#followed.get(signal.conversationId)?.watchers ?? []) watcher.signal?.(signal);
  }
}
