// The data directory as commands reach it: read beside a running server, written where none runs, and the server itself asked.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { keptDirectory } from '../config.js';
import { mintControlToken, SERVER_FILE } from '../control.js';
import type { Directory } from '../core/directory.js';
import { ConfigError } from '../errors.js';
import type { Clock, Store, StoredConfiguration } from '../hub/ports.js';
import { placeInWords, reading } from '../openStore.js';
import type { Flags } from './flags.js';

/** The clock by which the servers of this record go: this machine's own may be wrong. */
export function clockOf(store: Store): Clock {
  return store.clock ?? { now: () => Date.now() };
}

/** Longer than a loaded machine, a full disk or a paused process holds up an answer; nothing is waited for at a closed port. */
const PATIENCE_MS = 30_000;

/**
 * Where a server on this data directory listens; a file left by one that was killed does not count.
 * @throws ConfigError when it takes the connection and does not answer: it may be at work, so nothing is done beside it.
 */
export async function serverUrl(
  flags: Pick<Flags, 'data'>,
  patienceMs: number = PATIENCE_MS,
): Promise<string | undefined> {
  const file = join(resolve(flags.data), SERVER_FILE);
  if (!existsSync(file)) return undefined;
  const { url, pid } = serverIn(await readFile(file, 'utf8'), file);
  try {
    await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(patienceMs) });
    return url;
  } catch (error) {
    if ((error as Error).name !== 'TimeoutError') return undefined;
    throw new ConfigError(
      [
        `The server at ${url} (process ${pid}) has not answered for ${patienceMs / 1_000} s, and nothing was done beside it.` +
          ` Try again when it answers, or stop it; where another program has that port now, delete ${file}.`,
      ],
      { cause: error },
    );
  }
}

/** @throws ConfigError when it is not what a server writes: one may run all the same. */
function serverIn(text: string, file: string): { url: string; pid: number } {
  try {
    const read = JSON.parse(text) as { url: string; pid: number };
    if (URL.canParse(read.url)) return read;
  } catch {
    // Told below.
  }
  throw new ConfigError([
    `${file} does not say where the server is. Restart the server, or delete the file if none runs.`,
  ]);
}

/** @throws ConfigError when none is in force. */
export async function configurationInForce(store: Store, flags: Pick<Flags, 'data'>): Promise<StoredConfiguration> {
  const kept = await store.configuration();
  if (kept === undefined)
    throw new ConfigError([
      `The record in ${placeInWords(flags)} has no configuration yet.` +
        ' Start the server on it once, put a file in force with "handoff config apply", or name another record with --data or DATABASE_URL.',
    ]);
  return kept;
}

/** The configuration in force. @throws ConfigError when there is none. */
export async function directoryInForce(store: Store, flags: Pick<Flags, 'data'>): Promise<Directory> {
  return keptDirectory(await configurationInForce(store, flags));
}

/** @returns undefined when no server runs. */
export async function askServer(flags: Flags, path: string, body: unknown): Promise<unknown> {
  const url = await serverUrl(flags);
  if (url === undefined) return undefined;
  const bearer = await reading(flags, (store) => mintControlToken(store, clockOf(store)));
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const answer = (await response.json()) as { error?: { message: string } };
  if (!response.ok) throw new ConfigError([answer.error?.message ?? `The server answered ${response.status}.`]);
  return answer;
}
