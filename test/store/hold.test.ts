// A data directory held by a server whose record is elsewhere.

import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { holdDirectory } from '../../src/store/sqlite/hold.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';

describe('a data directory without a record', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'handoff-hold-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('is held by one at a time, also against a store that would keep its record there', async () => {
    const release = await holdDirectory(directory);
    const store = new SqliteStore({ directory });
    for (const another of [() => holdDirectory(directory), () => store.open()])
      await assert.rejects(another, /in use by another running process.*--data/);
    await release();
    const releaseNext = await holdDirectory(directory);
    await releaseNext();
  });

  it('is made, and no record in it', async () => {
    const below = join(directory, 'not', 'there', 'yet');
    await (
      await holdDirectory(below)
    )();
    assert.deepEqual(await readdir(below), ['lock.db']);
  });

  it('is shared on a network file system, where a lock says nothing', async () => {
    const nfs = () => ({ magic: 0x6969, name: 'nfs4' });
    const releases = [await holdDirectory(directory, nfs), await holdDirectory(directory, nfs)];
    assert.deepEqual(await readdir(directory), []);
    for (const release of releases) await release();
  });
});
