// `npm test`: builds what is stale, compiles the tests, runs mocha. Arguments go to mocha; `test/x.test.ts` names one file.
// `npm run test:faults` is the same with `--faults`: the fault suite at full size, or as `npm test` has it with `--short`.
// @ts-check
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { buildIfStale, projectFolder, run, runTool } from './build.mjs';

await buildIfStale();
await runTool('typescript/bin/tsc', '-p', 'tsconfig.test.json');
removeOrphans('build');

const [faults, short] = ['--faults', '--short'].map((flag) => process.argv.includes(flag));
if (faults && !short) process.env['FAULTS'] = 'full';

const args = process.argv
  .slice(2)
  .filter((arg) => arg !== '--faults' && arg !== '--short')
  .map((arg) => (/^test\/.*\.test\.ts$/.test(arg) ? `build/${arg.replace(/ts$/, 'js')}` : arg));
const all = faults
  ? ['build/test/faults/**/*.test.js', 'build/test/core/interleavings.test.js']
  : ['build/test/**/*.test.js'];
const specs = args.some((arg) => arg.startsWith('build/')) ? [] : all;
// A name that is no test's must not look like success.
const flags = [
  '--fail-zero',
  ...(process.env['CI'] ? ['--forbid-only'] : []),
  ...(process.stdout.isTTY ? [] : ['--no-color']),
];
process.exitCode = await run(join(projectFolder, 'node_modules/mocha/bin/mocha.js'), ...flags, ...specs, ...args);

/**
 * Removes compiled files whose source is gone: tsc leaves them, and a deleted test would go on passing.
 * @param {string} folder a folder below build/
 */
function removeOrphans(folder) {
  for (const name of readdirSync(join(projectFolder, folder))) {
    const path = join(folder, name);
    if (statSync(join(projectFolder, path)).isDirectory()) removeOrphans(path);
    else if (/\.js(\.map)?$/.test(name) && !hasSource(path.slice('build/'.length).replace(/\.js(\.map)?$/, '')))
      rmSync(join(projectFolder, path));
  }
}

/** @param {string} path without its ending */
function hasSource(path) {
  return ['.ts', '.tsx'].some((ending) => existsSync(join(projectFolder, path + ending)));
}
