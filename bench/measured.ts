/** A process under measurement: how a server of the benchmark is started, asked for its CPU and memory, and ended. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Usage {
  /** User and system time of the whole process, worker threads included, in microseconds. */
  cpuMicros: number;
  /** Resident memory after a full garbage collection, in bytes. */
  rssBytes: number;
  /** What of it is live: objects and buffers that survived the collection, in bytes. */
  liveBytes: number;
}

/** What a server tells the one who started it, once it listens. */
export interface Listening {
  url: string;
  /** The Direct Line secret; servers that check nothing have none. */
  secret?: string;
}

type Question =
  | { ask: 'usage'; collect: boolean }
  | { ask: 'speak'; conversations: string[]; texts: string[] }
  | { ask: 'seed'; count: number }
  | { ask: 'stop' };

/** What a server can be asked to do. */
export interface Abilities {
  /** The bot says these texts, unasked, to each of the conversations. */
  speak?: (conversations: string[], texts: string[]) => Promise<void> | void;
  /** Opens so many conversations. */
  seed?: (count: number) => Promise<void>;
}

/** Called by a server's process: announces the address, then answers questions until it is told to stop or its parent is gone. */
export function announce(
  listening: Listening,
  stop: () => Promise<void> | void,
  { speak, seed }: Abilities = {},
): void {
  const leave = async (): Promise<void> => {
    await stop();
    process.exit(0);
  };
  process.on('message', (question: Question) => {
    switch (question.ask) {
      case 'usage':
        void describeUsage(question.collect).then((usage) => process.send?.(usage));
        return;
      case 'speak':
        void Promise.resolve(speak?.(question.conversations, question.texts)).then(() => process.send?.('done'));
        return;
      case 'seed':
        void seed?.(question.count).then(() => process.send?.('done'));
        return;
      case 'stop':
        void leave();
    }
  });
  process.on('disconnect', () => void leave());
  process.send?.(listening);
}

async function describeUsage(collect: boolean): Promise<Usage> {
  // Read before the collection, which is the benchmark's own work.
  const cpu = process.cpuUsage();
  // V8 gives pages back over several collections, not with the first.
  for (let round = 0; collect && round < 4; round++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  return { cpuMicros: cpu.user + cpu.system, rssBytes: rss, liveBytes: heapUsed + external };
}

/** A script of this folder in a process of its own. */
export function forkScript(script: string, args: string[], nodeOptions: string[] = []): ChildProcess {
  return fork(fileURLToPath(new URL(script, import.meta.url)), args, { execArgv: nodeOptions });
}

/** A server of the benchmark in a process of its own. */
export class MeasuredServer {
  private constructor(
    readonly name: string,
    readonly listening: Listening,
    private readonly child: ChildProcess,
    private readonly inbox: Inbox<Listening | Usage | 'done'>,
  ) {}

  static async start(name: string, script: string, args: string[] = [], nodeOptions: string[] = []) {
    const child = forkScript(script, args, ['--expose-gc', ...nodeOptions]);
    const inbox = new Inbox<Listening | Usage | 'done'>(child, name);
    return new MeasuredServer(name, (await inbox.next()) as Listening, child, inbox);
  }

  async usage({ collect = false } = {}): Promise<Usage> {
    this.child.send({ ask: 'usage', collect } satisfies Question);
    return (await this.inbox.next()) as Usage;
  }

  /** Resolves when the bot's words are kept. */
  async speak(conversations: string[], texts: string[]): Promise<void> {
    this.child.send({ ask: 'speak', conversations, texts } satisfies Question);
    await this.inbox.next();
  }

  /** Resolves when so many conversations are open. */
  async seed(count: number): Promise<void> {
    this.child.send({ ask: 'seed', count } satisfies Question);
    await this.inbox.next();
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    if (this.child.connected) this.child.send({ ask: 'stop' } satisfies Question);
    const impatient = setTimeout(() => this.child.kill('SIGKILL'), 10_000);
    await gone;
    clearTimeout(impatient);
  }
}

/** The messages of a child, none lost between two questions; `next` rejects once the child has ended without one. */
export class Inbox<T> {
  private readonly unread: T[] = [];
  private waiting?: { resolve: (message: T) => void; reject: (reason: Error) => void };
  private ended?: Error;

  constructor(child: ChildProcess, name: string) {
    child.on('message', (message) => {
      if (this.waiting === undefined) this.unread.push(message as T);
      else this.waiting.resolve(message as T);
      this.waiting = undefined;
    });
    child.on('exit', (code, signal) => {
      this.ended = new Error(`${name} ended (${signal ?? code}) instead of answering: see its output above`);
      this.waiting?.reject(this.ended);
    });
  }

  next(): Promise<T> {
    const message = this.unread.shift();
    if (message !== undefined) return Promise.resolve(message);
    if (this.ended !== undefined) return Promise.reject(this.ended);
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
    });
  }
}
