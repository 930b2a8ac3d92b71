// How long somebody else is waited for.

/** Waits for the end of `work`, but no longer than `ms`. Rejects as it does, if in time. */
export async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.race([work, new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
  } finally {
    clearTimeout(timer);
  }
}

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
