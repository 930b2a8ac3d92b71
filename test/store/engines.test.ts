// The engines beside each other: the same history leaves the same rows, and a record moves between them as it is.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { copy, copyRecord } from '../../src/copy.js';
import { ConfigError } from '../../src/errors.js';
import { besideOf, recordAt, storeOf } from '../../src/openStore.js';
import { verify } from '../../src/verify.js';
import { PostgresStore } from '../../src/store/postgres/postgresStore.js';
import type { RecordStore } from '../../src/store/recordStore.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { columnsOf, keyOf, TABLE_NAMES, type Cell, type TableName } from '../../src/store/tables.js';
import { ANN, Chat, queues, says, T0 } from './chat.js';
import { ask, cutConnections, freshSchema, inSchema } from './cluster.js';
import { Comparison, step, type Step } from './comparison.js';
import { done } from './store.contract.js';

const histories = fc.array(fc.array(step, { minLength: 1, maxLength: 12 }), { maxLength: 10 });
const clock = { now: () => T0 };
/** Random for each write, and what follows from that. */
const RANDOM: ReadonlySet<string> = new Set(['salt', 'digest', 'chain']);

async function rowsOf(store: RecordStore, table: TableName): Promise<Record<string, Cell>[]> {
  const all: Cell[][] = [];
  for (let page = await store.rows(table, null); page.length > 0;) {
    all.push(...page);
    page = await store.rows(table, keyOf(table, page.at(-1) ?? []));
  }
  const names = columnsOf(table).map(([name]) => name);
  return all.map((row) => Object.fromEntries(names.map((name, index) => [name, plainCell(row[index] ?? null)])));
}

const plainCell = (cell: Cell): Cell => (cell instanceof Uint8Array ? Buffer.from(cell).toString('hex') : cell);

