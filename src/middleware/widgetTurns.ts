// Widgets' conversations as turns of a bot in this process, whichever SDK the bot is built with.

import type { Activity } from '../core/activity.js';
import type { Hub } from '../hub/hub.js';
import type { BotTurn, InvokeResponse } from '../hub/ports.js';
import { isContinuation } from './address.js';
import type { BotTurnContext, Logic, ResourceResponse, SdkActivity } from './host.js';
import { fromSdk } from './sdkActivity.js';
import { linkTurn } from './turnLink.js';

/** What an adapter of one SDK has to bring. */
export interface AdapterHost {
  /** A context of the SDK's own, with what bots of that SDK look for in it. */
  newContext(activity: Activity, logic: Logic): BotTurnContext;
  /** As above, for a turn that the bot starts itself. */
  newContinuation(reference: unknown, logic: Logic): BotTurnContext;
  runMiddleware(context: BotTurnContext, logic: Logic): Promise<void>;
}

export type ErrorHandler<C> = (context: C, error: Error) => Promise<void>;

const TURN = Symbol('turn');
const FAILURE = Symbol('failure');
const INVOKE_RESPONSE = Symbol('invokeResponse');
/** What CloudAdapter answers for an invoke nobody handled. */
const NOT_IMPLEMENTED = 501;

/** Where a turn's activities go: in a customer's turn they answer, otherwise they are said unasked. */
interface Speech {
  readonly conversationId: string;
  respond(activities: readonly Activity[]): Promise<{ id: string }[]>;
}

export class WidgetTurns {
  constructor(
    private readonly hub: Hub,
    private readonly botId: string,
    private readonly run: Logic,
    private readonly host: AdapterHost,
  ) {
    hub.connectBot(botId, { hearsTyping: true, deliver: (activity, turn) => this.#deliver(activity, turn) });
  }

  async send(context: BotTurnContext, activities: readonly Partial<SdkActivity>[]): Promise<ResourceResponse[]> {
    const speech = this.#speechIn(context);
    const responses: ResourceResponse[] = activities.map(() => ({ id: '' }));
    // One append per batch: [text, handoff.initiate, text] is committed whole or not at all.
    let batch: { index: number; activity: Activity }[] = [];
    const flush = async () => {
      const said = batch;
      batch = [];
      if (said.length === 0) return;
      const ids = await speech.respond(said.map(({ activity }) => activity));
      for (const [position, { index }] of said.entries()) responses[index] = { id: ids[position]?.id ?? '' };
    };
    for (const [index, activity] of activities.entries()) {
      if (activity.type === 'delay') {
        await flush();
        await delay(typeof activity.value === 'number' ? activity.value : 1_000);
      } else if (activity.type === 'invokeResponse') {
        if (context.turnState.get(INVOKE_RESPONSE) === undefined)
          context.turnState.set(INVOKE_RESPONSE, activity.value);
      } else {
        batch.push({ index, activity: fromSdk(activity) });
      }
    }
    await flush();
    return responses;
  }

  async update(context: BotTurnContext, activity: Partial<SdkActivity>): Promise<ResourceResponse> {
    const { conversationId } = this.#speechIn(context);
    await this.hub.botEdits(conversationId, this.botId, activity.id ?? '', fromSdk(activity));
    return { id: activity.id ?? '' };
  }

  async remove(context: BotTurnContext, activityId: string | undefined): Promise<void> {
    const { conversationId } = this.#speechIn(context);
    await this.hub.botDeletes(conversationId, this.botId, activityId ?? '');
  }

  /** Runs `logic` in a turn that no customer started. */
  async continue(reference: { conversation?: { id?: string } }, logic: Logic): Promise<void> {
    const conversationId = reference.conversation?.id;
    if (conversationId === undefined)
      throw new TypeError(
        "The reference names no conversation: take it from a turn's activity, by getConversationReference.",
      );
    const context = this.host.newContinuation(reference, logic);
    const speech: Speech = {
      conversationId,
      respond: (activities) =>
        this.hub.botSays(
          conversationId,
          this.botId,
          isContinuation(context.activity) ? activities.map(answeringNothing) : activities,
        ),
    };
    await this.host.runMiddleware(this.#begun(context, speech), logic);
  }

  /** The bot's own handler, of whose calls the hub must learn: a failure it has taken care of is one all the same. */
  noting<C>(handler: ErrorHandler<C>): ErrorHandler<C> {
    return async (context, error) => {
      (context as unknown as BotTurnContext).turnState.set(FAILURE, error);
      await handler(context, error);
    };
  }

  async #deliver(activity: Activity, turn: BotTurn): Promise<InvokeResponse | undefined> {
    const context = this.#begun(this.host.newContext(activity, this.run), turn);
    try {
      await this.host.runMiddleware(context, this.run);
    } finally {
      // With expectReplies the SDK gathers what is said until the turn is over; after an error it counts all the same.
      const { bufferedReplyActivities = [] } = context as { bufferedReplyActivities?: SdkActivity[] };
      const gathered = bufferedReplyActivities.filter(({ type }) => type !== 'invokeResponse');
      if (activity.deliveryMode === 'expectReplies' && gathered.length > 0) await this.send(context, gathered);
    }
    const failure = context.turnState.get(FAILURE) as Error | undefined;
    if (failure !== undefined) throw failure;
    if (activity.type !== 'invoke') return undefined;
    return (context.turnState.get(INVOKE_RESPONSE) as InvokeResponse | undefined) ?? { status: NOT_IMPLEMENTED };
  }

  #begun(context: BotTurnContext, speech: Speech): BotTurnContext {
    context.turnState.set(TURN, speech);
    linkTurn(context, { hub: this.hub, botId: this.botId, conversationId: speech.conversationId });
    return context;
  }

  #speechIn(context: BotTurnContext): Speech {
    const speech = context.turnState.get(TURN) as Speech | undefined;
    if (speech === undefined)
      throw new Error('This turn was not made by this adapter; its activities have no conversation here.');
    return speech;
  }
}

/** The Agents SDK lets what is said unasked answer the activity from which the bot once took the reference. */
function answeringNothing({ replyToId: _reply, ...activity }: Activity): Activity {
  return activity;
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
