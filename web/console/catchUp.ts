// After a broken connection: is everything that was said meanwhile on the screen, so that typing may go on?
import type { LogEntry } from './api.js';

export type CatchUp =
  | { state: 'live' }
  | { state: 'lost' }
  | { state: 'catchingUp'; missed: number }
  /** Typing is possible again; the count stays readable until dismissed. */
  | { state: 'caughtUp'; missed: number };

/** What is known of the two connections of an open chat and of its log. */
export interface Evidence {
  /** The live line to the hub. */
  linkUp: boolean;
  /** The chat's own socket. */
  chatUp: boolean;
  /** Grows with every re-read over the live line. */
  revision: number;
  entries: readonly LogEntry[];
}

export interface CatchUpWatch {
  learn(evidence: Evidence): void;
  /** An activity is on the screen. */
  seen(activityId: string): void;
  dismiss(): void;
  stop(): void;
  getState(): CatchUp;
  subscribe(onChange: () => void): () => void;
}

/** Longest wait for a missed message to appear; after it typing is possible anyway, for a message may be erased meanwhile. */
const PATIENCE_MS = 10_000;

const LIVE: CatchUp = { state: 'live' };

export function watchCatchUp(me: string): CatchUpWatch {
  const onScreen = new Set<string>();
  const listeners = new Set<() => void>();
  let state: CatchUp = LIVE;
  let known: Evidence = { linkUp: false, chatUp: false, revision: 0, entries: [] };
  let wasWhole = false;
  /** Last log entry known when the connection broke. */
  let lossSeq: number | undefined;
  /** The first re-read begun after the line is back has a higher revision and holds all that was missed. */
  let revisionAtReturn = 0;
  let patience: ReturnType<typeof setTimeout> | undefined;

  function judge(): CatchUp {
    if (lossSeq === undefined) return LIVE;
    const since = lossSeq;
    if (!known.linkUp || known.revision <= revisionAtReturn) return { state: 'lost' };
    const missed = known.entries.filter(
      (entry) => entry.seq > since && entry.by.id !== me && entry.activity?.type === 'message',
    );
    const allShown = missed.every(({ activity }) => !activity?.id || onScreen.has(activity.id));
    return { state: known.chatUp && allShown ? 'caughtUp' : 'catchingUp', missed: missed.length };
  }

  function settle(next: CatchUp): void {
    if (next.state === 'catchingUp') patience ??= setTimeout(giveUpWaiting, PATIENCE_MS);
    else {
      clearTimeout(patience);
      patience = undefined;
    }
    if (next.state === 'caughtUp' && next.missed === 0) {
      lossSeq = undefined;
      next = LIVE;
    }
    const same =
      next.state === state.state && ('missed' in next ? next.missed : 0) === ('missed' in state ? state.missed : 0);
    if (same) return;
    state = next;
    for (const listener of listeners) listener();
  }

  function giveUpWaiting(): void {
    patience = undefined;
    lossSeq = undefined;
    settle(LIVE);
  }

  return {
    learn(evidence) {
      if (evidence.linkUp && !known.linkUp) revisionAtReturn = evidence.revision;
      const lastSeq = known.entries[known.entries.length - 1]?.seq ?? 0;
      known = evidence;
      if (evidence.linkUp && evidence.chatUp) wasWhole = true;
      else if (wasWhole) {
        wasWhole = false;
        // What was missed and not yet dismissed stays missed when the line breaks again.
        lossSeq ??= lastSeq;
      }
      settle(judge());
    },
    seen(activityId) {
      onScreen.add(activityId);
      if (lossSeq !== undefined) settle(judge());
    },
    dismiss() {
      lossSeq = undefined;
      settle(LIVE);
    },
    stop: () => clearTimeout(patience),
    getState: () => state,
    subscribe(onChange) {
      listeners.add(onChange);
      return () => listeners.delete(onChange);
    },
  };
}
