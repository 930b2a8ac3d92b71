// Writes that go past the flushes: files and rows of a copied record, each one statement that may be sent twice.

import type { Writes } from '../calls.js';
import { sql } from '../sql.js';
import { columnsOf, type Cell, type TableName } from '../tables.js';
import { escapeText } from './place.js';
import { numbered } from './schema.js';

const TYPES = { text: 'text', number: 'bigint', bytes: 'bytea' } as const;

/** undefined for everything that belongs into a flush. */
export function bulkStatement<K extends keyof Writes>(
  kind: K,
  ask: Writes[K]['ask'],
): [text: string, values: unknown[]] | undefined {
  if (kind === 'putAttachment') {
    const { id, conversation_id, name, content_type, bytes, at } = ask as Writes['putAttachment']['ask'];
    return [numbered(sql.putAttachment), [id, conversation_id, name, content_type, bytes, at].map(toParameter)];
  }
  if (kind === 'putRows') {
    const { table, rows } = ask as Writes['putRows']['ask'];
    return [putRows(table), columnsOf(table).map((_, index) => rows.map((row) => toParameter(row[index] ?? null)))];
  }
  return undefined;
}

function putRows(table: TableName): string {
  const columns = columnsOf(table);
  const arrays = columns.map(([, type], index) => `$${index + 1}::${TYPES[type]}[]`);
  const names = columns.map(([column]) => column).join(', ');
  return `INSERT INTO ${table} (${names}) SELECT * FROM unnest(${arrays.join(', ')}) ON CONFLICT DO NOTHING`;
}

function toParameter(cell: Cell): string | number | null | Buffer {
  if (typeof cell === 'string') return escapeText(cell);
  return cell instanceof Uint8Array ? Buffer.from(cell.buffer, cell.byteOffset, cell.length) : cell;
}
