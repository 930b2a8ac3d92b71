// A person in Teams with authentication on: a channel that signs its tokens and takes only the bot's, which Entra gives out.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloudAdapter, ConfigurationBotFrameworkAuthentication } from 'botbuilder';
import type { ServiceClientCredentialsFactory } from 'botframework-connector';
import { readConfiguration } from '../../src/config.js';
import { createHub, type HandoffHub } from '../../src/createHub.js';
import type { Activity } from '../../src/core/activity.js';
import { connectDemoBot } from '../../src/demoBot.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { AzureChannel, TENANT } from '../fakes/azureChannel.js';
import { cardOf, wordsOf } from '../fakes/chatClient.js';
import { request } from '../fakes/request.js';
import { Widget } from '../fakes/widget.js';

const SECRET = 'the-client-secret-of-the-app';

describe('a person in Teams', function () {
  this.timeout(60_000);

  let directory: string;
  let teams: AzureChannel;
  let hub: HandoffHub;
  let url: string;
  let kim: Widget | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'handoff-teams-'));
    teams = await AzureChannel.start();
    teams.secret = SECRET;
    teams.authenticates = true;
    const settings = {
      MicrosoftAppId: teams.appId,
      ...teams.settings,
      ToBotFromChannelTokenIssuer: 'https://api.botframework.com',
      ToBotFromEmulatorOpenIdMetadataUrl: `${teams.origin}/v1/.well-known/openidconfiguration`,
      ToChannelFromBotLoginUrl: `${teams.origin}/${TENANT}`,
      ToChannelFromBotOAuthScope: 'https://api.botframework.com',
      OAuthUrl: 'https://api.botframework.com',
    };
    const authentication = new ConfigurationBotFrameworkAuthentication(settings, credentials());
    hub = createHub({
      store: new SqliteStore({ directory }),
      configuration: readConfiguration(await readFile('handoff.yaml', 'utf8')),
    });
    connectDemoBot(hub, 'demo');
    const adapter = new CloudAdapter(authentication);
    const agentMessages = { settings: { AGENT_MicrosoftAppId: teams.appId }, adapter };
    url = (await hub.listen({ port: 0, host: '127.0.0.1', agentMessages })).replace('localhost', '127.0.0.1');
    teams.endpoint = `${url}/api/agent-messages`;
  });

  afterEach(async () => {
    await kim?.close();
    await hub.stop();
    await teams.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /** The app's credentials: Entra gives its tokens here, as MSAL gets them where it may be asked. */
  function credentials(): ServiceClientCredentialsFactory {
    const getToken = async () => {
      const form = new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: teams.appId,
        client_secret: SECRET,
        scope: 'https://api.botframework.com/.default',
      });
      const { body } = await request('POST', `${teams.origin}/${TENANT}/oauth2/v2.0/token`, { body: form.toString() });
      return (body as { access_token: string }).access_token;
    };
    const signRequest = async (call: { headers: { set(name: string, value: string): void } }) => {
      call.headers.set('authorization', `Bearer ${await getToken()}`);
      return call;
    };
    return {
      isValidAppId: (appId: string) => Promise.resolve(appId === teams.appId),
      isAuthenticationDisabled: () => Promise.resolve(false),
      createCredentials: () => Promise.resolve({ appId: teams.appId, getToken, signRequest }),
    } as unknown as ServiceClientCredentialsFactory;
  }

  /** The words of what came to Ana, waited for. */
  async function reads(wanted: RegExp): Promise<string> {
    for (let tries = 0; tries < 400; tries += 1) {
      const found = teams.delivered.map(({ activity }) => wordsOf(activity)).find((words) => wanted.test(words));
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    assert.fail(
      `Ana did not read ${wanted}: ${JSON.stringify(teams.delivered.map(({ activity }) => wordsOf(activity)))}`,
    );
  }
  const ana = { customer: 'ana' };

  it('is heard with tokens of the channel only, answered with the bot’s, and serves a customer with a file', async () => {
    const code = await hub.createPairingCode('ana');
    // The SDK prints what it does not believe.
    const { error } = console;
    console.error = () => undefined;
    try {
      assert.equal((await teams.post(`sign in ${code}`, { ...ana, token: 'forged' })).status, 401);
      const other = await teams.token(
        { serviceUrl: teams.serviceUrl },
        { aud: '00000000-0000-0000-0000-00000000dead' },
      );
      assert.equal((await teams.post(`sign in ${code}`, { ...ana, token: other })).status, 401);
    } finally {
      console.error = error;
    }
    assert.equal(teams.delivered.length, 0);

    assert.equal((await teams.post(`sign in ${code}`, ana)).status, 200);
    await reads(/^Hello Ana/);
    kim = await Widget.start({
      url,
      secret: await hub.store.secret('directLineSecret', () => ''),
      user: { id: 'dl_kim', name: 'Kim' },
    });
    await kim.say('human CreditCard');
    // Nobody asked for this one: it is sent with a token of the bot's own.
    await reads(/Request #1 from/);
    const [offer] = teams.delivered.filter(({ activity }) => wordsOf(activity).includes('Request #1'));
    const [accept] = (cardOf(offer?.activity as Activity)?.['actions'] ?? []) as { data: unknown }[];
    await teams.post({ type: 'message', text: '', value: accept?.data }, ana);
    await reads(/what was said before/);
    assert.ok(
      teams.delivered.some(({ method, activity }) => method === 'PUT' && /You have it since/.test(wordsOf(activity))),
    );

    // Pictures in Teams can be had with the bot's token only.
    const picture = '/v3/attachments/7/views/original';
    teams.answers.set(`GET ${picture}`, { status: 200, body: Buffer.from('PNG'), type: 'image/png' });
    await teams.post(
      {
        type: 'message',
        text: 'look',
        attachments: [
          { contentType: 'image/*', contentUrl: `${teams.serviceUrl.replace(/\/$/, '')}${picture}`, name: 'map.png' },
          { contentType: 'text/html', content: '<p>look</p>' },
        ],
      },
      ana,
    );
    const shown = await kim.next('look');
    assert.deepEqual(
      shown.attachments?.map(({ contentType, name }) => [contentType, name]),
      [['image/png', 'map.png']],
    );
    await kim.say('thank you');
    assert.equal(await reads(/thank you/), `#1 Kim: thank you`);

    // The same user id under another directory identity is somebody else.
    const stranger = {
      ...teams.activity('list', 'ana'),
      from: { id: '29:ana', name: 'ana', aadObjectId: 'aad-mallory' },
    };
    await teams.post(stranger, ana);
    await reads(/You are not signed in here/);
  });
});
