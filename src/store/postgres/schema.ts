// What is PostgreSQL's own: the tables, how they grow from release to release, and expressions that other engines spell differently.

import type { ClientBase } from 'pg';
import { channelPlaceOf } from '../../core/channelPlace.js';
import { ConfigError } from '../../errors.js';
import { toConversation } from '../rows.js';
import { makeFunctions } from './functions.js';
import { BEAT, DISCONNECT } from './living.js';
import { escapeText, type Place } from './place.js';
import { WRITING } from './writing.js';

export const contains = (column: string): string => `strpos(${column}, ?) > 0`;

/** The common SQL has `?` for each parameter in turn; here they have numbers. */
export function numbered(text: string): string {
  let count = 0;
  return text.replaceAll('?', () => `$${++count}`);
}

/**
 * One step for each change of the tables, in order; `migration` says which have been taken. What was released is never
 * edited. Texts that are searched or ordered compare byte by byte ("C"), as in the other engines and in every locale.
 */
const MIGRATIONS: readonly string[] = [
  `
CREATE TABLE log (
  conversation_id TEXT COLLATE "C" NOT NULL,
  seq BIGINT NOT NULL CHECK (seq > 0),
  at BIGINT NOT NULL,
  type TEXT NOT NULL,
  envelope TEXT NOT NULL,
  body TEXT,
  salt BYTEA,
  digest BYTEA,
  chain BYTEA NOT NULL,
  client_key TEXT COLLATE "C",
  channel_activity_id TEXT COLLATE "C",
  PRIMARY KEY (conversation_id, seq)
);
CREATE UNIQUE INDEX log_client_key ON log (conversation_id, client_key) WHERE client_key IS NOT NULL;
CREATE INDEX log_channel_activity ON log (conversation_id, channel_activity_id) WHERE channel_activity_id IS NOT NULL;

CREATE TABLE conversation (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  version BIGINT NOT NULL,
  phase TEXT COLLATE "C" NOT NULL,
  work_stream TEXT COLLATE "C" NOT NULL,
  queue TEXT COLLATE "C",
  agent TEXT COLLATE "C",
  offered_to TEXT COLLATE "C",
  bot TEXT COLLATE "C",
  customer_id TEXT COLLATE "C",
  priority BIGINT,
  waiting_since BIGINT,
  due_at BIGINT,
  started_at BIGINT NOT NULL,
  closed_at BIGINT,
  channel_key TEXT COLLATE "C",
  state TEXT NOT NULL,
  chain BYTEA NOT NULL
);
CREATE INDEX conversation_started ON conversation (started_at, id);
CREATE INDEX conversation_phase ON conversation (phase, started_at, id);
CREATE INDEX conversation_agent ON conversation (agent, started_at, id) WHERE agent IS NOT NULL;
CREATE INDEX conversation_customer ON conversation (customer_id, started_at, id) WHERE customer_id IS NOT NULL;
CREATE INDEX conversation_queue ON conversation (queue, started_at, id) WHERE queue IS NOT NULL;
CREATE INDEX conversation_queue_phase ON conversation (queue, phase, started_at, id) WHERE queue IS NOT NULL;
CREATE INDEX conversation_due ON conversation (due_at, id) WHERE due_at IS NOT NULL;
CREATE UNIQUE INDEX conversation_channel ON conversation (channel_key) WHERE channel_key IS NOT NULL AND phase <> 'closed';

CREATE TABLE outbox (
  conversation_id TEXT COLLATE "C" NOT NULL,
  seq BIGINT NOT NULL,
  ordinal BIGINT NOT NULL,
  party TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  effect TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  -- Who delivers it. Rows of a process that is no node (any more) are taken over.
  node TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (conversation_id, seq, ordinal)
);
CREATE INDEX outbox_node ON outbox (node, conversation_id, seq, ordinal);

CREATE TABLE agent (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  presence TEXT NOT NULL,
  presence_at BIGINT NOT NULL,
  presence_until BIGINT,
  capacity BIGINT NOT NULL,
  load BIGINT NOT NULL,
  last_assigned_at BIGINT NOT NULL,
  idle_since BIGINT NOT NULL
);

CREATE TABLE configuration (
  version BIGINT NOT NULL PRIMARY KEY,
  document TEXT NOT NULL,
  saved_by TEXT NOT NULL,
  saved_at BIGINT NOT NULL
);

CREATE TABLE secret (name TEXT COLLATE "C" NOT NULL PRIMARY KEY, value TEXT NOT NULL);

CREATE TABLE grant_ (
  kind TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  value TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  PRIMARY KEY (kind, id)
);
CREATE INDEX grant_expiry ON grant_ (expires_at);

CREATE TABLE attachment (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  conversation_id TEXT COLLATE "C" NOT NULL,
  name TEXT NOT NULL,
  content_type TEXT NOT NULL,
  bytes BYTEA NOT NULL,
  at BIGINT NOT NULL
);
-- Files are compressed as they come, or cannot be.
ALTER TABLE attachment ALTER COLUMN bytes SET STORAGE EXTERNAL;
CREATE INDEX attachment_conversation ON attachment (conversation_id);

CREATE INDEX conversation_line ON conversation (phase, version) WHERE phase IN ('queued', 'offered');

-- Processes that live, by their last sign of life. One of them keeps the house.
CREATE TABLE node (
  id TEXT NOT NULL PRIMARY KEY,
  seen_at TIMESTAMPTZ NOT NULL,
  keeps BOOLEAN NOT NULL,
  -- What others may read of it.
  status TEXT
);
CREATE UNIQUE INDEX node_keeper ON node (keeps) WHERE keeps;

-- Signs what nodes tell each other: every account of the database may speak in their line.
CREATE TABLE notice_key (is_only BOOLEAN NOT NULL PRIMARY KEY DEFAULT true CHECK (is_only), value TEXT NOT NULL);

-- Where people are connected, or were and have not come back; then missed is the presence to come back to.
CREATE TABLE connection (
  agent TEXT COLLATE "C" NOT NULL,
  node TEXT NOT NULL,
  lost_at TIMESTAMPTZ,
  missed TEXT,
  PRIMARY KEY (agent, node)
);

-- Which process works with a grant that one at a time does; the one that wants it comes next.
CREATE TABLE holding (
  kind TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  node TEXT NOT NULL,
  wanted_by TEXT,
  PRIMARY KEY (kind, id)
);

-- The last flush of each process, so that one whose connection broke finds out what became of it.
CREATE TABLE writer (
  id TEXT NOT NULL PRIMARY KEY,
  flush BIGINT NOT NULL,
  answers TEXT,
  at TIMESTAMPTZ NOT NULL DEFAULT now()
);
`,
  `
ALTER TABLE conversation ADD COLUMN channel TEXT COLLATE "C";
ALTER TABLE conversation ADD COLUMN channel_conversation TEXT COLLATE "C";
CREATE INDEX conversation_of_channel ON conversation (channel, started_at, id);
CREATE INDEX conversation_place ON conversation (channel, channel_conversation, started_at, id);
CREATE INDEX conversation_unplaced ON conversation (id) WHERE channel IS NULL;
`,
];

