// Secrets of handoff.yaml are names of environment variables; their values are read here, when a connection is made.

import { createHash, timingSafeEqual } from 'node:crypto';
import { ConfigError } from '../../errors.js';

/** @throws ConfigError when the variable is not set. */
export function readSecret(env: Readonly<Record<string, string | undefined>>, name: string): string {
  const value = env[name];
  if (value === undefined || value === '')
    throw new ConfigError([
      `the environment variable ${name} is not set. Set it to the secret that \${${name}} stands for.`,
    ]);
  return value;
}

/** Takes the same time whatever is wrong with `given`. */
export function isSame(given: string, secret: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(secret));
}
