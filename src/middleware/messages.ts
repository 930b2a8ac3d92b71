// /api/messages: the bot in this process, for the Emulator and Azure Bot Service, with the SDK's own authentication.

import type { ServerResponse } from 'node:http';
/** @ts-ignore Programs with the Agents SDK only need not have it. */
import type { CloudAdapter, TurnContext } from 'botbuilder';
/** @ts-ignore Programs with botbuilder only need not have it. */
import type { CloudAdapter as AgentsCloudAdapter, TurnContext as AgentsTurnContext } from '@microsoft/agents-hosting';
import { BadRequest } from '../errors.js';
import type { HttpServer } from '../http.js';
import type { Hub } from '../hub/hub.js';
import { refusePages, requireNeighbour } from '../neighbours.js';
import { agentsSdk, sdk } from '../sdk.js';
import { handoffMiddleware, type HandoffMiddlewareOptions } from './handoffMiddleware.js';
import { appIdOf, type BotAdapterOf, type BotTurnContext } from './host.js';

/** `C` is the TurnContext of the bot's SDK. */
export interface MessagesOptions<C extends BotTurnContext = TurnContext> extends Omit<
  HandoffMiddlewareOptions<C>,
  'adapter' | 'appId'
> {
  /** Whose CloudAdapter is made; `botbuilder` unless set. */
  sdk?: 'botbuilder' | 'agents';
  /**
   * Where the SDK finds its settings, by its own names: MicrosoftAppId, MicrosoftAppPassword, MicrosoftAppType and
   * MicrosoftAppTenantId for botbuilder; clientId, clientSecret, tenantId and so on for the Agents SDK. The environment,
   * unless set.
   */
  settings?: Readonly<Record<string, string | undefined>>;
  path?: string;
  /** A CloudAdapter of your own, of either SDK, with middleware of your own already in use. botbuilder's must have been made from the same settings. */
  adapter?: CloudAdapterOf<C>;
}

/** An adapter that takes activities by HTTP. */
export interface CloudAdapterOf<C> extends BotAdapterOf<C> {
  process(request: never, response: never, logic: (context: C) => Promise<void>): Promise<void>;
}

interface AgentsAdapter extends CloudAdapterOf<BotTurnContext> {
  authorizeRequest(request: object, response: WebResponse, next: () => void): Promise<void>;
}

/**
 * Puts a CloudAdapter with handoffMiddleware behind the route. Without an app id nobody's identity can be checked: then
 * only loopback and private addresses may post, and only such addresses are answered.
 */
export function serveMessages<C extends BotTurnContext, A extends CloudAdapterOf<C>>(
  http: HttpServer,
  hub: Hub,
  options: MessagesOptions<C> & { adapter: A },
): A;
export function serveMessages(
  http: HttpServer,
  hub: Hub,
  options: MessagesOptions<AgentsTurnContext> & { sdk: 'agents' },
): AgentsCloudAdapter;
export function serveMessages(http: HttpServer, hub: Hub, options: MessagesOptions): CloudAdapter;
export function serveMessages(http: HttpServer, hub: Hub, asked: object): unknown {
  const options = asked as MessagesOptions<BotTurnContext>;
  const { settings, sdk: sdkName, path = '/api/messages', adapter: given, ...middleware } = options;
  const adapter = given ?? (sdkName === 'agents' ? newAgentsAdapter(settings) : newAdapter(settings ?? process.env));
  const isAgents = isAgentsAdapter(adapter);
  const appId = (isAgents ? appIdOf(adapter) : (settings ?? process.env)['MicrosoftAppId']) ?? '';
  const appIdSetting = isAgents ? 'clientId' : 'MicrosoftAppId';
  adapter.use(handoffMiddleware(hub, { ...middleware, adapter, appId }));
  const { onTurnError } = adapter as Partial<CloudAdapterOf<BotTurnContext>>;
  // The hub tells the customer. Left to itself, botbuilder prints the error and answers 500, the Agents SDK tells the
  // customer to fix the source code.
  if (onTurnError === undefined || given === undefined)
    adapter.onTurnError = (_context, error) => {
      hub.log.warn({ err: error, bot: options.botId }, 'a turn of the bot failed');
      return Promise.resolve();
    };
  const run = async (context: BotTurnContext) => {
    await options.run(context);
  };
  http.postRaw(path, async (request, response) => {
    if (appId === '') refusePages(request);
    const body = await request.json();
    if (typeof body !== 'object' || body === null || typeof (body as { type?: unknown }).type !== 'string')
      throw new BadRequest(400, 'BadSyntax', 'Send one Bot Framework activity: a JSON object with a type.');
    if (appId === '') requireNeighbour(request, body, appIdSetting);
    const raw = Object.assign(request.raw, { body });
    if (!isAgents) return adapter.process(raw as never, response as never, run);
    const answer = new WebResponse(response);
    let allowed = false;
    await adapter.authorizeRequest(raw, answer, () => (allowed = true));
    if (allowed) await adapter.process(raw as never, answer as never, run);
  });
  return adapter;
}

function newAdapter(settings: Readonly<Record<string, string | undefined>>): CloudAdapterOf<BotTurnContext> {
  const { CloudAdapter, ConfigurationBotFrameworkAuthentication } = sdk().botbuilder;
  const adapter: unknown = new CloudAdapter(new ConfigurationBotFrameworkAuthentication({ ...settings }));
  return adapter as CloudAdapterOf<BotTurnContext>;
}

function newAgentsAdapter(settings: Readonly<Record<string, string | undefined>> | undefined): AgentsAdapter {
  const { CloudAdapter } = agentsSdk().hosting;
  return new CloudAdapter(settings === undefined ? undefined : { ...settings }) as unknown as AgentsAdapter;
}

/** Only the Agents SDK leaves it to its caller to have the request authorized. */
function isAgentsAdapter(adapter: object): adapter is AgentsAdapter {
  return typeof (adapter as Partial<AgentsAdapter>).authorizeRequest === 'function';
}

/** What the Agents SDK knows of a response: what Express has of it. */
class WebResponse {
  constructor(private readonly response: ServerResponse) {}

  get headersSent(): boolean {
    return this.response.headersSent;
  }

  get writableEnded(): boolean {
    return this.response.writableEnded;
  }

  status(code: number): this {
    this.response.statusCode = code;
    return this;
  }

  setHeader(name: string, value: string): this {
    this.response.setHeader(name, value);
    return this;
  }

  send(body?: unknown): this {
    if (body !== undefined && typeof body !== 'string') {
      this.response.setHeader('content-type', 'application/json');
      this.response.end(JSON.stringify(body));
    } else {
      this.response.end(body);
    }
    return this;
  }

  end(): this {
    if (!this.response.writableEnded) this.response.end();
    return this;
  }
}
