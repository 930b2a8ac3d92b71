// The embedded store's own guarantees: the directory, the disk, crashes and threads.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Worker } from 'node:worker_threads';
import { ConfigError, StoreUnavailable } from '../../src/errors.js';
import { loadSqlite } from '../../src/store/sqlite/engine.js';
import { listSql } from '../../src/store/sql.js';
import { contains } from '../../src/store/sqlite/schema.js';
import { fileSystemOf, networkFileSystem } from '../../src/store/sqlite/place.js';
import { SqliteStore, type SqliteStoreOptions } from '../../src/store/sqlite/sqliteStore.js';
import { ANN, Chat, says } from './chat.js';
import { describeStore, done, INDEXED } from './store.contract.js';

const APPENDER = fileURLToPath(new URL('./appender.js', import.meta.url));

async function change(directory: string, statement: string, ...values: (string | number)[]): Promise<void> {
  const { DatabaseSync } = await loadSqlite();
  const db = new DatabaseSync(join(directory, 'handoff.db'));
  // A statement that was prepared keeps the file open, and what it wrote in the log beside it, until it is collected.
  if (values.length === 0) db.exec(statement);
  else db.prepare(statement).run(...values);
  db.close();
}

describeStore('SqliteStore', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'handoff-store-'));
  const place = {
    store: new SqliteStore({ directory }),
    async reopen() {
      await place.store.close();
      place.store = new SqliteStore({ directory });
      await place.store.open();
      return place.store;
    },
    tamper: (statement: string, ...values: (string | number)[]) => change(directory, statement, ...values),
    async dispose() {
      await place.store.close();
      await rm(directory, { recursive: true });
    },
  };
  await place.store.open();
  return place;
});

