// DirectLineAdapter: a botbuilder adapter whose channel is the hub itself. Widgets' conversations reach a bot in this process.

/** @ts-ignore Programs with the Agents SDK only need not have it. */
import type { Activity, BotAdapter, ConversationReference, ResourceResponse, TurnContext } from 'botbuilder';
import type { Hub } from '../hub/hub.js';
import { lazyClass, sdk, type Sdk } from '../sdk.js';
import type { BotTurnContext, Logic as AnyLogic } from './host.js';
import { toSdk } from './sdkActivity.js';
import { WidgetTurns, type ErrorHandler } from './widgetTurns.js';

/** `C` is the TurnContext of the bot's SDK. */
export interface DirectLineAdapterOptions<C extends BotTurnContext = TurnContext> {
  /** The bot's id in the hub's configuration. */
  botId: string;
  /** The bot: `(context) => bot.run(context)`. */
  run: (context: C) => Promise<unknown>;
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
  sendActivities(context: TurnContext, activities: Partial<Activity>[]): Promise<ResourceResponse[]>;
  updateActivity(context: TurnContext, activity: Partial<Activity>): Promise<ResourceResponse | void>;
  deleteActivity(context: TurnContext, reference: Partial<ConversationReference>): Promise<void>;
  /** The SDK's older name of `continueConversationAsync`. */
  continueConversation(reference: Partial<ConversationReference>, logic: Logic): Promise<void>;
}

/** Connects itself to the hub as soon as it is made. Loads botbuilder when the first one is made. */
export const DirectLineAdapter = lazyClass<new (hub: Hub, options: DirectLineAdapterOptions) => DirectLineAdapter>(() =>
  defineAdapter(sdk()),
);

type Logic = (context: TurnContext) => Promise<void>;

function defineAdapter({ botbuilder, connector }: Sdk) {
  const { ActivityEx, BotCallbackHandlerKey, TurnContext } = botbuilder;
  const { AuthenticationConstants, ClaimsIdentity } = connector;

  return class extends botbuilder.BotAdapter implements DirectLineAdapter {
    readonly botId: string;
    readonly #turns: WidgetTurns;

    constructor(hub: Hub, { botId, run }: DirectLineAdapterOptions) {
      super();
      this.botId = botId;
      const bot: Logic = async (context) => {
        await run(context);
      };
      this.#turns = new WidgetTurns(hub, botId, bot as AnyLogic, {
        newContext: (activity, logic) => this.#newContext(toSdk(activity) as Activity, logic),
        newContinuation: (reference, logic) =>
          this.#newContext(
            ActivityEx.getContinuationActivity(reference as Partial<ConversationReference>) as Activity,
            logic,
          ),
        runMiddleware: (context, logic) => this.runMiddleware(context as TurnContext, logic),
      });
    }

    /** The hub must learn of a failure that the bot's own handler has taken care of. */
    override set onTurnError(handler: ErrorHandler<TurnContext>) {
      super.onTurnError = typeof handler === 'function' ? this.#turns.noting(handler) : handler;
    }
    override get onTurnError(): ErrorHandler<TurnContext> {
      return super.onTurnError;
    }

    sendActivities(context: TurnContext, activities: Partial<Activity>[]): Promise<ResourceResponse[]> {
      return this.#turns.send(context, activities);
    }

    updateActivity(context: TurnContext, activity: Partial<Activity>): Promise<ResourceResponse | void> {
      return this.#turns.update(context, activity);
    }

    deleteActivity(context: TurnContext, reference: Partial<ConversationReference>): Promise<void> {
      return this.#turns.remove(context, reference.activityId);
    }

    override continueConversation(reference: Partial<ConversationReference>, logic: Logic): Promise<void> {
      return this.#turns.continue(reference, logic as AnyLogic);
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
      return this.#turns.continue(reference, logic as AnyLogic);
    }

    override createConversationAsync(): Promise<void> {
      throw new Error(
        'A Direct Line conversation is started by its customer: a bot cannot create one. Use continueConversationAsync with the reference of one that exists.',
      );
    }

    #newContext(activity: Activity, logic: AnyLogic): TurnContext {
      const context = new TurnContext(this, activity);
      context.turnState.set(this.BotIdentityKey, new ClaimsIdentity([], AuthenticationConstants.AnonymousAuthType));
      context.turnState.set(BotCallbackHandlerKey, logic);
      return context;
    }
  };
}
