// What PostgreSQL and the way to it can answer, by SQLSTATE: who can do something about it, and what.

import { ConfigError, StoreUnavailable } from '../../errors.js';
import type { Place } from './place.js';

/**
 * `again`: rolled back, and worth another try. `content`: what a call says cannot be stored. `lost`: the connection is gone,
 * and with it the answer. `unavailable`: nothing was done, and it may work later.
 */
export type Failure = 'again' | 'content' | 'lost' | 'unavailable';

interface Row {
  is: Failure;
  cure: string;
}

const WAIT = 'It is tried anew with the next call.';

/** By whole code first, then by class (two characters). */
const TABLE: Readonly<Record<string, Row>> = {
  '40001': { is: 'again', cure: 'Others changed the same rows at the same time.' },
  '40P01': { is: 'again', cure: 'Others held the same rows in another order.' },
  '55P03': { is: 'again', cure: 'Somebody holds rows or tables of the record for long: look at pg_stat_activity.' },
  '57014': { is: 'again', cure: 'The server took too long, or somebody cancelled the query: look at its load.' },
  '22': { is: 'content', cure: '' },
  '23': { is: 'content', cure: '' },
  '54': { is: 'content', cure: '' },
  '57P01': { is: 'lost', cure: `The server is stopping. ${WAIT}` },
  '57P02': { is: 'lost', cure: `The server crashed. ${WAIT}` },
  '57P05': { is: 'lost', cure: `The server closed an idle connection. ${WAIT}` },
  '57P03': { is: 'unavailable', cure: `The server is starting or stopping. ${WAIT}` },
  '08': { is: 'lost', cure: `Look at the server and the network. ${WAIT}` },
  '25P03': { is: 'lost', cure: WAIT },
  '53300': {
    is: 'unavailable',
    cure: 'The server has no connection left: raise its max_connections, or lower what others take.',
  },
  '53100': { is: 'unavailable', cure: "The server's disk is full: free some space there. Writing resumes by itself." },
  '53': { is: 'unavailable', cure: 'The server is short of memory or room: look at its log.' },
  '25006': { is: 'unavailable', cure: 'This server only reads: let DATABASE_URL lead to the primary.' },
  '28': { is: 'unavailable', cure: 'The server no longer accepts the account of DATABASE_URL.' },
  '3D': { is: 'unavailable', cure: 'The database is gone: put it back.' },
  '42501': { is: 'unavailable', cure: 'The account of DATABASE_URL lost its rights on the schema: grant them again.' },
  '42': { is: 'unavailable', cure: 'Tables of the record are gone or were changed: restore them from a copy.' },
  HN: { is: 'unavailable', cure: 'The record was replaced while it was in use: restart the program.' },
  '58': { is: 'unavailable', cure: "The server's disk failed: look at its log." },
  XX: { is: 'unavailable', cure: 'The server reports damage: look at its log, and restore from a copy.' },
};

/** Without a SQLSTATE it never reached the server, or the way back broke. */
const NO_STATE: Row = { is: 'lost', cure: `Look at the server and the network. ${WAIT}` };

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : '';
}

/** The server was reached and said so itself. */
export function isFromServer(error: unknown): boolean {
  // Codes of the operating system begin with E (EPIPE), those of SQLSTATE with a digit or one of ours.
  return /^(?!E)[0-9A-Z]{5}$/.test(codeOf(error));
}

function rowOf(error: unknown): Row {
  const code = codeOf(error);
  if (!isFromServer(error)) return NO_STATE;
  return TABLE[code] ?? TABLE[code.slice(0, 2)] ?? { is: 'unavailable', cure: 'Look at the log of the server.' };
}

export function failureOf(error: unknown): Failure {
  return rowOf(error).is;
}

/** For whoever waits: nothing was written. */
export function unavailable(error: unknown, { shown }: Place): StoreUnavailable {
  return new StoreUnavailable(
    `PostgreSQL at ${shown} cannot be used now (${messageOf(error)}). Nothing was written. ${rowOf(error).cure}`,
    { cause: error },
  );
}

/** For whoever waits: the connection broke, and there was no way yet to ask what became of it. */
export function unknownOutcome(error: unknown, { shown }: Place): StoreUnavailable {
  return new StoreUnavailable(
    `The connection to PostgreSQL at ${shown} broke while this was written (${messageOf(error)}), and the server cannot be` +
      ` asked whether it was stored. Send it again under the same key: it is stored once. ${rowOf(error).cure}`,
    { cause: error, unknown: true },
  );
}

/** A call that could not be carried out for what it says: a fault of the caller, nothing was written. */
export function contentError(error: unknown): TypeError {
  return new TypeError(`the store refused a call: ${messageOf(error)}`, { cause: error });
}

/** For the operator: the store cannot be opened. */
export function refusal(error: unknown, { shown, schema }: Place): Error {
  if (error instanceof ConfigError) return error;
  const code = codeOf(error);
  const cure = OPENING[code] ?? OPENING[code.slice(0, 2)];
  return new ConfigError(
    [
      `PostgreSQL at ${shown} cannot be used (${messageOf(error)}). ` +
        (cure?.replaceAll('SCHEMA', schema) ?? 'Look at the server and its log, and compare DATABASE_URL with them.'),
    ],
    { cause: error },
  );
}

const OPENING: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Start the server, or correct host and port in DATABASE_URL.',
  ENOTFOUND: 'Correct the host in DATABASE_URL.',
  ENOENT:
    'Correct the file that DATABASE_URL names: sslrootcert, sslcert, sslkey, or the folder of the socket in host.',
  EAI_AGAIN: 'The name of the host cannot be looked up now: correct it in DATABASE_URL, or look at the network.',
  '28': 'Correct user and password in DATABASE_URL, or let pg_hba.conf of the server admit them from here.',
  '3D': 'Create the database (createdb), or correct its name in DATABASE_URL.',
  '42501':
    'Let the account make its schema (GRANT CREATE ON DATABASE …), or make one for it (CREATE SCHEMA "SCHEMA" AUTHORIZATION …).',
  '25006': 'This server only reads: let DATABASE_URL lead to the primary.',
};

/** Never the URL: the driver's messages name host, user and database only. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}
