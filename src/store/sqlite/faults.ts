// Errors on their way between the store's threads and the hub's: what happened and what to do, as plain data.

import { ConfigError, StoreUnavailable } from '../../errors.js';
import type { Fault } from './calls.js';
import { CODE, codeOf } from './engine.js';

/** What the disk or the file did, if that is what went wrong: nothing was written, and it may work again later. */
export function diskFault(error: unknown, directory: string): Fault | undefined {
  const code = codeOf(error);
  const cure = code === undefined ? undefined : CURES[code];
  if (cure === undefined) return undefined;
  return { kind: 'unavailable', lines: [`${cure(directory)} (${messageOf(error)})`] };
}

const CURES: Readonly<Record<number, (directory: string) => string>> = {
  [CODE.full]: (at) =>
    `The disk of ${at} is full. Nothing was written. Free some space there: writing resumes by itself.`,
  [CODE.ioError]: (at) => `The disk of ${at} failed. Nothing was written; the next write is tried anew.`,
  [CODE.readOnly]: (at) => `${at} can no longer be written. Nothing was written. Look at its mount and its owner.`,
  [CODE.cannotOpen]: (at) =>
    `The files in ${at} can no longer be opened. Nothing was written. Look at its mount and its owner.`,
  [CODE.busy]: (at) => `Another program holds the database in ${at}. Nothing was written. Close that program.`,
  [CODE.noMemory]: () => 'SQLite is out of memory. Nothing was written; the next write is tried anew.',
  [CODE.protocol]: (at) => `The locks of the database in ${at} do not work. Nothing was written. Use a local disk.`,
  [CODE.corrupt]: (at) => `The database in ${at} is damaged. Nothing was written. Stop and restore it from a copy.`,
  [CODE.notADatabase]: (at) =>
    `The database in ${at} is damaged. Nothing was written. Stop and restore it from a copy.`,
};

/** A call that could not be carried out for what it says. */
export function contentFault(error: unknown): Fault {
  return { kind: 'failed', lines: [messageOf(error)], stack: error instanceof Error ? error.stack : undefined };
}

export function faultOf(error: unknown, directory: string): Fault {
  if (error instanceof ConfigError) return { kind: 'config', lines: [...error.faults] };
  if (error instanceof StoreUnavailable) return { kind: 'unavailable', lines: [error.message] };
  return diskFault(error, directory) ?? contentFault(error);
}

export function toError(fault: Fault): Error {
  switch (fault.kind) {
    case 'config':
      return new ConfigError(fault.lines);
    case 'unavailable':
      return new StoreUnavailable(fault.lines.join(' '));
    case 'failed': {
      const error = new TypeError(`the store refused a call: ${fault.lines.join(' ')}`);
      // The far thread's stack says where; this thread's only says that an answer came.
      if (fault.stack !== undefined) error.stack = fault.stack;
      return error;
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
