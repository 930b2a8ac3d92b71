// The ways of docs/connect-a-bot.md, each with the page's own settings: the program and a bot of the SDK in processes of their own.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HubIssuer } from '../../src/connector/trust/issuer.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { FakeEntra, TENANT } from '../fakes/entra.js';
import { RemoteSite, SECRET } from '../fakes/remoteSite.js';
import { makeCertificate, TlsFront, type Certificate } from '../fakes/tlsFront.js';

/** The app id of the page's examples. */
const APP = '00000000-0000-0000-0000-0000000000aa';

describe('a bot connected as docs/connect-a-bot.md says', function () {
  this.timeout(90_000);

  const ways = [
    'No authentication',
    'The hub as issuer',
    'The hub as issuer, client secret',
    'The hub as issuer, replies in the answer',
    'The legacy adapter, replies in the answer',
    'The hub as issuer, Agents SDK',
  ];
  for (const way of ways)
    it(`greets, answers, asks for a person and gets the customer back: ${way}`, async () => {
      const site = await RemoteSite.start({ way });
      try {
        await site.serveOneCustomer();
      } finally {
        await site.stop();
      }
    });

  it('is served by the demo as well', async () => {
    const site = await RemoteSite.start({ way: 'No authentication', flags: ['--demo'] });
    try {
      await site.serveOneCustomer();
    } finally {
      await site.stop();
    }
  });

  for (const [way, auth] of [
    ['The hub as issuer', { issuer: 'hub', style: 'channel', tenant: 'hub' }],
    ['The hub as issuer, Agents SDK', { issuer: 'hub', style: 'tenant', tenant: 'hub' }],
  ] as const)
    it(`takes nothing but what the hub has signed for it: ${way}`, async () => {
      const site = await RemoteSite.start({ way });
      const store = new SqliteStore({ directory: join(site.folder, 'data'), readOnly: true });
      const strangers = await mkdtemp(join(tmpdir(), 'handoff-stranger-'));
      const strange = new SqliteStore({ directory: strangers });
      try {
        // The keys are made when somebody first needs one.
        await (await site.startChat()).sees('Welcome');
        await store.open();
        await strange.open();
        const clock = { now: () => Date.now() };
        const { url } = site.hubFront;
        const hub = new HubIssuer(store, clock, () => url);
        const shown = await hub.tokenFor(APP, auth, `${url}/`);
        assert.equal(await site.callBot(shown), 200);
        const stranger = new HubIssuer(strange, clock, () => url);
        const elsewhere = new HubIssuer(store, clock, () => 'https://chat.example.net');
        const later = new HubIssuer(store, { now: () => Date.now() + 10 * 60_000 }, () => url);
        const before = new HubIssuer(store, { now: () => Date.now() - 70 * 60_000 }, () => url);
        const refused: Record<string, string | undefined> = {
          'no token': undefined,
          'a stranger’s key': await stranger.tokenFor(APP, auth, `${url}/`),
          'for another bot': await hub.tokenFor('00000000-0000-0000-0000-0000000000bb', auth, `${url}/`),
          'of the past': await before.tokenFor(APP, auth, `${url}/`),
          'of the future': await later.tokenFor(APP, auth, `${url}/`),
          'what the bot shows to the hub': await hub.tokenOf(APP, 'hub'),
        };
        if (auth.style === 'channel') {
          refused['of another issuer'] = await elsewhere.tokenOf(APP, 'hub');
          refused['for another serviceUrl'] = await hub.tokenFor(APP, auth, url);
        }
        for (const [what, token] of Object.entries(refused)) {
          // botbuilder itself fails over a token that is not valid yet.
          const expected = what === 'of the future' && auth.style === 'channel' ? 500 : 401;
          assert.equal(await site.callBot(token), expected, what);
        }
        assert.equal(await site.callBot(shown), 200, 'and the right one again');
      } finally {
        await store.close();
        await strange.close();
        await site.stop();
        await rm(strangers, { recursive: true, force: true });
      }
    });

  describe('with Microsoft Entra, played by a tenant on this machine,', () => {
    let folder: string;
    let entra: FakeEntra;
    let front: TlsFront;
    let certificate: Certificate;
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'handoff-entra-'));
      certificate = await makeCertificate(folder);
      entra = await FakeEntra.start();
      front = await TlsFront.start(certificate);
      front.port = entra.port;
      entra.publicUrl = front.url;
      entra.secrets.set(APP, SECRET);
    });
    after(async () => {
      await front.stop();
      await entra.stop();
      await rm(folder, { recursive: true, force: true });
    });

    /** The bot believes the tenant on this machine where it would believe Microsoft's. */
    const start = (edit: (text: string) => string, way = 'Microsoft Entra') =>
      RemoteSite.start({
        way,
        adapter: way === 'Microsoft Entra' ? 'The hub as issuer, client secret' : way,
        certificate,
        edit: (text) => edit(text.replace('issuer: entra', `issuer: entra\n      authority: ${front.url}`)),
        botEnv: {
          ToBotFromChannelOpenIdMetadataUrl: `${front.url}/unused`,
          ToBotFromChannelTokenIssuer: 'https://api.botframework.com',
          ToBotFromEmulatorOpenIdMetadataUrl: `${front.url}/${TENANT}/v2.0/.well-known/openid-configuration`,
          ToChannelFromBotLoginUrl: `${front.url}/${TENANT}`,
          ToChannelFromBotOAuthScope: 'https://api.botframework.com',
          OAuthUrl: front.url,
        },
      });

    it("serves a customer with the bot's own secret, and asks for few tokens", async () => {
      const site = await start((text) => text);
      try {
        await site.serveOneCustomer();
        const hubs = entra.asked.filter(({ scope }) => scope === `${APP}/.default`);
        assert.deepEqual(hubs, [{ clientId: APP, scope: `${APP}/.default`, by: 'secret' }]);
      } finally {
        await site.stop();
      }
    });

    it("serves a customer with the bot's own certificate", async () => {
      const pem = join(folder, 'shop.pem');
      await writeFile(pem, certificate.key + certificate.cert);
      entra.certificates.set(APP, certificate.cert);
      const site = await start((text) => text.replace("secret: '${SHOP_SECRET}'", `certificateFile: ${pem}`));
      try {
        await site.serveOneCustomer();
        assert.ok(entra.asked.some(({ by }) => by === 'certificate'));
      } finally {
        await site.stop();
      }
    });

    it('serves a customer as the host of a skill', async () => {
      const hubsApp = '00000000-0000-0000-0000-0000000000bb';
      entra.secrets.set(hubsApp, SECRET);
      const ofTheBot = '<the secret of the bot>';
      entra.secrets.set(APP, ofTheBot);
      const credentials = `new MsalServiceClientCredentialsFactory('${APP}', new ConfidentialClientApplication({ auth: {
        clientId: '${APP}', clientSecret: '${ofTheBot}', authority: '${front.url}/${TENANT}', knownAuthorities: ['${new URL(front.url).host}'] } }))`;
      const site = await start(
        (text) =>
          text
            .replace('process.env, undefined,', `process.env, ${credentials},`)
            .replace(
              'import { AuthenticationConfiguration,',
              `import { ConfidentialClientApplication } from '@azure/msal-node';\nimport { MsalServiceClientCredentialsFactory, AuthenticationConfiguration,`,
            ),
        "Microsoft Entra, as a skill's host",
      );
      try {
        await site.serveOneCustomer();
        assert.ok(entra.asked.some(({ clientId, scope }) => clientId === hubsApp && scope === `${APP}/.default`));
      } finally {
        entra.secrets.set(APP, SECRET);
        await site.stop();
      }
    });

    it('says what Entra says when the secret is wrong, and gives the customer to people', async () => {
      const site = await start((text) => text.replaceAll(SECRET, 'a-secret-that-has-expired'));
      try {
        entra.secrets.set(APP, 'another secret than before');
        const chat = await site.startChat();
        await chat.say('hello');
        await site.inPhase(chat, 'queued');
        assert.match(site.program.output(), /refuses a token to app .*AADSTS7000215: Invalid client secret provided/);
      } finally {
        entra.secrets.set(APP, SECRET);
        await site.stop();
      }
    });
  });
});
