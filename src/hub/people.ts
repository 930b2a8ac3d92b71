// The people who serve, as they are now: presence, room for work, and whether anybody is at the other end of the line.

import type { Candidate } from '../core/assignment.js';
import type { Entry } from '../core/conversation.js';
import { DEFAULT_WORK_STREAM, hasSkills, type Presence } from '../core/directory.js';
import { Rejected } from '../core/rejected.js';
import type { Engine } from './engine.js';
import type { AgentRow, Claim } from './ports.js';

/** A presence set without a socket to prove it falls back to offline after this time. */
const PRESENCE_LASTS_MS = 8 * 60 * 60_000;
/** Who was heard of by a way without sockets this recently is not gone because a socket closed. */
const ATTENDED_MS = 15 * 60_000;

export class People {
  readonly #rows = new Map<string, AgentRow>();
  /** Open sockets per person. */
  readonly #sockets = new Map<string, number>();
  readonly #leaving = new Map<string, NodeJS.Timeout>();
  /** The presence to come back to, of people whose connection was lost. */
  readonly #lost = new Map<string, Presence>();
  /** When people were last heard of by a way that has no socket. */
  readonly #attendedAt = new Map<string, number>();
  readonly #running = new Set<Promise<unknown>>();

  constructor(private readonly hub: Engine) {}

  async start(): Promise<void> {
    await this.useDirectory();
  }

  stop(): void {
    for (const timer of this.#leaving.values()) clearTimeout(timer);
    this.#leaving.clear();
  }

  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Takes over capacities from the directory; presence and load stay. */
  async useDirectory(): Promise<void> {
    const { people } = this.hub.directory;
    await this.hub.store.saveAgents(Object.values(people).map(({ id, capacity }) => ({ id, capacity })));
    const rows = await this.hub.store.agents();
    this.#rows.clear();
    for (const row of rows) if (people[row.id] !== undefined) this.#rows.set(row.id, row);
  }

  row(agent: string): AgentRow | undefined {
    return this.#rows.get(agent);
  }

  all(): AgentRow[] {
    return [...this.#rows.values()];
  }

  /** The people of a queue, for the assigner. */
  candidates(queue: string): Candidate[] {
    const { queues, people } = this.hub.directory;
    return (queues[queue]?.members ?? []).flatMap((id) => {
      const row = this.#rows.get(id);
      const skills = people[id]?.skills;
      return row === undefined ? [] : skills === undefined ? row : { ...row, skills };
    });
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
    this.#lost.delete(agent);
    const at = this.hub.clock.now();
    const until = presence === 'offline' ? undefined : at + PRESENCE_LASTS_MS;
    const { presenceUntil: _until, ...rest } = row;
    const changed = { ...rest, presence, presenceAt: at, ...(until === undefined ? {} : { presenceUntil: until }) };
    // Here at once: an item that lapsed must not be offered to the same person again while the store is still writing.
    this.#rows.set(agent, changed);
    await this.hub.store.setPresence(agent, presence, at, until);
    this.hub.notify('person', agent);
    this.hub.nudge();
    return this.#rows.get(agent) ?? changed;
  }

  /** A person's live socket opened. What was set when the connection was lost is set again. */
  connected(agent: string): void {
    this.#sockets.set(agent, (this.#sockets.get(agent) ?? 0) + 1);
    clearTimeout(this.#leaving.get(agent));
    this.#leaving.delete(agent);
    const presence = this.#lost.get(agent);
    if (presence !== undefined) this.#run(this.setPresence(agent, presence));
    this.#run(this.#tellHeld(agent, 'reconnect'));
  }

  /** A person's live socket closed. After the last one the clock runs: first offers lapse, then chats are queued again. */
  disconnected(agent: string): void {
    const left = (this.#sockets.get(agent) ?? 1) - 1;
    if (left > 0) {
      this.#sockets.set(agent, left);
      return;
    }
    this.#sockets.delete(agent);
    if (this.hub.clock.now() - (this.#attendedAt.get(agent) ?? -Infinity) < ATTENDED_MS) return;
    this.#leave(agent);
  }

  /** Whether a socket of theirs is open. */
  isConnected(agent: string): boolean {
    return this.#sockets.has(agent);
  }

  /** A sign of life by a way that has no socket (a chat channel): what the loss of a socket began is taken back. */
  attended(agent: string): void {
    this.#attendedAt.set(agent, this.hub.clock.now());
    const leaving = this.#leaving.get(agent);
    const presence = this.#lost.get(agent);
    if (leaving === undefined && presence === undefined) return;
    clearTimeout(leaving);
    this.#leaving.delete(agent);
    if (presence !== undefined) this.#run(this.setPresence(agent, presence));
    this.#run(this.#tellHeld(agent, 'reconnect'));
  }

  /** The person left the last way without sockets: without a socket either, the clock runs as after a lost one. */
  unattended(agent: string): void {
    this.#attendedAt.delete(agent);
    if (!this.#sockets.has(agent) && !this.#leaving.has(agent)) this.#leave(agent);
  }

  #leave(agent: string): void {
    if (!this.hub.running) return;
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

  /** Keeps loads as the last commit left them. */
  claimed(claim: Claim): void {
    const row = this.#rows.get(claim.agent);
    if (row === undefined) return;
    const load = row.load + claim.delta;
    this.#rows.set(claim.agent, {
      ...row,
      load,
      lastAssignedAt: claim.delta > 0 ? claim.at : row.lastAssignedAt,
      idleSince: load === 0 ? claim.at : row.idleSince,
    });
    this.hub.notify('person', claim.agent);
  }

  /** Who lets an offer lapse is not there: no further offers until they say they are. */
  heard(entries: readonly Entry[]): void {
    for (const { event } of entries)
      if (event.type === 'lapsed' && event.why === 'time')
        for (const agent of event.agents)
          if (this.#rows.get(agent)?.presence === 'available') this.#run(this.setPresence(agent, 'inactive'));
  }

  /** Presences that nobody renewed end. */
  expire(now: number): void {
    for (const row of this.#rows.values()) {
      if (row.presenceUntil === undefined || row.presenceUntil > now || row.presence === 'offline') continue;
      if (!this.#sockets.has(row.id)) this.#run(this.setPresence(row.id, 'offline'));
    }
  }

  async #gone(agent: string): Promise<void> {
    this.#leaving.delete(agent);
    const presence = this.#rows.get(agent)?.presence;
    if (presence === undefined || presence === 'offline') return;
    await this.setPresence(agent, 'offline');
    this.#lost.set(agent, presence);
    for (const id of await this.#conversations(agent, 'offered')) await this.hub.handle(id, { type: 'lapse', agent });
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

  #run(work: Promise<unknown>): void {
    const done = work
      .catch((error: unknown) => this.hub.log.warn({ err: error }, 'a change of presence could not be carried out'))
      .finally(() => this.#running.delete(done));
    this.#running.add(done);
  }
}
