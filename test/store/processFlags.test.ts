/** The embedded store starts whatever flags its process was started with. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

describe('The embedded store', () => {
  it('opens in a process with its memory limited by a flag of V8, and prints no warning', async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'handoff-flags-'));
    try {
      const store = new URL('../../src/store/sqlite/sqliteStore.js', import.meta.url).href;
      const program = `
        const { SqliteStore } = await import(${JSON.stringify(store)});
        const store = new SqliteStore({ directory: ${JSON.stringify(path.join(directory, 'data'))} });
        await store.open();
        await store.close();
        console.log('closed');`;
      const args = ['--max-old-space-size=300', '--input-type=module', '--eval', program];
      const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 });
      assert.deepEqual({ stdout, stderr }, { stdout: 'closed\n', stderr: '' });
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
