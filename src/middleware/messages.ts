// /api/messages: the bot in this process, for the Emulator and Azure Bot Service, with the SDK's own authentication.

import type { CloudAdapter, TurnContext } from 'botbuilder';
import { BadRequest } from '../errors.js';
import type { HttpServer } from '../http.js';
import type { Hub } from '../hub/hub.js';
import { refusePages, requireNeighbour } from '../neighbours.js';
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
    if (appId === '') requireNeighbour(request, body, 'MicrosoftAppId');
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
