// What connects a bot's turn with the hub: set in the turn's state by the adapter or the middleware, read by the helpers.

import type { Hub } from '../hub/hub.js';
import type { BotTurnContext } from './host.js';

export interface TurnLink {
  readonly hub: Hub;
  readonly botId: string;
  /** Undefined while the hub has no conversation for the turn (groups, an unavailable store). */
  readonly conversationId: string | undefined | Promise<string | undefined>;
}

/** Registered by name: two copies of this package in one process find each other's links. */
const LINK = Symbol.for('botframework-handoff.turn');

export function linkTurn(context: BotTurnContext, link: TurnLink): void {
  context.turnState.set(LINK, link);
}

export function linkOf(context: BotTurnContext): TurnLink | undefined {
  return context.turnState.get(LINK) as TurnLink | undefined;
}
