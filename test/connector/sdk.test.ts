// Every operation of the Connector, by Microsoft's own two clients as bots carry them.

import assert from 'node:assert/strict';
import { Activity } from '@microsoft/agents-activity';
import { ConnectorClient as AgentsClient } from '@microsoft/agents-hosting';
import { ConnectorClient, MicrosoftAppCredentials } from 'botframework-connector';
import { activityId } from '../../src/core/activity.js';
import { StoreUnavailable } from '../../src/errors.js';
import { request } from '../fakes/request.js';
import { openConnector, type ConnectorSite } from './site.js';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

/** What both clients can do, in one shape. */
interface Client {
  send(conversation: string, text: string): Promise<string>;
  reply(conversation: string, to: string, text: string): Promise<string>;
  update(conversation: string, id: string, text: string): Promise<string>;
  remove(conversation: string, id: string): Promise<void>;
  member(conversation: string, id: string): Promise<{ id?: string; name?: string; role?: string }>;
  create(customer: { id: string; name: string }, text: string): Promise<{ id: string; activityId?: string }>;
  list(): Promise<string[]>;
  upload(conversation: string, name: string, bytes: Buffer, thumbnail?: Buffer): Promise<string>;
  file(id: string): Promise<{ name?: string; type?: string; views?: { viewId?: string; size?: number }[] }>;
  view(id: string, view: string): Promise<Buffer>;
}

function botbuilders(url: string): ConnectorClient {
  return new ConnectorClient(new MicrosoftAppCredentials('', ''), { baseUri: `${url}/` });
}

function ofBotbuilder(url: string): Client {
  const client = botbuilders(url);
  const message = (text: string) => ({ type: 'message', text, from: { id: 'demo' } }) as never;
  return {
    send: async (id, text) => (await client.conversations.sendToConversation(id, message(text))).id,
    reply: async (id, to, text) => (await client.conversations.replyToActivity(id, to, message(text))).id,
    update: async (id, activity, text) => (await client.conversations.updateActivity(id, activity, message(text))).id,
    remove: async (id, activity) => void (await client.conversations.deleteActivity(id, activity)),
    member: async (id, member) => client.conversations.getConversationMember(id, member),
    create: async (customer, text) =>
      client.conversations.createConversation({
        isGroup: false,
        bot: { id: 'demo', name: 'Demo Bot' },
        members: [customer],
        activity: message(text),
        channelData: {},
      }),
    list: async () => (await client.conversations.getConversations()).conversations.map(({ id }) => id ?? ''),
    upload: async (id, name, bytes, thumbnailBase64 = Buffer.alloc(0)) =>
      (
        await client.conversations.uploadAttachment(id, {
          type: 'image/png',
          name,
          originalBase64: bytes,
          thumbnailBase64,
        })
      ).id,
    file: async (id) => client.attachments.getAttachmentInfo(id),
    view: async (id, view) => {
      const { readableStreamBody } = await client.attachments.getAttachment(id, view);
      const chunks: Buffer[] = [];
      for await (const chunk of readableStreamBody as unknown as AsyncIterable<Buffer>) chunks.push(chunk);
      return Buffer.concat(chunks);
    },
  };
}

function ofAgentsSdk(url: string): Client {
  const client = AgentsClient.createClientWithToken(`${url}/`, '');
  const message = (text: string) => Activity.fromObject({ type: 'message', text, from: { id: 'demo' } });
  return {
    send: async (id, text) => (await client.sendToConversation(id, message(text))).id,
    reply: async (id, to, text) => (await client.replyToActivity(id, to, message(text))).id,
    update: async (id, activity, text) => (await client.updateActivity(id, activity, message(text))).id,
    remove: async (id, activity) => client.deleteActivity(id, activity),
    member: async (id, member) => client.getConversationMember(member, id),
    create: async (customer, text) =>
      client.createConversation({
        isGroup: false,
        agent: { id: 'demo', name: 'Demo Bot' },
        members: [customer],
        activity: message(text),
        channelData: {},
      } as never),
    list: async () => (await client.getConversations()).conversations.map(({ id }) => id),
    upload: async (id, name, bytes, thumbnail) =>
      (
        await client.uploadAttachment(id, {
          type: 'image/png',
          name,
          originalBase64: bytes.toString('base64'),
          thumbnailBase64: thumbnail?.toString('base64') ?? '',
        } as never)
      ).id,
    file: async (id) => client.getAttachmentInfo(id),
    view: async (id, view) => {
      const stream = (await client.getAttachment(id, view)) as unknown as AsyncIterable<Buffer>;
      const chunks: Buffer[] = [];
      for await (const chunk of stream) chunks.push(chunk);
      return Buffer.concat(chunks);
    },
  };
}

