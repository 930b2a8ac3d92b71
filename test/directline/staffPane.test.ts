// A person's chat pane speaks Direct Line, too: it sees everything, speaks as that person, and only while it may.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { FunctionBot, handoff } from '../fakes/hub.js';
import type { ActivitySet, Grant } from '../fakes/widget.js';
import { openSite, type Site } from './site.js';

describe('a chat pane of a person', () => {
  let site: Site;
  let conversationId: string;
  let customer: { token: string };
  let ana: string;

  beforeEach(async () => {
    site = await openSite({
      bot: new FunctionBot((activity) => {
        if (activity.text !== 'human') return [];
        return [
          {
            type: 'message',
            text: 'Choose',
            suggestedActions: { actions: [{ type: 'imBack', title: 'Yes', value: 'yes' }] },
          },
          handoff({ BotHandoffTopic: 'CreditCard', summary: 'wants a card' }),
        ];
      }),
    });
    const grant = await site.start();
    conversationId = grant.conversationId;
    customer = grant;
    await post(customer.token, { text: 'human' });
    await site.hub.people.setPresence('ana', 'available');
    await site.hub.settled();
    await site.hub.handle(conversationId, { type: 'accept', agent: 'ana' });
    ana = await site.tokens.mintConversation({ conv: conversationId, view: 'staff', agent: 'ana' });
  });
  afterEach(() => site.close());

  const post = async (token: string, activity: object) => {
    const answer = await site.call('POST', `/conversations/${conversationId}/activities`, {
      token,
      body: { type: 'message', ...activity },
    });
    await site.hub.settled();
    return answer;
  };
  const read = async (token: string) => {
    const { status, body } = await site.call('GET', `/conversations/${conversationId}/activities`, { token });
    assert.equal(status, 200, JSON.stringify(body));
    return (body as ActivitySet).activities;
  };
  const codeOf = ({ body }: { body: unknown }) => (body as { error?: { code: string } }).error?.code;

  it('turns the roles round: the person’s own words are the user’s, everybody else’s a bot’s', async () => {
    assert.equal((await post(ana, { text: 'Ana here', from: { id: 'sam', name: 'Sam', role: 'user' } })).status, 200);
    const mine = await read(ana);
    const theirs = await read(customer.token);
    assert.deepEqual(mine.find(({ text }) => text === 'Ana here')?.from, { id: 'ana', name: 'Ana', role: 'user' });
    assert.equal(mine.find(({ text }) => text === 'human')?.from?.role, 'bot');
    assert.deepEqual(theirs.find(({ text }) => text === 'Ana here')?.from, { id: 'ana', name: 'Ana', role: 'bot' });
    const choose = mine.find(({ text }) => text === 'Choose');
    assert.equal(choose?.['suggestedActions'], undefined, 'nothing to press');
  });

  it('writes notes that the customer never sees', async () => {
    const note = { text: 'be careful', channelData: { handoff: { audience: 'staff' }, clientActivityID: 'n1' } };
    const first = await post(ana, note);
    assert.equal(first.status, 200);
    assert.deepEqual((await post(ana, note)).body, first.body, 'sent twice, kept once');
    assert.ok((await read(ana)).some(({ text }) => text === 'be careful'));
    assert.equal(JSON.stringify(await read(customer.token)).includes('be careful'), false);
  });

  it('refuses to speak once the chat is somebody else’s; reading goes on', async () => {
    await site.hub.handle(conversationId, { type: 'return', by: { role: 'agent', id: 'ana' } });
    for (const activity of [
      { text: 'one more thing' },
      { text: 'a note', channelData: { handoff: { audience: 'staff' } } },
      { type: 'typing' },
    ]) {
      const answer = await post(ana, activity);
      assert.deepEqual([answer.status, codeOf(answer)], [403, 'notAllowed']);
    }
    assert.ok((await read(ana)).length > 0);
  });

  it('lets a consulting colleague write notes, and nothing the customer sees', async () => {
    await site.hub.handle(conversationId, { type: 'join', agent: 'ben', as: 'consulting' });
    const ben = await site.tokens.mintConversation({ conv: conversationId, view: 'staff', agent: 'ben' });
    assert.equal((await post(ben, { text: 'try this', channelData: { handoff: { audience: 'staff' } } })).status, 200);
    const answer = await post(ben, { text: 'hello customer' });
    assert.deepEqual([answer.status, codeOf(answer)], [403, 'notHolder']);
  });

  it('closes to who may not read the log', async () => {
    const stranger = await site.tokens.mintConversation({ conv: conversationId, view: 'staff', agent: 'ada' });
    for (const [method, path] of [
      ['GET', `/conversations/${conversationId}`],
      ['GET', `/conversations/${conversationId}/activities`],
      ['POST', '/conversations'],
      ['POST', '/tokens/refresh'],
    ] as const) {
      const answer = await site.call(method, path, { token: stranger });
      assert.deepEqual([answer.status, codeOf(answer)], [403, 'notAllowed'], path);
    }
  });

  it('streams everything, gaps in what the customer sees included, and is nobody’s presence', async () => {
    const started = await site.call('POST', '/conversations', { token: ana });
    assert.equal(started.status, 200);
    const socket = new WebSocket((started.body as Grant).streamUrl as string);
    const texts: string[] = [];
    socket.on('message', (frame: Buffer) => {
      if (frame.length > 0)
        for (const { text } of (JSON.parse(frame.toString()) as ActivitySet).activities) texts.push(text ?? '');
    });
    await once(socket, 'open');
    await post(ana, { text: 'be careful', channelData: { handoff: { audience: 'staff' } } });
    await post(customer.token, { text: 'are you there?' });
    const deadline = performance.now() + 5_000;
    while (!texts.includes('are you there?') && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 2));
    assert.ok(
      texts.includes('human') && texts.includes('be careful') && texts.includes('are you there?'),
      texts.join(),
    );
    const closed = once(socket, 'close');
    socket.close();
    await closed;
    await site.hub.settled();
    assert.equal((await site.state(conversationId)).customerGone, false);
  });

  it('ends its stream with the right to read, before it shows another word', async () => {
    const ben = await site.tokens.mintConversation({ conv: conversationId, view: 'staff', agent: 'ben' });
    const started = await site.call('POST', '/conversations', { token: ben });
    const socket = new WebSocket((started.body as Grant).streamUrl as string);
    let frames = '';
    socket.on('message', (frame: Buffer) => (frames += frame.toString()));
    const closed = once(socket, 'close') as Promise<[number]>;
    await once(socket, 'open');
    await post(customer.token, { text: 'while he may' });
    const { directory } = site.hub;
    const queues = Object.fromEntries(
      Object.entries(directory.queues).map(([id, queue]) => [
        id,
        { ...queue, members: queue.members.filter((member) => member !== 'ben') },
      ]),
    );
    await site.hub.useDirectory({ ...directory, queues });
    await post(customer.token, { text: 'after he may not' });
    assert.equal((await closed)[0], 1008);
    assert.equal(frames.includes('while he may'), true);
    assert.equal(frames.includes('after he may not'), false);
  });

  it('gets a refreshed token of the same view', async () => {
    const { status, body } = await site.call('POST', '/tokens/refresh', { token: ana });
    assert.equal(status, 200);
    assert.equal((await post((body as Grant).token, { text: 'still Ana' })).status, 200);
  });

  it('starts nothing: a person has no conversation of their own', async () => {
    const token = await site.tokens.mintConversation({ conv: 'never-started', view: 'staff', agent: 'ana' });
    for (const [method, path] of [
      ['POST', '/conversations'],
      ['GET', '/conversations/never-started'],
    ] as const)
      assert.equal((await site.call(method, path, { token })).status, 404);
  });
});
