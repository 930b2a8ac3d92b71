// A process of its own that appends to several conversations at once and prints each acknowledgement: the victim of kill -9.
//
// node appender.js DIRECTORY ROUND → lines "CONVERSATION SEQ TEXT"; a refusal to open goes to stderr, exit code 3.

import { writeSync } from 'node:fs';
import { ConfigError } from '../../src/errors.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { Chat, says } from './chat.js';

const [directory = '', round = ''] = process.argv.slice(2);
const store = new SqliteStore({ directory });
try {
  await store.open();
} catch (error) {
  if (!(error instanceof ConfigError)) throw error;
  writeSync(2, error.message);
  process.exit(3);
}
await Promise.all(
  Array.from({ length: 8 }, async (_, index) => {
    const chat = new Chat(`round-${round}-chat-${index}`);
    await chat.append(store, ...chat.start());
    for (let n = 1; ; n++) {
      const appended = await chat.append(store, says(`text-${n}`, { key: `key-${n}` }));
      if (appended.outcome !== 'done') throw new Error(appended.outcome);
      writeSync(1, `${chat.id} ${chat.version} text-${n}\n`);
    }
  }),
);
