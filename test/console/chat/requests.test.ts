// Requests in a chat: races with the console, late and doubled clicks, requests that lapse, restarts and channels that fail.

import assert from 'node:assert/strict';
import { CHAT_ACCOUNT, type Account } from '../../../src/console/chat/accounts.js';
import type { ChatClient } from '../../fakes/chatClient.js';
import type { Desk } from '../office.js';
import { ChatOffice } from './chatOffice.js';

describe('requests in a chat', () => {
  let office: ChatOffice;
  let ana: ChatClient;
  beforeEach(async () => {
    office = await ChatOffice.open();
    ana = await office.signedIn('ana');
  });
  afterEach(() => office.close());

  const present = async (person: string): Promise<Desk> => {
    const desk = await office.as(person);
    await desk.present();
    return desk;
  };

  it('says who was faster and when, to whom presses a button that came too late', async () => {
    const kim = await office.widget();
    await kim.say('human CreditCard');
    const offer = await ana.sees(/Request #1 from Kim/);
    // Ana's request lapses, Ben gets it and takes it in the console; her client still shows the old card.
    const ben = await present('ben');
    office.clock.advance(121_000);
    await office.hub.tick();
    await ana.sees(/The request lapsed\. (Ben is asked to take it|It waits in CreditCardQueue) since 09:0\d:0\d UTC/);
    await until(async () => {
      const state = await office.state(kim.conversationId);
      return state.phase === 'offered' && state.offers[0]?.agent === 'ben';
    });
    office.clock.advance(5_000);
    assert.equal((await ben.asks(kim.conversationId, 'accept')).status, 200);
    await ana.presses(offer, 'Accept');
    await ana.reads(/^Ben has taken this conversation\. Since 09:02:06 UTC\.$/);
    await ana.presses(offer, 'Reject');
    await ana.reads(/^Ben has taken this conversation\. Since 09:02:06 UTC\.$/);
    const state = await office.state(kim.conversationId);
    assert.deepEqual([state.phase, 'agent' in state && state.agent], ['agent', 'ben']);
  });

  it('gives the conversation to one when chat and console accept at the same moment', async () => {
    const ben = await office.signedIn('ben');
    const kim = await office.widget();
    await kim.say('human CreditCard');
    await until(async () => (await office.state(kim.conversationId)).phase === 'offered');
    const offered = await office.state(kim.conversationId);
    const first = offered.phase === 'offered' && offered.offers[0]?.agent === 'ben' ? ben : ana;
    const asked = [first, await first.sees(/Request #1/)] as const;
    // Whoever is asked presses while a supervisor assigns it to the other.
    const other = first === ana ? 'ben' : 'ana';
    const sam = await office.as('sam');
    const [, assigned] = await Promise.all([
      asked[0].presses(asked[1], 'Accept'),
      sam.asks(kim.conversationId, 'assign', { agent: other }),
    ]);
    const state = await office.state(kim.conversationId);
    assert.equal(state.phase, 'agent');
    const holder = 'agent' in state ? state.agent : '';
    if (holder === other)
      await asked[0].reads(new RegExp(`${other === 'ben' ? 'Ben' : 'Ana'} has taken this conversation\\. Since`));
    else assert.equal(assigned.status, 409);
    await (holder === 'ana' ? ana : ben).sees(/you are talking with Kim/);
  });

  it('takes a doubled click for one', async () => {
    const kim = await office.widget();
    await kim.say('human CreditCard');
    const offer = await ana.sees(/Request #1 from Kim/);
    await Promise.all([ana.presses(offer, 'Accept'), ana.presses(offer, 'Accept')]);
    await ana.reads(/#1 Kim is with you already/);
    const joined = kim.received.filter(({ text }) => text === 'Ana joined the conversation.');
    assert.equal(joined.length <= 1, true);
    assert.equal(ana.everything.filter((words) => words.includes('you are talking with Kim')).length, 1);
    await ana.presses(offer, 'Reject');
    await ana.reads(/^Ana has taken this conversation/);
  });

  it('rejects with a reason, by button or in words, and the reason is in the log', async () => {
    const kim = await office.widget();
    await kim.say('human CreditCard');
    await ana.sees(/Request #1/);
    await ana.writes('reject not my language');
    await ana.sees(/You declined it\./);
    const declined = (await office.hub.entries(kim.conversationId, 0, 100)).find(
      ({ event }) => event.type === 'declined',
    );
    assert.equal(declined?.event.type === 'declined' && declined.event.reason, 'not my language');
    await ana.writes('reject');
    // Offered again at once: nobody else is there.
    await ana.reads(/No request is open|You declined it/);
  });

  it('tells who let a request lapse that no more come, until they say so', async () => {
    const kim = await office.widget();
    await kim.say('human CreditCard');
    await ana.sees(/Request #1 from Kim[^]*in 120 seconds/);
    office.clock.advance(121_000);
    await office.hub.tick();
    await ana.reads(/You are inactive now, because a request lapsed/);
    await ana.writes('presence available');
    await ana.reads(/^You are available now\.$/);
    await ana.sees(/Request #1 from Kim/);
  });

  it('shows a change of presence in the console, and one from the console in the chat', async () => {
    const desk = await office.as('ana');
    await desk.call('PUT', '/me/presence', { presence: 'away' });
    await ana.reads(/^You are away now\.$/);
    await ana.writes('status do not disturb');
    await ana.reads(/^You are do not disturb now\.$/);
    const { body } = await desk.get('/me');
    assert.equal((body as { presence: string }).presence, 'doNotDisturb');
    await ana.writes('status');
    const status = await ana.sees(/Ana: do not disturb/);
    await ana.presses(status, 'Set presence', { presence: 'available' });
    await ana.reads(/^You are available now\.$/);
  });

  it('takes the one that is next from the list, by the same rules as in the console', async () => {
    await ana.writes('presence away');
    const [kim, lee] = [await office.widget('Kim'), await office.widget('Lee')];
    await kim.say('human CreditCard');
    await kim.next((activity) => /line/.test(activity.text ?? '') || /available/.test(activity.text ?? ''));
    office.clock.advance(1_000);
    await lee.say('human HomeLoan');
    await lee.next((activity) => /line/.test(activity.text ?? '') || /available/.test(activity.text ?? ''));
    await ana.writes('list');
    const list = await ana.sees(/Nobody is with you[^]*Kim waits in CreditCardQueue/);
    // Lee waits in a queue that is not hers: not listed, and not to be had by a button that names it all the same.
    assert.doesNotMatch(list.words, /Lee/);
    await ana.posts({ type: 'message', value: { handoff: { do: 'pick', conversation: lee.conversationId } } });
    await ana.reads(/Only members of HomeLoanQueue can pick from it/);
    await ana.presses(list, 'Take');
    await ana.sees(/you are talking with Kim/);
    await ana.writes('take');
    await ana.reads(/Nobody waits in your queues/);
  });

  it('goes on after a restart: open requests are shown once more, and what was said meanwhile is told', async () => {
    const [kim, lee] = [await office.widget('Kim'), await office.widget('Lee')];
    await kim.say('human CreditCard');
    await ana.presses(await ana.sees(/Request #1 from Kim/), 'Accept');
    await ana.sees(/you are talking with Kim/);
    await lee.say('human CreditCard');
    await ana.sees(/Request #2 from Lee/);
    const before = ana.everything.length;
    await office.restart();
    const again = await ana.sees(/Request #2 from Lee/);
    await kim.reconnect();
    await kim.say('are you still there?');
    assert.equal(await ana.reads(/still there/), '#1 Kim: are you still there?');
    await ana.writes('yes');
    await kim.next('yes');
    await ana.presses(again, 'Accept');
    await ana.sees(/you are talking with Lee/);
    const since = ana.everything.slice(before);
    assert.equal(since.filter((words) => /Request #2 from Lee[^]*Lapses/.test(words)).length, 1);
    assert.equal(since.filter((words) => words.includes('talking with Kim')).length, 0);
  });

  it('loses nothing and keeps the order while the channel takes nothing', async () => {
    const kim = await office.widget();
    await kim.say('human CreditCard');
    await ana.presses(await ana.sees(/Request #1 from Kim/), 'Accept');
    await ana.sees(/what was said before/);
    let refusals = 0;
    ana.channel.refuse = () => ((refusals += 1) <= 2 ? 503 : undefined);
    for (const words of ['one', 'two', 'three']) await kim.say(words);
    await ana.reads(/three/);
    const told = ana.everything.filter((words) => /^#1 Kim: (one|two|three)$/.test(words));
    assert.deepEqual(told, ['#1 Kim: one', '#1 Kim: two', '#1 Kim: three']);
  });

  it('notes each message when it got through, before the next goes: a process that ends repeats one at most', async () => {
    const kim = await office.widget();
    await kim.say('human CreditCard');
    await ana.presses(await ana.sees(/Request #1 from Kim/), 'Accept');
    await ana.sees(/what was said before/);
    const { store } = office.hub;
    const put = store.putGrant.bind(store);
    let noted: unknown;
    store.putGrant = async (grant) => {
      await put(grant);
      if (grant.kind === CHAT_ACCOUNT) noted = (grant.value as unknown as Account).slots[0]?.seq;
    };
    let letThrough = () => {};
    const isLet = new Promise<void>((resolve) => (letThrough = resolve));
    let notedBefore: unknown;
    ana.channel.refuse = async ({ activity: { text = '' } }) => {
      if (text.endsWith('one')) await isLet;
      if (text.endsWith('three')) notedBefore = noted;
      return undefined;
    };
    // While the first is on its way, the others gather.
    for (const words of ['one', 'two', 'three']) await kim.say(words);
    letThrough();
    await ana.reads(/three/);
    const log = await store.entries(kim.conversationId, 0, 100);
    assert.equal(notedBefore, log.find(({ event }) => event.body?.activity?.text === 'two')?.seq);
  });

  it('waits for the person when the channel has thrown the bot out, and then tells everything', async () => {
    const kim = await office.widget();
    await kim.say('human CreditCard');
    await ana.presses(await ana.sees(/Request #1 from Kim/), 'Accept');
    await ana.sees(/what was said before/);
    let refused = 0;
    ana.channel.refuse = () => {
      refused += 1;
      return 403;
    };
    await kim.say('hello?');
    await until(() => refused > 0);
    ana.channel.refuse = () => undefined;
    await kim.say('anybody?');
    await ana.writes('I am back');
    await kim.next('I am back');
    await ana.reads(/anybody/);
    assert.deepEqual(
      ana.everything.filter((words) => /hello|anybody/.test(words)),
      ['#1 Kim: hello?', '#1 Kim: anybody?'],
    );
  });

  it('sends a card the channel refuses as words', async () => {
    ana.channel.refuse = ({ activity }) => (activity.attachments?.length ? 400 : undefined);
    const kim = await office.widget();
    await kim.say('human CreditCard');
    await ana.reads(/^Request #1 from Kim$/);
    await ana.writes('accept');
    await ana.reads(/#1: you are talking with Kim/);
  });
});

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 500 && !(await condition()); attempt += 1)
    await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(await condition());
}
