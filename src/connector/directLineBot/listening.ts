// Hearing one conversation of the bot: by its stream, from the watermark again after every loss, and by asking where sockets are refused.

import { WebSocket } from 'ws';
import { isPrivateHost } from '../../addresses.js';
import { parseJson } from '../../json.js';
import { ServiceFailed } from './failure.js';
import { activitySetOf, type ActivitySet } from './service.js';

export interface ListeningTimes {
  /** First wait after a lost stream; doubles up to `longestRetryMs`. */
  readonly retryMs: number;
  readonly longestRetryMs: number;
  /** Between two questions while the conversation is lively, and while it is not. */
  readonly pollMs: number;
  readonly slowPollMs: number;
}

export const LISTENING_TIMES: ListeningTimes = {
  retryMs: 250,
  longestRetryMs: 30_000,
  pollMs: 1_000,
  slowPollMs: 5_000,
};

/** What listening needs of the conversation it listens to. */
export interface Heard {
  /** @returns the address of a stream from the watermark on. @throws ServiceFailed */
  streamUrl(): Promise<string | undefined>;
  /** Asks for what came since the watermark and takes it. @throws ServiceFailed, StoreUnavailable */
  catchUp(): Promise<void>;
  /** Resolves when what must be kept is kept. @throws StoreUnavailable */
  take(set: ActivitySet): Promise<void>;
  /** The token is not good any more. @returns whether there is another one. */
  regain(): Promise<boolean>;
  /** There is no such conversation any more. */
  lost(): void;
  /** Something was said lately. */
  readonly isLively: boolean;
  /** One more socket may be opened; the other way is asking. */
  mayStream(): boolean;
  /** A service that was reached refuses sockets. */
  refusesSockets(): void;
  trouble(error: unknown): void;
}

const HANDSHAKE_MS = 10_000;
/** Several activities of 256 KiB in one frame. */
const FRAME_LIMIT_BYTES = 8 * 1_048_576;
/** A stream that lived this long was a good one: the next loss is waited for from the start again. */
const GOOD_STREAM_MS = 5_000;

export class Listening {
  #socket: WebSocket | undefined;
  #isRunning = false;
  #isClosed = false;
  #isAnswering = true;
  #streamUrl: string | undefined;
  #wake: (() => void) | undefined;
  #failures = 0;
  /** Handshakes that failed one after another. */
  #refusals = 0;

  constructor(
    private readonly heard: Heard,
    private readonly times: ListeningTimes,
  ) {}

  get isStreaming(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  get hasSocket(): boolean {
    return this.#socket !== undefined;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Begins, or ends a pause. `streamUrl`: one that was just given. */
  start(streamUrl?: string): void {
    if (this.#isClosed) return;
    if (this.#isRunning) {
      this.#failures = 0;
      this.#wake?.();
      return;
    }
    this.#streamUrl = streamUrl;
    this.#isRunning = true;
    void this.#run();
  }

  /** For good: another one is made when the conversation is listened to again. */
  close(): void {
    this.#isClosed = true;
    this.#socket?.terminate();
    this.#wake?.();
  }

  /** Asks the other end whether it is still there, and gives up on one that has not answered since the last time. */
  beat(): void {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    if (!this.#isAnswering) return socket.terminate();
    this.#isAnswering = false;
    socket.ping();
    // Direct Line's own clients keep their streams open with empty frames.
    socket.send('');
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const isStream = this.heard.mayStream();
      try {
        if (isStream) await this.#stream();
        else await this.heard.catchUp();
        if (!isStream) this.#failures = 0;
      } catch (error) {
        this.#failures += 1;
        if (!(await this.#isWorthAnotherTry(error))) break;
      }
      if (this.#isClosed) break;
      await this.#pause(isStream || this.#failures > 0 ? this.#backOffMs() : this.#pollMs());
    }
    this.#isRunning = false;
  }

  async #isWorthAnotherTry(error: unknown): Promise<boolean> {
    if (this.#isClosed) return false;
    if (error instanceof ServiceFailed && error.kind === 'gone') {
      this.heard.lost();
      return false;
    }
    try {
      if (error instanceof ServiceFailed && error.kind === 'forbidden' && !(await this.heard.regain())) {
        this.heard.lost();
        return false;
      }
    } catch (failure) {
      this.heard.trouble(failure);
      return true;
    }
    this.heard.trouble(error);
    return true;
  }

  /** Resolves when the stream has ended. */
  async #stream(): Promise<void> {
    const url = this.#streamUrl ?? (await this.heard.streamUrl());
    this.#streamUrl = undefined;
    if (this.#isClosed) return;
    if (url === undefined || !isSafe(url)) {
      this.heard.refusesSockets();
      return;
    }
    const socket = new WebSocket(url, {
      perMessageDeflate: false,
      handshakeTimeout: HANDSHAKE_MS,
      maxPayload: FRAME_LIMIT_BYTES,
    });
    this.#socket = socket;
    this.#isAnswering = true;
    let openedAt: number | undefined;
    let failure: Error | undefined;
    try {
      await new Promise<void>((ended) => {
        socket.on('open', () => {
          openedAt = performance.now();
          this.#refusals = 0;
        });
        socket.on('pong', () => (this.#isAnswering = true));
        socket.on('message', (frame: Buffer) => this.#frame(socket, frame));
        socket.on('error', (error) => (failure = error));
        socket.on('close', () => ended());
      });
    } finally {
      this.#socket = undefined;
    }
    if (openedAt === undefined) {
      this.#failures += 1;
      this.#refusals += 1;
      this.heard.trouble(failure);
      // Once may be an address that has grown too old.
      if (this.#refusals > 1) this.heard.refusesSockets();
    } else if (performance.now() - openedAt >= GOOD_STREAM_MS) this.#failures = 0;
    else this.#failures += 1;
  }

  /** One frame after another: nothing more is read while one is being kept. */
  #frame(socket: WebSocket, frame: Buffer): void {
    this.#isAnswering = true;
    if (frame.length === 0) return;
    let json: unknown;
    try {
      json = parseJson(frame);
    } catch {
      return this.heard.trouble(new Error('a frame of the stream is not JSON'));
    }
    const set = activitySetOf(json);
    if (set === undefined || socket.readyState !== WebSocket.OPEN) return;
    socket.pause();
    this.heard.take(set).then(
      () => socket.resume(),
      (error: unknown) => {
        this.heard.trouble(error);
        // The watermark has not moved: the next stream brings it again.
        socket.terminate();
      },
    );
  }

  /** Between half and all of it, so that many conversations do not come back at once. */
  #backOffMs(): number {
    const { retryMs, longestRetryMs } = this.times;
    const ms = Math.min(longestRetryMs, retryMs * 2 ** Math.min(this.#failures, 16));
    return ms * (0.5 + Math.random() / 2);
  }

  #pollMs(): number {
    return this.heard.isLively ? this.times.pollMs : this.times.slowPollMs;
  }

  #pause(ms: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    }).finally(() => (this.#wake = undefined));
  }
}

/** A stream carries what customers say: in the open only on this machine and private networks. */
function isSafe(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'wss:' || isPrivateHost(hostname);
}
