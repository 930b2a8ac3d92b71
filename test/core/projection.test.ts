import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Activity } from '../../src/core/activity.js';
import type { Entry } from '../../src/core/conversation.js';
import { projectActivity, readActivities, type Reader, type Viewer } from '../../src/core/projection.js';
import { ANA, BEN, BOT, CONVERSATION, CUSTOMER, HUB, logOf, nameOf, said, type Line } from './entries.js';

function readerOf(viewer: Viewer, log: readonly Entry[] = []): Reader {
  return { viewer, nameOf, original: (seq) => log.find((entry) => entry.seq === seq) };
}

/** What the viewer sees of the last entry. */
function seen(log: readonly Entry[], viewer: Viewer): Activity | undefined {
  return projectActivity(log.at(-1) as Entry, readerOf(viewer, log));
}

function texts(log: readonly Entry[], viewer: Viewer): (string | undefined)[] {
  return readActivities(log, readerOf(viewer)).map(({ activity }) => activity.text);
}

describe('what a customer reads', () => {
  it('has the id, time and conversation of the log, whatever the activity said', () => {
    const activity = { text: 'hi', id: 'mine', timestamp: '1999-01-01T00:00:00Z', conversation: { id: 'other' } };
    assert.deepEqual(
      seen(logOf([CUSTOMER, 'everyone', said({ ...activity, from: { id: 'x', name: 'Kim' } })]), 'customer'),
      {
        type: 'message',
        text: 'hi',
        id: `${CONVERSATION}|0000001`,
        timestamp: '2026-01-05T09:00:00.000Z',
        conversation: { id: CONVERSATION },
        from: { id: 'dl_kim', name: 'Kim', role: 'user' },
      },
    );
  });

  it('keeps every content field and the client id by which a widget knows its echo', () => {
    const content = {
      text: '**bold**',
      textFormat: 'markdown',
      locale: 'en-US',
      value: { a: [1, null] },
      entities: [{ type: 'ClientCapabilities', supportsTts: true }],
      attachments: [{ contentType: 'image/png', contentUrl: 'https://x/y.png', name: 'y.png' }],
      suggestedActions: { actions: [{ type: 'imBack', title: 'Yes', value: 'yes' }] },
      channelData: { clientActivityID: 'abc', attachmentSizes: [1] },
      unknownField: 7,
    };
    const {
      id: _id,
      timestamp: _t,
      conversation: _c,
      from: _f,
      type: _type,
      ...rest
    } = seen(logOf([CUSTOMER, 'everyone', said(content)]), 'customer') as Activity;
    assert.deepEqual(rest, content);
  });

  it('has no addresses of bots', () => {
    const activity = { text: 'hi', serviceUrl: 'https://bot/', recipient: { id: 'demo' }, callerId: 'urn:x' };
    const read = seen(logOf([BOT, 'everyone', said(activity)]), 'customer') as Activity;
    assert.equal('serviceUrl' in read || 'recipient' in read || 'callerId' in read, false);
  });

  const senders: [who: string, entry: Line, from: unknown][] = [
    [
      'the bot by its configured name',
      [BOT, 'everyone', said({ text: 'x', from: { id: 'x', name: 'Root' } })],
      { id: 'demo', name: 'Demo Bot', role: 'bot' },
    ],
    [
      'a person as somebody who serves',
      [ANA, 'everyone', said({ text: 'x', from: { id: 'ana', role: 'user' } })],
      { id: 'ana', name: 'Ana', role: 'bot' },
    ],
    [
      'a customer who claims to be a bot as a customer',
      [CUSTOMER, 'everyone', said({ text: 'x', from: { id: 'ana', name: 'Ana', role: 'bot' } })],
      { id: 'dl_kim', name: 'Ana', role: 'user' },
    ],
    [
      'the hub by the name of the work stream',
      [HUB, 'everyone', { type: 'told', text: 'queued', body: { activity: { type: 'message', text: 'x' } } }],
      { id: 'system', name: 'Contoso', role: 'bot' },
    ],
  ];
  for (const [who, entry, from] of senders) {
    it(`shows ${who}`, () => assert.deepEqual(seen(logOf(entry), 'customer')?.from, from));
  }

  it('shows what the hub told, with its mark', () => {
    const channelData = { handoff: { kind: 'queued', position: 2 } };
    const log = logOf([
      HUB,
      'everyone',
      { type: 'told', text: 'queued', position: 2, body: { activity: { type: 'message', text: 'x', channelData } } },
    ]);
    assert.deepEqual(seen(log, 'customer')?.channelData, channelData);
  });

  it('takes away marks that only the hub may set', () => {
    for (const by of [CUSTOMER, BOT]) {
      const log = logOf([
        by,
        'everyone',
        said({ text: 'x', channelData: { mine: 1, handoff: { audience: 'staff', kind: 'note' } } }),
      ]);
      assert.deepEqual(seen(log, 'customer')?.channelData, { mine: 1 });
      assert.deepEqual(seen(log, { agent: 'ana' })?.channelData, { mine: 1 });
    }
  });

  it('leaves out notes, summaries, drafts and traces', () => {
    const log = logOf(
      [ANA, 'staff', { type: 'noted', kind: 'note', body: { activity: { type: 'message', text: 'note' } } }],
      [BOT, 'staff', { type: 'noted', kind: 'summary', body: { activity: { type: 'message', text: 'summary' } } }],
      [HUB, 'staff', { type: 'noted', kind: 'trace', body: { activity: { type: 'message', text: 'trace' } } }],
      [
        BOT,
        'staff',
        {
          type: 'drafted',
          activityType: 'message',
          why: 'notHolder',
          body: { activity: { type: 'message', text: 'draft' } },
        },
      ],
    );
    assert.deepEqual(texts(log, 'customer'), []);
    assert.deepEqual(texts(log, 'staff'), ['note', 'summary', 'draft']);
  });

  for (const type of [
    'conversationUpdate',
    'invoke',
    'typing',
    'trace',
    'installationUpdate',
    'contactRelationUpdate',
  ]) {
    it(`leaves out ${type}, also when it is for everyone`, () => {
      for (const viewer of ['customer', 'staff', { agent: 'ana' }] as const) {
        assert.equal(seen(logOf([CUSTOMER, 'everyone', said({ type })]), viewer), undefined);
      }
    });
  }

  for (const type of ['message', 'event', 'endOfConversation', 'messageReaction']) {
    it(`shows ${type}`, () => assert.equal(seen(logOf([BOT, 'everyone', said({ type })]), 'customer')?.type, type));
  }

  it('shows nothing of the signal that escalated', () => {
    const log = logOf([
      BOT,
      'staff',
      { type: 'escalated', reason: 'signal', body: { summary: 's', activity: { type: 'message', text: 's' } } },
    ]);
    assert.equal(seen(log, 'customer'), undefined);
    assert.equal(seen(log, 'staff'), undefined);
  });

  it('shows nothing of an entry whose body was erased', () => {
    assert.equal(seen(logOf([CUSTOMER, 'everyone', { type: 'said', activityType: 'message' }]), 'customer'), undefined);
  });
});

