// Where people are connected while this process is the only one. It is kept: who was connected before a restart is waited for after it.

import type { Presence } from '../core/directory.js';
import type { Clock, PersonConnection, Store, Whereabouts } from './ports.js';

const KIND = 'connection';

/** A connection that is there, was lost at this time, or was missed, with the presence to come back to. */
interface Kept {
  readonly lostAt?: number;
  readonly missed?: Presence;
}

export class LocalWhereabouts implements Whereabouts {
  constructor(private readonly hub: { readonly store: Store; readonly clock: Clock }) {}

  connect(agent: string): Promise<void> {
    return this.#keep(agent, {});
  }

  async disconnect(agent: string): Promise<boolean> {
    await this.#keep(agent, { lostAt: this.hub.clock.now() });
    return true;
  }

  async miss(agent: string, presence: Presence): Promise<boolean> {
    await this.#keep(agent, { lostAt: this.hub.clock.now(), missed: presence });
    return true;
  }

  async recall(agent: string): Promise<Presence | undefined> {
    const { store, clock } = this.hub;
    const kept = (await store.getGrant(KIND, agent, clock.now()))?.value as Kept | undefined;
    if (kept?.lostAt !== undefined) await store.removeGrant(KIND, agent);
    return kept?.missed;
  }

  async connections(): Promise<PersonConnection[]> {
    const { store, clock } = this.hub;
    const grants = await store.grants(KIND, clock.now());
    return grants.map(({ id, value }) => ({ agent: id, node: '', ...(value as Kept) }));
  }

  #keep(agent: string, value: Kept): Promise<void> {
    return this.hub.store.putGrant({ kind: KIND, id: agent, value: { ...value }, expiresAt: Number.MAX_SAFE_INTEGER });
  }
}
