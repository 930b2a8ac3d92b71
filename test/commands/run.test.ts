// `handoff`'s commands beside a running server, as somebody at a terminal and a script see them.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../src/commands/run.js';
import { readConfiguration } from '../../src/config.js';
import { serveControl, SERVER_FILE } from '../../src/control.js';
import { createHub, type HandoffHub } from '../../src/createHub.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { FunctionBot } from '../fakes/hub.js';

/** What a command prints on standard output, and on standard error. */
async function printed(args: readonly string[], isTerminal: boolean): Promise<{ out: string[]; err: string[] }> {
  const { log, error } = console;
  const { isTTY } = process.stdout;
  const out: string[] = [];
  const err: string[] = [];
  console.log = (line: string) => void out.push(line);
  console.error = (line: string) => void err.push(line);
  process.stdout.isTTY = isTerminal;
  try {
    assert.equal(await run(args), 0, err.join());
  } finally {
    Object.assign(console, { log, error });
    process.stdout.isTTY = isTTY;
  }
  return { out, err };
}

describe('handoff sign-in', () => {
  let hub: HandoffHub;
  let data: string;
  let url: string;
  before(async () => {
    data = await mkdtemp(join(tmpdir(), 'handoff-commands-'));
    hub = createHub({
      store: new SqliteStore({ directory: data }),
      configuration: readConfiguration(await readFile('handoff.yaml', 'utf8')),
    });
    hub.connectBot('demo', new FunctionBot());
    url = await hub.listen({ port: 0, host: '127.0.0.1', routes: (http) => serveControl(http, hub) });
    await writeFile(join(data, SERVER_FILE), JSON.stringify({ url }));
  });
  after(async () => {
    await hub.stop();
    await rm(data, { recursive: true, force: true });
  });
  const signIn = (isTerminal: boolean, ...flags: string[]) =>
    printed(['sign-in', 'ana', '--data', data, ...flags], isTerminal);

  it('prints the one address to click at a terminal', async () => {
    const { out, err } = await signIn(true);
    assert.deepEqual([out.length, err.length], [1, 0]);
    assert.ok(out[0]?.startsWith(`${url}/console/?ticket=`));
  });

  it('prints the path on a line of its own in a pipe, and everything as JSON', async () => {
    const { out } = await signIn(false);
    assert.match(out.join('\n'), /^\/console\/\?ticket=\S+$/);
    for (const isTerminal of [true, false]) {
      const { path, url: address } = JSON.parse((await signIn(isTerminal, '--json')).out.join()) as Record<
        string,
        string
      >;
      assert.equal(address, `${url}${path}`);
    }
  });
});

describe('handoff --help', () => {
  it('explains each command that it lists', async () => {
    const { out } = await printed(['--help'], true);
    const commands = new Set([...out.join('\n').matchAll(/^ {2}([a-z][a-z-]+) /gm)].map((match) => match[1] as string));
    assert.ok(commands.size >= 10, [...commands].join());
    for (const command of commands) {
      const { out: own } = await printed([command, '--help'], true);
      assert.ok(own[0]?.startsWith(`Usage: handoff ${command}`), command);
    }
  });

  it("names a command's arguments and flags", async () => {
    const { out } = await printed(['transcript', '--help'], true);
    for (const part of ['<conversation>', 'below Context', '--format', 'jsonl', '--data', '--json'])
      assert.ok(out.join('\n').includes(part), part);
  });
});