describe('replies', () => {
  const reply = (replyToId: string | undefined, answers?: number): Activity | undefined =>
    seen(
      logOf(
        [CUSTOMER, 'everyone', said('hi')],
        [BOT, 'everyone', said({ text: 'x', ...(replyToId !== undefined && { replyToId }) }, answers)],
      ),
      'customer',
    );

  it('name the entry they answer', () => {
    assert.equal(reply(`${CONVERSATION}|0000001`, 1)?.replyToId, `${CONVERSATION}|0000001`);
  });

  const dropped: [what: string, replyToId: string | undefined, answers?: number][] = [
    ['what the hub told the bot', `${CONVERSATION}|0000001`, undefined],
    ['an unknown id', 'b7c1', 1],
    ['an entry of another conversation', 'c2|0000001', 1],
    ['an entry that comes later', `${CONVERSATION}|0000009`, 9],
    ['nothing', undefined, 1],
  ];
  for (const [what, replyToId, answers] of dropped) {
    it(`to ${what} carry no id, for which a widget would wait`, () => {
      assert.equal('replyToId' in (reply(replyToId, answers) as Activity), false);
    });
  }
});

describe('edits and deletions', () => {
  const log = logOf(
    [BOT, 'everyone', said({ text: 'old', channelData: { x: 1 } })],
    [CUSTOMER, 'everyone', said('thanks')],
    [BOT, 'everyone', { type: 'edited', target: 1, body: { activity: { type: 'message', text: 'new' } } }],
  );
  const [original, , edit] = log as [Entry, Entry, Entry];

  it('reach a reader who has the original as the same activity with new content, in its old place', () => {
    const read = seen(log, 'customer') as Activity;
    assert.equal(read.id, `${CONVERSATION}|0000001`);
    assert.equal(read.text, 'new');
    assert.equal(read.timestamp, projectActivity(original, readerOf('customer'))?.timestamp);
  });

  it('show only the latest in a full reading', () => {
    const read = readActivities(log, readerOf('customer'));
    assert.deepEqual(
      read.map(({ seq, activity, edited }) => [seq, activity.text, edited]),
      [
        [1, 'new', true],
        [2, 'thanks', false],
      ],
    );
  });

  it('come at their own place to a reader who begins after the original', () => {
    const read = readActivities([edit], readerOf('customer', log));
    assert.deepEqual(
      read.map(({ seq, activity }) => [seq, activity.id, activity.text]),
      [[3, `${CONVERSATION}|0000001`, 'new']],
    );
  });

  it('of a deleted message leave nothing in a full reading, and an empty message under its id otherwise', () => {
    const deleted = logOf([BOT, 'everyone', said('secret')], [BOT, 'everyone', { type: 'deleted', target: 1 }]);
    assert.deepEqual(texts(deleted, 'customer'), []);
    const read = seen(deleted, 'customer') as Activity;
    assert.equal(read.id, `${CONVERSATION}|0000001`);
    assert.equal(read.text, '');
    assert.equal(read.attachments, undefined);
    assert.deepEqual(read.channelData, { handoff: { kind: 'deleted' } });
  });

  it('stay gone when an edit comes after the deletion', () => {
    const later = logOf(
      [BOT, 'everyone', said('a')],
      [BOT, 'everyone', { type: 'deleted', target: 1 }],
      [BOT, 'everyone', { type: 'edited', target: 1, body: { activity: { type: 'message', text: 'b' } } }],
    );
    assert.deepEqual(texts(later, 'customer'), []);
  });

  it('of what only staff may see show the customer nothing', () => {
    const note = logOf(
      [ANA, 'staff', { type: 'noted', kind: 'note', body: { activity: { type: 'message', text: 'private' } } }],
      [ANA, 'everyone', { type: 'edited', target: 1, body: { activity: { type: 'message', text: 'private too' } } }],
    );
    assert.deepEqual(texts(note, 'customer'), []);
    assert.equal(seen(note, 'customer'), undefined);
    assert.deepEqual(texts(note, 'staff'), ['private too']);
  });
});

