// /api/messages on both SDKs: who may post there, what is answered, and one bot that serves widgets and a channel at once.

import assert from 'node:assert/strict';
import { HttpServer } from '../../src/http.js';
import { escalate } from '../../src/middleware/escalation.js';
import type { BotTurnContext } from '../../src/middleware/host.js';
import { serveMessages, type MessagesOptions } from '../../src/middleware/messages.js';
import { FakeChannel } from '../fakes/channel.js';
import { openHub, SILENT, type TestHub } from '../fakes/hub.js';
import { request } from '../fakes/request.js';
import { describeOnEachSdk } from '../fakes/sdks.js';

describeOnEachSdk('/api/messages', (sdk) => {
  let test: TestHub;
  let http: HttpServer;
  let channel: FakeChannel;

  beforeEach(async () => {
    test = await openHub();
    channel = await FakeChannel.start();
    channel.channelId = 'emulator';
  });
  afterEach(async () => {
    await http.close();
    await channel.stop();
    await test.close();
  });

  async function serve(settings: Record<string, string> = {}): Promise<void> {
    http = new HttpServer({ log: SILENT });
    const options: Partial<MessagesOptions> = { botId: 'demo', settings, sdk: sdk.name, run: bot };
    serveMessages(http, test.hub, options as MessagesOptions);
    channel.endpoint = `${(await http.listen(0, '127.0.0.1')).replace('localhost', '127.0.0.1')}/api/messages`;
  }

  async function bot(context: BotTurnContext): Promise<void> {
    const { type, text, membersAdded = [], recipient } = context.activity;
    if (text?.startsWith('human')) await escalate(context, { variables: { BotHandoffTopic: 'CreditCard' } });
    else if (text === 'fail') throw new Error('bug');
    else if (type === 'message') await context.sendActivity(`Echo: ${text}`);
    else if (membersAdded.some(({ id }) => id !== recipient?.id)) await context.sendActivity('Welcome');
  }

  const activity = (more: Record<string, unknown> = {}) => ({
    type: 'message',
    id: 'in-1',
    text: 'hello',
    channelId: 'emulator',
    serviceUrl: channel.serviceUrl,
    from: { id: 'kim' },
    recipient: { id: 'demo' },
    conversation: { id: 'c' },
    ...more,
  });
  const post = (body: unknown, headers: Record<string, string> = {}) =>
    request('POST', channel.endpoint, { body, headers, timeoutMs: 10_000 });
  const codeOf = (body: unknown) => (body as { error?: { code?: string } }).error?.code;

  it('serves the bot to the Emulator: welcome, echo, handoff and back', async () => {
    await serve();
    await channel.post({ type: 'conversationUpdate', membersAdded: [{ id: '28:bot' }, { id: '29:kim' }] });
    await channel.post('hello');
    await test.hub.people.setPresence('ana', 'available');
    await channel.post('human CreditCard');
    await test.hub.settled();
    const [state] = (await test.store.list({}, 1)).items;
    assert.equal(state?.phase, 'offered');
    const ana = { role: 'agent', id: 'ana' } as const;
    await test.hub.handle(state?.id ?? '', { type: 'accept', agent: 'ana' });
    await test.hub.handle(state?.id ?? '', { type: 'say', by: ana, activity: { type: 'message', text: 'Hi' } });
    await test.hub.handle(state?.id ?? '', { type: 'return', by: ana });
    await test.hub.settled();
    await channel.post('hello again');
    assert.deepEqual(channel.texts, [
      'Welcome',
      'Echo: hello',
      'You are next in line. A representative will be with you shortly.',
      'Ana joined the conversation.',
      'Hi',
      'Ana left the conversation.',
      'You are back with Demo Bot.',
      'Echo: hello again',
    ]);
  });

  it('has the same bot serve widgets at the same time', async () => {
    sdk.widgetAdapter(test.hub, { botId: 'demo', run: bot });
    await serve();
    await channel.post('from the channel');
    const id = await test.startConversation();
    await test.says(id, 'from a widget');
    assert.deepEqual(await test.customerSees(id), ['Welcome', 'from a widget', 'Echo: from a widget']);
    assert.deepEqual(channel.texts, ['Echo: from the channel']);
  });

  it('takes nothing from afar without an app id, however it got here', async () => {
    await serve();
    const afar: Record<string, string>[] = [
      { 'x-forwarded-for': '203.0.113.9' },
      { 'x-forwarded-for': '10.0.0.1, 203.0.113.9' },
      { forwarded: 'for=203.0.113.9' },
    ];
    for (const headers of afar) {
      const { status, body } = await post(activity(), headers);
      assert.deepEqual([status, codeOf(body)], [403, 'Unauthenticated']);
    }
    assert.equal((await post(activity(), { 'x-forwarded-for': '192.168.1.7' })).status, 200);
  });

  it('takes nothing from web pages without an app id: any site could reach the neighbours of this machine through it', async () => {
    await serve();
    const pages: Record<string, string>[] = [
      { origin: 'https://evil.example', 'content-type': 'text/plain' },
      { origin: 'null' },
      { 'sec-fetch-site': 'same-origin' },
    ];
    for (const headers of pages) {
      const { status, body } = await post(activity(), headers);
      assert.deepEqual([status, codeOf(body)], [403, 'Unauthenticated']);
    }
    assert.deepEqual(await test.store.conversationIds(10), []);
  });

  it('answers nobody afar without an app id', async () => {
    await serve();
    for (const serviceUrl of ['https://smba.example.com/', 'http://169.254.169.254/', 'not a url', undefined]) {
      const { status, body } = await post(activity({ serviceUrl }));
      assert.deepEqual([status, codeOf(body)], [403, 'Unauthenticated']);
    }
    assert.deepEqual(await test.store.conversationIds(10), []);
  });

  it('leaves it to the SDK to check callers when there is an app id', async () => {
    const id = '00000000-0000-0000-0000-000000000001';
    await serve(
      sdk.name === 'botbuilder'
        ? { MicrosoftAppId: id, MicrosoftAppPassword: 'x', MicrosoftAppType: 'MultiTenant' }
        : { clientId: id, clientSecret: 'x', tenantId: id },
    );
    const { error } = console;
    console.error = () => undefined;
    try {
      assert.equal((await post(activity())).status, 401);
      assert.equal((await post(activity(), { authorization: 'Bearer nonsense' })).status, 401);
    } finally {
      console.error = error;
    }
    assert.deepEqual(await test.store.conversationIds(10), []);
  });

  it('has the hub tell the customer when the bot fails, and answers the channel that all is well', async () => {
    await serve();
    assert.equal((await channel.post('fail')).status, 200);
    await channel.next('Sorry, Demo Bot cannot answer right now.');
    assert.equal(channel.texts[0], 'Sorry, Demo Bot cannot answer right now.', 'and nobody else said anything');
  });

  it('returns what the bot answers to an invoke, and 501 when it answers nothing', async () => {
    await serve();
    assert.equal((await channel.post({ type: 'invoke', name: 'unknown' })).status, 501);
  });

  it('says what is wrong with a body that is no activity', async () => {
    await serve();
    assert.deepEqual([(await post('{')).status, codeOf((await post('{')).body)], [400, 'BadSyntax']);
    assert.equal((await post('[]')).status, 400);
    assert.equal((await post({ text: 'no type' })).status, 400);
    assert.equal((await post(activity({ text: 'x'.repeat(300_000) }))).status, 413);
  });
});
