// The connector and Direct Line on a real hub and a real port, with bots that live behind an endpoint.

import { readFile } from 'node:fs/promises';
import { readConfiguration, type Configuration } from '../../src/config.js';
import { PrivateCallers } from '../../src/connector/callers.js';
import { serveConnector, type Connector, type ConnectorOptions } from '../../src/connector/server.js';
import type { HttpServer } from '../../src/http.js';
import { Attachments } from '../../src/hub/attachments.js';
import { openSite, type Site } from '../directline/site.js';
import { openHub, type TestHub } from '../fakes/hub.js';
import { request, type Answer, type Call } from '../fakes/request.js';

export interface ConnectorSite extends Site {
  /** One call of a bot under /v3. */
  bots(method: string, path: string, body?: unknown, call?: Call): Promise<Answer>;
}

export interface ConnectorSiteOptions extends Partial<ConnectorOptions> {
  configuration?: Configuration;
  /** One that is there already, as after a restart. */
  hub?: TestHub;
  /** More routes on the same port, before it opens. */
  routes?: (http: HttpServer) => void;
}

/** The demo's configuration, but its bot, and a second one in no queue, are called over HTTP. */
export async function remoteBots(): Promise<Configuration> {
  const yaml = (await readFile('handoff.yaml', 'utf8')).replace(/^bots:\n(?: +.*\n)+/m, '');
  return readConfiguration(`bots:
  - { id: demo, name: Demo Bot, endpoint: 'http://127.0.0.1:9/api/messages', auth: none }
  - { id: other, name: Other Bot, endpoint: 'http://127.0.0.1:9/api/messages', auth: none }
${yaml}`);
}

export async function openConnector(options: ConnectorSiteOptions = {}): Promise<ConnectorSite> {
  const { callers, configuration = await remoteBots(), hub: given, routes, ...rest } = options;
  const testHub = given ?? (await openHub({ configuration }));
  const { hub, store, clock } = testHub;
  const attachments = new Attachments(store, clock);
  let url = '';
  let connector: Connector | undefined;
  const site = await openSite({
    hub: testHub,
    attachments,
    filesElsewhere: (request) => connector?.fileElsewhere(request) ?? Promise.resolve(undefined),
    routes: (http) => {
      routes?.(http);
      connector = serveConnector(http, hub, {
        callers: callers ?? new PrivateCallers(hub, () => url),
        attachments,
        workStream: 'web',
        ...rest,
      });
    },
  });
  url = site.url;
  hub.serviceUrl = `${url}/`;
  return {
    ...site,
    bots: (method, path, body, call) =>
      request(method, `${url}/v3${path}`, { timeoutMs: 10_000, ...(body === undefined ? {} : { body }), ...call }),
  };
}
