// What of the outbox is settled, so that nothing goes out twice while this process lives, whatever the store can write.

import type { Log, OutboxRow, Settlement, Store } from './ports.js';

export class Settling {
  /** Per reading of the record that is under way, what was settled meanwhile. */
  readonly #readings = new Set<Set<string>>();
  /** Settlements that the store could not take. */
  readonly #unwritten = new Map<string, Settlement>();

  constructor(
    private readonly store: Store,
    private readonly log: Log,
  ) {}

  /** Losing a settlement repeats a delivery after a crash and loses nothing: a store that cannot write now is no reason to stop. */
  async settle(settlement: Settlement): Promise<void> {
    for (const settled of this.#readings) settled.add(settlement.id);
    try {
      await this.store.settle([settlement]);
    } catch (error) {
      if (settlement.outcome !== 'retry') this.#unwritten.set(settlement.id, settlement);
      this.log.warn({ err: error, row: settlement.id }, 'a delivery could not be marked as settled');
    }
  }

  /** Writes what could not be written before. @throws StoreUnavailable when it still cannot. */
  async catchUp(): Promise<void> {
    const late = [...this.#unwritten.values()];
    if (late.length === 0) return;
    await this.store.settle(late);
    for (const { id } of late) this.#unwritten.delete(id);
  }

  /** Rows as the record has them, less what is settled meanwhile or was and could not be written. */
  async stillOwed(read: () => Promise<OutboxRow[]>): Promise<OutboxRow[]> {
    const settled = new Set<string>();
    this.#readings.add(settled);
    try {
      return (await read()).filter(({ id }) => !settled.has(id) && !this.#unwritten.has(id));
    } finally {
      this.#readings.delete(settled);
    }
  }
}
