// The people who serve, as they are now: presence, room for work, and whether anybody is at the other end of the line.

import { isDeepStrictEqual } from 'node:util';
import type { Candidate } from '../core/assignment.js';
import type { Conversation, Entry } from '../core/conversation.js';
import { DEFAULT_WORK_STREAM, hasSkills, type Presence } from '../core/directory.js';
import { Rejected } from '../core/rejected.js';
import type { Engine } from './engine.js';
import type { AgentRow, Claim, PersonConnection, Whereabouts } from './ports.js';
import { Turns } from './turns.js';
import { LocalWhereabouts } from './whereabouts.js';

/** A presence set without a socket to prove it falls back to offline after this time. */
const PRESENCE_LASTS_MS = 8 * 60 * 60_000;
/** Who was heard of by a way without sockets this recently, at whichever node, is not gone because a socket closed. */
const ATTENDED_MS = 15 * 60_000;
/** Signs of life that come sooner after the last one on record are not written: each counts for so much longer instead. */
const ATTENDED_AGAIN_MS = 60_000;
const ATTENDED = 'attended';
/** After a start, people whose server is gone have this long to come back by themselves before they are waited for. */
const RETURN_MS = 5_000;

export class People {
  readonly #rows = new Map<string, AgentRow>();
  /** Rows of each queue's people, until one changes: who comes into line asks for them, and a queue may have 1,000 people. */
  readonly #candidates = new Map<string, readonly AgentRow[]>();
  /** Open sockets per person. */
  readonly #sockets = new Map<string, number>();
  readonly #leaving = new Map<string, NodeJS.Timeout>();
  #returning: NodeJS.Timeout | undefined;
  /** People whose connection was lost for too long: offline, until they are heard of. */
  #missed = new Set<string>();
  /** People with a socket at another node. */
  #elsewhere = new Set<string>();
  readonly #whereabouts: Whereabouts;
  /** Per reading of the rows that is under way, the people whose row changed here meanwhile: what was read of them is old. */
  readonly #readings = new Set<Set<string>>();
  /** What is told of one person's connections goes one after another. */
  readonly #telling = new Turns();
  /** When a sign of life by a way without sockets was last written here, per person. */
  readonly #attendedAt = new Map<string, number>();
  /** Per person, commits on their way that change their load: what is read meanwhile may have it already. */
  readonly #claiming = new Map<string, number>();
  #recountAfterClaims = false;
  readonly #running = new Set<Promise<unknown>>();

  constructor(private readonly hub: Engine) {
    this.#whereabouts = hub.store.shared?.whereabouts ?? new LocalWhereabouts(hub);
  }

  async start(): Promise<void> {
    await this.useDirectory();
    if (this.hub.store.shared === undefined) await this.inherit();
  }

