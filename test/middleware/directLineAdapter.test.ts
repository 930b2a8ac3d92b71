// DirectLineAdapter and AgentsDirectLineAdapter with the SDKs' own bots, middleware and turn contexts, on a real hub and store.

import assert from 'node:assert/strict';
import { AgentsDirectLineAdapter } from '../../src/middleware/agentsDirectLineAdapter.js';
import { DirectLineAdapter } from '../../src/middleware/directLineAdapter.js';
import { canEscalate, endConversation, escalate } from '../../src/middleware/escalation.js';
import type { BotTurnContext } from '../../src/middleware/host.js';
import { openHub, type TestHub } from '../fakes/hub.js';
import { describeOnEachSdk, type WidgetAdapter } from '../fakes/sdks.js';

type Turn = (context: BotTurnContext) => Promise<unknown> | unknown;

describeOnEachSdk('DirectLineAdapter', (sdk) => {
  let test: TestHub;
  let adapter: WidgetAdapter;
  let onMessage: Turn;

  beforeEach(async () => {
    test = await openHub();
    onMessage = (context) => context.sendActivity(`Echo: ${context.activity.text}`);
    adapter = sdk.widgetAdapter(test.hub, {
      botId: 'demo',
      run: async (context) => {
        if (context.activity.type === 'message') await onMessage(context);
      },
    });
  });
  afterEach(() => test.close());

  async function chat(...texts: string[]): Promise<string> {
    const id = await test.startConversation();
    for (const text of texts) await test.says(id, text);
    return id;
  }

  it('is an adapter of its SDK, can be asked for by instanceof, and can be extended', () => {
    const Adapter = (
      sdk.name === 'botbuilder' ? DirectLineAdapter : AgentsDirectLineAdapter
    ) as typeof DirectLineAdapter;
    assert.ok(adapter instanceof sdk.baseAdapter);
    assert.ok(adapter instanceof Adapter);
    class Mine extends Adapter {
      readonly extra = 1;
    }
    const mine = new Mine(test.hub, { botId: 'demo', run: () => Promise.resolve() });
    assert.ok(mine instanceof Mine && mine instanceof Adapter && mine instanceof sdk.baseAdapter);
    assert.equal(mine.botId, 'demo');
    assert.equal(mine.extra, 1);
  });

  it("runs a bot of the SDK's own kind through the middleware it was given", async () => {
    const order: string[] = [];
    const run = sdk.bot(async (context) => {
      order.push('bot');
      await context.sendActivity(`Hello ${context.activity.from?.name}`);
    });
    sdk.widgetAdapter(test.hub, { botId: 'demo', run }).use(async (_context, next) => {
      order.push('before');
      await next();
      order.push('after');
    });
    const id = await test.startConversation();
    order.length = 0;
    await test.says(id, 'hi');
    assert.deepEqual(order, ['before', 'bot', 'after']);
    assert.deepEqual(await test.customerSees(id), ['hi', 'Hello Kim']);
  });

  it('gives back one id per activity, in order, and the bot can edit and delete by it', async () => {
    const ids: string[] = [];
    onMessage = async (context) => {
      const responses = await context.sendActivities([
        { type: 'message', text: 'one' },
        { type: 'typing' },
        { type: 'trace', name: 'debug' },
        { type: 'delay', value: 1 },
        { type: 'message', text: 'two' },
      ]);
      ids.push(...responses.map(({ id }) => id));
      await context.updateActivity({ id: ids[0]!, type: 'message', text: 'one, better' });
      await context.deleteActivity(ids[4]!);
    };
    const id = await chat('hi');
    assert.equal(ids.length, 5);
    assert.match(ids[0]!, new RegExp(`^${id}\\|\\d{7}$`));
    assert.ok(ids[4]! > ids[0]!);
    // Typing is not kept, but pieces of a live stream name the first; a delay is between the bot and its adapter.
    for (const passing of ids.slice(1, 3)) assert.match(passing, new RegExp(`^${id}\\|[\\da-f-]{36}$`));
    assert.equal(ids[3], '');
    const changes = (await test.log(id)).filter(({ event }) => event.type === 'edited' || event.type === 'deleted');
    assert.deepEqual(
      changes.map(({ event }) => [
        event.type,
        'target' in event ? `${id}|${String(event.target).padStart(7, '0')}` : '',
      ]),
      [
        ['edited', ids[0]!],
        ['deleted', ids[4]!],
      ],
    );
    assert.equal(changes[0]?.event.body?.activity?.text, 'one, better');
  });

  it('does not let a bot edit what somebody else said', async () => {
    let refused: unknown;
    onMessage = async (context) => {
      refused = await context
        .updateActivity({ id: context.activity.id!, type: 'message', text: 'never said' })
        .catch((error: unknown) => error);
    };
    await chat('hi');
    assert.equal((refused as { code?: string }).code, 'notAllowed');
  });

  it('keeps the log as it is when the bot changes the activity it was given', async () => {
    onMessage = (context) => {
      context.activity.text = 'changed by the bot';
      context.activity.from!.name = 'Somebody else';
    };
    const id = await chat('hi');
    const said = (await test.log(id)).find(({ event }) => event.type === 'said' && event.by.role === 'customer');
    assert.equal(said?.event.body?.activity?.text, 'hi');
    assert.equal(said?.event.body?.activity?.from?.name, 'Kim');
  });

  it('lets a bot speak up outside a turn', async () => {
    let reference: object = {};
    onMessage = (context) => {
      reference = sdk.referenceOf(context.activity);
    };
    const id = await chat('remind me');
    await sdk.speakUp(adapter, reference, async (context) => {
      await context.sendActivity('Here I am');
    });
    assert.deepEqual(await test.customerSees(id), ['remind me', 'Here I am']);
  });

  it('keeps what the bot says unasked from the customer while a person holds the chat', async () => {
    let reference: object = {};
    onMessage = async (context) => {
      reference = sdk.referenceOf(context.activity);
      await escalate(context);
    };
    await test.hub.people.setPresence('ana', 'available');
    const id = await chat('human');
    await test.hub.handle(id, { type: 'accept', agent: 'ana' });
    await test.hub.settled();
    await sdk.speakUp(adapter, reference, async (context) => {
      await context.sendActivity('Still there?');
    });
    assert.equal((await test.customerSees(id)).includes('Still there?'), false);
    const draft = (await test.log(id)).at(-1)?.event;
    assert.deepEqual([draft?.type, draft?.body?.activity?.text], ['drafted', 'Still there?']);
  });

  it('keeps what was said before the bot threw, and hands the customer to people', async () => {
    onMessage = async (context) => {
      await context.sendActivity('Let me see');
      throw new Error('out of memory');
    };
    const id = await chat('help');
    assert.deepEqual((await test.customerSees(id)).slice(0, 3), [
      'help',
      'Let me see',
      'Sorry, Demo Bot cannot answer right now.',
    ]);
    assert.equal((await test.state(id)).escalationReason, 'botUnavailable');
  });

  it('runs onTurnError as the SDK does, keeps what it says, and the hub learns of the failure all the same', async () => {
    const handled: string[] = [];
    adapter.onTurnError = async (context, error) => {
      handled.push(error.message);
      await context.sendActivity('Something went wrong');
    };
    onMessage = () => {
      throw new Error('bug');
    };
    const id = await chat('help');
    assert.deepEqual(handled, ['bug']);
    assert.deepEqual((await test.customerSees(id)).slice(0, 3), [
      'help',
      'Something went wrong',
      'Sorry, Demo Bot cannot answer right now.',
    ]);
    const failed = (await test.log(id)).find(({ event }) => event.type === 'botFailed')?.event;
    assert.equal(failed?.type === 'botFailed' && failed.cause, 'bug');
  });

  it('answers an invoke with what the bot says, and with 501 when it says nothing', async () => {
    sdk.widgetAdapter(test.hub, {
      botId: 'demo',
      run: async (context) => {
        if (context.activity.name === 'known')
          await context.sendActivity({ type: 'invokeResponse', value: { status: 200, body: { ok: true } } });
      },
    });
    const id = await test.startConversation();
    const deliver = (name: string) =>
      test.hub.bots.get('demo')?.deliver(
        {
          type: 'invoke',
          name,
          channelId: 'directline',
          conversation: { id },
          from: { id: 'kim' },
          recipient: { id: 'demo' },
        },
        { conversationId: id, botId: 'demo', answers: undefined, respond: () => Promise.resolve([]) },
      );
    assert.deepEqual(await deliver('known'), { status: 200, body: { ok: true } });
    assert.deepEqual(await deliver('unknown'), { status: 501 });
  });

  it('delivers what an expectReplies turn gathered, also when the bot throws in the end', async () => {
    onMessage = async (context) => {
      await context.sendActivity('first');
      await context.sendActivity('second');
      if (context.activity.text === 'fail') throw new Error('bug');
    };
    const id = await chat();
    const say = (text: string) =>
      test.hub.handle(id, {
        type: 'say',
        by: { role: 'customer', id: 'kim' },
        activity: { type: 'message', text, deliveryMode: 'expectReplies', from: { id: 'kim' } },
      });
    await say('go');
    await test.hub.settled();
    await say('fail');
    await test.hub.settled();
    assert.deepEqual((await test.customerSees(id)).slice(0, 6), ['go', 'first', 'second', 'fail', 'first', 'second']);
  });

  it('hears the customer type', async () => {
    const heard: string[] = [];
    const id = await chat();
    sdk.widgetAdapter(test.hub, {
      botId: 'demo',
      run: (context) => Promise.resolve(heard.push(context.activity.type)),
    });
    await test.hub.signal(id, { role: 'customer', id: 'kim' }, { type: 'typing' });
    await test.hub.settled();
    assert.deepEqual(heard, ['typing']);
  });

  describe('helpers for bots', () => {
    it('escalates with variables and a summary for people, and delivers what is said afterwards in the turn', async () => {
      onMessage = async (context) => {
        await escalate(context, { variables: { BotHandoffTopic: 'HomeLoan' }, summary: 'wants a loan' });
        await context.sendActivity('Somebody will come');
      };
      const id = await chat('human');
      const state = await test.state(id);
      assert.equal(state.phase === 'queued' && state.queue, 'HomeLoanQueue');
      assert.equal(state.summary, 'wants a loan');
      assert.equal((await test.customerSees(id)).at(-1), 'Somebody will come');
    });

    it('ends the conversation', async () => {
      onMessage = (context) => endConversation(context);
      assert.equal((await test.state(await chat('bye'))).phase, 'closed');
    });

    it('tells a bot that asks whether people are there as it is at that moment', async () => {
      const answers: unknown[] = [];
      onMessage = async (context) =>
        answers.push(await canEscalate(context), await canEscalate(context, { queue: 'HomeLoanQueue' }));
      const id = await chat('ask');
      await test.hub.people.setPresence('ana', 'available');
      await test.says(id, 'ask again');
      assert.deepEqual(answers, [
        { open: false, agentsOnline: 0, position: 1, queue: 'CreditCardQueue' },
        { open: false, agentsOnline: 0, position: 1, queue: 'HomeLoanQueue' },
        {
          open: true,
          agentsOnline: 1,
          position: 1,
          queue: 'CreditCardQueue',
          estimatedWaitMs: 0,
          range: { fromMs: 0, toMs: 0 },
        },
        { open: false, agentsOnline: 0, position: 1, queue: 'HomeLoanQueue' },
      ]);
    });

    it('tells a bot that asks about skills who has them, and refuses what is no list of skills', async () => {
      const { people } = test.hub.directory;
      const ana = { ...people['ana'], skills: ['french'] } as (typeof people)[string];
      await test.hub.useDirectory({ ...test.hub.directory, version: 2, people: { ...people, ana } });
      for (const id of ['ana', 'ben']) await test.hub.people.setPresence(id, 'available');
      const answers: unknown[] = [];
      onMessage = async (context) => {
        for (const skills of [[], ['french'], ['klingon']])
          answers.push((await canEscalate(context, { skills })).agentsOnline);
        const refused: unknown = await canEscalate(context, { skills: 'french' as never }).catch(
          (error: unknown) => error,
        );
        answers.push(String(refused));
      };
      await chat('ask');
      assert.deepEqual(answers.slice(0, 3), [2, 1, 0]);
      assert.match(String(answers[3]), /list of at most 20 names/);
    });

    it('refuses a question about a queue that does not exist', async () => {
      let refused: unknown;
      onMessage = async (context) => {
        refused = await canEscalate(context, { queue: 'Nowhere' }).catch((error: unknown) => error);
      };
      await chat('ask');
      assert.match(String(refused), /no queue "Nowhere"/);
    });
  });
});

