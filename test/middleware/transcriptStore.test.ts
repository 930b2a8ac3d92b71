// HandoffTranscriptStore: what the SDK asks of every transcript store, and what the hub's own log adds to it.

import assert from 'node:assert/strict';
import sinon from 'sinon';
import * as agents from '@microsoft/agents-hosting';
import { TestAdapter, TranscriptLoggerMiddleware, type Activity, type TranscriptStore } from 'botbuilder';
import { eraseConversation, keepInArchive } from '../../src/hub/archive.js';
import { escalate } from '../../src/middleware/escalation.js';
import { fromSdk } from '../../src/middleware/sdkActivity.js';
import { HandoffTranscriptStore } from '../../src/middleware/transcriptStore.js';
import { verify } from '../../src/verify.js';
import { openHub, type TestHub } from '../fakes/hub.js';
import { ProxiedBot } from '../fakes/proxiedBot.js';
import { describeOnEachSdk } from '../fakes/sdks.js';

const START = Date.parse('2020-01-01T00:00:00Z');
const MINUTE_MS = 60_000;

describe('HandoffTranscriptStore', () => {
  let test: TestHub;
  let store: HandoffTranscriptStore<Activity> & TranscriptStore;

  beforeEach(async () => {
    test = await openHub();
    store = new HandoffTranscriptStore(test.hub);
  });
  afterEach(async () => {
    assert.deepEqual((await verify(test.store)).faults, []);
    await test.close();
  });

  /** A minute apart: what the customer says, and the echo. */
  function talk(count: number, conversationId = 'talk', channelId = 'test'): Activity[] {
    const customer = { id: 'kim', name: 'Kim', role: 'user' };
    const bot = { id: 'bot', name: 'Bot', role: 'bot' };
    return Array.from({ length: count }, (_none, index): Activity[] => {
      const common = {
        type: 'message',
        channelId,
        conversation: { id: conversationId },
        serviceUrl: 'https://x.example/',
      };
      const at = START + index * MINUTE_MS;
      return [
        { ...common, id: `in-${index}`, text: `${index}`, timestamp: new Date(at), from: customer, recipient: bot },
        {
          ...common,
          id: `out-${index}`,
          text: `Echo: ${index}`,
          timestamp: new Date(at + 1_000),
          from: bot,
          recipient: customer,
          replyToId: `in-${index}`,
        },
      ] as unknown as Activity[];
    }).flat();
  }

  async function log(activities: readonly Activity[]): Promise<void> {
    for (const activity of activities) await store.logActivity(activity);
  }

  async function readAll(conversationId = 'talk', from?: Date): Promise<Activity[]> {
    const read: Activity[] = [];
    let token: string | undefined;
    do {
      const page = await store.getTranscriptActivities('test', conversationId, token, from);
      assert.ok(page.items.length <= 20);
      read.push(...page.items);
      token = page.continuationToken;
    } while (token !== undefined);
    return read;
  }

  describe("does what the SDK's own stores do", () => {
    it('refuses what is missing', async () => {
      await assert.rejects(store.logActivity(null as never), /needs an activity/);
      await assert.rejects(store.logActivity({ type: 'message' } as never), /channelId and conversation.id/);
      await assert.rejects(store.getTranscriptActivities('', 'talk'), /Missing channelId/);
      await assert.rejects(store.getTranscriptActivities('test', ''), /Missing conversationId/);
      await assert.rejects(store.listTranscripts(null as never), /Missing channelId/);
      await assert.rejects(store.deleteTranscript('', 'talk'), /Missing channelId/);
      await assert.rejects(store.deleteTranscript('test', undefined as never), /Missing conversationId/);
    });

    it('knows nothing of what was never logged', async () => {
      assert.deepEqual(await store.getTranscriptActivities('none', 'talk'), {
        items: [],
        continuationToken: undefined,
      });
      assert.deepEqual(await store.listTranscripts('none'), { items: [], continuationToken: undefined });
      await store.deleteTranscript('none', 'talk');
    });

    it('gives back one activity as it was logged', async () => {
      const [activity] = talk(1);
      await store.logActivity(activity!);
      assert.deepEqual(await readAll(), [activity]);
    });

    it('gives back many, in order', async () => {
      const said = talk(5);
      await log(said);
      assert.deepEqual(await readAll(), said);
    });

    it('gives back those since a time', async () => {
      const said = talk(5);
      await log(said);
      const from = new Date(START + 2 * MINUTE_MS);
      assert.deepEqual(await readAll('talk', from), said.slice(4));
    });

    it('gives back long ones page by page, each activity once', async () => {
      const said = talk(25);
      await log(said);
      assert.deepEqual(await readAll(), said);
      assert.deepEqual(await readAll('talk', new Date(START + 5 * MINUTE_MS)), said.slice(10));
    });

    it('reads a long one once, however many pages it has, and anew what is said, deleted or erased meanwhile', async () => {
      const said = talk(1_500);
      await keepInArchive(test.store, { channelId: 'test', conversationId: 'talk' }, 'web', said.map(fromSdk), START);
      const reads = sinon.spy(test.hub.store, 'entries');
      assert.equal((await readAll()).length, 3_000);
      // Entries asked for: all once, and room in the last stretch.
      const read = (await Promise.all(reads.returnValues)).flat().length;
      assert.ok(read <= 3_001, `${read} entries were read for 3,000 activities`);
      reads.restore();
      const first = await store.getTranscriptActivities('test', 'talk');
      await log(talk(1_501).slice(-2));
      let rest = await store.getTranscriptActivities('test', 'talk', first.continuationToken);
      let count = first.items.length + rest.items.length;
      while (rest.continuationToken !== undefined) {
        rest = await store.getTranscriptActivities('test', 'talk', rest.continuationToken);
        count += rest.items.length;
      }
      assert.equal(count, 3_002);
      const begun = await store.getTranscriptActivities('test', 'talk');
      await store.deleteTranscript('test', 'talk');
      assert.deepEqual((await store.getTranscriptActivities('test', 'talk', begun.continuationToken)).items, []);
    });

    it('keeps conversations and channels apart', async () => {
      await log([...talk(1, 'one'), ...talk(2, 'two'), ...talk(1, 'one', 'other')]);
      assert.equal((await readAll('one')).length, 2);
      assert.equal((await readAll('two')).length, 4);
      assert.deepEqual(
        (await store.listTranscripts('other')).items.map(({ id }) => id),
        ['one'],
      );
    });

    it('lists conversations page by page, oldest first, with when they began', async () => {
      const ids = Array.from({ length: 45 }, (_none, index) => `talk-${index}`);
      for (const [index, id] of ids.entries()) {
        const [activity] = talk(1, id);
        await store.logActivity({ ...activity!, timestamp: new Date(START + index * MINUTE_MS) });
      }
      const listed: { channelId: string; id: string; created: Date }[] = [];
      let token: string | undefined;
      do {
        const page = await store.listTranscripts('test', token);
        assert.ok(page.items.length <= 20);
        listed.push(...page.items);
        token = page.continuationToken;
      } while (token !== undefined);
      assert.deepEqual(
        listed.map(({ id }) => id),
        ids,
      );
      assert.deepEqual(listed[3], { channelId: 'test', id: 'talk-3', created: new Date(START + 3 * MINUTE_MS) });
    });

    it('deletes one conversation and no other', async () => {
      await log([...talk(1, 'one'), ...talk(1, 'two')]);
      await store.deleteTranscript('test', 'one');
      assert.deepEqual(await readAll('one'), []);
      assert.equal((await readAll('two')).length, 2);
      assert.deepEqual(
        (await store.listTranscripts('test')).items.map(({ id }) => id),
        ['two'],
      );
    });
  });

  describe('over the hub’s log', () => {
    it('reads no more of the record than the page and the place it was asked for', async () => {
      for (let index = 0; index < 60; index += 1) await log(talk(1, `talk-${index}`, 'other'));
      for (let index = 0; index < 60; index += 1) await log(talk(1, `talk-${index}`));
      const read: string[] = [];
      const list = test.store.list.bind(test.store);
      test.store.list = async (...asked) => {
        const page = await list(...asked);
        read.push(...page.items.map(({ channel }) => channel.key ?? ''));
        return page;
      };
      assert.equal((await store.listTranscripts('test')).items.length, 20);
      // Each of the page, and whether it is the first of its place.
      assert.equal(read.length, 40);
      assert.ok(read.every((key) => key.includes('"test"')));
      read.length = 0;
      assert.equal((await store.getTranscriptActivities('test', 'talk-30')).items.length, 2);
      await store.deleteTranscript('test', 'talk-30');
      assert.deepEqual(new Set(read), new Set(['["archive","test","talk-30"]']));
    });

    it('lists a place once, from what is left of it when its first conversation was erased', async () => {
      const key = JSON.stringify(['demo', 'msteams', 'a:1', 'kim']);
      const chats: string[] = [];
      for (let index = 0; index < 45; index += 1) {
        const id = `chat-${index}`;
        await test.hub.handle(id, [
          { type: 'start', id, workStream: 'web', channel: { id: 'msteams', key }, customer: 'kim' },
          { type: 'say', by: { role: 'customer', id: 'kim' }, activity: { type: 'message', text: 'hello' } },
        ]);
        await test.hub.handle(id, { type: 'close', by: { role: 'supervisor', id: 'sam' } });
        chats.push(id);
        test.clock.advance(MINUTE_MS);
      }
      const created = async () => {
        const listed: number[] = [];
        let token: string | undefined;
        do {
          const page = await store.listTranscripts('msteams', token);
          for (const item of page.items) {
            assert.equal(item.id, 'a:1');
            listed.push(item.created.getTime());
          }
          token = page.continuationToken;
        } while (token !== undefined);
        return listed;
      };
      const startOf = async (id: string) => (await test.state(id)).startedAt;
      assert.deepEqual(await created(), [await startOf('chat-0')]);
      for (const id of chats.slice(0, 30)) await eraseConversation(test.hub, id);
      assert.deepEqual(await created(), [await startOf('chat-30')]);
    });

    it('keeps what arrives twice once, also when it arrives at once', async () => {
      const said = talk(3);
      await Promise.all([log(said), log(said)]);
      await log(said);
      const texts = (await readAll()).map(({ text }) => text);
      assert.deepEqual(texts.toSorted(), said.map(({ text }) => text).toSorted());
    });

    it('shows the conversations of the hub beside those it was told', async () => {
      const id = await test.startConversation();
      await test.says(id, 'hello');
      const { items } = await store.getTranscriptActivities('directline', id);
      assert.deepEqual(
        items.map(({ text, from }) => [text, from.role]),
        [
          ['hello', 'user'],
          ['Echo: hello', 'bot'],
        ],
      );
      assert.deepEqual(
        (await store.listTranscripts('directline')).items.map((item) => item.id),
        [id],
      );
    });

    it('erases a conversation of the hub: nothing that was said can be read, and the record still holds', async () => {
      await test.hub.people.setPresence('ana', 'available');
      const id = await test.startConversation();
      await test.says(id, 'my number is 1234');
      const by = { role: 'agent', id: 'ana' } as const;
      await test.hub.botSays(id, 'demo', [
        { type: 'event', name: 'handoff.initiate', value: { BotHandoffTopic: 'CreditCard' } },
      ]);
      await test.hub.settled();
      await test.hub.handle(id, { type: 'accept', agent: 'ana' });
      await test.hub.handle(id, { type: 'setContext', by, variables: { Card: { value: '1234', displayable: true } } });
      await test.hub.handle(id, { type: 'say', by, activity: { type: 'message', text: 'so 1234 it is' } });
      await test.hub.handle(id, { type: 'close', by: { role: 'supervisor', id: 'sam' } });
      await test.hub.settled();
      await store.deleteTranscript('directline', id);
      assert.deepEqual((await store.getTranscriptActivities('directline', id)).items, []);
      const left = [await test.log(id), await test.store.conversation(id), await test.hub.conversation(id)];
      assert.equal(JSON.stringify(left).includes('1234'), false);
    });

    it('logs what a bot says and hears that has nothing to do with the hub', async () => {
      const adapter = new TestAdapter(async (context) => {
        await context.sendActivity(`Echo: ${context.activity.text}`);
      });
      const { logger, settled } = watched(store);
      adapter.use(new TranscriptLoggerMiddleware(logger));
      await adapter.send('hello').assertReply('Echo: hello').startTest();
      assert.equal(await settled(), 2);
      const { items } = await store.getTranscriptActivities('test', 'Convo1');
      assert.deepEqual(
        items.map(({ text }) => text),
        ['hello', 'Echo: hello'],
      );
      const [state] = (await test.store.list({}, 1)).items;
      assert.equal(state?.phase, 'closed', 'it waits for nobody');
    });
  });
});

