// Brings waiting conversations and people with room together, at once whenever either appears.

import { match } from '../core/assignment.js';
import { Rejected } from '../core/rejected.js';
import type { Engine } from './engine.js';
import type { Lines } from './lines.js';
import type { People } from './people.js';

/**
 * When 1,000 people come online before 50,000 customers, giving out all they can take at once
 * would hold up everybody for 0.3 s. Each offer that is committed asks for the next pass.
 */
const GIVEN_AT_ONCE = 250;

export class Assigner {
  #wanted = false;
  #stopped = false;
  #running: Promise<void> | undefined;

  constructor(
    private readonly hub: Engine,
    private readonly lines: Lines,
    private readonly people: People,
  ) {}

  /** Somebody waits or somebody has room: one pass at a time, and another one when this came during a pass. */
  nudge(): void {
    this.#stopped = false;
    this.#wanted = true;
    this.#running ??= this.#run();
  }

  get isIdle(): boolean {
    return this.#running === undefined;
  }

  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.settled();
  }

  async #run(): Promise<void> {
    // One turn of the event loop gathers what belongs together.
    await Promise.resolve();
    try {
      while (this.#wanted && !this.#stopped) {
        this.#wanted = false;
        await this.#pass();
      }
    } catch (error) {
      this.hub.log.error({ err: error }, 'assigning failed; it is tried again with the next change');
    } finally {
      this.#running = undefined;
    }
  }

  async #pass(): Promise<void> {
    const { hub } = this;
    const matches = match(
      this.lines.unoffered(),
      (queue) => this.people.candidates(queue),
      (queue) => hub.directory.queues[queue]?.method ?? 'highestCapacity',
      hub.clock.now(),
      GIVEN_AT_ONCE,
    );
    await Promise.all(
      matches.map(async ({ item, receipt }) => {
        if (receipt.chosen === undefined) return;
        try {
          await hub.handle(item.conversationId, { type: 'offer', agents: [receipt.chosen], receipt });
        } catch (error) {
          // The customer left or somebody picked it between the look and the commit: the line has changed and is looked at anew.
          if (!(error instanceof Rejected)) throw error;
        }
      }),
    );
  }
}
