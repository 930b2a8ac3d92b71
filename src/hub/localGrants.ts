// Grants that one node at a time works with, while this process is the only one: all of them are here.

import type { Clock, Grant, HeldGrants, Store } from './ports.js';

export class LocalGrants implements HeldGrants {
  constructor(private readonly hub: { readonly store: Store; readonly clock: Clock }) {}

  async look(kind: string): Promise<{ id: string; wanted: boolean }[]> {
    const grants = await this.hub.store.grants(kind, this.hub.clock.now());
    return grants.map(({ id }) => ({ id, wanted: false }));
  }

  hold(): Promise<boolean> {
    return Promise.resolve(true);
  }

  release(): Promise<void> {
    return Promise.resolve();
  }

  async put(grant: Grant): Promise<boolean> {
    await this.hub.store.putGrant(grant);
    return true;
  }

  remove(kind: string, id: string): Promise<void> {
    return this.hub.store.removeGrant(kind, id);
  }
}
