// What is SQLite's own: the tables, the settings of a connection, and expressions that other engines spell differently.

import { channelPlaceOf } from '../../core/channelPlace.js';
import { ConfigError } from '../../errors.js';
import { toConversation } from '../rows.js';
import { CODE, codeOf, type Database } from './engine.js';

/** "hoff": tells this program's files from any other SQLite database. */
const APPLICATION_ID = 0x686f6666;

export const contains = (column: string): string => `instr(${column}, ?) > 0`;

// The log keeps its rowid: entries of all conversations fill the same pages in the order they come. Clustered by
// conversation instead (WITHOUT ROWID), each 1 KB entry dirties a leaf and an overflow page of its own: measured 14k
// against 44k appends/s and three times the file, for a page of 50 entries that reads in 88 µs instead of 75.
const TABLES = `
CREATE TABLE log (
  conversation_id TEXT NOT NULL,
  seq INTEGER NOT NULL CHECK (seq > 0),
  at INTEGER NOT NULL,
  type TEXT NOT NULL,
  envelope TEXT NOT NULL,
  body TEXT,
  salt BLOB,
  digest BLOB,
  chain BLOB NOT NULL,
  client_key TEXT,
  channel_activity_id TEXT,
  PRIMARY KEY (conversation_id, seq)
) STRICT;
CREATE UNIQUE INDEX log_client_key ON log (conversation_id, client_key) WHERE client_key IS NOT NULL;
CREATE INDEX log_channel_activity ON log (conversation_id, channel_activity_id) WHERE channel_activity_id IS NOT NULL;

CREATE TABLE conversation (
  id TEXT NOT NULL PRIMARY KEY,
  version INTEGER NOT NULL,
  phase TEXT NOT NULL,
  work_stream TEXT NOT NULL,
  queue TEXT,
  agent TEXT,
  offered_to TEXT,
  bot TEXT,
  customer_id TEXT,
  priority INTEGER,
  waiting_since INTEGER,
  due_at INTEGER,
  started_at INTEGER NOT NULL,
  closed_at INTEGER,
  channel_key TEXT,
  state TEXT NOT NULL,
  chain BLOB NOT NULL
) STRICT;
CREATE INDEX conversation_started ON conversation (started_at, id);
CREATE INDEX conversation_phase ON conversation (phase, started_at, id);
CREATE INDEX conversation_agent ON conversation (agent, started_at, id) WHERE agent IS NOT NULL;
CREATE INDEX conversation_customer ON conversation (customer_id, started_at, id) WHERE customer_id IS NOT NULL;
CREATE INDEX conversation_queue ON conversation (queue, started_at, id) WHERE queue IS NOT NULL;
CREATE INDEX conversation_queue_phase ON conversation (queue, phase, started_at, id) WHERE queue IS NOT NULL;
CREATE INDEX conversation_due ON conversation (due_at, id) WHERE due_at IS NOT NULL;
CREATE UNIQUE INDEX conversation_channel ON conversation (channel_key) WHERE channel_key IS NOT NULL AND phase <> 'closed';

CREATE TABLE outbox (
  conversation_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  ordinal INTEGER NOT NULL,
  party TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  effect TEXT NOT NULL,
  attempts INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  PRIMARY KEY (conversation_id, seq, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE agent (
  id TEXT NOT NULL PRIMARY KEY,
  presence TEXT NOT NULL,
  presence_at INTEGER NOT NULL,
  presence_until INTEGER,
  capacity INTEGER NOT NULL,
  load INTEGER NOT NULL,
  last_assigned_at INTEGER NOT NULL,
  idle_since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE configuration (
  version INTEGER NOT NULL PRIMARY KEY,
  document TEXT NOT NULL,
  saved_by TEXT NOT NULL,
  saved_at INTEGER NOT NULL
) STRICT;

CREATE TABLE secret (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE grant_ (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  value TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX grant_expiry ON grant_ (expires_at);

CREATE TABLE attachment (
  id TEXT NOT NULL PRIMARY KEY,
  conversation_id TEXT NOT NULL,
  name TEXT NOT NULL,
  content_type TEXT NOT NULL,
  bytes BLOB NOT NULL,
  at INTEGER NOT NULL
) STRICT;
CREATE INDEX attachment_conversation ON attachment (conversation_id);
`;

