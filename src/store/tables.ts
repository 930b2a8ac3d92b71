// The tables of a record, for whoever moves it whole: every column and the order in which rows are read.

/** `bytes` are Uint8Array, `number` whole numbers below 2^53. */
type ColumnType = 'text' | 'number' | 'bytes';

export type Cell = string | number | null | Uint8Array;

interface Table {
  /** Columns of the primary key, in its order. */
  key: readonly string[];
  columns: Readonly<Record<string, ColumnType>>;
  /** Rows read at once: few where a row may be large. */
  page: number;
}

export const TABLES = {
  configuration: {
    key: ['version'],
    columns: { version: 'number', document: 'text', saved_by: 'text', saved_at: 'number' },
    page: 20,
  },
  secret: { key: ['name'], columns: { name: 'text', value: 'text' }, page: 500 },
  grant_: {
    key: ['kind', 'id'],
    columns: { kind: 'text', id: 'text', value: 'text', expires_at: 'number' },
    page: 500,
  },
  agent: {
    key: ['id'],
    columns: {
      id: 'text',
      presence: 'text',
      presence_at: 'number',
      presence_until: 'number',
      capacity: 'number',
      load: 'number',
      last_assigned_at: 'number',
      idle_since: 'number',
    },
    page: 500,
  },
  conversation: {
    key: ['id'],
    columns: {
      id: 'text',
      version: 'number',
      phase: 'text',
      work_stream: 'text',
      queue: 'text',
      agent: 'text',
      offered_to: 'text',
      bot: 'text',
      customer_id: 'text',
      priority: 'number',
      waiting_since: 'number',
      due_at: 'number',
      started_at: 'number',
      closed_at: 'number',
      channel_key: 'text',
      channel: 'text',
      channel_conversation: 'text',
      state: 'text',
      chain: 'bytes',
    },
    page: 500,
  },
  log: {
    key: ['conversation_id', 'seq'],
    columns: {
      conversation_id: 'text',
      seq: 'number',
      at: 'number',
      type: 'text',
      envelope: 'text',
      body: 'text',
      salt: 'bytes',
      digest: 'bytes',
      chain: 'bytes',
      client_key: 'text',
      channel_activity_id: 'text',
    },
    page: 500,
  },
  outbox: {
    key: ['conversation_id', 'seq', 'ordinal'],
    columns: {
      conversation_id: 'text',
      seq: 'number',
      ordinal: 'number',
      party: 'text',
      epoch: 'number',
      effect: 'text',
      attempts: 'number',
      due_at: 'number',
    },
    page: 500,
  },
  attachment: {
    key: ['id'],
    columns: {
      id: 'text',
      conversation_id: 'text',
      name: 'text',
      content_type: 'text',
      bytes: 'bytes',
      at: 'number',
    },
    page: 1,
  },
} as const satisfies Record<string, Table>;

export type TableName = keyof typeof TABLES;
export const TABLE_NAMES = Object.keys(TABLES) as TableName[];

/** A page of a table's rows, each an array in the order of its columns; `after` = the key of the last row before. */
export function pageSql(table: TableName, after: readonly (string | number)[] | null): string {
  const { key, columns, page }: Table = TABLES[table];
  const keys = key.join(', ');
  const where = after === null ? '' : ` WHERE (${keys}) > (${key.map(() => '?').join(', ')})`;
  return `SELECT ${Object.keys(columns).join(', ')} FROM ${table}${where} ORDER BY ${keys} LIMIT ${page}`;
}

export function columnsOf(table: TableName): [name: string, type: ColumnType][] {
  return Object.entries(TABLES[table].columns);
}

export function keyOf(table: TableName, row: readonly Cell[]): (string | number)[] {
  const names = Object.keys(TABLES[table].columns);
  return TABLES[table].key.map((column) => row[names.indexOf(column)] as string | number);
}
