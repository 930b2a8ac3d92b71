// The SQL every engine shares. Parameters are `?` in order; an engine whose driver wants `$1` numbers them itself.
// JSON is TEXT that only the app reads; whatever is searched has a column of its own.

/** Columns of `conversation` that seldom change. A plain message leaves them alone, and with them their indexes. */
export const FACETS = [
  'phase',
  'work_stream',
  'queue',
  'agent',
  'offered_to',
  'bot',
  'customer_id',
  'priority',
  'waiting_since',
  'started_at',
  'closed_at',
  'channel_key',
  'channel',
  'channel_conversation',
] as const;

/** Told once, at the start. An update that names them would write their indexes anew each time. */
const FIXED: ReadonlySet<string> = new Set(['started_at', 'channel_key', 'channel', 'channel_conversation']);

/** Of values in the order of FACETS, those that may change. */
export function changing<T>(facets: readonly T[]): T[] {
  return facets.filter((_, index) => !FIXED.has(FACETS[index] as string));
}

/** Which of them is the key of a foreign channel. */
export const CHANNEL_KEY = FACETS.indexOf('channel_key');

const facets = FACETS.join(', ');
const ENTRY = 'conversation_id, seq, envelope, body, channel_activity_id';
const OUTBOX = 'conversation_id, seq, ordinal, party, epoch, effect, attempts, due_at';

export const sql = {
  insertEntry:
    'INSERT INTO log (conversation_id, seq, at, type, envelope, body, salt, digest, chain, client_key, channel_activity_id)' +
    ' VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
  entries: `SELECT ${ENTRY} FROM log WHERE conversation_id = ? AND seq > ? ORDER BY seq LIMIT ?`,
  entryByKey: `SELECT ${ENTRY} FROM log WHERE conversation_id = ? AND client_key = ?`,
  /** A channel may reuse an id after an edit: the latest entry is the one meant. */
  entryByChannelActivityId: `SELECT ${ENTRY} FROM log WHERE conversation_id = ? AND channel_activity_id = ? ORDER BY seq DESC LIMIT 1`,
  nameEntryOnChannel: 'UPDATE log SET channel_activity_id = ? WHERE conversation_id = ? AND seq = ?',
  bodyOf: 'SELECT body FROM log WHERE conversation_id = ? AND seq = ?',
  eraseBody: 'UPDATE log SET body = NULL, salt = NULL WHERE conversation_id = ? AND seq = ?',
  auditLog:
    'SELECT seq, at, type, envelope, body, salt, digest, chain, client_key, channel_activity_id' +
    ' FROM log WHERE conversation_id = ? ORDER BY seq',

  insertConversation:
    `INSERT INTO conversation (id, version, due_at, state, chain, ${facets})` +
    ` VALUES (?, ?, ?, ?, ?${', ?'.repeat(FACETS.length)})`,
  updateConversation: 'UPDATE conversation SET version = ?, due_at = ?, state = ?, chain = ? WHERE id = ?',
  updateConversationWhole:
    'UPDATE conversation SET version = ?, due_at = ?, state = ?, chain = ?, ' +
    `${changing(FACETS)
      .map((column) => `${column} = ?`)
      .join(', ')} WHERE id = ?`,
  head: `SELECT version, chain, ${facets} FROM conversation WHERE id = ?`,
  state: 'SELECT state FROM conversation WHERE id = ?',
  auditConversation: 'SELECT version, state, chain FROM conversation WHERE id = ?',
  findOpen: "SELECT id FROM conversation WHERE channel_key = ? AND phase <> 'closed'",
  waiting: "SELECT state FROM conversation WHERE phase IN ('queued', 'offered')",
  due: 'SELECT id FROM conversation WHERE due_at IS NOT NULL AND due_at <= ? ORDER BY due_at, id LIMIT ?',
  nextDueAt: 'SELECT min(due_at) AS at FROM conversation WHERE due_at IS NOT NULL',
  conversationIds: 'SELECT id FROM conversation WHERE id > ? ORDER BY id LIMIT ?',
  /** Of the open ones; there may be millions of closed conversations, which are counted as the rest. */
  countOpen:
    'SELECT phase, count(*) AS count FROM conversation' +
    " WHERE phase IN ('bot', 'queued', 'offered', 'agent', 'waiting', 'wrapUp') GROUP BY phase",
  countAll: 'SELECT count(*) AS count FROM conversation',
  countQueues:
    'SELECT queue, count(*) AS length, min(waiting_since) AS since FROM conversation' +
    " WHERE phase IN ('queued', 'offered') GROUP BY queue ORDER BY queue",

  insertOutbox: `INSERT INTO outbox (${OUTBOX}) VALUES (?, ?, ?, ?, ?, ?, 0, ?)`,
  deleteOutbox: 'DELETE FROM outbox WHERE conversation_id = ? AND seq = ? AND ordinal = ?',
  deleteOutboxOfEntry: 'DELETE FROM outbox WHERE conversation_id = ? AND seq = ?',
  retryOutbox: 'UPDATE outbox SET attempts = ?, due_at = ? WHERE conversation_id = ? AND seq = ? AND ordinal = ?',
  outbox:
    `SELECT ${OUTBOX} FROM outbox WHERE (conversation_id, seq, ordinal) > (?, ?, ?)` +
    ' ORDER BY conversation_id, seq, ordinal LIMIT ?',
  countOutbox: 'SELECT count(*) AS count FROM outbox',

  agents:
    'SELECT id, presence, presence_at, presence_until, capacity, load, last_assigned_at, idle_since FROM agent ORDER BY id',
  /** Giving back always works, also when the capacity was lowered meanwhile. */
  claim:
    'UPDATE agent SET load = load + ?,' +
    ' last_assigned_at = CASE WHEN ? > 0 THEN ? ELSE last_assigned_at END,' +
    ' idle_since = CASE WHEN load <> 0 AND load + ? = 0 THEN ? ELSE idle_since END' +
    ' WHERE id = ? AND (? <= 0 OR load + ? <= capacity OR ? = 1)',
  retireAgents: 'UPDATE agent SET capacity = 0',
  saveAgent:
    'INSERT INTO agent (id, presence, presence_at, capacity, load, last_assigned_at, idle_since)' +
    " VALUES (?, 'offline', ?, ?, 0, 0, ?) ON CONFLICT (id) DO UPDATE SET capacity = excluded.capacity",
  setPresence: 'UPDATE agent SET presence = ?, presence_at = ?, presence_until = ? WHERE id = ?',

  configuration: 'SELECT version, document, saved_by, saved_at FROM configuration ORDER BY version DESC LIMIT 1',
  configurationAt: 'SELECT version, document, saved_by, saved_at FROM configuration WHERE version = ?',
  insertConfiguration: 'INSERT INTO configuration (version, document, saved_by, saved_at) VALUES (?, ?, ?, ?)',

  secret: 'SELECT value FROM secret WHERE name = ?',
  insertSecret: 'INSERT INTO secret (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING',

  putGrant:
    'INSERT INTO grant_ (kind, id, value, expires_at) VALUES (?, ?, ?, ?)' +
    ' ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at',
  grant: 'SELECT kind, id, value, expires_at FROM grant_ WHERE kind = ? AND id = ? AND expires_at > ?',
  grants: 'SELECT kind, id, value, expires_at FROM grant_ WHERE kind = ? AND expires_at > ? ORDER BY id',
  takeGrant: 'DELETE FROM grant_ WHERE kind = ? AND id = ? AND expires_at > ? RETURNING kind, id, value, expires_at',
  removeGrant: 'DELETE FROM grant_ WHERE kind = ? AND id = ?',
  removeExpiredGrants: 'DELETE FROM grant_ WHERE expires_at <= ?',

  putAttachment:
    'INSERT INTO attachment (id, conversation_id, name, content_type, bytes, at) VALUES (?, ?, ?, ?, ?, ?)' +
    ' ON CONFLICT (id) DO NOTHING',
  attachment: 'SELECT id, conversation_id, name, content_type, bytes, at FROM attachment WHERE id = ?',
  attachmentIds: 'SELECT id FROM attachment WHERE conversation_id = ?',
  deleteAttachment: 'DELETE FROM attachment WHERE id = ?',
} as const;

