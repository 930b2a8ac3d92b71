// The hub's end of a store thread: calls of one turn of the event loop cross in one message, answers come back in one.

import { setImmediate } from 'node:timers';
import { Worker } from 'node:worker_threads';
import { StoreUnavailable } from '../../errors.js';
import type { Answer, Call, Kind, Kinds, Message, Order, ThreadSettings } from './calls.js';
import { toError } from './faults.js';

interface Pending {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

export interface Flush {
  ms: number;
  writes: number;
  appends: number;
}

export class StoreThread {
  private readonly pending = new Map<number, Pending>();
  private outgoing: Call[] = [];
  private lastId = 0;
  private state: 'open' | 'closing' | 'ended' = 'open';
  private end: Error | undefined;

  private constructor(
    private readonly worker: Worker,
    private readonly settings: ThreadSettings,
    private readonly onFlush: (flush: Flush) => void,
  ) {}

  /** @throws ConfigError when the thread cannot use the directory. */
  static async open(settings: ThreadSettings, onFlush: (flush: Flush) => void): Promise<StoreThread> {
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: settings,
      name: `handoff-store-${settings.role}`,
      // Node's own SQLite announces itself as experimental on every start.
      execArgv: [...process.execArgv, '--disable-warning=ExperimentalWarning'],
    });
    const thread = new StoreThread(worker, settings, onFlush);
    await new Promise<void>((resolve, reject) => {
      worker.on('message', (message: Message) => {
        switch (message.type) {
          case 'opened':
            return resolve();
          case 'refused':
            reject(toError(message.fault));
            return void worker.terminate();
          case 'answers':
            return thread.take(message);
          case 'closed':
            thread.state = 'ended';
            return;
        }
      });
      worker.on('error', (error) => thread.die(error));
      worker.on('exit', (code) => {
        thread.die(new Error(`it ended with exit code ${code}`));
        reject(thread.end);
      });
    });
    return thread;
  }

  call<K extends Kind>(kind: K, ask: Kinds[K]['ask']): Promise<Kinds[K]['answer']> {
    if (this.state !== 'open') return Promise.reject(this.end ?? new StoreUnavailable('The store is closed.'));
    return new Promise((resolve, reject) => {
      const id = ++this.lastId;
      this.pending.set(id, { resolve: resolve as Pending['resolve'], reject });
      if (this.outgoing.push({ id, kind, ask } as Call) === 1) setImmediate(() => this.send());
    });
  }

  /** Resolves when every call is answered and the thread is gone. */
  async close(): Promise<void> {
    if (this.state === 'ended') return;
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

  private take({ answers, ms, writes, appends }: { answers: Answer[] } & Flush): void {
    for (const answer of answers) {
      const pending = this.pending.get(answer.id);
      this.pending.delete(answer.id);
      if ('fault' in answer) pending?.reject(toError(answer.fault));
      else pending?.resolve(answer.answer);
    }
    this.onFlush({ ms, writes, appends });
  }

  private die(cause: Error): void {
    const closed = this.state === 'ended' && this.end === undefined;
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
  }
}
