// `npm start`: builds when something changed since the last build, then runs the demo with the flags given after `--`.
// @ts-check
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildIfStale, projectFolder } from './build.mjs';

// `npm start --port 0` without the `--`: npm takes the flag, and it would be passed over.
const taken = ['port', 'data', 'config'].filter((flag) => process.env[`npm_config_${flag}`] !== undefined);
if (taken.length > 0) {
  console.error(
    `npm took --${taken.join(' and --')} for its own. Write "--" before the flags of the program: npm start -- --port 0`,
  );
  process.exit(1);
}

await buildIfStale();

// In this process, as if it had been `node dist/cli.js start --demo …`: signals and the exit code need no forwarding.
const cli = join(projectFolder, 'dist/cli.js');
process.argv.splice(1, 1, cli, 'start', '--demo');
await import(pathToFileURL(cli).href);
