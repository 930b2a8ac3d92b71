// The real program in a process of its own: `handoff start`, and the other commands beside it.

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const CLI = resolve('dist/cli.js');
/** Many processes start at once on a busy machine. */
const START_WITHIN_MS = 60_000;

export interface Ran {
  code: number;
  out: string;
  err: string;
}

/** Runs one command to its end, in `folder` where its .env matters. */
export function handoff(
  args: readonly string[],
  env: Record<string, string> = {},
  folder = process.cwd(),
): Promise<Ran> {
  return new Promise((done) => {
    execFile(
      process.execPath,
      [CLI, ...args],
      { cwd: folder, env: { ...process.env, ...env }, timeout: 60_000 },
      (error, out, err) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
        done({ code, out: out.trim(), err: err.trim() });
      },
    );
  });
}

export interface Program {
  url: string;
  /** What it printed so far. */
  output(): string;
  child: ChildProcess;
  /** @returns the exit code, or the signal that ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals | null>;
}

/** Starts the demo on a free port unless the arguments say otherwise, and waits until it listens. */
export async function startProgram(
  data: string,
  args: readonly string[] = ['--demo', '--port', '0'],
  env: Record<string, string> = {},
): Promise<Program> {
  const child = spawn(process.execPath, [CLI, 'start', '--data', data, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const url = await new Promise<string>((listening, failed) => {
    const timer = setTimeout(
      () => failed(new Error(`not listening after ${START_WITHIN_MS} ms:\n${output}`)),
      START_WITHIN_MS,
    );
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      const found = /^Listening on (\S+)$/m.exec(output)?.[1];
      if (found === undefined) return;
      clearTimeout(timer);
      listening(found);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('exit', (code) => {
      clearTimeout(timer);
      failed(new Error(`ended with ${code}:\n${output}`));
    });
  });
  return {
    url,
    output: () => output,
    child,
    async stop(signal = 'SIGTERM') {
      if (child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? child.signalCode;
      child.kill(signal);
      await once(child, 'close');
      return child.exitCode ?? child.signalCode;
    },
  };
}

/** A data directory that is gone afterwards. */
export async function withData<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'handoff-program-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

/** One call with a JSON body and a bearer token. */
export async function call(method: string, url: string, token?: string, body?: unknown): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: {
      'content-type': 'application/json',
      connection: 'close',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : { text },
  };
}
