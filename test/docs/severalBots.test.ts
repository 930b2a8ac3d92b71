// docs/several-bots.md: each of its configurations on a real hub, played as the page tells it.

import assert from 'node:assert/strict';
import type { Conversation } from '../../src/core/conversation.js';
import { FunctionBot, handoff, openHub, type TestHub } from '../fakes/hub.js';
import { configurationIn } from './snippets.js';

const ANA = { role: 'agent', id: 'ana' } as const;
const SAM = { role: 'supervisor', id: 'sam' } as const;

/** Introduces itself, hands over on `over [topic]`, ends on `done`, and says after everything else whose echo it is. */
function talking(name: string): FunctionBot {
  return new FunctionBot((activity) => {
    if (activity.type === 'conversationUpdate') return [`${name} here`];
    if (activity.type !== 'message') return [];
    const [command, topic] = (activity.text ?? '').split(' ');
    if (command === 'over') return [handoff(topic === undefined ? {} : { topic })];
    if (command === 'done') return ['Thank you', { type: 'endOfConversation' }];
    return [`${name}: ${activity.text ?? ''}`];
  });
}

const statuses = (bot: FunctionBot): unknown[] =>
  bot.heard.flatMap(({ name, value }) => (name === 'handoff.status' ? [(value as { state: string }).state] : []));

