// The hub's end of a store thread: calls of one turn of the event loop cross in one message, answers come back in one.

import { setImmediate } from 'node:timers';
import { Worker } from 'node:worker_threads';
import { StoreUnavailable } from '../../errors.js';
import { DONE, type Call, type Kind, type Kinds } from '../calls.js';
import type { Flush } from '../recordStore.js';
import { pack, type Answer, type Message, type Order, type PackedAppend, type ThreadSettings } from './calls.js';
import { toError } from './faults.js';

interface Pending {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

/** Of a large crowd the first are sent ahead: their flush runs while this thread still prepares the rest. */
const MAX_BATCH = 128;

export class StoreThread {
  private readonly pending = new Map<number, Pending>();
  private outgoing: (PackedAppend | Call)[] = [];
  private lastId = 0;
  private state: 'open' | 'closing' | 'ended' = 'open';
  private end: Error | undefined;

  private readonly worker: Worker;
  private readonly opened: Promise<void>;

  /** The thread starts and loads SQLite; it touches the directory only when it is told to open. */
  constructor(
    private readonly settings: ThreadSettings,
    private readonly onFlush: (flush: Flush) => void,
  ) {
    this.worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: settings,
      name: `handoff-store-${settings.role}`,
      // Not this process's own: V8's options are refused here. Node's SQLite announces itself as experimental.
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    this.opened = new Promise((resolve, reject) => {
      this.worker.on('message', (message: Message) => {
        switch (message.type) {
          case 'opened':
            return resolve();
          case 'refused':
            this.end = toError(message.fault);
            return;
          case 'answers':
            return this.take(message);
          case 'closed':
            this.state = 'ended';
            return;
        }
      });
      this.worker.on('error', (error) => this.die(error));
      this.worker.on('exit', (code) => reject(this.die(new Error(`it ended with exit code ${code}`))));
    });
    // Told to whoever opens; until then nobody waits for it.
    this.opened.catch(() => {});
  }

  /** @throws ConfigError when the thread cannot use the directory; it is gone then. */
  open(): Promise<void> {
    this.post({ type: 'open' });
    return this.opened;
  }

  call<K extends Kind>(kind: K, ask: Kinds[K]['ask']): Promise<Kinds[K]['answer']> {
    if (this.state !== 'open') return Promise.reject(this.end ?? new StoreUnavailable('The store is closed.'));
    return new Promise((resolve, reject) => {
      const id = ++this.lastId;
      this.pending.set(id, { resolve, reject });
      const call = kind === 'append' ? pack(id, ask as Kinds['append']['ask']) : ({ id, kind, ask } as Call);
      const waiting = this.outgoing.push(call);
      if (waiting === 1) setImmediate(() => this.send());
      else if (waiting === MAX_BATCH) this.send();
    });
  }

  /** Resolves when every call is answered and the thread is gone. */
  async close(): Promise<void> {
    // -1 once the thread is gone.
    if (this.worker.threadId === -1) return;
    const gone = new Promise<void>((resolve) => this.worker.once('exit', () => resolve()));
    if (this.state === 'open') {
      this.send();
      this.state = 'closing';
      this.post({ type: 'close' });
    }
    await gone;
  }

  private send(): void {
    if (this.outgoing.length === 0 || this.state === 'ended') return;
    const calls = this.outgoing;
    this.outgoing = [];
    this.post({ type: 'calls', calls });
  }

  private post(order: Order): void {
    this.worker.postMessage(order);
  }

  private take({ done, others, ms, writes, appends }: { done: number[]; others: Answer[] } & Flush): void {
    for (const id of done) this.answered(id)?.resolve(DONE);
    for (const answer of others) {
      const pending = this.answered(answer.id);
      if ('fault' in answer) pending?.reject(toError(answer.fault));
      else pending?.resolve(answer.answer);
    }
    this.onFlush({ ms, writes, appends });
  }

  private answered(id: number): Pending | undefined {
    const pending = this.pending.get(id);
    this.pending.delete(id);
    return pending;
  }

  private die(cause: Error): Error {
    const closed = this.state === 'ended' || (this.state === 'closing' && this.pending.size === 0);
    this.state = 'ended';
    this.end ??= closed
      ? new StoreUnavailable('The store is closed.')
      : new StoreUnavailable(
          `The store's ${this.settings.role} thread on ${this.settings.directory} is dead: ${cause.message}.` +
            ' What was acknowledged is on disk; restart the program.',
          { cause },
        );
    for (const { reject } of this.pending.values()) reject(this.end);
    this.pending.clear();
    this.outgoing = [];
    return this.end;
  }
}
