// What is owed to one party of one conversation, in order, and what each row of it asks for.

import type { Entry } from '../core/conversation.js';
import type { Owed } from './owed.js';
import type { OutboxRow } from './ports.js';

/** `waits`: the row, or one before it, must be tried again later. */
export type Attempt = 'settled' | 'waits';

export interface Lane {
  readonly key: string;
  waiting: { seq: number; resolve: (attempt: Attempt) => void }[];
  /** `verdict`: it has failed for good, which is not in the record yet. */
  rows: { row: OutboxRow; entry?: Entry; verdict?: { error: unknown; handsOver: boolean } }[];
  running: boolean;
  timer?: NodeJS.Timeout;
  /** The bot for which the lane is held. */
  heldFor?: string;
  /** It was woken before it had gone to sleep. */
  woken?: boolean;
  /** Since when its party cannot be reached. */
  failingSince?: number;
  /** Why, last. */
  failure?: unknown;
  /** The bot's breaker let it through: what comes before the customer's words goes with them. */
  admitted?: boolean;
}

/** What a customer said or did: an answer is due. */
export function isCustomers(row: OutboxRow): boolean {
  return row.effect.send === 'activity';
}

/** A customer's message: only such a turn shows whether the bot can answer. */
export function isMessage(row: OutboxRow, { entry: { event } }: Owed): boolean {
  return isCustomers(row) && event.type === 'said' && event.activityType === 'message';
}

/** A bot that takes over from another is expected to speak first. */
export function expectsAnswer(row: OutboxRow, { entry }: Owed): boolean {
  return isCustomers(row) || (entry.event.type === 'botConnected' && row.effect.send === 'members');
}

export function tell(lane: Lane, attempt: Attempt, whom: (waiting: { seq: number }) => boolean = () => true): void {
  const told = lane.waiting.filter(whom);
  lane.waiting = lane.waiting.filter((one) => !told.includes(one));
  for (const { resolve } of told) resolve(attempt);
}
