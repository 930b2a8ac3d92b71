// What is known of each bot's health, for whoever must act: warnings, and how its last turns went.

import type { Clock, Log } from './ports.js';

/** Something a person should change although turns may still succeed. */
export interface BotWarning {
  /** One per cause: what is warned about again under the same code replaces what was said before. */
  readonly code: string;
  /** What is wrong and what to do, in a sentence each. Never a secret, never what a customer wrote. */
  readonly text: string;
  /** Last time it was noticed, epoch milliseconds. */
  readonly at: number;
}

export interface BotHealth {
  readonly warnings: readonly BotWarning[];
}

/** Causes differ in code, not in wording: more than this is a mistake of the caller. */
const MOST_WARNINGS = 20;

export class BotStatus {
  readonly #warnings = new Map<string, Map<string, BotWarning>>();

  constructor(private readonly hub: { readonly clock: Clock; readonly log: Log }) {}

  /** Shown in the bot's status until it is cleared; logged once. */
  warn(botId: string, code: string, text: string): void {
    const warnings = this.#warnings.get(botId) ?? new Map<string, BotWarning>();
    this.#warnings.set(botId, warnings);
    const before = warnings.get(code);
    if (before === undefined && warnings.size >= MOST_WARNINGS) return;
    warnings.set(code, { code, text, at: this.hub.clock.now() });
    if (before?.text !== text) this.hub.log.warn({ bot: botId, warning: code }, text);
  }

  /** The cause is gone. */
  clearWarning(botId: string, code: string): void {
    this.#warnings.get(botId)?.delete(code);
  }

  of(botId: string): BotHealth {
    return { warnings: [...(this.#warnings.get(botId)?.values() ?? [])] };
  }
}
