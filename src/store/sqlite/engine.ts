// The node:sqlite API, from Node itself where it has it (22.13 and later), else from a package with the same API.

import { isBuiltin } from 'node:module';
import { ConfigError } from '../../errors.js';

export interface Database {
  exec(text: string): void;
  prepare(text: string): Statement;
  close(): void;
  readonly isOpen: boolean;
  readonly isTransaction: boolean;
}

export type Bound = string | number | null | Uint8Array;

export interface Statement {
  run(...values: Bound[]): { changes: number | bigint };
  get(...values: Bound[]): unknown;
  all(...values: Bound[]): unknown[];
}

export interface SqliteModule {
  DatabaseSync: new (path: string, options?: { readOnly?: boolean }) => Database;
}

/**
 * Loaded when a store is opened, never on import: who keeps the record elsewhere needs no SQLite.
 * @throws ConfigError where there is none for this machine.
 */
export async function loadSqlite(): Promise<SqliteModule> {
  const name: string = isBuiltin('node:sqlite') ? 'node:sqlite' : '@photostructure/sqlite';
  try {
    return (await import(name)) as SqliteModule;
  } catch (error) {
    throw new ConfigError(
      [
        `SQLite cannot be loaded on ${process.platform}-${process.arch} (${error instanceof Error ? error.message : String(error)}).` +
          ' Use Node 22.13 or later, which has it built in, or set DATABASE_URL to keep the record in PostgreSQL.',
      ],
      { cause: error },
    );
  }
}

/** SQLite's primary result codes that a store meets. */
export const CODE = {
  busy: 5,
  noMemory: 7,
  readOnly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  protocol: 15,
  notADatabase: 26,
} as const;

/** SQLite's primary result code of an error, if SQLite threw it. */
export function codeOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return undefined;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : undefined;
}