describe('the engines', () => {
  let directory: string;
  let folders = 0;
  let open: RecordStore[];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'handoff-store-'));
    open = [];
  });
  afterEach(async () => {
    await Promise.all(open.map((store) => store.close()));
    await rm(directory, { recursive: true });
  });

  const freshFolder = () => join(directory, `${++folders}`);
  const places = {
    directory: () => Promise.resolve(freshFolder()),
    database: freshSchema,
  };
  const openAt = async (place: string): Promise<RecordStore> => {
    const store = place.startsWith('postgres')
      ? new PostgresStore({ url: place, clock })
      : new SqliteStore({ directory: place, clock });
    open.push(store);
    await store.open();
    // What the process before owed is anybody's: this one takes it over.
    if (store instanceof PostgresStore) await store.shared.beat(60_000);
    return store;
  };
  /** Lives through a history as the contract's suite does. @returns the store, open. */
  const lived = async (place: string, history: readonly (readonly Step[])[]): Promise<RecordStore> => {
    let store = await openAt(place);
    const reopen = async () => {
      await store.close();
      return (store = await openAt(place));
    };
    await new Comparison({ store, reopen, tamper: () => assert.fail(), dispose: () => store.close() }).all(history);
    return store;
  };

  it('hold the same rows after the same history', async () => {
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        const [a, b] = [await lived(freshFolder(), history), await lived(await freshSchema(), history)];
        for (const table of TABLE_NAMES) {
          // People's rows carry the clock of the store: the database's own in one of them.
          const left = (rows: Record<string, Cell>[]) =>
            rows.map((row) =>
              Object.fromEntries(
                Object.entries(row).filter(
                  ([name]) => !RANDOM.has(name) && !(table === 'agent' && name.endsWith('_at')),
                ),
              ),
            );
          const withoutIdle = (rows: Record<string, Cell>[]) => left(rows).map(({ idle_since: _, ...row }) => row);
          assert.deepEqual(withoutIdle(await rowsOf(a, table)), withoutIdle(await rowsOf(b, table)), table);
        }
        await Promise.all([a.close(), b.close()]);
      }),
      { numRuns: 8 },
    );
  }).timeout(90_000);

  for (const [from, to] of [
    ['directory', 'database'],
    ['database', 'directory'],
    ['database', 'database'],
  ] as const) {
    it(`move a whole record from a ${from} to a ${to}, with salts, chains and what was erased`, async () => {
      await fc.assert(
        fc.asyncProperty(histories, async (history) => {
          const [origin, place] = [await places[from](), await places[to]()];
          const store = await lived(origin, history);
          await furnish(store);
          const expected = await Promise.all(TABLE_NAMES.map((table) => rowsOf(store, table)));
          const verified = await verify(store);
          await store.close();

          const source = recordAt(origin);
          await source.open();
          await copyRecord(source, await besideOf(place));
          await source.close();

          const target = await openAt(place);
          assert.deepEqual(await Promise.all(TABLE_NAMES.map((table) => rowsOf(target, table))), expected);
          assert.deepEqual(await verify(target), verified);
          // The record goes on where it is now.
          const [id = ''] = await target.conversationIds(1);
          const chat = new Chat(id);
          chat.state = (await target.conversation(id)) ?? assert.fail();
          chat.at = chat.state.startedAt + 1e9;
          done(await chat.append(target, { type: 'noted', kind: 'note', audience: 'staff', body: { note: 'moved' } }));
          assert.deepEqual((await target.audit(id))?.faults, []);
          await target.close();
        }),
        { numRuns: 4 },
      );
    }).timeout(90_000);
  }

  describe('copying', () => {
    const small = async (place: string): Promise<string> => {
      const store = await openAt(place);
      await furnish(store);
      await store.close();
      return place;
    };
    const refuses = (from: string, to: string, pattern: RegExp) =>
      assert.rejects(copy(from, to), (error: unknown) => {
        assert.ok(error instanceof ConfigError, String(error));
        assert.match(error.message, pattern);
        return true;
      });

    it('refuses a place that holds a record', async () => {
      const [one, other] = [await small(freshFolder()), await small(freshFolder())];
      const [here, there] = [await small(await freshSchema()), await small(await freshSchema())];
      await refuses(one, other, /There is a record in .* already/);
      await refuses(one, here, /There is a record in the schema .* already/);
      await refuses(here, there, /There is a record in the schema/);
      await refuses(one, one, /in use|already/);
    });

    it('refuses while a server holds the directory, and when there is nothing to copy', async () => {
      const place = await small(freshFolder());
      const server = await openAt(place);
      await refuses(place, await freshSchema(), /in use by another running process/);
      await server.close();
      const shared = await small(await freshSchema());
      const serving = (await openAt(shared)) as PostgresStore;
      await refuses(shared, freshFolder(), /A server runs on the record/);
      await serving.close();
      await refuses(freshFolder(), await freshSchema(), /There is no record/);
      await refuses(await freshSchema(), freshFolder(), /There is no record/);
    });

    it('leaves nothing in the place when the record changes meanwhile, and works when tried again', async () => {
      const origin = await small(await freshSchema());
      for (const place of [freshFolder(), await freshSchema()]) {
        const source = recordAt(origin);
        open.push(source);
        await source.open();
        const target = await besideOf(place);
        let isChanged = false;
        const change = async () => {
          if (isChanged) return;
          isChanged = true;
          await ask(inSchema(origin), "UPDATE secret SET value = value || '.'");
        };
        const real = target.store.rows.bind(target.store);
        target.store.rows = async (table, after) => {
          await change();
          return real(table, after);
        };
        await assert.rejects(copyRecord(source, target), /changed while it was copied.*table secret, signing/s);
        await target.abandon();
        await copyRecord(source, await besideOf(place));
        await source.close();
        assert.ok((await verify(await openAt(place))).conversations > 0);
      }
    });

    it('begins anew where an attempt was killed', async () => {
      const origin = await small(freshFolder());
      for (const place of [freshFolder(), await freshSchema()]) {
        const killed = await besideOf(place);
        await killed.store.putRows('secret', [['half', 'a copy']]);
        // A process that dies closes its connections and gives up its locks; nothing is tidied up.
        await killed.store.close();
        if (place.startsWith('postgres')) await cutConnections(place);
        const source = recordAt(origin);
        await source.open();
        await copyRecord(source, await besideOf(place));
        await source.close();
        const names = (await rowsOf(await openAt(place), 'secret')).map(({ name }) => name);
        assert.deepEqual(names, ['signing']);
        if (!place.startsWith('postgres')) assert.ok(!(await readdir(place)).includes('copying'));
      }
    });

    it('refuses to begin beside another copy to the same place', async () => {
      for (const place of [freshFolder(), await freshSchema()]) {
        const first = await besideOf(place);
        await assert.rejects(besideOf(place), /in use|under way/);
        await first.abandon();
      }
    });
  });

  it('take an address of something else for no folder, and show none of it', async () => {
    for (const place of ['postgre://u:secret@host/db', 'mysql://u:secret@host/db', 'postgresql+x://u:secret@h/d'])
      for (const [from, to] of [
        [place, freshFolder()],
        [await freshSchema(), place],
      ] as const)
        await assert.rejects(copy(from, to), (error: unknown) => {
          assert.ok(error instanceof ConfigError);
          assert.ok(!error.message.includes('secret'));
          return true;
        });
    assert.deepEqual(await readdir(directory), []);
  });

  it('are chosen by DATABASE_URL', () => {
    assert.ok(storeOf(undefined, './data') instanceof SqliteStore);
    assert.ok(storeOf('', './data') instanceof SqliteStore);
    assert.ok(storeOf('postgresql://host/db', './data') instanceof PostgresStore);
    assert.throws(() => storeOf('mysql://host/db', './data'), ConfigError);
  });
});

/** One of everything that the histories do not make. */
async function furnish(store: RecordStore): Promise<void> {
  const chat = new Chat(randomUUID());
  done(await chat.append(store, ...chat.start(), says('card 4111'), says('kept 😀'), queues('cards', chat.at)));
  done(await chat.append(store, { type: 'erased', by: ANN, targets: [3], context: true }));
  await store.saveConfiguration({ bots: [] }, 'ada', T0, 0);
  await store.saveConfiguration({ bots: ['demo'] }, 'ada', T0, 1);
  await store.secret('signing', randomUUID);
  await store.putGrant({ kind: 'session', id: 's', value: { person: 'ana' }, expiresAt: T0 });
  await store.setPresence('ana', 'available', T0, T0 + 5);
  for (const bytes of [new Uint8Array(), Uint8Array.from({ length: 70_000 }, (_, n) => (n * 7) % 256)])
    await store.putAttachment({
      id: randomUUID(),
      conversationId: chat.id,
      name: 'f ü',
      contentType: 'x/y',
      bytes,
      at: T0,
    });
}
