// `handoff copy`: a whole record from one place to another, told on standard error while it goes on.

import { setTimeout } from 'node:timers';
import { copy, type Progress } from '../copy.js';
import { ConfigError } from '../errors.js';
import type { Flags } from './flags.js';
import { counted } from './words.js';

const TELL_EVERY_MS = 1_000;

/** @returns the exit code. */
export async function copyStore({ from, to, json }: Pick<Flags, 'from' | 'to' | 'json'>): Promise<number> {
  const missing = [...(from === undefined ? ['--from'] : []), ...(to === undefined ? ['--to'] : [])];
  if (from === undefined || to === undefined)
    throw new ConfigError([
      `${missing.join(' and ')} ${missing.length === 1 ? 'is' : 'are'} missing. Write: handoff copy --from ./data --to postgres://…, or the other way round.`,
    ]);
  const rows = await copy(from, to, progressOn(process.stderr));
  if (json) console.log(JSON.stringify({ rows }));
  else
    console.log(
      `Copied and compared: ${counted(rows.conversation, 'conversation')} with ${counted(rows.log, 'entry', 'entries')}.`,
    );
  return 0;
}

/** A line now and then, for whoever waits at the terminal. */
function progressOn(stream: NodeJS.WritableStream): Progress {
  let isQuiet = false;
  return (doing, table, rows) => {
    if (isQuiet) return;
    isQuiet = true;
    setTimeout(() => (isQuiet = false), TELL_EVERY_MS).unref();
    stream.write(`${doing} ${counted(rows, 'row')} of ${table}\n`);
  };
}
