// The open sockets by conversation: what is committed goes to all of them, made once per view; who left is noticed.

import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { mayReadLog } from '../core/access.js';
import type { Conversation, Entry } from '../core/conversation.js';
import { pieceOf } from '../core/liveStream.js';
import { BODY_LIMIT_BYTES, type HttpRequest } from '../http.js';
import type { Hub, Signal } from '../hub/hub.js';
import { liveSet, signalSet, viewKey } from './reading.js';
import { NOT_ALLOWED, StreamSocket, type Opening, type SocketFate } from './streamSocket.js';

export interface StreamTimes {
  /** Between two empty frames (and two pings) on every socket. */
  readonly keepAliveMs: number;
  /** A socket that takes nothing for this long is closed; its client comes back with its watermark. */
  readonly stallMs: number;
}

export interface StreamFigures {
  readonly open: number;
  /** Closed because they took nothing, or their other end was gone. */
  readonly dropped: number;
  /** Times a socket was taken off live feeding because it was slow. */
  readonly paused: number;
  /** Waiting in the buffers of all sockets. */
  readonly bufferedBytes: number;
}

/** A customer without a socket is watched for this long: when people come in meanwhile, they must not wait for somebody who left. */
const ABSENCE_WATCHED_MS = 10 * 60_000;
/**
 * Of one conversation and reader. A client that reconnects faster than its dead sockets are noticed must not pile them up:
 * its oldest goes, never somebody else's - a customer must not be able to close the pane of the person who serves.
 */
const MAX_SOCKETS_PER_READER = 32;
const GOING_AWAY = 1001;