describe('SqliteStore', () => {
  let directory: string;
  let stores: SqliteStore[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'handoff-store-'));
    stores = [];
  });
  afterEach(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await rm(directory, { recursive: true, force: true });
  });

  const make = (options: Partial<SqliteStoreOptions> = {}): SqliteStore => {
    const store = new SqliteStore({ directory, ...options });
    stores.push(store);
    return store;
  };
  const opened = async (options: Partial<SqliteStoreOptions> = {}): Promise<SqliteStore> => {
    const store = make(options);
    await store.open();
    return store;
  };
  const started = async (store: SqliteStore): Promise<Chat> => {
    const chat = new Chat();
    done(await chat.append(store, ...chat.start()));
    return chat;
  };
  const refused = async (store: SqliteStore, ...patterns: RegExp[]) => {
    await assert.rejects(store.open(), (error: unknown) => {
      assert.ok(error instanceof ConfigError, String(error));
      for (const pattern of [...patterns, /--data|DATABASE_URL|Restore|newer release/])
        assert.match(error.message, pattern);
      return true;
    });
  };

  describe('the data directory', () => {
    it('is made when absent, and only its owner can look inside', async function () {
      if (process.platform === 'win32') return this.skip();
      directory = join(directory, 'not', 'there', 'yet');
      const store = await opened();
      await started(store);
      const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
      assert.equal(mode(directory), '700');
      const files = await readdir(directory);
      assert.deepEqual(files.sort(), ['handoff.db', 'handoff.db-shm', 'handoff.db-wal', 'lock.db']);
      for (const file of files) assert.equal(mode(join(directory, file)), '600', file);
    });

    it('belongs to one store, also within one process and under another name', async () => {
      const first = await opened();
      await refused(make(), /in use by another running process/, new RegExp(directory));
      await symlink(directory, `${directory}-link`);
      await refused(make({ directory: `${directory}-link` }), /in use/);
      await rm(`${directory}-link`);
      // The attempts took nothing away from the first.
      await started(first);
      await refused(make(), /in use/);
      await first.close();
      await opened();
    });

    it('belongs to one process', async () => {
      const store = await opened();
      const second = spawnSync(process.execPath, [APPENDER, directory], { encoding: 'utf8', timeout: 9_000 });
      assert.equal(second.status, 3, second.stderr);
      assert.match(second.stderr, /in use by another running process/);
      assert.ok(second.stderr.includes(directory));
      await started(store);
    });

    it('is refused on a network file system, before anything is written there', async () => {
      for (const [magic, kind] of [
        [0x6969, /NFS/],
        [0x517b, /SMB/],
        [0xff534d42, /CIFS/],
        [0xfe534d42, /SMB 2/],
      ] as const) {
        const remote = join(directory, 'remote');
        const store = make({ directory: remote, fileSystemOf: () => ({ magic, name: undefined }) });
        await refused(store, kind, /DATABASE_URL/, /local disk/);
        assert.ok(!existsSync(remote));
      }
    });

    it('may lie on FUSE when that carries a local disk, not when it carries a cloud', () => {
      const fuse = 0x65735546;
      for (const name of ['fuse.blobfuse2', 'fuse.s3fs', 'fuse.sshfs', 'fuse.gcsfuse', 'fuse.rclone']) {
        assert.equal(networkFileSystem({ magic: fuse, name }), name);
      }
      for (const name of ['fuseblk', 'fuse.fuse-overlayfs', 'fuse.ntfs-3g', undefined]) {
        assert.equal(networkFileSystem({ magic: fuse, name }), undefined);
      }
      for (const magic of [0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0x01021997, undefined]) {
        assert.equal(networkFileSystem({ magic, name: undefined }), undefined);
      }
    });

    it('is looked up where the operating system has it', function () {
      if (process.platform !== 'linux') return this.skip();
      assert.deepEqual(fileSystemOf('/proc/self'), { magic: 0x9fa0, name: 'proc' });
      assert.equal(networkFileSystem(fileSystemOf(directory)), undefined);
    });

    it('is refused when it is a file, cannot be made or cannot be written', async function () {
      writeFileSync(join(directory, 'file'), '');
      await refused(make({ directory: join(directory, 'file') }), /cannot be written/);
      await refused(make({ directory: join(directory, 'file', 'below') }), /cannot be written/);
      if (process.platform !== 'linux') return this.skip();
      // Nobody can make files here, not even root.
      await refused(make({ directory: '/proc/self' }), /cannot be written/, /\/proc\/self/);
      await refused(make({ directory: '/proc/self/data' }), /cannot be written/);
    });
  });

  describe('the file', () => {
    it('of a newer release is refused and left as it is', async () => {
      await (await opened()).close();
      await change(directory, 'PRAGMA user_version = 99');
      const before = await readFile(join(directory, 'handoff.db'));
      await refused(make(), /newer release/, /schema 99/);
      assert.deepEqual(await readFile(join(directory, 'handoff.db')), before);
      await refused(make(), /newer release/);
    });

    it('of an older release is brought up to date by a server, and refused by who only reads', async () => {
      const store = await opened();
      const teams = new Chat();
      done(await teams.append(store, ...teams.start({ channelKey: '["demo","msteams","a:1","kim"]' })));
      const odd = new Chat('widget\0');
      done(await odd.append(store, ...odd.start({ channelKey: 'no list' })));
      const widget = await started(store);
      await store.close();
      await change(
        directory,
        'DROP INDEX conversation_of_channel; DROP INDEX conversation_place;' +
          ' ALTER TABLE conversation DROP COLUMN channel; ALTER TABLE conversation DROP COLUMN channel_conversation;' +
          ' PRAGMA user_version = 1',
      );
      await refused(make({ readOnly: true }), /older release's/, /Start the server on it once/);
      const newer = await opened();
      const at = async (channel: string, channelConversation: string) =>
        (await newer.list({ channel, channelConversation }, 10)).items.map(({ id }) => id);
      assert.deepEqual(await at('msteams', 'a:1'), [teams.id]);
      assert.deepEqual(await at('directline', widget.id), [widget.id]);
      assert.equal((await newer.list({ channel: 'msteams' }, 10)).items.length, 2);
      done(await teams.append(newer, says('and it goes on')));
    });

    it('finds a channel’s conversations and those of one place by an index', async () => {
      await (await opened()).close();
      const { DatabaseSync } = await loadSqlite();
      const db = new DatabaseSync(join(directory, 'handoff.db'));
      for (const [filter, index] of INDEXED) {
        const { text, values } = listSql({ ...filter, limit: 20 }, contains);
        const plan = db.prepare(`EXPLAIN QUERY PLAN ${text}`).all(...values) as { detail: string }[];
        const steps = plan.map(({ detail }) => detail).join('; ');
        assert.match(
          steps,
          new RegExp(`^SEARCH conversation USING INDEX ${index} \\([^;]*$`),
          'it neither scans nor sorts',
        );
      }
      db.close();
    });

    it('of another program is refused', async () => {
      await change(directory, 'CREATE TABLE somebody_elses (x)');
      await refused(make(), /another program's database/);
    });

    it('that is no database is refused', async () => {
      writeFileSync(join(directory, 'handoff.db'), 'this is not a database, it is a text of some length'.repeat(100));
      await refused(make(), /not a SQLite database/);
    });

    it('is whole by itself after a close: nothing is left beside it', async () => {
      const store = await opened();
      await started(store);
      await store.close();
      assert.deepEqual((await readdir(directory)).sort(), ['handoff.db', 'lock.db']);
    });

    it('that was removed while in use takes nothing more: no write is acknowledged that a restart would not find', async function () {
      // Windows does not let anybody remove a file that is open.
      if (process.platform === 'win32') this.skip();
      const store = await opened();
      const chat = await started(store);
      const [file, aside] = [join(directory, 'handoff.db'), join(directory, 'aside.db')];
      await rename(file, aside);
      await assert.rejects(chat.append(store, says('lost')), {
        code: 'StoreUnavailable',
        message: /removed or replaced/,
      });
      await writeFile(file, '');
      await assert.rejects(chat.append(store, says('lost')), { code: 'StoreUnavailable' });
      await rename(aside, file);
      done(await chat.append(store, says('kept')));
      assert.deepEqual((await store.audit(chat.id))?.faults, []);
    });

    it('keeps no trace of an erased text', async () => {
      const store = await opened();
      const chat = await started(store);
      const secret = 'zqx-card-4111111111111111';
      done(await chat.append(store, says(secret + ' '.repeat(5000)), says(secret)));
      for (let n = 0; n < 20; n++) done(await chat.append(store, says(`${n}`)));
      const onDisk = async () => {
        const files = (await readdir(directory)).filter((name) => name.startsWith('handoff.db'));
        const contents = await Promise.all(files.map((name) => readFile(join(directory, name))));
        return contents.some((bytes) => bytes.includes(secret));
      };
      assert.equal(await onDisk(), true);
      done(await chat.append(store, { type: 'erased', by: ANN, targets: [3, 4], context: false }));
      assert.equal(await onDisk(), false);
    });
  });

  describe('reading beside a running server', () => {
    it('sees what is committed and cannot write', async () => {
      const server = await opened();
      const chat = await started(server);
      const secret = await server.secret('signing', () => 'made');
      const beside = await opened({ readOnly: true });
      assert.equal((await beside.conversation(chat.id))?.version, 2);
      assert.deepEqual((await beside.audit(chat.id))?.faults, []);
      assert.equal(await beside.secret('signing', () => 'new'), secret);
      done(await chat.append(server, says('later')));
      assert.equal((await beside.entries(chat.id, 2, 9)).length, 1);
      await assert.rejects(chat.append(beside, says('no')), StoreUnavailable);
      await assert.rejects(
        beside.secret('unknown', () => 'x'),
        /reading only/,
      );
      await beside.close();
      done(await chat.append(server, says('still works')));
    });

    it('works as well when no server runs', async () => {
      const server = await opened();
      const chat = await started(server);
      await server.close();
      const beside = await opened({ readOnly: true });
      assert.equal((await beside.conversation(chat.id))?.version, 2);
    });

    it('says so when there is nothing to read, and makes nothing', async () => {
      const empty = join(directory, 'empty');
      await mkdir(empty);
      await refused(make({ directory: empty, readOnly: true }), /no record/);
      assert.deepEqual(await readdir(empty), []);
    });
  });

  describe('life and death', () => {
    it('refuses calls before it is open and after it is closed', async () => {
      const store = make();
      await assert.rejects(store.conversation('x'), StoreUnavailable);
      await assert.rejects(store.settle([{ id: 'a/1/0', outcome: 'done' }]), StoreUnavailable);
      await store.open();
      await Promise.all([store.close(), store.close()]);
      await assert.rejects(store.conversation('x'), /closed/);
      const chat = new Chat();
      await assert.rejects(chat.append(store, ...chat.start()), /closed/);
      await store.close();
    });

    it('can be closed without ever having been opened', async () => {
      await make().close();
    });

    it('says it is dead when its thread is, to those who wait and to those who come later', async () => {
      const store = await opened();
      const chats = await Promise.all(Array.from({ length: 5 }, () => started(store)));
      const worker = Reflect.get(Reflect.get(store, 'writer') as object, 'worker') as Worker;
      const waiting = chats.map((chat) => chat.append(store, says('lost?')));
      // Ends the thread before it could take the messages above.
      void worker.terminate();
      const isDead = (error: unknown) => {
        assert.ok(error instanceof StoreUnavailable);
        assert.match(error.message, /writer thread .* is dead/);
        assert.match(error.message, /restart/);
        return true;
      };
      for (const append of waiting) await assert.rejects(append, isDead);
      await assert.rejects(chats[0]?.append(store, says('later')) ?? Promise.resolve(), isDead);
      // What was acknowledged can still be read.
      assert.equal((await store.conversation(chats[0]?.id ?? ''))?.version, 2);
    });

    it('lets go of the directory when opening fails half-way', async () => {
      await change(directory, 'PRAGMA user_version = 99');
      await refused(make(), /newer release|another program/);
      await change(directory, 'PRAGMA user_version = 0');
      await opened();
    });
  });

  describe('a full disk', () => {
    const fill = async (store: SqliteStore, chats: readonly Chat[]): Promise<StoreUnavailable> => {
      const text = 'x'.repeat(1000);
      for (let n = 0; n < 10_000; n++) {
        const results = await Promise.allSettled(chats.map((chat) => chat.append(store, says(text))));
        const failed = results.filter((result) => result.status === 'rejected');
        if (failed.length === 0) continue;
        // One flush: all of it or nothing of it.
        assert.equal(failed.length, chats.length);
        const reason: unknown = failed[0]?.reason;
        assert.ok(reason instanceof StoreUnavailable, String(reason));
        return reason;
      }
      return assert.fail('the disk never became full');
    };
    const sound = async (store: SqliteStore, chats: readonly Chat[]) => {
      for (const chat of chats) {
        const audited = await store.audit(chat.id);
        assert.deepEqual(audited?.faults, []);
        assert.equal(audited?.cached.version, chat.version);
      }
    };

    it('refuses writes, writes nothing by halves, and goes on reading', async () => {
      const store = await opened({ maxPages: 100 });
      const chats = await Promise.all(Array.from({ length: 10 }, () => started(store)));
      const error = await fill(store, chats);
      assert.match(error.message, /disk .* is full.*Free some space/);
      await sound(store, chats);
      await store.close();
      const larger = await opened({ maxPages: 10_000 });
      await sound(larger, chats);
      for (const chat of chats) done(await chat.append(larger, says('there is room again')));
    });

    it('is forgotten as soon as there is room again', async function () {
      // Needs the right to mount; the test above does without.
      const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m,mode=0700', 'tmpfs', directory]);
      if (mounted.status !== 0) return this.skip();
      try {
        const store = await opened();
        const chats = await Promise.all(Array.from({ length: 10 }, () => started(store)));
        const ballast = join(directory, 'ballast');
        writeFileSync(ballast, Buffer.alloc(2_000_000));
        for (const next of [1_200_000, 500_000, 0]) {
          assert.match((await fill(store, chats)).message, /disk .* is full/);
          await assert.rejects(
            chats[0]?.append(store, says('x'.repeat(50_000))) ?? Promise.resolve(),
            StoreUnavailable,
          );
          await sound(store, chats);
          await rm(ballast, { force: true });
          for (const chat of chats) done(await chat.append(store, says('there is room again')));
          writeFileSync(ballast, Buffer.alloc(next));
        }
        await sound(store, chats);
        await rm(ballast, { force: true });
        await store.close();
        await sound(await opened(), chats);
      } finally {
        await Promise.all(stores.map((store) => store.close()));
        assert.equal(spawnSync('umount', [directory]).status, 0);
      }
    }).timeout(30_000);
  });

  describe('kill -9', () => {
    it('loses nothing that was acknowledged, in ten rounds', async () => {
      for (let round = 0; round < 10; round++) {
        const child = spawn(process.execPath, [APPENDER, directory, `${round}`], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        const exited = once(child, 'exit');
        const acknowledged: string[] = [];
        // Dies at a random moment after a random number of acknowledgements; what is in the pipe by then counts.
        const enough = 20 + Math.floor(Math.random() * 300);
        for await (const line of createInterface({ input: child.stdout })) {
          acknowledged.push(line);
          if (acknowledged.length === enough) child.kill('SIGKILL');
        }
        const [, signal] = (await exited) as [unknown, string];
        assert.equal(signal, 'SIGKILL');
        const store = new SqliteStore({ directory });
        await store.open();
        try {
          const texts = new Map<string, unknown[]>();
          for (let index = 0; index < 8; index++) {
            const audited = await store.audit(`round-${round}-chat-${index}`);
            assert.deepEqual(audited?.faults, []);
            assert.deepEqual(
              audited?.entries.map(({ seq }) => seq),
              audited?.entries.map((_, position) => position + 1),
            );
            texts.set(
              `round-${round}-chat-${index}`,
              (audited?.entries ?? []).map(({ event }) => event.body?.activity?.text),
            );
          }
          assert.ok(acknowledged.length >= enough);
          for (const line of acknowledged) {
            const [id = '', seq, text] = line.split(' ');
            assert.equal(texts.get(id)?.[Number(seq) - 1], text, line);
          }
        } finally {
          await store.close();
        }
      }
    }).timeout(60_000);
  });
});
