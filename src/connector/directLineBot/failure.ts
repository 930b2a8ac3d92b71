// How a call to a bot's Direct Line can fail, and what that means for the turn.

import { DeliveryFailed, StoreUnavailable, type FaultKind } from '../../errors.js';

/**
 * `notReached`: nothing was got, nobody was reached · `busy`: come back later · `unsure`: it may have been taken ·
 * `late`: no answer in time · `botFailed`: taken, and the bot failed · `forbidden`: the token is not good (any more) ·
 * `gone`: there is no such conversation (any more) · `refused`: everything else that trying again does not help.
 */
export type FailureKind = 'notReached' | 'busy' | 'unsure' | 'late' | 'botFailed' | 'forbidden' | 'gone' | 'refused';

export interface FailureOptions extends ErrorOptions {
  retryAfterMs?: number;
  /** What to do about it, for the operator. */
  cure?: string;
}

export class ServiceFailed extends Error {
  readonly retryAfterMs: number | undefined;
  readonly cure: string | undefined;
  constructor(
    message: string,
    readonly kind: FailureKind,
    { retryAfterMs, cure, ...options }: FailureOptions = {},
  ) {
    super(message, options);
    this.name = 'ServiceFailed';
    this.retryAfterMs = retryAfterMs;
    this.cure = cure;
  }
}

/** Milliseconds until then. @throws ServiceFailed `late` when nothing more may be done in this turn: whoever waited for it has gone on. */
export function leftOf(deadline: number): number {
  const leftMs = deadline - performance.now();
  if (leftMs <= 0) throw new ServiceFailed('The turn took too long.', 'late');
  return leftMs;
}

export function isFinal(error: unknown): boolean {
  return error instanceof ServiceFailed && ['forbidden', 'gone', 'refused'].includes(error.kind);
}

/** What a failure shows of the bot. */
const FAULTS: Record<FailureKind, FaultKind> = {
  notReached: 'unreachable',
  busy: 'busy',
  unsure: 'brokeOff',
  late: 'timedOut',
  botFailed: 'failed',
  forbidden: 'untrusted',
  gone: 'noBot',
  refused: 'nonsense',
};

export function deliveryFailed(error: unknown): unknown {
  if (error instanceof ServiceFailed) {
    const { kind, cure, retryAfterMs } = error;
    const retry = kind === 'notReached' || kind === 'busy' || kind === 'unsure';
    return new DeliveryFailed(error.message, retry, {
      cause: error,
      kind: FAULTS[kind],
      ...(cure === undefined ? {} : { cure }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    });
  }
  if (error instanceof StoreUnavailable) return new DeliveryFailed(error.message, true, { cause: error });
  return error;
}
