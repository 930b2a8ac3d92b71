// The demo bot through DirectLineAdapter on a real hub: what it says, and what it keeps quiet about.

import assert from 'node:assert/strict';
import { connectDemoBot } from '../src/demoBot.js';
import { newConversationId } from '../src/hub/conversationId.js';
import { openHub, type TestHub } from './fakes/hub.js';

describe('demo bot', () => {
  let test: TestHub;
  beforeEach(async () => {
    test = await openHub();
    connectDemoBot(test.hub, 'demo');
  });
  afterEach(() => test.close());

  async function answers(text: string): Promise<string[]> {
    const id = await test.startConversation();
    await test.says(id, text);
    return (await test.customerSees(id)).slice(2);
  }

  it('greets a customer who is known from the start once', async () => {
    const id = await test.startConversation();
    assert.deepEqual(await test.customerSees(id), ['Welcome']);
  });

  it('greets a customer who is known only later once, and never greets itself', async () => {
    const id = newConversationId();
    await test.hub.handle(id, { type: 'start', id, workStream: 'web', channel: { id: 'directline' } });
    await test.hub.settled();
    assert.deepEqual(await test.customerSees(id), []);
    await test.says(id, 'hello');
    assert.deepEqual(await test.customerSees(id), ['hello', 'Welcome', 'Echo: hello']);
  });

  it('echoes text', async () => {
    assert.deepEqual(await answers('good day'), ['Echo: good day']);
  });

  it('escalates on "human", with the topic when one is given', async () => {
    const id = await test.startConversation();
    await test.says(id, 'human HomeLoan');
    const state = await test.state(id);
    assert.equal(state.phase === 'queued' && state.queue, 'HomeLoanQueue');
    assert.deepEqual(state.context['BotHandoffTopic'], { value: 'HomeLoan', displayable: true });

    const other = await test.startConversation('lee');
    await test.says(other, 'human', 'lee');
    const without = await test.state(other);
    assert.equal(without.phase === 'queued' && without.queue, 'CreditCardQueue');
    assert.deepEqual(without.context, {});
  });

  it('escalates on "omnichannel" by command tags, with a summary that only people read', async () => {
    const id = await test.startConversation();
    await test.says(id, 'omnichannel HomeLoan');
    const state = await test.state(id);
    assert.equal(state.phase === 'queued' && state.queue, 'HomeLoanQueue');
    assert.match(state.summary ?? '', /HomeLoan/);
    const seen = (await test.customerSees(id)).join('\n');
    assert.equal(seen.includes(state.summary ?? ''), false);
  });

  it('sends an adaptive card', async () => {
    const id = await test.startConversation();
    await test.says(id, 'card');
    const card = (await test.log(id)).at(-1)?.event.body?.activity?.attachments?.[0];
    assert.equal(card?.contentType, 'application/vnd.microsoft.card.adaptive');
    assert.equal((card?.content as { type?: string }).type, 'AdaptiveCard');
  });

  it('ends the conversation on "bye"', async () => {
    const id = await test.startConversation();
    await test.says(id, 'bye');
    const state = await test.state(id);
    assert.equal(state.phase === 'closed' && state.reason, 'botEnded');
  });

  it('fails on "fail", and the customer is handed to people', async () => {
    const id = await test.startConversation();
    await test.says(id, 'fail');
    const state = await test.state(id);
    assert.equal(state.phase, 'queued');
    assert.equal(state.escalationReason, 'botUnavailable');
  });

  it('answers late on "slow"', async () => {
    assert.deepEqual(await answers('slow 5 and steady'), ['Echo: and steady']);
  });

  it('sends what it is given on "send", one activity or several in a batch, and says so when it is not JSON', async () => {
    assert.deepEqual(await answers('send {"type":"message","text":"one"}'), ['one']);
    assert.deepEqual(await answers('send [{"type":"message","text":"one"},{"type":"message","text":"two"}]'), [
      'one',
      'two',
    ]);
    assert.match((await answers('send {'))[0] ?? '', /not JSON/);
  });

  it('says nothing about context it is given or the outcome of a handoff', async () => {
    const id = await test.startConversation();
    await test.hub.people.setPresence('ana', 'available');
    await test.says(id, 'human CreditCard');
    await test.hub.handle(id, { type: 'accept', agent: 'ana' });
    await test.hub.handle(id, { type: 'return', by: { role: 'agent', id: 'ana' } });
    await test.hub.settled();
    const byBot = (await test.log(id)).filter(({ event }) => event.type === 'said' && event.by.role === 'bot');
    assert.equal(byBot.length, 1, 'the welcome is all it said');
  });
});
