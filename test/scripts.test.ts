// What `npm start` and `npm test` rely on before anything is built: is dist/ stale, is this Node new enough.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

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
