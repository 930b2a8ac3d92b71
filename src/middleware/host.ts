// The SDK a bot was built with, as the middleware sees it: what botbuilder and the Agents SDK share, and where they differ.

import { isObject } from '../core/context.js';

/** An activity of either SDK; only the fields that are read here are named. */
export interface SdkActivity {
  type: string;
  id?: string;
  timestamp?: Date | string;
  channelId?: string;
  serviceUrl?: string;
  from?: SdkAccount;
  recipient?: SdkAccount;
  conversation?: SdkConversation;
  membersAdded?: SdkAccount[];
  locale?: string;
  replyToId?: string;
  text?: string;
  name?: string;
  value?: unknown;
  channelData?: unknown;
  deliveryMode?: string;
}

export interface SdkAccount {
  id?: string;
  name?: string;
  role?: string;
}

export interface SdkConversation {
  id: string;
  isGroup?: boolean;
  conversationType?: string;
}

export interface ResourceResponse {
  id: string;
}

/** Where a conversation is reached, as it is kept: `bot` is the name on the wire, also for the Agents SDK's `agent`. */
export interface Reference {
  user?: SdkAccount;
  bot?: SdkAccount;
  conversation?: SdkConversation;
  channelId?: string;
  serviceUrl?: string;
  locale?: string;
  /** Agents SDK: who called, when that was another agent and not a channel; answers outside a turn need a token for it. */
  caller?: Caller;
}

export interface Caller {
  aud: string;
  azp?: string;
  appid?: string;
}

type NextSend = () => Promise<ResourceResponse[]>;
type NextChange = () => Promise<unknown>;

/** A turn's context: the `TurnContext` of botbuilder and that of the Agents SDK both are one. */
export interface BotTurnContext {
  readonly activity: SdkActivity;
  readonly turnState: { get(key: unknown): unknown; set(key: unknown, value: unknown): unknown };
  sendActivity(activity: string | Partial<SdkActivity>): Promise<ResourceResponse | undefined>;
  sendActivities(activities: Partial<SdkActivity>[]): Promise<ResourceResponse[]>;
  updateActivity(activity: Partial<SdkActivity>): Promise<unknown>;
  deleteActivity(id: string): Promise<void>;
  onSendActivities(
    handler: (context: unknown, activities: Partial<SdkActivity>[], next: NextSend) => Promise<ResourceResponse[]>,
  ): unknown;
  onUpdateActivity(
    handler: (context: unknown, activity: Partial<SdkActivity>, next: NextChange) => Promise<void>,
  ): unknown;
  onDeleteActivity(
    handler: (context: unknown, reference: { activityId?: string }, next: NextChange) => Promise<void>,
  ): unknown;
}

/** An adapter whose turns have contexts of type `C`. */
export interface BotAdapterOf<C> {
  use(...middleware: ((context: C, next: () => Promise<void>) => Promise<void>)[]): unknown;
  onTurnError: (context: C, error: Error) => Promise<void>;
}

export type Logic = (context: BotTurnContext) => Promise<void>;

/** Runs `logic` in a turn of its own at the place the reference names. */
export type Continue = (reference: Reference, logic: Logic) => Promise<void>;

interface ContinuesBotbuilder {
  continueConversationAsync(appId: string, reference: Reference, logic: Logic): Promise<void>;
  /** BotFrameworkAdapter and its kin. */
  continueConversation(reference: Reference, logic: Logic): Promise<void>;
}

interface ContinuesAgents {
  continueConversation(appIdOrIdentity: string | object, reference: Reference, logic: Logic): Promise<void>;
  getClientId?(): string | undefined;
}

/** What the adapter itself can do tells its SDK: the user may have a copy of it that is not ours. */
function isBotbuilders(adapter: object): adapter is ContinuesBotbuilder {
  return typeof (adapter as Partial<ContinuesBotbuilder>).continueConversationAsync === 'function';
}

/** The app id an adapter was made with, where it tells; botbuilder's keep it to themselves. */
export function appIdOf(adapter: object): string | undefined {
  return isBotbuilders(adapter) ? process.env['MicrosoftAppId'] : (adapter as ContinuesAgents).getClientId?.();
}

