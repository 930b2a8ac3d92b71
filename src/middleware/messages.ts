// /api/messages: the bot in this process, for the Emulator and Azure Bot Service, with the SDK's own authentication.

import type { CloudAdapter, TurnContext } from 'botbuilder';
import { isPrivate, isPrivateHost } from '../addresses.js';
import { BadRequest } from '../errors.js';
import type { HttpRequest, HttpServer } from '../http.js';
import type { Hub } from '../hub/hub.js';
import { sdk } from '../sdk.js';
import { handoffMiddleware, type HandoffMiddlewareOptions } from './handoffMiddleware.js';

export interface MessagesOptions extends Omit<HandoffMiddlewareOptions, 'adapter' | 'appId'> {
  /** Where the SDK finds its settings (MicrosoftAppId, MicrosoftAppPassword, MicrosoftAppType, MicrosoftAppTenantId). */
  settings?: Readonly<Record<string, string | undefined>>;
  path?: string;
  /** An adapter of your own, with middleware of your own already in use; it must have been made from the same settings. */
  adapter?: CloudAdapter;
}

/**
 * Puts a CloudAdapter with handoffMiddleware behind the route. Without an app id nobody's identity can be checked: then
 * only loopback and private addresses may post, and only such addresses are answered.
 */
export function serveMessages(http: HttpServer, hub: Hub, options: MessagesOptions): CloudAdapter {
  const { settings = process.env, path = '/api/messages', ...middleware } = options;
  const appId = settings['MicrosoftAppId'] ?? '';
  const adapter = options.adapter ?? newAdapter(settings);
  adapter.use(handoffMiddleware(hub, { ...middleware, adapter, appId }));
  // The hub tells the customer; without a handler the SDK would print the error and answer 500.
  adapter.onTurnError ??= (_context: TurnContext, error: Error) => {
    hub.log.warn({ err: error, bot: options.botId }, 'a turn of the bot failed');
    return Promise.resolve();
  };
  http.postRaw(path, async (request, response) => {
    if (appId === '') refusePages(request);
    const body = await request.json();
    if (typeof body !== 'object' || body === null || typeof (body as { type?: unknown }).type !== 'string')
      throw new BadRequest(400, 'BadSyntax', 'Send one Bot Framework activity: a JSON object with a type.');
    if (appId === '') requirePrivate(request, body);
    await adapter.process(Object.assign(request.raw, { body }) as never, response as never, async (context) => {
      await options.run(context);
    });
  });
  return adapter;
}

function newAdapter(settings: Readonly<Record<string, string | undefined>>): CloudAdapter {
  const { CloudAdapter, ConfigurationBotFrameworkAuthentication } = sdk().botbuilder;
  return new CloudAdapter(new ConfigurationBotFrameworkAuthentication({ ...settings }));
}

/**
 * A page of any site in a browser on this network could post here, too, and have the bot's answers sent to its neighbours.
 * Browsers say so on every such call; bots' channels and the Emulator do not.
 */
function refusePages({ raw }: HttpRequest): void {
  if (raw.headers['origin'] === undefined && raw.headers['sec-fetch-site'] === undefined) return;
  throw new BadRequest(
    403,
    'Unauthenticated',
    'Web pages may not post here. Let them use Direct Line, under /v3/directline.',
  );
}

/** The nearest peer and everybody a proxy names must be close by; so must the place the answers go to. */
function requirePrivate({ raw }: HttpRequest, { serviceUrl }: { serviceUrl?: unknown }): void {
  const cure = 'Set MicrosoftAppId and MicrosoftAppPassword to serve Azure Bot Service.';
  const named = (raw.headers['x-forwarded-for'] ?? '')
    .toString()
    .split(',')
    .map((hop) => hop.trim());
  const peers = [raw.socket.remoteAddress ?? '', ...named.filter((hop) => hop !== '')];
  const forwarded = raw.headers['forwarded'] !== undefined;
  if (forwarded || !peers.every(isPrivate))
    throw new BadRequest(
      403,
      'Unauthenticated',
      `Without MicrosoftAppId only this machine and private networks may post here. ${cure}`,
    );
  if (typeof serviceUrl !== 'string' || !URL.canParse(serviceUrl) || !isPrivateHost(new URL(serviceUrl).hostname))
    throw new BadRequest(
      403,
      'Unauthenticated',
      `Without MicrosoftAppId answers go to loopback and private addresses only; serviceUrl is not one. ${cure}`,
    );
}
