// Direct Line on a real hub, a real store and a real port, for the tests of this folder.

import type { Duplex } from 'node:stream';
import { HttpServer, type HttpOptions } from '../../src/http.js';
import { serveDirectLine, type DirectLine, type DirectLineOptions } from '../../src/directline/server.js';
import { Tokens } from '../../src/hub/tokens.js';
import { openHub, SILENT, type FunctionBot, type TestHub } from '../fakes/hub.js';
import { request, type Answer, type Call } from '../fakes/request.js';
import { Widget, type WidgetOptions } from '../fakes/widget.js';

export const SECRET = 'the-secret-of-the-tests';

export interface Site extends TestHub {
  url: string;
  tokens: Tokens;
  directLine: DirectLine;
  http: HttpServer;
  /** One call under /v3/directline. */
  call(method: string, path: string, call?: Call): Promise<Answer>;
  /** A started conversation of this customer, without a socket. */
  start(user?: string): Promise<{ conversationId: string; token: string; streamUrl: string }>;
  widget(options?: Partial<WidgetOptions>): Promise<Widget>;
  /** Breaks every connection there is, sockets too, as a network that fails does. */
  cutConnections(): void;
  close(): Promise<void>;
}

export interface SiteOptions extends Partial<Omit<DirectLineOptions, 'tokens'>> {
  http?: Partial<HttpOptions>;
  bot?: FunctionBot;
  hub?: TestHub;
  /** More routes on the same port, before it opens. */
  routes?: (http: HttpServer) => void;
}

export async function openSite(options: SiteOptions = {}): Promise<Site> {
  const { http: httpOptions, bot, hub: given, routes, ...directLineOptions } = options;
  const testHub = given ?? (await openHub(bot === undefined ? {} : { bot }));
  const tokens = await Tokens.open(testHub.store, testHub.clock);
  const http = new HttpServer({ log: SILENT, ...httpOptions });
  let url = '';
  const directLine = serveDirectLine(http, testHub.hub, {
    secrets: [SECRET],
    tokens,
    publicUrl: () => url,
    workStream: 'web',
    widget: () => ({ title: 'Help', botName: 'Demo Bot' }),
    ...directLineOptions,
  });
  routes?.(http);
  url = (await http.listen(0, '127.0.0.1')).replace('localhost', '127.0.0.1');
  const widgets: Widget[] = [];
  const connections = new Set<Duplex>();
  http.node.on('connection', (connection: Duplex) => {
    connections.add(connection);
    connection.once('close', () => connections.delete(connection));
  });
  const call = (method: string, path: string, options: Call = {}) =>
    request(method, `${url}/v3/directline${path}`, { timeoutMs: 10_000, ...options });
  return {
    ...testHub,
    url,
    tokens,
    directLine,
    http,
    call,
    async start(user = 'dl_kim') {
      const answer = await call('POST', '/conversations', { token: SECRET, body: { user: { id: user } } });
      if (answer.status !== 201) throw new Error(`start answered ${answer.status}: ${JSON.stringify(answer.body)}`);
      await testHub.hub.settled();
      return answer.body as { conversationId: string; token: string; streamUrl: string };
    },
    async widget(options = {}) {
      const widget = await Widget.start({ url, secret: SECRET, ...options });
      widgets.push(widget);
      return widget;
    },
    cutConnections() {
      for (const connection of connections) connection.destroy();
    },
    async close() {
      for (const widget of widgets) await widget.close();
      await directLine.close();
      await http.close(500);
      await testHub.close();
    },
  };
}