describe("a person's chat pane", () => {
  const pane: Viewer = { agent: 'ana' };

  it("shows the person's own messages as the user's and everybody else's by name", () => {
    const log = logOf(
      [CUSTOMER, 'everyone', said({ text: 'a', from: { id: 'x', name: 'Kim' } })],
      [BOT, 'everyone', said('b')],
      [ANA, 'everyone', said('c')],
      [BEN, 'everyone', said('d')],
      [HUB, 'everyone', { type: 'told', text: 'closed', body: { activity: { type: 'message', text: 'e' } } }],
    );
    assert.deepEqual(
      readActivities(log, readerOf(pane)).map(({ activity }) => [activity.from?.role, activity.from?.name]),
      [
        ['bot', 'Kim'],
        ['bot', 'Demo Bot'],
        ['user', 'Ana'],
        ['bot', 'Ben'],
        ['bot', 'Contoso'],
      ],
    );
  });

  it('does not take a customer or a bot of the same id for the person', () => {
    for (const role of ['customer', 'bot'] as const) {
      assert.equal(seen(logOf([{ role, id: 'ana' }, 'everyone', said('x')]), pane)?.from?.role, 'bot');
    }
  });

  const marks: [kind: string, entry: Line][] = [
    ['note', [ANA, 'staff', { type: 'noted', kind: 'note', body: { activity: { type: 'message', text: 'x' } } }]],
    ['summary', [BOT, 'staff', { type: 'noted', kind: 'summary', body: { activity: { type: 'message', text: 'x' } } }]],
    [
      'draft',
      [
        BOT,
        'staff',
        {
          type: 'drafted',
          activityType: 'message',
          why: 'earlierSession',
          body: { activity: { type: 'message', text: 'x' } },
        },
      ],
    ],
  ];
  for (const [kind, entry] of marks) {
    it(`marks a ${kind} as staff-only, beside what the sender put into channelData`, () => {
      const [by, audience, content] = entry;
      const body = { activity: { type: 'message', text: 'x', channelData: { own: 1 } } };
      assert.deepEqual(seen(logOf([by, audience, { ...content, body }]), pane)?.channelData, {
        own: 1,
        handoff: { audience: 'staff', kind },
      });
    });
  }

  it('shows suggestions as words that cannot be pressed', () => {
    const suggestedActions = {
      actions: [
        { type: 'imBack', title: 'Yes', value: 'y' },
        { type: 'imBack', title: 'No', value: 'n' },
      ],
    };
    const read = seen(logOf([BOT, 'everyone', said({ text: 'Sure?', suggestedActions })]), pane) as Activity;
    assert.equal('suggestedActions' in read, false);
    assert.deepEqual(read.channelData, { handoff: { choices: ['Yes', 'No'] } });
  });

  it('shows a hero card without anything to press', () => {
    const content = {
      title: 'Pick',
      text: 'one',
      buttons: [{ type: 'imBack', title: 'A', value: 'a' }],
      tap: { type: 'openUrl', value: 'https://x' },
    };
    const attachments = [{ contentType: 'application/vnd.microsoft.card.hero', content }];
    const read = seen(logOf([BOT, 'everyone', said({ attachments })]), pane) as Activity;
    assert.deepEqual(read.attachments?.[0]?.content, { title: 'Pick', text: 'one\n\n[A]' });
  });

  it('shows an Adaptive Card without anything to press or fill in', () => {
    const content = {
      type: 'AdaptiveCard',
      body: [
        { type: 'TextBlock', text: 'Hello', selectAction: { type: 'Action.OpenUrl', url: 'https://x' } },
        { type: 'Input.Text', id: 'name', inlineAction: { type: 'Action.Submit' } },
        { type: 'ActionSet', actions: [{ type: 'Action.Submit', title: 'Inner' }] },
        { type: 'Container', items: [{ type: 'Input.Toggle', id: 't', title: 'ok' }] },
      ],
      actions: [{ type: 'Action.Submit', title: 'Send', data: { a: 1 } }],
    };
    const attachments = [{ contentType: 'application/vnd.microsoft.card.adaptive', content }];
    const read = seen(logOf([BOT, 'everyone', said({ attachments })]), pane) as Activity;
    const words = (text: string) => ({ type: 'TextBlock', text, wrap: true, isSubtle: true });
    assert.deepEqual(read.attachments?.[0]?.content, {
      type: 'AdaptiveCard',
      body: [
        { type: 'TextBlock', text: 'Hello' },
        { type: 'Input.Text', id: 'name', isEnabled: false },
        words('[Inner]'),
        { type: 'Container', items: [{ type: 'Input.Toggle', id: 't', title: 'ok', isEnabled: false }] },
        words('[Send]'),
      ],
    });
  });

  it('leaves the card in the log as it was', () => {
    const attachments = [
      { contentType: 'application/vnd.microsoft.card.hero', content: { buttons: [{ title: 'A' }] } },
    ];
    const log = logOf([BOT, 'everyone', said({ attachments })]);
    const before = JSON.stringify(log);
    seen(log, pane);
    assert.equal(JSON.stringify(log), before);
    assert.deepEqual(seen(log, 'customer')?.attachments, attachments);
  });

  const pressed: [what: string, activity: Partial<Activity>, text: string][] = [
    ['a card that was submitted', { value: { choice: 'a' }, channelData: { postBack: true } }, '{"choice":"a"}'],
    ['a button with a text of its own', { value: 1, channelData: { messageBack: { displayText: 'Yes' } } }, 'Yes'],
    ['a posted-back word', { text: 'yes', channelData: { postBack: true } }, 'yes'],
  ];
  for (const [what, activity, text] of pressed) {
    it(`shows ${what}, which a chat client would hide`, () => {
      const read = seen(logOf([CUSTOMER, 'everyone', said(activity)]), pane) as Activity;
      assert.equal(read.text, text);
      assert.deepEqual(read.channelData, {});
    });
  }
});

