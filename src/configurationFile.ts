// handoff.yaml read from where it is.

import { readFile } from 'node:fs/promises';
import { readConfiguration, type Configuration } from './config.js';
import { ConfigError } from './errors.js';

/** @throws ConfigError when there is no such file (`cure` says what to do), it cannot be read, or it is wrong. */
export async function readConfigurationFile(file: string, cure = 'Name one with --config.'): Promise<Configuration> {
  let text;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const what =
      code === 'ENOENT'
        ? `There is no configuration at ${file}. ${cure}`
        : `The configuration at ${file} cannot be read (${message}). Name a file that can with --config.`;
    throw new ConfigError([what], { cause: error });
  }
  return readConfiguration(text, file);
}