describe('DirectLineAdapter and what only one SDK has', () => {
  let test: TestHub;
  beforeEach(async () => (test = await openHub()));
  afterEach(() => test.close());

  it('says clearly that a bot cannot start a Direct Line conversation', async () => {
    const adapter = new DirectLineAdapter(test.hub, { botId: 'demo', run: () => Promise.resolve() });
    await assert.rejects(
      async () =>
        adapter.createConversationAsync('', 'directline', 'http://localhost', '', {} as never, () => Promise.resolve()),
      /started by its customer/,
    );
  });

  it('shows the words of an Agents SDK bot as they come, and keeps them once they are complete', async () => {
    new AgentsDirectLineAdapter(test.hub, {
      botId: 'demo',
      run: async ({ activity, streamingResponse }) => {
        if (activity.type !== 'message') return;
        streamingResponse.setDelayInMs(0);
        streamingResponse.queueInformativeUpdate('Looking it up');
        streamingResponse.queueTextChunk('Forty');
        streamingResponse.queueTextChunk('-two');
        await streamingResponse.endStream();
      },
    });
    const id = await test.startConversation();
    const shown: { id?: string; text?: string; streamId?: string }[] = [];
    const stop = test.hub.watch(id, {
      entries: () => undefined,
      signal: ({ activity: { id, text, entities } }) =>
        shown.push({ id: id!, text: text!, ...(entities?.[0] as { streamId?: string }) }),
    });
    await test.says(id, 'the answer?');
    stop();
    const [first] = shown;
    assert.equal(first?.text, 'Looking it up');
    assert.ok(first.id);
    assert.ok(
      shown.slice(1).every(({ streamId }) => streamId === first.id),
      'what follows names the first',
    );
    assert.deepEqual(await test.customerSees(id), ['the answer?', 'Forty-two']);
    const said = (await test.log(id)).at(-1)?.event.body?.activity;
    const [info] = said?.entities as { streamType: string; streamId: string }[];
    assert.deepEqual([info?.streamType, info?.streamId], ['final', first.id]);
  });

  it("takes what a widget may say and the Agents SDK's schema refuses", async () => {
    const heard: unknown[] = [];
    new AgentsDirectLineAdapter(test.hub, {
      botId: 'demo',
      run: async (context) => {
        if (context.activity.type !== 'message') return;
        heard.push(context.activity.text, context.activity.attachments);
        await context.sendActivity(`Echo: ${context.activity.text}`);
      },
    });
    const id = await test.startConversation();
    const attachments = [
      { contentType: 'image/png', contentUrl: 'https://example.com/a.png', name: '', thumbnailUrl: null },
    ];
    const activity = {
      type: 'message',
      text: 'look',
      speak: '',
      locale: null,
      attachments,
      from: { id: 'kim', name: null },
    };
    await test.hub.handle(id, { type: 'say', by: { role: 'customer', id: 'kim' }, activity: activity as never });
    await test.hub.settled();
    assert.deepEqual(heard, ['look', [{ contentType: 'image/png', contentUrl: 'https://example.com/a.png' }]]);
    assert.deepEqual(await test.customerSees(id), ['look', 'Echo: look']);
  });

  it('lets an Agents SDK bot speak up with an old reference: it answers nothing, so nothing makes it late', async () => {
    let reference: object = {};
    const adapter = new AgentsDirectLineAdapter(test.hub, {
      botId: 'demo',
      run: ({ activity }) => {
        if (activity.type === 'message') reference = activity.getConversationReference();
        return Promise.resolve();
      },
    });
    const id = await test.startConversation();
    await test.says(id, 'remind me');
    await test.hub.people.setPresence('ana', 'available');
    await adapter.continueConversation('', reference, async (context) => void (await escalate(context)));
    await test.hub.settled();
    await test.hub.handle(id, { type: 'accept', agent: 'ana' });
    await test.hub.handle(id, { type: 'return', by: { role: 'agent', id: 'ana' } });
    await test.hub.settled();
    await adapter.continueConversation(
      '',
      reference,
      async (context) => void (await context.sendActivity('Time to go')),
    );
    assert.equal((await test.customerSees(id)).at(-1), 'Time to go');
  });
});
