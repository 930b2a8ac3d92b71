// The shared store's own guarantees: what it opens and refuses, its life and its clock.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { ConfigError, StoreUnavailable } from '../../src/errors.js';
import type { Notice } from '../../src/hub/ports.js';
import { PostgresStore } from '../../src/store/postgres/postgresStore.js';
import { numbered } from '../../src/store/postgres/schema.js';
import { Chat, queues, says, T0 } from './chat.js';
import { until } from '../fakes/shop.js';
import { ask, freshDatabase, freshSchema, inSchema } from './cluster.js';
import { useStores } from './postgresStores.js';
import { describeStore, done } from './store.contract.js';

describeStore('PostgresStore', async () => {
  const url = await freshSchema();
  const place = {
    store: new PostgresStore({ url }),
    async reopen() {
      await place.store.close();
      place.store = new PostgresStore({ url });
      await place.store.open();
      // What the process before owed is anybody's: this one takes it over.
      await place.store.shared.beat(60_000);
      return place.store;
    },
    async tamper(statement: string, ...values: (string | number)[]) {
      await ask(inSchema(url), numbered(statement), values);
    },
    dispose: () => place.store.close(),
  };
  await place.store.open();
  return place;
});

describe('PostgresStore', () => {
  const stores = useStores();
  const { make, opened, started, sound } = stores;
  let url: string;
  beforeEach(() => {
    url = stores.url;
  });

  const refused = async (store: PostgresStore, ...patterns: RegExp[]) => {
    await assert.rejects(store.open(), (error: unknown) => {
      assert.ok(error instanceof ConfigError, String(error));
      for (const pattern of patterns) assert.match(error.message, pattern);
      assert.ok(!error.message.includes('battery'), 'the password is nobody’s business');
      return true;
    });
  };
  it('is opened when the database is there, however often that failed before, and then tells other processes what happens', async () => {
    const name = `late_${randomUUID().replaceAll('-', '')}`;
    const late = new URL(url);
    late.pathname = `/${name}`;
    const store = make({ url: late.href });
    for (let time = 0; time < 2; time += 1) await refused(store, /createdb/);
    await ask(url, `CREATE DATABASE ${name}`);
    await store.open();
    const other = await opened({ url: late.href });
    const heard: Notice[] = [];
    other.shared.bus.subscribe((notice) => heard.push(notice));
    store.shared.bus.publish({ is: 'owed', id: 'talk' });
    await until('the other hears of it', () => heard.length > 0);
  });

  describe('opening', () => {
    it('says what is wrong and what to do, and never the password', async () => {
      const with_ = (change: (parsed: URL) => void) => {
        const parsed = new URL(url);
        change(parsed);
        return make({ url: parsed.href });
      };
      await refused(
        with_((parsed) => (parsed.password = 'battery')),
        /password authentication failed/,
        /Correct user and password/,
      );
      await refused(
        with_((parsed) => (parsed.pathname = '/nowhere')),
        /does not exist/,
        /createdb/,
      );
      await refused(
        with_(({ searchParams }) => searchParams.set('sslrootcert', '/nowhere')),
        /ENOENT.*\/nowhere/,
        /Correct the file that DATABASE_URL names: sslrootcert/,
      );
      await refused(
        with_((parsed) => (parsed.port = '1')),
        /ECONNREFUSED/,
        /Start the server/,
      );
      await refused(
        with_(({ searchParams }) => searchParams.set('sslmode', 'require')),
        /does not support SSL/,
        /DATABASE_URL/,
      );
      await refused(make({ readOnly: true }), /There is no record/, /DATABASE_URL/);
      assert.throws(() => make({ url: 'mysql://root:battery@host/db' }), {
        name: 'ConfigError',
        message: /postgres:\/\/USER/,
      });
      assert.throws(
        () => make({ url: 'postgres://root:battery@:x/db' }),
        (error: Error) => !error.message.includes('battery'),
      );
      assert.throws(() => make({ url: `${url}"` }), /schema takes up to/);
    });

    it('says which right is missing', async () => {
      const role = `role_${randomUUID().slice(0, 8)}`;
      await ask(url, `CREATE ROLE ${role} LOGIN PASSWORD 'battery'`);
      const parsed = new URL(url);
      parsed.username = role;
      parsed.password = 'battery';
      await refused(make({ url: parsed.href }), /permission denied/, /GRANT CREATE ON DATABASE/);
      // A schema made for the account is enough.
      const schema = parsed.searchParams.get('schema') ?? '';
      await ask(url, `CREATE SCHEMA ${schema} AUTHORIZATION ${role}`);
      await opened({ url: parsed.href });
    });

    it('refuses a schema of a newer release or of another program, and leaves it as it is', async () => {
      await (await opened()).close();
      await ask(inSchema(url), 'INSERT INTO migration VALUES (99)');
      await refused(make(), /newer release/, /schema 99/);
      const other = await freshSchema();
      const { searchParams } = new URL(other);
      await ask(
        other,
        `CREATE SCHEMA ${searchParams.get('schema')}; CREATE TABLE ${searchParams.get('schema')}.theirs ()`,
      );
      await refused(make({ url: other }), /another program/, /\?schema=/);
    });

    it('keeps several hubs of one database apart', async () => {
      const [a, b] = [await opened(), await opened({ url: await freshSchema() })];
      const heard: Notice[] = [];
      b.shared.bus.subscribe((notice) => heard.push(notice));
      a.shared.bus.publish({ is: 'configuration', version: 1 });
      const chat = await started(a);
      assert.equal(await b.conversation(chat.id), undefined);
      await started(b);
      assert.deepEqual(await b.shared.beat(60_000), { keeper: true, inherited: false, forgotten: false });
      assert.deepEqual(heard, []);
    });

    it('for reading only makes nothing and refuses to write', async () => {
      const server = await opened();
      const chat = await started(server);
      const beside = await opened({ readOnly: true });
      assert.equal((await beside.conversation(chat.id))?.version, 2);
      await assert.rejects(chat.append(beside, says('no')), /reading only/);
    });
  });

  describe('life', () => {
    it('refuses calls before it is open and after it is closed', async () => {
      const store = make();
      await assert.rejects(store.conversation('x'), /not open/);
      await assert.rejects(store.settle([{ id: 'a/1/0', outcome: 'done' }]), StoreUnavailable);
      await store.open();
      await Promise.all([store.close(), store.close()]);
      await assert.rejects(store.conversation('x'), /not open/);
      const chat = new Chat();
      await assert.rejects(chat.append(store, ...chat.start()), /not open/);
    });

    it('is a new process of the record each time it is opened', async () => {
      const store = await opened();
      const { shared } = store;
      const before = shared.node;
      await shared.beat(60_000);
      await started(store);
      await store.close();
      await store.open();
      assert.notEqual(shared.node, before);
      assert.deepEqual(await shared.beat(60_000), { keeper: true, inherited: false, forgotten: false });
      assert.deepEqual(
        (await shared.statuses()).map(({ node }) => node),
        [shared.node],
      );
      await sound(store, await started(store));
    });

    it('takes ids and keys with characters that PostgreSQL has no room for', async () => {
      const store = await opened();
      const chat = new Chat('odd\0id\u0001');
      done(await chat.append(store, ...chat.start(), says('nul \0 here', { key: 'key\0' })));
      assert.equal((await store.conversation(chat.id))?.id, chat.id);
      assert.equal((await store.findEntry(chat.id, { key: 'key\0' }))?.event.body?.activity?.text, 'nul \0 here');
      assert.equal((await chat.append(store, says('again', { key: 'key\0' }))).outcome, 'duplicate');
      assert.deepEqual(await store.conversationIds(10), [chat.id]);
      await sound(store, chat);
    });

    it('has the time of the database, however wrong the own clock is', async () => {
      const hour = 3_600_000;
      const store = await opened({ clock: { now: () => Date.now() - hour } });
      const error = Math.abs(store.clock.now() - Date.now());
      assert.ok(error < 1_000, `${error} ms apart`);
    });

    it('finds those who wait among 50,000 conversations in reasonable time', async () => {
      const store = await opened();
      const chat = new Chat();
      done(await chat.append(store, ...chat.start(), queues('cards', T0)));
      await ask(
        inSchema(url),
        'INSERT INTO conversation SELECT (c).* FROM (SELECT jsonb_populate_record(c, jsonb_build_object(' +
          "'id', 'copy-' || n, 'phase', CASE WHEN n % 50 = 0 THEN 'queued' ELSE 'closed' END)) AS c" +
          ' FROM conversation c, generate_series(1, 50000) n) copies',
      );
      const startedAt = performance.now();
      assert.equal((await store.waiting()).length, 1001);
      assert.equal((await store.list({ phases: ['queued'] }, 50)).items.length, 50);
      assert.equal((await store.counts()).byPhase['closed'], 49_000);
      assert.ok(performance.now() - startedAt < 5_000);
    }).timeout(30_000);
  });

  it('loads its driver when it is opened, so that others do without', () => {
    const program = `
      await import(${JSON.stringify(new URL('../../src/index.js', import.meta.url).href)});
      const { cache } = (await import('node:module')).createRequire(import.meta.url);
      console.log(Object.keys(cache).filter((path) => /node_modules[\\/\\\\]pg[\\/\\\\]/.test(path)).length);`;
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
    });
    assert.equal(stdout.trim(), '0', stderr);
  });

  it('needs a database of its own only where two share nothing else', async () => {
    const store = await opened({ url: await freshDatabase() });
    await started(store);
    assert.equal((await store.conversationIds(10)).length, 1);
  });
});
