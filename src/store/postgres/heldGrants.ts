// Which node works with a grant that one node at a time does: claimed in the database, given on request, taken from the dead.

import type { ClientBase } from 'pg';
import type { Bus, Grant, HeldGrants } from '../../hub/ports.js';
import type { Readers } from './connections.js';
import { escapeText } from './place.js';

const LIVES = 'IN (SELECT id FROM node)';
const TAKE_FREE =
  'INSERT INTO holding (kind, id, node) SELECT kind, id, $2 FROM grant_ g WHERE kind = $1' +
  ' AND EXISTS (SELECT 1 FROM node WHERE id = $2)' +
  ` AND NOT EXISTS (SELECT 1 FROM holding h WHERE h.kind = g.kind AND h.id = g.id AND h.node ${LIVES}) ORDER BY id` +
  ` ON CONFLICT (kind, id) DO UPDATE SET node = excluded.node, wanted_by = NULL WHERE holding.node NOT ${LIVES}`;
const HELD = 'SELECT id, wanted_by IS NOT NULL AS wanted FROM holding WHERE kind = $1 AND node = $2 ORDER BY id';
/** Who asks for what is their own changes nothing; who takes from a dead node wants no more. */
const HOLD =
  'INSERT INTO holding (kind, id, node) VALUES ($1, $2, $3) ON CONFLICT (kind, id) DO UPDATE SET' +
  ` node = CASE WHEN holding.node ${LIVES} THEN holding.node ELSE $3 END,` +
  ` wanted_by = CASE WHEN holding.node <> $3 AND holding.node ${LIVES} THEN $3 ELSE nullif(holding.wanted_by, $3) END` +
  ' RETURNING node';
const RELEASE =
  "UPDATE holding SET node = coalesce(wanted_by, ''), wanted_by = NULL WHERE kind = $1 AND id = $2 AND node = $3";
/** The lock: who takes it over meanwhile comes after the writing, and reads what was written. */
const MINE = 'WITH mine AS (SELECT 1 FROM holding WHERE kind = $1 AND id = $2 AND node = $3 FOR SHARE)';
const PUT =
  `${MINE} INSERT INTO grant_ (kind, id, value, expires_at) SELECT $1, $2, $4, $5::bigint FROM mine` +
  ' ON CONFLICT (kind, id) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at';
const REMOVE = `${MINE} DELETE FROM grant_ WHERE kind = $1 AND id = $2 AND EXISTS (SELECT 1 FROM mine)`;
const FORGET = 'DELETE FROM holding WHERE kind = $1 AND id = $2 AND node = $3';

export class PostgresHeldGrants implements HeldGrants {
  constructor(
    private readonly called: () => string,
    private readonly bus: Bus,
    private readonly database: () => Readers,
  ) {}

  private get node(): string {
    return this.called();
  }

  look(kind: string): Promise<{ id: string; wanted: boolean }[]> {
    return this.database().attempt(async (client) => {
      await client.query(TAKE_FREE, [kind, this.node]);
      const { rows } = await client.query<{ id: string; wanted: string | boolean }>(HELD, [kind, this.node]);
      // The driver is told to leave booleans as the server writes them.
      return rows.map(({ id, wanted }) => ({ id, wanted: wanted === true || wanted === 't' }));
    });
  }

  async hold(kind: string, id: string): Promise<boolean> {
    const node = await this.database().attempt(async (client) => {
      const { rows } = await client.query<{ node: string }>(HOLD, [kind, id, this.node]);
      return rows[0]?.node;
    });
    if (node === this.node) return true;
    this.bus.publish({ is: 'wanted', kind, id });
    return false;
  }

  async release(kind: string, id: string): Promise<void> {
    await this.run(RELEASE, [kind, id, this.node]);
  }

  async put({ kind, id, value, expiresAt }: Grant): Promise<boolean> {
    return (await this.run(PUT, [kind, id, this.node, escapeText(JSON.stringify(value)), expiresAt])) !== 0;
  }

  async remove(kind: string, id: string): Promise<void> {
    await this.run(REMOVE, [kind, id, this.node]);
    await this.run(FORGET, [kind, id, this.node]);
  }

  /** Everything here may be done twice: a connection that breaks in the middle is no reason to give up. */
  private run(text: string, values: unknown[]): Promise<number> {
    return this.database().attempt(async (client: ClientBase) => (await client.query(text, values)).rowCount ?? 0);
  }
}
