/** The delivered program in a process of its own: started as a user starts it, ended as an operator or a power cut ends it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** As it is delivered: the tests run from build/, the program from dist/. */
const cli = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));

export interface ServerOptions {
  /** The data directory. */
  data: string;
  /** Default 0: any free port. */
  port?: number;
  /** More arguments of `handoff start`. */
  args?: string[];
  env?: Record<string, string>;
}

export class ServerProcess {
  private constructor(
    /** The origin it listens on. */
    readonly url: string,
    private readonly child: ChildProcess,
    private readonly printed: string[],
  ) {}

  /** Resolves once it says that it listens; rejects with what it printed when it ends or does not within 30 s. */
  static async start({ data, port = 0, args = ['--demo'], env = {} }: ServerOptions): Promise<ServerProcess> {
    const child = spawn(process.execPath, [cli, 'start', '--data', data, '--port', String(port), ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const printed: string[] = [];
    const url = await new Promise<string>((resolve, reject) => {
      const fail = (what: string): void => reject(new Error(`The server ${what}. It printed:\n${printed.join('')}`));
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        fail('did not listen within 30 s');
      }, 30_000);
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        fail(`ended (${signal ?? code}) before it listened`);
      });
      const read = (chunk: Buffer): void => {
        printed.push(chunk.toString());
        const listening = /Listening on (https?:\/\/[^\s"]+)/.exec(printed.join(''))?.[1];
        if (listening === undefined) return;
        clearTimeout(timer);
        child.stdout.off('data', read);
        child.stdout.on('data', (more: Buffer) => printed.push(more.toString()));
        resolve(listening);
      };
      child.stdout.on('data', read);
      child.stderr.on('data', (chunk: Buffer) => printed.push(chunk.toString()));
    });
    return new ServerProcess(url, child, printed);
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** Everything it wrote to stdout and stderr so far. */
  get output(): string {
    return this.printed.join('');
  }

  /** kill -9: no chance to flush or say goodbye. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** SIGTERM; resolves with its exit code. */
  async stop(): Promise<number | null> {
    await this.end('SIGTERM');
    return this.child.exitCode;
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill(signal);
    await gone;
  }
}

/** Runs one command of the program to its end. */
export async function runCommand(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [cli, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  const patience = setTimeout(() => child.kill('SIGKILL'), 30_000);
  await once(child, 'close');
  clearTimeout(patience);
  return { code: child.exitCode, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}
