// A data directory held by one server at a time, also by one that keeps its record in PostgreSQL.

import { resolve } from 'node:path';
import { prepareHeldPlace, type FileSystem } from './place.js';
import { StoreThread } from './thread.js';

/**
 * Makes the directory and holds it until released, or until the process is gone, however it went. On a network file system,
 * where machines may share one, it is only made.
 * @returns what releases it.
 * @throws ConfigError when another process holds it, with or without a record of its own there.
 */
export async function holdDirectory(
  wanted: string,
  fileSystemOf?: (directory: string) => FileSystem,
): Promise<() => Promise<void>> {
  const directory = resolve(wanted);
  if (!prepareHeldPlace(directory, fileSystemOf)) return async () => {};
  const holder = new StoreThread({ role: 'holder', directory, maxPages: undefined }, () => {});
  await holder.open();
  return () => holder.close();
}
