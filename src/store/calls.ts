// What a store's engine is asked: every change and every read of the port, in rows instead of the hub's words.

import type {
  AppendRows,
  SettlementRow,
  StoredAgent,
  StoredAttachmentRow,
  StoredConfigurationRow,
  StoredEntry,
  StoredGrant,
  StoredOutboxRow,
} from './rows.js';
import type { ListQuery } from './sql.js';
import type { Cell, TableName } from './tables.js';

export type AppendAnswer =
  /**
   * `elsewhere`: seq and ordinal of outbox rows that another process delivers; `behind`: of the last ones that this process owed
   * the same parties before.
   */
  | {
      outcome: 'done';
      elsewhere?: readonly (readonly [seq: number, ordinal: number])[];
      behind?: readonly (readonly [seq: number, ordinal: number])[];
    }
  | { outcome: 'conflict'; state: string | null }
  | { outcome: 'duplicate'; key: string; entry: StoredEntry }
  | { outcome: 'channelTaken'; conversationId: string }
  | { outcome: 'noCapacity'; agent: string };

/** Everything that changes something. One flush runs many of them in one transaction. */
export interface Writes {
  append: { ask: AppendRows; answer: AppendAnswer };
  settle: { ask: readonly SettlementRow[]; answer: null };
  saveAgents: { ask: { agents: readonly { id: string; capacity: number }[]; at: number }; answer: null };
  setPresence: { ask: { agent: string; presence: string; at: number; until: number | null }; answer: null };
  saveConfiguration: {
    ask: { document: string; by: string; at: number; expectedVersion: number };
    answer: { saved: true; version: number } | { saved: false; version: number };
  };
  makeSecret: { ask: { name: string; value: string }; answer: string };
  putGrant: { ask: { grant: StoredGrant; forgetBefore: number }; answer: null };
  takeGrant: { ask: { kind: string; id: string; at: number }; answer: StoredGrant | undefined };
  removeGrant: { ask: { kind: string; id: string }; answer: null };
  putAttachment: { ask: StoredAttachmentRow; answer: null };
  /** Rows of another record, as they are. */
  putRows: { ask: { table: TableName; rows: readonly Cell[][] }; answer: null };
}

export interface Reads {
  conversation: { ask: string; answer: string | undefined };
  entries: { ask: { conversationId: string; after: number; limit: number }; answer: StoredEntry[] };
  findEntry: {
    ask: { conversationId: string; key: string | null; channelActivityId: string | null };
    answer: StoredEntry | undefined;
  };
  findOpen: { ask: string; answer: string | undefined };
  list: { ask: ListQuery; answer: { id: string; started_at: number; state: string }[] };
  waiting: { ask: null; answer: string[] };
  due: { ask: { at: number; limit: number }; answer: string[] };
  nextDueAt: { ask: null; answer: number | null };
  outbox: { ask: { limit: number; after: [string, number, number] }; answer: StoredOutboxRow[] };
  agents: { ask: null; answer: StoredAgent[] };
  configuration: { ask: number | null; answer: StoredConfigurationRow | undefined };
  secret: { ask: string; answer: string | undefined };
  grant: { ask: { kind: string; id: string; at: number }; answer: StoredGrant | undefined };
  grants: { ask: { kind: string; at: number }; answer: StoredGrant[] };
  attachment: { ask: string; answer: StoredAttachmentRow | undefined };
  counts: {
    ask: null;
    answer: {
      open: { phase: string; count: number }[];
      /** Closed ones included. */
      all: number;
      queues: { queue: string; length: number; since: number }[];
      outbox: number;
    };
  };
  audit: { ask: string; answer: { entries: StoredEntry[]; state: string; faults: string[] } | undefined };
  conversationIds: { ask: { limit: number; after: string }; answer: string[] };
  /** The next rows of a table, in order of its key. */
  rows: { ask: { table: TableName; after: readonly (string | number)[] | null }; answer: Cell[][] };
}

export type Kinds = Writes & Reads;
export type Kind = keyof Kinds;

export type Call<K extends Kind = Kind> = K extends Kind ? { id: number; kind: K; ask: Kinds[K]['ask'] } : never;

/** The one answer that nearly every append gets. */
export const DONE: AppendAnswer = { outcome: 'done' };
