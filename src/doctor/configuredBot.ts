// For the doctor: the bot as this data directory has it configured, and the hub's own keys to sign for it.

import { resolve } from 'node:path';
import { keptDirectory } from '../config.js';
import { HubIssuer } from '../connector/trust/issuer.js';
import type { DoctorHub } from './trust.js';
import { ConfigError } from '../errors.js';
import type { Store } from '../hub/ports.js';
import { storeOf } from '../openStore.js';

/**
 * Runs `work` with the hub as issuer where the configuration in force names the bot at this endpoint with `{issuer: hub}`. The
 * store is open for reading meanwhile, also beside a running server; where there is none the doctor does without.
 */
export async function withConfiguredBot<T>(
  endpoint: string,
  data: string,
  /** Under which bots reach the server, without a trailing slash. */
  origin: string | undefined,
  work: (hub: DoctorHub | undefined) => Promise<T>,
): Promise<T> {
  const store = storeOf(process.env['DATABASE_URL'], resolve(data), { readOnly: true });
  try {
    await store.open();
  } catch (error) {
    if (error instanceof ConfigError) return work(undefined);
    throw error;
  }
  try {
    return await work(origin === undefined ? undefined : await hubOf(store, endpoint, origin));
  } finally {
    await store.close();
  }
}

async function hubOf(store: Store, endpoint: string, origin: string): Promise<DoctorHub | undefined> {
  const kept = await store.configuration();
  if (kept === undefined) return undefined;
  const { bots } = keptDirectory(kept);
  for (const { transport } of Object.values(bots)) {
    if (transport.kind !== 'http' || transport.auth === 'none' || transport.auth.issuer !== 'hub') continue;
    const { appId, auth } = transport;
    if (appId === undefined || !isSame(transport.endpoint, endpoint)) continue;
    const now = () => Date.now();
    return { appId, auth, issuer: new HubIssuer(store, { now }, () => origin), now };
  }
  return undefined;
}

function isSame(one: string, other: string): boolean {
  return URL.canParse(one) && URL.canParse(other) && new URL(one).href === new URL(other).href;
}
