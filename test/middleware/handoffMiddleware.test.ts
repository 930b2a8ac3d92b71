// handoffMiddleware on real CloudAdapters of both SDKs: activities come in by HTTP, and go out to the channel's serviceUrl by HTTP.

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { canEscalate, escalate } from '../../src/middleware/escalation.js';
import type { ResourceResponse, SdkActivity } from '../../src/middleware/host.js';
import { ProxiedBot } from '../fakes/proxiedBot.js';
import { describeOnEachSdk } from '../fakes/sdks.js';

describeOnEachSdk('handoffMiddleware', (sdk) => {
  let bot: ProxiedBot;
  beforeEach(async () => {
    bot = await ProxiedBot.start(sdk);
    bot.onMessage = async (context) => {
      const { text } = context.activity;
      if (text === 'human') await escalate(context, { variables: { BotHandoffTopic: 'CreditCard' }, summary: 'angry' });
      else await context.sendActivity(`Echo: ${text}`);
    };
  });
  afterEach(() => bot.stop());

  const post = (activity: Parameters<ProxiedBot['channel']['post']>[0]) => bot.channel.post(activity);
  const saidBy = async (role: string) =>
    (await bot.log()).flatMap(({ event }) =>
      event.type === 'said' && event.by.role === role ? [event.body?.activity?.text] : [],
    );
  const drafts = async () =>
    (await bot.log()).flatMap(({ event }) => (event.type === 'drafted' ? [event.body?.activity?.text] : []));

  describe('while the bot holds the conversation', () => {
    it('lets the bot answer, and records both sides with the ids the channel gave them', async () => {
      const { status } = await post({ type: 'message', text: 'hello', id: 'in-a' });
      assert.equal(status, 200);
      assert.deepEqual(bot.channel.texts, ['Echo: hello']);
      const said = (await bot.log()).filter(({ event }) => event.type === 'said');
      assert.deepEqual(
        said.map(({ event, channelActivityId }) => [event.by.role, event.body?.activity?.text, channelActivityId]),
        [
          ['customer', 'hello', 'in-a'],
          ['bot', 'Echo: hello', 'out-1'],
        ],
      );
      await bot.test.hub.settled();
      assert.equal((await bot.test.store.outbox(10)).length, 0, 'nothing is owed any more');
    });

    it("gives the bot the activity as the channel sent it, and one response with the channel's id per activity", async () => {
      let responses: ResourceResponse[] = [];
      let seen: Partial<SdkActivity> = {};
      bot.onMessage = async (context) => {
        seen = context.activity;
        responses = await context.sendActivities([
          { type: 'message', text: 'one' },
          { type: 'typing' },
          { type: 'trace', name: 'debug' },
          { type: 'message', text: 'two', channelData: { teams: true } },
        ]);
      };
      await post({ type: 'message', text: 'hi', id: 'in-a', channelData: { tenant: 't' } });
      assert.deepEqual([seen.id, seen.serviceUrl, seen.channelData], ['in-a', bot.channel.serviceUrl, { tenant: 't' }]);
      assert.deepEqual(responses, [{ id: 'out-1' }, { id: 'out-2' }, { id: '' }, { id: 'out-3' }]);
      assert.deepEqual(
        bot.channel.delivered.map(({ activity, activityId }) => [activity.type, activity.text, activityId]),
        [
          ['message', 'one', 'in-a'],
          ['typing', undefined, 'in-a'],
          ['message', 'two', 'in-a'],
        ],
      );
      assert.deepEqual(bot.channel.delivered[2]?.activity.channelData, { teams: true });
    });

    it('tells the bot the context before the first turn', async () => {
      await post('hello');
      assert.deepEqual(bot.heard, ['omnichannelSetContext', 'hello']);
    });

    it("carries the bot's edits and deletions to the channel and into the log", async () => {
      bot.onMessage = async (context) => {
        const sent = await context.sendActivity('Wokring on it');
        await context.updateActivity({ type: 'message', id: sent!.id, text: 'Working on it' });
        await context.deleteActivity(sent!.id);
      };
      await post('hello');
      assert.deepEqual(
        bot.channel.delivered.map(({ method, activityId, activity }) => [method, activityId, activity.text]),
        [
          ['POST', 'in-1', 'Wokring on it'],
          ['PUT', 'out-1', 'Working on it'],
          ['DELETE', 'out-1', undefined],
        ],
      );
      const changes = (await bot.log()).filter(({ event }) => event.type === 'edited' || event.type === 'deleted');
      assert.deepEqual(
        changes.map(({ event }) => event.type),
        ['edited', 'deleted'],
      );
    });

    it('lets the bot change what it sent before the hub was there', async () => {
      bot.onMessage = (context) => context.updateActivity({ type: 'message', id: 'long-ago', text: 'better' });
      assert.equal((await post('hello')).status, 200);
      assert.deepEqual(
        bot.channel.delivered.map(({ method, activityId }) => [method, activityId]),
        [['PUT', 'long-ago']],
      );
    });

    it("records the customer's edits and deletions as such, and the bot hears them", async () => {
      await post({ type: 'message', text: 'helo', id: 'in-a' });
      await post({ type: 'messageUpdate', text: 'hello', id: 'in-a' });
      await post({ type: 'messageDelete', id: 'in-a' });
      const changes = (await bot.log()).filter(({ event }) => event.type === 'edited' || event.type === 'deleted');
      assert.deepEqual(
        changes.map(({ event }) => [event.type, event.by.role, event.body?.activity?.text]),
        [
          ['edited', 'customer', 'hello'],
          ['deleted', 'customer', undefined],
        ],
      );
      assert.deepEqual(bot.heard.slice(-2), ['hello', 'messageDelete']);
    });

    it('delivers what the bot says unasked, and records it', async () => {
      let reference: object = {};
      bot.onMessage = (context) => (reference = sdk.referenceOf(context.activity));
      await post('remind me');
      await bot.speakUp(reference, async (context) => {
        await context.sendActivity('Time to go');
      });
      assert.deepEqual(bot.channel.texts, ['Time to go']);
      assert.deepEqual(await saidBy('bot'), ['Time to go']);
    });

    it('gives a caller that expects replies all of them in its answer', async () => {
      bot.onMessage = async (context) => {
        await context.sendActivity('one');
        await context.sendActivity('two');
      };
      const { status, body } = await post({ type: 'message', text: 'hello', deliveryMode: 'expectReplies' });
      const { activities } = body as { activities: { text: string }[] };
      assert.deepEqual([status, activities.map(({ text }) => text)], [200, ['one', 'two']]);
      assert.deepEqual(bot.channel.texts, []);
      assert.deepEqual(await saidBy('bot'), ['one', 'two']);
    });

    it('completes what the bot did not wait for', async () => {
      bot.onMessage = (context) => void context.sendActivity('not awaited');
      await post('hello');
      assert.deepEqual(bot.channel.texts, ['not awaited']);
    });

    it('runs the turns of one customer one after another, each in its own asynchronous context', async () => {
      const requests = new AsyncLocalStorage<string>();
      const seen: (string | undefined)[] = [];
      let running = 0;
      bot.adapter.use(async (_context, next) => {
        running += 1;
        assert.equal(running, 1);
        await next();
        running -= 1;
      });
      // Use comes after handoffMiddleware: the request's own context is what the first middleware would have set.
      bot.around = (request, next) => requests.run(request, next);
      bot.onMessage = (context) => void seen.push(`${context.activity.text} in ${requests.getStore()}`);
      await Promise.all([
        post({ type: 'message', text: '1', id: 'a' }),
        post({ type: 'message', text: '2', id: 'b' }),
        post({ type: 'message', text: '3', id: 'c' }),
      ]);
      assert.deepEqual(seen.toSorted(), ['1 in a', '2 in b', '3 in c']);
    });

    it('answers the bot that asks first', async () => {
      const answers: unknown[] = [];
      bot.onMessage = async (context) => answers.push(await canEscalate(context));
      await bot.test.hub.people.setPresence('ana', 'available');
      await post('ask');
      assert.deepEqual(answers, [
        {
          open: true,
          agentsOnline: 1,
          position: 1,
          queue: 'CreditCardQueue',
          estimatedWaitMs: 0,
          range: { fromMs: 0, toMs: 0 },
        },
      ]);
    });
  });

  describe('with people', () => {
    it("hands over, relays both ways under the person's name, and gives the conversation back", async () => {
      const held = await bot.giveToAna();
      assert.equal(held.phase, 'agent');
      assert.equal(held.summary, 'angry');
      assert.deepEqual(bot.channel.texts, [
        'You are next in line. A representative will be with you shortly.',
        'Ana joined the conversation.',
      ]);

      await post('my card is gone');
      await bot.anaSays('Which one?');
      const last = bot.channel.delivered.at(-1);
      assert.deepEqual(
        [last?.activity.text, last?.activity.from?.name, last?.activityId],
        ['Which one?', 'Ana', undefined],
      );
      assert.deepEqual(bot.heard, ['omnichannelSetContext', 'human', 'handoff.status']);

      await bot.test.hub.handle(held.id, { type: 'return', by: { role: 'agent', id: 'ana' } });
      await bot.test.hub.settled();
      assert.deepEqual(bot.heard.slice(3), ['omnichannelSetContext', 'handoff.status']);
      await post('thanks');
      assert.equal(bot.channel.texts.at(-1), 'Echo: thanks');
    });

    it('lets the bot speak when it hears that the conversation is its own again', async () => {
      bot.onOther = async (context) => {
        const { name, value } = context.activity as { name?: string; value?: { state?: string } };
        if (name === 'handoff.status' && value?.state === 'completed') await context.sendActivity('How was it?');
      };
      const { id } = await bot.giveToAna();
      await bot.test.hub.handle(id, { type: 'return', by: { role: 'agent', id: 'ana' } });
      await bot.test.hub.settled();
      const last = bot.channel.delivered.at(-1);
      assert.deepEqual([last?.activity.text, last?.activityId], ['How was it?', undefined]);
    });

    it('keeps from the customer what the bot says unasked, shows it to people, and gives it an id of its own', async () => {
      let reference: object = {};
      bot.onMessage = async (context) => {
        reference = sdk.referenceOf(context.activity);
        await escalate(context);
      };
      const { id } = await bot.giveToAna();
      const before = bot.channel.delivered.length;
      let given: ResourceResponse | undefined;
      await bot.speakUp(reference, async (context) => {
        given = await context.sendActivity('Still there?');
        await context.sendActivity({ type: 'typing' });
        await context.updateActivity({ ...given, type: 'message', text: 'Are you there?' });
      });
      assert.equal(bot.channel.delivered.length, before);
      assert.deepEqual(await drafts(), ['Still there?', 'Are you there?']);
      assert.match(given?.id ?? '', new RegExp(`^${id}\\|`));
    });

    it('keeps a late reply from the customer: the conversation changed hands while the bot was thinking', async () => {
      let go = () => {};
      const thinking = new Promise<void>((resolve) => (go = resolve));
      let reference: object = {};
      let begun = () => {};
      const started = new Promise<void>((resolve) => (begun = resolve));
      bot.onMessage = async (context) => {
        reference = sdk.referenceOf(context.activity);
        begun();
        await thinking;
        await context.sendActivity('a late answer');
      };
      await bot.test.hub.people.setPresence('ana', 'available');
      const turn = post('difficult');
      await started;
      await bot.speakUp(reference, async (context) => void (await escalate(context)));
      const { id } = await bot.state();
      await bot.test.hub.handle(id, { type: 'accept', agent: 'ana' });
      go();
      assert.equal((await turn).status, 200);
      assert.equal(bot.channel.texts.includes('a late answer'), false);
      assert.deepEqual(await drafts(), ['a late answer']);
    });

    it('still brings invokes and membership to the bot: the response returns at once, its words are fenced', async () => {
      bot.onOther = async (context) => {
        await context.sendActivity(`about ${context.activity.name ?? context.activity.type}`);
        if (context.activity.type === 'invoke')
          await context.sendActivity({ type: 'invokeResponse', value: { status: 200, body: { token: 'ok' } } });
      };
      await bot.giveToAna();
      const before = bot.channel.delivered.length;
      const signIn = await post({ type: 'invoke', name: 'signin/verifyState', value: { state: '123' } });
      assert.deepEqual([signIn.status, signIn.body], [200, { token: 'ok' }]);
      await post({ type: 'conversationUpdate', membersRemoved: [{ id: 'somebody' }] });
      await post({ type: 'installationUpdate', action: 'add' });
      assert.equal(bot.channel.delivered.length, before);
      assert.deepEqual((await drafts()).slice(-3), [
        'about signin/verifyState',
        'about conversationUpdate',
        'about installationUpdate',
      ]);
    });

    it('shows people that the customer types, and the customer that people type', async () => {
      const { id } = await bot.giveToAna();
      const shown: string[] = [];
      const stop = bot.test.hub.watch(id, {
        entries: () => undefined,
        signal: ({ by, activity }) => shown.push(`${by.role} ${activity.type}`),
      });
      await post({ type: 'typing' });
      assert.deepEqual(shown, ['customer typing']);
      assert.equal(bot.heard.includes('typing'), false);
      await bot.test.hub.signal(id, { role: 'agent', id: 'ana' }, { type: 'typing' });
      await bot.channel.nextOf('typing');
      stop();
    });

    it('closes the conversation when the customer leaves, and the next message opens one that links to it', async () => {
      await post('hello');
      const first = await bot.state();
      await post({ type: 'endOfConversation' });
      assert.equal((await bot.test.state(first.id)).phase, 'closed');
      assert.equal(bot.heard.at(-1), 'endOfConversation');
      bot.test.clock.advance(1_000);
      await post('hello again');
      const second = await bot.state();
      assert.equal(second.previous, first.id);
      assert.equal(second.phase, 'bot');
      assert.equal(bot.channel.texts.at(-1), 'Echo: hello again');
    });
  });

  describe('beginnings', () => {
    it('joins a conversation already under way: nobody is greeted', async () => {
      bot.onOther = async (context) => {
        if (context.activity.type === 'conversationUpdate') await context.sendActivity('Welcome');
      };
      await post('and another thing');
      const started = (await bot.log())[0]?.event;
      assert.equal(started?.type === 'started' && started.adopted, true);
      assert.deepEqual(bot.channel.texts, ['Echo: and another thing']);
    });

    it("leaves the welcome to the channel's own conversationUpdate", async () => {
      bot.onOther = async (context) => {
        if (context.activity.type === 'conversationUpdate') await context.sendActivity('Welcome');
      };
      await post({
        type: 'conversationUpdate',
        membersAdded: [{ id: '28:bot' }, { id: '29:kim' }],
        from: { id: 'a:kim' },
      });
      await post('hello');
      const started = (await bot.log())[0]?.event;
      assert.equal(started?.type === 'started' && started.adopted, undefined);
      assert.deepEqual(bot.channel.texts, ['Welcome', 'Echo: hello']);
      assert.deepEqual(await saidBy('bot'), ['Welcome', 'Echo: hello']);
    });

    it('lets a bot that was added alone have its say, without a conversation of nobody', async () => {
      bot.onOther = (context) => context.sendActivity('Installed');
      await post({ type: 'conversationUpdate', membersAdded: [{ id: '28:bot' }], from: { id: 'a:kim' } });
      assert.deepEqual(bot.channel.texts, ['Installed']);
      assert.deepEqual((await bot.test.store.conversationIds(10)).length, 0);
    });

    it('opens a conversation when the bot escalates on its own account', async () => {
      const reference = {
        channelId: 'msteams',
        serviceUrl: bot.channel.serviceUrl,
        user: { id: '29:kim', name: 'kim' },
        bot: { id: '28:bot', name: 'Bot' },
        agent: { id: '28:bot', name: 'Bot' },
        conversation: { id: 'a:kim', conversationType: 'personal', isGroup: false },
      };
      await bot.speakUp(reference, async (context) => {
        await context.sendActivity('You seem to need help');
        await escalate(context);
      });
      await bot.test.hub.settled();
      assert.equal((await bot.state()).phase, 'queued');
      assert.equal(bot.channel.texts[0], 'You seem to need help');
    });

    it('keeps from the bot what is said to a person, although the channel once calls the conversation a group', async () => {
      await bot.giveToAna();
      const conversation = { id: 'a:kim', conversationType: 'groupChat', isGroup: true };
      await post({ type: 'message', text: 'between us', conversation });
      await bot.test.hub.settled();
      assert.equal((await saidBy('customer')).at(-1), 'between us');
      assert.ok(!bot.channel.texts.includes('Echo: between us'));
    });

    it('refuses to hand over a group, once in so many words, and the bot hears why', async () => {
      const group = { conversation: { id: '19:group', conversationType: 'groupChat', isGroup: true } };
      const reasons: unknown[] = [];
      bot.onOther = (context) => void reasons.push(context.activity.value);
      await post({ type: 'message', text: 'hello', ...group });
      await post({ type: 'message', text: 'human', ...group });
      await post({ type: 'message', text: 'human', ...group });
      assert.deepEqual(bot.channel.texts, [
        'Echo: hello',
        'Representatives join one-to-one conversations only. Please write to me directly.',
      ]);
      assert.deepEqual(reasons, [
        { state: 'failed', message: 'groupConversation' },
        { state: 'failed', message: 'groupConversation' },
      ]);
      assert.deepEqual(await bot.test.store.conversationIds(10), []);
    });

    it('hears an activity that the channel sends again once, also after the conversation was closed', async () => {
      const activity = { type: 'message', text: 'hello', id: 'in-a' };
      await Promise.all([post(activity), post(activity)]);
      await post(activity);
      assert.deepEqual(bot.channel.texts, ['Echo: hello']);
      await post({ type: 'endOfConversation', id: 'in-b' });
      assert.equal((await post(activity)).status, 200);
      assert.deepEqual(bot.channel.texts, ['Echo: hello', 'This conversation is closed.']);
      assert.equal((await bot.test.store.conversationIds(10)).length, 1);
    });

    it("serves customers of Azure's own Direct Line, whose channel id is the hub's", async () => {
      bot.channel.channelId = 'directline';
      await bot.giveToAna();
      await bot.anaSays('Hello');
      assert.equal(bot.channel.texts.at(-1), 'Hello');
    });

    it('keeps customers of one channel apart', async () => {
      await Promise.all(['kim', 'lee', 'max'].map((name) => bot.channel.post(`I am ${name}`, name)));
      for (const name of ['kim', 'lee', 'max']) {
        const said = (await bot.log(name)).filter(({ event }) => event.type === 'said');
        assert.deepEqual(
          said.map(({ event }) => event.body?.activity?.text),
          [`I am ${name}`, `Echo: I am ${name}`],
        );
      }
    });
  });
});
