// `handoff`'s commands beside a running server, as somebody at a terminal and a script see them.

import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../src/commands/run.js';
import { readConfiguration } from '../../src/config.js';
import { serveControl, SERVER_FILE } from '../../src/control.js';
import { createHub, type HandoffHub } from '../../src/createHub.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { FunctionBot } from '../fakes/hub.js';
import { Chat } from '../store/chat.js';
import { ask, freshSchema } from '../store/cluster.js';

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

/** What a command that fails says. */
async function refused(...args: string[]): Promise<string> {
  const lines: string[] = [];
  const { log, error } = console;
  console.error = (line: string) => void lines.push(line);
  console.log = (line: string) => assert.fail(`printed as an answer: ${line}`);
  try {
    assert.equal(await run(args), 1);
  } finally {
    Object.assign(console, { log, error });
  }
  assert.ok(lines.length <= 2, lines.join('\n'));
  return lines.join('\n');
}

/** A record in which nothing is yet. */
async function makeRecord(data: string): Promise<void> {
  const store = new SqliteStore({ directory: data });
  await store.open();
  await store.close();
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

describe('handoff written wrongly', () => {
  it('names a flag that there is not, and the one that was probably meant', async () => {
    for (const [args, expected] of [
      [['observed', '--poeple', '2'], 'There is no flag --poeple. Did you mean --people? "handoff observed --help"'],
      [['verify', '--jsn'], 'There is no flag --jsn. Did you mean --json? "handoff verify --help"'],
      [['verify', '--people-count=2'], 'There is no flag --people-count. "handoff verify --help"'],
      [['verify', '-x'], 'There is no flag -x. "handoff verify --help"'],
      [['--dat', '.'], 'There is no flag --dat. Did you mean --data? "handoff <command> --help"'],
    ] as const)
      assert.equal(await refused(...args), `${expected} lists the flags.`);
  });

  it('refuses a flag of another command', async () => {
    assert.equal(
      await refused('verify', '--people', '2'),
      'verify takes no --people. "handoff verify --help" lists the flags.',
    );
    assert.match(await refused('token', 'ana', '--port', '1'), /^token takes no --port\./);
    assert.match(await refused('verify', '--people', '2', '--help'), /^verify takes no --people\./);
  });

  it('names the commands for a word that is none, also when it is asked to explain it', async () => {
    for (const args of [['nosuch'], ['nosuch', '--help'], ['']]) {
      const said = await refused(...args);
      assert.match(
        said,
        new RegExp(`^There is no command "${args[0]}"\\.\nThe commands: start, config, .*, doctor\\. `),
      );
    }
    assert.match(await refused('verfiy'), /^There is no command "verfiy"\. Did you mean verify\?\n/);
  });

  it('says which flag lacks its value', async () => {
    assert.match(await refused('start', '--port'), /--port <value>.* argument missing\. "handoff/);
    assert.match(await refused('start', '--port', 'x'), /--port takes a number/);
  });

  it('says which flag copy lacks', async () => {
    assert.match(await refused('copy', '--from', 'x'), /^--to is missing\. Write: handoff copy --from/);
    assert.match(await refused('copy', '--to', 'x'), /^--from is missing\. /);
    assert.match(await refused('copy'), /^--from and --to are missing\. /);
  });

  it('says what the URL of a bot looks like', async () => {
    for (const bot of ['notaurl', '', 'localhost:3978/api/messages', 'ftp://bot.example.com', 'https://'])
      assert.equal(
        await refused('doctor', '--bot', bot),
        `--bot takes a URL that begins with http:// or https://, such as https://bot.example.com/api/messages, not "${bot}".`,
      );
    const wrong = await refused('doctor', '--bot', 'http://127.0.0.1:1', '--authority', 'login');
    assert.match(wrong, /^--authority takes a URL .*login\.microsoftonline\.us/);
  });

  it('revokes no key that is not named', async () => {
    const data = await mkdtemp(join(tmpdir(), 'handoff-commands-'));
    try {
      await makeRecord(data);
      assert.match(await refused('keys', 'revoke', '', '--data', data), /^Name the key to revoke\./);
    } finally {
      await rm(data, { recursive: true });
    }
  });
});

describe('handoff where there is no record', () => {
  const COMMANDS = [
    ['token', 'ana'],
    ['sign-in', 'ana'],
    ['pairing-code', 'ana'],
    ['keys'],
    ['keys', 'revoke', 'k'],
    ['transcript', 'c'],
    ['import', 'empty.transcript'],
    ['observed'],
    ['verify'],
    ['config', 'plan'],
    ['config', 'apply'],
    ['config', 'export'],
  ] as const;
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'handoff-commands-'));
  });
  afterEach(async () => {
    delete process.env['DATABASE_URL'];
    await rm(folder, { recursive: true });
  });

  for (const words of COMMANDS)
    it(`makes none for ${words.join(' ')}, and says where it looked and what to name`, async () => {
      const data = join(folder, 'data');
      const files = await mkdtemp(join(tmpdir(), 'handoff-commands-'));
      await writeFile(join(files, 'empty.transcript'), '[]');
      const said = await refused(...words.map((word) => word.replace(/^empty/, `${files}/empty`)), '--data', data);
      await rm(files, { recursive: true });
      assert.ok(said.startsWith(`There is no record in the data directory ${data}. `), said);
      assert.match(said, /with --data.*DATABASE_URL/);
      assert.deepEqual(await readdir(folder), []);
    });

  it('says so of a file that is named as a directory', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    assert.ok(
      (await refused('verify', '--data', file)).startsWith(`There is no record in the data directory ${file}. `),
    );
  });

  it('says what to name instead of a configuration that cannot be read', async () => {
    assert.match(
      await refused('config', 'check', '--config', join(folder, 'no')),
      /^There is no configuration at .*--config/,
    );
    for (const words of [['config', 'check'], ['start']])
      assert.match(
        await refused(...words, '--config', folder),
        /^The configuration at .* cannot be read \(EISDIR.*--config/,
      );
  });

  it('takes a file without a byte for none', async () => {
    await writeFile(join(folder, 'handoff.db'), '');
    assert.match(await refused('keys', '--data', folder), /^There is no record/);
    assert.deepEqual(await readdir(folder), ['handoff.db']);
  });

  it('makes none in PostgreSQL either', async () => {
    const url = await freshSchema();
    process.env['DATABASE_URL'] = url;
    for (const words of [['keys'], ['sign-in', 'ana'], ['config', 'apply']])
      assert.match(await refused(...words, '--data', folder), /^There is no record in the schema .*DATABASE_URL/);
    const name = new URL(url).searchParams.get('schema');
    assert.deepEqual(await ask(url, 'SELECT 1 FROM pg_namespace WHERE nspname = $1', [name]), []);
    assert.deepEqual(await readdir(folder), []);
  });

  it('says of which record it is that it has no configuration', async () => {
    await makeRecord(folder);
    for (const words of [['sign-in', 'ana'], ['observed'], ['config', 'export']]) {
      const said = await refused(...words, '--data', folder);
      assert.ok(said.startsWith(`The record in the data directory ${folder} has no configuration yet. `), said);
      assert.match(said, /config apply.*--data/);
    }
  });
});

