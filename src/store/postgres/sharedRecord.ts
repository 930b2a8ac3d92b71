// What nodes on one database need besides the record: who lives, who keeps the house, who owes what, and where people are connected.

import type { ClientBase } from 'pg';
import type { Presence } from '../../core/directory.js';
import type {
  Beat,
  Bus,
  HeldGrants,
  Look,
  NodeStatus,
  OutboxRow,
  PersonConnection,
  SharedRecord,
  ToldStatus,
  Whereabouts,
} from '../../hub/ports.js';
import { toOutboxRow, type StoredOutboxRow } from '../rows.js';
import type { Readers } from './connections.js';
import { PostgresHeldGrants } from './heldGrants.js';
import { escapeText } from './place.js';

/** One sign of life after another: two nodes that find no keeper must not both become it. */
const BEATS = "SELECT pg_advisory_xact_lock(hashtext('botframework-handoff beat'), hashtext(current_schema()))";
const LIVE =
  'INSERT INTO node (id, seen_at, keeps, status) VALUES ($1, clock_timestamp(), false, $2)' +
  ' ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, status = coalesce($2, node.status)' +
  ' RETURNING xmax = 0 AS is_new';
const STATUSES = 'SELECT id, status FROM node ORDER BY id';
const BURY = "DELETE FROM node WHERE seen_at < clock_timestamp() - $1 * interval '1 millisecond'";
const KEEP = 'UPDATE node SET keeps = true WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM node WHERE keeps)';
const KEEPS = 'SELECT keeps FROM node WHERE id = $1';
/**
 * Whoever appends to one of these just now may still add a row that is the dead node's: waited for, so that all of a
 * conversation's rows are taken over together, and are delivered in order.
 */
const HOLD_OWED =
  'SELECT 1 FROM conversation WHERE id IN (SELECT conversation_id FROM outbox WHERE node NOT IN (SELECT id FROM node))' +
  ' ORDER BY id FOR UPDATE';
const INHERIT_OUTBOX = 'UPDATE outbox SET node = $1 WHERE node NOT IN (SELECT id FROM node)';
const INHERIT_PEOPLE = `
WITH gone AS (DELETE FROM connection WHERE node NOT IN (SELECT id FROM node) RETURNING agent, lost_at, missed)
INSERT INTO connection (agent, node, lost_at, missed)
SELECT DISTINCT ON (agent) agent, $1, coalesce(lost_at, clock_timestamp()), missed FROM gone ORDER BY agent, missed
ON CONFLICT (agent, node) DO NOTHING`;

const VERSIONS = 'SELECT id, version FROM conversation WHERE id = ANY ($1)';
const CONFIGURATION = 'SELECT coalesce(max(version), 0) AS version FROM configuration';
const LINES =
  "SELECT count(*) AS count, coalesce(sum(version), 0)::bigint AS versions FROM conversation WHERE phase IN ('queued', 'offered')";
const OWED =
  'SELECT conversation_id, seq, ordinal, party, epoch, effect, attempts, due_at FROM outbox' +
  ' WHERE conversation_id = $1 AND node = $2 ORDER BY seq, ordinal';

const CONNECT =
  'INSERT INTO connection (agent, node) VALUES ($1, $2)' +
  ' ON CONFLICT (agent, node) DO UPDATE SET lost_at = NULL, missed = NULL';
/** Of the last open connections of a person that end at once at two nodes, both are lost: the lock makes one the last. */
const PERSON = 'SELECT 1 FROM agent WHERE id = $1 FOR UPDATE';
const DISCONNECT = 'DELETE FROM connection WHERE agent = $1 AND node = $2 AND lost_at IS NULL';
const IS_ELSEWHERE = 'SELECT 1 FROM connection WHERE agent = $1 AND lost_at IS NULL LIMIT 1';
const LOSE =
  'INSERT INTO connection (agent, node, lost_at) VALUES ($1, $2, clock_timestamp())' +
  ' ON CONFLICT (agent, node) DO NOTHING';
const MISS =
  'UPDATE connection SET missed = $3 WHERE agent = $1 AND node = $2 AND lost_at IS NOT NULL' +
  ' AND NOT EXISTS (SELECT 1 FROM connection o WHERE o.agent = $1 AND o.lost_at IS NULL)';
const RECALL = 'DELETE FROM connection WHERE agent = $1 AND lost_at IS NOT NULL RETURNING missed';
const CONNECTIONS =
  'SELECT agent, node, (extract(epoch FROM lost_at) * 1000)::bigint AS lost_at, missed FROM connection';

interface StoredConnection {
  agent: string;
  node: string;
  lost_at: number | null;
  missed: string | null;
}

/**
 * A process that stands still in the middle of a transaction holds what all others wait for: the server ends it before they
 * give up (LOCK_TIMEOUT_MS), and long before they would take it for dead.
 */
const BEGIN = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '2s'";

