// The cards of the chat as data: sound by the rules of Adaptive Cards, and with whatever texts come from outside inert on them.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readPressed } from '../../../src/console/chat/asks.js';
import * as cards from '../../../src/console/chat/cards.js';
import { all, faultsOf } from '../../fakes/adaptiveCards.js';

const AT = Date.parse('2026-01-05T09:02:00.123Z');
const HOSTILE = '**b** [x](javascript:alert(1)) {{DATE(2020-01-01T00:00:00Z)}} ${$root} <at>x</at> <script>\n- list';

const subject = (text: string): cards.Subject => ({
  number: 2,
  conversation: 'c1',
  customer: text,
  queue: text,
  context: [
    { name: text, value: text },
    { name: 'Topic', value: 'Loan\nand more' },
  ],
  summary: text,
});
const line = (text: string): cards.Line => ({
  at: AT,
  name: text,
  text,
  staffOnly: false,
  links: [{ name: text, url: 'https://files.example/a?b=**c**' }],
});
const mine = (text: string): cards.Mine[] => [
  { number: 1, conversation: 'c1', customer: text, stage: 'held', current: true },
  { number: 2, conversation: 'c2', customer: text, stage: 'offered', current: false },
];
const targets: cards.Target[] = [
  { title: 'Credit cards (queue)', value: 'queue:CreditCardQueue' },
  { title: 'Ben (person)', value: 'person:ben' },
];

/** One of each kind, with this text wherever somebody else chose it. */
function everyCard(text: string): Record<string, cards.Card> {
  return {
    offer: cards.offerCard(subject(text), AT, 120),
    settled: cards.settledCard(2, text, `${text} has it.`),
    taken: cards.takenCard(subject(text), true, targets),
    takenBeside: cards.takenCard(subject(text), false, []),
    transcript: cards.transcriptCards(2, [line(text), line('plain')])[0] as cards.Card,
    nothingSaid: cards.transcriptCards(2, [])[0] as cards.Card,
    wrapUp: cards.wrapUpCard(2, 'c1', text, AT),
    status: cards.statusCard({
      name: 'Ana',
      presence: 'available',
      presenceUntil: AT,
      load: 1,
      capacity: 3,
      queues: [{ name: text, waiting: 2, here: 1 }],
      mine: mine(text),
    }),
    list: cards.listCard(mine(text), [{ conversation: 'c3', customer: text, queue: text, since: AT }], 4),
    transfer: cards.transferCard(2, 'c1', text, targets),
    files: cards.filesCard(
      text,
      Array.from({ length: 9 }, () => ({ name: text, url: 'https://files.example/x' })),
    ),
  };
}

describe('cards of the chat', () => {
  for (const [kind, card] of Object.entries(everyCard('Kim')))
    it(`are sound: ${kind}`, () => assert.deepEqual(faultsOf(card), []));

  it('are found out when they are not', () => {
    const sound = everyCard('Kim')['offer'] as cards.Card;
    const broken = [
      { ...sound, version: '1.7' },
      { ...sound, body: [{ type: 'TextBlok', text: 'x' }] },
      { ...sound, body: [{ type: 'RichTextBlock', text: 'x' }] },
      { ...sound, body: [{ type: 'TextBlock', text: 'x', weight: 'heavy' }] },
      { ...sound, actions: Array.from({ length: 7 }, () => ({ type: 'Action.Submit', title: 'x' })) },
      { ...sound, actions: [{ type: 'Action.OpenUrl', title: 'x', url: 'nowhere' }] },
    ];
    for (const card of broken) assert.notDeepEqual(faultsOf(card), [], JSON.stringify(card));
  });

  it('show what others wrote as it is: none of it where Markdown or templates are read', () => {
    for (const [kind, card] of Object.entries(everyCard(HOSTILE))) {
      assert.deepEqual(faultsOf(card), [], kind);
      // TextBlocks are ours alone; their only template is the time of day.
      for (const { text } of all(card, 'TextBlock')) {
        assert.doesNotMatch(String(text), /\*\*|\]\(|javascript|<script/, kind);
        assert.doesNotMatch(String(text).replace(/\{\{TIME\(2026-01-05T09:02:00Z\)\}\}/g, ''), /\{\{/, kind);
      }
      for (const { text } of all(card, 'TextRun')) assert.doesNotMatch(String(text), /\{\{/, kind);
      for (const { title } of all(card, 'Action.')) assert.doesNotMatch(String(title), /^\*\*/, kind);
    }
  });

  it('stay sound whatever the texts are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }), (text) => {
        for (const [kind, card] of Object.entries(everyCard(text))) {
          assert.deepEqual(faultsOf(card), [], kind);
          assert.deepEqual(JSON.parse(JSON.stringify(card)), card, kind);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('carry on each button what the chat understands', () => {
    const understood = Object.values(everyCard('Kim')).flatMap((card) =>
      all(card, 'Action.Submit').map(({ data, title }) => {
        const asked = readPressed({ ...(data as object), presence: 'away', target: 'queue:x', words: 'w' });
        assert.ok(asked !== undefined, String(title));
        return `${String(title)}: ${asked.ask.do} ${asked.conversation ?? ''}`.trim();
      }),
    );
    for (const expected of [
      'Accept: accept c1',
      'Reject: reject c1',
      'End: end c1',
      'Return: return c1',
      'Transfer: transfer c1',
      'Switch to #2: switch c1',
      'Close: close c1',
      'Set presence: presence',
      'Take: pick c3',
    ])
      assert.ok(understood.includes(expected), expected);
  });

  it('split a long transcript into cards that channels take, in order and without losing a line', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 9_000 }), { maxLength: 40 }), (lengths) => {
        const lines = lengths.map((length, index) => ({ ...line('Kim'), text: `<${index}>${'x\n'.repeat(length)}` }));
        const pages = cards.transcriptCards(1, lines);
        const numbers = [...JSON.stringify(pages).matchAll(/text":"<(\d+)>/g)].map(([, number]) => Number(number));
        assert.deepEqual(
          numbers,
          lengths.map((_, index) => index),
        );
        for (const page of pages) assert.ok(JSON.stringify(page).length < 28_000);
      }),
      { numRuns: 50 },
    );
  });

  it('are taken by channels however much is known of a conversation', () => {
    const long = '"\n'.repeat(30_000);
    const much: cards.Subject = {
      ...subject('Kim'),
      context: Array.from({ length: 100 }, (_, index) => ({ name: `variable ${index}`, value: long })),
      summary: long,
    };
    for (const card of [cards.offerCard(much, AT, 1), cards.takenCard(much, true, targets)]) {
      assert.ok(JSON.stringify(card).length < 28_000, String(JSON.stringify(card).length));
      assert.match(JSON.stringify(card), /and 85 more in the console/);
    }
  });

  it('say where a file lies, whatever its name claims', () => {
    const [open] = all(
      cards.filesCard('files', [{ name: 'bank.example/statement', url: 'https://evil.example/x' }]),
      'Action.OpenUrl',
    );
    assert.equal(open?.['title'], 'Open bank.example/statement (evil.example)');
  });
});
