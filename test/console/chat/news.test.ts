// What a person is told of a conversation: from what was shown and how it stands to the messages in between, whatever happened.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  isNewcomer,
  newSlot,
  news,
  stageOf,
  text,
  timeOfDay,
  type Reading,
  type Slot,
} from '../../../src/console/chat/news.js';
import type { Conversation, Entry } from '../../../src/core/conversation.js';
import { openHub, type TestHub } from '../../fakes/hub.js';
import { wordsOf } from '../../fakes/chatClient.js';
import { faultsOf } from '../../fakes/adaptiveCards.js';
import { CONFIGURATION, officeBot } from '../office.js';

describe('news of a conversation', () => {
  let test: TestHub;
  let id: string;
  beforeEach(async () => {
    test = await openHub({ configuration: CONFIGURATION, bot: officeBot() });
    id = await test.startConversation();
  });
  afterEach(() => test.close());

  const ana = { role: 'agent', id: 'ana' } as const;

  function readingOf(state: Conversation, log: readonly Entry[], slot: Slot): Reading {
    const from = isNewcomer(slot, state, 'ana') ? 0 : slot.seq;
    return {
      person: 'ana',
      state,
      entries: log.filter(({ seq }) => seq > from && seq <= state.version),
      original: (seq) => log.find((entry) => entry.seq === seq),
      directory: test.hub.directory,
      now: test.clock.now(),
      timeZone: undefined,
      current: true,
      ownKeys: 'staff:ana:chat:mine:',
      origin: 'http://localhost/',
    };
  }

  /** Shows what is new, as a chat does. @returns the words, and what was shown by then. */
  async function shown(slot: Slot): Promise<{ words: string[]; slot: Slot }> {
    const [state, log] = [await test.state(id), await test.log(id)];
    const steps = news(slot, readingOf(state, log, slot));
    for (const { activity } of steps)
      for (const { content } of activity?.attachments ?? []) assert.deepEqual(faultsOf(content), []);
    const words = steps.flatMap(({ activity }) => (activity === undefined ? [] : [wordsOf(activity)]));
    return { words, slot: steps.at(-1)?.slot ?? slot };
  }

  it('is nothing twice: what was shown has no news, at whatever moment it is asked', async () => {
    await test.hub.people.setPresence('ana', 'available');
    await test.says(id, 'hello');
    const happenings: (() => Promise<unknown>)[] = [
      () => test.says(id, 'human CreditCard'),
      () => test.hub.handle(id, { type: 'accept', agent: 'ana' }),
      () => test.says(id, 'first'),
      () =>
        test.hub.handle(id, {
          type: 'say',
          by: ana,
          activity: { type: 'message', text: 'mine' },
          key: 'staff:ana:chat:mine:1',
        }),
      () =>
        test.hub.handle(id, {
          type: 'say',
          by: ana,
          activity: { type: 'message', text: 'other' },
          key: 'staff:ana:web',
        }),
      () =>
        test.hub.handle(id, {
          type: 'note',
          by: { role: 'supervisor', id: 'sam' },
          activity: { type: 'message', text: 'watch out' },
        }),
      () => test.hub.handle(id, { type: 'disconnect', party: 'customer' }),
      () => test.hub.handle(id, { type: 'reconnect', party: 'customer' }),
      () => test.hub.handle(id, { type: 'end', by: ana }),
      () => test.hub.handle(id, { type: 'close', by: ana }),
    ];
    const all: string[] = [];
    let { slot } = await shown(newSlot(await test.state(id), 1));
    for (const happens of happenings) {
      await happens();
      await test.hub.settled();
      const first = await shown(slot);
      slot = first.slot;
      all.push(...first.words);
      assert.deepEqual((await shown(slot)).words, []);
    }
    const told = all.map((words) => words.split('\n')[0]);
    assert.deepEqual(told, [
      'Request #1 from Kim',
      'Request #1 from Kim',
      '#1: you are talking with Kim',
      '#1: what was said before',
      '#1 Kim: first',
      '#1 You, elsewhere: other',
      '#1 Sam (note, staff only): watch out',
      '#1 Kim: (the connection was lost)',
      '#1 Kim: (connected again)',
      '#1: the conversation with Kim has ended',
      '#1 Kim: It is closed since 09:00:00 UTC.',
    ]);
  });

  it('ends where the conversation stands, whichever of its moments were seen', async () => {
    await test.hub.people.setPresence('ana', 'available');
    const states: Conversation[] = [];
    const stop = test.hub.observe({ committed: (_entries, state) => void states.push(state) });
    await test.says(id, 'human CreditCard');
    await test.hub.handle(id, { type: 'accept', agent: 'ana' });
    await test.says(id, 'one');
    await test.hub.handle(id, { type: 'return', by: ana });
    await test.hub.settled();
    await test.says(id, 'human CreditCard');
    await test.hub.handle(id, { type: 'accept', agent: 'ana' });
    await test.says(id, 'two');
    await test.hub.handle(id, { type: 'end', by: ana });
    await test.hub.settled();
    stop();
    const log = await test.log(id);
    fc.assert(
      fc.property(fc.subarray(states.map((_, index) => index)), (seen) => {
        let slot = newSlot(states[0] as Conversation, 1);
        const words: string[] = [];
        for (const index of [...seen, states.length - 1]) {
          const steps = news(slot, readingOf(states[index] as Conversation, log, slot));
          words.push(...steps.flatMap(({ activity }) => (activity === undefined ? [] : [wordsOf(activity)])));
          slot = steps.at(-1)?.slot ?? slot;
        }
        const last = states.at(-1) as Conversation;
        assert.equal(slot.stage, stageOf(last, 'ana'));
        // Each text of the customer at most once as a message of its own.
        for (const said of ['one', 'two']) assert.ok(words.filter((one) => one === `#1 Kim: ${said}`).length <= 1);
      }),
    );
  });

  it('shows a text as it is, with further lines that cannot be taken for another’s', () => {
    assert.equal(text('#1 Kim: a\r\n#2 Ben: b\u2028c').text, '#1 Kim: a\n│ #2 Ben: b\n│ c');
    assert.ok((text('x'.repeat(100_000)).text ?? '').length < 17_000);
  });

  it('tells times where the person is, or says that they are in UTC', () => {
    const at = Date.parse('2026-01-05T09:02:06Z');
    assert.equal(timeOfDay(at, 'Europe/Berlin'), '10:02:06');
    assert.equal(timeOfDay(at, undefined), '09:02:06 UTC');
  });
});
