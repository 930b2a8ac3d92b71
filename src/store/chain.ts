// The hash chain over envelopes: shows what was changed, cut out or added afterwards, and survives the erasing of a body.
//
//   digest(n) = sha256(salt(n) + body(n))                          only where the entry has a body
//   chain(n)  = sha256(chain(n - 1) + envelope(n) + digest(n))     chain(0) = sha256(conversation id)
//
// The salt is random, so a digest that stays after its body is gone does not let anybody guess a short text.

import { createHash, randomFillSync } from 'node:crypto';

export function chainStart(conversationId: string): Uint8Array {
  return createHash('sha256').update(conversationId).digest();
}

export function chainNext(previous: Uint8Array, envelope: string, digest: Uint8Array | null): Uint8Array {
  const hash = createHash('sha256').update(previous).update(envelope);
  return (digest === null ? hash : hash.update(digest)).digest();
}

export function digestOf(salt: Uint8Array, body: string): Uint8Array {
  return createHash('sha256').update(salt).update(body).digest();
}

const SALT_BYTES = 16;
const pool = new Uint8Array(SALT_BYTES * 256);
let used = pool.length;

/** Taken from a pool: one call into the system's generator makes 256 salts. */
export function newSalt(): Uint8Array {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += SALT_BYTES;
  return pool.slice(used - SALT_BYTES, used);
}

export interface AuditedRow {
  seq: number;
  at: number;
  type: string;
  envelope: string;
  body: string | null;
  salt: Uint8Array | null;
  digest: Uint8Array | null;
  chain: Uint8Array;
  client_key: string | null;
}

/** What is wrong with the record itself, one line each; empty when it is sound. Rows in order of seq. */
export function findFaults(
  conversationId: string,
  rows: readonly AuditedRow[],
  cached: { version: number; chain: Uint8Array },
): string[] {
  const faults: string[] = [];
  const erased = erasedTargets(rows);
  let chain = chainStart(conversationId);
  let expected = 1;
  for (const row of rows) {
    if (row.seq !== expected) {
      faults.push(
        row.seq === expected + 1 ? `entry ${expected} is missing` : `entries ${expected} to ${row.seq - 1} are missing`,
      );
    }
    expected = row.seq + 1;
    if (!same(chainNext(chain, row.envelope, row.digest), row.chain)) {
      faults.push(
        `entry ${row.seq} does not continue the hash chain: an envelope was edited, or entries were removed or added`,
      );
    }
    chain = row.chain;
    faults.push(...bodyFaults(row, erased), ...columnFaults(row));
  }
  const last = rows.at(-1)?.seq ?? 0;
  if (last !== cached.version)
    faults.push(`the log ends at entry ${last}, the conversation is at version ${cached.version}`);
  else if (!same(chain, cached.chain))
    faults.push('the hash chain of the log does not end where the conversation says');
  return faults;
}

function bodyFaults(row: AuditedRow, erased: ReadonlySet<number>): string[] {
  if (row.digest === null)
    return row.body === null ? [] : [`entry ${row.seq} has a body that was not there when it was written`];
  if (row.body === null)
    return erased.has(row.seq) ? [] : [`the body of entry ${row.seq} is gone and no later entry erased it`];
  if (row.salt === null || !same(digestOf(row.salt, row.body), row.digest)) {
    return [`the body of entry ${row.seq} is not the one that was written`];
  }
  return [];
}

/** Columns repeat what the envelope says so that it can be searched; searching must not find something else. */
function columnFaults(row: AuditedRow): string[] {
  const envelope = parse(row.envelope);
  if (envelope === undefined) return [`the envelope of entry ${row.seq} is not JSON`];
  const differs: string[] = [];
  if (envelope['type'] !== row.type) differs.push('type');
  if (envelope['at'] !== row.at) differs.push('at');
  if ((envelope['key'] ?? null) !== row.client_key) differs.push('client_key');
  return differs.map((column) => `entry ${row.seq}: column ${column} differs from the envelope`);
}

function erasedTargets(rows: readonly AuditedRow[]): Set<number> {
  const targets = new Set<number>();
  for (const row of rows) {
    if (row.type !== 'erased') continue;
    const named = parse(row.envelope)?.['targets'];
    if (Array.isArray(named)) for (const target of named) if (target < row.seq) targets.add(Number(target));
  }
  return targets;
}

function parse(json: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
