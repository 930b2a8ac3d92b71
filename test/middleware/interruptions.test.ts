// handoffMiddleware when something breaks: the channel, the bot, the process, the store. Real CloudAdapters of both SDKs, real HTTP.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { escalate } from '../../src/middleware/escalation.js';
import { ProxiedBot } from '../fakes/proxiedBot.js';
import { describeOnEachSdk, type Adapter } from '../fakes/sdks.js';

describeOnEachSdk('handoffMiddleware, interrupted', (sdk) => {
  let bot: ProxiedBot;
  beforeEach(async () => {
    bot = await ProxiedBot.start(sdk);
    bot.onMessage = async (context) => {
      if (context.activity.text === 'human') await escalate(context);
      else await context.sendActivity(`Echo: ${context.activity.text}`);
    };
  });
  afterEach(() => bot.stop());

  const types = async () => (await bot.log()).map(({ event }) => event.type);

  describe('by the channel', () => {
    it('keeps what the channel was too busy to take, in order, and sends it later', async () => {
      let busy = true;
      bot.channel.refuse = () => (busy ? 429 : undefined);
      let given: string[] = [];
      bot.onMessage = async (context) => {
        given = (await context.sendActivities(['one', 'two'].map((text) => ({ type: 'message', text })))).map(
          ({ id }) => id,
        );
      };
      assert.equal((await bot.channel.post('hello')).status, 200, "the bot's turn does not wait for the channel");
      assert.deepEqual(bot.channel.texts, []);
      const { id } = await bot.state();
      assert.ok(given.every((one) => one.startsWith(`${id}|`)));
      busy = false;
      bot.test.clock.advance(60_000);
      await bot.channel.next('two');
      await bot.test.hub.settled();
      assert.deepEqual(bot.channel.texts, ['one', 'two']);
      assert.deepEqual(await bot.test.store.outbox(10), []);
    });

    it('tells the bot when the channel refuses what it sent, and the log too', async () => {
      bot.channel.refuse = ({ activity }) => (activity.text === 'bad' ? 400 : undefined);
      let refused: { statusCode?: number; status?: number } = {};
      bot.onMessage = async (context) => {
        refused = (await context.sendActivity('bad').catch((error: unknown) => error)) as typeof refused;
        await context.sendActivity('good');
      };
      await bot.channel.post('hello');
      assert.equal(refused.statusCode ?? refused.status, 400);
      assert.deepEqual(bot.channel.texts, ['good']);
      assert.ok((await types()).includes('deliveryFailed'));
    });
  });

  describe('by the bot', () => {
    it('records the failure, tells the customer and asks for people, whether or not the bot has an onTurnError', async () => {
      bot.onMessage = () => {
        throw new Error('bug');
      };
      bot.adapter.onTurnError = async (context) => void (await context.sendActivity('Something went wrong'));
      assert.equal((await bot.channel.post('help')).status, 200);
      await bot.test.hub.settled();
      assert.deepEqual(bot.channel.texts.slice(0, 2), [
        'Something went wrong',
        'Sorry, Demo Bot cannot answer right now.',
      ]);
      assert.equal((await bot.state()).escalationReason, 'botUnavailable');

      (bot.adapter as { onTurnError?: Adapter['onTurnError'] | undefined }).onTurnError = undefined;
      const printed = silenceConsole();
      try {
        assert.equal((await bot.channel.post('help', 'lee')).status, 500);
      } finally {
        printed.restore();
      }
      assert.equal((await bot.state('lee')).escalationReason, 'botUnavailable');
    });

    it("does not count against a bot that it cannot make anything of the hub's own events, nor is the customer told", async () => {
      bot.adapter.onTurnError = async (context) => void (await context.sendActivity('Something went wrong'));
      bot.onOther = (context) => {
        throw new Error(`what is ${context.activity.name}?`);
      };
      await bot.channel.post('hello');
      assert.deepEqual(bot.channel.texts, ['Echo: hello']);
      assert.equal((await bot.state()).phase, 'bot');
    });

    it('hands the customer to people when the bot does not finish in time, and fences what it says afterwards', async () => {
      await bot.stop();
      bot = await ProxiedBot.start(sdk, { botTimeoutMs: 100 });
      let wake = () => {};
      bot.onMessage = async (context) => {
        await new Promise<void>((resolve) => (wake = resolve));
        await context.sendActivity('too late');
      };
      const turn = bot.channel.post('hello');
      await bot.channel.next('Sorry, Demo Bot cannot answer right now.');
      wake();
      assert.equal((await turn).status, 200);
      assert.equal(bot.channel.texts.includes('too late'), false);
      assert.equal(
        (await bot.log()).some(({ event }) => event.type === 'drafted' && event.body?.activity?.text === 'too late'),
        true,
      );
    });
  });

  describe('by a crash', () => {
    it('sends after the restart what was committed and had not reached the channel', async () => {
      const stuck = signal();
      bot.channel.refuse = async () => {
        stuck.reached();
        await stuck.released;
        return 400;
      };
      const turn = bot.channel.post('hello').catch(() => undefined);
      await stuck.arrived;
      await bot.crash();
      bot.channel.refuse = () => undefined;
      await bot.begin();
      await bot.channel.next('Echo: hello');
      stuck.release();
      await turn;
      await bot.test.hub.settled();
      assert.deepEqual(bot.channel.texts, ['Echo: hello']);
      assert.deepEqual(await bot.test.store.outbox(10), []);
      assert.equal((await bot.log()).at(-1)?.channelActivityId, 'out-1');
    });

    it('brings the bot after the restart what it had not answered, as the channel sent it, and repeats nothing', async () => {
      const stuck = signal();
      bot.onMessage = async (context) => {
        await context.sendActivity('one moment');
        stuck.reached();
        await stuck.released;
      };
      const turn = bot.channel
        .post({ type: 'message', text: 'difficult', id: 'in-a', channelData: { x: 1 } })
        .catch(() => undefined);
      await stuck.arrived;
      await bot.crash();
      let seen: Record<string, unknown> = {};
      bot.onMessage = async (context) => {
        seen = { ...context.activity };
        await context.sendActivity('one moment');
        await context.sendActivity('here it is');
      };
      await bot.begin();
      await bot.channel.next('here it is');
      stuck.release();
      await turn;
      await bot.test.hub.settled();
      assert.deepEqual(bot.channel.texts, ['one moment', 'here it is']);
      assert.deepEqual(
        [seen['id'], seen['serviceUrl'], seen['channelData'], (seen['from'] as { id: string }).id],
        ['in-a', bot.channel.serviceUrl, { x: 1 }, '29:kim'],
      );
      assert.deepEqual(bot.channel.delivered.at(-1)?.activityId, 'in-a');
    });

    it('goes on with people after the restart', async () => {
      await bot.giveToAna();
      await bot.crash();
      await bot.begin();
      await bot.channel.post('are you there?');
      await bot.anaSays('Yes');
      assert.equal(bot.channel.texts.at(-1), 'Yes');
      assert.equal(bot.heard.includes('are you there?'), false);
    });
  });

  describe('by a start that takes its time', () => {
    it('is the turn of its bot all the same, to its end', async () => {
      const { hub, store } = bot.test;
      await hub.stop();
      const owed = store.outbox.bind(store);
      const stuck = signal();
      store.outbox = async (limit, after) => {
        stuck.reached();
        await stuck.released;
        return owed(limit, after);
      };
      const started = hub.start();
      await stuck.arrived;
      const arrived = signal();
      bot.around = (_id, next) => {
        arrived.reached();
        return next();
      };
      const turn = bot.channel.post('early');
      await arrived.arrived;
      // Long enough for a middleware that does not wait to have recorded it.
      await pause(50);
      stuck.release();
      assert.equal((await turn).status, 200);
      assert.deepEqual(bot.channel.texts, ['Echo: early'], 'the turn was over before the bot had answered');
      await started;
    });
  });

  describe('by the store', () => {
    const breakStore = () => bot.test.store.close();

    it('passes customers through to their bot, unrecorded, and refuses escalations in so many words', async () => {
      await bot.channel.post('hello');
      await breakStore();
      const reasons: unknown[] = [];
      bot.onOther = (context) => void reasons.push(context.activity.value);
      assert.equal((await bot.channel.post('still there?')).status, 200);
      assert.equal((await bot.channel.post('human')).status, 200);
      assert.deepEqual(bot.channel.texts, [
        'Echo: hello',
        'Echo: still there?',
        'Your message cannot be passed on right now. Please try again in a few minutes.',
      ]);
      assert.deepEqual(reasons, [{ state: 'failed', message: 'hubUnavailable' }]);
    });

    it('passes a customer through whom the hub never saw', async () => {
      await breakStore();
      await bot.channel.post('hello');
      assert.deepEqual(bot.channel.texts, ['Echo: hello']);
    });

    it('finishes a turn in which the store went away', async () => {
      bot.onMessage = async (context) => {
        await breakStore();
        await context.sendActivity('said all the same');
      };
      assert.equal((await bot.channel.post('hello')).status, 200);
      assert.deepEqual(bot.channel.texts, ['said all the same']);
    });

    it('never passes to the bot what is meant for a person', async () => {
      await bot.giveToAna();
      await breakStore();
      assert.equal((await bot.channel.post('my number is 1234')).status, 200);
      assert.equal(bot.heard.includes('my number is 1234'), false);
      assert.match(bot.channel.texts.at(-1) ?? '', /cannot be passed on right now/);
    });

    it('tells everybody to come back later when asked to refuse', async () => {
      await bot.stop();
      bot = await ProxiedBot.start(sdk, {
        onHubUnavailable: 'refuse',
        texts: { hubUnavailable: 'Closed for repairs.' },
      });
      await breakStore();
      await bot.channel.post('hello');
      assert.deepEqual(bot.channel.texts, ['Closed for repairs.']);
      assert.deepEqual(bot.heard, []);
    });
  });
});

function signal() {
  let reached = () => {};
  let release = () => {};
  const arrived = new Promise<void>((resolve) => (reached = resolve));
  const released = new Promise<void>((resolve) => (release = resolve));
  return { arrived, released, reached: () => reached(), release: () => release() };
}

/** The SDK prints what it answers 500 to. */
function silenceConsole() {
  const { error } = console;
  console.error = () => undefined;
  return { restore: () => void (console.error = error) };
}
