// The user's adapter, reached outside a customer's turn: what people say goes out, and the bot hears how it ended.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { BotAdapter, ConversationReference, TurnContext } from 'botbuilder';
import { DeliveryFailed } from '../errors.js';

export type Next = () => Promise<void>;
/** What the middleware does at its place in the pipeline, in a turn of the hub's own. */
export type Within = (context: TurnContext, next: Next) => Promise<void>;

interface OwnTurn {
  readonly within: Within;
  taken: boolean;
  failure?: { error: unknown };
}

export class Reach {
  readonly #own = new AsyncLocalStorage<OwnTurn>();
  #older = false;

  constructor(
    private readonly adapter: BotAdapter,
    private readonly appId: string,
  ) {}

  /** @throws what `within` or `logic` threw: the adapter's onTurnError is for the bot's own turns. */
  async turn(
    reference: Partial<ConversationReference>,
    within: Within,
    logic: (context: TurnContext) => Promise<void>,
  ): Promise<void> {
    const own: OwnTurn = { within, taken: false };
    await this.#own.run(own, () => this.#continue(reference, logic));
    if (!own.taken)
      throw new DeliveryFailed(
        'Another middleware ended the turn before the hub saw it: use handoffMiddleware before all others.',
        false,
      );
    if (own.failure !== undefined) throw own.failure.error;
  }

  /** The turn that has just begun, if it is one of the hub's own. Turns that the bot starts inside of it are not. */
  take(): Within | undefined {
    const own = this.#own.getStore();
    if (own === undefined || own.taken) return undefined;
    own.taken = true;
    return async (context, next) => {
      try {
        await own.within(context, next);
      } catch (error) {
        own.failure = { error };
      }
    };
  }

  async #continue(
    reference: Partial<ConversationReference>,
    logic: (context: TurnContext) => Promise<void>,
  ): Promise<void> {
    if (!this.#older) {
      try {
        return await this.adapter.continueConversationAsync(this.appId, reference, logic);
      } catch (error) {
        // The SDK's base class; BotFrameworkAdapter has only the older call.
        if ((error as Error).message !== 'NotImplemented') throw error;
        this.#older = true;
      }
    }
    await this.adapter.continueConversation(reference, logic);
  }
}

const STATUS_TO_TRY_AGAIN = new Set([429, 502, 503, 504]);
const NEVER_ARRIVED = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN/;

/** A channel's refusal, as the outbox understands it: tried again only when the channel certainly did not get it. */
export function deliveryFailed(error: unknown): DeliveryFailed {
  if (error instanceof DeliveryFailed) return error;
  const { statusCode, code, message } = error as { statusCode?: number; code?: string; message?: string };
  const retry =
    statusCode === undefined ? NEVER_ARRIVED.test(`${code} ${message}`) : STATUS_TO_TRY_AGAIN.has(statusCode);
  const status = statusCode === undefined ? '' : ` (${statusCode})`;
  return new DeliveryFailed(`The channel did not take it${status}: ${message ?? String(error)}`, retry, {
    cause: error,
  });
}