export class PostgresSharedRecord implements SharedRecord {
  readonly whereabouts: Whereabouts;
  readonly heldGrants: HeldGrants;
  /** The name of the last sign of life: a node that is new in the record after it was taken for dead. */
  private known: string | undefined;

  constructor(
    /** Also what the writer calls itself: rows of the outbox belong to whoever wrote them. */
    private readonly called: () => string,
    readonly bus: Bus,
    private readonly database: () => Readers,
  ) {
    this.whereabouts = this.whereaboutsHere();
    this.heldGrants = new PostgresHeldGrants(called, bus, database);
  }

  get node(): string {
    return this.called();
  }

  beat(silentMs: number, status?: NodeStatus): Promise<Beat> {
    const text = status === undefined ? null : escapeText(JSON.stringify(status));
    return this.inTransaction(async (client) => {
      await client.query(BEATS);
      const { rows: seen } = await client.query<{ is_new: string | boolean }>(LIVE, [this.node, text]);
      const isNew = isTrue(seen[0]?.is_new);
      const forgotten = this.known === this.node && isNew;
      await client.query(BURY, [silentMs]);
      await client.query(KEEP, [this.node]);
      const { rows } = await client.query<{ keeps: string | boolean }>(KEEPS, [this.node]);
      const keeper = isTrue(rows[0]?.keeps);
      let inherited = 0;
      if (keeper) {
        await client.query(HOLD_OWED);
        for (const statement of [INHERIT_OUTBOX, INHERIT_PEOPLE])
          inherited += (await client.query(statement, [this.node])).rowCount ?? 0;
      }
      return { keeper, inherited: inherited > 0, forgotten };
    }).then((beat) => {
      this.known = this.node;
      return beat;
    });
  }

  async statuses(): Promise<ToldStatus[]> {
    const rows = await this.query<{ id: string; status: string | null }>(STATUSES, []);
    return rows.map(({ id, status }) => ({ host: '', bots: {}, ...(JSON.parse(status ?? '{}') as object), node: id }));
  }

  async leave(): Promise<void> {
    if (this.known === undefined) return;
    await this.query('DELETE FROM node WHERE id = $1', [this.known]);
    this.known = undefined;
  }

  async look(conversationIds: readonly string[]): Promise<Look> {
    const [versions, configuration, lines] = await Promise.all([
      conversationIds.length === 0
        ? []
        : this.query<{ id: string; version: number }>(VERSIONS, [conversationIds.map(escapeText)]),
      this.query<{ version: number }>(CONFIGURATION, []),
      this.query<{ count: number; versions: number }>(LINES, []),
    ]);
    return {
      versions: new Map(versions.map(({ id, version }) => [id, version])),
      configuration: configuration[0]?.version ?? 0,
      waiting: lines[0] ?? { count: 0, versions: 0 },
    };
  }

  async owed(conversationId: string): Promise<OutboxRow[]> {
    return (await this.query<StoredOutboxRow>(OWED, [escapeText(conversationId), this.node])).map(toOutboxRow);
  }

  private whereaboutsHere(): Whereabouts {
    return {
      connect: async (agent) => {
        await this.query(CONNECT, [agent, this.node]);
      },
      disconnect: (agent) =>
        this.inTransaction(async (client) => {
          await client.query(PERSON, [agent]);
          await client.query(DISCONNECT, [agent, this.node]);
          const { rowCount } = await client.query(IS_ELSEWHERE, [agent]);
          if (rowCount !== 0) return false;
          await client.query(LOSE, [agent, this.node]);
          return true;
        }),
      miss: (agent, presence) =>
        this.database().attempt(
          async (client) => (await client.query(MISS, [agent, this.node, presence])).rowCount !== 0,
        ),
      recall: async (agent) => {
        const rows = await this.query<{ missed: string | null }>(RECALL, [agent]);
        return (rows.find(({ missed }) => missed !== null)?.missed ?? undefined) as Presence | undefined;
      },
      connections: async () =>
        (await this.query<StoredConnection>(CONNECTIONS, [])).map(
          ({ agent, node: at, lost_at, missed }): PersonConnection => ({
            agent,
            node: at,
            ...(lost_at === null ? {} : { lostAt: lost_at }),
            ...(missed === null ? {} : { missed: missed as Presence }),
          }),
        ),
    };
  }

  private query<R extends object>(text: string, values: unknown[]): Promise<R[]> {
    return this.database().attempt(async (client) => (await client.query<R>(text, values)).rows);
  }

  /** Everything here may be done twice: a connection that breaks in the middle is no reason to give up. */
  private inTransaction<T>(work: (client: ClientBase) => Promise<T>): Promise<T> {
    return this.database().attempt(async (client) => {
      await client.query(BEGIN);
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    });
  }
}

/** The driver is told to leave booleans as the server writes them. */
function isTrue(value: string | boolean | undefined): boolean {
  return value === true || value === 't';
}
