// Two Emulators, as docs/test-with-the-emulator.md has it: a customer at one, a person at the other, and bots here or elsewhere.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfiguration, type Configuration } from '../../src/config.js';
import { createHub, type HandoffHub } from '../../src/createHub.js';
import { connectDemoBot, DemoBot } from '../../src/demoBot.js';
import type { HttpServer } from '../../src/http.js';
import { serveMessages } from '../../src/middleware/messages.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { ChatClient } from '../fakes/chatClient.js';
import { HttpBot, type Script } from '../fakes/httpBot.js';

/** Escalates on `human` as a bot of any SDK does, and echoes everything else. */
const shopBot: Script = async ({ activity, reply }) => {
  if (activity.type === 'conversationUpdate') await reply('Welcome to the shop');
  if (activity.type !== 'message') return;
  if (!/^human/.test(activity.text ?? '')) await reply(`Shop: ${activity.text}`);
  else await reply({ type: 'event', name: 'handoff.initiate', value: { BotHandoffTopic: 'CreditCard' } });
};

describe('testing with two Emulators', function () {
  // The SDK is loaded first: 2 s on a busy machine.
  this.timeout(30_000);
  let directory: string;
  let hub: HandoffHub;
  let url: string;
  let shop: HttpBot;
  let clients: ChatClient[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'handoff-test-'));
    shop = await HttpBot.start(shopBot);
    clients = [];
  });
  afterEach(async () => {
    await hub.stop();
    await Promise.all(clients.map((client) => client.stop()));
    await shop.stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function listen(configuration: Configuration): Promise<void> {
    hub = createHub({ store: new SqliteStore({ directory }), configuration });
    const bot = new DemoBot();
    const inProcess = Object.values(hub.directory.bots).some(({ transport }) => transport.kind === 'inProcess');
    if (inProcess) connectDemoBot(hub, 'demo');
    const routes = (http: HttpServer) =>
      void (inProcess && serveMessages(http, hub, { botId: 'demo', settings: {}, run: (context) => bot.run(context) }));
    url = await hub.listen({ port: 0, host: '127.0.0.1', agentMessages: { settings: {} }, routes });
  }

  async function emulator(path: string, user: string): Promise<ChatClient> {
    const client = await ChatClient.start(`${url.replace('localhost', '127.0.0.1')}${path}`, user);
    clients.push(client);
    await client.opens();
    return client;
  }

  async function person(id: string): Promise<ChatClient> {
    const client = await emulator('/api/agent-messages', `${id}-at-the-emulator`);
    await client.reads(/You are not signed in here/);
    await client.writes(`sign in ${await hub.createPairingCode(id)}`);
    await client.sees(/available/);
    return client;
  }

  /** From the request to the end, with the bot in between once more. */
  async function wholeFlow(kim: ChatClient, ana: ChatClient, botSays: (text: string) => string): Promise<void> {
    await kim.writes('my card is gone');
    await kim.reads(new RegExp(`^${botSays('my card is gone')}$`));
    await kim.writes('human CreditCard');
    await ana.presses(await ana.sees(/Request #1 from User[^]*BotHandoffTopic: CreditCard/), 'Accept');
    const transcript = await ana.sees(/what was said before/);
    assert.match(transcript.words, new RegExp(`User: my card is gone[^]*${botSays('my card is gone')}`));
    await kim.reads(/Ana joined the conversation/);
    await ana.writes('Hello, which card?');
    await kim.reads(/^Hello, which card\?$/);
    await kim.posts({ type: 'typing' });
    await ana.channel.nextOf('typing');
    await kim.writes('the blue one');
    assert.equal(await ana.reads(/the blue one/), '#1 User: the blue one');
    await ana.writes('return blocked');
    await kim.reads(/Ana left the conversation/);
    await kim.writes('thanks');
    await kim.reads(new RegExp(`^${botSays('thanks')}$`));
    await kim.writes('human CreditCard');
    await ana.presses(await ana.sees(/Request #1 from User/), 'Accept');
    await ana.sees(/what was said before/);
    await ana.writes('end');
    await ana.presses(await ana.sees(/has ended/), 'Close');
    await ana.reads(/It is closed/);
    const [state] = (await hub.store.list({}, 1)).items;
    assert.equal(state?.phase, 'closed');
    await kim.reads(/^Ana left the conversation\.$/);
    await kim.reads(/^This conversation is closed\.$/);
  }

  it('serves a bot in this process at /api/messages', async () => {
    await listen(readConfiguration(await readFile('handoff.yaml', 'utf8')));
    const ana = await person('ana');
    const kim = await emulator('/api/messages', 'kim');
    await kim.reads(/^Welcome$/);
    await wholeFlow(kim, ana, (text) => `Echo: ${text}`);
  });

  it('serves a bot behind HTTP at /api/messages/<bot>', async () => {
    const configuration = readConfiguration(await readFile('handoff.yaml', 'utf8'));
    await listen({
      ...configuration,
      bots: [{ id: 'demo', name: 'Shop', endpoint: shop.endpoint, auth: 'none', relay: {} }],
    });
    const ana = await person('ana');
    const kim = await emulator('/api/messages/demo', 'kim');
    await kim.reads(/^Welcome to the shop$/);
    await wholeFlow(kim, ana, (text) => `Shop: ${text}`);
  });

  it('hands what came to a bot in this process on to one behind HTTP', async () => {
    const configuration = readConfiguration(await readFile('handoff.yaml', 'utf8'));
    await listen({
      ...configuration,
      bots: [...(configuration.bots ?? []), { id: 'shop', name: 'Shop', endpoint: shop.endpoint, auth: 'none' }],
    });
    const ana = await person('ana');
    const kim = await emulator('/api/messages', 'kim');
    await kim.writes('human CreditCard');
    await ana.presses(await ana.sees(/Request #1/), 'Accept');
    await ana.sees(/what was said before/);
    await ana.writes('transfer shop');
    await ana.reads(/It is with Shop/);
    await kim.writes('hello shop');
    await kim.reads(/^Shop: hello shop$/);
    await kim.writes('human please');
    await ana.presses(await ana.sees(/Request #1/), 'Accept');
    assert.match((await ana.sees(/what was said before/)).words, /Shop: hello shop/);
  });
});
