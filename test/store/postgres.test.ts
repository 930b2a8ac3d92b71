// The shared store's own guarantees: several processes on one database, migrations, notices and its clock.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { ConfigError, StoreUnavailable } from '../../src/errors.js';
import type { Notice } from '../../src/hub/ports.js';
import { PostgresStore } from '../../src/store/postgres/postgresStore.js';
import { numbered } from '../../src/store/postgres/schema.js';
import { Chat, offers, queues, says, T0 } from './chat.js';
import { until } from '../fakes/shop.js';
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

    it('hear what the other tells, and nothing of their own', async () => {
      const [a, b] = [await opened(), await opened()];
      const own: Notice[] = [];
      a.shared.bus.subscribe((notice) => own.push(notice));
      const told = Array.from({ length: 600 }, (_, n): Notice => {
        return { is: 'entries', id: `conversation-with-a-long-name-${n}`, first: n, last: n + 1, moved: n % 2 === 0 };
      });
      const heard: Notice[] = [];
      const all = new Promise<void>((resolve) => {
        b.shared.bus.subscribe((notice) => {
          if (heard.push(notice) === told.length) resolve();
        });
      });
      for (const notice of told) a.shared.bus.publish(notice);
      await all;
      assert.deepEqual(heard, told);
      assert.deepEqual(own, []);
    });

    it('hear nothing that a stranger says in their line, whose account may do nothing else', async () => {
      const [a, b] = [await opened(), await opened()];
      const heard: Notice[] = [];
      const real: Notice = { is: 'configuration', version: 9 };
      const all = new Promise<void>((resolve) => {
        b.shared.bus.subscribe((notice) => {
          heard.push(notice);
          if (notice.is === 'configuration') resolve();
        });
      });
      const forged = {
        is: 'signal',
        signal: { conversationId: 'c', by: { role: 'agent', id: 'ana' }, audience: 'everyone' },
      };
      const channel = new URL(url).searchParams.get('schema');
      for (const text of ['', 'null', '{"notices":[null]}', JSON.stringify({ from: 'x', notices: [forged, real] })])
        await ask(url, 'SELECT pg_notify($1, $2)', [channel, text]);
      a.shared.bus.publish({
        ...forged,
        signal: { ...forged.signal, activity: { type: 'message', text: 'hi' } },
      } as Notice);
      a.shared.bus.publish({ is: 'tomorrow' } as unknown as Notice);
      a.shared.bus.publish(real);
      await all;
      assert.deepEqual(heard, [real], 'nor anything but typing, whoever says it');
    });

    it('hear each other again after the line for notices was down, and miss only what has no room', async () => {
      const [a, b] = [await opened(), await opened()];
      const next = () => new Promise<Notice>((resolve) => void b.shared.bus.subscribe(resolve));
      await cutConnections(url);
      const heard = next();
      const again: Notice = { is: 'person', agent: 'ana' };
      const timer = setInterval(() => a.shared.bus.publish(again), 50);
      assert.deepEqual(await heard, again);
      clearInterval(timer);
      await a.shared.look([]);
      const afterwards = next();
      const text = 'x'.repeat(10_000);
      const signal = { conversationId: 'c', by: { role: 'bot', id: 'b' } as const, activity: { type: 'typing', text } };
      a.shared.bus.publish({ is: 'signal', signal: { ...signal, audience: 'everyone' } });
      a.shared.bus.publish({ is: 'configuration', version: 7 });
      for (let notice = await afterwards; notice.is !== 'configuration'; notice = await next())
        assert.equal(notice.is, 'person');
    });

    it('let one keep the house, which inherits what the dead owed and whom they were connected to', async () => {
      const [a, b] = [await opened(), await opened()];
      await a.saveAgents([{ id: 'ana', capacity: 1 }]);
      assert.deepEqual(await a.shared.beat(60_000), { keeper: true, inherited: false, forgotten: false });
      assert.deepEqual(await b.shared.beat(60_000), { keeper: false, inherited: false, forgotten: false });
      await b.shared.whereabouts.connect('ana');
      const chat = await started(b);
      done(await chat.append(b, queues('sales', T0)));
      const row = {
        ordinal: 0,
        seq: 1,
        party: 'bot:demo',
        epoch: 1,
        effect: { to: 'channel', send: 'activity' },
      } as const;
      const plan = chat.plan(says('hello'));
      done(await b.append({ ...plan, outbox: [{ ...row, seq: plan.expectedVersion + 1 }] }));
      chat.happened(plan);
      assert.equal((await b.outbox(10)).length, 1);
      assert.deepEqual(await a.outbox(10), []);
      await b.shared.leave();
      assert.deepEqual(await a.shared.beat(60_000), { keeper: true, inherited: true, forgotten: false });
      assert.equal((await a.outbox(10)).length, 1);
      const [connection] = await a.shared.whereabouts.connections();
      assert.deepEqual(
        [connection?.agent, connection?.node, typeof connection?.lostAt],
        ['ana', a.shared.node, 'number'],
      );
      // It was not dead after all: it learns that it was taken for it.
      await b.shared.beat(60_000);
      await ask(inSchema(url), 'DELETE FROM node WHERE NOT keeps');
      assert.equal((await b.shared.beat(60_000)).forgotten, true);
    });

    it('leave what is owed to one party with whoever still owes it earlier rows', async () => {
      const [a, b] = [await opened(), await opened()];
      await a.shared.beat(60_000);
      await b.shared.beat(60_000);
      const chat = await started(a);
      const owe = async (store: PostgresStore, words: string) => {
        const plan = chat.plan(says(words));
        const effect = { to: { bot: 'demo' }, send: 'activity' } as const;
        const outbox = [{ ordinal: 0, seq: plan.expectedVersion + 1, party: 'bot:demo', epoch: 1, effect }];
        const appended = await store.append({ ...plan, outbox });
        chat.happened(plan);
        if (appended.outcome !== 'done') throw new Error(appended.outcome);
        return { elsewhere: appended.elsewhere ?? [], behind: appended.behind ?? [] };
      };
      const last = () => `${chat.id}/${chat.conversation.version}/0`;
      assert.deepEqual(await owe(a, 'one'), { elsewhere: [], behind: [] });
      assert.deepEqual(await owe(b, 'two'), { elsewhere: [last()], behind: [] });
      // Of which that process need not have heard.
      const two = last();
      assert.deepEqual(await owe(a, 'three'), { elsewhere: [], behind: [two] });
      const rows = await a.shared.owed(chat.id);
      assert.equal(rows.length, 3);
      assert.deepEqual(await b.shared.owed(chat.id), []);
      await a.settle(rows.map(({ id }) => ({ id, outcome: 'done' as const })));
      assert.deepEqual(await owe(b, 'four'), { elsewhere: [], behind: [] });
    });

    it('take over all that a dead one owes of a conversation at once, also what is being added just then', async () => {
      const [a, dead] = [await opened(), await opened()];
      await a.shared.beat(60_000);
      await dead.shared.beat(60_000);
      const chat = await started(a);
      const plan = chat.plan(says('one'));
      const effect = { to: { bot: 'demo' }, send: 'activity' } as const;
      const first = plan.expectedVersion + 1;
      done(await dead.append({ ...plan, outbox: [{ ordinal: 0, seq: first, party: 'bot:demo', epoch: 1, effect }] }));
      // A third one adds to it, and is slow.
      const third = new pg.Client({ connectionString: inSchema(url) });
      await third.connect();
      try {
        await third.query('BEGIN');
        await third.query('SELECT 1 FROM conversation WHERE id = $1 FOR UPDATE', [chat.id]);
        await third.query(
          'INSERT INTO outbox SELECT (o).* FROM (SELECT jsonb_populate_record(o, $1) AS o FROM outbox o) rows',
          [JSON.stringify({ seq: first + 1 })],
        );
        await dead.shared.leave();
        const beat = a.shared.beat(60_000);
        const waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        let isOver = false;
        void beat.then(() => (isOver = true));
        await until('it waits, or did not', async () => isOver || (await ask(url, waits)).length > 0);
        await third.query('COMMIT');
        assert.equal((await beat).inherited, true);
      } finally {
        await third.end();
      }
      assert.equal((await a.outbox(10)).length, 2);
    });

    it('miss a person only when no process has a socket of theirs, and know what to come back to', async () => {
      const [a, b] = [await opened(), await opened()];
      await a.saveAgents([{ id: 'ana', capacity: 1 }]);
      const [there, here] = [a.shared.whereabouts, b.shared.whereabouts];
      await there.connect('ana');
      await here.connect('ana');
      assert.equal(await there.disconnect('ana'), false);
      assert.equal(await there.miss('ana', 'available'), false);
      assert.equal(await here.disconnect('ana'), true);
      assert.equal(await here.miss('ana', 'busy'), true);
      await there.connect('ana');
      assert.equal(await there.recall('ana'), 'busy');
      assert.equal(await there.recall('ana'), undefined);
      const both = await Promise.all([there.disconnect('ana'), there.disconnect('ana')]);
      assert.ok(both.includes(true));
    });

    it('are told by one look what a lost notice would have said', async () => {
      const [a, b] = [await opened(), await opened()];
      const [one, two] = [await started(a), await started(a)];
      done(await two.append(a, queues('sales', T0)));
      await a.saveConfiguration({}, 'ada', T0, 0);
      assert.deepEqual(await b.shared.look([one.id, 'nobody']), {
        versions: new Map([[one.id, one.conversation.version]]),
        configuration: 1,
        waiting: { count: 1, versions: two.conversation.version },
      });
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
