// Stores on a schema of PostgreSQL that is new for each test.

import assert from 'node:assert/strict';
import { PostgresStore, type PostgresStoreOptions } from '../../src/store/postgres/postgresStore.js';
import { Chat } from './chat.js';
import { freshSchema } from './cluster.js';
import { done } from './store.contract.js';

export interface Stores {
  /** Of this test's schema, which does not exist until a store is opened on it. */
  readonly url: string;
  make(options?: Partial<PostgresStoreOptions>): PostgresStore;
  opened(options?: Partial<PostgresStoreOptions>): Promise<PostgresStore>;
  started(store: PostgresStore): Promise<Chat>;
  /** What was said after the start. */
  textsOf(store: PostgresStore, chat: Chat): Promise<unknown[]>;
  /** The log of the chat has no fault. */
  sound(store: PostgresStore, chat: Chat): Promise<void>;
  /** Done after each test anyway. */
  closeAll(): Promise<void>;
}

/** For the suite that calls it. */
export function useStores(): Stores {
  let url = '';
  let stores: PostgresStore[] = [];
  const make = (options: Partial<PostgresStoreOptions> = {}) => {
    const store = new PostgresStore({ url, ...options });
    stores.push(store);
    return store;
  };
  const closeAll = async () => void (await Promise.all(stores.map((store) => store.close())));
  beforeEach(async () => {
    url = await freshSchema();
    stores = [];
  });
  afterEach(closeAll);
  return {
    get url() {
      return url;
    },
    make,
    async opened(options) {
      const store = make(options);
      await store.open();
      return store;
    },
    async started(store) {
      const chat = new Chat();
      done(await chat.append(store, ...chat.start()));
      return chat;
    },
    textsOf: async (store, chat) =>
      (await store.entries(chat.id, 2, 1000)).map(({ event }) => event.body?.activity?.text),
    sound: async (store, chat) => assert.deepEqual((await store.audit(chat.id))?.faults, []),
    closeAll,
  };
}