for (const [name, clientAt] of [
  ['botframework-connector', ofBotbuilder],
  ['the Agents SDK', ofAgentsSdk],
] as const)
  describe(`the client of ${name}`, () => {
    let site: ConnectorSite;
    let client: Client;
    let conversation: string;
    let token: string;

    beforeEach(async () => {
      site = await openConnector();
      client = clientAt(site.url);
      ({ conversationId: conversation, token } = await site.start('dl_kim'));
      await site.says(conversation, 'hello', 'dl_kim');
    });
    afterEach(() => site.close());

    it('sends, replies, changes and deletes, and a reader from the start sees the latest only', async () => {
      const hello = (await site.log(conversation)).findLast(({ event }) => event.by.role === 'customer');
      const sent = await client.send(conversation, 'one');
      const replied = await client.reply(conversation, activityId(conversation, hello?.seq ?? 0), 'two');
      assert.match(sent, new RegExp(`^${conversation}\\|\\d{7}$`));
      assert.equal(await client.update(conversation, sent, 'one, better'), sent);
      await client.remove(conversation, replied);
      const read = await site.call('GET', `/conversations/${conversation}/activities`, { token });
      const { activities } = read.body as { activities: { id: string; text?: string }[] };
      const texts = activities.map(({ text }) => text);
      assert.deepEqual(texts.slice(-2), ['Echo: hello', 'one, better']);
      assert.equal(activities.at(-1)?.id, sent);
      const kinds = (await site.log(conversation)).map(({ event }) => event.type);
      assert.deepEqual(kinds.slice(-4), ['said', 'said', 'edited', 'deleted']);
    });

    it('finds the customer among the members, and an error for who is none', async () => {
      assert.equal((await client.member(conversation, 'dl_kim')).id, 'dl_kim');
      assert.deepEqual(await client.member(conversation, 'demo'), { id: 'demo', name: 'Demo Bot', role: 'bot' });
      await assert.rejects(client.member(conversation, 'nobody'), /404|There is no member/);
    });

    it('opens a conversation with a customer and says the first word', async () => {
      const { id, activityId: first } = await client.create({ id: 'dl_lee', name: 'Lee' }, 'Your card is ready');
      assert.match(first ?? '', new RegExp(`^${id}\\|`));
      assert.deepEqual(await site.customerSees(id), ['Your card is ready']);
      assert.deepEqual((await client.list()).sort(), [id, conversation].sort());
    });

    it('uploads a file with its thumbnail and gets both back', async () => {
      const id = await client.upload(conversation, 'dot.png', PNG, Buffer.from('small'));
      assert.deepEqual(await client.file(id), {
        name: 'dot.png',
        type: 'image/png',
        views: [
          { viewId: 'original', size: PNG.length },
          { viewId: 'thumbnail', size: 5 },
        ],
      });
      assert.deepEqual(await client.view(id, 'original'), PNG);
      assert.equal((await client.view(id, 'thumbnail')).toString(), 'small');
      const public_ = await request('GET', `${site.url}/v3/attachments/${id}/views/original`);
      assert.equal(public_.status, 200);
      assert.equal(public_.headers['content-type'], 'image/png');
    });

    it('hears clearly of a conversation that is not there, at once', async () => {
      await assert.rejects(client.send('nowhere', 'x'), /404|no such conversation/i);
    });
  });

describe('the client of botframework-connector alone', () => {
  let site: ConnectorSite;
  let client: ConnectorClient;
  let conversation: string;

  beforeEach(async () => {
    site = await openConnector();
    client = botbuilders(site.url);
    conversation = (await site.start('dl_kim')).conversationId;
    await site.says(conversation, 'hello', 'dl_kim');
  });
  afterEach(() => site.close());

  it('lists the members, all at once and page by page, and those of an activity', async () => {
    const { conversations } = client;
    const ids = (accounts: { id?: string }[]) => accounts.map(({ id }) => id);
    assert.deepEqual(ids([...(await conversations.getConversationMembers(conversation))]), ['dl_kim', 'demo']);
    const first = await conversations.getConversationPagedMembers(conversation, {
      pageSize: 1,
      continuationToken: '',
    });
    assert.deepEqual(ids(first.members), ['dl_kim']);
    const { continuationToken = '' } = first;
    const second = await conversations.getConversationPagedMembers(conversation, { pageSize: 1, continuationToken });
    assert.deepEqual(ids(second.members), ['demo']);
    assert.equal(second.continuationToken, undefined);
    const sent = await conversations.sendToConversation(conversation, { type: 'message', text: 'x' } as never);
    assert.deepEqual(ids([...(await conversations.getActivityMembers(conversation, sent.id))]), ['dl_kim', 'demo']);
    await assert.rejects(conversations.getActivityMembers(conversation, 'none'), { statusCode: 404 });
  });

  it('uploads a history, of which staff read what the log has not seen', async () => {
    const known = await client.conversations.sendToConversation(conversation, {
      type: 'message',
      text: 'seen',
    } as never);
    const history = [
      { type: 'message', id: 'web|1', text: 'asked on the phone', from: { id: 'kim', role: 'user' } },
      { type: 'message', id: known.id, text: 'seen' },
      { type: 'trace', id: 'web|2', name: 'debug' },
    ] as never[];
    await client.conversations.sendConversationHistory(conversation, { activities: history });
    await client.conversations.sendConversationHistory(conversation, { activities: history });
    const imported = (await site.log(conversation)).filter(({ event }) => event.type === 'imported');
    assert.deepEqual(
      imported.map(({ event }) => [event.body?.activity?.text, event.audience]),
      [['asked on the phone', 'staff']],
    );
    assert.ok(!(await site.customerSees(conversation)).includes('asked on the phone'));
  });

  it('repeats by itself what the hub could not store, and it is said once', async () => {
    const { store } = site;
    const append = store.append.bind(store);
    let asked = 0;
    store.append = (request) => {
      asked += 1;
      return asked === 1 ? Promise.reject(new StoreUnavailable('The disk is full.')) : append(request);
    };
    const { id } = await client.conversations.sendToConversation(conversation, { type: 'message', text: 'x' } as never);
    assert.match(id, new RegExp(`^${conversation}`));
    assert.deepEqual((await site.customerSees(conversation)).slice(-1), ['x']);
    assert.equal((await site.customerSees(conversation)).filter((text) => text === 'x').length, 1);
  });

  it('removes the last customer, and the conversation is over', async () => {
    await client.conversations.deleteConversationMember(conversation, 'dl_kim');
    assert.equal((await site.state(conversation)).phase, 'closed');
  });
});
