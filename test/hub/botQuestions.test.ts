// What a bot hears when it asks the hub by an invoke activity, before it escalates.

import assert from 'node:assert/strict';
import sinon from 'sinon';
import type { Candidate } from '../../src/core/assignment.js';
import { Rejected } from '../../src/core/rejected.js';
import { FunctionBot, handoff, openHub, type TestHub } from '../fakes/hub.js';

const asks = (value?: unknown) => ({ type: 'invoke', name: 'handoff/canEscalate', value });

describe('a bot that asks whether people could take over', () => {
  let test: TestHub;
  let id: string;
  beforeEach(async () => {
    test = await openHub({
      bot: new FunctionBot(({ text }) => (text === 'human' ? [handoff({ BotHandoffTopic: 'CreditCard' })] : [])),
    });
    id = await test.startConversation();
  });
  afterEach(() => test.close());

  it('hears that nobody is there, and later, from the same question, that somebody is', async () => {
    assert.deepEqual(await test.hub.botAsks(id, 'demo', asks()), {
      status: 200,
      body: { open: false, agentsOnline: 0, position: 1, queue: 'CreditCardQueue' },
    });
    await test.hub.people.setPresence('ana', 'available');
    assert.deepEqual(await test.hub.botAsks(id, 'demo', asks({})), {
      status: 200,
      body: {
        open: true,
        agentsOnline: 1,
        position: 1,
        queue: 'CreditCardQueue',
        estimatedWaitMs: 0,
        range: { fromMs: 0, toMs: 0 },
      },
    });
  });

  it('may name a queue, and sees the line of those before', async () => {
    const before = await test.startConversation('lee');
    await test.says(before, 'human', 'lee');
    const { body } = await test.hub.botAsks(id, 'demo', asks({ queue: 'CreditCardQueue' }));
    assert.deepEqual(body, { open: false, agentsOnline: 0, position: 2, queue: 'CreditCardQueue' });
    const loans = await test.hub.botAsks(id, 'demo', asks({ queue: 'HomeLoanQueue' }));
    assert.equal((loans.body as { position: number }).position, 1);
  });

  it('is answered without a look at thousands of chats under way when these tell nothing', async () => {
    let looks = 0;
    const chat = {
      queue: 'CreditCardQueue',
      get cost() {
        looks += 1;
        return 1;
      },
    };
    sinon.stub(test.hub.handling, 'held').returns(Array.from({ length: 5_000 }, () => chat));
    await test.hub.people.setPresence('ana', 'available');
    sinon.stub(test.hub.people, 'candidates').returns([{ ...test.hub.people.row('ana'), load: 3 } as Candidate]);
    const { body } = await test.hub.botAsks(id, 'demo', asks());
    sinon.restore();
    assert.equal((body as { estimatedWaitMs?: number }).estimatedWaitMs, undefined, 'no chat has ended yet');
    assert.equal(looks, 0);
  });

  it('changes nothing by asking', async () => {
    const { version } = await test.state(id);
    await test.hub.botAsks(id, 'demo', asks());
    assert.equal((await test.state(id)).version, version);
  });

  it('hears what is wrong with its question', async () => {
    for (const [value, status] of [
      [{ queue: 'Nowhere' }, 404],
      [{ queue: 7 }, 400],
      [{ skills: 'french' }, 400],
      [{ skills: ['french', ' '] }, 400],
      [{ skills: Array.from({ length: 21 }, (_, index) => `skill ${index}`) }, 400],
      ['CreditCardQueue', 400],
    ] as const)
      assert.equal((await test.hub.botAsks(id, 'demo', asks(value))).status, status, JSON.stringify(value));
    assert.equal((await test.hub.botAsks(id, 'demo', { type: 'invoke', name: 'something/else' })).status, 501);
  });

  it('is refused by a conversation that it never had, or that is not there', async () => {
    const refused = (code: string) => (error: unknown) => error instanceof Rejected && error.code === code;
    await assert.rejects(test.hub.botAsks(id, 'other', asks()), refused('notAllowed'));
    await assert.rejects(test.hub.botAsks('nowhere', 'demo', asks()), refused('conversationUnknown'));
  });
});
