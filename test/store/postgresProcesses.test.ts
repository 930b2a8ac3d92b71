// Several processes on one database: they never contradict each other, hear each other, and take over from the dead.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Notice } from '../../src/hub/ports.js';
import type { PostgresStore } from '../../src/store/postgres/postgresStore.js';
import { Chat, offers, queues, says, T0 } from './chat.js';
import { FreezingProxy } from '../fakes/freezingProxy.js';
import { until } from '../fakes/shop.js';
import { ask, cutConnections, inSchema } from './cluster.js';
import { useStores } from './postgresStores.js';
import { done } from './store.contract.js';

describe('two processes on one database', () => {
  const stores = useStores();
  const { opened, started, sound } = stores;
  let url: string;
  beforeEach(() => {
    url = stores.url;
  });

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

  it('wait for no process that stands still in the middle of a sign of life', async () => {
    const proxy = await FreezingProxy.open(url);
    const still = await opened({ url: Object.assign(new URL(url), { port: new URL(proxy.url).port }).href });
    const dead = await opened();
    const holder = new pg.Client({ connectionString: inSchema(url) });
    let unheard: Promise<unknown> | undefined;
    try {
      await still.shared.beat(60_000);
      await dead.shared.beat(60_000);
      const chat = await started(dead);
      const plan = chat.plan(says('one'));
      const effect = { to: { bot: 'demo' }, send: 'activity' } as const;
      const row = { ordinal: 0, seq: plan.expectedVersion + 1, party: 'bot:demo', epoch: 1, effect };
      done(await dead.append({ ...plan, outbox: [row] }));
      await dead.shared.leave();
      await holder.connect();
      await holder.query('BEGIN');
      const { rows } = await holder.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await holder.query('SELECT 1 FROM conversation WHERE id = $1 FOR UPDATE', [chat.id]);
      unheard = still.shared.beat(60_000).catch(() => undefined);
      const waiting = 'SELECT pid FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))';
      let beating: unknown;
      await until('the sign of life waits', async () => {
        beating = (await ask(url, waiting, [rows[0]?.pid]))[0]?.['pid'];
        return beating !== undefined;
      });
      proxy.freeze();
      await holder.query('COMMIT');
      let state: unknown;
      await until('the server has gone on', async () => {
        state = (await ask(url, 'SELECT state FROM pg_stat_activity WHERE pid = $1', [beating]))[0]?.['state'];
        return state !== 'active';
      });
      assert.equal(state, 'idle', 'nothing is held any more');
    } finally {
      await holder.end();
      await proxy.close();
      await unheard;
    }
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