describe('handoff token', () => {
  it('says what to do while no hub that takes tokens has run on the record', async () => {
    const data = await mkdtemp(join(tmpdir(), 'handoff-commands-'));
    try {
      const hub = createHub({
        store: new SqliteStore({ directory: data }),
        configuration: readConfiguration(await readFile('handoff.yaml', 'utf8')),
      });
      hub.connectBot('demo', new FunctionBot());
      await hub.start();
      await hub.stop();
      const said = await refused('token', 'ana', '--data', data);
      assert.ok(said.startsWith(`No hub that takes tokens has run on the data directory ${data} yet, `), said);
      assert.match(said, /Start the server on it once.* then ask again\.$/);
    } finally {
      await rm(data, { recursive: true });
    }
  });
});

describe('handoff copy', () => {
  let folder: string;
  let data: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'handoff-commands-'));
    data = join(folder, 'data');
    await makeRecord(data);
  });
  afterEach(() => rm(folder, { recursive: true }));

  it('speaks of its own flags where a place cannot be used', async () => {
    const [missing, file] = [join(folder, 'missing'), join(folder, 'file')];
    await writeFile(file, '');
    for (const [from, to, expected] of [
      [missing, file, /There is no record in .*missing\. Name with --from where the record is\.$/],
      [data, file, /file\/copying cannot be written .* choose another place with --to\.$/],
      [data, data, /There is a record in .* already\. Name a directory without one with --to\.$/],
      [data, 'mysql://x', /^--to takes a data directory or postgres:/],
      ['mysql://x', data, /^--from takes a data directory or postgres:/],
      ['postgres://127.0.0.1:1/x', data, /ECONNREFUSED.* correct host and port in --from\.$/],
      [data, 'postgres://127.0.0.1:1/x', /ECONNREFUSED.* correct host and port in --to\.$/],
      [data, 'postgres://127.0.0.1:1/x?sslmod=require', /^--to: there is no parameter "sslmod"/],
    ] as const) {
      const said = await refused('copy', '--from', from, '--to', to);
      assert.match(said, expected);
      assert.doesNotMatch(said, /--data|DATABASE_URL/);
    }
  });

  it('asks to stop whoever works on the record', async () => {
    const store = new SqliteStore({ directory: data });
    await store.open();
    try {
      assert.equal(
        await refused('copy', '--from', data, '--to', join(folder, 'other')),
        `The data directory ${data} is in use by another running process. Stop it first, all of its processes.`,
      );
    } finally {
      await store.close();
    }
  });
});

describe('handoff verify', () => {
  it('counts in words that fit the number, and says of which record it speaks', async () => {
    const data = await mkdtemp(join(tmpdir(), 'handoff-commands-'));
    try {
      const store = new SqliteStore({ directory: data });
      await store.open();
      const chat = new Chat();
      await chat.append(store, ...chat.start());
      await store.close();
      assert.deepEqual((await printed(['verify', '--data', data], true)).out, [
        `1 conversation with 2 entries in the data directory ${data}: everything holds.`,
      ]);
    } finally {
      await rm(data, { recursive: true });
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
