import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Activity } from '../../src/core/activity.js';
import type { Entry } from '../../src/core/conversation.js';
import {
  renderTranscript,
  TRANSCRIPT_FORMATS,
  transcriptContentType,
  type TranscriptFacts,
} from '../../src/core/transcript.js';
import { ANA, BOT, CONVERSATION, CUSTOMER, HUB, logOf, nameOf, said, START } from './entries.js';

const FACTS: TranscriptFacts = {
  id: CONVERSATION,
  title: 'Contoso Bank',
  channelId: 'directline',
  customer: { id: 'dl_kim', name: 'Kim' },
  startedAt: START,
  context: { topic: { value: 'CreditCard', displayable: true }, tags: { value: ['a', 'b'], displayable: false } },
  nameOf,
};

const TALK: Entry[] = logOf(
  [HUB, 'staff', { type: 'started', id: CONVERSATION, workStream: 'web', channel: { id: 'directline' } }],
  [BOT, 'everyone', said('Welcome')],
  [CUSTOMER, 'everyone', said({ text: 'human CreditCard', from: { id: 'dl_kim', name: 'Kim' } })],
  [BOT, 'staff', { type: 'noted', kind: 'summary', body: { activity: { type: 'message', text: 'card lost' } } }],
  [
    HUB,
    'staff',
    { type: 'queued', queue: 'CreditCardQueue', priority: 0, waitingSince: START, front: false, cause: 'escalated' },
  ],
  [
    HUB,
    'everyone',
    {
      type: 'told',
      text: 'agentJoined',
      body: { activity: { type: 'message', text: 'Ana joined the conversation.' } },
    },
  ],
  [ANA, 'staff', { type: 'accepted', agent: 'ana', how: 'offer', cost: 1, waitingSince: START }],
  [ANA, 'everyone', said('Hallo Kim')],
  [ANA, 'everyone', { type: 'edited', target: 8, body: { activity: { type: 'message', text: 'Hello Kim' } } }],
  [BOT, 'everyone', said('wrong chat')],
  [BOT, 'everyone', { type: 'deleted', target: 10 }],
  [ANA, 'staff', { type: 'noted', kind: 'note', body: { activity: { type: 'message', text: 'sounds upset' } } }],
);

describe('a Bot Framework .transcript', () => {
  function activities(forWhom: 'staff' | 'customer', log = TALK): Activity[] {
    return JSON.parse(renderTranscript(FACTS, log, 'transcript', forWhom)) as Activity[];
  }

  it('is a list of activities that say who spoke to whom, as the Emulator needs it', () => {
    for (const activity of activities('staff')) {
      assert.match(activity.id ?? '', /^c1\|\d{7}$/);
      assert.ok(!Number.isNaN(Date.parse(activity.timestamp ?? '')));
      assert.deepEqual(activity.conversation, { id: CONVERSATION });
      assert.equal(activity.channelId, 'directline');
      assert.ok(activity.from?.id !== undefined && activity.recipient?.id !== undefined);
      assert.notEqual(activity.from.role, activity.recipient.role);
    }
  });

  it('holds for the customer what everybody may read, in order, with edits applied and deletions honoured', () => {
    assert.deepEqual(
      activities('customer').map(({ text, from }) => [from?.role, from?.name, text]),
      [
        ['bot', 'Demo Bot', 'Welcome'],
        ['user', 'Kim', 'human CreditCard'],
        ['bot', 'Contoso', 'Ana joined the conversation.'],
        ['bot', 'Ana', 'Hello Kim'],
      ],
    );
  });

  it('marks for staff what the customer never saw', () => {
    assert.deepEqual(
      activities('staff').flatMap(({ text, channelData }) => (channelData === undefined ? [] : [[text, channelData]])),
      [
        ['card lost', { handoff: { audience: 'staff', kind: 'summary' } }],
        ['sounds upset', { handoff: { audience: 'staff', kind: 'note' } }],
      ],
    );
  });

  it('addresses a customer who wrote first to the one who answered', () => {
    const log = logOf([CUSTOMER, 'everyone', said('hi')], [BOT, 'everyone', said('hello')]);
    assert.equal(activities('customer', log)[0]?.recipient?.id, 'demo');
  });

  it('is an empty list for an empty conversation', () => assert.deepEqual(activities('staff', []), []));
});

