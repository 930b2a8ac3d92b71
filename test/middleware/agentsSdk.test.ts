// What only the Microsoft 365 Agents SDK has: AgentApplication, streamed replies, channels within channels, callers that are agents.

import assert from 'node:assert/strict';
import { AgentApplication, MemoryStorage, type CloudAdapter, type TurnContext } from '@microsoft/agents-hosting';
import { escalate } from '../../src/middleware/escalation.js';
import { handoffMiddleware } from '../../src/middleware/handoffMiddleware.js';
import type { BotTurnContext } from '../../src/middleware/host.js';
import { ProxiedBot } from '../fakes/proxiedBot.js';
import { AGENTS } from '../fakes/sdks.js';

describe('handoffMiddleware and what only the Agents SDK has', () => {
  let bot: ProxiedBot;
  beforeEach(async () => (bot = await ProxiedBot.start(AGENTS)));
  afterEach(() => bot.stop());

  const turnOf = (context: BotTurnContext) => context as unknown as TurnContext;

  it('serves an AgentApplication: its routes, its state, its way to hand over and to learn of the outcome', async () => {
    const app = new AgentApplication({ startTypingTimer: true, storage: new MemoryStorage() });
    const outcomes: unknown[] = [];
    app.onMessage('human', async (context) => void (await escalate(context, { summary: 'asked for it' })));
    app.onActivity('message', async (context, state) => {
      const count = ((state.getValue('conversation.count') as number | undefined) ?? 0) + 1;
      state.setValue('conversation.count', count);
      await context.sendActivity(`${count}: ${context.activity.text}`);
    });
    // The SDK keeps the state of a turn only when something is to run after it.
    app.onTurn('afterTurn', () => Promise.resolve(true));
    app.onActivity('event', async ({ activity: { name, value } }) => {
      if (name === 'handoff.status') outcomes.push((value as { state: string }).state);
      return Promise.resolve();
    });
    bot.onMessage = bot.onOther = (context) => app.run(turnOf(context));
    await bot.channel.post('hello');
    const { id } = await bot.giveToAna();
    await bot.channel.post('for Ana');
    await bot.anaSays('Hi');
    await bot.test.hub.handle(id, { type: 'return', by: { role: 'agent', id: 'ana' } });
    await bot.test.hub.settled();
    await bot.channel.post('back again');
    const texts = bot.channel.texts;
    assert.equal(texts[0], '1: hello');
    assert.ok(texts.includes('Hi'));
    assert.equal(texts.at(-1), '2: back again');
    assert.deepEqual(outcomes, ['accepted', 'completed']);
  });

  it('streams a reply to the channel as it comes, and records it once, whole', async () => {
    bot.onMessage = async (context) => {
      const { streamingResponse } = turnOf(context);
      streamingResponse.setDelayInMs(0);
      streamingResponse.queueInformativeUpdate('Looking it up');
      streamingResponse.queueTextChunk('Forty-two');
      await streamingResponse.endStream();
    };
    await bot.channel.post('the answer?');
    const sent = bot.channel.delivered.map(({ activity, id }) => ({
      ...(activity.entities?.[0] as { streamId?: string; streamType?: string }),
      type: activity.type,
      id,
    }));
    assert.deepEqual([sent[0]?.type, sent.at(-1)?.type, sent.at(-1)?.streamType], ['typing', 'message', 'final']);
    assert.ok(sent.slice(1).every(({ streamId }) => streamId === sent[0]?.id));
    const said = (await bot.log()).filter(({ event }) => event.type === 'said' && event.by.role === 'bot');
    assert.deepEqual(
      said.map(({ event }) => event.body?.activity?.text),
      ['Forty-two'],
    );
  });

  it('knows a customer who comes by a product within a channel as the one of the channel', async () => {
    await bot.channel.post('from Teams');
    let seen: string | undefined;
    bot.onMessage = (context) => {
      seen = context.activity.channelId;
      return context.sendActivity('here');
    };
    await bot.channel.post({ type: 'message', text: 'from Copilot', channelId: 'msteams:COPILOT' });
    assert.equal(seen, 'msteams:COPILOT');
    assert.deepEqual(
      bot.channel.delivered.map(({ activity }) => [activity.text, activity.channelId]),
      [
        ['Echo: from Teams', 'msteams'],
        ['here', 'msteams'],
      ],
    );
    const said = (await bot.log()).filter(({ event }) => event.type === 'said');
    assert.equal(said.length, 4, 'one conversation');
    assert.equal((await bot.state()).channel.id, 'msteams');
    assert.equal(said[2]?.event.body?.activity?.channelId, 'msteams:COPILOT');
    assert.ok(said.every(({ event }) => !('_channelId' in (event.body?.activity ?? {}))));
  });

  it("keeps the wire's names where the SDK has others, and gives the bot the SDK's again after a crash", async () => {
    const relatesTo = {
      activityId: 'a',
      user: { id: 'u' },
      bot: { id: 'b' },
      conversation: { id: 'c' },
      channelId: 'msteams',
    };
    let seen: unknown;
    let finish = () => {};
    let reached = () => {};
    const stuck = new Promise<void>((resolve) => (reached = resolve));
    bot.onOther = async (context) => {
      if (context.activity.name !== 'clicked') return;
      reached();
      await new Promise<void>((resolve) => (finish = resolve));
    };
    const turn = bot.channel.post({ type: 'event', name: 'clicked', relatesTo }).catch(() => undefined);
    await stuck;
    const kept = (await bot.log()).find(({ event }) => event.body?.activity?.name === 'clicked');
    assert.deepEqual(kept?.event.body?.activity?.['relatesTo'], relatesTo);
    await bot.crash();
    bot.onOther = async (context) => {
      if (context.activity.name !== 'clicked') return;
      seen = turnOf(context).activity.relatesTo?.agent;
      await context.sendActivity('done');
    };
    await bot.begin();
    await bot.channel.next('done');
    finish();
    await turn;
    assert.deepEqual(seen, { id: 'b' });
  });

  it('speaks for people under the identity of the agent that called, where one did', async () => {
    const asked: unknown[] = [];
    const adapter = {
      use: () => undefined,
      onTurnError: () => Promise.resolve(),
      getClientId: () => 'the-bot',
      continueConversation: (identity: unknown) => Promise.resolve(void asked.push(identity)),
    };
    const middleware = handoffMiddleware(bot.test.hub, { adapter, botId: 'demo', run: () => Promise.resolve() });
    const context = {
      identity: { aud: 'the-bot', appid: 'the-caller', secret: 'not kept' },
      activity: {
        type: 'message',
        text: 'hi',
        id: '1',
        channelId: 'msteams',
        from: { id: 'kim' },
        recipient: { id: 'the-bot' },
        conversation: { id: 'c' },
        serviceUrl: 'https://caller.example/',
      },
      turnState: new Map(),
      onSendActivities: () => undefined,
      onUpdateActivity: () => undefined,
      onDeleteActivity: () => undefined,
    } as unknown as BotTurnContext;
    await middleware(context as never, () => Promise.resolve());
    await bot.test.hub.settled();
    const [state] = (await bot.test.store.list({ customer: 'kim' }, 1)).items;
    assert.deepEqual((state?.reference as { caller?: unknown }).caller, { aud: 'the-bot', appid: 'the-caller' });
    assert.deepEqual(asked[0], { aud: 'the-bot', appid: 'the-caller' });
  });

  it('takes the app id from the adapter unless told otherwise', async () => {
    const { appIdOf } = await import('../../src/middleware/host.js');
    assert.equal(appIdOf({ getClientId: () => 'the-bot' }), 'the-bot');
    assert.equal(appIdOf(AGENTS.cloudAdapter() as unknown as CloudAdapter), undefined);
  });
});