describe('docs/several-bots.md', () => {
  const bots = new Map<string, FunctionBot>();
  let test: TestHub;
  afterEach(() => test.close());

  async function open(snippet: string): Promise<string> {
    const configuration = configurationIn('several-bots.md', snippet);
    bots.clear();
    for (const { id } of configuration.bots ?? []) bots.set(id, talking(id));
    test = await openHub({
      configuration,
      beforeStart: (hub) => {
        for (const [id, bot] of bots) hub.connectBot(id, bot);
      },
    });
    return test.startConversation();
  }

  const bot = (id: string): FunctionBot => bots.get(id) as FunctionBot;
  const holder = ({ phase, ...state }: Conversation): unknown[] => [
    phase,
    'bot' in state ? state.bot : 'agent' in state ? state.agent : 'queue' in state ? state.queue : undefined,
  ];

  async function acceptedByAna(id: string): Promise<void> {
    await test.hub.people.setPresence('ana', 'available');
    await test.hub.settled();
    await test.hub.handle(id, { type: 'accept', agent: 'ana' });
    await test.hub.settled();
  }

  it('one queue for all, and no rule: the bot, then a person of the same queue, and the same bot again', async () => {
    const id = await open('one-queue');
    assert.deepEqual(await test.customerSees(id), ['front here']);
    for (let round = 0; round < 2; round += 1) {
      await test.says(id, 'over');
      const waiting = await test.state(id);
      assert.ok(['queued', 'offered'].includes(waiting.phase) && 'queue' in waiting && waiting.queue === 'Desk');
      await acceptedByAna(id);
      await test.hub.handle(id, { type: 'return', by: ANA, outcome: 'solved', summary: 'sorted out' });
      await test.hub.settled();
      assert.deepEqual(holder(await test.state(id)), ['bot', 'front']);
    }
    assert.deepEqual(statuses(bot('front')), ['accepted', 'completed', 'accepted', 'completed']);
    const last = bot('front').heard.at(-1)?.value as { message: { outcome: string; summary: string } };
    assert.deepEqual([last.message.outcome, last.message.summary], ['solved', 'sorted out']);
    const greetings = (await test.customerSees(id)).filter((text) => text === 'front here');
    assert.equal(greetings.length, 1, 'one welcome');
  });

  it("rules that lead back to the bot's queue: its people are the backup, other rules still decide before", async () => {
    const id = await open('rules-lead-back');
    await test.says(id, 'over');
    assert.deepEqual(holder(await test.state(id)), ['queued', 'Desk']);
    const other = await test.startConversation('lee');
    await test.says(other, 'over claim', 'lee');
    assert.deepEqual(holder(await test.state(other)), ['queued', 'Claims']);
  });

  it('from one bot to the next, and then to a person', async () => {
    const id = await open('bot-to-bot');
    await test.says(id, 'over buy');
    assert.deepEqual(holder(await test.state(id)), ['bot', 'sales']);
    assert.deepEqual((await test.customerSees(id)).slice(-2), ['You are now with Sales Bot.', 'sales here']);
    assert.deepEqual(statuses(bot('front')), ['accepted']);
    await test.says(id, 'over');
    assert.deepEqual(holder(await test.state(id)), ['queued', 'Sales']);
    const receipts = (await test.log(id)).flatMap(({ event }) =>
      event.type === 'routed' ? [event.body?.receipt] : [],
    );
    const last = receipts.at(-1);
    assert.ok(last?.kind === 'route');
    assert.deepEqual(last.candidates, [{ id: 'sales', excluded: 'loopGuard' }]);

    await acceptedByAna(id);
    await test.hub.handle(id, { type: 'transfer', by: ANA, to: { bot: 'front' } });
    await test.hub.settled();
    assert.deepEqual(holder(await test.state(id)), ['bot', 'front']);
    assert.equal((await test.customerSees(id)).at(-1), 'You are back with Front Bot.');
    assert.deepEqual([statuses(bot('front')).at(-1), statuses(bot('sales')).at(-1)], ['completed', 'completed']);
    await test.hub.handle(id, { type: 'transfer', by: SAM, to: { bot: 'sales' } });
    await test.says(id, 'hello again');
    assert.equal((await test.customerSees(id)).at(-1), 'sales: hello again');
  });

  it('ask first', async () => {
    const id = await open('bot-to-bot');
    const asked = { type: 'invoke', name: 'handoff/canEscalate', value: { queue: 'Sales' } };
    await test.hub.people.setPresence('ana', 'available');
    assert.deepEqual(await test.hub.botAsks(id, 'front', asked), {
      status: 200,
      body: {
        open: true,
        agentsOnline: 1,
        position: 1,
        estimatedWaitMs: 0,
        range: { fromMs: 0, toMs: 0 },
        queue: 'Sales',
      },
    });
  });

  it('a survey afterwards, beside the wrap-up and beyond it', async () => {
    const id = await open('survey');
    await test.says(id, 'over');
    await acceptedByAna(id);
    await test.hub.handle(id, { type: 'end', by: ANA });
    await test.hub.settled();
    assert.deepEqual((await test.customerSees(id)).slice(-2), ['Ana left the conversation.', 'survey here']);
    assert.equal((await test.state(id)).phase, 'wrapUp');
    assert.equal(test.hub.people.row('ana')?.load, 1);
    assert.deepEqual(statuses(bot('survey')), ['completed']);

    await test.says(id, 'five stars');
    assert.equal((await test.customerSees(id)).at(-1), 'survey: five stars');
    assert.equal(
      bot('front').heard.some(({ text }) => text === 'five stars'),
      false,
    );
    await test.hub.handle(id, { type: 'close', by: ANA });
    assert.equal(test.hub.people.row('ana')?.load, 0);
    assert.deepEqual(holder(await test.state(id)), ['bot', 'survey']);
    await test.says(id, 'done');
    assert.equal((await test.state(id)).phase, 'closed');
    assert.deepEqual((await test.customerSees(id)).slice(-2), ['Thank you', 'This conversation is closed.']);
  });

  it('a survey that nobody answers is over after its time, and survives a restart until then', async () => {
    const id = await open('survey');
    await test.says(id, 'over');
    await acceptedByAna(id);
    await test.hub.handle(id, { type: 'end', by: ANA });
    await test.hub.handle(id, { type: 'close', by: ANA });
    await test.hub.settled();
    test = await test.restart();
    for (const [name, one] of bots) test.hub.connectBot(name, one);
    await test.says(id, 'just a moment');
    assert.equal((await test.customerSees(id)).at(-1), 'survey: just a moment');
    test.clock.advance(300_000);
    await test.hub.tick();
    const state = await test.state(id);
    assert.ok(state.phase === 'closed' && state.reason === 'inactive');
  });
});