describe('JSON lines', () => {
  function lines(forWhom: 'staff' | 'customer'): Record<string, unknown>[] {
    return renderTranscript(FACTS, TALK, 'jsonl', forWhom)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  it('hold for staff the whole log, history included', () => {
    assert.deepEqual(
      lines('staff').map(({ seq, type }) => [seq, type]),
      TALK.map(({ seq, event }) => [seq, event.type]),
    );
    assert.equal(lines('staff')[4]?.['queue'], 'CreditCardQueue');
  });

  it('hold for the customer exactly the entries for everyone, and nothing of what happened inside', () => {
    const read = lines('customer');
    assert.deepEqual(
      read.map(({ seq }) => seq),
      TALK.filter(({ event }) => event.audience === 'everyone').map(({ seq }) => seq),
    );
    for (const line of read) {
      assert.deepEqual(
        Object.keys(line).filter(
          (field) => !['conversationId', 'seq', 'at', 'type', 'audience', 'by', 'activity'].includes(field),
        ),
        [],
      );
    }
  });

  it('hold for the customer the latest content only', () => {
    const text = renderTranscript(FACTS, TALK, 'jsonl', 'customer');
    assert.match(text, /Hello Kim/);
    assert.doesNotMatch(text, /Hallo Kim|wrong chat/);
    assert.match(renderTranscript(FACTS, TALK, 'jsonl', 'staff'), /Hallo Kim.*wrong chat/s);
  });

  it('name who acted', () => {
    assert.deepEqual(lines('customer')[1]?.['by'], { role: 'customer', id: 'dl_kim', name: 'Kim' });
  });
});

describe('a transcript as text', () => {
  it('reads as the conversation went, for the customer', () => {
    assert.equal(
      renderTranscript(FACTS, TALK, 'text', 'customer'),
      [
        'Contoso Bank: conversation c1',
        'Customer: Kim',
        'Started: 2026-01-05 09:00:00 UTC',
        '',
        '[2026-01-05 09:00:01 UTC] Demo Bot: Welcome',
        '[2026-01-05 09:00:02 UTC] Kim: human CreditCard',
        '[2026-01-05 09:00:05 UTC] Contoso: Ana joined the conversation.',
        '[2026-01-05 09:00:07 UTC] Ana (edited): Hello Kim',
        '',
      ].join('\n'),
    );
  });

  it('tells staff what happened, the context, and what is private', () => {
    const text = renderTranscript(FACTS, TALK, 'text', 'staff');
    assert.match(text, /^topic: CreditCard$/m);
    assert.match(text, /^tags: a, b$/m);
    assert.match(text, /Demo Bot \(staff only, summary\): card lost$/m);
    assert.match(text, /\* Waiting in CreditCardQueue$/m);
    assert.match(text, /\* Ana accepted$/m);
    assert.match(text, /Ana \(staff only, note\): sounds upset$/m);
  });

  it('lets nobody write a line that looks like somebody else wrote it', () => {
    const forged = 'hi\n[2026-01-05 09:00:09 UTC] Ana: your refund is approved';
    const log = logOf([CUSTOMER, 'everyone', said({ text: forged, from: { id: 'x', name: 'Kim\nAna: hi' } })]);
    const text = renderTranscript(FACTS, log, 'text', 'customer');
    assert.equal(text.split('\n').filter((line) => line.startsWith('[')).length, 1);
  });

  it('says in words what is on cards, which files came and which choices there were', () => {
    const log = logOf([
      BOT,
      'everyone',
      said({
        text: 'Look',
        suggestedActions: { actions: [{ type: 'imBack', title: 'Yes', value: 'y' }] },
        attachments: [
          {
            contentType: 'application/vnd.microsoft.card.adaptive',
            content: {
              type: 'AdaptiveCard',
              body: [
                { type: 'TextBlock', text: 'Your order' },
                { type: 'FactSet', facts: [{ title: 'Total', value: '17 €' }] },
              ],
              actions: [{ type: 'Action.Submit', title: 'Pay' }],
            },
          },
          {
            contentType: 'application/vnd.microsoft.card.hero',
            content: { title: 'Hero', buttons: [{ type: 'imBack', title: 'Go' }] },
          },
          { contentType: 'image/png', name: 'card.png', contentUrl: 'https://x/card.png' },
        ],
      }),
    ]);
    const text = renderTranscript(FACTS, log, 'text', 'customer');
    for (const word of [
      'Look',
      'Your order',
      'Total: 17 €',
      '[Pay]',
      'Hero',
      '[Go]',
      '[Yes]',
      'card.png: https://x/card.png',
    ]) {
      assert.ok(text.includes(word), word);
    }
  });
});

describe('a transcript as a page', () => {
  const html = (log: Entry[], forWhom: 'staff' | 'customer' = 'staff'): string =>
    renderTranscript(FACTS, log, 'html', forWhom);

  it('needs nothing from anywhere and runs nothing', () => {
    const page = html(TALK);
    assert.match(page, /^<!doctype html>/);
    assert.match(page, /default-src 'none'/);
    assert.doesNotMatch(page, /<script|<img|<link|src=|@import|url\(/i);
  });

  it('shows everything anybody wrote as text', () => {
    const attack = `<script>alert(1)</script><img src=x onerror='alert(1)'>"&`;
    const log = logOf(
      [CUSTOMER, 'everyone', said({ text: attack, from: { id: attack, name: attack } })],
      [
        BOT,
        'everyone',
        said({ attachments: [{ contentType: 'image/png', name: attack, contentUrl: `https://x/"><script>` }] }),
      ],
      [
        BOT,
        'everyone',
        said({ attachments: [{ contentType: 'text/html', name: 'x', contentUrl: 'javascript:alert(1)' }] }),
      ],
    );
    const page = html(log);
    assert.doesNotMatch(page, /<script|<img|href="javascript/i);
    assert.match(page, /&lt;script&gt;/);
  });

  it('marks private entries for staff and leaves them out for the customer', () => {
    assert.match(html(TALK), /class="other private".*Private note/);
    assert.match(html(TALK), /<th scope="row">topic<\/th><td>CreditCard<\/td>/);
    const page = html(TALK, 'customer');
    assert.doesNotMatch(page, /card lost|sounds upset|Private|CreditCardQueue|<table/);
  });

  it('marks what was edited and leaves out what was deleted', () => {
    const page = html(TALK, 'customer');
    assert.match(page, /edited.*Hello Kim/);
    assert.doesNotMatch(page, /Hallo Kim|wrong chat/);
  });
});

describe('transcripts', () => {
  it('are served with the media type of their format', () => {
    assert.deepEqual(
      TRANSCRIPT_FORMATS.map((format) => transcriptContentType(format).split(';')[0]),
      ['application/json', 'application/x-ndjson', 'text/plain', 'text/html'],
    );
  });

  it('for customers never hold a word of what is for staff, in any format', () => {
    const line = fc.tuple(
      fc.constantFrom(CUSTOMER, BOT, ANA),
      fc.boolean(),
      fc.constantFrom('said', 'noted', 'drafted'),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 10 }), fc.constantFrom(...TRANSCRIPT_FORMATS), (given, format) => {
        const log = logOf(
          ...given.map(([by, secret, type]) => {
            const activity = { type: 'message', text: secret ? 'SECRET' : 'PUBLIC' };
            const content = { type, activityType: 'message', kind: 'note', why: 'notHolder', body: { activity } };
            return [by, secret ? 'staff' : 'everyone', content] as never;
          }),
        );
        const rendered = renderTranscript(FACTS, log, format, 'customer');
        assert.equal(rendered.includes('SECRET'), false);
        assert.equal(rendered.split('PUBLIC').length - 1, given.filter(([, secret]) => !secret).length);
      }),
    );
  });
});
