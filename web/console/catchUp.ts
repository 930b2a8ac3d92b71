// After a broken connection: is everything that was said meanwhile on the screen, so that typing may go on?
import type { LogEntry } from './api.js';

export type CatchUp =
  | { state: 'live' }
  | { state: 'lost' }
  | { state: 'catchingUp'; missed: number }
  /** Typing is possible again; the count stays readable until dismissed. */
  | { state: 'caughtUp'; missed: number };

export interface Evidence {
  /** The live line is up and the log was read over it. */
  lineUp: boolean;
  /** The chat's own socket is up. */
  chatUp: boolean;
  entries: readonly LogEntry[];
  /** Activity ids on the screen. */
  seen: ReadonlySet<string>;
  me: string;
}

export interface Loss {
  /** Last log entry known when the connection broke. */
  seq: number;
}

export function catchUpAfter(loss: Loss | undefined, { lineUp, chatUp, entries, seen, me }: Evidence): CatchUp {
  if (!loss) return { state: 'live' };
  if (!lineUp) return { state: 'lost' };
  const missed = entries.filter(
    (entry) => entry.seq > loss.seq && entry.by.id !== me && entry.activity?.type === 'message',
  );
  const allShown = missed.every(({ activity }) => !activity?.id || seen.has(activity.id));
  return chatUp && allShown
    ? { state: 'caughtUp', missed: missed.length }
    : { state: 'catchingUp', missed: missed.length };
}
