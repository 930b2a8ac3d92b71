// What a store does, without one: the same outcomes in memory, so plain that it can be seen to be right.

import type { Conversation, Entry } from '../../src/core/conversation.js';
import type { Append, Appended, OutboxRow, Settlement } from '../../src/hub/ports.js';

interface Kept {
  state: Conversation;
  entries: Entry[];
}

export class StoreModel {
  readonly conversations = new Map<string, Kept>();
  readonly outbox = new Map<string, OutboxRow>();
  readonly agents = new Map<string, { capacity: number; load: number; lastAssignedAt: number }>();

  /** Another store that holds the same: what happens to one does not happen to the other. */
  copy(): this {
    const other = new (this.constructor as new () => this)();
    for (const [id, kept] of this.conversations) other.conversations.set(id, kept);
    for (const [id, row] of this.outbox) other.outbox.set(id, { ...row });
    for (const [id, row] of this.agents) other.agents.set(id, { ...row });
    return other;
  }

  append(request: Append): Appended {
    const { conversationId, events, state } = request;
    const kept = this.conversations.get(conversationId);
    for (const { key } of events) {
      const entry = kept?.entries.find(({ event }) => key !== undefined && event.key === key);
      if (key !== undefined && entry !== undefined) return { outcome: 'duplicate', key, entry };
    }
    if ((kept?.state.version ?? 0) !== request.expectedVersion) return { outcome: 'conflict', current: kept?.state };
    const open = kept === undefined && state.channel.key !== undefined ? this.findOpen(state.channel.key) : undefined;
    if (open !== undefined) return { outcome: 'channelTaken', conversationId: open };
    const loads = new Map([...this.agents].map(([id, { load }]) => [id, load]));
    for (const { agent, delta, force } of request.claims.toSorted((a, b) => a.delta - b.delta)) {
      const row = this.agents.get(agent);
      const load = (loads.get(agent) ?? 0) + delta;
      if (delta > 0 && (row === undefined || (load > row.capacity && force !== true))) {
        return { outcome: 'noCapacity', agent };
      }
      if (row !== undefined) loads.set(agent, load);
    }
    for (const [id, row] of this.agents) row.load = loads.get(id) ?? 0;
    for (const { agent, delta, at } of request.claims) {
      const row = this.agents.get(agent);
      if (row !== undefined && delta > 0) row.lastAssignedAt = at;
    }
    const entries = events.map((event, index): Entry => ({
      conversationId,
      seq: request.expectedVersion + 1 + index,
      event,
    }));
    this.conversations.set(conversationId, { state, entries: [...(kept?.entries ?? []), ...entries] });
    for (const { seq, ordinal, party, epoch, effect } of request.outbox) {
      const id = `${conversationId}/${seq}/${ordinal}`;
      const dueAt = events[seq - request.expectedVersion - 1]?.at ?? 0;
      this.outbox.set(id, { id, conversationId, seq, ordinal, party, epoch, effect, attempts: 0, dueAt });
    }
    this.settle(request.settle ?? []);
    return { outcome: 'done', entries };
  }

  settle(settlements: readonly Settlement[]): void {
    for (const settlement of settlements) {
      const row = this.outbox.get(settlement.id);
      if (settlement.outcome !== 'retry') this.outbox.delete(settlement.id);
      else if (row !== undefined) Object.assign(row, { attempts: settlement.attempts, dueAt: settlement.dueAt });
    }
  }

  findOpen(channelKey: string): string | undefined {
    for (const [id, { state }] of this.conversations) {
      if (state.channel.key === channelKey && state.phase !== 'closed') return id;
    }
    return undefined;
  }

  saveAgents(agents: readonly { id: string; capacity: number }[]): void {
    for (const row of this.agents.values()) row.capacity = 0;
    for (const { id, capacity } of agents) {
      const row = this.agents.get(id);
      if (row === undefined) this.agents.set(id, { capacity, load: 0, lastAssignedAt: 0 });
      else row.capacity = capacity;
    }
  }

  list(wanted: (state: Conversation) => boolean): Conversation[] {
    return [...this.conversations.values()]
      .map(({ state }) => state)
      .filter(wanted)
      .sort((a, b) => b.startedAt - a.startedAt || (a.id < b.id ? 1 : -1));
  }

  due(at: number): string[] {
    return [...this.conversations.values()]
      .flatMap(({ state }) =>
        state.dueAt !== undefined && state.dueAt <= at ? [{ id: state.id, dueAt: state.dueAt }] : [],
      )
      .sort((a, b) => a.dueAt - b.dueAt || (a.id < b.id ? -1 : 1))
      .map(({ id }) => id);
  }
}
