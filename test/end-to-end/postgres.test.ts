// The program with its record in PostgreSQL: served, read by the commands beside it, moved to a directory and served from there.

import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { call, handoff, startProgram, withData, type Program } from '../fakes/program.js';
import { CLOCK } from '../faults/clocks.js';
import { freshDatabase } from '../store/cluster.js';

describe('a record in PostgreSQL', function () {
  this.timeout(90_000);

  async function say(program: Program, text: string): Promise<string> {
    const { token } = (await call('POST', `${program.url}/api/widget/token`)).body as { token: string };
    const root = `${program.url}/v3/directline/conversations`;
    const { conversationId } = (await call('POST', root, token, { user: {} })).body as { conversationId: string };
    const activity = { type: 'message', text, from: { id: 'x', name: 'Kim' } };
    assert.equal((await call('POST', `${root}/${conversationId}/activities`, token, activity)).status, 200);
    return conversationId;
  }

  it('is served, read beside the server, moved to a directory and served from there', () =>
    withData(async (data) => {
      const DATABASE_URL = await freshDatabase();
      const program = await startProgram(data, undefined, { DATABASE_URL });
      let id: string;
      try {
        id = await say(program, 'kept in PostgreSQL');
        const beside = await handoff(['transcript', id, '--data', data], { DATABASE_URL });
        assert.match(beside.out, /kept in PostgreSQL/);
        // Asks the running server, which the data directory names.
        const signIn = await handoff(['sign-in', 'ana', '--data', data], { DATABASE_URL });
        assert.ok(signIn.err.startsWith(program.url), signIn.err);
        assert.deepEqual((await readdir(data)).sort(), ['lock.db', 'server.json']);
      } finally {
        assert.equal(await program.stop(), 0);
      }
      const verified = await handoff(['verify', '--data', data], { DATABASE_URL });
      const held = /^(.* entries) in (.*): everything holds\.$/;
      const [, counted, place = ''] = held.exec(verified.out) ?? [];
      assert.match(place, /^the schema "/);

      const folder = join(data, 'moved');
      const copied = await handoff(['copy', '--from', DATABASE_URL, '--to', folder, '--json']);
      assert.equal(copied.code, 0, copied.err);
      assert.match(copied.err, /^copied (1 row|(?!1 )\d+ rows) of /);
      const { rows } = JSON.parse(copied.out) as { rows: { conversation: number; log: number } };
      assert.ok(rows.conversation === 1 && rows.log > 2, copied.out);
      const moved = held.exec((await handoff(['verify', '--data', folder])).out);
      assert.deepEqual(moved?.slice(1), [counted, `the data directory ${folder}`]);
      const again = await startProgram(folder);
      try {
        assert.match((await handoff(['transcript', id, '--data', folder])).out, /kept in PostgreSQL/);
        const refused = await handoff(['copy', '--from', folder, '--to', await freshDatabase()]);
        assert.equal(refused.code, 1);
        assert.match(refused.err, /in use by another running process/);
      } finally {
        assert.equal(await again.stop(), 0);
      }
    }));

  it('gives its own time to what commands make for it, on a machine whose clock is ahead', () =>
    withData(async (data) => {
      const DATABASE_URL = await freshDatabase();
      const program = await startProgram(data, undefined, { DATABASE_URL });
      try {
        const ahead = { DATABASE_URL, NODE_OPTIONS: `--import ${CLOCK}`, CLOCK_AHEAD_MS: `${5 * 60_000}` };
        const { out: token } = await handoff(['token', 'ana', '--data', data], ahead);
        assert.equal((await call('GET', `${program.url}/api/v1/me`, token)).status, 200);
        // Asks the running server, by a token of its own.
        const signIn = await handoff(['sign-in', 'ana', '--data', data], ahead);
        assert.equal(signIn.code, 0, signIn.err);
      } finally {
        assert.equal(await program.stop(), 0);
      }
    }));

  it('is served by one process for each data directory, and a killed one leaves its directory free', () =>
    withData(async (data) => {
      const DATABASE_URL = await freshDatabase();
      const first = await startProgram(data, undefined, { DATABASE_URL });
      try {
        const start = (...flags: string[]) => handoff(['start', '--demo', ...flags], { DATABASE_URL });
        const second = await start('--port', '0', '--data', data);
        assert.equal(second.code, 1);
        assert.equal(
          second.err,
          `The data directory ${data} is in use by another running process.` +
            ' Stop that one first, or give this one a directory of its own with --data.' +
            ' Where a program of yours holds the hub, it makes sign-in links and pairing codes itself: hub.createSignIn, hub.createPairingCode.',
        );
        // One that fails later lets go of its own, or it would not end.
        const elsewhere = await start('--port', new URL(first.url).port, '--data', join(data, 'elsewhere'));
        assert.match(elsewhere.err, /Port \d+ is taken/);
        const signIn = await handoff(['sign-in', 'ana', '--data', data], { DATABASE_URL });
        assert.ok(signIn.err.startsWith(first.url), signIn.err);
      } finally {
        await first.stop('SIGKILL');
      }
      const again = await startProgram(data, undefined, { DATABASE_URL });
      assert.equal(await again.stop(), 0);
    }));

  it('that cannot be reached is said before anything else happens, without the password', () =>
    withData(async (data) => {
      const DATABASE_URL = 'postgres://hub:s3cret-word@127.0.0.1:1/hub';
      for (const command of ['start', 'verify']) {
        const { code, err } = await handoff([command, '--data', data, ...(command === 'start' ? ['--demo'] : [])], {
          DATABASE_URL,
        });
        assert.equal(code, 1);
        assert.match(err, /PostgreSQL at 127\.0\.0\.1:1\/hub cannot be used.*ECONNREFUSED.*Start the server/s);
        assert.ok(!err.includes('s3cret'));
      }
    }));
});
