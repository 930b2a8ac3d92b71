// One bot's circuit breaker: whether a turn is worth trying, judged by how the last ones went. Pure: time comes in with every call.

/** What a failed turn shows of the bot. */
export interface Failure {
  /**
   * `reach`: no turn can succeed (nothing listens, wrong address, no trust). `turn`: it was reached and failed at this one
   * (500, time-out), which may be the fault of what it was asked.
   */
  readonly about: 'reach' | 'turn';
  /** The bot certainly did not get it: waiting a little may be enough. */
  readonly retry: boolean;
  /** It did not end in its time. */
  readonly hangs: boolean;
}

/** Who the turn is for. What the hub itself tells a bot shows whether it is reached, not whether it can answer. */
export type TurnFor = 'customer' | 'hub';

/** Failures since the last good turn. */
export interface Outage {
  /** Of the first failure, epoch milliseconds. */
  readonly since: number;
  readonly failures: number;
  readonly about: 'reach' | 'turn';
  /** Every failure so far may be over soon: a restart, a proxy that says 503. */
  readonly mayPass: boolean;
  /** Some turns did not end in their time. */
  readonly hangs: boolean;
}

export type Breaker =
  | { readonly state: 'closed'; readonly outage?: Outage }
  /** `halfOpen`: a turn was let through to see whether the bot is back, and has not ended. */
  | {
      readonly state: 'open' | 'halfOpen';
      readonly outage: Outage;
      /** From a failed probe to the next. */
      readonly pauseMs: number;
      /** The next turn from then on is a probe. */
      readonly probeAt: number;
      /** Opened by what another node told: nothing has failed here since. */
      readonly hearsay?: true;
    };

export type Admission =
  | { readonly is: 'through' }
  /** The bot may be back soon: to be asked again at the next probe, at `until` at the latest. */
  | { readonly is: 'wait'; readonly until: number }
  /** Somebody waits for an answer that will not come. */
  | { readonly is: 'refuse' }
  /** Nobody waits for it: when the bot is back is early enough. */
  | { readonly is: 'hold' };

export const CLOSED: Breaker = { state: 'closed' };

/**
 * From the first failure until customers who wait for the bot are handed to people: a second less than the 15 s they are
 * promised, for hundreds of hand-overs at once take their time, too.
 */
export const BOT_PATIENCE_MS = 14_000;
/** In a row, without a good turn between them. Turns that did not reach the bot wait meanwhile, so that few are enough. */
const OPENS_AFTER = { reach: 3, turn: 5 } as const;
const FIRST_PAUSE_MS = 250;
/** An open breaker probes at least this often, also while an earlier probe hangs. */
export const LONGEST_PAUSE_MS = 2_000;

/** @param awaited somebody waits for the bot's answer. */
export function admit(breaker: Breaker, awaited: boolean, now: number): { admission: Admission; breaker: Breaker } {
  if (breaker.state === 'closed') return { admission: { is: 'through' }, breaker };
  const { outage, probeAt } = breaker;
  // A bot that is reached and fails at messages may still greet. What it does then shows nothing, and takes no probe's place.
  if (!awaited && outage.about === 'turn') return { admission: { is: outage.hangs ? 'hold' : 'through' }, breaker };
  if (now >= probeAt)
    return {
      admission: { is: 'through' },
      breaker: { ...breaker, state: 'halfOpen', probeAt: now + LONGEST_PAUSE_MS },
    };
  if (!awaited) return { admission: { is: 'hold' }, breaker };
  const until = outage.since + BOT_PATIENCE_MS;
  return { admission: outage.mayPass && now < until ? { is: 'wait', until } : { is: 'refuse' }, breaker };
}

export function failed(breaker: Breaker, failure: Failure, turnFor: TurnFor, now: number): Breaker {
  // A bot need not understand what the hub tells it.
  if (turnFor === 'hub' && failure.about === 'turn') return breaker;
  const outage = extended(breaker.outage, failure, now);
  if (breaker.state === 'closed') {
    if (outage.failures < OPENS_AFTER[outage.about]) return { state: 'closed', outage };
    return { state: 'open', outage, pauseMs: FIRST_PAUSE_MS, probeAt: now + FIRST_PAUSE_MS };
  }
  const { probeAt } = breaker;
  // Of turns that were under way when it opened, nothing new is learned.
  if (breaker.state === 'open') return { state: 'open', outage, pauseMs: breaker.pauseMs, probeAt };
  const pauseMs = Math.min(breaker.pauseMs * 2, LONGEST_PAUSE_MS);
  return { state: 'open', outage, pauseMs, probeAt: Math.min(probeAt, now + pauseMs) };
}

/** @param startedAt when the turn began, epoch milliseconds. */
export function succeeded(breaker: Breaker, turnFor: TurnFor, startedAt: number): Breaker {
  const { outage } = breaker;
  if (outage === undefined) return breaker;
  if (turnFor === 'hub' && outage.about === 'turn') return breaker;
  // A turn that began before the bot went away says nothing about its coming back.
  if (outage.about === 'reach' && startedAt < outage.since) return breaker;
  return CLOSED;
}

/** It opened at another node: here the very next turn finds out whether that is so for this one, too; the others are spared it. */
export function heardOpen(breaker: Breaker, outage: Outage, now: number): Breaker {
  if (breaker.state !== 'closed') return breaker;
  return { state: 'open', outage, pauseMs: FIRST_PAUSE_MS, probeAt: now, hearsay: true };
}

/** It closed at another node: what was only heard of is over, what failed here is tried at once. */
export function heardClosed(breaker: Breaker, now: number): Breaker {
  if (breaker.state === 'closed') return breaker;
  if (breaker.hearsay === true) return CLOSED;
  return { ...breaker, state: 'open', pauseMs: FIRST_PAUSE_MS, probeAt: now };
}

function extended(outage: Outage | undefined, { about, retry, hangs }: Failure, now: number): Outage {
  if (outage === undefined) return { since: now, failures: 1, about, mayPass: retry, hangs };
  return {
    since: outage.since,
    failures: outage.failures + 1,
    about: about === 'turn' ? 'turn' : outage.about,
    mayPass: outage.mayPass && retry,
    hangs: outage.hangs || hangs,
  };
}