const CHANNEL_PLACES = `
ALTER TABLE conversation ADD COLUMN channel TEXT;
ALTER TABLE conversation ADD COLUMN channel_conversation TEXT;
CREATE INDEX conversation_of_channel ON conversation (channel, started_at, id);
CREATE INDEX conversation_place ON conversation (channel, channel_conversation, started_at, id);
`;

/** One step for each change of the tables, in order. What was released is never edited. */
const MIGRATIONS: readonly ((db: Database) => void)[] = [
  (db) => db.exec(TABLES),
  (db) => {
    db.exec(CHANNEL_PLACES);
    fillChannelPlaces(db);
  },
];

/** `PRAGMA user_version` of the file: how many of the steps have been taken. */
export const SCHEMA_VERSION = MIGRATIONS.length;

const ROWS_AT_ONCE = 500;

function fillChannelPlaces(db: Database): void {
  const next = db.prepare('SELECT rowid AS row, state FROM conversation WHERE rowid > ? ORDER BY rowid LIMIT ?');
  const fill = db.prepare('UPDATE conversation SET channel = ?, channel_conversation = ? WHERE rowid = ?');
  for (let last: number | undefined = 0; last !== undefined;) {
    const rows = next.all(last, ROWS_AT_ONCE) as { row: number; state: string }[];
    for (const { row, state } of rows) {
      const { channelId, conversationId } = channelPlaceOf(toConversation(state));
      fill.run(channelId, conversationId, row);
    }
    last = rows.at(-1)?.row;
  }
}

/** Settings of the one connection that writes. */
export function prepareForWriting(db: Database, file: string): void {
  db.exec('PRAGMA busy_timeout = 5000');
  const mode = pragma(db, 'journal_mode = WAL');
  if (mode !== 'wal') {
    throw new ConfigError([
      `${file}: the file system does not support SQLite's write-ahead log (got "${String(mode)}").` +
        ' Choose a data directory on a local disk.',
    ]);
  }
  // FULL: a commit is on disk before it is acknowledged. Checkpoints of 16 MB instead of 4 make fewer pauses.
  db.exec('PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864');
  // Whatever is deleted is overwritten with zeros, remains of split pages too: only then is an erased text gone. Costs 5 %.
  db.exec('PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY');
}

export function prepareForReading(db: Database): void {
  db.exec('PRAGMA busy_timeout = 5000; PRAGMA query_only = ON; PRAGMA temp_store = MEMORY');
}

/** Makes the tables or brings them up to this release. @throws ConfigError when the file is not ours or newer than this program. */
export function migrate(db: Database, file: string): void {
  const version = checkSchema(db, file);
  if (version === SCHEMA_VERSION) return;
  // All or nothing: whoever opened the connection closes it when a step fails.
  db.exec('BEGIN IMMEDIATE');
  for (const step of MIGRATIONS.slice(version)) step(db);
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
}

/** The version of the file's tables, 0 for a new file. */
export function checkSchema(db: Database, file: string): number {
  const version = Number(readHeader(db, file, 'user_version'));
  const owner = Number(readHeader(db, file, 'application_id'));
  const tables = (db.prepare('SELECT count(*) AS count FROM sqlite_schema').get() as { count: number }).count;
  if (owner !== APPLICATION_ID && (owner !== 0 || version !== 0 || tables !== 0)) {
    throw new ConfigError([`${file} is another program's database. Choose another data directory with --data.`]);
  }
  if (version > SCHEMA_VERSION) {
    throw new ConfigError([
      `${file} was written by a newer release (schema ${version}, this one knows ${SCHEMA_VERSION}).` +
        ' Run the newer release, or restore the copy made before upgrading.',
    ]);
  }
  return version;
}

function readHeader(db: Database, file: string, name: string): unknown {
  try {
    return pragma(db, name);
  } catch (error) {
    const code = codeOf(error);
    if (code !== CODE.notADatabase && code !== CODE.corrupt) throw error;
    throw new ConfigError([`${file} is not a SQLite database, or it is damaged. Restore it from a copy.`], {
      cause: error,
    });
  }
}

export function pragma(db: Database, text: string): unknown {
  const row = db.prepare(`PRAGMA ${text}`).get() as Record<string, unknown> | undefined;
  return row === undefined ? undefined : Object.values(row)[0];
}
