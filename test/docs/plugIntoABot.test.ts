// The bot of docs/plug-into-a-bot.md, run as it stands there: CommonJS, the built package, a channel and a widget over HTTP.

import assert from 'node:assert/strict';
import { DocumentedBot, until } from '../fakes/documentedBot.js';
import { request } from '../fakes/request.js';

const PAGE = 'docs/plug-into-a-bot.md';

describe('the bot of docs/plug-into-a-bot.md', () => {
  let bot: DocumentedBot;

  before(async function () {
    this.timeout(60_000);
    bot = await DocumentedBot.start(PAGE, 'cjs');
  });
  after(() => bot.stop());

  it('asks whether anybody is there, hands over, and hears that it has the conversation back', async function () {
    this.timeout(30_000);
    const { channel } = bot;
    // Signing in has made Ana available.
    await bot.asAna('PUT', '/me/presence', { presence: 'offline' });
    await channel.post('hello');
    await channel.post('a person please');
    assert.deepEqual(channel.texts, ['You said hello', 'Nobody is here at the moment. Can I help?']);

    await bot.asAna('PUT', '/me/presence', { presence: 'available' });
    await channel.post('a person please');
    const id = await bot.offered();
    const state = await bot.asAna('POST', `/conversations/${id}/accept`);
    assert.equal(state['summary'], 'Asked for a person right away.');
    assert.deepEqual(state['context'], { topic: { value: 'order', displayable: true } });
    await channel.next('Ana joined the conversation.');
    await channel.post('where is my order?');
    await bot.asAna('POST', `/conversations/${id}/messages`, { type: 'message', text: 'On its way.' });
    await channel.next('On its way.');
    await bot.asAna('POST', `/conversations/${id}/return`);
    await channel.next('Was that helpful?');
    await channel.post('yes');
    await channel.next('You said yes');
    assert.equal(channel.texts.includes('You said where is my order?'), false);
  });

  it('serves a widget on the site as well', async () => {
    const issued = await request('POST', `${bot.origin}/api/widget/token`, { body: {} });
    const { token, conversationId } = issued.body as { token: string; conversationId: string };
    const conversations = `${bot.origin}/v3/directline/conversations`;
    assert.ok([200, 201].includes((await request('POST', conversations, { token, body: {} })).status));
    const activity = { type: 'message', text: 'from the site', from: { id: 'visitor' } };
    await request('POST', `${conversations}/${conversationId}/activities`, { token, body: activity });
    await until(async () => {
      const { body } = await request('GET', `${conversations}/${conversationId}/activities`, { token });
      const { activities } = body as { activities: { text?: string }[] };
      return activities.find(({ text }) => text === 'You said from the site');
    });
  });

  it('stops its hub and ends on Ctrl+C', async function () {
    this.timeout(30_000);
    assert.equal(await bot.end('SIGINT'), 0);
  });
});

describe('the Agents SDK bot of docs/plug-into-a-bot.md', () => {
  let bot: DocumentedBot;

  before(async function () {
    this.timeout(60_000);
    bot = await DocumentedBot.start(PAGE, 'cjs', 'With the Microsoft 365 Agents SDK');
  });
  after(() => bot.stop());

  it('streams, asks whether anybody is there, hands over, and hears that it has the conversation back', async function () {
    this.timeout(30_000);
    const { channel } = bot;
    await bot.asAna('PUT', '/me/presence', { presence: 'offline' });
    await channel.post('hello');
    await channel.post('a person please');
    assert.deepEqual(
      channel.delivered.flatMap(({ activity }) => (activity.type === 'message' ? [activity.text] : [])),
      ['You said hello', 'Nobody is here at the moment. Can I help?'],
    );
    await bot.asAna('PUT', '/me/presence', { presence: 'available' });
    await channel.post('a person please');
    const id = await bot.offered();
    const state = await bot.asAna('POST', `/conversations/${id}/accept`);
    assert.equal(state['summary'], 'Asked for a person right away.');
    await channel.next('Ana joined the conversation.');
    await channel.post('where is my order?');
    await bot.asAna('POST', `/conversations/${id}/messages`, { type: 'message', text: 'On its way.' });
    await channel.next('On its way.');
    await bot.asAna('POST', `/conversations/${id}/return`);
    await channel.next('Was that helpful?');
    assert.equal(channel.texts.includes('You said where is my order?'), false);
  });

  it('stops its hub and ends on Ctrl+C', async function () {
    this.timeout(30_000);
    assert.equal(await bot.end('SIGINT'), 0);
  });
});
