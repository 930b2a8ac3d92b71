// Where people are connected while this process is the only one: as long as it lives.

import type { Presence } from '../core/directory.js';
import type { PersonConnection, Whereabouts } from './ports.js';

export class LocalWhereabouts implements Whereabouts {
  /** People who did not come back in time, and the presence to come back to. */
  readonly #missed = new Map<string, Presence>();

  connect(): Promise<void> {
    return Promise.resolve();
  }

  disconnect(): Promise<boolean> {
    return Promise.resolve(true);
  }

  miss(agent: string, presence: Presence): Promise<boolean> {
    this.#missed.set(agent, presence);
    return Promise.resolve(true);
  }

  recall(agent: string): Promise<Presence | undefined> {
    const presence = this.#missed.get(agent);
    this.#missed.delete(agent);
    return Promise.resolve(presence);
  }

  connections(): Promise<PersonConnection[]> {
    return Promise.resolve([]);
  }
}