describe('projections', () => {
  const parties = [CUSTOMER, BOT, ANA, BEN, HUB];
  const entry = fc
    .record({
      by: fc.constantFrom(...parties),
      audience: fc.constantFrom('everyone' as const, 'staff' as const),
      kind: fc.constantFrom('said', 'noted', 'drafted', 'told', 'imported', 'escalated', 'edited', 'deleted'),
      type: fc.constantFrom('message', 'event', 'typing', 'invoke', 'conversationUpdate', 'endOfConversation'),
      text: fc.string(),
      more: fc.dictionary(
        fc.constantFrom('value', 'attachments', 'suggestedActions', 'channelData', 'from', 'replyToId', 'entities'),
        fc.jsonValue(),
      ),
      target: fc.integer({ min: 1, max: 12 }),
    })
    .map(({ by, audience, kind, type, text, more, target }) => {
      const activity = { ...more, type, text };
      return [
        by,
        audience,
        { type: kind, activityType: type, kind: 'note', why: 'notHolder', target, body: { activity } },
      ] as never;
    });

  it('give customers exactly the shown entries whose audience is everyone, whatever anybody sends', () => {
    const hidden = new Set(['typing', 'invoke', 'conversationUpdate']);
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 12 }), (events) => {
        const log = logOf(...events);
        for (const one of log) {
          const { event } = one;
          const read = projectActivity(one, readerOf('customer', log));
          if (event.audience !== 'everyone') assert.equal(read, undefined);
          else if (event.type !== 'edited' && event.type !== 'deleted' && event.type !== 'escalated') {
            assert.equal(read !== undefined, !hidden.has(event.body?.activity?.type ?? ''));
          }
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('never throw, never change the log, and always name a sender with a role', () => {
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 12 }), (events) => {
        const log = logOf(...events);
        const before = JSON.stringify(log);
        for (const viewer of ['customer', 'staff', { agent: 'ana' }] as const) {
          for (const { activity } of readActivities(log, readerOf(viewer))) {
            assert.match(String(activity.from?.role), /^(user|bot)$/);
            assert.ok(activity.id?.startsWith(`${CONVERSATION}|`));
          }
        }
        assert.equal(JSON.stringify(log), before);
      }),
      { numRuns: 300 },
    );
  });
});
