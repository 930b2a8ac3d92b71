// Builds the server (tsc) and the pages (Vite) into dist/, the whole of it or only when something is newer than the last build.
// @ts-check
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const projectFolder = fileURLToPath(new URL('..', import.meta.url));

/** What dist/ is made from. Folders count with their own time too: that is how a deleted file is noticed. */
const sources = ['src', 'web', 'package.json', 'package-lock.json', 'tsconfig.json'];
const stamp = 'dist/.built';

/**
 * @param {string} folder the project's folder
 * @returns {boolean} whether dist/ is missing, unfinished or older than what it is made from
 */
export function isStale(folder) {
  const builtAt = statSync(join(folder, stamp), { throwIfNoEntry: false })?.mtimeMs;
  return builtAt === undefined || sources.some((source) => newestMs(join(folder, source)) > builtAt);
}

/**
 * @param {string} path
 * @returns {number} the newest modification time in the tree, 0 when there is nothing
 */
function newestMs(path) {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return 0;
  if (!found.isDirectory()) return found.mtimeMs;
  return Math.max(found.mtimeMs, ...readdirSync(path).map((name) => newestMs(join(path, name))));
}

/** Builds server and pages side by side; stamped with the moment it began, so that an edit meanwhile makes it stale again. */
export async function build() {
  const beganAt = new Date();
  rmSync(join(projectFolder, stamp), { force: true });
  await Promise.all([
    runTool('typescript/bin/tsc', '-p', 'tsconfig.json'),
    runTool('vite/bin/vite.js', 'build', '--config', 'web/vite.config.ts', '--logLevel', 'warn'),
  ]);
  await writeSchema();
  // npx makes it so at its first call only: after another build it would be refused.
  chmodSync(join(projectFolder, 'dist/cli.js'), 0o755);
  writeFileSync(join(projectFolder, stamp), '');
  utimesSync(join(projectFolder, stamp), beganAt, beganAt);
}

/** The JSON Schema of handoff.yaml for editors, from the same source that checks the file. */
async function writeSchema() {
  const { href } = pathToFileURL(join(projectFolder, 'dist/config.js'));
  const { configurationSchema } = await import(href);
  writeFileSync(join(projectFolder, 'dist/handoff.schema.json'), `${JSON.stringify(configurationSchema(), null, 2)}\n`);
}

/** Builds unless dist/ is up to date. */
export async function buildIfStale() {
  if (!isStale(projectFolder)) return;
  const startedAt = performance.now();
  console.log('Building the server and the pages …');
  await build();
  console.log(`Built in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
}

/**
 * Runs a development tool out of node_modules with this same Node; ends this process with the tool's exit code when it fails.
 * @param {string} tool path below node_modules
 * @param {...string} args
 */
export async function runTool(tool, ...args) {
  const script = join(projectFolder, 'node_modules', tool);
  if (!existsSync(script)) {
    console.error(`${script} is missing: run "npm ci" first (with development dependencies, they build the product).`);
    process.exit(1);
  }
  const code = await run(script, ...args);
  if (code !== 0) process.exit(code);
}

/**
 * @param {string} script
 * @param {...string} args
 * @returns {Promise<number>} its exit code
 */
export function run(script, ...args) {
  const child = spawn(process.execPath, [script, ...args], { cwd: projectFolder, stdio: 'inherit' });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve(code ?? (signal ? 1 : 0)));
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  rmSync(join(projectFolder, 'dist'), { recursive: true, force: true });
  await build();
}
