// handoffMiddleware on adapters that are no CloudAdapter: the SDK's TestAdapter, and what can only answer.

import assert from 'node:assert/strict';
import {
  MemoryTranscriptStore,
  TestAdapter,
  TranscriptLoggerMiddleware,
  type BotAdapter,
  type ConversationReference,
} from 'botbuilder';
import { handoffMiddleware } from '../../src/middleware/handoffMiddleware.js';
import { openHub, type TestHub } from '../fakes/hub.js';

describe('handoffMiddleware on other adapters of botbuilder', () => {
  let test: TestHub;
  beforeEach(async () => (test = await openHub()));
  afterEach(() => test.close());

  it("works where the adapter can only answer: the bot does not hear the hub's own events then", async () => {
    const adapter = new TestAdapter(
      async (context) => void (await context.sendActivity(`Echo: ${context.activity.text}`)),
    );
    const run = () => Promise.resolve();
    adapter.use(handoffMiddleware(test.hub, { adapter, botId: 'demo', run }));
    await adapter.send('hello').assertReply('Echo: hello').startTest();
  });

  it('uses the older call where the adapter has no newer one', async () => {
    const calls: string[] = [];
    const adapter = {
      continueConversationAsync: () => Promise.reject(new Error('NotImplemented')),
      continueConversation: (reference: Partial<ConversationReference>) =>
        Promise.resolve(void calls.push(reference.conversation?.id ?? '')),
    } as unknown as BotAdapter;
    handoffMiddleware(test.hub, { adapter, botId: 'demo', run: () => Promise.resolve() });
    await test.hub.channels
      .get('adapter:demo')
      ?.send(
        { type: 'message', text: 'hi' },
        { conversation: { id: 'c' }, channelId: 'msteams' },
        { conversationId: 'x', seq: 1, send: 'activity' },
      )
      .catch((error: Error) => assert.match(error.message, /before all others/));
    assert.deepEqual(calls, ['c']);
  });

  it('leaves other middleware what it reads: activities with their ids, in order', async () => {
    const transcript = new MemoryTranscriptStore();
    const adapter = new TestAdapter(async (context) => {
      await context.sendActivities([
        { type: 'message', text: 'one' },
        { type: 'message', text: 'two' },
      ]);
    });
    adapter.use(new TranscriptLoggerMiddleware(transcript));
    adapter.use(handoffMiddleware(test.hub, { adapter, botId: 'demo', run: () => Promise.resolve() }));
    await adapter.send('hello').assertReply('one').assertReply('two').startTest();
    const { items } = await transcript.getTranscriptActivities('test', 'Convo1');
    assert.deepEqual(
      items.map(({ text }) => text),
      ['hello', 'one', 'two'],
    );
    assert.equal(new Set(items.map(({ id }) => id)).size, 3);
  });

  it('says what is wrong when the configuration has no such bot', () => {
    const adapter = new TestAdapter();
    assert.throws(
      () =>
        handoffMiddleware(test.hub, {
          adapter,
          botId: 'nobody',
          workStream: 'nowhere',
          run: () => Promise.resolve(),
        }),
      /there is no bot "nobody".*\n.*no work stream "nowhere"/,
    );
  });
});