export class Streams {
  readonly counts = { open: 0, dropped: 0, paused: 0 };
  readonly #feeds = new Map<string, Feed>();
  readonly #upgrader = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    clientTracking: false,
    maxPayload: BODY_LIMIT_BYTES,
  });
  readonly #heartbeat: NodeJS.Timeout;
  #closing: Promise<void> | undefined;
  #isClosing = false;

  constructor(
    readonly hub: Hub,
    readonly times: StreamTimes,
  ) {
    this.#heartbeat = setInterval(() => this.#beat(), times.keepAliveMs);
    this.#heartbeat.unref();
  }

  get figures(): StreamFigures {
    let bufferedBytes = 0;
    for (const feed of this.#feeds.values()) for (const socket of feed.sockets) bufferedBytes += socket.bufferedBytes;
    return { ...this.counts, bufferedBytes };
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  open(request: HttpRequest, socket: Duplex, head: Buffer, opening: Opening): void {
    if (this.isClosing) return void socket.destroy();
    this.#upgrader.handleUpgrade(request.raw, socket, head, (ws) => {
      const feed = this.#feeds.get(opening.conversationId) ?? new Feed(this, opening.conversationId);
      this.#feeds.set(opening.conversationId, feed);
      feed.add(new StreamSocket(this.hub, ws, socket, opening, this.times.stallMs, feed));
    });
  }

  forget(feed: Feed): void {
    if (this.#feeds.get(feed.conversationId) === feed) this.#feeds.delete(feed.conversationId);
  }

  /** Tells every client to come back elsewhere, and cuts those that do not answer. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#isClosing = true;
    clearInterval(this.#heartbeat);
    const sockets = [...this.#feeds.values()].flatMap((feed) => [...feed.sockets]);
    await Promise.all(sockets.map((socket) => socket.end(GOING_AWAY, 'The server is going away; connect again.')));
    for (const feed of this.#feeds.values()) feed.end();
    this.#upgrader.close();
  }

  #beat(): void {
    const forgottenBefore = this.hub.clock.now() - ABSENCE_WATCHED_MS;
    for (const feed of this.#feeds.values()) {
      for (const socket of feed.sockets) socket.beat();
      feed.forgetAbsence(forgottenBefore);
      feed.tellAgain();
    }
  }
}

/** One conversation's sockets. What they are sent is made once per view. */
class Feed implements SocketFate {
  readonly sockets = new Set<StreamSocket>();
  readonly #unwatch: () => void;
  #customerSockets = 0;
  /** Since when the customer, who had a socket, has none, as long as that is not on record. */
  #absence: { readonly since: number } | undefined;
  /** Disconnects go one after another: a second one of the same absence would contradict who came back meanwhile. */
  #disconnecting = Promise.resolve();
  /** Something about the customer could not be recorded. */
  #hasFailed = false;
  #signals = 0;

  constructor(
    private readonly streams: Streams,
    readonly conversationId: string,
  ) {
    this.#unwatch = streams.hub.watch(conversationId, {
      entries: (entries, state) => this.#entries(entries, state),
      signal: (signal) => this.#signal(signal),
    });
  }

  add(socket: StreamSocket): void {
    const reader = viewKey(socket.viewer);
    const own = [...this.sockets].filter(({ viewer }) => viewKey(viewer) === reader);
    if (own.length >= MAX_SOCKETS_PER_READER) void own[0]?.end(GOING_AWAY, 'collision');
    this.sockets.add(socket);
    this.streams.counts.open += 1;
    if (socket.viewer === 'customer') {
      this.#customerSockets += 1;
      this.#absence = undefined;
      if (this.#customerSockets === 1) this.#tell('reconnect');
    }
    socket.start();
  }

  paused(): void {
    this.streams.counts.paused += 1;
  }

  dropped(): void {
    this.streams.counts.dropped += 1;
  }

  ended(socket: StreamSocket): void {
    if (!this.sockets.delete(socket)) return;
    this.streams.counts.open -= 1;
    // Clients come back after a restart: that they lost this server says nothing about them.
    const isOurDoing = this.streams.isClosing || !this.streams.hub.running;
    if (socket.viewer === 'customer') {
      this.#customerSockets -= 1;
      if (this.#customerSockets === 0 && !isOurDoing) {
        this.#absence = { since: this.streams.hub.clock.now() };
        this.#tell('disconnect');
      }
    }
    if (this.sockets.size === 0 && this.#absence === undefined) this.end();
  }

  forgetAbsence(before: number): void {
    if (this.#absence === undefined || this.#absence.since > before) return;
    this.#absence = undefined;
    if (this.sockets.size === 0) this.end();
  }

  /** Nothing else may happen that would bring it up: who waits quietly would be closed as gone. */
  tellAgain(): void {
    if (!this.#hasFailed) return;
    this.#hasFailed = false;
    this.#tell(this.#absence === undefined ? 'reconnect' : 'disconnect');
  }

  end(): void {
    this.#unwatch();
    this.streams.forget(this);
  }

  #entries(entries: readonly Entry[], state: Conversation): void {
    const first = entries[0]?.seq;
    const last = entries.at(-1)?.seq;
    if (first === undefined || last === undefined) return;
    const frames = new Map<string, Buffer | undefined | 'reread'>();
    for (const socket of this.sockets) {
      if (!this.#mayRead(socket, state)) continue;
      const { viewer } = socket;
      const key = viewKey(viewer);
      if (!frames.has(key)) {
        const set = liveSet(this.streams.hub, state, entries, viewer);
        frames.set(key, set === undefined || set === 'reread' ? set : Buffer.from(set));
      }
      socket.take(first, last, frames.get(key));
    }
    // Whoever has said it: it is on record.
    if (state.customerGone) this.forgetAbsence(Infinity);
    if (this.#absence === undefined) {
      // Came back while the absence was being written.
      if (this.#customerSockets > 0 && state.customerGone && state.phase !== 'closed') this.#tell('reconnect');
    } else if (state.phase === 'closed') this.forgetAbsence(Infinity);
    else if (isWaitedFor(state)) this.#tell('disconnect');
  }

  #signal(signal: Signal): void {
    const state = this.streams.hub.known(this.conversationId);
    // The hub has just looked at it; should it be forgotten already, one typing is lost.
    if (state === undefined) return;
    this.#signals += 1;
    const id = signal.activity.id ?? `${this.conversationId}|s${this.#signals.toString(36)}`;
    const piece = pieceOf(signal.activity, id);
    const frames = new Map<string, Buffer | undefined>();
    for (const socket of this.sockets) {
      if (!this.#mayRead(socket, state)) continue;
      const key = viewKey(socket.viewer);
      if (!frames.has(key)) {
        const set = signalSet(this.streams.hub, state, signal, id, socket.viewer);
        frames.set(key, set === undefined ? undefined : Buffer.from(set));
      }
      socket.show(frames.get(key), piece);
    }
  }

  /** An open pane outlives its token, but not the right to read. */
  #mayRead(socket: StreamSocket, state: Conversation): boolean {
    const { viewer } = socket;
    if (typeof viewer !== 'object' || mayReadLog(state, viewer.agent, this.streams.hub.directory)) return true;
    void socket.end(NOT_ALLOWED, 'You may not read this conversation any more.');
    return false;
  }

  /** Only when it matters: while people serve or are waited for, or to take back what was said. */
  #tell(type: 'disconnect' | 'reconnect'): void {
    const before = type === 'disconnect' ? this.#disconnecting : Promise.resolve();
    const told = before
      .then(() => this.#record(type))
      .catch((error: unknown) => {
        this.#hasFailed = true;
        this.streams.hub.log.warn(
          { err: error, conversation: this.conversationId },
          `a customer's ${type} could not be recorded; it is tried again`,
        );
      });
    if (type === 'disconnect') this.#disconnecting = told;
  }

  async #record(type: 'disconnect' | 'reconnect'): Promise<void> {
    const { hub } = this.streams;
    const state = await hub.conversation(this.conversationId);
    if (state === undefined || state.phase === 'closed') return this.forgetAbsence(Infinity);
    const absence = this.#absence;
    if (type === 'reconnect' && (this.#customerSockets === 0 || !state.customerGone)) return;
    // Also when it is on record as known here: only what is handled is compared with the record.
    if (type === 'disconnect' && (absence === undefined || !isWaitedFor(state))) return;
    await hub.handle(this.conversationId, { type, party: 'customer' });
    // Said once: who is seen afterwards, here, at another node or without a socket, has come back.
    if (absence === this.#absence) this.forgetAbsence(Infinity);
  }
}

function isWaitedFor({ phase }: Conversation): boolean {
  return phase === 'queued' || phase === 'offered' || phase === 'agent';
}
