// The way to a person's chat: inside the turn they started while it runs, else by the adapter's continueConversationAsync.

import type { Activity as SdkActivity, CloudAdapter, ConversationReference, TurnContext } from 'botbuilder';
import type { Activity } from '../../core/activity.js';
import { DeliveryFailed } from '../../errors.js';

/** Longer than any channel takes; whatever comes after this time counts as not arrived. */
const SEND_WITHIN_MS = 20_000;
const TRY_AGAIN = new Set([408, 429, 500, 502, 503, 504]);
/** The channel will not take anything for this person: the bot was removed, or may not write there. */
const CLOSED = new Set([401, 403, 404]);

/** `closed`: nothing gets through until the person writes again; `refused`: this one message is not taken. */
export type Trouble = 'later' | 'closed' | 'refused';

export class ChatChannel {
  constructor(
    private readonly adapter: () => CloudAdapter,
    private readonly appId: string,
  ) {}

  /** @returns the id the channel gave the message. @throws whatever the channel answered; see `troubleOf`. */
  send(reference: Partial<ConversationReference>, activity: Activity, turn?: TurnContext): Promise<string | undefined> {
    return this.#within(reference, turn, async (context) => {
      const sent = await context.sendActivity({ ...activity } as Partial<SdkActivity>);
      return sent?.id;
    });
  }

  update(reference: Partial<ConversationReference>, id: string, activity: Activity, turn?: TurnContext): Promise<void> {
    return this.#within(reference, turn, async (context) => {
      await context.updateActivity({ ...activity, id } as Partial<SdkActivity>);
    });
  }

  async #within<T>(
    reference: Partial<ConversationReference>,
    turn: TurnContext | undefined,
    work: (context: TurnContext) => Promise<T>,
  ): Promise<T> {
    if (turn !== undefined) return inTime(work(turn));
    let result: { value: T } | undefined;
    let failure: { error: unknown } | undefined;
    await inTime(
      this.adapter().continueConversationAsync(this.appId, reference, async (context) => {
        try {
          result = { value: await work(context) };
        } catch (error) {
          // Thrown in here it would go to the adapter's onTurnError, which is for turns of people.
          failure = { error };
        }
      }),
    );
    if (failure !== undefined) throw failure.error;
    if (result === undefined) throw new DeliveryFailed('The adapter ran no turn to write in.', true);
    return result.value;
  }
}

export function troubleOf(error: unknown): Trouble {
  const { statusCode } = error as { statusCode?: number };
  if (statusCode === undefined || TRY_AGAIN.has(statusCode)) return 'later';
  return CLOSED.has(statusCode) ? 'closed' : 'refused';
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new DeliveryFailed(`The channel did not answer within ${SEND_WITHIN_MS} ms.`, true)),
      SEND_WITHIN_MS,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
