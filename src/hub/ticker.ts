// Fires deadlines: sleeps until the next one, asks the store what is due, and sends each conversation its tick.

import type { Engine } from './engine.js';
import type { People } from './people.js';

const BATCH = 500;
/** Between two looks at the store at most: presences end without a deadline of a conversation. */
const LONGEST_SLEEP_MS = 60_000;
/** Deadlines that other nodes' commits set are found by looking. */
const LONGEST_SHARED_SLEEP_MS = 1_000;
/** Between two looks at the clock: one that is set ahead lets deadlines pass that nobody slept until. Asks nobody. */
const LOOK_MS = 1_000;

export class Ticker {
  #timer: NodeJS.Timeout | undefined;
  #nextAt = Infinity;
  #firing: Promise<void> | undefined;
  #started = false;

  constructor(
    private readonly hub: Engine,
    private readonly people: People,
  ) {}

  async start(): Promise<void> {
    this.#started = true;
    await this.fire();
  }

  stop(): void {
    this.#started = false;
    clearTimeout(this.#timer);
  }

  /** A commit set a deadline: wake up earlier if it comes before the one slept for. */
  expect(dueAt: number | undefined): void {
    if (dueAt !== undefined && dueAt < this.#nextAt) this.#sleepUntil(dueAt);
  }

  async fire(): Promise<void> {
    while (this.#firing !== undefined) await this.#firing;
    this.#firing = this.#fire().finally(() => (this.#firing = undefined));
    await this.#firing;
  }

  async #fire(): Promise<void> {
    const { hub } = this;
    const stuck = new Set<string>();
    for (;;) {
      const now = hub.clock.now();
      const due = (await hub.store.due(now, BATCH + stuck.size)).filter((id) => !stuck.has(id));
      if (due.length === 0) break;
      await Promise.all(
        due.map(async (id) => {
          try {
            const { repeated } = await hub.handle(id, { type: 'tick' });
            if (repeated) stuck.add(id);
          } catch (error) {
            // Left for the next wake-up; the overdue list shows it meanwhile.
            stuck.add(id);
            hub.log.error({ err: error, conversation: id }, 'a deadline could not be carried out');
          }
        }),
      );
    }
    this.people.expire(hub.clock.now());
    this.#nextAt = Infinity;
    this.#sleepUntil((await hub.store.nextDueAt()) ?? Infinity);
  }

  #sleepUntil(at: number): void {
    if (!this.#started) return;
    const now = this.hub.clock.now();
    const longestMs = this.hub.store.shared === undefined ? LONGEST_SLEEP_MS : LONGEST_SHARED_SLEEP_MS;
    this.#nextAt = Math.min(at, now + longestMs);
    this.#look(now);
  }

  /** Fires when it is time, and when the clock was set back: how long to sleep is counted anew then. */
  #look(before: number): void {
    clearTimeout(this.#timer);
    const ms = Math.min(LOOK_MS, Math.max(1, this.#nextAt - before));
    this.#timer = setTimeout(() => {
      const now = this.hub.clock.now();
      if (now < this.#nextAt && now >= before) return this.#look(now);
      this.fire().catch((error: unknown) => {
        this.hub.log.error({ err: error }, 'the store did not say what is due; trying again');
        this.#sleepUntil(this.hub.clock.now() + 1_000);
      });
    }, ms);
    this.#timer.unref();
  }
}
