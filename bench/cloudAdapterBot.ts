/** An echo bot on botbuilder's CloudAdapter, as its samples have it: restify's body parser, no credentials, one activity back. */
import restify from 'restify';
import type { AddressInfo } from 'node:net';
import { sdk } from '../src/sdk.js';
import { announce } from './measured.js';

const { CloudAdapter, ConfigurationBotFrameworkAuthentication } = sdk().botbuilder;
const adapter = new CloudAdapter(new ConfigurationBotFrameworkAuthentication({}));

const server = restify.createServer();
server.use(restify.plugins.bodyParser());
server.post('/api/messages', async (request: restify.Request, response: restify.Response) => {
  await adapter.process(request, response, async (context) => {
    if (context.activity.type === 'message') await context.sendActivity(`Echo: ${context.activity.text}`);
  });
});
// As the product's: a connection must not be closed under a client that is about to use it.
server.server.keepAliveTimeout = 65_000;

server.listen(0, '127.0.0.1', () => {
  const { port } = server.server.address() as AddressInfo;
  announce({ url: `http://127.0.0.1:${port}/api/messages` }, () => server.server.closeAllConnections());
});
