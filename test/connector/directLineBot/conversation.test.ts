/** A conversation with a bot made in Copilot Studio, as customer, people and bot see it. */
import assert from 'node:assert/strict';
import type { Conversation } from '../../../src/core/conversation.js';
import { BOT, configurationOf, eventually, GREETING, openOurHub, Studio, VARIABLES, type OurHub } from './studio.js';

describe('A bot of Copilot Studio behind the hub', function () {
  this.timeout(60_000);
  let studio: Studio;
  let hub: OurHub;

  beforeEach(async () => {
    studio = await Studio.open();
    hub = await openOurHub(studio);
  });
  afterEach(async () => {
    await hub.close();
    await studio.close();
  });

  const botTexts = async (id: string) =>
    (await hub.log(id))
      .filter(({ event }) => event.audience === 'everyone' && event.by.role === 'bot')
      .flatMap(({ event }) => event.body?.activity?.text ?? []);
  const seen = (id: string, ...texts: string[]) =>
    eventually(async () => assert.deepEqual(await botTexts(id), [GREETING, ...texts]));
  const inPhase = (id: string, phase: Conversation['phase']) =>
    eventually(async () => {
      const state = await hub.state(id);
      assert.equal(state.phase, phase);
      return state;
    });
  const status = async (state: string) =>
    (await studio.posted())
      .filter(({ name }) => name === 'handoff.status')
      .map(({ value }) => value as { state: string; message?: { outcome: string } })
      .find((value) => value.state === state);
  const drafts = async (id: string) =>
    (await hub.log(id)).filter(({ event }) => event.type === 'drafted').map(({ event }) => event.body?.activity?.text);

  it('greets, and answers in the order in which it was asked, to a customer with one id', async () => {
    const id = await hub.startConversation();
    await seen(id);
    await hub.says(id, 'one');
    await hub.says(id, 'two');
    await seen(id, 'Echo: one', 'Echo: two');
    assert.deepEqual(studio.said, ['startConversation', 'one', 'two']);
    assert.deepEqual([...new Set(studio.heard.map(({ from }) => from?.id))], ['kim']);
    const replies = (await hub.log(id)).filter(({ event }) => event.body?.activity?.text?.startsWith('Echo'));
    const asked = (await hub.log(id)).filter(({ event }) => event.by.role === 'customer' && event.type === 'said');
    assert.deepEqual(
      replies.map(({ event }) => 'answers' in event && event.answers),
      asked.map(({ seq }) => seq),
      'each reply names the entry it answers',
    );
  });

  it('is told the locale, the time zone and the context before it greets', async () => {
    const id = 'c-with-context';
    await hub.hub.handle(id, {
      type: 'start',
      id,
      workStream: 'web',
      channel: { id: 'directline' },
      customer: 'kim',
      locale: 'de-CH',
      variables: { Tier: { value: 'gold' }, Orders: { value: 3 } },
    });
    await seen(id);
    const [context, start] = studio.heard;
    assert.deepEqual([context?.name, context?.value], ['pvaSetContext', { Tier: 'gold', Orders: 3 }]);
    assert.equal(start?.name, 'startConversation');
    assert.equal(start.locale, 'de-CH');
    assert.equal(start['localTimezone'], Intl.DateTimeFormat().resolvedOptions().timeZone);
    assert.deepEqual(start.value, { Tier: 'gold', Orders: 3 });
    await eventually(async () =>
      assert.deepEqual(
        (await studio.posted()).map(({ name }) => name),
        ['pvaSetContext', 'startConversation', 'omnichannelSetContext'],
        'each once while nothing changes',
      ),
    );
  });

  it('hands over with all of its variables, and the customer never sees the event', async () => {
    const id = await hub.startConversation();
    await seen(id);
    await hub.says(id, 'human');
    await seen(id, 'I connect you with a person', 'Please wait a moment');
    const state = await inPhase(id, 'queued');
    const { va_LastPhrase, ...others } = VARIABLES;
    const context = Object.fromEntries(Object.entries(state.context).map(([name, { value }]) => [name, value]));
    assert.deepEqual(context, { ...others, va_LastPhrases: va_LastPhrase });
    assert.equal(state.summary, VARIABLES.va_AgentMessage);
    const log = await hub.log(id);
    const events = log.filter(({ event }) => event.audience === 'everyone' && event.body?.activity?.type === 'event');
    assert.deepEqual(events, []);
    assert.equal(
      log.some(({ event }) => event.type === 'imported'),
      false,
      'nothing of its transcript is doubled',
    );
  });

  it('is only looked on at where the work stream observes: no context goes in, and the event goes to the customer as it is', async () => {
    await hub.close();
    const acting = configurationOf(studio);
    const workStreams = acting.workStreams.map((workStream) => ({ ...workStream, observe: true }));
    hub = await openOurHub(studio, { configuration: { ...acting, workStreams } });
    const id = 'c-observed';
    const variables = { Tier: { value: 'gold' } };
    const channel = { id: 'directline' };
    await hub.hub.handle(id, { type: 'start', id, workStream: 'web', channel, customer: 'kim', variables });
    await seen(id);
    await hub.says(id, 'human');
    await seen(id, 'I connect you with a person', 'Please wait a moment');
    await hub.says(id, 'still here');
    await seen(id, 'I connect you with a person', 'Please wait a moment', 'Echo: still here');
    const log = await hub.log(id);
    const [event] = log.flatMap(({ event }) =>
      event.audience === 'everyone' && event.body?.activity?.type === 'event' ? [event.body.activity] : [],
    );
    assert.deepEqual([event?.name, event?.value], ['handoff.initiate', VARIABLES]);
    assert.equal(event?.attachments?.[0]?.name, 'Transcript');
    assert.deepEqual(
      (await studio.posted()).map(({ text, name }) => text ?? name),
      ['startConversation', 'human', 'still here'],
    );
    assert.equal(log.filter(({ event: { type } }) => type === 'escalationObserved').length, 1);
  });

  it('has ended its turn once it is quiet: what it says in the queue later is for staff', async () => {
    await hub.close();
    hub = await openOurHub(studio, { times: { quietMs: 1_500 } });
    const id = await hub.startConversation();
    await hub.says(id, 'human');
    await seen(id, 'I connect you with a person', 'Please wait a moment');
    await eventually(async () => assert.ok((await hub.log(id)).some(({ event }) => event.type === 'turnEnded')));
    const [remote = ''] = studio.conversations;
    await studio.says({ conversationId: remote, answers: undefined }, { type: 'message', text: 'Still there?' });
    await eventually(async () => assert.deepEqual(await drafts(id), ['Still there?']));
    await seen(id, 'I connect you with a person', 'Please wait a moment');
  });

  it('cannot reach the customer with a late reply once a person has accepted', async () => {
    const id = await hub.startConversation();
    await seen(id);
    for (const text of ['later a', 'later b', 'human']) await hub.says(id, text);
    await seen(id, 'I connect you with a person', 'Please wait a moment');
    await hub.hub.handle(id, { type: 'pick', agent: 'ana' });
    await studio.release();
    await eventually(async () => assert.deepEqual(await drafts(id), ['Echo: a', 'Echo: b']));
    await seen(id, 'I connect you with a person', 'Please wait a moment');
  });

  it('gets the customer back with the context and the session, and goes on in the same conversation', async () => {
    const id = await hub.startConversation();
    await hub.says(id, 'later old');
    await hub.says(id, 'human');
    await inPhase(id, 'queued');
    await hub.hub.handle(id, { type: 'pick', agent: 'ana' });
    await hub.says(id, 'hello person');
    await eventually(async () => assert.ok(await status('accepted')));
    await hub.hub.handle(id, { type: 'return', by: { role: 'agent', id: 'ana' }, bot: BOT, outcome: 'solved' });
    await hub.says(id, 'thanks');
    await studio.release();
    await eventually(async () => assert.equal((await botTexts(id)).at(-1), 'Echo: thanks'));
    await eventually(async () =>
      assert.deepEqual(await drafts(id), ['Echo: old'], 'a reply of the first session is late'),
    );
    assert.equal(studio.conversations.length, 1);
    assert.equal(studio.said.filter((name) => name === 'startConversation').length, 1, 'greeted once');
    assert.ok(!studio.said.includes('hello person'));
    assert.equal((await status('completed'))?.message?.outcome, 'solved');
    const context = studio.heard.filter(({ name }) => name === 'pvaSetContext').at(-1)?.value as Record<
      string,
      unknown
    >;
    assert.equal(context['va_LastTopic'], 'Refund');
    assert.equal(context['va_LastPhrase'], VARIABLES.va_LastPhrase);
  });

  it('greets once although the page starts the conversation, too, and no page overwrites what the hub knows', async () => {
    const id = 'c-of-a-page';
    const by = { role: 'customer', id: 'kim' } as const;
    await hub.hub.handle(id, {
      type: 'start',
      id,
      workStream: 'web',
      channel: { id: 'directline' },
      customer: 'kim',
      variables: { Tier: { value: 'basic' } },
    });
    const send = (name: string, value?: unknown) =>
      hub.hub.handle(id, { type: 'say', by, activity: { type: 'event', name, value, from: { id: 'kim' } } });
    await send('startConversation');
    await send('pvaSetContext', { Tier: 'gold' });
    await send('pvaSetContext', { Tier: 'gold', Page: 'prices' });
    await send('myOwn', { a: 1 });
    await eventually(() => assert.equal(studio.said.at(-1), 'myOwn'));
    await seen(id);
    assert.deepEqual(
      studio.heard.map(({ name, value }) => [name, value]),
      [
        ['pvaSetContext', { Tier: 'basic' }],
        ['startConversation', { Tier: 'basic' }],
        ['pvaSetContext', { Page: 'prices' }],
        ['myOwn', { a: 1 }],
      ],
    );
  });

  it('ends the conversation with CloseOmnichannelConversation', async () => {
    const id = await hub.startConversation();
    await hub.says(id, 'close');
    const state = await inPhase(id, 'closed');
    assert.equal(state.phase === 'closed' && state.reason, 'botEnded');
  });

  it('may ask for a person without naming what it answers', async () => {
    const id = await hub.startConversation();
    await hub.says(id, 'later nothing');
    await eventually(() => assert.equal(studio.held.length, 1));
    const [remote = ''] = studio.conversations;
    const unasked = { conversationId: remote, answers: undefined };
    await studio.says(unasked, { type: 'event', name: 'handoff.initiate', value: { Skill: 'cards' } });
    await studio.says(unasked, { type: 'message', text: 'One moment' });
    await inPhase(id, 'queued');
    await seen(id, 'One moment');
  });

  it('gets files as bytes, and cards of the customer as they are', async () => {
    const id = await hub.startConversation();
    await seen(id);
    const bytes = Buffer.from('a receipt');
    await hub.store.putAttachment({
      id: 'f1',
      conversationId: id,
      name: 'receipt.txt',
      contentType: 'text/plain',
      bytes,
      at: 0,
    });
    await hub.hub.handle(id, {
      type: 'say',
      by: { role: 'customer', id: 'kim' },
      activity: {
        type: 'message',
        text: 'see here',
        from: { id: 'kim', role: 'user' },
        attachments: [
          {
            contentType: 'text/plain',
            name: 'receipt.txt',
            contentUrl: `${hub.hub.serviceUrl}v3/attachments/f1/views/original`,
          },
          { contentType: 'application/vnd.microsoft.card.hero', content: { title: 'Mine' } },
        ],
      },
    });
    await seen(id, 'Echo: see here');
    const [file, card] = studio.heard.find(({ text }) => text === 'see here')?.attachments ?? [];
    const kept = await studio.site.store.getAttachment(/attachments\/([^/]+)/.exec(file?.contentUrl ?? '')?.[1] ?? '');
    assert.equal(Buffer.from(kept?.bytes ?? []).toString(), 'a receipt');
    assert.equal(kept?.name, 'receipt.txt');
    assert.deepEqual(card?.content, { title: 'Mine' });
  });

  it('is typing while it works, and the customer sees it', async () => {
    const id = await hub.startConversation();
    await seen(id);
    const shown: string[] = [];
    const unwatch = hub.hub.watch(id, {
      entries: () => undefined,
      signal: ({ activity, audience, by }) => shown.push(`${by.id} ${activity.type} ${audience}`),
    });
    const [remote = ''] = studio.conversations;
    await eventually(async () => {
      await studio.site.hub.signal(remote, { role: 'bot', id: 'demo' }, { type: 'typing', from: { id: 'demo' } });
      assert.equal(shown[0], `${BOT} typing everyone`);
    });
    unwatch();
  });
});
