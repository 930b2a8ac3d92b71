// What is written or pressed, as what is asked.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readPressed, readText, type Asked } from '../../../src/console/chat/asks.js';
import { readPairingCode } from '../../../src/console/chat/pairing.js';

const read = (text: string, circumstances: { signedIn?: boolean; isOffered?: boolean } = {}): Asked =>
  readText(text, { signedIn: true, isOffered: false, ...circumstances });

describe('what a person writes in the chat', () => {
  const commands: [string, Asked][] = [
    ['accept', { ask: { do: 'accept' } }],
    [' Accept #2 ', { ask: { do: 'accept' }, number: 2 }],
    ['/accept 2', { ask: { do: 'accept' }, number: 2 }],
    ['#2 accept', { ask: { do: 'accept' }, number: 2 }],
    ['reject', { ask: { do: 'reject' } }],
    ['/reject not now', { ask: { do: 'reject', reason: 'not now' } }],
    ['take', { ask: { do: 'pick' } }],
    ['return', { ask: { do: 'return' } }],
    ['return Card blocked.\nAll done.', { ask: { do: 'return', summary: 'Card blocked.\nAll done.' } }],
    ['#3 return done', { ask: { do: 'return', summary: 'done' }, number: 3 }],
    ['end', { ask: { do: 'end' } }],
    ['END', { ask: { do: 'end' } }],
    ['#12 end', { ask: { do: 'end' }, number: 12 }],
    ['close 4', { ask: { do: 'close' }, number: 4 }],
    ['note likes tea', { ask: { do: 'note', text: 'likes tea' } }],
    ['#2 note likes tea', { ask: { do: 'note', text: 'likes tea' }, number: 2 }],
    ['transfer HomeLoanQueue', { ask: { do: 'transfer', to: 'HomeLoanQueue' } }],
    ['transfer', { ask: { do: 'transfer', to: '' } }],
    ['switch 2', { ask: { do: 'switch' }, number: 2 }],
    ['#2', { ask: { do: 'switch' }, number: 2 }],
    ['status', { ask: { do: 'status' } }],
    ['status Do not disturb', { ask: { do: 'presence', presence: 'doNotDisturb' } }],
    ['presence dnd', { ask: { do: 'presence', presence: 'doNotDisturb' } }],
    ['list', { ask: { do: 'list' } }],
    ['?', { ask: { do: 'help' } }],
    ['Sign out', { ask: { do: 'signOut' } }],
    ['say end', { ask: { do: 'say', text: 'end' } }],
    ['#2 say end', { ask: { do: 'say', text: 'end' }, number: 2 }],
    ['sign in k7qf 2m9x 4tab', { ask: { do: 'signIn', code: 'k7qf 2m9x 4tab' } }],
  ];
  for (const [text, asked] of commands)
    it(`is a command: ${JSON.stringify(text)}`, () => assert.deepEqual(read(text), asked));

  const words = [
    'accept my apologies',
    'end of story',
    'ending now',
    'close 4 windows',
    'switch it off',
    'list of branches',
    'status shipped',
    'reject the parcel',
    'sign in to your account',
    'sign out of the app first',
    'help yourself',
    'returned yesterday',
    'notes are attached',
    '#hashtag',
    'is #2 fine?',
    '/',
  ];
  for (const text of words.filter((one) => one !== '/'))
    it(`is for the customer: ${JSON.stringify(text)}`, () =>
      assert.deepEqual(read(text), { ask: { do: 'say', text } }));

  it('is a reason for declining only while a request is open', () => {
    assert.deepEqual(read('reject the parcel', { isOffered: true }).ask, { do: 'reject', reason: 'the parcel' });
  });

  it('is an attempt to sign in, whatever it looks like, while nobody is', () => {
    assert.deepEqual(read('sign in to your account', { signedIn: false }).ask, {
      do: 'signIn',
      code: 'to your account',
    });
  });

  it('is told to be unknown when it can only be a command', () => {
    for (const text of ['/', '/fire', '/status asleep', 'presence asleep', 'note'])
      assert.equal(read(text).ask.do, 'unknown', text);
  });

  it('is read without fault whatever it is, and no word for a customer is lost', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (text) => {
        const { ask, number } = read(text);
        if (ask.do === 'say' && number === undefined && !/^\s*\/?say\b/i.test(text))
          assert.equal(ask.text, text.trim());
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('what a person presses in the chat', () => {
  it('is read from values of any shape without fault, and is nothing unless a card of ours has it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.equal(readPressed(value), undefined);
        assert.equal(readPressed({ handoff: value }), undefined);
      }),
    );
    assert.equal(readPressed({ handoff: { do: 'constructor' } }), undefined);
    assert.equal(readPressed({ handoff: { do: 'presence', presence: 'asleep' } }), undefined);
  });
});

describe('a pairing code', () => {
  it('is read in any case and spacing, with the letters people mistake', () => {
    assert.equal(readPairingCode('k7qf-2m9x-4tab'), 'K7QF2M9X4TAB');
    assert.equal(readPairingCode(' K7QF 2M9X4TAB '), 'K7QF2M9X4TAB');
    assert.equal(readPairingCode('kOIl-0000-0000'), 'K01100000000');
    for (const wrong of ['', 'K7QF-2M9X', 'K7QF-2M9X-4TABB', 'K7QF-2M9X-4TAU', 'K7QF_2M9X_4TAB'])
      assert.equal(readPairingCode(wrong), undefined);
  });
});
