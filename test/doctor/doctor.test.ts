// `handoff doctor`: against bots that are right, wrong, far off in time and not there, over real HTTP and TLS.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { examine, show, type DoctorOptions } from '../../src/doctor/doctor.js';
import type { Finding } from '../../src/doctor/calls.js';
import { createHub } from '../../src/createHub.js';
import { readConfiguration } from '../../src/config.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { AzureChannel, TENANT } from '../fakes/azureChannel.js';
import { handoff } from '../fakes/program.js';
import { makeCertificate, type Certificate } from '../fakes/tlsFront.js';

type Reply = (request: http.IncomingMessage, response: http.ServerResponse) => void;

class Server {
  readonly asked: { authorization: string | undefined; body: string }[] = [];
  private constructor(
    private readonly server: http.Server,
    private readonly origin: string,
  ) {}

  static async start(reply: Reply, tls?: Certificate): Promise<Server> {
    let started: Server | undefined = undefined;
    const listener: http.RequestListener = (request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        started?.asked.push({ authorization: request.headers.authorization, body });
        reply(request, response);
      });
    };
    const server = tls === undefined ? http.createServer(listener) : https.createServer(tls, listener);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    started = new Server(server, tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`);
    return started;
  }

  get endpoint(): string {
    return `${this.origin}/api/messages`;
  }
  get url(): string {
    return this.origin;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const answers =
  (status: number, body = '', headers: Record<string, string> = {}): Reply =>
  (_request, response) => {
    response.statusCode = status;
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.end(body);
  };

describe('handoff doctor', function () {
  this.timeout(30_000);
  const servers: Server[] = [];
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'handoff-doctor-'));
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function serve(reply: Reply, tls?: Certificate): Promise<Server> {
    const server = await Server.start(reply, tls);
    servers.push(server);
    return server;
  }
  const look = (bot: string, more: Partial<DoctorOptions> = {}) =>
    examine({ bot, env: {}, ownUrl: 'http://localhost:3978', now: () => Date.now(), ...more });
  const about = (findings: readonly Finding[], check: Finding['check']) =>
    findings.filter((one) => one.check === check).map(({ is, text }) => `${is}: ${text}`);
  const only = (findings: readonly Finding[], check: Finding['check']): string => {
    const found = about(findings, check);
    assert.equal(found.length, 1, `one finding about ${check}: ${JSON.stringify(findings)}`);
    return found[0] as string;
  };

  describe('on the endpoint', () => {
    it('tells that nothing listens, or that the name is unknown', async () => {
      assert.match(only(await look('http://127.0.0.1:9/api/messages'), 'endpoint'), /^wrong: Nothing listens/);
      assert.match(only(await look('https://bot.invalid/api/messages'), 'endpoint'), /^wrong: The name bot.invalid/);
    });

    it('sends a bot nothing that it could answer, and no token', async () => {
      const bot = await serve(answers(200));
      await look(bot.endpoint);
      assert.equal(bot.asked.length, 1);
      assert.equal(bot.asked[0]?.authorization, undefined);
      assert.equal((JSON.parse(bot.asked[0]?.body ?? '') as { type: string }).type, 'handoff.doctor');
    });

    const cases: [what: string, reply: Reply, appId: string | undefined, said: RegExp][] = [
      ['asks for a token', answers(401), 'app', /^right: .*it authenticates/],
      ['asks for a token, while nobody named its app', answers(403), undefined, /^doubtful: .*Tell the hub which/],
      ['takes everybody', answers(200), undefined, /^right: .*it has no app id/],
      ['takes everybody, although it has an app', answers(202), 'app', /^wrong: .*Leave appId out/],
      ['is not at this path', answers(404), undefined, /^wrong: There is no bot at \/api\/messages/],
      ['takes no POST', answers(405), undefined, /^wrong: There is no bot/],
      ['is a web page', answers(200, '<html>', { 'content-type': 'text/html' }), undefined, /a web page/],
      [
        'is somewhere else',
        answers(302, '', { location: 'https://x.example/' }),
        undefined,
        /leads on to https:\/\/x\.ex/,
      ],
      ['fails', answers(500), undefined, /^doubtful: The bot answers 500/],
      ['is busy', answers(429), undefined, /^doubtful: The bot answers 429/],
    ];
    for (const [what, reply, appId, said] of cases)
      it(`knows a bot that ${what}`, async () => {
        const bot = await serve(reply);
        const findings = await look(
          bot.endpoint,
          appId === undefined ? {} : { appId, authority: 'http://127.0.0.1:9' },
        );
        assert.match(only(findings, 'answer'), said);
      });

    it('compares clocks', async () => {
      const bot = await serve(answers(401));
      const off = async (ms: number) => only(await look(bot.endpoint, { now: () => Date.now() + ms }), 'clock');
      assert.match(await off(0), /^right:/);
      assert.match(await off(120_000), /^doubtful: .*1[12]\d s apart/);
      assert.match(await off(-600_000), /^wrong: .*time server/);
    });

    it('tells a certificate that nobody trusts, and shows its owner no secret', async () => {
      const bot = await serve(answers(401), await makeCertificate(folder));
      const findings = await look(bot.endpoint);
      assert.match(only(findings, 'certificate'), /^wrong: .*is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\)/);
      assert.ok(bot.asked.every(({ authorization }) => authorization === undefined));
    });

    it('tells a server without TLS where https was written', async () => {
      const bot = await serve(answers(401));
      const findings = await look(bot.endpoint.replace('http:', 'https:'));
      assert.match(only(findings, 'endpoint'), /^wrong: .*(?:does not speak TLS|was not reached)/);
    });
  });

  describe('on this server', () => {
    it('tells that PUBLIC_URL is missing, wrong, private or not this server', async () => {
      const bot = await serve(answers(401));
      assert.match(
        only(await look('http://bot.localdomain.invalid/api/messages'), 'publicUrl'),
        /^wrong: PUBLIC_URL is not set/,
      );
      assert.match(only(await look(bot.endpoint, { publicUrl: 'http://127.0.0.1:9' }), 'publicUrl'), /was not reached/);
      const other = await serve(answers(200, '<html>'));
      assert.match(only(await look(bot.endpoint, { publicUrl: other.url }), 'publicUrl'), /is not this server/);
      const far = about(await look('https://bot.invalid/api/messages', { publicUrl: other.url }), 'publicUrl');
      assert.match(far[0] ?? '', /cannot answer to .* which is a private address/);
    });

    it('asks for no PUBLIC_URL where the bot runs on this machine', async () => {
      const bot = await serve(answers(401));
      for (const host of ['127.0.0.1', 'localhost', '[::1]']) {
        const findings = await look(bot.endpoint.replace('127.0.0.1', host));
        assert.match(only(findings, 'publicUrl'), /^right: The bot is told to answer to http:.*from this machine/);
      }
    });

    it('finds its own server right, WebSockets included', async () => {
      const configuration = readConfiguration(
        'workStreams: [{ id: web, fallbackQueue: q }]\nqueues: [{ id: q, members: [] }]',
      );
      const hub = createHub({ store: new SqliteStore({ directory: folder }), configuration });
      const publicUrl = await hub.listen({ port: 0, host: '127.0.0.1', agentMessages: false });
      const bot = await serve(answers(401));
      try {
        const findings = await look(bot.endpoint, { publicUrl: publicUrl.replace('localhost', '127.0.0.1') });
        assert.match(only(findings, 'publicUrl'), /^right:/);
        assert.match(only(findings, 'webSocket'), /^right:/);
      } finally {
        await hub.stop();
      }
    });

    it('tells that something on the way drops WebSockets', async () => {
      const proxy = await serve((request, response) =>
        answers(request.url === '/healthz' ? 200 : 404, request.url === '/healthz' ? '{"status":"ok"}' : '{}')(
          request,
          response,
        ),
      );
      const bot = await serve(answers(401));
      const findings = await look(bot.endpoint, { publicUrl: proxy.url });
      assert.match(only(findings, 'webSocket'), /^wrong: .*drops WebSockets/);
      assert.match(show(findings), /proxy_set_header Upgrade/);
    });
  });

  describe('on Microsoft Entra', () => {
    it('tells that Entra is not reached, and what would do without it', async () => {
      const bot = await serve(answers(401));
      const findings = await look(bot.endpoint, { appId: 'app', authority: 'http://127.0.0.1:9' });
      assert.match(only(findings, 'tenant'), /^doubtful: .*was not reached \(ECONNREFUSED\)/);
      assert.match(show(findings), /issuer: hub/);
    });

    it('checks tenant, tokens and whether the bot takes them, as a command with an exit code', async () => {
      const certificate = await makeCertificate(folder);
      const azure = await AzureChannel.start(certificate);
      azure.secret = 'right';
      const bot = await serve(
        (request, response) => answers(request.headers.authorization === undefined ? 401 : 200)(request, response),
        certificate,
      );
      const run = (tenant: string, secret: string) =>
        handoff(
          ['doctor', '--bot', bot.endpoint, '--app-id', 'app', '--tenant', tenant, '--secret', 'SHOP', '--json'].concat(
            ['--authority', azure.origin],
          ),
          { SHOP: secret, NODE_EXTRA_CA_CERTS: certificate.file, PUBLIC_URL: '' },
        );
      const findingsOf = (out: string) => (JSON.parse(out) as { findings: Finding[] }).findings;
      try {
        const right = await run(TENANT, 'right');
        const checks = findingsOf(right.out).map(({ check, is }) => `${check} ${is}`);
        assert.deepEqual(checks, [
          'endpoint right',
          'certificate right',
          'answer right',
          'clock right',
          'tenant right',
          'clock right',
          'token right',
          'trust right',
          'publicUrl right',
        ]);
        assert.equal(right.code, 0);
        assert.ok(!right.out.includes('"right"}') && !right.out.includes('eyJ'), 'neither secret nor token is shown');
        const badSecret = await run(TENANT, 'wrong');
        assert.match(only(findingsOf(badSecret.out), 'token'), /^wrong: .*AADSTS7000215/);
        assert.equal(badSecret.code, 1);
        const badTenant = await run('nowhere.example', 'right');
        assert.match(
          only(findingsOf(badTenant.out), 'tenant'),
          /^wrong: Microsoft Entra knows no tenant "nowhere.example"/,
        );
      } finally {
        await azure.stop();
      }
    });

    it('asks for the name of a variable, not for a secret', async () => {
      const { code, err } = await handoff(['doctor', '--bot', 'http://127.0.0.1:9/', '--secret', 'hunter2']);
      assert.deepEqual([code, /no such variable is set/.test(err), err.includes('hunter2')], [1, true, false]);
      assert.match((await handoff(['doctor'])).err, /Name the bot/);
    });
  });
});
