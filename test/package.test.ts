// The package as users install it: what npm packs, used from JavaScript and TypeScript, from ES modules and from CommonJS.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { publint } from 'publint';

const projectFolder = fileURLToPath(new URL('../..', import.meta.url));
// Below the project's folder, so that the package's own dependencies are found in its node_modules.
const consumer = join(projectFolder, 'build/consumer');
const installed = join(consumer, 'node_modules/botframework-handoff');
const run = promisify(execFile);

describe('the package', () => {
  let packed: string[];

  before(async function () {
    this.timeout(60_000);
    await rm(consumer, { recursive: true, force: true });
    await mkdir(installed, { recursive: true });
    await writeFile(join(consumer, 'package.json'), '{ "name": "consumer", "private": true }');
    const npm = ['pack', '--json', '--ignore-scripts', '--pack-destination', consumer];
    const { stdout } = await run('npm', npm, { cwd: projectFolder, shell: process.platform === 'win32' });
    const [report] = JSON.parse(stdout) as [{ filename: string; files: { path: string }[] }];
    packed = report.files.map(({ path }) => path);
    await run('tar', ['-xzf', join(consumer, report.filename), '-C', installed, '--strip-components', '1']);
  });

  after(() => rm(consumer, { recursive: true, force: true }));

  async function runFile(name: string, text: string): Promise<string> {
    await writeFile(join(consumer, name), text);
    const { stdout, stderr } = await run(process.execPath, [join(consumer, name)], { cwd: consumer });
    const words = stderr.replaceAll(/^.*ExperimentalWarning.*$|^\(Use `node --trace-warnings.*$/gm, '');
    return stdout + words.trim();
  }

  async function compile(name: string, text: string, ...options: string[]): Promise<void> {
    await writeFile(join(consumer, name), text);
    const tsc = join(projectFolder, 'node_modules/typescript/bin/tsc');
    const common = [
      '--noEmit',
      '--ignoreConfig',
      '--strict',
      '--skipLibCheck',
      '--types',
      'node',
      '--target',
      'es2022',
    ];
    await run(process.execPath, [tsc, ...common, ...options, name], { cwd: consumer }).catch((error: unknown) => {
      throw new Error((error as { stdout: string }).stdout);
    });
  }

  it('holds the program, the pages and the demo configuration, and nothing of the workshop', async () => {
    for (const file of [
      'dist/index.js',
      'dist/index.d.ts',
      'dist/cli.js',
      'dist/web/index.html',
      'handoff.yaml',
      'LICENSE',
    ])
      await access(join(installed, file));
    assert.deepEqual(
      packed.filter((path) => /^(src|test|web|bench|scripts|build|docs)\/|\.map$|buildinfo|\.built$/.test(path)),
      [],
    );
  });

  it('is described as npm, Node and TypeScript expect it', async () => {
    const { messages } = await publint({ pkgDir: installed, strict: true, pack: false });
    assert.deepEqual(messages, []);
  });

  it('is imported by ES modules', async () => {
    const text = `import { createHub, SqliteStore } from 'botframework-handoff'; console.log(typeof createHub, typeof SqliteStore);`;
    assert.equal(await runFile('esm.mjs', text), 'function function\n');
  });

  it('is required by CommonJS', async () => {
    const text = `const { createHub, handoffMiddleware } = require('botframework-handoff'); console.log(typeof createHub, typeof handoffMiddleware);`;
    assert.equal(await runFile('cjs.cjs', text), 'function function\n');
  });

  // What a bot does at its start and its end: store, middleware, the pages that people see.
  const bot = `
    const adapter = new CloudAdapter(new ConfigurationBotFrameworkAuthentication({}));
    const run = async (context) => void (await context.sendActivity('hello'));
    const hub = createHub({
      store: new SqliteStore({ directory: './data' }),
      configuration: {
        bots: [{ id: 'mine', connect: 'inProcess' }],
        queues: [{ id: 'bot', members: ['mine'] }],
        workStreams: [{ id: 'default', fallbackQueue: 'bot' }],
        people: [{ id: 'ana' }],
      },
      log: { debug() {}, info() {}, warn() {}, error() {} },
    });
    adapter.use(handoffMiddleware(hub, { adapter, botId: 'mine', run }));
    hub.listen({ port: 0, host: '127.0.0.1' }).then(async (url) => {
      const page = await fetch(url + (await hub.createSignIn('ana')), { headers: { connection: 'close' } });
      console.log(page.status, /<title>Handoff/.test(await page.text()));
      await hub.stop();
    });`;

  it('serves a bot that is an ES module', async function () {
    this.timeout(30_000);
    const text = `import { CloudAdapter, ConfigurationBotFrameworkAuthentication } from 'botbuilder';
      import { createHub, handoffMiddleware, SqliteStore } from 'botframework-handoff';${bot}`;
    assert.equal(await runFile('bot.mjs', text), '200 true\n');
  });

  it('serves a bot that is CommonJS', async function () {
    this.timeout(30_000);
    const text = `const { CloudAdapter, ConfigurationBotFrameworkAuthentication } = require('botbuilder');
      const { createHub, handoffMiddleware, SqliteStore } = require('botframework-handoff');${bot}`;
    assert.equal(await runFile('bot.cjs', text), '200 true\n');
  });

  const typed = `import { createHub, SqliteStore, type HandoffHub } from 'botframework-handoff';
    const hub: HandoffHub = createHub({ store: new SqliteStore({ directory: './data' }), configuration: { workStreams: [{ id: 'web' }] } });
    const url: Promise<string> = hub.listen({ port: 0 });
    // @ts-expect-error a store is needed
    createHub({ configuration: { workStreams: [] } });
    export { url };`;

  it('is typed for TypeScript in ES modules', async function () {
    this.timeout(60_000);
    await compile('typed.mts', typed, '--module', 'nodenext');
  });

  it('is typed for TypeScript in CommonJS', async function () {
    this.timeout(60_000);
    await compile('typed.cts', typed, '--module', 'nodenext');
  });

  it('is typed for TypeScript with the older module resolution', async function () {
    this.timeout(60_000);
    const older = ['--module', 'commonjs', '--moduleResolution', 'node10', '--ignoreDeprecations', '6.0'];
    await compile('typed.ts', typed, ...older, '--esModuleInterop');
  });

  describe('for programs with one of the SDKs only', () => {
    let apart: string;

    /** A folder of its own, where only `packages` are installed beside this one's own dependencies. */
    async function install(...packages: string[]): Promise<void> {
      apart = await mkdtemp(join(tmpdir(), 'handoff-consumer-'));
      const modules = join(apart, 'node_modules');
      const { dependencies } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8')) as {
        dependencies: Record<string, string>;
      };
      await mkdir(join(modules, '@types'), { recursive: true });
      // Copied: through a link its declarations would be read where they lie, below the project's own packages.
      await cp(installed, join(modules, 'botframework-handoff'), { recursive: true });
      for (const name of [...Object.keys(dependencies), '@types/node', ...packages]) {
        await mkdir(dirname(join(modules, name)), { recursive: true });
        await symlink(join(projectFolder, 'node_modules', name), join(modules, name), 'junction');
      }
      await writeFile(join(apart, 'package.json'), '{ "name": "apart", "private": true, "type": "module" }');
    }
    afterEach(() => rm(apart, { recursive: true, force: true }));

    /** What the compiler has to say about this package's declarations and the program, checking both in full. */
    async function complaints(program: string): Promise<string[]> {
      await writeFile(join(apart, 'program.ts'), program);
      const tsc = join(projectFolder, 'node_modules/typescript/bin/tsc');
      const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', 'node'];
      const { stdout } = await run(process.execPath, [tsc, '--ignoreConfig', ...options, 'program.ts'], {
        cwd: apart,
      }).catch((error: unknown) => error as { stdout: string });
      // Other packages' own declarations are their own affair.
      return stdout.split('\n').filter((line) => /^(program|node_modules.botframework-handoff)/.test(line));
    }

    const program = (sdk: string, adapterClass: string, widgets: string) => `
      import { CloudAdapter, type TurnContext } from '${sdk}';
      import { canEscalate, createHub, escalate, handoffMiddleware, ${widgets}, SqliteStore } from 'botframework-handoff';
      const hub = createHub({ store: new SqliteStore({ directory: './data' }), configuration: { workStreams: [{ id: 'web' }] } });
      declare const adapter: ${adapterClass};
      const run = async (context: TurnContext) => {
        if ((await canEscalate(context)).open) await escalate(context, { summary: 'why' });
      };
      adapter.use(handoffMiddleware(hub, { adapter, botId: 'bot', run }));
      adapter.use(handoffMiddleware(hub, { adapter, botId: 'bot', run: (context) => run(context) }));
      new ${widgets}(hub, { botId: 'bot', run }).use(async (context, next) => next());
      // @ts-expect-error the bot takes another kind of context
      handoffMiddleware(hub, { adapter, botId: 'bot', run: (context: { nothing: true }) => Promise.resolve(context) });`;

    it('compiles with botbuilder alone, declarations checked', async function () {
      this.timeout(120_000);
      await install('botbuilder', 'botframework-connector');
      assert.deepEqual(await complaints(program('botbuilder', 'CloudAdapter', 'DirectLineAdapter')), []);
    });

    it('compiles with the Agents SDK alone, declarations checked', async function () {
      this.timeout(120_000);
      await install('@microsoft/agents-hosting');
      const text = program('@microsoft/agents-hosting', 'CloudAdapter', 'AgentsDirectLineAdapter');
      assert.deepEqual(await complaints(text), []);
    });

    it('says what to install when the SDK of an adapter is missing', async function () {
      this.timeout(60_000);
      await install('botbuilder', 'botframework-connector');
      await writeFile(
        join(apart, 'missing.mjs'),
        `import { AgentsDirectLineAdapter } from 'botframework-handoff';
         try { new AgentsDirectLineAdapter({}, { botId: 'bot' }); } catch (error) { console.log(error.name, error.message); }`,
      );
      const { stdout } = await run(process.execPath, ['--no-warnings', 'missing.mjs'], {
        cwd: apart,
      });
      assert.match(stdout, /ConfigError/);
      assert.match(stdout, /npm install @microsoft\/agents-hosting/);
    });
  });

  it('brings the command', async () => {
    const command = [join(installed, 'dist/cli.js'), 'config', 'check', '--config', join(installed, 'handoff.yaml')];
    const { stdout } = await run(process.execPath, command, { cwd: consumer });
    assert.match(stdout, /valid/);
  });
});
