// What of the outbox is settled, so that nothing goes out twice while this process lives, whatever the store can write.

import { clearTimeout, setTimeout } from 'node:timers';
import type { Log, OutboxRow, Settlement, Store } from './ports.js';

/** Settlements wait this long for an append to go with: a flush of their own costs as much as a message's. */
const GATHER_MS = 5;

export class Settling {
  /** Per reading of the record that is under way, what was settled meanwhile. */
  readonly #readings = new Set<Set<string>>();
  /** Settlements that the store could not take. */
  readonly #unwritten = new Map<string, Settlement>();
  /** By row, the last settlement that is gathered or being written: a reading may or may not have it. */
  readonly #pending = new Map<string, Settlement>();
  #gathered: Settlement[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Resolves when everything given to the store is answered. */
  #written: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: Store,
    private readonly log: Log,
  ) {}

  /**
   * Nobody need wait until it is written: losing a settlement repeats a delivery after a crash and loses nothing, so a
   * store that cannot write now is no reason to stop either.
   */
  settle(settlement: Settlement): void {
    for (const settled of this.#readings) settled.add(settlement.id);
    this.#pending.set(settlement.id, settlement);
    this.#gathered.push(settlement);
    this.#timer ??= setTimeout(() => this.write(), GATHER_MS);
  }

  /** Writes what is gathered: called with every append, which takes it along. */
  write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#gathered.length === 0) return;
    const earlier = this.#written;
    this.#written = this.#write(this.#gathered.splice(0)).then(() => earlier);
  }

  get isIdle(): boolean {
    return this.#pending.size === 0;
  }

  /** Resolves when everything settled so far is written, or cannot be. */
  async settled(): Promise<void> {
    this.write();
    await this.#written;
  }

  /** Never rejects. */
  async #write(gathered: readonly Settlement[]): Promise<void> {
    let isWritten = false;
    try {
      await this.store.settle(gathered);
      isWritten = true;
    } catch (error) {
      for (const settlement of gathered) {
        if (settlement.outcome !== 'retry') this.#unwritten.set(settlement.id, settlement);
        this.log.warn({ err: error, row: settlement.id }, 'a delivery could not be marked as settled');
      }
    }
    for (const settlement of gathered)
      if (this.#pending.get(settlement.id) === settlement) this.#pending.delete(settlement.id);
    if (!isWritten || this.#unwritten.size === 0) return;
    await this.tryCatchUp();
  }

  /** Writes what could not be written before, if it can be by now. Never rejects. */
  async tryCatchUp(): Promise<void> {
    await this.catchUp().catch((error: unknown) => {
      this.log.debug({ err: error }, 'what could not be marked as settled before cannot be yet');
    });
  }

  /** Writes what could not be written before. @throws StoreUnavailable when it still cannot. */
  async catchUp(): Promise<void> {
    const late = [...this.#unwritten.values()];
    if (late.length === 0) return;
    await this.store.settle(late);
    for (const { id } of late) {
      this.#unwritten.delete(id);
      // A reading that began before this may have the row still.
      for (const settled of this.#readings) settled.add(id);
    }
  }

  /** Rows as the record has them, less what is settled meanwhile or was and could not be written. */
  async stillOwed(read: () => Promise<OutboxRow[]>): Promise<OutboxRow[]> {
    const settled = new Set(this.#pending.keys());
    this.#readings.add(settled);
    try {
      return (await read()).filter(({ id }) => !settled.has(id) && !this.#unwritten.has(id));
    } finally {
      this.#readings.delete(settled);
    }
  }
}
