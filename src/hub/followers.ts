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

  /**
   * Every entry once and in order. Where another node's entries come between, whoever follows must hear of those first.
   * @returns false when it is so, and nothing was told.
   */
  tell(state: Conversation, entries: readonly Entry[]): boolean {
    const followed = this.#followed.get(state.id);
    if (followed === undefined) return true;
    const { told = 0 } = followed;
    const news = told === 0 ? entries : entries.filter(({ seq }) => seq > told);
    const [first] = news;
    const last = news.at(-1);
    if (first === undefined || last === undefined) return true;
    if (told > 0 && first.seq > told + 1) return false;
    followed.told = last.seq;
    for (const watcher of [...followed.watchers]) watcher.entries(news, state);
    return true;
  }

  show(signal: Signal): void {
    for (const watcher of this.#followed.get(signal.conversationId)?.watchers ?? []) watcher.signal?.(signal);
  }
}
