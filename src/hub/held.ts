// Work that waits until a bot can be reached again: per bot, what a customer waits for goes first, the oldest first.

export class Held<T> {
  readonly #bots = new Map<string, { awaited: Set<T>; other: Set<T> }>();

  add(botId: string, item: T, awaited: boolean): void {
    const held = this.#bots.get(botId) ?? { awaited: new Set(), other: new Set() };
    this.#bots.set(botId, held);
    held[awaited ? 'awaited' : 'other'].add(item);
  }

  delete(botId: string, item: T): void {
    const held = this.#bots.get(botId);
    if (held === undefined) return;
    held.awaited.delete(item);
    held.other.delete(item);
    if (held.awaited.size + held.other.size === 0) this.#bots.delete(botId);
  }

  /** The next `count`; they stay until they are deleted. */
  next(botId: string, count: number): T[] {
    const items: T[] = [];
    for (const item of this.#inOrder(botId)) {
      if (items.length >= count) break;
      items.push(item);
    }
    return items;
  }

  awaited(botId: string): T[] {
    return [...(this.#bots.get(botId)?.awaited ?? [])];
  }

  has(botId: string): boolean {
    return this.#bots.has(botId);
  }

  clear(): void {
    this.#bots.clear();
  }

  *#inOrder(botId: string): Generator<T> {
    const held = this.#bots.get(botId);
    if (held === undefined) return;
    yield* held.awaited;
    yield* held.other;
  }
}
