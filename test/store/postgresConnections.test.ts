// What becomes of writes to PostgreSQL when the connection breaks, the server restarts or refuses.

import assert from 'node:assert/strict';
import pg from 'pg';
import { StoreUnavailable, toHttpError } from '../../src/errors.js';
import { CuttingProxy } from '../fakes/cuttingProxy.js';
import { says } from './chat.js';
import { ask, cutConnections, inSchema, restartServer } from './cluster.js';
import { useStores } from './postgresStores.js';
import { done } from './store.contract.js';

describe('a broken connection to PostgreSQL', () => {
  const stores = useStores();
  const { opened, started, textsOf, sound } = stores;
  let url: string;
  beforeEach(() => {
    url = stores.url;
  });
  /** Resolves when somebody waits for a lock. */
  const somebodyWaits = async () => {
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while ((await ask(url, waiting)).length === 0);
  };

  it('in the middle of a write loses nothing and doubles nothing', async () => {
    const store = await opened();
    const chats = await Promise.all(Array.from({ length: 10 }, () => started(store)));
    for (let round = 0; round < 5; round++) {
      const appends = Promise.all(chats.map((chat) => chat.append(store, says(`${round}`))));
      await cutConnections(url);
      (await appends).forEach(done);
    }
    for (const chat of chats) {
      assert.deepEqual(await textsOf(store, chat), ['0', '1', '2', '3', '4']);
      await sound(store, chat);
    }
  });

  it('while a write waits for a lock ends that write, which is then made once', async () => {
    const store = await opened();
    const chat = await started(store);
    const holder = new pg.Client({ connectionString: inSchema(url) });
    await holder.connect();
    try {
      await holder.query('BEGIN');
      await holder.query('SELECT 1 FROM conversation FOR UPDATE');
      const append = chat.append(store, says('once'));
      await somebodyWaits();
      await cutConnections(url);
      await holder.query('COMMIT');
      done(await append);
    } finally {
      await holder.end();
    }
    assert.deepEqual(await textsOf(store, chat), ['once']);
  });

  it('is not needed for the server to refuse: what it rolled back for others is tried again, what it cannot do is said with the cure', async () => {
    const store = await opened();
    const chat = await started(store);
    /** The next `times` writes to the log fail as the server would fail them. */
    const fail = (code: string, times: number) =>
      ask(
        inSchema(url),
        `DROP SEQUENCE IF EXISTS failures; CREATE SEQUENCE failures;
         CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF nextval('failures') <= ${times} THEN RAISE EXCEPTION USING ERRCODE = '${code}', MESSAGE = 'no'; END IF;
           RETURN NEW;
         END $$;
         CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON log FOR EACH ROW EXECUTE FUNCTION fail()`,
      );
    for (const code of ['40001', '40P01', '55P03', '57014']) {
      await fail(code, 2);
      done(await chat.append(store, says(code)));
    }
    for (const [code, cure] of [
      ['53100', /disk is full: free some space/],
      ['25006', /lead to the primary/],
      ['42501', /grant them again/],
    ] as const) {
      await fail(code, 1);
      await assert.rejects(chat.append(store, says(code)), (error: unknown) => {
        assert.ok(error instanceof StoreUnavailable && !error.unknown);
        assert.match(error.message, cure);
        return true;
      });
      done(await chat.append(store, says(`after ${code}`)));
    }
    await sound(store, chat);
  });

  describe('on the way to the server', () => {
    let proxy: CuttingProxy;
    let throughProxy: string;
    beforeEach(async () => {
      const direct = new URL(url);
      proxy = await new CuttingProxy(Number(direct.port)).open();
      direct.port = `${proxy.port}`;
      throughProxy = direct.href;
    });
    afterEach(async () => {
      await stores.closeAll();
      await proxy.close();
    });

    it('that loses the answer does not lose what the answer was', async () => {
      const store = await opened({ url: throughProxy });
      const [chat, stale] = [await started(store), await started(store)];
      const old = stale.plan(says('decided on an old version'));
      done(await stale.append(store, says('first')));
      const cut = proxy.cutNext({ text: 'stored, and the answer lost', does: 'loseAnswer' });
      const outcomes = await Promise.all([
        chat.append(store, says('stored, and the answer lost')),
        store.append(old),
        store.secret('made', () => 'with it'),
      ]);
      await cut;
      assert.equal(outcomes[0].outcome, 'done');
      assert.deepEqual(outcomes[1], {
        outcome: 'conflict',
        current: JSON.parse(JSON.stringify(stale.conversation)) as unknown,
      });
      assert.equal(outcomes[2], 'with it');
      assert.deepEqual(await textsOf(store, chat), ['stored, and the answer lost']);
      await sound(store, chat);
    });

    it('that breaks while something is read is no reason to end: it is read again', async () => {
      const store = await opened({ url: throughProxy });
      const chat = await started(store);
      done(await chat.append(store, says('to be read')));
      const holder = new pg.Client({ connectionString: inSchema(url) });
      await holder.connect();
      try {
        await holder.query('BEGIN');
        await holder.query('LOCK TABLE log IN ACCESS EXCLUSIVE MODE');
        const read = textsOf(store, chat);
        await somebodyWaits();
        proxy.cutAll();
        await holder.query('COMMIT');
        assert.deepEqual(await read, ['to be read']);
      } finally {
        await holder.end();
      }
    });

    it('that stays away leaves the outcome unknown, and says so', async () => {
      const store = await opened({ url: throughProxy, patienceMs: 0 });
      const chat = await started(store);
      const cut = proxy.cutNext({ text: 'is it stored?', does: 'loseAnswer' });
      const append = chat.append(store, says('is it stored?', { key: 'k' }));
      const told = assert.rejects(append, (error: unknown) => {
        assert.ok(error instanceof StoreUnavailable && error.unknown);
        assert.match(error.message, /cannot be asked whether it was stored. Send it again under the same key/);
        assert.match(toHttpError(error).body.error.message, /may have been stored/);
        return true;
      });
      await cut;
      await proxy.close();
      await told;
      // It was; and whoever sends it again finds that out.
      const direct = await opened();
      assert.equal((await chat.append(direct, says('is it stored?', { key: 'k' }))).outcome, 'duplicate');
      proxy = await new CuttingProxy(Number(new URL(url).port)).open();
    });

    it('that delivers a write after it was made anew has no effect', async () => {
      const store = await opened({ url: throughProxy });
      const chat = await started(store);
      const cut = proxy.cutNext({ text: 'on its way', does: 'delay' });
      const append = chat.append(store, says('on its way'));
      await cut;
      done(await append);
      assert.match(await proxy.deliver(), /given up/);
      assert.deepEqual(await textsOf(store, chat), ['on its way']);
      await sound(store, chat);
    });
  });

  it('is no reason to restart: after the server was, everything goes on', async () => {
    const store = await opened();
    const chat = await started(store);
    await restartServer(async () => {
      await assert.rejects(chat.append(store, says('nobody there')), (error: unknown) => {
        assert.ok(error instanceof StoreUnavailable);
        assert.equal(error.unknown, false);
        assert.match(error.message, /Nothing was written.*Look at the server/s);
        assert.ok(!error.message.includes('battery'));
        return true;
      });
      await assert.rejects(store.conversation(chat.id), StoreUnavailable);
    });
    done(await chat.append(store, says('back')));
    assert.deepEqual(await textsOf(store, chat), ['back']);
    await sound(store, chat);
  }).timeout(30_000);
});
