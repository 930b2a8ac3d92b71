// .env of the working directory: taken into the environment, and looked at for names that nothing reads.

import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { nearest } from './commands/words.js';
import { SDK_VARIABLES, VARIABLES } from './environment.js';
import { ConfigError } from './errors.js';

/** @throws ConfigError: a .env that is there and cannot be read would be missed. */
export function loadDotenv(): void {
  try {
    process.loadEnvFile('.env');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new ConfigError([`.env in this folder cannot be read (${(error as Error).message}). Correct or remove it.`], {
      cause: error,
    });
  }
}

/** A line for each name in .env that was probably meant to be another. `configuration` may name variables as ${NAME}. */
export function doubtsOfDotenv(configuration: unknown): string[] {
  let text;
  try {
    text = readFileSync('.env', 'utf8');
  } catch {
    // Told when it was loaded.
    return [];
  }
  const named = [...(JSON.stringify(configuration) ?? '').matchAll(/\$\{(\w+)\}/g)].map(([, name = '']) => name);
  return doubtsOf(Object.keys(parseEnv(text)), named, process.env);
}

const OWN = [...Object.keys(VARIABLES), ...Object.keys(SDK_VARIABLES)];
/** As other products name theirs; none of ours begins so. */
const PREFIX = /^HANDOFF_/i;

/** `named`: what the configuration reads besides. Values are not looked at, and not shown. */
export function doubtsOf(
  names: readonly string[],
  named: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  const known = [...new Set([...OWN, ...named])];
  return names.flatMap((name) => {
    if (known.includes(name)) return [];
    const meant = meantBy(name, known);
    // Where the right name is set as well, the other is somebody else's.
    if (meant === undefined || (env[meant] ?? '') !== '') return [];
    return [`${name} in .env has no effect: nothing reads a variable of that name. Did you mean ${meant}?`];
  });
}

function meantBy(name: string, known: readonly string[]): string | undefined {
  const upper = (one: string) => one.toUpperCase();
  const word = upper(name.replace(PREFIX, ''));
  const same = known.find((one) => upper(one) === word);
  if (same !== undefined) return same;
  if (PREFIX.test(name)) {
    const longer = known.find((one) => upper(one).endsWith(`_${word}`));
    if (longer !== undefined) return longer;
  }
  // SHOP_DIRECT_LINE_SECRET is a name of its own, and no slip of the pen.
  if (known.some((one) => `_${word}_`.includes(`_${upper(one)}_`))) return undefined;
  const near = nearest(word, known.map(upper));
  return known.find((one) => upper(one) === near);
}