/** A list of conversations; `after` = the last row of the page before. */
export interface ListQuery {
  phases?: readonly string[];
  queues?: readonly string[];
  agent?: string;
  customer?: string;
  channel?: string;
  channelConversation?: string;
  oldestFirst?: boolean;
  after?: { startedAt: number; id: string };
  limit: number;
}

/** `contains(column)` = the engine's expression for "the text of column contains the parameter". */
export function listSql(
  query: ListQuery,
  contains: (column: string) => string,
): { text: string; values: (string | number)[] } {
  const where: string[] = [];
  const values: (string | number)[] = [];
  const oneOf = (column: string, wanted: readonly string[]) => {
    where.push(wanted.length === 0 ? '1 = 0' : `${column} IN (${wanted.map(() => '?').join(', ')})`);
    values.push(...wanted);
  };
  if (query.phases !== undefined) oneOf('phase', query.phases);
  if (query.queues !== undefined) oneOf('queue', query.queues);
  if (query.customer !== undefined) oneOf('customer_id', [query.customer]);
  if (query.channel !== undefined) oneOf('channel', [query.channel]);
  if (query.channelConversation !== undefined) oneOf('channel_conversation', [query.channelConversation]);
  if (query.agent !== undefined) {
    where.push(`(agent = ? OR (phase = 'offered' AND ${contains('offered_to')}))`);
    values.push(query.agent, `/${query.agent}/`);
  }
  const [beyond, direction] = query.oldestFirst === true ? ['>', 'ASC'] : ['<', 'DESC'];
  if (query.after !== undefined) {
    where.push(`(started_at, id) ${beyond} (?, ?)`);
    values.push(query.after.startedAt, query.after.id);
  }
  const text =
    'SELECT id, started_at, state FROM conversation' +
    (where.length > 0 ? ` WHERE ${where.join(' AND ')}` : '') +
    ` ORDER BY started_at ${direction}, id ${direction} LIMIT ?`;
  return { text, values: [...values, query.limit] };
}