describeOnEachSdk('HandoffTranscriptStore behind handoffMiddleware', (sdk) => {
  it("does not keep twice what the hub has recorded, and reads as the channel's one conversation", async () => {
    const bot = await ProxiedBot.start(sdk);
    try {
      const store = new HandoffTranscriptStore<Activity>(bot.test.hub, { botId: 'demo' });
      const Logger = sdk.name === 'botbuilder' ? TranscriptLoggerMiddleware : agents.TranscriptLoggerMiddleware;
      const { logger, settled } = watched(store);
      const middleware = new Logger(logger as never) as {
        onTurn(context: unknown, next: () => Promise<void>): Promise<void>;
      };
      bot.adapter.use((context, next) => middleware.onTurn(context, next));
      bot.onMessage = async (context) => {
        if (context.activity.text === 'human') await escalate(context);
        else await context.sendActivity(`Echo: ${context.activity.text}`);
      };
      await bot.channel.post('hello');
      const { id } = await bot.giveToAna('human');
      await bot.anaSays('Hi');
      await bot.test.hub.handle(id, { type: 'close', by: { role: 'supervisor', id: 'sam' } });
      bot.test.clock.advance(MINUTE_MS);
      await bot.channel.post('me again');
      await bot.test.hub.settled();
      assert.ok((await settled()) >= 7, 'the logger has logged');
      assert.equal((await bot.test.store.conversationIds(10)).length, 2, 'two conversations of the hub, no archive');
      const { items } = await store.getTranscriptActivities('msteams', 'a:kim');
      const texts = items.map(({ text }) => text);
      for (const text of ['hello', 'Echo: hello', 'Hi', 'me again', 'Echo: me again'])
        assert.equal(texts.filter((one) => one === text).length, 1, text);
      assert.deepEqual(
        (await store.listTranscripts('msteams')).items.map((item) => item.id),
        ['a:kim'],
      );
      await store.deleteTranscript('msteams', 'a:kim');
      assert.deepEqual((await store.getTranscriptActivities('msteams', 'a:kim')).items, []);
      assert.deepEqual((await verify(bot.test.store)).faults, []);
      await bot.channel.post('still there?');
      assert.equal(bot.channel.texts.at(-1), 'Echo: still there?');
    } finally {
      await bot.stop();
    }
  });
});

/** The SDK's middleware does not wait for what it logs. */
function watched(store: HandoffTranscriptStore<Activity>) {
  const logging: Promise<void>[] = [];
  return {
    logger: {
      logActivity(activity: Activity): Promise<void> {
        const logged = store.logActivity(activity);
        logging.push(logged);
        return logged;
      },
    },
    /** @returns how many activities were logged. */
    async settled(): Promise<number> {
      // What is logged of a turn is handed over as the turn ends, in steps of its own.
      await new Promise((resolve) => setImmediate(resolve));
      await Promise.all(logging);
      return logging.length;
    },
  };
}
