// One embedded store as several nodes would share it, with their bus in between: for tests that must say which notice is lost.

import { EventEmitter } from 'node:events';
import type { Presence } from '../../src/core/directory.js';
import type {
  Append,
  Appended,
  Beat,
  Bus,
  Grant,
  HeldGrants,
  Look,
  NodeStatus,
  Notice,
  OutboxRow,
  PersonConnection,
  Settlement,
  SharedRecord,
  Store,
  ToldStatus,
  Whereabouts,
} from '../../src/hub/ports.js';

/** What the database would keep besides the record itself. */
export class SharedPlace {
  /** Notices that are lost. */
  loses: (notice: Notice) => boolean = () => false;
  readonly seenAt = new Map<string, number>();
  readonly statuses = new Map<string, NodeStatus>();
  keeper: string | undefined;
  /** Who delivers a row of the outbox. */
  readonly owners = new Map<string, { row: Pick<OutboxRow, 'id' | 'conversationId' | 'party'>; node: string }>();
  connections: PersonConnection[] = [];
  /** Which node holds a grant, and which wants it, by kind and id. */
  readonly holders = new Map<string, { node: string; wantedBy?: string }>();
  readonly line = new EventEmitter().setMaxListeners(0);

  constructor(readonly store: Store) {}

  /** The store as this node has it. It goes on living when the node dies. */
  as(node: string): Store {
    const shared = new Shared(this, node);
    return new Proxy(this.store, {
      get: (store, name) => {
        if (name === 'shared') return shared;
        if (name === 'open' || name === 'close') return () => Promise.resolve();
        if (name in shared.overrides) return shared.overrides[name as keyof typeof shared.overrides];
        const value = Reflect.get(store, name) as unknown;
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(store) : value;
      },
    });
  }
}

class Shared implements SharedRecord {
  readonly bus: Bus;
  readonly whereabouts: Whereabouts;
  readonly heldGrants: HeldGrants;
  #isKnown = false;
  readonly overrides: Pick<Store, 'append' | 'settle' | 'outbox'>;

  constructor(
    private readonly place: SharedPlace,
    readonly node: string,
  ) {
    const { line } = place;
    this.bus = {
      publish: (notice) => {
        if (!place.loses(notice)) setImmediate(() => line.emit('notice', notice, node));
      },
      subscribe: (listener) => {
        const hear = (notice: Notice, from: string) => {
          if (from !== node) listener(structuredClone(notice));
        };
        line.on('notice', hear);
        return () => void line.off('notice', hear);
      },
    };
    this.whereabouts = this.#whereabouts();
    this.heldGrants = this.#heldGrants();
    this.overrides = {
      append: (append) => this.#append(append),
      settle: (settlements) => this.#settle(settlements),
      outbox: async (limit, after) => this.#own(await place.store.outbox(limit, after)),
    };
  }

  beat(silentMs: number, status: NodeStatus = { host: '', bots: {} }): Promise<Beat> {
    const { place, node } = this;
    place.statuses.set(node, structuredClone(status));
    const now = performance.now();
    const forgotten = this.#isKnown && !place.seenAt.has(node);
    this.#isKnown = true;
    place.seenAt.set(node, now);
    for (const [other, at] of place.seenAt) if (now - at > silentMs) place.seenAt.delete(other);
    if (place.keeper === undefined || !place.seenAt.has(place.keeper)) place.keeper = node;
    const keeper = place.keeper === node;
    let inherited = false;
    if (keeper) {
      for (const owner of place.owners.values()) {
        if (place.seenAt.has(owner.node)) continue;
        owner.node = node;
        inherited = true;
      }
      place.connections = place.connections.map((one) => {
        if (place.seenAt.has(one.node)) return one;
        inherited = true;
        return { ...one, node, lostAt: one.lostAt ?? Date.now() };
      });
    }
    return Promise.resolve({ keeper, inherited, forgotten });
  }

  statuses(): Promise<ToldStatus[]> {
    const living = [...this.place.statuses].filter(([node]) => this.place.seenAt.has(node));
    return Promise.resolve(living.map(([node, status]) => ({ node, ...structuredClone(status) })));
  }

  leave(): Promise<void> {
    this.#isKnown = false;
    this.place.seenAt.delete(this.node);
    if (this.place.keeper === this.node) this.place.keeper = undefined;
    return Promise.resolve();
  }

  async look(ids: readonly string[]): Promise<Look> {
    const { store } = this.place;
    const versions = new Map<string, number>();
    for (const id of ids) {
      const state = await store.conversation(id);
      if (state !== undefined) versions.set(id, state.version);
    }
    const waiting = await store.waiting();
    return {
      versions,
      configuration: (await store.configuration())?.version ?? 0,
      waiting: { count: waiting.length, versions: waiting.reduce((sum, { version }) => sum + version, 0) },
    };
  }

