// One client's socket: a cursor into the log, fed from commits while it keeps up and from the store while it does not.

import type { Duplex } from 'node:stream';
import { WebSocket } from 'ws';
import type { StreamPiece } from '../core/liveStream.js';
import type { Viewer } from '../core/projection.js';
import type { Hub } from '../hub/hub.js';
import { readSet } from './reading.js';

export interface Opening {
  readonly conversationId: string;
  readonly viewer: Viewer;
  /** seq of the last entry the client has. */
  readonly after: number;
  /** A non-empty frame of the client: an activity, as if posted. */
  readonly onFrame: (json: Buffer) => Promise<void>;
  /** Asked every so often of people: a pane ends with the session it was opened in. */
  readonly isSignedIn: () => Promise<boolean>;
}

/** What becomes of a socket, for those who count them. */
export interface SocketFate {
  /** Closed, or about to be: called once or more. */
  ended(socket: StreamSocket): void;
  paused(): void;
  dropped(): void;
}

/** More than this waiting in a socket's buffer takes it off live feeding. */
const HIGH_WATER_BYTES = 262_144;
/** JSON read from the store for one frame of catching up. */
const CATCH_UP_CHARACTERS = 131_072;
/** Live streams of one conversation at once: one, unless bots change in the middle of one. */
const KNOWN_STREAMS = 8;
const CLOSE_GRACE_MS = 1_000;
/** Close code: policy violation. */
export const NOT_ALLOWED = 1008;

/**
 * One client. Live: every commit is sent as it happens. Catching up: the store is read until nothing is missing. Paused:
 * the client takes less than is said, nothing more is kept for it, and it catches up once its buffer is empty.
 */
export class StreamSocket {
  readonly viewer: Viewer;
  #cursor: number;
  /** seq of the last entry known to exist while not live. */
  #known = 0;
  #isLive = false;
  #isPaused = false;
  #isAnswering = true;
  /** Live streams whose first piece the client has. */
  readonly #streams = new Set<string>();
  #stall: NodeJS.Timeout | undefined;

  constructor(
    private readonly hub: Hub,
    private readonly ws: WebSocket,
    raw: Duplex,
    private readonly opening: Opening,
    private readonly stallMs: number,
    private readonly fate: SocketFate,
  ) {
    this.viewer = opening.viewer;
    this.#cursor = opening.after;
    ws.on('pong', () => (this.#isAnswering = true));
    ws.on('message', (data: Buffer, isBinary) => this.#heard(data, isBinary));
    ws.on('error', () => ws.terminate());
    ws.on('close', () => {
      clearTimeout(this.#stall);
      fate.ended(this);
    });
    raw.on('drain', () => this.#drained());
  }

  get bufferedBytes(): number {
    return this.ws.bufferedAmount;
  }

  start(): void {
    this.#known = this.hub.known(this.opening.conversationId)?.version ?? Infinity;
    if (this.#known === this.#cursor) this.#isLive = true;
    else void this.#catchUp();
  }

  take(first: number, last: number, frame: Buffer | undefined | 'reread'): void {
    if (!this.#isLive) {
      this.#known = last;
      return;
    }
    if (last <= this.#cursor) return;
    if (first !== this.#cursor + 1 || frame === 'reread') {
      this.#known = last;
      void this.#catchUp();
      return;
    }
    this.#cursor = last;
    if (frame !== undefined) this.#send(frame);
  }

  /**
   * Typing, or a piece of a live stream. To who missed the beginning (a page that was loaded
   * again) the pieces would be messages that nothing replaces; the final message comes in any case.
   */
  show(frame: Buffer | undefined, piece?: StreamPiece): void {
    if (frame === undefined || !this.#isLive) return;
    if (piece?.isFirst === true) this.#begin(piece.stream);
    else if (piece !== undefined && !this.#streams.has(piece.stream)) return;
    this.#send(frame);
  }

  #begin(stream: string): void {
    this.#streams.add(stream);
    const [oldest] = this.#streams;
    if (this.#streams.size > KNOWN_STREAMS && oldest !== undefined) this.#streams.delete(oldest);
  }

  beat(): void {
    if (this.#isPaused) return;
    if (!this.#isAnswering) return this.#drop('its other end does not answer');
    this.#isAnswering = false;
    this.ws.ping();
    this.ws.send('');
    if (this.viewer !== 'customer') void this.#checkSignedIn();
  }

  async #checkSignedIn(): Promise<void> {
    try {
      if (await this.opening.isSignedIn()) return;
    } catch (error) {
      this.hub.log.warn({ err: error }, 'sessions cannot be checked just now; panes stay open');
      return;
    }
    await this.end(NOT_ALLOWED, 'You are not signed in any more.');
  }

  /** Is fed no more from now on; says goodbye, and cuts who does not answer. Resolves when the socket is closed. */
  async end(code: number, reason: string): Promise<void> {
    this.fate.ended(this);
    if (this.ws.readyState === WebSocket.CLOSED) return;
    const closed = new Promise<void>((resolve) => this.ws.once('close', () => resolve()));
    this.ws.close(code, reason);
    const timer = setTimeout(() => this.ws.terminate(), CLOSE_GRACE_MS);
    await closed;
    clearTimeout(timer);
  }

  async #catchUp(): Promise<void> {
    this.#isLive = false;
    const { hub } = this;
    const { conversationId } = this.opening;
    try {
      while (this.ws.readyState === WebSocket.OPEN && !this.#isPaused) {
        const state = await hub.conversation(conversationId);
        if (state === undefined) return this.ws.terminate();
        const page = await readSet(hub, state, this.viewer, this.#cursor, CATCH_UP_CHARACTERS);
        if (this.ws.readyState !== WebSocket.OPEN) return;
        this.#cursor = page.upTo;
        if (page.json !== undefined) this.#send(Buffer.from(page.json));
        // What was committed while the store was read is told by #known.
        if (page.atEnd && (this.#known <= this.#cursor || this.#known === Infinity) && !this.#isPaused) {
          this.#isLive = true;
          return;
        }
      }
    } catch (error) {
      hub.log.warn(
        { err: error, conversation: conversationId },
        'a socket could not be fed; its client will come back',
      );
      this.ws.terminate();
    }
  }

  #send(frame: Buffer): void {
    if (this.ws.readyState !== WebSocket.OPEN) return;
    this.ws.send(frame, { binary: false });
    if (this.#isPaused || this.ws.bufferedAmount <= HIGH_WATER_BYTES) return;
    this.#isPaused = true;
    this.#isLive = false;
    this.#known = Math.max(this.#known, this.#cursor);
    this.fate.paused();
    this.#stall = setTimeout(() => this.#drop('it takes nothing'), this.stallMs);
    this.#stall.unref();
  }

  #drained(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#isAnswering = true;
    clearTimeout(this.#stall);
    void this.#catchUp();
  }

  #drop(why: string): void {
    this.fate.dropped();
    this.hub.log.info({ conversation: this.opening.conversationId, why }, 'a socket was cut');
    this.ws.terminate();
  }

  /** Frames are taken one after another: the client is not read from while one is being handled. */
  #heard(data: Buffer, isBinary: boolean): void {
    this.#isAnswering = true;
    if (isBinary || data.length === 0) return;
    this.ws.pause();
    void this.opening.onFrame(data).finally(() => this.ws.resume());
  }
}
