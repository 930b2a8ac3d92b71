// How long somebody else is waited for.

/** A timer that comes this late says that the process stood still: paused, moved to another machine, or too busy to read. */
const STOOD_STILL_MS = 1_000;

/**
 * Calls `spent` after `ms`. Time in which this process stood still is given once more: what the other has answered
 * meanwhile is still unread. @returns what ends it before.
 */
export function patience(ms: number, spent: () => void): () => void {
  const since = performance.now();
  let timer = setTimeout(() => {
    const stoodStillMs = performance.now() - since - ms;
    if (stoodStillMs < STOOD_STILL_MS) spent();
    else timer = setTimeout(spent, Math.min(stoodStillMs, ms));
  }, ms);
  return () => clearTimeout(timer);
}