  async owed(conversationId: string): Promise<OutboxRow[]> {
    return this.#own(await this.place.store.outbox(10_000)).filter((row) => row.conversationId === conversationId);
  }

  async #append(append: Append): Promise<Appended> {
    const { owners, store } = this.place;
    const rows = append.outbox.map(({ seq, ordinal, party }) => {
      const { conversationId } = append;
      return { id: `${conversationId}/${seq}/${ordinal}`, conversationId, party };
    });
    // One step with the commit in a database; here nothing else runs between the answer and this.
    const appended = await store.append(append);
    if (appended.outcome !== 'done') return appended;
    const elsewhere: string[] = [];
    const behind: string[] = [];
    for (const row of rows) {
      const before = [...owners.values()].findLast(
        (owner) => owner.row.conversationId === row.conversationId && owner.row.party === row.party,
      );
      if (before?.node === this.node && !rows.includes(before.row)) behind.push(before.row.id);
      const earlier = [...owners.values()].find(
        (owner) => owner.row.conversationId === row.conversationId && owner.row.party === row.party,
      );
      const node = earlier?.node ?? this.node;
      owners.set(row.id, { row, node });
      if (node !== this.node) elsewhere.push(row.id);
    }
    return { ...appended, elsewhere, behind };
  }

  async #settle(settlements: readonly Settlement[]): Promise<void> {
    await this.place.store.settle(settlements);
    for (const { id, outcome } of settlements) if (outcome !== 'retry') this.place.owners.delete(id);
  }

  #own(rows: readonly OutboxRow[]): OutboxRow[] {
    return rows.filter(({ id }) => this.place.owners.get(id)?.node === this.node);
  }

  #heldGrants(): HeldGrants {
    const { place, node, bus } = this;
    const key = (kind: string, id: string) => `${kind} ${id}`;
    const lives = (holder: string | undefined) => holder !== undefined && place.seenAt.has(holder);
    const isMine = (kind: string, id: string) => place.holders.get(key(kind, id))?.node === node;
    return {
      look: async (kind) => {
        const grants = await place.store.grants(kind, 0);
        return grants.flatMap(({ id }) => {
          const holder = place.holders.get(key(kind, id));
          if (!lives(holder?.node) && lives(node)) place.holders.set(key(kind, id), { node });
          return isMine(kind, id) ? [{ id, wanted: holder?.node === node && holder.wantedBy !== undefined }] : [];
        });
      },
      hold: (kind, id) => {
        const holder = place.holders.get(key(kind, id));
        if (holder === undefined || !lives(holder.node)) place.holders.set(key(kind, id), { node });
        else if (holder.node !== node) {
          holder.wantedBy = node;
          bus.publish({ is: 'wanted', kind, id });
        }
        return Promise.resolve(isMine(kind, id));
      },
      release: (kind, id) => {
        const wantedBy = place.holders.get(key(kind, id))?.wantedBy;
        if (isMine(kind, id)) place.holders.set(key(kind, id), { node: wantedBy ?? '' });
        return Promise.resolve();
      },
      put: async (grant: Grant) => {
        if (!isMine(grant.kind, grant.id)) return false;
        await place.store.putGrant(grant);
        return true;
      },
      remove: async (kind, id) => {
        if (!isMine(kind, id)) return;
        await place.store.removeGrant(kind, id);
        place.holders.delete(key(kind, id));
      },
    };
  }

  #whereabouts(): Whereabouts {
    const { place, node } = this;
    const isOwn = (one: PersonConnection, agent: string) => one.agent === agent && one.node === node;
    return {
      connect: (agent) => {
        place.connections = [...place.connections.filter((one) => !isOwn(one, agent)), { agent, node }];
        return Promise.resolve();
      },
      disconnect: (agent) => {
        place.connections = place.connections.filter((one) => !isOwn(one, agent));
        const isLast = !place.connections.some((one) => one.agent === agent && one.lostAt === undefined);
        if (isLast) place.connections.push({ agent, node, lostAt: Date.now() });
        return Promise.resolve(isLast);
      },
      miss: (agent, presence) => {
        const lost = place.connections.find((one) => isOwn(one, agent) && one.lostAt !== undefined);
        if (lost !== undefined) lost.missed = presence;
        return Promise.resolve(lost !== undefined);
      },
      recall: (agent) => {
        const lost = place.connections.filter((one) => one.agent === agent && one.lostAt !== undefined);
        place.connections = place.connections.filter((one) => !lost.includes(one));
        const missed: Presence | undefined = lost.find((one) => one.missed !== undefined)?.missed;
        return Promise.resolve(missed);
      },
      connections: () => Promise.resolve(structuredClone(place.connections)),
    };
  }
}
