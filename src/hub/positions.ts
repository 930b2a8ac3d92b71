// Tells waiting customers when their place in line changes: at once for the first three, the others at most once a minute.

import { SYSTEM } from '../core/conversation.js';
import type { Engine } from './engine.js';
import type { Lines } from './lines.js';

const TOLD_AT_ONCE = 3;
const OTHERS_EVERY_MS = 60_000;

export class Positions {
  readonly #told = new Map<string, number>();
  readonly #changed = new Set<string>();
  #soon: NodeJS.Immediate | undefined;
  #later: NodeJS.Timeout | undefined;

  constructor(
    private readonly hub: Engine,
    private readonly lines: Lines,
  ) {}

  changed(queues: readonly string[]): void {
    if (queues.length === 0) return;
    for (const queue of queues) this.#changed.add(queue);
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      for (const queue of this.#changed) this.#tell(queue, TOLD_AT_ONCE);
    });
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      for (const queue of this.#changed) this.#tell(queue, Infinity);
      this.#changed.clear();
      for (const id of this.#told.keys()) if (this.lines.position(id) === undefined) this.#told.delete(id);
    }, OTHERS_EVERY_MS).unref();
  }

  stop(): void {
    clearImmediate(this.#soon);
    clearTimeout(this.#later);
  }

  /** A signal, not an entry: who is not looking reads the place by GET. */
  #tell(queue: string, upTo: number): void {
    for (const [index, { conversationId }] of this.lines.line(queue).entries()) {
      const position = index + 1;
      if (position > upTo) return;
      if (!this.hub.isWatched(conversationId) || this.#told.get(conversationId) === position) continue;
      this.#told.set(conversationId, position);
      const activity = {
        type: 'event',
        name: 'handoff.position',
        value: { position },
        from: { id: SYSTEM.id, role: 'bot' },
        channelData: { handoff: { kind: 'position', position, queue } },
      };
      void this.hub.signal(conversationId, SYSTEM, activity);
    }
  }
}
