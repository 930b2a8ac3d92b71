// AgentsDirectLineAdapter: DirectLineAdapter for a bot that is built with the Microsoft 365 Agents SDK.

/** @ts-ignore Programs with botbuilder only need not have it. */
import type { BaseAdapter, TurnContext } from '@microsoft/agents-hosting';
import type { Hub } from '../hub/hub.js';
import { agentsSdk, lazyClass, type AgentsSdk } from '../sdk.js';
import type { DirectLineAdapterOptions } from './directLineAdapter.js';
import { forAgents, type Logic as AnyLogic, type ResourceResponse, type SdkActivity } from './host.js';
import { toSdk } from './sdkActivity.js';
import { WidgetTurns, type ErrorHandler } from './widgetTurns.js';

/**
 * As DirectLineAdapter, with the Agents SDK's contexts and activities: for an AgentApplication (`run: (context) =>
 * app.run(context)`) or an ActivityHandler of that SDK. Unlike the SDK's own adapter it has no `onTurnError` of its own: the
 * hub tells the customer when the bot fails.
 */
export interface AgentsDirectLineAdapter extends BaseAdapter {
  readonly botId: string;
  sendActivities(context: TurnContext, activities: SdkActivity[]): Promise<ResourceResponse[]>;
  updateActivity(context: TurnContext, activity: SdkActivity): Promise<ResourceResponse | void>;
  deleteActivity(context: TurnContext, reference: { activityId?: string }): Promise<void>;
  /** @param _appIdOrIdentity nobody asks for it here. */
  continueConversation(_appIdOrIdentity: unknown, reference: object, logic: Logic): Promise<void>;
  uploadAttachment(): Promise<never>;
  getAttachmentInfo(): Promise<never>;
  getAttachment(): Promise<never>;
}

/** Connects itself to the hub as soon as it is made. Loads the Agents SDK when the first one is made. */
export const AgentsDirectLineAdapter = lazyClass<
  new (hub: Hub, options: DirectLineAdapterOptions<TurnContext>) => AgentsDirectLineAdapter
>(() => defineAdapter(agentsSdk()));

type Logic = (context: TurnContext) => Promise<void>;

const NO_CONNECTOR =
  "There is no connector behind this adapter. Send files as attachments with a contentUrl, and read a customer's by theirs.";

function defineAdapter({ hosting, activity: { Activity } }: AgentsSdk) {
  return class extends hosting.BaseAdapter implements AgentsDirectLineAdapter {
    readonly botId: string;
    readonly #turns: WidgetTurns;

    constructor(hub: Hub, { botId, run }: DirectLineAdapterOptions<TurnContext>) {
      super();
      this.botId = botId;
      const bot: Logic = async (context) => {
        await run(context);
      };
      this.#turns = new WidgetTurns(hub, botId, bot as unknown as AnyLogic, {
        // Not by fromObject: what a widget may say and the SDK's schema refuses must not keep the rest from the bot.
        newContext: (activity) =>
          this.#newContext(Object.assign(new Activity(activity.type), forAgents(toSdk(activity)))),
        newContinuation: (reference) => this.#newContext(Activity.getContinuationActivity(reference as never)),
        runMiddleware: (context, logic) =>
          this.runMiddleware(context as unknown as TurnContext, logic as unknown as Logic),
      });
      // The SDK's own tells customers to fix the source code.
      super.onTurnError = undefined as never;
    }

    /** The hub must learn of a failure that the bot's own handler has taken care of. */
    override set onTurnError(handler: ErrorHandler<TurnContext>) {
      super.onTurnError = typeof handler === 'function' ? this.#turns.noting(handler) : handler;
    }
    override get onTurnError(): ErrorHandler<TurnContext> {
      return super.onTurnError;
    }

    sendActivities(context: TurnContext, activities: SdkActivity[]): Promise<ResourceResponse[]> {
      return this.#turns.send(context, activities);
    }

    updateActivity(context: TurnContext, activity: SdkActivity): Promise<ResourceResponse | void> {
      return this.#turns.update(context, activity);
    }

    deleteActivity(context: TurnContext, reference: { activityId?: string }): Promise<void> {
      return this.#turns.remove(context, reference.activityId);
    }

    continueConversation(_appIdOrIdentity: unknown, reference: object, logic: Logic): Promise<void> {
      return this.#turns.continue(reference, logic as unknown as AnyLogic);
    }

    uploadAttachment(): Promise<never> {
      throw new Error(NO_CONNECTOR);
    }

    getAttachmentInfo(): Promise<never> {
      throw new Error(NO_CONNECTOR);
    }

    getAttachment(): Promise<never> {
      throw new Error(NO_CONNECTOR);
    }

    #newContext(activity: InstanceType<typeof Activity>): TurnContext {
      return new hosting.TurnContext(this, activity, { name: 'anonymous' });
    }
  };
}