export function continuing(adapter: object, appId: string): Continue {
  if (!isBotbuilders(adapter)) {
    return (reference, logic) => {
      // An identity that claims nothing is the SDK's anonymous one; an empty app id it refuses.
      const identity = reference.caller ?? (appId === '' ? {} : appId);
      return (adapter as ContinuesAgents).continueConversation(identity, agentReference(reference), logic);
    };
  }
  let older = false;
  return async (reference, logic) => {
    if (!older) {
      try {
        return await adapter.continueConversationAsync(appId, reference, logic);
      } catch (error) {
        // The SDK's base class; BotFrameworkAdapter has only the older call.
        if ((error as Error).message !== 'NotImplemented') throw error;
        older = true;
      }
    }
    await adapter.continueConversation(reference, logic);
  };
}

/** `msteams` of `msteams:COPILOT`: the Agents SDK tells the product behind the colon, and the channel is the same. */
export function baseChannel(channelId: string): string {
  return channelId.split(':', 1)[0] ?? channelId;
}

/** Who called, if it was another agent: then its token names the application that wants the answer. */
export function callerOf(context: BotTurnContext): Caller | undefined {
  const { identity } = context as { identity?: Partial<Caller> };
  const { aud, azp, appid } = identity ?? {};
  if (typeof aud !== 'string' || (azp === undefined && appid === undefined)) return undefined;
  return { aud, ...(azp === undefined ? {} : { azp }), ...(appid === undefined ? {} : { appid }) };
}

/**
 * The turn's activity becomes this one, in place. The Agents SDK's is of a class and stays of it; what the SDK would refuse
 * when it looks at it again (null, empty texts) is left out.
 */
export function replaceActivity(context: BotTurnContext, activity: SdkActivity): void {
  const target = context.activity as unknown as Record<string, unknown>;
  for (const field of Object.keys(target)) delete target[field];
  Object.assign(target, forSdk(context, activity));
}

/** As the context's SDK wants to have it. */
export function forSdk<T extends Partial<SdkActivity>>(context: BotTurnContext, activity: T): T {
  return isAgents(context.activity) ? forAgents(activity) : activity;
}

export function isAgents(activity: object): boolean {
  return typeof (activity as { getConversationReference?: unknown }).getConversationReference === 'function';
}

/** Content of any shape: the Agents SDK looks into everything else. */
const OPAQUE = new Set(['channelData', 'value', 'content', 'properties']);

export function forAgents<T extends Partial<SdkActivity>>(activity: T): T {
  const { relatesTo, suggestedActions, ...rest } = activity as T & {
    relatesTo?: unknown;
    suggestedActions?: unknown;
  };
  return withoutNothings({
    ...rest,
    ...(isObject(relatesTo) ? { relatesTo: agentReference(relatesTo) } : {}),
    ...(isObject(suggestedActions) ? { suggestedActions: { to: [], ...suggestedActions } } : {}),
  }) as T;
}

/** Back to the names on the wire. */
export function fromAgents(plain: Record<string, unknown>, channelId: string | undefined): Record<string, unknown> {
  const { _channelId, relatesTo, ...rest } = plain as { _channelId?: string; relatesTo?: Record<string, unknown> };
  const named = channelId ?? _channelId;
  return {
    ...rest,
    ...(named === undefined ? {} : { channelId: named }),
    ...(relatesTo === undefined ? {} : { relatesTo: wireReference(relatesTo) }),
  };
}

export function wireReference({ agent, ...rest }: Record<string, unknown>): Record<string, unknown> {
  return agent === undefined ? rest : { bot: agent, ...rest };
}

export function agentReference(reference: object): Reference {
  const { bot, caller: _caller, ...rest } = reference as Reference;
  return withoutNothings(bot === undefined ? rest : { agent: bot, ...rest }) as Reference;
}

function withoutNothings(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => item !== null).map(withoutNothings);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  const kept: Record<string, unknown> = {};
  for (const [field, content] of Object.entries(value)) {
    if (OPAQUE.has(field)) kept[field] = content;
    else if (content !== null && (content !== '' || field === 'text')) kept[field] = withoutNothings(content);
  }
  return kept;
}
