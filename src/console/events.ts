// The people's live line: notices that something they are concerned with changed. Who gets one reads anew; a lost notice costs time only.

import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { servingOf } from '../core/access.js';
import type { Conversation, State } from '../core/conversation.js';
import type { Presence } from '../core/directory.js';
import { BadRequest } from '../errors.js';
import type { HttpRequest } from '../http.js';
import type { Hub } from '../hub/hub.js';
import type { Caller } from './callers.js';
import { Pace } from './pace.js';

export interface EventsOptions {
  /** Whether who opened a socket is still signed in. */
  isProven(caller: Caller): Promise<boolean>;
  /** Every so often each socket is pinged, and one that did not answer the last ping is cut. */
  beatMs?: number;
  /** Bytes that may wait for a slow reader; beyond it notices are dropped and one `resync` follows when it has caught up. */
  bufferBytes?: number;
}

/** Close codes of our own: the page signs in again on the first, and simply reconnects on the other. */
const SIGNED_OUT = 4401;
const RESTARTING = 1012;

const BEAT_MS = 20_000;
const BUFFER_BYTES = 262_144;
/** Messages of one chat, and changes of one queue or person: a page that reads anew need not hear of each. */
const CHATTER_MS = 100;
const COUNTS_MS = 250;
const TYPING_MS = 1_000;
/** Of one person: more tabs than anybody has, fewer than a script that never closes its own. */
const MOST_SOCKETS = 50;
/** After this a socket that is asked to close is cut. */
const CLOSE_MS = 500;

interface Line {
  readonly socket: WebSocket;
  readonly caller: Caller;
  alive: boolean;
  /** Notices were dropped because the reader was too slow. */
  behind: boolean;
}

export class LiveEvents {
  readonly #server = new WebSocketServer({ noServer: true, perMessageDeflate: false, maxPayload: 4_096 });
  readonly #lines = new Map<string, Set<Line>>();
  /** Conversations whose typing somebody here wants to see. */
  readonly #watched = new Map<string, () => void>();
  /** The latest state of conversations whose notice is held back a moment. */
  readonly #chatty = new Map<string, Conversation>();
  readonly #presences = new Map<string, Presence>();
  readonly #chatter = new Pace(CHATTER_MS, (id) => this.#tellChatter(id));
  readonly #queues = new Pace(COUNTS_MS, (queue) => this.#tellQueue(queue));
  readonly #people = new Pace(COUNTS_MS, (person) => this.#tellPerson(person));
  readonly #typing = new Pace(TYPING_MS, (id) => void this.#tellTyping(id));
  readonly #unobserve: () => void;
  readonly #beat: NodeJS.Timeout;
  readonly #bufferBytes: number;
  #closed = false;

