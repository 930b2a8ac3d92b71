// The data directory as commands reach it: read beside a running server, written where none runs, and the server itself asked.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { mintControlToken, SERVER_FILE } from '../control.js';
import { ConfigError } from '../errors.js';
import type { Clock, Store } from '../hub/ports.js';
import { reading } from '../openStore.js';
import type { Flags } from './flags.js';

/** The clock by which the servers of this record go: this machine's own may be wrong. */
export function clockOf(store: Store): Clock {
  return store.clock ?? { now: () => Date.now() };
}

/** Where a server on this data directory listens; a file left by one that was killed does not count. */
export async function serverUrl(flags: Flags): Promise<string | undefined> {
  const file = join(resolve(flags.data), SERVER_FILE);
  if (!existsSync(file)) return undefined;
  const { url } = JSON.parse(await readFile(file, 'utf8')) as { url: string };
  try {
    await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2_000) });
    return url;
  } catch {
    return undefined;
  }
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