export const SCHEMA_VERSION = MIGRATIONS.length;

const UNPLACED = 'SELECT id, state FROM conversation WHERE channel IS NULL ORDER BY id LIMIT 500';
const PLACE =
  'UPDATE conversation c SET channel = p.channel, channel_conversation = p.conversation' +
  ' FROM unnest($1::text[], $2::text[], $3::text[]) AS p(id, channel, conversation) WHERE c.id = p.id';

/** Of conversations that an older release wrote: before the columns were there, or while a newer one served beside it. */
async function fillChannelPlaces(client: ClientBase): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ id: string; state: string }>(UNPLACED);
    if (rows.length === 0) return;
    const places = rows.map(({ state }) => channelPlaceOf(toConversation(state)));
    await client.query(PLACE, [
      rows.map(({ id }) => escapeText(id)),
      places.map(({ channelId }) => escapeText(channelId)),
      places.map(({ conversationId }) => escapeText(conversationId)),
    ]);
  }
}

/** Rows of processes that ended without saying so are kept this long. */
const FORGET_WRITERS = "DELETE FROM writer WHERE at < now() - interval '30 days'";

/**
 * Makes the tables or brings them up to this release, one process at a time.
 * @throws ConfigError when the schema is another program's, or a newer release's.
 */
export async function migrate(client: ClientBase, place: Place): Promise<void> {
  const { schema } = place;
  await client.query('BEGIN');
  try {
    await client.query("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10min'");
    await client.query("SELECT pg_advisory_xact_lock(hashtext('botframework-handoff'), hashtext($1))", [schema]);
    // Not IF NOT EXISTS: that asks for the right to make schemas even where there is nothing to make.
    const known = await client.query('SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema]);
    if (known.rowCount === 0) await client.query(`CREATE SCHEMA "${schema}"`);
    const version = await checkSchema(client, place);
    if (version === 0)
      await client.query('CREATE TABLE migration (version BIGINT NOT NULL PRIMARY KEY, at TIMESTAMPTZ)');
    for (const [index, step] of MIGRATIONS.entries()) {
      if (index < version) continue;
      await client.query(step);
      await client.query('INSERT INTO migration VALUES ($1, now())', [index + 1]);
    }
    await makeFunctions(client, schema, [...WRITING.functions, BEAT, DISCONNECT]);
    await fillChannelPlaces(client);
    await client.query(FORGET_WRITERS);
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

/** The version of the schema's tables, 0 where there are none. @throws ConfigError. */
export async function checkSchema(client: ClientBase, { schema, shown }: Place): Promise<number> {
  const tables = await client.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = $1 AND relkind = 'r'",
    [schema],
  );
  if (tables.rowCount === 0) return 0;
  if (!tables.rows.some(({ name }) => name === 'migration'))
    throw new ConfigError([
      `The schema "${schema}" of ${shown} belongs to another program. Name another one at the end of DATABASE_URL: ?schema=…`,
    ]);
  const { rows } = await client.query<{ version: number | null }>('SELECT max(version) AS version FROM migration');
  const version = rows[0]?.version ?? 0;
  if (version > SCHEMA_VERSION)
    throw new ConfigError([
      `The schema "${schema}" of ${shown} was written by a newer release (schema ${version}, this one knows ${SCHEMA_VERSION}).` +
        ' Run the newer release, or restore the copy made before upgrading.',
    ]);
  return version;
}
