// Conversations with a bot or a person whom the configuration does not name any more: found page by page, and handed to others.

import { holderOf, type Conversation } from '../core/conversation.js';
import type { Directory } from '../core/directory.js';
import type { Engine } from './engine.js';

/** Conversations read, and decided, at once. */
const PAGE = 200;

export class Strays {
  #looking = Promise.resolve();
  /** Counts searches: a newer one ends those before it. */
  #search = 0;

  constructor(private readonly hub: Engine) {}

  /**
   * Looks in the background: a hundred thousand conversations take three seconds, in slices of 17 ms at most. Who is missed (begun with the bot
   * while it was being removed) is handed over with the customer's next message.
   */
  look(): void {
    const search = (this.#search += 1);
    this.#looking = this.#looking
      .then(() => this.#look(search))
      .catch((error: unknown) => {
        this.hub.log.error({ err: error }, 'conversations of bots and people that are gone could not be looked for');
      });
  }

  settled(): Promise<void> {
    return this.#looking;
  }

  /** Resolves when nothing is read or decided any more. */
  stop(): Promise<void> {
    this.#search += 1;
    return this.#looking;
  }

  async #look(search: number): Promise<void> {
    const { hub } = this;
    let cursor: string | undefined;
    do {
      if (search !== this.#search) return;
      const { items, next } = await hub.store.list({ phases: ['bot', 'offered', 'agent', 'wrapUp'] }, PAGE, cursor);
      const strays = items.filter((state) => isStray(state, hub.directory));
      await Promise.all(strays.map(({ id }) => this.#handOver(id)));
      cursor = next;
    } while (cursor !== undefined);
  }

  async #handOver(conversationId: string): Promise<void> {
    try {
      await this.hub.handle(conversationId, { type: 'reroute' });
    } catch (error) {
      this.hub.log.error(
        { err: error, conversation: conversationId },
        'a conversation could not be taken from a bot or person that is gone',
      );
    }
  }
}

function isStray(state: Conversation, { bots, people }: Directory): boolean {
  if (state.phase === 'offered') return state.offers.some(({ agent }) => people[agent] === undefined);
  const holder = holderOf(state);
  return holder !== undefined && (holder.role === 'bot' ? bots : people)[holder.id] === undefined;
}

/** Whether the second names a bot or a person of the first no more. */
export function takesOut(before: Directory, after: Directory): boolean {
  return (['bots', 'people'] as const).some((all) =>
    Object.keys(before[all]).some((id) => after[all][id] === undefined),
  );
}
