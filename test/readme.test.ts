// The README tells the truth: its snippet is a bot that hands over, its table names every variable, its links lead somewhere.

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VARIABLES } from '../src/environment.js';
import { FakeChannel } from './fakes/channel.js';
import { request } from './fakes/request.js';

const projectFolder = fileURLToPath(new URL('../..', import.meta.url));
const readme = read('README.md');

describe('the README', () => {
  it('names every environment variable of the program, and no other', () => {
    const listed = [...readme.matchAll(/^\| `([A-Z_]+)` +\|/gm)].map(([, name]) => name);
    assert.deepEqual(listed, Object.keys(VARIABLES));
  });

  for (const document of [
    'README.md',
    'CONTRIBUTING.md',
    'docs/architecture.md',
    'docs/decisions/README.md',
    'web/README.md',
    'bench/README.md',
  ])
    it(`links to files that exist (${document})`, () => {
      const links = [...read(document).matchAll(/\]\((?!https?:)([^)#\s]+)/g)].map(([, link]) => link as string);
      const missing = links.filter((link) => !existsSync(join(projectFolder, dirname(document), link)));
      assert.deepEqual(missing, []);
    });

  it('names only scripts that package.json has', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const named = [...`${readme}\n${read('CONTRIBUTING.md')}`.matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name);
    assert.deepEqual(
      named.filter((name) => scripts[name as string] === undefined),
      [],
    );
  });

  describe('shows a bot that', () => {
    let folder: string;
    let channel: FakeChannel;
    let bot: ChildProcess;
    let session: { url: string; cookie: string };

    before(async function () {
      this.timeout(60_000);
      const snippet = /```js\n([\s\S]*?)```/.exec(readme)?.[1];
      assert.ok(snippet, 'README.md has a block of JavaScript');
      folder = await mkdtemp(join(tmpdir(), 'handoff-readme-'));
      // Below the project's folder, where the package finds itself by its own name as an installed one would be found.
      const file = join(projectFolder, 'build/readme/bot.mjs');
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, snippet.replace('port: 3979', 'port: 0'));
      channel = await FakeChannel.start();
      const port = await freePort();
      channel.endpoint = `http://127.0.0.1:${port}/api/messages`;
      bot = spawn(process.execPath, [file], {
        cwd: folder,
        env: { PATH: process.env['PATH'], PORT: String(port) },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const link = await printed(bot, /Ana signs in at (\S+)/);
      const answer = await request('GET', link);
      session = { url: new URL(link).origin, cookie: answer.headers['set-cookie']?.[0]?.split(';')[0] ?? '' };
    });

    after(async () => {
      if (bot.exitCode === null) {
        bot.kill('SIGTERM');
        await once(bot, 'close');
      }
      await channel.stop();
      await rm(folder, { recursive: true });
    });

    async function asAna(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
      const headers = { cookie: session.cookie, origin: session.url, 'x-requested-with': 'handoff' };
      const answer = await request(method, `${session.url}/api/v1${path}`, { headers, body });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      return answer.body as Record<string, unknown>;
    }

    it('answers as before, hands over to Ana when it asks for a person, and gets the conversation back', async function () {
      this.timeout(30_000);
      await channel.post('hello');
      await channel.next('You said hello');

      await asAna('PUT', '/me/presence', { presence: 'available' });
      await channel.post('a person, please');
      const offered = await until(async () => {
        const { items } = (await asAna('GET', '/conversations?phase=offered')) as { items: { id: string }[] };
        return items[0];
      });
      await asAna('POST', `/conversations/${offered.id}/accept`);
      await channel.next('Ana joined the conversation.');
      await asAna('POST', `/conversations/${offered.id}/messages`, { type: 'message', text: 'This is Ana.' });
      await channel.next('This is Ana.');
      await channel.post('hello Ana');

      await asAna('POST', `/conversations/${offered.id}/return`);
      await channel.next('You are back with My bot.');
      await channel.post('hello bot');
      await channel.next('You said hello bot');
      assert.ok(!channel.texts.includes('You said hello Ana'), 'the bot is silent while Ana holds the conversation');
    });
  });
});

function read(file: string): string {
  return readFileSync(join(projectFolder, file), 'utf8');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Resolves with the first group when the process has printed what is waited for. */
function printed(child: ChildProcess, wanted: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    child.stdout?.on('data', (data) => {
      output += String(data);
      const found = wanted.exec(output)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', (code) => reject(new Error(`the bot ended with ${code} before it was ready: ${output}`)));
  });
}

/** Asks again every 20 ms; the test's own time limit ends it. */
async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
