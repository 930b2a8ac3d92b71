// What `npm start` and `npm test` rely on before anything is built: is dist/ stale, is this Node new enough.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { SECTIONS } from '../bench/sections.js';

const projectFolder = fileURLToPath(new URL('../..', import.meta.url));
const script = (name: string) => join(projectFolder, 'scripts', name);

describe('a build', () => {
  let folder: string;
  let isStale: (folder: string) => boolean;

  before(async () => {
    ({ isStale } = (await import(pathToFileURL(script('build.mjs')).href)) as { isStale: typeof isStale });
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'handoff-build-'));
    await touch('src/core/a.ts', 100);
    await touch('web/index.html', 100);
    await touch('package-lock.json', 100);
    await age(100, 'src/core', 'src', 'web');
  });

  afterEach(() => rm(folder, { recursive: true }));

  async function touch(file: string, seconds: number): Promise<void> {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), '');
    await age(seconds, file);
  }

  async function age(seconds: number, ...paths: string[]): Promise<void> {
    for (const path of paths) await utimes(join(folder, path), seconds, seconds);
  }

  it('is made when there is none, or none that was finished', async () => {
    assert.equal(isStale(folder), true);
    await touch('dist/index.js', 200);
    assert.equal(isStale(folder), true);
  });

  it('is kept while nothing is newer', async () => {
    await touch('dist/.built', 200);
    assert.equal(isStale(folder), false);
  });

  for (const file of ['src/core/a.ts', 'web/index.html', 'package-lock.json'])
    it(`is made again after a change of ${file}`, async () => {
      await touch('dist/.built', 200);
      await age(300, file);
      assert.equal(isStale(folder), true);
    });

  it('is made again when a source was deleted', async () => {
    await touch('dist/.built', 200);
    await rm(join(folder, 'src/core/a.ts'));
    assert.equal(isStale(folder), true);
  });

  it('makes the command one that npx can run, however often it is made', async () => {
    await access(join(projectFolder, 'dist/cli.js'), constants.X_OK);
  });
});

describe('a Node.js that', () => {
  /** Runs the check as if this were another version. */
  async function check(version: string): Promise<{ code: number; stderr: string }> {
    const pretend = `Object.defineProperty(process.versions, 'node', { value: ${JSON.stringify(version)} });
      Object.defineProperty(process, 'version', { value: 'v' + process.versions.node });
      require(${JSON.stringify(script('check-node.cjs'))});`;
    return promisify(execFile)(process.execPath, ['-e', pretend]).then(
      ({ stderr }) => ({ code: 0, stderr }),
      ({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
    );
  }

  for (const version of ['18.20.8', '20.18.3', '21.7.3', '22.11.0'])
    it(`is too old (${version}) is refused with what to do`, async () => {
      const { code, stderr } = await check(version);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`needs Node\\.js .*20\\.19.* this is v${version.replaceAll('.', '\\.')}`));
      assert.match(stderr, /Install .*npm ci/);
    });

  for (const version of ['20.19.0', '22.12.0', '24.0.0', '26.1.0'])
    it(`is new enough (${version}) goes on without a word`, async () => {
      assert.deepEqual(await check(version), { code: 0, stderr: '' });
    });
});

describe('npm start', () => {
  it('says where to write a flag that npm took for its own', async () => {
    for (const flag of ['port', 'data', 'config']) {
      const env = { ...process.env, [`npm_config_${flag}`]: 'true' };
      const { code, stderr } = await promisify(execFile)(process.execPath, [script('start.mjs'), '0'], { env }).then(
        () => assert.fail('it started'),
        (error: unknown) => error as { code: number; stderr: string },
      );
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`^npm took --${flag} for its own\\. .*: npm start -- --port 0\\n$`));
    }
  });
});

describe('npm run bench', () => {
  interface Bench {
    SECTIONS: Record<string, { quick: boolean }>;
    readArguments(args: readonly string[]): { help?: true; wrong?: string; sections?: string[]; flags?: string[] };
  }
  let bench: Bench;
  before(async () => {
    bench = (await import(pathToFileURL(script('bench.mjs')).href)) as Bench;
  });

  it('knows the sections that there are', () => {
    assert.deepEqual(
      Object.keys(bench.SECTIONS),
      SECTIONS.map(({ name }) => name),
    );
  });

  it('runs the quick ones where none is named, those that are named, or all', () => {
    const quick = ['loop', 'rate', 'memory', 'routing', 'intake', 'assignment'];
    assert.deepEqual(bench.readArguments([]), { sections: quick, flags: [] });
    assert.deepEqual(bench.readArguments(['store', 'loop', '--short', '--profile', 'x']), {
      sections: ['store', 'loop'],
      flags: ['--short', '--profile', 'x'],
    });
    assert.equal(bench.readArguments(['all']).sections?.length, SECTIONS.length);
  });

  it('answers --help and mistakes before anything is compiled', async () => {
    const ask = (...args: string[]) =>
      promisify(execFile)(process.execPath, [script('bench.mjs'), ...args], { timeout: 5_000 }).then(
        ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
        (error: unknown) => error as { code: number; stdout: string; stderr: string },
      );
    const helped = await ask('--help');
    assert.deepEqual([helped.code, helped.stderr], [0, '']);
    assert.match(helped.stdout, /^npm run bench .*\n {2}store /s);
    for (const [wrong, said] of [
      ['lop', /^There is no section "lop"\.\n\nnpm run bench/],
      ['--shrt', /^Unknown option '--shrt'.*\n\nnpm run bench/],
    ] as const) {
      const { code, stdout, stderr } = await ask('loop', wrong);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, said);
    }
  });
});
