// The embedded store: one SQLite file in a directory of its own, written by one thread and read by another.

import { resolve } from 'node:path';
import { StoreUnavailable } from '../../errors.js';
import type { Clock } from '../../hub/ports.js';
import type { Reads, Writes } from '../calls.js';
import { RecordStore } from '../recordStore.js';
import { findPlace, preparePlace, type FileSystem } from './place.js';
import { StoreThread } from './thread.js';

export interface SqliteStoreOptions {
  /** Made if absent; must be on a local disk, and belongs to one process at a time. */
  directory: string;
  /** Only new people's rows carry its time. Default: the system's. */
  clock?: Clock;
  /** Reads beside a running server: takes no lock, refuses every write. */
  readOnly?: boolean;
  /** Refuses a directory without a record instead of making one. */
  mustExist?: boolean;
  /** Largest size of the database file in pages of 4096 bytes. Default: the disk's. */
  maxPages?: number;
  /** What the operating system says about a directory's file system. */
  fileSystemOf?: (directory: string) => FileSystem;
}

export class SqliteStore extends RecordStore {
  private writer: StoreThread | undefined;
  private reader: StoreThread | undefined;

  constructor(private readonly options: SqliteStoreOptions) {
    super();
  }

  protected now(): number {
    return this.options.clock?.now() ?? Date.now();
  }

  protected read<K extends keyof Reads>(kind: K, ask: Reads[K]['ask']): Promise<Reads[K]['answer']> {
    return this.reader === undefined ? this.refuse() : this.reader.call(kind, ask);
  }

  protected write<K extends keyof Writes>(kind: K, ask: Writes[K]['ask']): Promise<Writes[K]['answer']> {
    return this.writer === undefined ? this.refuse() : this.writer.call(kind, ask);
  }

  private refuse(): Promise<never> {
    const why = this.reader === undefined ? 'not open' : 'open for reading only';
    return Promise.reject(new StoreUnavailable(`The store in ${this.options.directory} is ${why}.`));
  }

  protected async occupy(): Promise<void> {
    const { readOnly = false, mustExist = readOnly, maxPages, directory: wanted, fileSystemOf } = this.options;
    if (mustExist) findPlace(wanted);
    const directory = readOnly ? resolve(wanted) : preparePlace(wanted, fileSystemOf);
    // Both threads load side by side; the reader opens what the writer has made.
    const reader = new StoreThread({ role: 'reader', directory, maxPages }, () => {});
    const writer = readOnly
      ? undefined
      : new StoreThread({ role: 'writer', directory, maxPages }, (flush) => this.count(flush));
    try {
      await writer?.open();
      await reader.open();
    } catch (error) {
      await Promise.all([writer?.close(), reader.close()]);
      throw error;
    }
    this.writer = writer;
    this.reader = reader;
  }

  protected async release(): Promise<void> {
    // The reader first: the last connection to go folds the write-ahead log into the file.
    const { reader, writer } = this;
    await reader?.close();
    await writer?.close();
  }
}
