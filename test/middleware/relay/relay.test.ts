// The relay over HTTP: a customer on a channel, the hub as the Azure Bot's messaging endpoint, a bot that nobody changed.

import assert from 'node:assert/strict';
import { echo, type Script } from '../../fakes/httpBot.js';
import { RelaySite } from './relaySite.js';

const shop: Script = async (turn) => {
  const { activity, reply } = turn;
  if (activity.type === 'message' && activity.text === 'human')
    await reply({ type: 'event', name: 'handoff.initiate', value: { reason: 'refund' } });
  else await echo(turn);
};

describe('the relay', () => {
  let site: RelaySite;
  beforeEach(async () => {
    site = await RelaySite.start();
    site.bot.script = shop;
  });
  afterEach(() => site.stop());

  describe('while the bot holds the conversation', () => {
    it("gives the bot what the channel said, with the hub's serviceUrl, and the channel what the bot answers", async () => {
      const { status } = await site.channel.post({ type: 'message', text: 'hello', id: 'in-a', channelData: { x: 1 } });
      assert.equal(status, 200);
      const heard = await site.bot.next('hello');
      const { id, conversation, from, recipient, channelData, channelId, serviceUrl } = heard;
      assert.deepEqual(
        { id, conversation, from, recipient, channelData, channelId },
        {
          id: 'in-a',
          conversation: { id: 'a:kim', conversationType: 'personal', tenantId: 'contoso' },
          from: { id: '29:kim', name: 'kim', aadObjectId: 'aad-kim' },
          recipient: { id: `28:${site.channel.appId}`, name: 'Shop' },
          channelData: { x: 1 },
          channelId: 'msteams',
        },
      );
      assert.equal(serviceUrl, site.hub.serviceUrl);
      const { url, activity } = await site.channel.next('Echo: hello');
      assert.equal(url, '/v3/conversations/a%3Akim/activities/in-a');
      assert.deepEqual(
        [activity.replyToId, activity.serviceUrl, activity.from, activity.recipient],
        ['in-a', site.channel.serviceUrl, recipient, from],
      );
    });

    it('records both sides under the ids the channel gave them, and tells the bot those', async () => {
      let told: unknown;
      site.bot.script = async ({ activity, reply }) => {
        if (activity.type === 'message') told = (await reply('Hi')).body;
      };
      await site.channel.post({ type: 'message', text: 'hello', id: 'in-a' });
      await site.hub.settled();
      assert.deepEqual(told, { id: 'out-1' });
      const said = (await site.log()).filter(({ event }) => event.type === 'said');
      assert.deepEqual(
        said.map(({ event, channelActivityId }) => [event.by.role, event.body?.activity?.text, channelActivityId]),
        [
          ['customer', 'hello', 'in-a'],
          ['bot', 'Hi', 'out-1'],
        ],
      );
      assert.deepEqual(await site.hub.store.outbox(10), []);
    });

    it("tells the channel's own refusal to the bot that sent something", async () => {
      site.channel.refuse = ({ activity }) =>
        activity.text === 'Hi' ? { status: 403, body: { error: { code: 'BotNotInConversationRoster' } } } : undefined;
      let told: { status: number; body: unknown } | undefined;
      site.bot.script = async ({ activity, reply }) => {
        if (activity.type === 'message') told = await reply('Hi');
      };
      await site.channel.post('hello');
      await site.hub.settled();
      assert.deepEqual([told?.status, told?.body], [403, { error: { code: 'BotNotInConversationRoster' } }]);
    });

    it('never has the bot send again what is recorded, when the channel fails', async () => {
      site.channel.refuse = ({ activity }) => (activity.text === 'Hi' ? { status: 500 } : undefined);
      let told: { status: number; body: unknown } | undefined;
      site.bot.script = async ({ activity, reply }) => {
        if (activity.type === 'message') told = await reply('Hi');
      };
      await site.channel.post('hello');
      await site.hub.settled();
      assert.equal(told?.status, 424);
      assert.match(JSON.stringify(told?.body), /The channel answered 500 Refused/);
      const failed = (await site.log()).filter(({ event }) => event.type === 'deliveryFailed');
      assert.equal(failed.length, 1, 'people see that the customer did not get it');
    });

    it('sends later what a channel that is busy did not take, once', async () => {
      let busy = 1;
      site.channel.refuse = ({ activity }) =>
        activity.text === 'Echo: hello' && busy-- > 0 ? { status: 429 } : undefined;
      await site.channel.post('hello');
      await site.channel.next('Echo: hello');
      await site.hub.settled();
      assert.deepEqual(site.channel.texts, ['Echo: hello']);
    });

    it("carries the bot's edits and deletions to the channel and into the log", async () => {
      site.bot.script = async ({ activity, reply, call }) => {
        if (activity.type !== 'message') return;
        const { id } = (await reply('Wokring on it')).body as { id: string };
        await call('PUT', `activities/${id}`, { type: 'message', id, text: 'Working on it' });
        await call('DELETE', `activities/${id}`);
      };
      await site.channel.post('hello');
      await site.hub.settled();
      assert.deepEqual(
        site.channel.delivered.map(({ method, url, activity }) => [method, url.split('/').at(-1), activity.text]),
        [
          ['POST', 'in-1', 'Wokring on it'],
          ['PUT', 'out-1', 'Working on it'],
          ['DELETE', 'out-1', undefined],
        ],
      );
      const changes = (await site.log()).filter(({ event }) => event.type === 'edited' || event.type === 'deleted');
      assert.deepEqual(
        changes.map(({ event }) => event.type),
        ['edited', 'deleted'],
      );
    });

    it("shows the customer's typing to the bot and the bot's to the customer, and keeps neither", async () => {
      site.bot.script = async ({ activity, reply }) => {
        if (activity.type === 'typing') await reply({ type: 'typing' });
      };
      await site.channel.post('hello');
      await site.channel.post({ type: 'typing' });
      await site.channel.nextOf('typing');
      assert.ok((await site.log()).every(({ event }) => event.body?.activity?.type !== 'typing'));
    });

    it('gives the bot an activity once, however often the channel sends it', async () => {
      const again = { type: 'message', text: 'hello', id: 'in-a' };
      const answers = await Promise.all([again, again, again].map((one) => site.channel.post(one)));
      answers.push(await site.channel.post(again));
      await site.hub.settled();
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 200, 200, 200],
      );
      assert.deepEqual(site.channel.texts, ['Echo: hello']);
      assert.equal(site.bot.received.filter(({ text }) => text === 'hello').length, 1);
    });

    it("answers a channel's call as soon as it is recorded, however long the bot takes", async () => {
      let finish: (() => void) | undefined;
      site.bot.script = () => new Promise((resolve) => (finish = resolve));
      assert.equal((await site.channel.post('hello')).status, 200);
      await site.bot.next((activity) => activity.name === 'omnichannelSetContext');
      finish?.();
      await site.bot.next('hello');
      site.bot.script = echo;
      finish?.();
    });

    it('lets the bot speak up by itself, before and after the conversation was closed for silence', async () => {
      await site.channel.post('hello');
      const heard = await site.bot.next('hello');
      assert.equal((await site.bot.say(heard, 'Your order has left')).status, 200);
      const { id } = await site.state();
      await site.hub.handle(id, { type: 'close', by: { role: 'supervisor', id: 'sam' } });
      await site.hub.settled();
      assert.equal((await site.bot.say(heard, 'Your order is there')).status, 200);
      const { url } = await site.channel.next('Your order is there');
      assert.equal(url, '/v3/conversations/a%3Akim/activities');
    });

    it('knows no conversation that no channel has named', async () => {
      await site.channel.post('hello');
      const heard = await site.bot.next('hello');
      const { status, body } = await site.bot.say({ ...heard, conversation: { id: 'a:nobody' } }, 'Hi');
      assert.deepEqual([status, (body as { error: { code: string } }).error.code], [404, 'ConversationNotFound']);
    });
  });

  describe('while a person holds the conversation', () => {
    it('stays between the two, although the channel once calls it a group', async () => {
      await site.giveToAna();
      const conversation = { id: 'a:kim', isGroup: true, conversationType: 'groupChat' };
      await site.channel.post({ type: 'message', text: 'between us', conversation });
      await site.hub.settled();
      const last = (await site.log()).findLast(({ event }) => event.type === 'said');
      assert.equal(last?.event.body?.activity?.text, 'between us');
      assert.ok(site.bot.received.every(({ text }) => text !== 'between us'));
    });

    it('takes the customer to a person and back, on the same channel', async () => {
      await site.channel.post('hello');
      await site.giveToAna();
      await site.channel.post('Are you there?');
      await site.ana({ says: 'Yes, I am.' });
      await site.ana('return');
      await site.channel.post('Thanks');
      await site.hub.settled();
      assert.deepEqual(site.channel.texts, [
        'Echo: hello',
        'You are next in line. A representative will be with you shortly.',
        'Ana joined the conversation.',
        'Yes, I am.',
        'Ana left the conversation.',
        'You are back with Shop Bot.',
        'Echo: Thanks',
      ]);
      const heard = site.bot.received.map(({ text, name, type }) => text ?? name ?? type);
      assert.deepEqual(heard, [
        'omnichannelSetContext',
        'hello',
        'human',
        'handoff.status',
        'omnichannelSetContext',
        'handoff.status',
        'Thanks',
      ]);
    });

    it("lets people speak under the bot's account with their own name, in the customer's conversation", async () => {
      await site.giveToAna();
      await site.ana({ says: 'Hello' });
      const { url, activity } = await site.channel.next('Hello');
      assert.equal(url, '/v3/conversations/a%3Akim/activities');
      assert.deepEqual(
        [activity.from, activity.recipient?.id, activity.conversation?.id, activity.channelId],
        [{ id: `28:${site.channel.appId}`, name: 'Ana' }, '29:kim', 'a:kim', 'msteams'],
      );
      assert.equal(activity.serviceUrl, site.channel.serviceUrl);
      assert.equal(activity.channelData, undefined, "no mark of the hub's own");
    });

    it('keeps from the customer what the bot says, and gives it an id all the same', async () => {
      await site.giveToAna();
      const heard = site.bot.received.find(({ text }) => text === 'human')!;
      const { status, body } = await site.bot.say(heard, 'Are you still there?', heard.id);
      assert.deepEqual([status, typeof (body as { id: string }).id], [200, 'string']);
      await site.hub.settled();
      assert.deepEqual(await site.drafts(), ['Are you still there?']);
      assert.ok(!site.channel.texts.includes('Are you still there?'));
    });

    it('says to the channel what the bot answers to a sign-in or card action, and keeps its texts back', async () => {
      site.bot.script = async (turn) => {
        if (turn.activity.type !== 'invoke') return shop(turn);
        await turn.reply('Signed in');
        return { status: 412, body: { failureDetail: 'not yet' } };
      };
      await site.giveToAna();
      const { status, body } = await site.channel.post({
        type: 'invoke',
        name: 'signin/verifyState',
        value: { state: '1' },
      });
      assert.deepEqual([status, body], [412, { failureDetail: 'not yet' }]);
      await site.hub.settled();
      assert.deepEqual(await site.drafts(), ['Signed in']);
    });

    it("shows the person's typing to the customer", async () => {
      const { id } = await site.giveToAna();
      await site.hub.signal(id, { role: 'agent', id: 'ana' }, { type: 'typing' });
      const { activity } = await site.channel.nextOf('typing');
      assert.equal(activity.recipient?.id, '29:kim');
    });
  });

  describe('what waits for the bot', () => {
    it("has a channel's invoke answered with the bot's own status and body", async () => {
      site.bot.script = ({ activity }) =>
        activity.type === 'invoke' ? { status: 200, body: { task: { type: 'continue' } } } : { status: 200 };
      const { status, body } = await site.channel.post({ type: 'invoke', name: 'task/fetch', value: {} });
      assert.deepEqual([status, body], [200, { task: { type: 'continue' } }]);
    });

    it('passes on that the bot has no answer to an invoke', async () => {
      site.bot.script = ({ activity }) => ({ status: activity.type === 'invoke' ? 501 : 200 });
      assert.equal((await site.channel.post({ type: 'invoke', name: 'unknown/thing' })).status, 501);
    });

    it('has the replies in the answer where the channel asked for that', async () => {
      site.bot.script = async (turn) => {
        if (turn.activity.type !== 'message') return;
        await turn.reply('one');
        await shop(turn);
      };
      const { status, body } = await site.channel.post({
        type: 'message',
        text: 'human',
        deliveryMode: 'expectReplies',
      });
      assert.equal(status, 200);
      const { activities } = body as { activities: { text: string; id: string; replyToId?: string }[] };
      assert.deepEqual(
        activities.map(({ text }) => text),
        ['one', 'Nobody is available right now. You keep your place in line (number 1).'],
      );
      assert.ok(activities.every(({ id }) => typeof id === 'string'));
      assert.deepEqual(site.channel.texts, [], 'nothing came by the Connector');
      await site.hub.people.setPresence('ana', 'available');
      await site.hub.settled();
      const { id } = await site.state();
      await site.hub.handle(id, { type: 'accept', agent: 'ana' });
      await site.channel.next('Ana joined the conversation.');
    });
  });

  it('warns of sign-in cards in the status of the bot', async () => {
    site.bot.script = async ({ activity, reply }) => {
      const card = { contentType: 'application/vnd.microsoft.card.oauth', content: { connectionName: 'x' } };
      if (activity.type === 'message') await reply({ type: 'message', attachments: [card] });
    };
    await site.channel.post('sign me in');
    await site.channel.nextOf('message');
    assert.deepEqual(
      site.hub.botStatus.of('shop').warnings.map(({ code }) => code),
      ['signInCard'],
    );
  });

  describe('after a restart', () => {
    it('sends what people said while the channel was down, to where the channel is now', async () => {
      await site.giveToAna();
      site.channel.refuse = () => ({ status: 503 });
      const { id } = await site.state();
      const by = { role: 'agent', id: 'ana' } as const;
      await site.hub.handle(id, { type: 'say', by, activity: { type: 'message', text: 'Still here' } });
      await site.hub.stop();
      site.channel.refuse = () => undefined;
      await site.begin();
      await site.channel.next('Still here');
      await site.hub.settled();
      assert.equal(site.channel.texts.filter((text) => text === 'Still here').length, 1);
    });

    it("gives the bot what it had not heard, in the channel's own words, and sends what it says once", async () => {
      site.bot.script = () => ({ status: 503 });
      await site.channel.post({ type: 'message', text: 'hello', id: 'in-a', channelData: { x: 1 } });
      await site.hub.stop();
      site.bot.script = echo;
      await site.begin();
      const { activity } = await site.channel.next('Echo: hello');
      assert.equal(activity.replyToId, 'in-a');
      const heard = site.bot.received.findLast(({ text }) => text === 'hello');
      const { id, conversation, recipient, channelData, serviceUrl } = heard ?? {};
      assert.deepEqual(
        [id, conversation?.id, recipient?.id, channelData, serviceUrl],
        ['in-a', 'a:kim', `28:${site.channel.appId}`, { x: 1 }, site.hub.serviceUrl],
      );
      assert.deepEqual(site.channel.texts, ['Echo: hello']);
    });
  });

  describe('while nothing can be recorded', () => {
    const breakStore = () => site.hub.store.close();

    it('leaves customers their bot, unrecorded, and refuses to hand over in so many words', async () => {
      await site.channel.post('hello');
      await site.channel.next('Echo: hello');
      await site.hub.settled();
      await breakStore();
      assert.equal((await site.channel.post('still there?')).status, 200);
      assert.equal((await site.channel.post('human')).status, 200);
      const status = await site.bot.next(({ name }) => name === 'handoff.status');
      assert.deepEqual(status.value, { state: 'failed', message: 'hubUnavailable' });
      assert.deepEqual(site.channel.texts, [
        'Echo: hello',
        'Echo: still there?',
        'Your message cannot be passed on right now. Please try again in a few minutes.',
      ]);
    });

    it('leaves a customer the bot whom the hub never saw', async () => {
      await breakStore();
      assert.equal((await site.channel.post('hello')).status, 200);
      await site.channel.next('Echo: hello');
    });

    it('never gives the bot what is meant for a person', async () => {
      await site.giveToAna();
      await breakStore();
      assert.equal((await site.channel.post('my number is 1234')).status, 200);
      assert.match(site.channel.texts.at(-1) ?? '', /cannot be passed on right now/);
      assert.ok(site.bot.received.every(({ text }) => text !== 'my number is 1234'));
    });
  });

  it('tells a bot that asks whether people could take over', async () => {
    await site.channel.post('hello');
    const heard = await site.bot.next('hello');
    const ask = { type: 'invoke', name: 'handoff/canEscalate' };
    await site.hub.people.setPresence('ana', 'available');
    const { status, body } = await site.bot.say(heard, ask);
    assert.deepEqual([status, (body as { open?: boolean }).open], [200, true]);
    const french = await site.bot.say(heard, { ...ask, value: { skills: ['french'] } });
    assert.deepEqual([french.status, (french.body as { open?: boolean }).open], [200, false]);
    assert.equal((await site.bot.say(heard, { ...ask, value: { skills: 'french' } })).status, 400);
    const group = { ...heard, conversation: { id: '19:team' } };
    await site.channel.post({ type: 'message', conversation: { id: '19:team', isGroup: true } });
    assert.equal((await site.bot.say(group, ask)).status, 404);
  });

  it("lets another bot take over: it hears and answers in the first one's channel", async () => {
    await site.channel.post('hello');
    await site.channel.next('Echo: hello');
    const { id } = await site.giveToAna();
    await site.hub.handle(id, { type: 'transfer', by: { role: 'agent', id: 'ana' }, to: { bot: 'expert' } });
    await site.hub.settled();
    await site.channel.post('and you?');
    const heard = await site.expert.next('and you?');
    assert.equal(heard.conversation?.id, 'a:kim');
    const { activity } = await site.channel.next('Echo: and you?');
    assert.deepEqual([activity.from?.id, activity.recipient?.id], [`28:${site.channel.appId}`, '29:kim']);
    await site.hub.settled();
    const said = (await site.log()).findLast(({ event }) => event.type === 'said');
    assert.deepEqual(said?.event.by, { role: 'bot', id: 'expert' });
  });

  it('lets a bot ask for people by itself when nothing is under way', async () => {
    await site.channel.post('hello');
    const heard = await site.bot.next('hello');
    const { id } = await site.state();
    await site.hub.handle(id, { type: 'close', by: { role: 'supervisor', id: 'sam' } });
    await site.hub.settled();
    await site.bot.say(heard, { type: 'event', name: 'handoff.initiate', value: { reason: 'no answer' } });
    await site.hub.settled();
    const now = await site.state();
    assert.deepEqual([now.phase, now.previous], ['queued', id]);
  });

  it('hands the customer to people when the bot is down, and gives the bot what it missed when it is only slow to start', async () => {
    await site.channel.post('hello');
    await site.channel.next('Echo: hello');
    let refusals = 1;
    site.bot.script = (turn) => (refusals-- > 0 ? { status: 503 } : echo(turn));
    await site.channel.post('again');
    await site.channel.next('Echo: again');
    const heard = site.bot.received.filter(({ text }) => text === 'again');
    assert.deepEqual(
      heard.map(({ id, conversation }) => [id, conversation?.id]),
      [heard[0], heard[0]].map((one) => [one?.id, 'a:kim']),
    );
    site.bot.script = () => ({ status: 500 });
    await site.channel.post('and now?');
    await site.hub.settled();
    assert.equal((await site.state()).phase, 'queued');
    assert.ok(site.channel.texts.some((text) => text.includes('Shop Bot cannot answer right now')));
  });

  it('serves no bot that is not relayed, and takes nothing that is no activity', async () => {
    const other = site.channel.endpoint.replace(/shop$/, 'other');
    assert.equal((await site.bot.request('POST', other, { type: 'message' })).status, 404);
    assert.equal((await site.bot.request('POST', site.channel.endpoint, { text: 'no type' })).status, 400);
    const bare = { type: 'message', serviceUrl: site.channel.serviceUrl };
    assert.equal((await site.bot.request('POST', site.channel.endpoint, bare)).status, 400);
  });
});
