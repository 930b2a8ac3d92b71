/** What a reply of a bot behind Direct Line answers: the fence between sessions stands on it. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { activityId, seqOf, type Activity } from '../../../src/core/activity.js';
import type { Conversation } from '../../../src/core/conversation.js';
import { withSent, type LineRecord } from '../../../src/connector/directLineBot/record.js';
import { attribute, entryOf, heard, isOwn, posted } from '../../../src/connector/directLineBot/translate.js';

const OURS = 'ours';
const REMOTE = 'remote';
const EMPTY: LineRecord = {
  remote: REMOTE,
  user: 'kim',
  token: 't',
  refreshAt: 0,
  tokenEndsAt: 0,
  watermark: '',
  opening: 'done',
  sent: [],
};

/** Our entries in the order in which the bot's conversation has them; every remote id is higher than the one before. */
function recordOf(entries: readonly { seq: number; remoteSeq: number }[]): LineRecord {
  return entries.reduce(
    (record, { seq, remoteSeq }) => withSent(record, { key: activityId(OURS, seq), id: activityId(REMOTE, remoteSeq) }),
    EMPTY,
  );
}

const ENTRIES = fc
  .array(fc.record({ seqStep: fc.integer({ min: 1, max: 5 }), remoteStep: fc.integer({ min: 1, max: 5 }) }), {
    minLength: 1,
    maxLength: 150,
  })
  .map((steps) => {
    let seq = 0;
    let remoteSeq = 0;
    return steps.map(({ seqStep, remoteStep }) => ({ seq: (seq += seqStep), remoteSeq: (remoteSeq += remoteStep) }));
  });

function heldSince(sessionSeq: number): Conversation {
  return { id: OURS, phase: 'bot', bot: 'studio', sessionSeq } as Conversation;
}

describe("a reply of a bot's conversation", () => {
  it('leads to the entry it answers as long as that is known', () => {
    fc.assert(
      fc.property(ENTRIES, fc.nat(), (entries, pick) => {
        const record = recordOf(entries);
        const known = entries.slice(-record.sent.length);
        const { seq, remoteSeq } = known[pick % known.length] as (typeof known)[number];
        const reply: Activity = { type: 'message', text: 'yes', replyToId: activityId(REMOTE, remoteSeq) };
        const told = heard(heldSince(1), 'studio', reply, attribute(OURS, record, reply));
        assert.equal(told.replyToId, activityId(OURS, seq));
      }),
    );
  });

  it('never passes for a reply of a younger session than that of the entry it answers', () => {
    fc.assert(
      fc.property(ENTRIES, fc.nat(), fc.nat(), (entries, pick, session) => {
        const record = recordOf(entries);
        const { seq, remoteSeq } = entries[pick % entries.length] as (typeof entries)[number];
        const sessionSeq = 1 + (session % ((entries.at(-1)?.seq ?? 0) + 1));
        const reply: Activity = { type: 'message', text: 'late', replyToId: activityId(REMOTE, remoteSeq) };
        const told = heard(heldSince(sessionSeq), 'studio', reply, attribute(OURS, record, reply));
        const answers = seqOf(OURS, told.replyToId);
        // Entries too old to be known count as the oldest that is: the session may only be that of one in between.
        const oldestKnown = seqOf(OURS, record.sent[0]?.key) ?? 0;
        if (seq < sessionSeq && oldestKnown < sessionSeq) assert.ok(answers !== undefined && answers < sessionSeq);
      }),
      { numRuns: 500 },
    );
  });

  it('without replyToId counts by its place in the conversation', () => {
    const record = recordOf([
      { seq: 4, remoteSeq: 2 },
      { seq: 9, remoteSeq: 7 },
    ]);
    const said: Activity = { type: 'message', text: 'unasked', id: activityId(REMOTE, 5) };
    const about = attribute(OURS, record, said);
    assert.deepEqual(about, { after: { seq: 4, shown: true } });
    assert.equal(heard(heldSince(8), 'studio', said, about).replyToId, activityId(OURS, 4), 'an earlier session');
    assert.equal(heard(heldSince(3), 'studio', said, about).replyToId, undefined, 'unasked in the present one');
  });

  it('to what only the hub has told the bot names nothing that a client would wait for', () => {
    const record = withSent(EMPTY, { key: `${OURS}/12/0`, id: activityId(REMOTE, 3) });
    const reply: Activity = { type: 'message', text: 'Hello', replyToId: activityId(REMOTE, 3) };
    assert.equal(heard(heldSince(12), 'studio', reply, attribute(OURS, record, reply)).replyToId, undefined);
    assert.equal(heard(heldSince(20), 'studio', reply, attribute(OURS, record, reply)).replyToId, activityId(OURS, 12));
  });
});

describe('an activity of the customer', () => {
  it('is known again by its echo, whatever the customer put into it', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.option(fc.string()), (channelData, name) => {
        const key = activityId(OURS, 5);
        const sent = posted(
          { type: 'event', name: name ?? 'handoff.initiate', channelData, from: { id: 'somebody', role: 'user' } },
          'kim',
          key,
        );
        assert.ok(isOwn(JSON.parse(JSON.stringify(sent)) as Activity, EMPTY, OURS));
        assert.equal(sent.from?.id, 'kim');
      }),
    );
  });

  it('is told from what the bot says, also when the bot writes the customer into it', () => {
    const record = recordOf([{ seq: 4, remoteSeq: 2 }]);
    const by = (id: string, role?: string) => ({ id, ...(role === undefined ? {} : { role }) });
    assert.ok(isOwn({ type: 'message', text: 'a', from: by('kim') }, record, OURS), 'by its sender');
    assert.ok(
      isOwn({ type: 'message', text: 'a', from: by('x'), id: activityId(REMOTE, 2) }, record, OURS),
      'by its id',
    );
    assert.ok(!isOwn({ type: 'message', text: 'a', from: by('bot', 'bot') }, record, OURS));
    assert.ok(!isOwn({ type: 'event', name: 'handoff.initiate', from: by('kim', 'user') }, record, OURS));
  });

  it('has a key that leads back to its entry, and no key of another conversation does', () => {
    assert.deepEqual(entryOf(OURS, activityId(OURS, 7)), { seq: 7, shown: true });
    assert.deepEqual(entryOf(OURS, `${OURS}/7/1`), { seq: 7, shown: false });
    assert.equal(entryOf(OURS, activityId('other', 7)), undefined);
    assert.equal(entryOf(OURS, `${OURS}/x`), undefined);
  });
});
