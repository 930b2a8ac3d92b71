// `handoff doctor` on bots that have the hub as issuer: a real hub signs, and bots check as the SDKs do, over real HTTP.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { checkConfiguration } from '../../src/config.js';
import { withConfiguredBot } from '../../src/doctor/configuredBot.js';
import { createHub, type HandoffHub } from '../../src/createHub.js';
import { examine } from '../../src/doctor/doctor.js';
import type { Finding } from '../../src/doctor/calls.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';

const APP = '00000000-0000-0000-0000-0000000000aa';
const MINUTE_MS = 60_000;

/** What a bot believes, and what time it takes it to be. */
interface Beliefs {
  issuer: string;
  metadata: string;
  appId?: string;
  clockOffMs?: number;
  onlyServiceUrl?: RegExp;
}

describe('handoff doctor, on a bot that has the hub as issuer', function () {
  this.timeout(30_000);
  let hub: HandoffHub;
  let data: string;
  let url: string;
  let bot: http.Server;
  let endpoint: string;
  let beliefs: Beliefs;

  async function believes(request: http.IncomingMessage, body: string): Promise<boolean> {
    const token = request.headers.authorization?.replace(/^Bearer /, '') ?? '';
    const { issuer, metadata, appId = APP, clockOffMs = 0, onlyServiceUrl = /^/ } = beliefs;
    try {
      const document = (await (await fetch(metadata)).json()) as { jwks_uri: string };
      const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(document.jwks_uri)), {
        issuer,
        audience: appId,
        currentDate: new Date(Date.now() + clockOffMs),
        clockTolerance: 300,
      });
      const { serviceUrl } = JSON.parse(body) as { serviceUrl: string };
      return payload['serviceurl'] === serviceUrl && onlyServiceUrl.test(serviceUrl);
    } catch {
      return false;
    }
  }

  beforeEach(async () => {
    bot = http.createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        void believes(request, body).then((isBelieved) => {
          response.setHeader('date', new Date(Date.now() + (beliefs.clockOffMs ?? 0)).toUTCString());
          response.setHeader('connection', 'close');
          response.statusCode = isBelieved ? 200 : 401;
          response.end();
        });
      });
    });
    await new Promise<void>((resolve) => bot.listen(0, '127.0.0.1', resolve));
    endpoint = `http://127.0.0.1:${(bot.address() as AddressInfo).port}/api/messages`;
    data = await mkdtemp(join(tmpdir(), 'handoff-doctor-'));
  });
  afterEach(async () => {
    await hub.stop();
    bot.closeAllConnections();
    await new Promise((resolve) => bot.close(resolve));
    await rm(data, { recursive: true, force: true });
  });

  async function openHub(style: 'channel' | 'tenant'): Promise<void> {
    const configuration = checkConfiguration({
      bots: [{ id: 'shop', endpoint, appId: APP, auth: { issuer: 'hub', style }, delivery: 'expectReplies' }],
      queues: [{ id: 'Desk', members: ['shop'] }],
      workStreams: [{ id: 'web', fallbackQueue: 'Desk' }],
    });
    hub = createHub({ store: new SqliteStore({ directory: data }), configuration });
    url = await hub.listen({ port: 0, agentMessages: false });
    beliefs =
      style === 'channel'
        ? { issuer: 'https://api.botframework.com', metadata: `${url}/v1/.well-known/openidconfiguration` }
        : { issuer: `${url}/hub/v2.0`, metadata: `${url}/hub/v2.0/.well-known/openid-configuration` };
  }

  /** Each check once, but for the server's own. */
  async function examined(origin = url, at = endpoint): Promise<Record<string, string>> {
    const findings = await withConfiguredBot(at, data, origin, (configured) =>
      examine({
        bot: at,
        env: {},
        ownUrl: origin,
        now: () => Date.now(),
        publicUrl: origin,
        // Nobody is there: a bot that trusts the hub needs no Entra.
        authority: 'http://127.0.0.1:9',
        ...(configured === undefined ? {} : { hub: configured }),
      }),
    );
    return Object.fromEntries(findings.map(({ check, is, text }: Finding) => [check, `${is}: ${text}`]));
  }

  for (const style of ['channel', 'tenant'] as const)
    describe(`that signs as a ${style}`, () => {
      beforeEach(() => openHub(style));

      it('finds everything right, without Microsoft Entra', async () => {
        const found = await examined();
        assert.match(found['keys'] ?? '', /^right: /);
        assert.match(found['trust'] ?? '', /^right: The bot takes what this hub signs/);
        assert.deepEqual([found['tenant'], found['token']], [undefined, undefined]);
        assert.match(found['answer'] ?? '', /^right: /);
      });

      it('tells a bot that does not trust this hub, or is another app', async () => {
        for (const other of [{ issuer: 'https://elsewhere.example' }, { appId: 'another' }]) {
          Object.assign(beliefs, other);
          assert.match((await examined())['trust'] ?? '', /^wrong: .* 401 .*it does not trust the issuer/);
        }
      });

      it('tells that the clocks are too far apart', async () => {
        beliefs.clockOffMs = -10 * MINUTE_MS;
        assert.match((await examined())['trust'] ?? '', /^wrong: .*the clocks are (?:599|60\d) s apart/);
      });

      it('tells that the bot wants another serviceUrl than the hub names', async () => {
        beliefs.onlyServiceUrl = /elsewhere/;
        assert.match((await examined())['trust'] ?? '', /^wrong: .*for another serviceUrl, but not for http/);
      });
    });

  it('tells a bot that takes the hub for the other kind of issuer', async () => {
    await openHub('channel');
    beliefs = { issuer: `${url}/hub/v2.0`, metadata: `${url}/hub/v2.0/.well-known/openid-configuration` };
    assert.match((await examined())['trust'] ?? '', /^wrong: .*takes the hub for its tenant, not for its channel/);
  });

  it('tells that the keys are not reached under PUBLIC_URL', async () => {
    await openHub('channel');
    await hub.signingKeys.published();
    beliefs.metadata = 'http://127.0.0.1:9/';
    const found = await examined('http://127.0.0.1:9');
    assert.match(found['keys'] ?? '', /^wrong: .*not reached at http:\/\/127\.0\.0\.1:9/);
    assert.match(found['trust'] ?? '', /^wrong: .*cannot read the keys/);
  });

  it('leaves a bot that is not configured as it was', async () => {
    await openHub('channel');
    const found = await examined(url, endpoint.replace('/api/messages', '/other'));
    assert.deepEqual([found['keys'], found['trust']], [undefined, undefined]);
  });
});
