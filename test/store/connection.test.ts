// The writing connection without its thread: what it asks of the disk, and what it does when the disk fails.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Call } from '../../src/store/calls.js';
import { toAppendRows, toSettlementRow } from '../../src/store/rows.js';
import type { Answer } from '../../src/store/sqlite/calls.js';
import { openWriter, type Connection } from '../../src/store/sqlite/connection.js';
import { CODE, loadSqlite, type Database, type SqliteModule } from '../../src/store/sqlite/engine.js';
import { pragma } from '../../src/store/sqlite/schema.js';
import { Chat, says } from './chat.js';

describe('the writing connection', () => {
  let directory: string;
  let connection: Connection;
  /** PRAGMA synchronous at each commit: 2 waits for the disk, 1 does not. */
  let commits: unknown[];
  /** SQLite's result codes with which the next commits fail. */
  let failures: number[];
  let opened: number;
  let lastId: number;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'handoff-store-'));
    commits = [];
    failures = [];
    opened = 0;
    lastId = 0;
    const real: new (path: string) => Database = (await loadSqlite()).DatabaseSync;
    /** The real thing, except that the test says when a commit fails. */
    class FailingDatabase extends real {
      constructor(path: string) {
        super(path);
        opened += 1;
      }
      override exec(text: string): void {
        if (text !== 'COMMIT') return super.exec(text);
        const errcode = failures.shift();
        if (errcode !== undefined) throw Object.assign(new Error('the disk says no'), { errcode });
        commits.push(pragma(this, 'synchronous'));
        super.exec(text);
      }
    }
    const sqlite: SqliteModule = { DatabaseSync: FailingDatabase };
    connection = openWriter(sqlite, { role: 'writer', directory, maxPages: undefined });
    opened = 0;
  });
  afterEach(async () => {
    connection.close();
    await rm(directory, { recursive: true });
  });

  const append = (chat: Chat, ...happenings: Parameters<Chat['plan']>): Call => {
    const planned = chat.plan(...happenings);
    return { id: ++lastId, kind: 'append', ask: toAppendRows(planned) };
  };
  const settle = (): Call => ({
    id: ++lastId,
    kind: 'settle',
    ask: [toSettlementRow({ id: 'chat/1/0', outcome: 'done' })],
  });
  const outcomes = (answers: readonly Answer[]) =>
    answers.map((answer) =>
      'fault' in answer ? answer.fault.kind : ((answer.answer as { outcome?: string } | null)?.outcome ?? 'fine'),
    );

  it('waits for the disk when anything but settling is in the flush', () => {
    const chats = [new Chat(), new Chat(), new Chat()] as const;
    connection.run([append(chats[0], ...chats[0].start())]);
    connection.run([settle(), settle()]);
    connection.run([settle(), append(chats[1], ...chats[1].start()), settle()]);
    connection.run([settle()]);
    connection.run([append(chats[2], ...chats[2].start())]);
    assert.deepEqual(commits, [2, 1, 2, 1, 2]);
  });

  it('writes nothing of a flush that the full disk refuses, and the next one in full', () => {
    const [a, b] = [new Chat(), new Chat()];
    failures = [CODE.full];
    const calls = [append(a, ...a.start()), append(b, ...b.start())];
    assert.deepEqual(outcomes(connection.run(calls)), ['unavailable', 'unavailable']);
    assert.deepEqual(outcomes(connection.run(calls)), ['done', 'done']);
    assert.equal(opened, 0);
  });

  it('begins with a fresh connection after the disk failed', () => {
    const chat = new Chat();
    const start = append(chat, ...chat.start());
    chat.happened(chat.plan(...chat.start()));
    failures = [CODE.ioError];
    assert.deepEqual(outcomes(connection.run([start])), ['unavailable']);
    assert.deepEqual(outcomes(connection.run([start, append(chat, says('hello'))])), ['done', 'done']);
    assert.equal(opened, 1);
  });

  it('remembers nothing of a flush that was rolled back', () => {
    const chat = new Chat();
    assert.deepEqual(outcomes(connection.run([append(chat, ...chat.start())])), ['done']);
    chat.happened(chat.plan(...chat.start()));
    const lost = append(chat, says('lost'));
    failures = [CODE.full];
    assert.deepEqual(outcomes(connection.run([lost])), ['unavailable']);
    assert.deepEqual(outcomes(connection.run([append(chat, says('kept'))])), ['done']);
    assert.deepEqual(outcomes(connection.run([lost])), ['conflict']);
  });

  it('answers each call, whatever becomes of the ones beside it', () => {
    const chat = new Chat();
    const nobody = { id: 'ana', capacity: null as never };
    const bad: Call = { id: ++lastId, kind: 'saveAgents', ask: { agents: [nobody], at: 0 } };
    const alsoBad: Call = { id: ++lastId, kind: 'waiting', ask: null };
    const calls = [settle(), bad, append(chat, ...chat.start()), alsoBad, settle()];
    const answers = connection.run(calls);
    assert.deepEqual(outcomes(answers), ['fine', 'failed', 'done', 'failed', 'fine']);
    assert.deepEqual(
      answers.map(({ id }) => id),
      calls.map(({ id }) => id),
    );
  });
});
