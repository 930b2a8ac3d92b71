// A command that the rules refuse.

export type RejectedCode =
  | 'conversationClosed'
  | 'conversationUnknown'
  | 'conversationExists'
  | 'notFound'
  | 'notAllowed'
  | 'notHolder'
  | 'wrongPhase'
  | 'offerGone'
  | 'noCapacity'
  | 'badCommand'
  | 'tooLarge';

/** The caller asked for something that does not go now; `code` is stable, the message says what to do. */
export class Rejected extends Error {
  constructor(
    readonly code: RejectedCode,
    message: string,
    /** For the answer's body: owner and time of a refused claim, for example. */
    readonly details: Record<string, unknown> = {},
  ) {
    super(message);
    this.name = 'Rejected';
  }
}
