// The user's adapter, reached outside a customer's turn: what people say goes out, and the bot hears how it ended.

import { AsyncLocalStorage } from 'node:async_hooks';
import { DeliveryFailed } from '../errors.js';
import { continuing, type BotTurnContext, type Continue, type Logic, type Reference } from './host.js';

export type Next = () => Promise<void>;
/** What the middleware does at its place in the pipeline, in a turn of the hub's own. */
export type Within = (context: BotTurnContext, next: Next) => Promise<void>;

interface OwnTurn {
  readonly within: Within;
  taken: boolean;
  failure?: { error: unknown };
}

export class Reach {
  readonly #own = new AsyncLocalStorage<OwnTurn>();
  readonly #continue: Continue;

  constructor(adapter: object, appId: string) {
    this.#continue = continuing(adapter, appId);
  }

  /** @throws what `within` or `logic` threw: the adapter's onTurnError is for the bot's own turns. */
  async turn(reference: Reference, within: Within, logic: Logic): Promise<void> {
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
}

const STATUS_TO_TRY_AGAIN = new Set([429, 502, 503, 504]);
const NEVER_ARRIVED = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN/;

/** A channel's refusal, as the outbox understands it: tried again only when the channel certainly did not get it. */
export function deliveryFailed(error: unknown): DeliveryFailed {
  if (error instanceof DeliveryFailed) return error;
  const { statusCode, code, message } = refusal(error);
  const retry =
    statusCode === undefined ? NEVER_ARRIVED.test(`${code} ${message}`) : STATUS_TO_TRY_AGAIN.has(statusCode);
  const status = statusCode === undefined ? '' : ` (${statusCode})`;
  return new DeliveryFailed(`The channel did not take it${status}: ${message ?? String(error)}`, retry, {
    cause: error,
  });
}

/** botbuilder's client tells the status as `statusCode`, the Agents SDK's as `status`, and what fetch hides as its cause. */
function refusal(error: unknown): { statusCode?: number; code?: string; message?: string } {
  const { statusCode, status, code, message, cause } = error as {
    statusCode?: number;
    status?: number;
    code?: string;
    message?: string;
    cause?: { code?: string };
  };
  const told = statusCode ?? status;
  const why = code ?? cause?.code;
  return {
    ...(told === undefined ? {} : { statusCode: told }),
    ...(why === undefined ? {} : { code: why }),
    ...(message === undefined ? {} : { message }),
  };
}
