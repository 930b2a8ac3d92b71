// DirectLineAdapter: a botbuilder adapter whose channel is the hub itself. Widgets' conversations reach a bot in this process.

import type {
  Activity as SdkActivity,
  BotAdapter,
  ConversationReference,
  ResourceResponse,
  TurnContext,
} from 'botbuilder';
import type { Activity } from '../core/activity.js';
import type { Hub } from '../hub/hub.js';
import type { BotTurn, InvokeResponse } from '../hub/ports.js';
import { lazyClass, sdk, type Sdk } from '../sdk.js';
import { fromSdk, toSdk } from './sdkActivity.js';
import { linkTurn } from './turnLink.js';

export interface DirectLineAdapterOptions {
  /** The bot's id in the hub's configuration. */
  botId: string;
  /** The bot: `(context) => bot.run(context)`. */
  run: (context: TurnContext) => Promise<unknown>;
}

/**
 * Serves widgets' conversations to a bot in this process: `use`, `onTurnError` and `continueConversationAsync` work as on
 * the SDK's own adapters. A turn that throws counts as failed for the hub, also when `onTurnError` handled it: what the
 * bot and its `onTurnError` said is kept, then the work stream's `onBotFailure` applies. There is no connector client and
 * no token service: what a bot wants of them has no meaning here.
 */
export interface DirectLineAdapter extends BotAdapter {
  readonly botId: string;
  // Abstract in the SDK's class; said again here so that this one can be extended.
  sendActivities(context: TurnContext, activities: Partial<SdkActivity>[]): Promise<ResourceResponse[]>;
  updateActivity(context: TurnContext, activity: Partial<SdkActivity>): Promise<ResourceResponse | void>;
  deleteActivity(context: TurnContext, reference: Partial<ConversationReference>): Promise<void>;
  /** The SDK's older name of `continueConversationAsync`. */
  continueConversation(reference: Partial<ConversationReference>, logic: Logic): Promise<void>;
}

/** Connects itself to the hub as soon as it is made. Loads botbuilder when the first one is made. */
export const DirectLineAdapter = lazyClass<new (hub: Hub, options: DirectLineAdapterOptions) => DirectLineAdapter>(() =>
  defineAdapter(sdk()),
);

type Logic = (context: TurnContext) => Promise<void>;
type ErrorHandler = (context: TurnContext, error: Error) => Promise<void>;

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

function defineAdapter({ botbuilder, connector }: Sdk) {
  const { ActivityTypes, BotCallbackHandlerKey, DeliveryModes, TurnContext } = botbuilder;
  const { AuthenticationConstants, ClaimsIdentity } = connector;

  return class extends botbuilder.BotAdapter implements DirectLineAdapter {
    readonly botId: string;
    readonly #hub: Hub;
    readonly #run: Logic;

    constructor(hub: Hub, { botId, run }: DirectLineAdapterOptions) {
      super();
      this.botId = botId;
      this.#hub = hub;
      this.#run = async (context) => {
        await run(context);
      };
      hub.connectBot(botId, { hearsTyping: true, deliver: (activity, turn) => this.#deliver(activity, turn) });
    }

    /** The hub must learn of a failure that the bot's own handler has taken care of. */
    override set onTurnError(handler: ErrorHandler) {
      super.onTurnError =
        typeof handler !== 'function'
          ? handler
          : async (context, error) => {
              context.turnState.set(FAILURE, error);
              await handler(context, error);
            };
    }
    override get onTurnError(): ErrorHandler {
      return super.onTurnError;
    }

    async sendActivities(context: TurnContext, activities: Partial<SdkActivity>[]): Promise<ResourceResponse[]> {
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

    async updateActivity(context: TurnContext, activity: Partial<SdkActivity>): Promise<ResourceResponse | void> {
      const { conversationId } = this.#speechIn(context);
      await this.#hub.botEdits(conversationId, this.botId, activity.id ?? '', fromSdk(activity));
      return { id: activity.id ?? '' };
    }

    async deleteActivity(context: TurnContext, reference: Partial<ConversationReference>): Promise<void> {
      const { conversationId } = this.#speechIn(context);
      await this.#hub.botDeletes(conversationId, this.botId, reference.activityId ?? '');
    }

    override continueConversation(reference: Partial<ConversationReference>, logic: Logic): Promise<void> {
      return this.#continue(reference, logic);
    }

    override continueConversationAsync(
      _botAppIdOrClaims: unknown,
      reference: Partial<ConversationReference>,
      logicOrAudience: Logic | string,
      maybeLogic?: Logic,
    ): Promise<void> {
      const logic = typeof logicOrAudience === 'function' ? logicOrAudience : maybeLogic;
      if (logic === undefined)
        throw new TypeError('continueConversationAsync needs the logic to run as its last argument.');
      return this.#continue(reference, logic);
    }

    override createConversationAsync(): Promise<void> {
      throw new Error(
        'A Direct Line conversation is started by its customer: a bot cannot create one. Use continueConversationAsync with the reference of one that exists.',
      );
    }

    async #deliver(activity: Activity, turn: BotTurn): Promise<InvokeResponse | undefined> {
      const context = this.#createContext(toSdk(activity), turn, this.#run);
      try {
        await this.runMiddleware(context, this.#run);
      } finally {
        // With expectReplies the SDK gathers what is said until the turn is over; after an error it counts all the same.
        const gathered = context.bufferedReplyActivities.filter(({ type }) => type !== 'invokeResponse');
        if (activity.deliveryMode === DeliveryModes.ExpectReplies && gathered.length > 0)
          await this.sendActivities(context, gathered);
      }
      const failure = context.turnState.get<Error>(FAILURE);
      if (failure !== undefined) throw failure;
      if (activity.type !== ActivityTypes.Invoke) return undefined;
      return context.turnState.get<InvokeResponse>(INVOKE_RESPONSE) ?? { status: NOT_IMPLEMENTED };
    }

    async #continue(reference: Partial<ConversationReference>, logic: Logic): Promise<void> {
      const conversationId = reference.conversation?.id;
      if (conversationId === undefined)
        throw new TypeError('The reference names no conversation: take it from TurnContext.getConversationReference.');
      const activity = botbuilder.ActivityEx.getContinuationActivity(reference) as SdkActivity;
      const speech: Speech = {
        conversationId,
        respond: (activities) => this.#hub.botSays(conversationId, this.botId, activities),
      };
      await this.runMiddleware(this.#createContext(activity, speech, logic), logic);
    }

    #createContext(activity: SdkActivity, speech: Speech, logic: Logic): TurnContext {
      const context = new TurnContext(this, activity);
      context.turnState.set(TURN, speech);
      context.turnState.set(this.BotIdentityKey, new ClaimsIdentity([], AuthenticationConstants.AnonymousAuthType));
      context.turnState.set(BotCallbackHandlerKey, logic);
      linkTurn(context, { hub: this.#hub, botId: this.botId, conversationId: speech.conversationId });
      return context;
    }

    #speechIn(context: TurnContext): Speech {
      const speech = context.turnState.get<Speech>(TURN);
      if (speech === undefined)
        throw new Error('This turn was not made by this adapter; its activities have no conversation here.');
      return speech;
    }
  };
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
