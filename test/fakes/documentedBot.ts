/** A bot of the documentation, run as it stands on the page, with a channel in front of it and Ana signed in to its hub. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FakeChannel } from './channel.js';
import { request } from './request.js';

const projectFolder = fileURLToPath(new URL('../../..', import.meta.url));

export class DocumentedBot {
  private constructor(
    readonly channel: FakeChannel,
    /** Where the hub listens. */
    readonly origin: string,
    private readonly cookie: string,
    private readonly process: ChildProcess,
    private readonly folder: string,
  ) {}

  /**
   * Runs a block of JavaScript of the page against the built package: the first one, or the first below `heading`. `extension`
   * says which kind of module it is.
   */
  static async start(page: string, extension: 'mjs' | 'cjs', heading?: string): Promise<DocumentedBot> {
    const text = await readFile(join(projectFolder, page), 'utf8');
    const from = heading === undefined ? 0 : text.indexOf(`\n## ${heading}\n`);
    assert.ok(from >= 0, `${page} has the heading ${heading}`);
    const snippet = /```js\n([\s\S]*?)```/.exec(text.slice(from))?.[1];
    assert.ok(snippet, `${page} has a block of JavaScript`);
    assert.match(snippet, /port: 3979/);
    // Below the project's folder, where the package finds itself by its own name as an installed one would be found.
    const file = join(
      projectFolder,
      'build/documented',
      `${`${page} ${heading ?? ''}`.replaceAll(/\W/g, '-')}.${extension}`,
    );
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, snippet.replace('port: 3979', 'port: 0'));
    const folder = await mkdtemp(join(tmpdir(), 'handoff-documented-'));
    const channel = await FakeChannel.start();
    const port = await freePort();
    channel.endpoint = `http://127.0.0.1:${port}/api/messages`;
    const bot = spawn(process.execPath, ['--no-warnings', file], {
      cwd: folder,
      env: { PATH: process.env['PATH'], PORT: String(port) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const link = await printed(bot, /Ana signs in at (\S+)/);
    if (!snippet.includes('process.env.PORT')) channel.endpoint = `${new URL(link).origin}/api/messages`;
    const answer = await request('GET', link);
    const cookie = answer.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
    return new DocumentedBot(channel, new URL(link).origin, cookie, bot, folder);
  }

  /** A call of the staff API that must succeed. */
  async asAna(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const headers = { cookie: this.cookie, origin: this.origin, 'x-requested-with': 'handoff' };
    const answer = await request(method, `${this.origin}/api/v1${path}`, { headers, body });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body as Record<string, unknown>;
  }

  /** The conversation that Ana is offered, as soon as there is one. */
  offered(): Promise<string> {
    return until(async () => {
      const { items } = (await this.asAna('GET', '/conversations?phase=offered')) as { items: { id: string }[] };
      return items[0]?.id;
    });
  }

  /** @returns its exit code, or the signal that ended it because nobody in it listened. */
  async end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill(signal);
      await once(this.process, 'close');
    }
    return this.process.exitCode ?? this.process.signalCode;
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
    await this.channel.stop();
    await rm(this.folder, { recursive: true });
  }
}

/** Asks again every 20 ms; the test's own time limit ends it. */
export async function until<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
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
