// The relay as docs/relay.md says, for real: program, bot (CloudAdapter) and Azure in processes and ports of their own, over TLS, with tokens.

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { AzureChannel, TENANT } from '../fakes/azureChannel.js';
import { call, handoff, startProgram, type Answer, type Program } from '../fakes/program.js';
import { makeCertificate, TlsFront } from '../fakes/tlsFront.js';

const SECRET = 'the-client-secret-of-the-app';

const REST_OF_CONFIGURATION = `
queues:
  - { id: Orders, members: [ana] }
workStreams:
  - { id: teams, fallbackQueue: Orders }
people:
  - { id: ana, name: Ana, capacity: 3 }
`;

describe('a bot on Azure whose messaging endpoint is the program', function () {
  // Two processes load the SDK: several seconds on a busy machine.
  this.timeout(120_000);

  let folder: string;
  let channel: AzureChannel;
  let hubFront: TlsFront;
  let botFront: TlsFront;
  let bot: ChildProcess;
  let program: Program;
  let ana: string;
  const data = () => join(folder, 'data');

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'handoff-relayed-'));
    const certificate = await makeCertificate(folder);
    [hubFront, botFront] = [await TlsFront.start(certificate), await TlsFront.start(certificate)];
    channel = await AzureChannel.start(certificate);
    channel.secret = SECRET;
    channel.authenticates = true;
    const trusting = { NODE_EXTRA_CA_CERTS: certificate.file };
    bot = await startBot({
      ...trusting,
      MicrosoftAppType: 'SingleTenant',
      MicrosoftAppId: channel.appId,
      MicrosoftAppPassword: SECRET,
      MicrosoftAppTenantId: TENANT,
      ENTRA: `${channel.origin}/${TENANT}`,
      // Where the SDK would ask Microsoft, it asks here.
      ...channel.settings,
      ToBotFromChannelTokenIssuer: 'https://api.botframework.com',
      ToBotFromEmulatorOpenIdMetadataUrl: `${channel.origin}/${TENANT}/v2.0/.well-known/openid-configuration`,
      ToChannelFromBotLoginUrl: `${channel.origin}/${TENANT}`,
      ToChannelFromBotOAuthScope: 'https://api.botframework.com',
      OAuthUrl: 'https://api.botframework.com',
    });
    const file = join(folder, 'handoff.yaml');
    await writeFile(file, `${await documented()}${REST_OF_CONFIGURATION}`);
    program = await startProgram(data(), ['--config', file, '--port', '0'], {
      ...trusting,
      ...channel.settings,
      HOST: '127.0.0.1',
      PUBLIC_URL: hubFront.url,
      SHOP_SECRET: SECRET,
      LOG_LEVEL: 'warn',
    });
    hubFront.port = Number(new URL(program.url).port);
    channel.endpoint = `${hubFront.url}/api/messages/shop`;
    ana = (await handoff(['token', 'ana', '--data', data()])).out;
  });

  afterEach(async () => {
    await program?.stop();
    if (bot !== undefined && bot.exitCode === null) {
      bot.kill('SIGKILL');
      await once(bot, 'close');
    }
    await channel.stop();
    await hubFront.stop();
    await botFront.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** The bots of docs/relay.md, with the addresses and ids of this machine. */
  async function documented(): Promise<string> {
    const page = await readFile('docs/relay.md', 'utf8');
    const block = /```yaml\n([\s\S]*?)```/.exec(page)?.[1]?.replace(/^ {3}/gm, '');
    assert.ok(block !== undefined);
    return block
      .replace('https://shop.example.com', botFront.url)
      .replace('00000000-0000-0000-0000-0000000000aa', channel.appId)
      .replace('contoso-tenant-id', TENANT)
      .replace("secret: '${SHOP_SECRET}' }", `secret: '\${SHOP_SECRET}', authority: '${channel.origin}' }`);
  }

  async function startBot(env: Record<string, string>): Promise<ChildProcess> {
    const child = spawn(process.execPath, ['--no-warnings', 'build/test/fakes/azureBot.js'], {
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    botFront.port = await new Promise<number>((resolve, reject) => {
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        const found = /listens on (\d+)/.exec(output)?.[1];
        if (found !== undefined) resolve(Number(found));
      });
      child.once('exit', (code) => reject(new Error(`the bot ended with ${code}:\n${output}`)));
    });
    return child;
  }

  const asAna = (method: string, path: string, body?: unknown): Promise<Answer> =>
    call(method, `${program.url}/api/v1${path}`, ana, body ?? (method === 'POST' ? {} : undefined));

  async function until<T>(look: () => Promise<T | undefined>, what: string): Promise<T> {
    for (let tries = 0; tries < 400; tries += 1) {
      const found = await look();
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return assert.fail(`${what} did not come to pass\n${program.output()}`);
  }

  async function conversationOf(customer: string, phase: string): Promise<string> {
    return until(async () => {
      const { body } = await asAna('GET', `/conversations?customer=${encodeURIComponent(`29:${customer}`)}`);
      const [newest] = (body as unknown as { items: { id: string; phase: string }[] }).items;
      return newest?.phase === phase ? newest.id : undefined;
    }, `${customer}'s conversation being ${phase}`);
  }

  it('serves its channel as before, and a person can take over', async () => {
    // Each side sees a token it trusts, and the bot's own token reaches the channel.
    const { status, body } = await channel.post('hello');
    assert.equal(status, 200, JSON.stringify(body));
    const { token, activity } = await channel.next('Echo: hello', 20_000);
    const { aud, appid } = decodeJwt(token ?? '');
    assert.deepEqual([aud, appid], ['https://api.botframework.com', channel.appId]);
    assert.equal(activity.serviceUrl, channel.serviceUrl);

    const customer = 'lee';
    await channel.post('hello', { customer });
    await channel.next('Echo: hello', 20_000);
    await asAna('PUT', '/me/presence', { presence: 'available' });
    await channel.post('human', { customer });
    await channel.next('One moment', 20_000);
    const id = await conversationOf(customer, 'offered');
    assert.equal((await asAna('POST', `/conversations/${id}/accept`)).status, 200);
    await channel.next('Ana joined the conversation.', 20_000);
    await channel.post('only for Ana', { customer });
    await asAna('POST', `/conversations/${id}/messages`, { type: 'message', text: 'Ana here' });
    const spoken = await channel.next('Ana here', 20_000);
    assert.equal(decodeJwt(spoken.token ?? '')['appid'], channel.appId);
    assert.deepEqual([spoken.activity.from?.name, spoken.activity.conversation?.id], ['Ana', 'a:lee']);
    await asAna('POST', `/conversations/${id}/return`);
    await channel.post('thanks', { customer });
    await channel.next('Echo: thanks', 20_000);
    assert.ok(!channel.texts.includes('Echo: only for Ana'));
    const heard = JSON.stringify((await asAna('GET', `/conversations/${id}/log`)).body);
    assert.ok(heard.includes('only for Ana'));

    // What only the channel knows is asked of the channel, in the name of the bot.
    channel.answers.set('GET /v3/conversations/a%3Akim/members/29%3Akim', {
      status: 200,
      body: { id: '29:kim', name: 'Kim', email: 'kim@contoso.example', aadObjectId: 'aad-kim' },
    });
    await channel.post('who');
    await channel.next('You are Kim (kim@contoso.example)', 20_000);

    // Updates, and what the bot says by itself.
    await channel.post('work');
    const working = await channel.next('Working', 20_000);
    const { method, url } = await channel.next('Done', 20_000);
    assert.deepEqual([method, url], ['PUT', `/v3/conversations/a%3Akim/activities/${working.id}`]);
    await channel.post('remind');
    await channel.next('Reminder', 20_000);

    const invoked = await channel.post({ type: 'invoke', name: 'task/fetch', value: {} });
    assert.deepEqual([invoked.status, invoked.body], [200, { task: { type: 'message', value: 'from the bot' } }]);

    // Files come with the bot's token, so that people can see them.
    const png = Buffer.from('89504e470d0a1a0a', 'hex');
    channel.answers.set('GET /v3/attachments/9/views/original', { status: 200, body: png, type: 'image/png' });
    const contentUrl = `${channel.serviceUrl}v3/attachments/9/views/original`;
    const attachments = [{ contentType: 'image/*', contentUrl }];
    await channel.post({ type: 'message', text: 'look', attachments });
    await channel.next(`Echo: look (${contentUrl})`, 20_000);
    const fetched = channel.calls.find((one) => one.url === '/v3/attachments/9/views/original');
    assert.equal(decodeJwt(fetched?.token ?? '')['appid'], channel.appId);
    await channel.post('human');
    const kims = await conversationOf('kim', 'offered');
    const log = JSON.stringify((await asAna('GET', `/conversations/${kims}/log`)).body);
    assert.match(log, new RegExp(`${hubFront.url}/v3/attachments/[\\w-]+/views/original`));
  });

  it('lets nobody else in: neither as a channel nor as the bot', async () => {
    const activity = channel.activity('hello');
    const attempts = [
      { aud: '00000000-0000-0000-0000-00000000dead' },
      { serviceurl: 'https://evil.example/' },
      { iss: `https://sts.windows.net/${TENANT}/`, ver: '1.0', appid: channel.appId },
    ];
    for (const claims of attempts)
      assert.equal((await channel.post('hello', { token: await channel.token(activity, claims) })).status, 401);
    assert.equal((await channel.post('hello', { token: '' })).status, 401);

    await channel.post('hello');
    await channel.next('Echo: hello', 20_000);
    const url = `${program.url}/v3/conversations/${encodeURIComponent('a:kim')}/activities`;
    const body = { type: 'message', text: 'injected' };
    assert.equal((await call('POST', url, undefined, body)).status, 401);
    const other = await channel.token({}, { iss: `https://sts.windows.net/${TENANT}/`, appid: 'other', ver: '1.0' });
    assert.ok([401, 403].includes((await call('POST', url, other, body)).status));
    assert.ok(!channel.texts.includes('injected'));
  });
});