  constructor(
    private readonly hub: Hub,
    private readonly options: EventsOptions,
  ) {
    this.#bufferBytes = options.bufferBytes ?? BUFFER_BYTES;
    this.#unobserve = hub.observe({
      committed: (_entries, state, before) => this.#committed(state, before),
      learned: (state, before) => this.#committed(state, before),
      person: (person) => this.#touch(this.#people, person),
      line: (queue) => this.#touch(this.#queues, queue),
      directory: () => this.#directoryChanged(),
    });
    this.#beat = setInterval(() => void this.#checkAll(), options.beatMs ?? BEAT_MS);
    this.#beat.unref();
  }

  get figures(): { sockets: number; people: number; behind: number } {
    const lines = this.#all();
    return { sockets: lines.length, people: this.#lines.size, behind: lines.filter(({ behind }) => behind).length };
  }

  /** @throws BadRequest 429 when the person has too many open. */
  open(caller: Caller, request: HttpRequest, socket: Duplex, head: Buffer): void {
    if ((this.#lines.get(caller.person.id)?.size ?? 0) >= MOST_SOCKETS)
      throw new BadRequest(429, 'tooManySockets', `${MOST_SOCKETS} sockets of yours are open. Close some first.`);
    this.#server.handleUpgrade(request.raw, socket, head, (opened) => this.#opened(caller, opened));
  }

  /** A session was signed out: whoever looks at its pages is told by a closed socket. */
  endSession(session: string): void {
    for (const line of this.#all()) if (line.caller.session === session) this.#signOut(line);
  }

  /** Tells every page to come back elsewhere or later. That this process stops is no absence of the people. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#unobserve();
    clearInterval(this.#beat);
    for (const pace of [this.#chatter, this.#queues, this.#people, this.#typing]) pace.stop();
    this.#unwatchAll();
    await Promise.all(this.#all().map(({ socket }) => closed(socket)));
    this.#lines.clear();
    this.#server.close();
  }

  #opened(caller: Caller, socket: WebSocket): void {
    const person = caller.person.id;
    const line: Line = { socket, caller, alive: true, behind: false };
    // What pages send is not read; a broken frame closes the socket, and that is all it may do.
    socket.on('error', () => socket.terminate());
    if (this.#closed) return void closed(socket);
    const lines = this.#lines.get(person) ?? new Set();
    this.#lines.set(person, lines.add(line));
    socket.on('pong', () => (line.alive = true));
    socket.on('close', () => this.#gone(line));
    this.#send(line, JSON.stringify({ type: 'hello', at: new Date(this.hub.clock.now()).toISOString() }));
    this.hub.people.connected(person);
    void this.#watchHeld(person);
  }

  #gone(line: Line): void {
    const person = line.caller.person.id;
    const lines = this.#lines.get(person);
    if (this.#closed || lines === undefined || !lines.delete(line)) return;
    if (lines.size === 0) this.#lines.delete(person);
    if (this.#lines.size === 0) this.#unwatchAll();
    this.hub.people.disconnected(person);
  }

  #committed(state: Conversation, before: State): void {
    if (this.#lines.size === 0) return;
    this.#tellOffers(state, before);
    this.#watch(state);
    const moved = before.phase !== state.phase || before.epoch !== state.epoch;
    if (moved) {
      this.#chatty.delete(state.id);
      this.#tellConversation(state, before);
    } else {
      this.#chatty.set(state.id, state);
      this.#chatter.touch(state.id);
    }
  }

  #tellChatter(id: string): void {
    const state = this.#chatty.get(id);
    this.#chatty.delete(id);
    if (state !== undefined) this.#tellConversation(state, state);
  }

  #tellConversation(state: Conversation, before: State): void {
    const notice = {
      type: 'conversation',
      conversationId: state.id,
      seq: state.version,
      phase: state.phase,
      queue: 'queue' in state ? state.queue : undefined,
      agent: servingOf(state)[0],
    };
    const people = this.#concerned(state);
    if (before !== state && before.phase !== 'none') for (const person of this.#concerned(before)) people.add(person);
    this.#tell(people, notice);
  }

  /** Members of its queue, who takes part, and supervisors; only those who are here. */
  #concerned(state: Conversation): Set<string> {
    const people = this.#supervisors();
    // After it left a queue its members may still read it, but what goes on elsewhere does not concern them.
    const queue = 'queue' in state ? state.queue : undefined;
    this.#addMembers(people, queue);
    for (const person of servingOf(state)) people.add(person);
    for (const { agent } of state.participants) people.add(agent);
    return people;
  }

  #addMembers(people: Set<string>, queue: string | undefined): void {
    const members = queue === undefined ? undefined : this.hub.directory.queues[queue]?.members;
    for (const member of members ?? []) if (this.#lines.has(member)) people.add(member);
  }

  #supervisors(): Set<string> {
    const { people } = this.hub.directory;
    return new Set([...this.#lines.keys()].filter((id) => people[id]?.roles.includes('supervisor') === true));
  }

  #tellOffers(state: Conversation, before: State): void {
    const had = before.phase === 'offered' ? before.offers : [];
    const has = state.phase === 'offered' ? state.offers : [];
    for (const { agent, lapsesAt } of has) {
      // A request made again has a new end.
      if (had.some((offer) => offer.agent === agent && offer.lapsesAt === lapsesAt)) continue;
      const at = new Date(lapsesAt).toISOString();
      this.#tell([agent], { type: 'offer', conversationId: state.id, lapsesAt: at });
    }
    const owner = state.phase === 'agent' ? state.agent : undefined;
    for (const { agent } of had) {
      if (has.some((offer) => offer.agent === agent)) continue;
      this.#tell([agent], { type: 'offerGone', conversationId: state.id, phase: state.phase, agent: owner });
    }
  }

  #tellQueue(queue: string): void {
    const people = this.#supervisors();
    this.#addMembers(people, queue);
    this.#tell(people, { type: 'queue', queue });
  }

  /** Presence concerns those who share a queue; how much somebody has to do, only that person and supervisors. */
  #tellPerson(person: string): void {
    const people = this.#supervisors().add(person);
    const presence = this.hub.people.row(person)?.presence;
    if (presence !== undefined && this.#presences.get(person) !== presence) {
      this.#presences.set(person, presence);
      for (const { members } of Object.values(this.hub.directory.queues))
        if (members.includes(person)) for (const member of members) people.add(member);
    }
    this.#tell(people, { type: 'person', agent: person });
  }

  async #tellTyping(id: string): Promise<void> {
    const state = this.hub.known(id) ?? (await this.hub.conversation(id));
    if (state === undefined) return;
    const people = [...servingOf(state), ...state.participants.map(({ agent }) => agent)];
    this.#tell(new Set(people), { type: 'typing', conversationId: id });
  }

  /** The hub keeps the signals of conversations that somebody watches only. */
  #watch(state: Conversation): void {
    const isHeldHere = state.phase === 'agent' && this.#lines.has(state.agent);
    const unwatch = this.#watched.get(state.id);
    if (isHeldHere === (unwatch !== undefined)) return;
    if (unwatch !== undefined) {
      unwatch();
      this.#watched.delete(state.id);
      return;
    }
    const watching = this.hub.watch(state.id, {
      entries: () => undefined,
      signal: ({ by }) => {
        if (by.role === 'customer') this.#typing.touch(state.id);
      },
    });
    this.#watched.set(state.id, watching);
  }

  /** While nobody listens commits are not followed here: what ends meanwhile would be watched for good. */
  #unwatchAll(): void {
    for (const unwatch of this.#watched.values()) unwatch();
    this.#watched.clear();
  }

  async #watchHeld(person: string): Promise<void> {
    if ((this.hub.people.row(person)?.load ?? 0) === 0) return;
    try {
      const { items } = await this.hub.store.list({ phases: ['agent'], agent: person }, 1_000);
      if (!this.#closed) for (const state of items) this.#watch(this.hub.known(state.id) ?? state);
    } catch (error) {
      this.hub.log.warn(
        { err: error, person },
        'typing of the customers somebody serves is not shown until they change hands',
      );
    }
  }

  #touch(pace: Pace, key: string): void {
    if (this.#lines.size > 0) pace.touch(key);
  }

  #directoryChanged(): void {
    for (const line of this.#all()) {
      if (this.hub.directory.people[line.caller.person.id] === undefined) this.#signOut(line);
      else this.#send(line, RESYNC);
    }
  }

  #tell(people: Iterable<string>, notice: Record<string, unknown>): void {
    let text: string | undefined;
    for (const person of people) {
      for (const line of this.#lines.get(person) ?? []) {
        text ??= JSON.stringify(notice);
        this.#send(line, text);
      }
    }
  }

  /** Memory stays bounded: a reader who does not keep up misses notices, is told so once it has caught up, and reads anew. */
  #send(line: Line, text: string): void {
    const { socket } = line;
    if (line.behind || socket.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount > this.#bufferBytes) {
      line.behind = true;
      return;
    }
    socket.send(text, () => this.#written(line));
  }

  #written(line: Line): void {
    if (!line.behind || line.socket.readyState !== WebSocket.OPEN) return;
    if (line.socket.bufferedAmount > this.#bufferBytes / 2) return;
    line.behind = false;
    this.#send(line, RESYNC);
  }

  /** Cuts sockets whose other end is gone or does not read, and closes those whose person is not signed in any more. */
  async #checkAll(): Promise<void> {
    const lines = this.#all();
    for (const line of lines) {
      if (!line.alive) line.socket.terminate();
      line.alive = false;
      if (line.socket.readyState === WebSocket.OPEN) line.socket.ping();
    }
    for (const line of lines) {
      if (line.socket.readyState !== WebSocket.OPEN) continue;
      try {
        if (!(await this.options.isProven(line.caller))) this.#signOut(line);
      } catch (error) {
        this.hub.log.warn({ err: error }, 'sessions cannot be checked just now; sockets stay open');
        return;
      }
    }
  }

  #signOut(line: Line): void {
    line.socket.close(SIGNED_OUT, 'signed out');
    cutLater(line.socket);
  }

  #all(): Line[] {
    return [...this.#lines.values()].flatMap((lines) => [...lines]);
  }
}

const RESYNC = JSON.stringify({ type: 'resync' });

async function closed(socket: WebSocket): Promise<void> {
  if (socket.readyState === WebSocket.CLOSED) return;
  const gone = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.close(RESTARTING, 'restarting');
  cutLater(socket);
  await gone;
}

/** A peer that does not answer the closing handshake is not waited for. */
function cutLater(socket: WebSocket): void {
  const timer = setTimeout(() => socket.terminate(), CLOSE_MS);
  socket.once('close', () => clearTimeout(timer));
}
