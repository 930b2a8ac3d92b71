// What nodes on one database need besides the record: who lives, who keeps the house, who owes what, and where people are connected.

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
import { BEAT, DISCONNECT } from './living.js';
import { escapeText } from './place.js';

const SIGN_OF_LIFE = `SELECT ${BEAT.name}($1, $2, $3)::text AS beat`;
const STATUSES = 'SELECT id, status FROM node ORDER BY id';

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
const LOSE = `SELECT 1 WHERE ${DISCONNECT.name}($1, $2)`;
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

  async beat(silentMs: number, status?: NodeStatus): Promise<Beat> {
    const { node } = this;
    const text = status === undefined ? null : escapeText(JSON.stringify(status));
    const [row] = await this.query<{ beat: string }>(SIGN_OF_LIFE, [node, silentMs, text]);
    const { isNew, keeper, inherited } = JSON.parse(row?.beat ?? '') as Omit<Beat, 'forgotten'> & { isNew: boolean };
    const forgotten = this.known === node && isNew;
    this.known = node;
    return { keeper, inherited, forgotten };
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
      disconnect: (agent) => this.changes(LOSE, [agent, this.node]),
      miss: (agent, presence) => this.changes(MISS, [agent, this.node, presence]),
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

  /** Everything here may be done twice: a connection that breaks in the middle is no reason to give up. */
  private query<R extends object>(text: string, values: unknown[]): Promise<R[]> {
    return this.database().attempt(async (client) => (await client.query<R>(text, values)).rows);
  }

  private changes(text: string, values: unknown[]): Promise<boolean> {
    return this.database().attempt(async (client) => (await client.query(text, values)).rowCount !== 0);
  }
}
