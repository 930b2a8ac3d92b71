// Talking from a chat: several customers at once, files, typing, corrections, and words that are commands or are not.

import assert from 'node:assert/strict';
import { request } from '../../fakes/request.js';
import { cardOf, type ChatClient } from '../../fakes/chatClient.js';
import type { Widget } from '../../fakes/widget.js';
import { ChatOffice } from './chatOffice.js';

describe('talking from a chat', () => {
  let office: ChatOffice;
  let ana: ChatClient;
  beforeEach(async () => {
    office = await ChatOffice.open();
    ana = await office.signedIn('ana');
  });
  afterEach(() => office.close());

  async function served(name: string, number: number): Promise<Widget> {
    const widget = await office.widget(name);
    await widget.say('human CreditCard');
    await ana.presses(await ana.sees(new RegExp(`Request #${number} from ${name}`)), 'Accept');
    await ana.sees(/what was said before/);
    return widget;
  }
  const textsOf = (widget: Widget) => widget.received.map(({ text }) => text);

  it('keeps several customers apart: by number, by switching, and never by guessing', async () => {
    const kim = await served('Kim', 1);
    const lee = await served('Lee', 2);
    await ana.writes('for Lee, who came last');
    await lee.next('for Lee, who came last');
    await ana.writes('#1 for Kim');
    await kim.next('for Kim');
    await ana.writes('switch 1');
    await ana.reads(/^What you write now goes to #1 Kim\.$/);
    await ana.writes('Kim again');
    await kim.next('Kim again');
    await lee.say('hello?');
    assert.equal(await ana.reads(/hello/), '#2 Lee: hello?');

    // Kim's conversation ends while Ana is writing to Kim: what she writes must not reach Lee.
    const sam = await office.as('sam');
    assert.equal((await sam.asks(kim.conversationId, 'close')).status, 200);
    await ana.reads(/#1 Kim: It is closed since/);
    await ana.writes('your new PIN is 1234');
    await ana.reads(/The conversation with #1 Kim is closed\. This was not sent\. To write to #2 Lee/);
    await ana.writes('Lee, still here?');
    await lee.next('Lee, still here?');
    assert.ok(!textsOf(lee).includes('your new PIN is 1234'));
    await ana.writes('#1 too late');
    await ana.reads(/The conversation with #1 Kim is closed\. This was not sent\./);
    await ana.writes('#9 nobody');
    await ana.reads(/There is no #9 here/);
    await ana.writes('list');
    await ana.reads(/#2 Lee: talking with you \(what you write goes there\)/);
    assert.doesNotMatch(ana.everything.join('\n'), /Something went wrong/);
  });

  it('asks which one when two came by other ways and none was chosen', async () => {
    const sam = await office.as('sam');
    await ana.writes('presence away');
    const widgets = [await office.widget('Kim'), await office.widget('Lee')];
    for (const widget of widgets) {
      await widget.say('human CreditCard');
      await widget.next(({ text }) => /in line|available/i.test(text ?? ''));
    }
    // The first one assigned is the one she is in; after it has gone, nobody is.
    for (const widget of widgets)
      assert.equal((await sam.asks(widget.conversationId, 'assign', { agent: 'ana' })).status, 200);
    await ana.sees(/#1: you are talking with Kim[^]*What you write now goes to the customer/);
    await ana.sees(/#2: you are talking with Lee[^]*Begin with #2/);
    await ana.writes('note both are mine');
    await ana.reads(/Noted for #1/);
    await ana.writes('/end 2');
    await ana.sees(/#2: the conversation with Lee has ended/);
    await ana.writes('close');
    await ana.reads(/#2 Lee: It is closed/);
  });

  it('shows typing both ways', async () => {
    const kim = await served('Kim', 1);
    await kim.post({ type: 'typing' });
    await ana.channel.nextOf('typing');
    await ana.posts({ type: 'typing' });
    assert.equal((await kim.next(({ type }) => type === 'typing')).from?.name, 'Ana');
  });

  it('passes files on both ways, and keeps what a person sends where the customer can open it', async () => {
    const kim = await served('Kim', 1);
    await kim.post({
      type: 'message',
      text: 'my bill',
      attachments: [{ contentType: 'application/pdf', contentUrl: 'https://files.example/bill.pdf', name: 'bill.pdf' }],
    });
    const bill = await ana.sees(/my bill/);
    assert.match(JSON.stringify(bill.content), /"Action\.OpenUrl","title":"Open bill\.pdf \(files\.example\)"/);
    const bytes = Buffer.from('%PDF-1.4 price list');
    ana.channel.files.set('/v3/attachments/1/views/original', { contentType: 'application/pdf', bytes });
    await ana.posts({
      type: 'message',
      text: 'our prices',
      attachments: [
        {
          contentType: 'application/pdf',
          contentUrl: `${ana.channel.serviceUrl}v3/attachments/1/views/original`,
          name: 'prices.pdf',
        },
        { contentType: 'text/html', content: '<p>our prices</p>' },
        { contentType: 'image/png', contentUrl: 'http://169.254.169.254/latest/meta-data', name: 'clouds.png' },
      ],
    });
    const received = await kim.next('our prices');
    assert.equal(received.attachments?.length, 1);
    const [file] = received.attachments ?? [];
    assert.deepEqual([file?.contentType, file?.name], ['application/pdf', 'prices.pdf']);
    const opened = await request('GET', (file?.contentUrl ?? '').replace('localhost', '127.0.0.1'));
    assert.deepEqual([opened.status, opened.body], [200, bytes.toString()]);
    await ana.reads(/clouds\.png was not passed on: it does not lie with your channel; send the link instead\./);
  });

  it('says once what the channel posts twice', async () => {
    const kim = await served('Kim', 1);
    await ana.posts({ type: 'message', id: 'same', text: 'only once' });
    await ana.posts({ type: 'message', id: 'same', text: 'only once' });
    await ana.writes('and on');
    await kim.next('and on');
    assert.equal(textsOf(kim).filter((text) => text === 'only once').length, 1);
  });

  it('tells that a correction is not passed on', async () => {
    await served('Kim', 1);
    await ana.posts({ type: 'messageUpdate', text: 'corrected' });
    await ana.reads(/The customer still sees the message as it was/);
  });

  it('shows what customers and bots wrote as text: no markup, no template, no line that seems to be another’s', async () => {
    const kim = await served('Kim', 1);
    await kim.say(
      '**bold** [click](https://evil.example) <at>Ana</at> {{DATE(2020-01-01T00:00:00Z)}}\n#2 Ben: give me the code',
    );
    const words = await ana.reads(/bold/);
    assert.equal(
      words,
      '#1 Kim: **bold** [click](https://evil.example) <at>Ana</at> {{DATE(2020-01-01T00:00:00Z)}}\n│ #2 Ben: give me the code',
    );
    const message = ana.channel.delivered.find(({ activity }) => activity.text === words)?.activity;
    assert.equal(message?.['textFormat'], 'plain');
    await ana.writes('history');
    const history = await ana.sees(/what was said before[^]*bold/);
    // In cards only TextRun shows text as it is; TextBlock reads Markdown.
    const blocks = JSON.stringify(history.content).match(/\{"type":"TextBlock"[^}]*\}/g) ?? [];
    assert.ok(blocks.length > 0 && blocks.every((block) => !block.includes('bold')));
    assert.doesNotMatch(JSON.stringify(history.content).replaceAll('{{TIME(2026', ''), /\{\{DATE/);
  });

  it('tells apart commands and words that only begin like one', async () => {
    const kim = await served('Kim', 1);
    for (const words of [
      'End of the month is fine',
      'list of branches: one',
      'status of your order: sent',
      'help is near',
      'reject it if it is damaged',
      'close the window first',
      'sign in to your account',
    ]) {
      await ana.writes(words);
      await kim.next(words);
    }
    await ana.writes('say end');
    await kim.next('end');
    await ana.writes('transfer the money');
    await ana.reads(
      /There is no queue, person or bot "the money"[^]*Nothing was sent; to tell the customer, write "say transfer the money"/,
    );
    await ana.writes('/fire');
    await ana.reads(/There is no command "\/fire"\. Nothing was sent\./);
    await ana.writes('presence asleep');
    await ana.reads(/There is no presence "asleep"\. Take one of available, busy/);
    await ana.writes('note');
    await ana.reads(/"note" needs words/);
    await ana.writes('help');
    await ana.reads(/"#2 …" goes to conversation 2/);
    assert.deepEqual((await office.state(kim.conversationId)).phase, 'agent');
  });

  it('transfers to a queue, a person and a bot, in words or from the card', async () => {
    const ben = await office.signedIn('ben');
    await ben.writes('presence busy');
    const kim = await served('Kim', 1);
    await ana.writes('transfer');
    const where = await ana.sees(/#1: where to with Kim\?/);
    assert.match(JSON.stringify(where.content), /"value":"person:ben"/);
    assert.doesNotMatch(JSON.stringify(where.content), /"value":"person:ana"/);
    await ana.presses(where, 'Transfer', { target: 'person:ben' });
    await ana.reads(/#1 Kim: Ben is asked to take it since/);
    await ben.presses(await ben.sees(/Request #1 from Kim/), 'Accept');
    await ben.sees(/what was said before/);
    await ben.writes('transfer CreditCardQueue');
    await ben.reads(/#1 Kim: (It waits in CreditCardQueue|Ana is asked)/);
    await ana.presses(await ana.sees(/Request #1 from Kim/), 'Accept');
    await ana.sees(/what was said before/);
    await ana.writes('transfer to Demo Bot');
    await ana.reads(/#1 Kim: It is with Demo Bot/);
    await kim.say('hi bot');
    await kim.next('Echo: hi bot');
  });

  it('has buttons of old or foreign cards do nothing but say how it stands', async () => {
    const kim = await served('Kim', 1);
    await ana.writes('end');
    const ended = await ana.sees(/has ended/);
    await ana.presses(ended, 'Close');
    await ana.reads(/#1 Kim: It is closed/);
    await ana.presses(ended, 'Close');
    await ana.posts({ type: 'message', value: { handoff: { do: 'end', conversation: kim.conversationId } } });
    await ana.posts({ type: 'message', value: { handoff: { do: 'accept', conversation: 'no-such-conversation' } } });
    await ana.reads(/There is no such conversation/);
    for (const value of [{ handoff: { do: 'drop tables' } }, { other: true }, 'text', [], 7]) {
      await ana.posts({ type: 'message', value });
      await ana.reads(/not from one of my cards/);
    }
    await ana.writes('hello?');
    await ana.reads(/Nobody is with you, so this went to nobody/);
  });

  it('lets nobody act on what the rules keep from them', async () => {
    const ben = await office.signedIn('ben');
    await ben.writes('presence away');
    const kim = await served('Kim', 1);
    for (const verb of ['accept', 'end', 'return', 'close', 'history', 'transfer'])
      await ben.posts({
        type: 'message',
        value: { handoff: { do: verb, conversation: kim.conversationId }, target: 'person:ben' },
      });
    const state = await office.state(kim.conversationId);
    assert.deepEqual([state.phase, 'agent' in state && state.agent], ['agent', 'ana']);
    const sam = await office.signedIn('sam');
    await sam.posts({ type: 'message', value: { handoff: { do: 'accept', conversation: kim.conversationId } } });
    await sam.reads(/needs the role agent/);
  });

  it('shows everything a person does in the console in the chat as well', async () => {
    const kim = await office.widget('Kim');
    const desk = await office.as('ana');
    await kim.say('human CreditCard');
    await ana.sees(/Request #1 from Kim/);
    await desk.asks(kim.conversationId, 'accept');
    await ana.sees(/You have it since/);
    await ana.sees(/#1: you are talking with Kim[^]*What you write now goes to the customer/);
    await desk.says(kim.conversationId, 'from the console');
    assert.equal(await ana.reads(/from the console/), '#1 You, elsewhere: from the console');
    await ana.writes('from the chat');
    await kim.next('from the chat');
    await desk.asks(kim.conversationId, 'return');
    await ana.reads(/#1 Kim: It is with Demo Bot/);
  });

  it('keeps the conversation with who closes the console and goes on in the chat', async () => {
    const desk = await office.as('ana');
    const console = await desk.listens();
    const kim = await served('Kim', 1);
    console.socket.close();
    await console.closed();
    await ana.writes('still here');
    await kim.next('still here');
    await office.hub.settled();
    const state = await office.state(kim.conversationId);
    assert.deepEqual([state.phase, 'agentGone' in state && state.agentGone], ['agent', false]);
  });

  it('warns who signs out with a customer, whom others then take over', async () => {
    const kim = await served('Kim', 1);
    await ana.writes('sign out');
    await ana.reads(/You are signed out\. You still have #1 Kim: unless you sign in again/);
    await office.hub.settled();
    const state = await office.state(kim.conversationId);
    assert.equal('agentGone' in state && state.agentGone, true);
    office.clock.advance(4 * 60_000);
    await office.hub.tick();
    await office.hub.settled();
    assert.notEqual((await office.state(kim.conversationId)).phase, 'agent');
  });

  it('shows the whole of a long conversation, on as many cards as it takes', async () => {
    const kim = await office.widget('Kim');
    for (let index = 0; index < 30; index += 1) await kim.say(`line ${index} ${'x'.repeat(1_500)}`);
    await kim.next(`Echo: line 29 ${'x'.repeat(1_500)}`);
    await kim.say('human CreditCard');
    await ana.presses(await ana.sees(/Request #1 from Kim/), 'Accept');
    const last = await ana.sees(/what was said before \((\d+) of \1\)/);
    assert.match(last.words, /human CreditCard/);
    const cards = ana.channel.delivered.flatMap(({ activity }) =>
      /what was said/.test(activity.summary ?? '') ? [activity] : [],
    );
    assert.ok(cards.length > 3);
    for (const card of cards) assert.ok(JSON.stringify(card).length < 28_000);
    const all = JSON.stringify(cards.map((activity) => cardOf(activity)));
    for (let index = 0; index < 30; index += 1) assert.ok(all.includes(`line ${index} `), `line ${index}`);
  });
});
