// The shared store's own guarantees: several processes on one database, migrations, notices and its clock.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { ConfigError, StoreUnavailable } from '../../src/errors.js';
import type { StoreChange } from '../../src/hub/ports.js';
import { DatabaseClock } from '../../src/store/postgres/databaseClock.js';
import { PostgresStore } from '../../src/store/postgres/postgresStore.js';
import { numbered } from '../../src/store/postgres/schema.js';
import { Chat, offers, queues, says, T0 } from './chat.js';
import { ask, cutConnections, freshDatabase, freshSchema, inSchema } from './cluster.js';
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
  describe('two processes on one database', () => {
    it('that write the same conversations at once have one winner per version and wait for each other in no circle', async () => {
      const [a, b] = [await opened(), await opened()];
      const ids = Array.from({ length: 20 }, (): string => randomUUID());
      const chats = ids.map((id) => new Chat(id));
      for (const chat of chats) done(await chat.append(a, ...chat.start()));
      const wins = new Map(ids.map((id) => [id, 0]));
      const write = async (store: PostgresStore, order: readonly string[], name: string) => {
        for (let round = 0; round < 15; round++) {
          await Promise.all(
            order.map(async (id) => {
              const chat = new Chat(id);
              chat.state = (await store.conversation(id)) ?? assert.fail();
              const { outcome } = await chat.append(store, says(`${name} ${round}`));
              assert.ok(outcome === 'done' || outcome === 'conflict', outcome);
              if (outcome === 'done') wins.set(id, (wins.get(id) ?? 0) + 1);
            }),
          );
        }
      };
      await Promise.all([write(a, ids, 'a'), write(b, ids.toReversed(), 'b')]);
      for (const chat of chats) {
        const audited = await a.audit(chat.id);
        assert.deepEqual(audited?.faults, []);
        assert.equal(audited?.cached.version, 2 + (wins.get(chat.id) ?? 0));
      }
    });

    it('never give an agent more than fits, also when agents and conversations are named in any order', async () => {
      const [a, b] = [await opened(), await opened()];
      await a.saveAgents([
        { id: 'ana', capacity: 3 },
        { id: 'ben', capacity: 3 },
      ]);
      const chats = await Promise.all(
        Array.from({ length: 200 }, async () => {
          const chat = new Chat(randomUUID());
          done(await chat.append(a, ...chat.start(), queues('cards', T0)));
          return chat;
        }),
      );
      const outcomes = await Promise.all(
        chats.map((chat, index) =>
          chat.append(index % 2 === 0 ? a : b, offers(index % 4 < 2 ? 'ana' : 'ben', T0 + 60_000)),
        ),
      );
      assert.equal(outcomes.filter(({ outcome }) => outcome === 'done').length, 6);
      assert.equal(outcomes.filter(({ outcome }) => outcome === 'noCapacity').length, 194);
      assert.deepEqual(
        (await b.agents()).map(({ load }) => load),
        [3, 3],
      );
    });

    it('open one conversation when a first message of one customer reaches both', async () => {
      const [a, b] = [await opened(), await opened()];
      for (let n = 0; n < 20; n++) {
        const pairs = [new Chat(randomUUID()), new Chat(randomUUID())] as const;
        const key = { channelKey: `teams/${n}` };
        const outcomes = await Promise.all([
          pairs[0].append(a, ...pairs[0].start(key)),
          pairs[1].append(b, ...pairs[1].start(key)),
        ]);
        assert.deepEqual(outcomes.map(({ outcome }) => outcome).sort(), ['channelTaken', 'done']);
      }
    });

    it('make one secret, take a ticket once and save one configuration', async () => {
      const [a, b] = [await opened(), await opened()];
      const secrets = await Promise.all([a, b, a, b].map((store) => store.secret('signing', randomUUID)));
      assert.equal(new Set(secrets).size, 1);
      await a.putGrant({ kind: 'ticket', id: 't', value: {}, expiresAt: T0 });
      const taken = await Promise.all([a, b, a, b].map((store) => store.getGrant('ticket', 't', 0, true)));
      assert.equal(taken.filter((grant) => grant !== undefined).length, 1);
      const saved = await Promise.allSettled([a, b].map((store) => store.saveConfiguration({}, 'ada', T0, 0)));
      assert.deepEqual(saved.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
    });

    it('start at the same moment on an empty database', async () => {
      await Promise.all(Array.from({ length: 4 }, () => opened()));
      const store = await opened();
      await sound(store, await started(store));
    });

    it('hear what the other has changed, and nothing of their own', async () => {
      const [a, b] = [await opened(), await opened()];
      const heard: StoreChange[] = [];
      const own: StoreChange[] = [];
      const ids = Array.from({ length: 600 }, (_, n) => `conversation-with-a-long-name-${n}`);
      const all = new Promise<void>((resolve) => {
        b.changes((change) => {
          heard.push(change);
          if (told('conversations').length === ids.length && told('agents').length > 0) resolve();
        });
      });
      const told = (kind: StoreChange['kind']) =>
        heard.flatMap((change) => (change.kind !== kind ? [] : change.kind === 'conversations' ? change.ids : [kind]));
      a.changes((change) => own.push(change));
      // What changes nothing is not told, and keeps nothing else from being told.
      const early = new Chat('early');
      early.happened(early.plan(...early.start()));
      assert.equal((await early.append(a, says('not started'))).outcome, 'conflict');
      await a.saveConfiguration({}, 'ada', T0, 0);
      await a.saveAgents([{ id: 'ana', capacity: 1 }]);
      await Promise.all(ids.map((id) => new Chat(id)).map((chat) => chat.append(a, ...chat.start())));
      await all;
      assert.deepEqual(told('conversations').toSorted(), ids.toSorted());
      assert.equal(told('configuration').length, 1);
      assert.deepEqual(own, []);
    });

    it('are told that they may have missed something when the line for notices was down', async () => {
      const store = await opened();
      const missed = new Promise<StoreChange>((resolve) => store.changes(resolve));
      await cutConnections(url);
      assert.deepEqual(await missed, { kind: 'missed' });
      const other = await opened();
      const heard = new Promise<StoreChange>((resolve) => store.changes(resolve));
      const chat = await started(other);
      assert.deepEqual(await heard, { kind: 'conversations', ids: [chat.id] });
    });
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
      const heard: StoreChange[] = [];
      b.changes((change) => heard.push(change));
      const chat = await started(a);
      assert.equal(await b.conversation(chat.id), undefined);
      await started(b);
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
      await assert.rejects(store.conversation('x'), /closed/);
      const chat = new Chat();
      await assert.rejects(chat.append(store, ...chat.start()), /closed/);
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

    it('keeps its time steady: a slow answer of the database changes nothing, a clock that was set does', async () => {
      const own = { at: 1_000_000, now: () => own.at };
      const database = { ahead: 5_000, delay: 0 };
      const clock = new DatabaseClock(own, async () => {
        const answer = own.at + database.delay / 2 + database.ahead;
        own.at += database.delay;
        return Promise.resolve(answer);
      });
      await clock.measure();
      assert.equal(clock.now(), 1_005_000);
      Object.assign(database, { ahead: 5_040, delay: 100 });
      await clock.measure();
      assert.equal(clock.now() - own.at, 5_000);
      Object.assign(database, { ahead: -60_000, delay: 2 });
      await clock.measure();
      assert.equal(clock.now() - own.at, -60_000);
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
