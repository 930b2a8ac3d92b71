// The tables in PostgreSQL: how they grow from release to release, and the indexes that lists rely on.

import assert from 'node:assert/strict';
import { ConfigError } from '../../src/errors.js';
import { contains } from '../../src/store/postgres/schema.js';
import { listSql } from '../../src/store/sql.js';
import { Chat } from './chat.js';
import { ask, inSchema } from './cluster.js';
import { useStores } from './postgresStores.js';
import { done, INDEXED } from './store.contract.js';

describe('the tables in PostgreSQL', () => {
  const stores = useStores();
  const { make, opened, started } = stores;

  it('of an older release are brought up to date, with what one that serves beside it goes on writing', async () => {
    const store = await opened();
    const teams = new Chat('nul \0');
    done(await teams.append(store, ...teams.start({ channelKey: '["demo","msteams","a:\\u0000","kim"]' })));
    const widget = await started(store);
    await store.close();
    await ask(
      inSchema(stores.url),
      'ALTER TABLE conversation DROP COLUMN channel, DROP COLUMN channel_conversation; DELETE FROM migration WHERE version > 1',
    );
    await assert.rejects(make({ readOnly: true }).open(), (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /older release's.*Start the server once/);
      return true;
    });
    for (const meanwhile of ['', 'UPDATE conversation SET channel = NULL, channel_conversation = NULL']) {
      if (meanwhile !== '') await ask(inSchema(stores.url), meanwhile);
      const newer = await opened();
      const at = async (channel: string, channelConversation: string) =>
        (await newer.list({ channel, channelConversation }, 10)).items.map(({ id }) => id);
      assert.deepEqual(await at('msteams', 'a:\0'), [teams.id]);
      assert.deepEqual(await at('directline', widget.id), [widget.id]);
      await newer.close();
    }
  });

  it('find a channel’s conversations and those of one place by an index', async () => {
    await (await opened()).close();
    for (const [filter, index] of INDEXED) {
      const { text, values } = listSql({ ...filter, limit: 20 }, contains);
      // Of few rows it reads all rather than an index: it is asked what it would do of many.
      const plan = await ask(
        inSchema(stores.url),
        `SET enable_seqscan = off; SET enable_bitmapscan = off; EXPLAIN ${literal(text, values)}`,
      );
      const steps = plan.map((row) => String(row['QUERY PLAN'])).join('\n');
      assert.match(steps, new RegExp(`^Limit .*\\n +-> +Index Scan (Backward )?using ${index} `), steps);
      assert.doesNotMatch(steps, /Filter/);
    }
  });
});

function literal(text: string, values: readonly (string | number)[]): string {
  const left = [...values];
  return text.replaceAll('?', () => {
    const value = left.shift();
    return typeof value === 'string' ? `'${value.replaceAll("'", "''")}'` : String(value);
  });
}