  stop(): void {
    clearTimeout(this.#returning);
    for (const timer of this.#leaving.values()) clearTimeout(timer);
    this.#leaving.clear();
  }

  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /** Takes over capacities from the directory; presence and load stay. */
  async useDirectory(): Promise<void> {
    const { people } = this.hub.directory;
    this.#candidates.clear();
    await this.hub.store.saveAgents(Object.values(people).map(({ id, capacity }) => ({ id, capacity })));
    await this.recount();
  }

  /** Takes over what other nodes did to presences, loads and connections. */
  async recount(): Promise<void> {
    const changed = new Set<string>();
    this.#readings.add(changed);
    const [rows, connections] = await Promise.all([this.hub.store.agents(), this.#whereabouts.connections()]).finally(
      () => this.#readings.delete(changed),
    );
    const { people } = this.hub.directory;
    this.#candidates.clear();
    for (const id of this.#rows.keys()) if (people[id] === undefined) this.#rows.delete(id);
    let isNews = false;
    for (const row of rows) {
      if (people[row.id] === undefined || changed.has(row.id)) continue;
      if (this.#claiming.has(row.id) && this.#rows.has(row.id)) {
        this.#recountAfterClaims = true;
        continue;
      }
      const known = this.#rows.get(row.id);
      this.#rows.set(row.id, row);
      if (known === undefined || isDeepStrictEqual(known, row)) continue;
      isNews = true;
      this.hub.notify('person', row.id);
    }
    this.#recountConnections(connections);
    if (isNews) this.hub.nudge();
  }

  /** People whose node is dead, or was this one before a start, are waited for here, as if they had lost this one. */
  async inherit(): Promise<void> {
    const node = this.hub.store.shared?.node;
    const connections = await this.#whereabouts.connections();
    this.#recountConnections(connections);
    const lost = connections.filter(({ node: at, lostAt, missed }) => {
      return missed === undefined && (node === undefined || (at === node && lostAt !== undefined));
    });
    if (lost.length === 0) return;
    const leave = () => this.#run(Promise.all(lost.map(({ agent }) => this.#lost(agent))));
    if (this.hub.running) return leave();
    clearTimeout(this.#returning);
    this.#returning = setTimeout(leave, RETURN_MS).unref();
  }

  async #lost(agent: string): Promise<void> {
    if (this.isConnected(agent) || (await this.#isAttended(agent))) return;
    if (!this.isConnected(agent)) this.#leave(agent);
  }

  /** This node was taken for dead: who is connected here says so again. */
  announce(): void {
    for (const agent of this.#sockets.keys()) this.#isBack(agent, true);
  }

  #recountConnections(connections: readonly PersonConnection[]): void {
    const node = this.hub.store.shared?.node;
    const open = connections.filter(
      ({ node: at, lostAt }) => node !== undefined && at !== node && lostAt === undefined,
    );
    this.#elsewhere = new Set(open.map(({ agent }) => agent));
    this.#missed = new Set(connections.flatMap(({ agent, missed }) => (missed === undefined ? [] : [agent])));
  }

  row(agent: string): AgentRow | undefined {
    return this.#rows.get(agent);
  }

  all(): AgentRow[] {
    return [...this.#rows.values()];
  }

  /** The people of a queue, for the assigner. */
  candidates(queue: string): readonly Candidate[] {
    const known = this.#candidates.get(queue);
    if (known !== undefined) return known;
    const { queues, people } = this.hub.directory;
    const candidates = (queues[queue]?.members ?? []).flatMap((id) => {
      const row = this.#rows.get(id);
      const skills = people[id]?.skills;
      return row === undefined ? [] : skills === undefined ? row : { ...row, skills };
    });
    this.#candidates.set(queue, candidates);
    return candidates;
  }

  /** How many people of the queue are there for conversations that need these skills, with room or without. */
  online(queue: string, workStream: string, skills?: readonly string[]): number {
    const allowed = (this.hub.directory.workStreams[workStream] ?? DEFAULT_WORK_STREAM).allowedPresences;
    // Busy people finish something and come back: to the customer they are there.
    return this.candidates(queue).filter(
      (person) =>
        person.capacity > 0 &&
        hasSkills(person, skills) &&
        (allowed.includes(person.presence) || person.presence === 'busy'),
    ).length;
  }

  async setPresence(agent: string, presence: Presence): Promise<AgentRow> {
    const row = this.#rows.get(agent);
    if (row === undefined) throw new Rejected('notFound', `There is no person "${agent}".`);
    if (this.#missed.delete(agent)) this.#run(this.#telling.run(agent, () => this.#whereabouts.recall(agent)));
    const at = this.hub.clock.now();
    const until = presence === 'offline' ? undefined : at + PRESENCE_LASTS_MS;
    const { presenceUntil: _until, ...rest } = row;
    const changed = { ...rest, presence, presenceAt: at, ...(until === undefined ? {} : { presenceUntil: until }) };
    // Here at once: an item that lapsed must not be offered to the same person again while the store is still writing.
    this.#put(changed);
    await this.hub.store.setPresence(agent, presence, at, until);
    this.hub.notify('person', agent);
    this.hub.nodes?.personChanged(agent);
    this.hub.nudge();
    return this.#rows.get(agent) ?? changed;
  }

  /** A person's live socket opened. What was set when the connection was lost is set again. */
  connected(agent: string): void {
    const before = this.#sockets.get(agent) ?? 0;
    this.#sockets.set(agent, before + 1);
    this.#isBack(agent, before === 0);
  }

  /** A person's live socket closed. After the last one the clock runs: first offers lapse, then chats are queued again. */
  disconnected(agent: string): void {
    const left = (this.#sockets.get(agent) ?? 1) - 1;
    if (left > 0) {
      this.#sockets.set(agent, left);
      return;
    }
    this.#sockets.delete(agent);
    this.#run(this.#lastSocketLost(agent));
  }

  async #lastSocketLost(agent: string): Promise<void> {
    const isLast = await this.#telling.run(agent, () => this.#whereabouts.disconnect(agent));
    if (!isLast || (await this.#isAttended(agent))) return;
    // A page that is loaded again is back before all of this has been asked.
    if (!this.#sockets.has(agent)) this.#leave(agent);
  }

  /** Whether a socket of theirs is open, at whichever node. */
  isConnected(agent: string): boolean {
    return this.#sockets.has(agent) || this.#elsewhere.has(agent);
  }

  /** A sign of life by a way that has no socket (a chat channel): what the loss of a socket began is taken back. */
  async attended(agent: string): Promise<void> {
    const now = this.hub.clock.now();
    const writtenAt = this.#attendedAt.get(agent);
    if (writtenAt === undefined || Math.abs(now - writtenAt) >= ATTENDED_AGAIN_MS) {
      const expiresAt = now + ATTENDED_MS + ATTENDED_AGAIN_MS;
      await this.hub.store.putGrant({ kind: ATTENDED, id: agent, value: {}, expiresAt });
      this.#attendedAt.set(agent, now);
    }
    if (this.#leaving.has(agent) || this.#missed.has(agent)) this.#isBack(agent);
  }

  /** The first sign of life by a way that has no socket: another node may have put on record that there is none any more. */
  async attendedAnew(agent: string): Promise<void> {
    this.#attendedAt.delete(agent);
    await this.attended(agent);
  }

  /** The person left the last way without sockets: without a socket either, the clock runs as after a lost one. */
  async unattended(agent: string): Promise<void> {
    this.#attendedAt.delete(agent);
    await this.hub.store.removeGrant(ATTENDED, agent);
    if (!this.isConnected(agent) && !this.#leaving.has(agent)) this.#leave(agent);
  }

  async #isAttended(agent: string): Promise<boolean> {
    return (await this.hub.store.getGrant(ATTENDED, agent, this.hub.clock.now())) !== undefined;
  }

  #isBack(agent: string, isConnecting = false): void {
    clearTimeout(this.#leaving.get(agent));
    this.#leaving.delete(agent);
    this.#missed.delete(agent);
    this.#run(
      this.#telling.run(agent, async () => {
        // First: a connection that is there again has nothing to be recalled.
        const presence = await this.#whereabouts.recall(agent);
        if (isConnecting) await this.#whereabouts.connect(agent);
        if (presence !== undefined) await this.setPresence(agent, presence);
      }),
    );
    this.#run(this.#tellHeld(agent, 'reconnect'));
  }

  #leave(agent: string): void {
    if (!this.hub.running || this.#leaving.has(agent)) return;
    this.#run(this.#tellHeld(agent, 'disconnect'));
    const timers = Object.values(this.hub.directory.workStreams).map(
      (workStream) => workStream.timers.agentGoneOfferMs,
    );
    const timer = setTimeout(
      () => this.#run(this.#gone(agent)),
      Math.min(...timers, DEFAULT_WORK_STREAM.timers.agentGoneOfferMs),
    );
    timer.unref();
    this.#leaving.set(agent, timer);
  }

  /** Runs the commit of these claims: whatever the record says meanwhile, each of them is counted once. */
  whileClaiming<T>(claims: readonly Claim[], commit: () => Promise<T>): Promise<T> {
    // Most commits claim nothing.
    return claims.length === 0 ? commit() : this.#whileClaiming(claims, commit);
  }

  async #whileClaiming<T>(claims: readonly Claim[], commit: () => Promise<T>): Promise<T> {
    for (const { agent } of claims) this.#claiming.set(agent, (this.#claiming.get(agent) ?? 0) + 1);
    try {
      return await commit();
    } finally {
      // Not before its answer has been taken over here, which is later in this turn of the event loop.
      setImmediate(() => this.#claimed(claims));
    }
  }

  #claimed(claims: readonly Claim[]): void {
    for (const { agent } of claims) {
      const left = (this.#claiming.get(agent) ?? 1) - 1;
      if (left > 0) this.#claiming.set(agent, left);
      else this.#claiming.delete(agent);
    }
    if (!this.#recountAfterClaims || this.#claiming.size > 0 || !this.hub.running) return;
    this.#recountAfterClaims = false;
    this.#run(this.recount());
  }

  /** Keeps loads as the last commit left them. */
  claimed(claim: Claim): void {
    const row = this.#rows.get(claim.agent);
    if (row === undefined) return;
    const load = row.load + claim.delta;
    this.#put({
      ...row,
      load,
      lastAssignedAt: claim.delta > 0 ? claim.at : row.lastAssignedAt,
      idleSince: load === 0 ? claim.at : row.idleSince,
    });
    this.hub.notify('person', claim.agent);
  }

  /** Who lets an offer lapse is not there: no further offers until they say they are. */
  heard(entries: readonly Entry[], state: Conversation): void {
    this.seen(state);
    for (const { event } of entries)
      if (event.type === 'lapsed' && event.why === 'time')
        for (const agent of event.agents)
          if (this.#rows.get(agent)?.presence === 'available') this.#run(this.setPresence(agent, 'inactive'));
  }

  /** Who is said to be gone and has a socket here came back while that was being written, maybe at another node. */
  seen(state: Conversation): void {
    if (state.phase !== 'agent' || !state.agentGone || !this.#sockets.has(state.agent)) return;
    this.#run(this.hub.handle(state.id, { type: 'reconnect', party: 'agent', agent: state.agent }));
  }

  /** Presences that nobody renewed end. */
  expire(now: number): void {
    for (const row of this.#rows.values()) {
      if (row.presenceUntil === undefined || row.presenceUntil > now || row.presence === 'offline') continue;
      if (!this.isConnected(row.id)) this.#run(this.setPresence(row.id, 'offline'));
    }
  }

  async #gone(agent: string): Promise<void> {
    this.#leaving.delete(agent);
    // They were heard of meanwhile, at a node that did not know of the lost socket.
    if (await this.#isAttended(agent)) return this.#isBack(agent);
    if (!(await this.#telling.run(agent, () => this.#miss(agent)))) return;
    for (const id of await this.#conversations(agent, 'offered')) await this.hub.handle(id, { type: 'lapse', agent });
    // What they accepted while the line broke.
    await this.#tellHeld(agent, 'disconnect');
  }

  /** @returns whether the person is offline from now on, because nothing was heard of them. */
  async #miss(agent: string): Promise<boolean> {
    const presence = this.#rows.get(agent)?.presence;
    if (presence === undefined || presence === 'offline' || this.#sockets.has(agent)) return false;
    if (!(await this.#whereabouts.miss(agent, presence))) return false;
    await this.setPresence(agent, 'offline');
    this.#missed.add(agent);
    return true;
  }

  async #tellHeld(agent: string, type: 'disconnect' | 'reconnect'): Promise<void> {
    for (const id of await this.#conversations(agent, 'agent'))
      await this.hub.handle(id, { type, party: 'agent', agent });
  }

  async #conversations(agent: string, phase: 'offered' | 'agent'): Promise<string[]> {
    if ((this.#rows.get(agent)?.load ?? 0) === 0) return [];
    const { items } = await this.hub.store.list({ phases: [phase], agent }, 1_000);
    return items.map(({ id }) => id);
  }

  #put(row: AgentRow): void {
    this.#rows.set(row.id, row);
    this.#candidates.clear();
    for (const changed of this.#readings) changed.add(row.id);
  }

  #run(work: Promise<unknown>): void {
    const done = work
      .catch((error: unknown) => this.hub.log.warn({ err: error }, 'a change of presence could not be carried out'))
      .finally(() => this.#running.delete(done));
    this.#running.add(done);
  }
}
