// A person who serves from the Emulator: signs in by a code, takes requests by their card, talks, gives back, ends.

import assert from 'node:assert/strict';
import { ChatOffice } from './chatOffice.js';

describe('serving from a chat', () => {
  let office: ChatOffice;
  beforeEach(async () => {
    office = await ChatOffice.open();
  });
  afterEach(() => office.close());

  it('takes a customer from the request to the end: accepts, reads, answers, returns, takes again, ends', async () => {
    const ana = await office.signedIn('ana');
    const kim = await office.widget();
    await kim.say('my card is gone');
    await kim.next('Echo: my card is gone');
    await kim.say('human CreditCard');

    const offer = await ana.sees(/Request #1 from Kim/);
    assert.match(offer.words, /BotHandoffTopic: CreditCard/);
    assert.match(offer.words, /card lost/);
    assert.match(offer.words, /Lapses at \{\{TIME\(2026-01-05T09:02:00Z\)\}\}, in 120 seconds/);
    await ana.presses(offer, 'Accept');

    assert.match((await ana.sees(/You have it since/)).words, /Request #1 from Kim/);
    const taken = await ana.sees(/you are talking with Kim/);
    assert.match(taken.words, /BotHandoffTopic: CreditCard/);
    assert.match(taken.words, /Summary \(private\): card lost/);
    const transcript = await ana.sees(/what was said before/);
    assert.match(
      transcript.words,
      /Demo Bot: Welcome[^]*Kim: my card is gone[^]*Demo Bot: Echo: my card is gone[^]*Kim: human CreditCard/,
    );
    await kim.next('Ana joined the conversation.');

    await ana.writes('Hello Kim, which card?');
    assert.equal((await kim.next('Hello Kim, which card?')).from?.name, 'Ana');
    await kim.say('the blue one');
    assert.equal(await ana.reads(/the blue one/), '#1 Kim: the blue one');

    await ana.writes('note sounds worried');
    await ana.reads(/Noted for #1/);
    await ana.writes('return Card is blocked');
    assert.match(await ana.reads(/is with Demo Bot/), /^#1 Kim: It is with Demo Bot since/);
    await kim.next('Ana left the conversation.');
    await kim.say('thanks');
    await kim.next('Echo: thanks');

    await kim.say('human CreditCard');
    const again = await ana.sees(/Request #1 from Kim/);
    await ana.presses(again, 'Accept');
    assert.match((await ana.sees(/what was said before/)).words, /Ana \(staff only\): sounds worried/);
    await ana.writes('All done?');
    await kim.next('All done?');
    await ana.writes('end');
    const wrapUp = await ana.sees(/has ended/);
    await ana.presses(wrapUp, 'Close');
    await ana.reads(/It is closed since/);
    assert.equal((await office.state(kim.conversationId)).phase, 'closed');
    assert.ok(!kim.received.some(({ text }) => text === 'sounds worried'));
  });
});
