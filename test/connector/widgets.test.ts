// What customers see in their widget of what bots do by calls of the Connector.

import assert from 'node:assert/strict';
import type { Activity } from '../../src/core/activity.js';
import { projectActivity } from '../../src/core/projection.js';
import type { Widget } from '../fakes/widget.js';
import { SECRET } from '../directline/site.js';
import { openConnector, type ConnectorSite } from './site.js';

describe('a widget and a bot that calls the Connector', () => {
  let site: ConnectorSite;
  let widget: Widget;
  let base: string;

  beforeEach(async () => {
    site = await openConnector();
    widget = await site.widget({ user: { id: 'dl_kim', name: 'Kim' } });
    base = `/conversations/${widget.conversationId}`;
  });
  afterEach(() => site.close());

  async function said(activity: Partial<Activity>, path = '/activities'): Promise<string> {
    const answer = await site.bots('POST', `${base}${path}`, { from: { id: 'demo' }, ...activity });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return (answer.body as { id: string }).id;
  }

  it('puts the new text in the place of the old one, and a replay has only the latest', async () => {
    const id = await said({ text: 'Looking it up…' });
    const first = await widget.next('Looking it up…');
    const after = await said({ text: 'One moment' });
    assert.equal((await site.bots('PUT', `${base}/activities/${id}`, { text: 'Found it' })).status, 200);
    const second = await widget.next('Found it');
    assert.deepEqual([second.id, second.timestamp], [first.id, first.timestamp]);
    assert.equal(id, first.id);
    const texts = (await widget.read()).map(({ id: one, text }) => [one, text]);
    assert.deepEqual(texts, [
      [id, 'Found it'],
      [after, 'One moment'],
    ]);
    // A client that comes back after the change, from before it, hears of it under the same id.
    widget.drop();
    await site.bots('PUT', `${base}/activities/${encodeURIComponent(id)}`, { text: 'Found it, really' });
    await widget.reconnect();
    assert.equal((await widget.next('Found it, really')).id, id);
    const reader = { viewer: 'staff' as const, nameOf: () => undefined };
    const history = (await site.log(widget.conversationId)).flatMap(
      (entry) => projectActivity(entry, reader)?.text ?? [],
    );
    assert.deepEqual(history, ['Looking it up…', 'One moment', 'Found it', 'Found it, really']);
  });

  it('empties what the bot takes back, and a replay does not have it', async () => {
    const id = await said({ text: 'Wrong chat' });
    await widget.next('Wrong chat');
    const answer = await site.bots('DELETE', `${base}/activities/${id}`);
    assert.deepEqual([answer.status, answer.body], [200, undefined]);
    const gone = await widget.next((activity) => activity.id === id && activity.text === '');
    assert.equal(gone.type, 'message');
    assert.deepEqual(await widget.read(), []);
    for (const [method, body] of [
      ['PUT', { text: 'Still there?' }],
      ['DELETE', undefined],
    ] as const) {
      const again = await site.bots(method, `${base}/activities/${id}`, body);
      assert.equal(again.status, 404);
    }
    assert.deepEqual(await widget.read(), []);
  });

  it('shows a live stream under the id that the bot was told first', async () => {
    // As the Agents SDK does: in an entity only. Web Chat reads it in channelData.
    const info = (extra: Record<string, unknown>) => ({ entities: [{ type: 'streaminfo', ...extra }] });
    // Signals are for who is there: the socket has caught up.
    await said({ text: 'Here I am' });
    await widget.next('Here I am');
    const stream = await said({
      type: 'typing',
      text: 'Thinking',
      ...info({ streamType: 'informative', streamSequence: 1 }),
    });
    const begun = await widget.next((activity) => activity.type === 'typing');
    assert.equal(begun.id, stream);
    assert.deepEqual(begun.channelData, { streamType: 'informative', streamSequence: 1 });
    // A second window that opens in the middle: pieces that nothing in it began would stay there for good.
    const late = await site.widget({ token: widget.token, user: { id: 'dl_kim' } });
    await late.next('Here I am');
    const piece = await said({
      type: 'typing',
      text: 'The ans',
      ...info({ streamId: stream, streamType: 'streaming', streamSequence: 2 }),
    });
    assert.notEqual(piece, stream);
    const shown = await widget.next('The ans');
    const fields = { streamId: stream, streamType: 'streaming', streamSequence: 2 };
    assert.deepEqual([shown.entities, shown.channelData], [[{ type: 'streaminfo', ...fields }], fields]);
    await said({ text: 'The answer', ...info({ streamId: stream, streamType: 'final' }) });
    const final = await widget.next('The answer');
    assert.deepEqual(final.channelData, { streamId: stream, streamType: 'final' });
    await late.next('The answer');
    assert.deepEqual(
      late.received.filter(({ type }) => type === 'typing'),
      [],
    );
    await late.close();
    assert.deepEqual(
      (await widget.read()).map(({ text }) => text),
      ['Here I am', 'The answer'],
    );
  });

  it('hears replies that the bot sends while its turn is still open', async () => {
    site.bot.script = async (activity) => {
      if (activity.type !== 'message') return;
      const reply = { text: `first: ${activity.text}`, from: activity.recipient };
      await said(reply, `/activities/${encodeURIComponent(activity.id ?? '')}`);
      const shown = (await widget.read()).find(({ text }) => text === `first: ${activity.text}`);
      await said({ text: `second, after one to ${shown?.replyToId}` }, `/activities/${activity.id}`);
    };
    const asked = await widget.say('hello');
    await widget.next(`second, after one to ${asked}`);
  });

  it('hears of a hand-over what the bot still says in the same turn, and may see it changed', async () => {
    let id = '';
    site.bot.script = async (activity) => {
      if (activity.type !== 'message') return;
      const path = `/activities/${activity.id}`;
      await said({ type: 'event', name: 'handoff.initiate', value: { BotHandoffTopic: 'CreditCard' } }, path);
      id = await said({ text: 'Handing over…' }, path);
      const answer = await site.bots('PUT', `${base}/activities/${id}`, { text: 'Handed over' });
      assert.equal(answer.status, 200);
    };
    await widget.say('human');
    assert.equal((await widget.next('Handed over')).id, id);
    await site.hub.settled();
    // The turn is over: what comes now is for staff.
    await said({ text: 'One more thing' });
    await site.bots('PUT', `${base}/activities/${id}`, { text: 'Changed behind the back' });
    const texts = (await widget.read()).map(({ text }) => text);
    assert.ok(texts.includes('Handed over'));
    assert.ok(!texts.includes('One more thing') && !texts.includes('Changed behind the back'));
    const drafts = (await site.log(widget.conversationId)).filter(({ event }) => event.type === 'drafted');
    assert.deepEqual(
      drafts.map(({ event }) => event.body?.activity?.text),
      ['One more thing', 'Changed behind the back'],
    );
  });

  it('opens the conversation that a bot began, and its customer answers there', async () => {
    const opened = await site.bots('POST', '/conversations', {
      bot: { id: 'demo' },
      members: [{ id: 'dl_lee', name: 'Lee' }],
      activity: { type: 'message', text: 'Your card is ready', locale: 'en-GB' },
    });
    assert.equal(opened.status, 201);
    const { id, activityId, serviceUrl } = opened.body as Record<string, string>;
    assert.equal(serviceUrl, `${site.url}/`);
    const state = await site.state(id ?? '');
    assert.deepEqual(
      [state.phase, state.lastBot, state.customer, state.locale],
      ['bot', 'demo', { id: 'dl_lee', name: 'Lee' }, 'en-GB'],
    );
    const grant = await site.call('GET', `/conversations/${id}`, { token: SECRET });
    const lee = await site.widget({ token: (grant.body as { token: string }).token, user: { id: 'dl_lee' } });
    assert.equal(lee.conversationId, id);
    const first = await lee.next('Your card is ready');
    assert.equal(first.id, activityId);
    await lee.say('Thank you');
    await lee.next('Echo: Thank you');
    const [thanks] = (await site.log(id ?? '')).filter(({ event }) => event.by.role === 'customer').slice(-1);
    assert.deepEqual(thanks?.event.by, { role: 'customer', id: 'dl_lee' });
    await lee.close();
  });
});
