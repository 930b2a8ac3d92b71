// /api/agent-messages: people serve from the Emulator, Teams or any other Bot Framework channel, with the SDK's authentication.

import type { CloudAdapter, ConversationReference, TurnContext } from 'botbuilder';
import type { Activity } from '../../core/activity.js';
import { BadRequest } from '../../errors.js';
import type { HttpServer } from '../../http.js';
import type { Hub } from '../../hub/hub.js';
import { refusePages, requireNeighbour } from '../../neighbours.js';
import { sdk } from '../../sdk.js';
import { ChatChannel } from './channel.js';
import { ChatDesk, type Incoming } from './desk.js';

export const AGENT_MESSAGES_PATH = '/api/agent-messages';

/** The people's bot is an app of its own: an Azure Bot has one endpoint, and customers' bots have theirs. */
export const AGENT_PREFIX = 'AGENT_';

export interface AgentChatOptions {
  /** Where the settings are found: AGENT_MicrosoftAppId, AGENT_MicrosoftAppPassword, AGENT_MicrosoftAppType, AGENT_MicrosoftAppTenantId. */
  settings?: Readonly<Record<string, string | undefined>>;
  /** An adapter of your own (other credentials than a secret), made for the same app id as the settings have. */
  adapter?: PeoplesAdapter;
  /** Public origin without a path. */
  publicUrl: () => string;
}

/** botbuilder's `CloudAdapter`, by what is called of it: who uses the other SDK need not have its declarations. */
export interface PeoplesAdapter {
  process(request: never, response: never, logic: never): Promise<void>;
  continueConversationAsync(appId: string, reference: never, logic: never): Promise<void>;
}

export interface AgentChat {
  /** Accounts that are signed in. */
  readonly figures: { readonly accounts: number };
  /** Once the hub runs: tells everybody signed in what happened meanwhile. */
  start(): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

/**
 * Without an app id nobody's identity can be checked: then only loopback and private addresses may post, and only such
 * addresses are answered. The SDK is loaded when the first message comes, or goes.
 */
export function serveAgentChat(http: HttpServer, hub: Hub, options: AgentChatOptions): AgentChat {
  const settings = withoutPrefix(options.settings ?? process.env);
  const appId = settings['MicrosoftAppId'] ?? '';
  let made = options.adapter as CloudAdapter | undefined;
  const adapter = () => (made ??= newAdapter(hub, settings));
  const desk = new ChatDesk(hub, new ChatChannel(adapter, appId), options.publicUrl);

  http.postRaw(AGENT_MESSAGES_PATH, async (request, response) => {
    if (appId === '') refusePages(request);
    const body = await request.json();
    if (typeof body !== 'object' || body === null || typeof (body as { type?: unknown }).type !== 'string')
      throw new BadRequest(400, 'BadSyntax', 'Send one Bot Framework activity: a JSON object with a type.');
    if (appId === '') requireNeighbour(request, body, `${AGENT_PREFIX}MicrosoftAppId`);
    await adapter().process(Object.assign(request.raw, { body }) as never, response as never, async (context) => {
      const incoming = incomingOf(context, body as Activity, appId !== '');
      if (incoming !== undefined) await desk.hear(incoming);
    });
  });

  return {
    get figures() {
      return desk.figures;
    },
    start: () => desk.start(),
    close: () => desk.close(),
  };
}

function newAdapter(hub: Hub, settings: Record<string, string>): CloudAdapter {
  const { CloudAdapter, ConfigurationBotFrameworkAuthentication } = sdk().botbuilder;
  const adapter = new CloudAdapter(new ConfigurationBotFrameworkAuthentication(settings));
  adapter.onTurnError = async (context: TurnContext, error: Error) => {
    hub.log.error(
      { err: error, channel: context.activity.channelId },
      "a person's message in a chat could not be handled",
    );
    await context
      .sendActivity('Something went wrong here, and this was not done. Please try again.')
      .catch(() => undefined);
  };
  return adapter;
}

/** undefined when the channel names nobody who wrote. */
function incomingOf(context: TurnContext, body: Activity, authenticated: boolean): Incoming | undefined {
  const { channelId, from } = context.activity;
  if (typeof channelId !== 'string' || channelId === '' || typeof from?.id !== 'string' || from.id === '')
    return undefined;
  const { botbuilder } = sdk();
  const { activityId: _answered, ...reference } = botbuilder.TurnContext.getConversationReference(context.activity);
  const aadObjectId = from.aadObjectId;
  const timeZone = timeZoneOf(body['localTimezone']);
  return {
    context,
    activity: body,
    channelId,
    userId: from.id,
    // As JSON, so that it reads the same from the store.
    reference: JSON.parse(JSON.stringify(reference)) as Partial<ConversationReference>,
    ...(typeof aadObjectId === 'string' && aadObjectId !== '' && { aadObjectId }),
    ...(timeZone !== undefined && { timeZone }),
    ...(authenticated && { token: () => tokenOf(context) }),
  };
}

/** The bot's own token for its channel: what is sent there can only be fetched with it. */
async function tokenOf(context: TurnContext): Promise<string | undefined> {
  const adapter = context.adapter as CloudAdapter;
  const client = context.turnState.get<{ credentials?: { getToken?: () => Promise<string> } }>(
    adapter.ConnectorClientKey,
  );
  return client?.credentials?.getToken?.();
}

function timeZoneOf(name: unknown): string | undefined {
  if (typeof name !== 'string') return undefined;
  try {
    return new Intl.DateTimeFormat('en-GB', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}

function withoutPrefix(settings: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, value]) =>
      name.startsWith(AGENT_PREFIX) && value !== undefined ? [[name.slice(AGENT_PREFIX.length), value]] : [],
    ),
  );
}
