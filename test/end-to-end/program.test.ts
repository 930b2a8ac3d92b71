// `handoff start` and its commands as an operator meets them: flags, faults, restarts, the record beside a running server.

import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pass } from 'node:timers/promises';
import { call, handoff, startProgram, withData, type Program } from '../fakes/program.js';

interface Chat {
  id: string;
  token: string;
  say(text: string): Promise<number>;
  sees(): Promise<string[]>;
}

async function startChat(program: Program): Promise<Chat> {
  const visitor = (await call('POST', `${program.url}/api/widget/token`)).body as { token: string };
  const root = `${program.url}/v3/directline/conversations`;
  const started = (await call('POST', root, visitor.token, { user: {} })).body as { conversationId: string };
  const id = started.conversationId;
  return {
    id,
    token: visitor.token,
    say: async (text) =>
      (
        await call('POST', `${root}/${id}/activities`, visitor.token, {
          type: 'message',
          text,
          from: { id: 'x', name: 'Kim' },
        })
      ).status,
    async sees() {
      const set = (await call('GET', `${root}/${id}/activities`, visitor.token)).body as {
        activities: { text?: string }[];
      };
      return set.activities.flatMap(({ text }) => text ?? []);
    },
  };
}

async function until<T>(look: () => Promise<T>, isIt: (seen: T) => boolean): Promise<T> {
  for (let tries = 0; tries < 200; tries += 1) {
    const seen = await look();
    if (isIt(seen)) return seen;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail(`did not come: ${JSON.stringify(await look())}`);
}

describe('the program', function () {
  this.timeout(90_000);

  it('does the main job over HTTP: bot, line, person, back to the bot, again, end; and the record holds', () =>
    withData(async (data) => {
      const program = await startProgram(data);
      try {
        const api = `${program.url}/api/v1`;
        const { out: ana } = await handoff(['token', 'ana', '--data', data]);
        const chat = await startChat(program);
        const conversation = () => call('GET', `${api}/conversations/${chat.id}`, ana);
        const phase = (wanted: string) => until(conversation, ({ body }) => body['phase'] === wanted);
        await until(chat.sees, (texts) => texts.includes('Welcome'));

        await chat.say('omnichannel CreditCard');
        await phase('queued');
        assert.equal((await conversation()).body['position'], 1);
        await call('PUT', `${api}/me/presence`, ana, { presence: 'available' });
        const offered = (await phase('offered')).body;
        assert.match(String(offered['summary']), /CreditCard/);
        assert.equal((await call('POST', `${api}/conversations/${chat.id}/accept`, ana, {})).status, 200);
        await call('POST', `${api}/conversations/${chat.id}/messages`, ana, { type: 'message', text: 'Ana here' });
        await call('POST', `${api}/conversations/${chat.id}/return`, ana, { outcome: 'solved' });
        await chat.say('thanks');
        await until(chat.sees, (texts) => texts.includes('Echo: thanks'));
        await chat.say('human CreditCard');
        await phase('offered');
        await call('POST', `${api}/conversations/${chat.id}/accept`, ana, {});
        assert.equal((await call('POST', `${api}/conversations/${chat.id}/end`, ana, {})).body['phase'], 'wrapUp');
        assert.equal((await call('POST', `${api}/conversations/${chat.id}/close`, ana, {})).body['phase'], 'closed');
        assert.equal(await chat.say('one more'), 400);
        assert.equal((await chat.sees()).filter((text) => text === 'Welcome').length, 1);
        assert.ok(
          !(await chat.sees()).some((text) => text.startsWith('The customer asked the demo bot')),
          'the summary is private',
        );

        const verified = await handoff(['verify', '--data', data, '--json']);
        assert.equal(verified.code, 0, verified.out);
        const transcript = await handoff(['transcript', chat.id, '--data', data, '--format', 'transcript']);
        assert.ok((JSON.parse(transcript.out) as { text?: string }[]).some(({ text }) => text === 'Ana here'));
        const metrics = (await call('GET', `${program.url}/metrics`)).body['text'] as string;
        assert.match(metrics, /^handoff_accept_seconds_count 2$/m);
        assert.match(metrics, /^handoff_conversations\{phase="closed"\} 1$/m);
      } finally {
        assert.equal(await program.stop(), 0);
      }
    }));

  it('keeps everything over a kill and a restart', () =>
    withData(async (data) => {
      let program = await startProgram(data);
      const chat = await startChat(program);
      await chat.say('human CreditCard');
      const before = await until(chat.sees, (texts) => texts.some((text) => text.includes('keep your place')));
      assert.equal(await program.stop('SIGKILL'), 'SIGKILL');
      const verified = await handoff(['verify', '--data', data]);
      assert.equal(verified.code, 0, verified.out);
      program = await startProgram(data, ['--demo', '--port', new URL(program.url).port]);
      try {
        assert.deepEqual(await chat.sees(), before);
        assert.equal(await chat.say('still waiting'), 200);
        const { out: ana } = await handoff(['token', 'ana', '--data', data]);
        const { body } = await call('GET', `${program.url}/api/v1/conversations/${chat.id}`, ana);
        assert.equal(body['phase'], 'queued');
        assert.equal(body['position'], 1);
      } finally {
        await program.stop();
      }
    }));

  it('refuses a second process on the same data directory and says what to do', () =>
    withData(async (data) => {
      const program = await startProgram(data);
      try {
        const second = await handoff(['start', '--demo', '--port', '0', '--data', data]);
        assert.equal(second.code, 1);
        assert.ok(second.err.includes(data), second.err);
      } finally {
        await program.stop();
      }
    }));

  it('says which variable names an address that this machine has not, and what it may be', () =>
    withData(async (data) => {
      for (const host of ['999.1.1.1', '192.0.2.1']) {
        const { code, err } = await handoff(['start', '--demo', '--port', '0', '--data', data], { HOST: host });
        assert.equal(code, 1);
        assert.match(
          err,
          new RegExp(`^HOST: ${host} is no address of this machine .*127\\.0\\.0\\.1.*PUBLIC_URL`, 'm'),
        );
      }
    }));

  it('warns of a name in .env that nothing reads, at a start and by the doctor, and shows no value', () =>
    withData(async (folder) => {
      await writeFile(join(folder, '.env'), 'DATABSE_URL=postgres://me:hunter2@db/x\nSHOP_PORT=1\nHOST=999.1.1.1\n');
      const warning =
        'DATABSE_URL in .env has no effect: nothing reads a variable of that name. Did you mean DATABASE_URL?';
      const started = await handoff(['start', '--demo', '--port', '0'], {}, folder);
      assert.equal(started.code, 1);
      assert.equal(started.err.split(warning).length, 2, started.err);
      assert.doesNotMatch(started.err, /SHOP_PORT|hunter2/);
      const looked = await handoff(['doctor', '--bot', 'http://127.0.0.1:9/api/messages'], {}, folder);
      assert.ok(looked.out.includes(`maybe  .env         ${warning}`), looked.out);
      assert.doesNotMatch(looked.out, /SHOP_PORT|hunter2/);
    }));

  it('says which port is taken', () =>
    withData((data) =>
      withData(async (other) => {
        const program = await startProgram(data);
        try {
          const { port } = new URL(program.url);
          const second = await handoff(['start', '--demo', '--port', port, '--data', other]);
          assert.equal(second.code, 1);
          assert.match(second.err, new RegExp(`Port ${port} is taken`));
        } finally {
          await program.stop();
        }
      }),
    ));

  it('lists every fault of the configuration and every unreadable variable', () =>
    withData(async (data) => {
      const file = join(data, 'wrong.yaml');
      await writeFile(
        file,
        'workStreams:\n  - id: web\n    rules:\n      - { when: { variable: A, operator: resembles, value: 1 }, queue: Q }\n',
      );
      const checked = await handoff(['config', 'check', '--config', file]);
      assert.equal(checked.code, 1);
      assert.match(checked.err, /wrong\.yaml:4: .*unknown operator "resembles"\. Known: equals/);
      const started = await handoff(['start', '--demo', '--data', data], { PORT: 'http', TRUST_PROXY: 'maybe' });
      assert.equal(started.code, 1);
      assert.deepEqual(
        started.err.split('\n').map((line) => line.split(':')[0]),
        ['PORT', 'TRUST_PROXY'],
      );
    }));

  it('explains an unknown command, an unknown flag and a missing word', async () => {
    for (const args of [['fly'], ['start', '--wings'], ['token'], ['transcript'], ['start', '--port', 'many']]) {
      const { code, err } = await handoff(args);
      assert.equal(code, 1, args.join(' '));
      assert.ok(err.length > 10 && !err.includes('    at '), `${args.join(' ')}: ${err}`);
    }
    assert.equal((await handoff(['--help'])).code, 0);
    const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
    assert.equal((await handoff(['--version'])).out, version);
  });

  it('changes the configuration of a running server at once, and a file that differs later only reports it', () =>
    withData(async (data) => {
      const file = join(data, 'mine.yaml');
      const original = await readFile('handoff.yaml', 'utf8');
      await writeFile(file, original.replace('name: Ana', 'name: Anna'));
      const program = await startProgram(data);
      try {
        const planned = await handoff(['config', 'plan', '--config', file, '--data', data]);
        assert.equal(planned.out, '~ people ana: name Ana → Anna');
        const applied = await handoff(['config', 'apply', '--config', file, '--data', data, '--json']);
        assert.deepEqual(JSON.parse(applied.out), { version: 2 });
        const { out: ana } = await handoff(['token', 'ana', '--data', data]);
        assert.equal((await call('GET', `${program.url}/api/v1/me`, ana)).body['name'], 'Anna');
      } finally {
        await program.stop();
      }
      const again = await startProgram(data, ['--demo', '--port', '0'], { LOG_LEVEL: 'warn' });
      try {
        assert.match(again.output(), /differs from the one in force/);
        const explained = await until(
          () => Promise.resolve(again.output()),
          (output) => /in place of "plan"/.test(output),
        );
        const planning = /Listening on [^]*differs from the configuration in force[^]*npx handoff (config plan .+)/;
        const [, command = ''] = planning.exec(explained) ?? [];
        assert.match((await handoff(command.split(' '))).out, /^~ people ana: name Anna → Ana$/);
        const exported = await handoff(['config', 'export', '--data', data]);
        assert.match(exported.out, /name: Anna/);
      } finally {
        await again.stop();
      }
    }));

  it('prints sign-in links that work once, and makes new ones', () =>
    withData(async (data) => {
      const program = await startProgram(data);
      try {
        const link = await until(
          () => Promise.resolve(program.output()),
          (output) => /Ana\s+http\S+ticket=/.test(output),
        ).then((output) => /Ana\s+(\S+)/.exec(output)?.[1] ?? '');
        const first = await fetch(link, { redirect: 'manual', headers: { connection: 'close' } });
        assert.equal(first.status, 302, await first.text());
        assert.match(first.headers.get('set-cookie') ?? '', /HttpOnly/i);
        const second = await fetch(link, { redirect: 'manual', headers: { connection: 'close' } });
        assert.equal(second.status, 401, await second.text());
        const { out, err } = await handoff(['sign-in', 'ben', '--data', data]);
        assert.match(out, /^\/console\/\?ticket=\S+$/);
        assert.equal(err, `${program.url}${out}`);
        const fresh = await fetch(err, { redirect: 'manual', headers: { connection: 'close' } });
        assert.equal(fresh.status, 302, await fresh.text());
        assert.match((await handoff(['sign-in', 'nobody', '--data', data])).err, /no person "nobody"/);
      } finally {
        await program.stop();
      }
    }));

  it('lists the keys that sign for bots and revokes one, with a server and without', () =>
    withData(async (data) => {
      const listed = async () =>
        (
          JSON.parse((await handoff(['keys', '--data', data, '--json'])).out) as {
            keys: { kid: string; signs: boolean }[];
          }
        ).keys;
      const program = await startProgram(data);
      let signing: { kid: string } | undefined;
      try {
        const before = await listed();
        const old = before.find(({ signs }) => signs);
        assert.ok(old !== undefined);
        const { out } = await handoff(['keys', 'revoke', old.kid, '--data', data]);
        assert.ok(!out.includes(old.kid));
        signing = (await listed()).find(({ signs }) => signs);
        assert.ok(
          before.some(({ kid }) => kid === signing?.kid),
          'one that was published before signs now',
        );
        assert.match((await handoff(['keys', 'revoke', old.kid, '--data', data])).err, /There is no signing key/);
        assert.equal((await handoff(['keys', 'drop', old.kid, '--data', data])).code, 1);
      } finally {
        await program.stop();
      }
      assert.equal((await listed()).find(({ signs }) => signs)?.kid, signing?.kid);
      assert.equal((await handoff(['keys', 'revoke', signing?.kid ?? '', '--data', data])).code, 0);
      assert.ok(!(await listed()).some(({ kid }) => kid === signing?.kid));
    }));

  it('waits for a server that does not answer at once, instead of taking it for stopped', function () {
    // Windows cannot pause a process.
    if (process.platform === 'win32') return this.skip();
    return withData(async (data) => {
      const program = await startProgram(data);
      try {
        program.child.kill('SIGSTOP');
        const listed = handoff(['keys', '--data', data, '--json']);
        await pass(3_000);
        program.child.kill('SIGCONT');
        assert.deepEqual(
          Object.keys(JSON.parse((await listed).out) as object),
          ['keys'],
          `it was answered: ${(await listed).err}`,
        );
      } finally {
        program.child.kill('SIGCONT');
        await program.stop();
      }
    });
  });

  it('refuses a directory it cannot write, with the cure', function () {
    // The superuser may write everywhere.
    if (process.getuid?.() === 0) return this.skip();
    return withData(async (data) => {
      const closed = join(data, 'closed');
      await mkdir(closed, { mode: 0o500 });
      const { code, err } = await handoff(['start', '--demo', '--port', '0', '--data', closed]);
      await chmod(closed, 0o700);
      assert.equal(code, 1);
      assert.ok(err.includes(closed));
    });
  });

  it('serves a bot of its own making only to programs that bring one', () =>
    withData(async (data) => {
      const { code, err } = await handoff(['start', '--port', '0', '--data', data, '--config', 'handoff.yaml']);
      assert.equal(code, 1);
      assert.match(err, /Bot "demo" is connected inProcess/);
    }));
});
