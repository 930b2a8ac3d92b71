// Copies a whole record between data directories and PostgreSQL databases, row for row, all of it or nothing.

import { ConfigError } from './errors.js';
import { besideOf, recordAt } from './openStore.js';
import type { Beside } from './store/beside.js';
import type { RecordStore } from './store/recordStore.js';
import { columnsOf, keyOf, TABLE_NAMES, type Cell, type TableName } from './store/tables.js';

export type Copied = Record<TableName, number>;

/** Told after every page: the table, and how many of its rows are done. */
export type Progress = (doing: 'copied' | 'compared', table: TableName, rows: number) => void;

const CONVERSATIONS_AT_ONCE = 500;

/** @throws ConfigError when the record cannot be read whole, the other place is not empty, or the copy is not the same. */
export async function copy(from: string, to: string, tell: Progress = () => {}): Promise<Copied> {
  const source = await opened('--from', async () => {
    const record = recordAt(from);
    await record.open();
    return record;
  });
  try {
    if (await source.isServed())
      throw new ConfigError([`A server runs on the record that is to be copied. ${STOP_IT}`]);
    const target = await opened('--to', () => besideOf(to));
    try {
      return await copyRecord(source, target, tell);
    } catch (error) {
      await target.abandon();
      throw error;
    }
  } finally {
    await source.close();
  }
}

const STOP_IT = 'Stop it first, all of its processes.';

/** Stores say what to do to whoever starts a server, where another flag or variable names the place. */
async function opened<T>(flag: '--from' | '--to', open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const inWords = (fault: string) =>
      fault
        .replace(/(?<= is in use by another running process\.) .*/, ` ${STOP_IT}`)
        .replaceAll(/--data|DATABASE_URL/g, flag);
    throw new ConfigError(error.faults.map(inWords), { cause: error });
  }
}

/** Nothing is left in the target's place unless all of it was copied and found to be the same. */
export async function copyRecord(source: RecordStore, target: Beside, tell: Progress = () => {}): Promise<Copied> {
  for (const table of TABLE_NAMES) {
    let count = 0;
    for await (const rows of pagesOf(source, table)) {
      await target.store.putRows(table, rows);
      tell('copied', table, (count += rows.length));
    }
  }
  const copied = await compare(source, target.store, tell);
  await target.adopt();
  return copied;
}

/** Every row of every table, and what an audit says of every log. @throws ConfigError at the first difference. */
async function compare(source: RecordStore, target: RecordStore, tell: Progress): Promise<Copied> {
  const counts = {} as Copied;
  for (const table of TABLE_NAMES) {
    counts[table] = 0;
    const theirs = pagesOf(target, table);
    for await (const rows of pagesOf(source, table)) {
      const { value: others = [] } = (await theirs.next()) as { value?: Cell[][] };
      rows.forEach((row, index) => requireSame(table, row, others[index]));
      if (others.length !== rows.length) throw changed(table);
      tell('compared', table, (counts[table] += rows.length));
    }
    if ((await theirs.next()).done !== true) throw changed(table);
  }
  for (let ids = await source.conversationIds(CONVERSATIONS_AT_ONCE); ids.length > 0;) {
    for (const id of ids) {
      const [ours, theirs] = [await source.audit(id), await target.audit(id)];
      if (ours?.faults.join('\n') !== theirs?.faults.join('\n')) throw changed('log', id);
    }
    ids = await source.conversationIds(CONVERSATIONS_AT_ONCE, ids.at(-1));
  }
  return counts;
}

async function* pagesOf(store: RecordStore, table: TableName): AsyncGenerator<Cell[][], void> {
  for (let rows = await store.rows(table, null); rows.length > 0;) {
    yield rows;
    rows = await store.rows(table, keyOf(table, rows.at(-1) ?? []));
  }
}

function requireSame(table: TableName, row: readonly Cell[], other: readonly Cell[] | undefined): void {
  const isSame = columnsOf(table).every((_, index) => {
    const [a, b] = [row[index] ?? null, other?.[index] ?? null];
    return a instanceof Uint8Array && b instanceof Uint8Array ? Buffer.compare(a, b) === 0 : a === b;
  });
  if (other === undefined || !isSame) throw changed(table, keyOf(table, row).join('/'));
}

function changed(table: TableName, row?: string): ConfigError {
  const where = row === undefined ? `table ${table}` : `table ${table}, ${row}`;
  return new ConfigError([
    `The record changed while it was copied (${where}), and nothing was kept of the copy. Stop every server that uses the record, and try again.`,
  ]);
}
