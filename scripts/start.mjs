// `npm start`: builds when something changed since the last build, then runs the demo with the flags given after `--`.
// @ts-check
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildIfStale, projectFolder } from './build.mjs';

await buildIfStale();

// In this process, as if it had been `node dist/cli.js start --demo …`: signals and the exit code need no forwarding.
const cli = join(projectFolder, 'dist/cli.js');
process.argv.splice(1, 1, cli, 'start', '--demo');
await import(pathToFileURL(cli).href);
