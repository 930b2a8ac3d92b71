// What every store must do, whichever engine is behind it. An engine is right when this suite passes on it.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { Conflict, StoreUnavailable } from '../../src/errors.js';
import { fold } from '../../src/core/evolve.js';
import type { Entry } from '../../src/core/conversation.js';
import type { Append, Appended, OutboxRow, Store } from '../../src/hub/ports.js';
import { Comparison, step } from './comparison.js';
import { ANN, Chat, closes, offers, queues, says, T0, type Happening } from './chat.js';

export interface StoreUnderTest {
  store: Store;
  /** Closes the store and opens the same place again, as the next process would. */
  reopen(): Promise<Store>;
  /** Changes the tables behind the store's back. */
  tamper(statement: string, ...values: (string | number)[]): Promise<void>;
  /** Closes what is open and removes the place. */
  dispose(): Promise<void>;
}

/** Lists that must not read more than they show, and the index that sees to it. */
export const INDEXED = [
  [{ channel: 'msteams', oldestFirst: true, after: { startedAt: T0, id: 'x' } }, 'conversation_of_channel'],
  [{ channel: 'msteams', channelConversation: 'a:1', oldestFirst: true }, 'conversation_place'],
  [{ channel: 'msteams', channelConversation: 'a:1', after: { startedAt: T0, id: 'x' } }, 'conversation_place'],
] as const;

export function describeStore(name: string, makeStore: () => Promise<StoreUnderTest>): void {
  describe(`${name} keeps the store's contract`, () => {
    let place: StoreUnderTest;
    let store: Store;

    beforeEach(async () => {
      place = await makeStore();
      store = place.store;
    });
    afterEach(() => place.dispose());

    const started = async (...more: Happening[]): Promise<Chat> => {
      const chat = new Chat();
      done(await chat.append(store, ...chat.start(), ...more));
      return chat;
    };
    const loadOf = async (agent: string) => (await store.agents()).find(({ id }) => id === agent)?.load;

    describe('life', () => {
      it('is opened again after a close, and closed once however often that is asked', async () => {
        const chat = await started();
        for (const text of ['one', 'two']) {
          await Promise.all([store.close(), store.close()]);
          await Promise.all([store.open(), store.open()]);
          done(await chat.append(store, says(text)));
        }
        assert.deepEqual(seqs(await store.entries(chat.id, 0, 10)), [1, 2, 3, 4]);
      });

      it('opens when the close before has ended, and closes when the opening before has', async () => {
        const chat = await started();
        const steps = [store.close(), store.open(), store.close(), store.open()];
        await Promise.all(steps);
        done(await chat.append(store, says('hello')));
        const last = [store.close(), store.open(), store.close()];
        await Promise.all(last);
        await assert.rejects(store.conversation(chat.id), StoreUnavailable);
      });
    });

    describe('append', () => {
      it('returns the entries it wrote and reads them back as they were given', async () => {
        const chat = new Chat();
        const written = done(
          await chat.append(store, ...chat.start(), says('grüß dich ' + '\u{1f600}', { key: 'k1' })),
        );
        assert.deepEqual(
          written.map(({ seq }) => seq),
          [1, 2, 3],
        );
        assert.deepEqual(await store.entries(chat.id, 0, 10), plain(written));
        assert.deepEqual(await store.conversation(chat.id), plain(chat.conversation));
      });

      it('pages through a log from a position', async () => {
        const chat = await started(...numbered(1, 10));
        assert.deepEqual(seqs(await store.entries(chat.id, 0, 5)), [1, 2, 3, 4, 5]);
        assert.deepEqual(seqs(await store.entries(chat.id, 10, 5)), [11, 12]);
        assert.deepEqual(await store.entries(chat.id, 12, 5), []);
        assert.deepEqual(await store.entries('nobody', 0, 5), []);
      });

      it('knows nothing of a conversation that never was', async () => {
        assert.equal(await store.conversation('nobody'), undefined);
        assert.equal(await store.audit('nobody'), undefined);
        const chat = await started();
        assert.equal(await store.conversation(`${chat.id}\0`), undefined);
      });

      it('gives the loser of a race what the winner left', async () => {
        const chat = await started();
        const mine = chat.plan(says('mine'));
        const theirs = chat.plan(says('theirs'));
        const outcomes = await Promise.all([store.append(mine), store.append(theirs)]);
        assert.equal(outcomes[0].outcome, 'done');
        assert.deepEqual(outcomes[1], { outcome: 'conflict', current: plain(mine.state) });
        assert.deepEqual(texts(await store.entries(chat.id, 2, 10)), ['mine']);
      });

      it('refuses events decided on a version that is not there yet', async () => {
        const chat = new Chat();
        const append = chat.plan(...chat.start());
        chat.happened(append);
        assert.deepEqual(await store.append(chat.plan(says('too early'))), { outcome: 'conflict', current: undefined });
      });

      it('does not start a conversation twice', async () => {
        const chat = new Chat();
        const start = chat.plan(...chat.start());
        done(await store.append(start));
        assert.equal((await store.append(start)).outcome, 'conflict');
      });

      it('stores once what arrives twice under one key, and says which entry it is', async () => {
        const chat = await started();
        const [first] = done(await chat.append(store, says('hello', { key: 'client-1' })));
        const again = await store.append(chat.plan(says('hello again', { key: 'client-1' })));
        assert.deepEqual(again, { outcome: 'duplicate', key: 'client-1', entry: plain(first) });
        assert.equal((await store.conversation(chat.id))?.version, 3);
      });

      it('recognises a retry that was decided on an older version as the same thing, not as a conflict', async () => {
        const chat = await started();
        const retry = chat.plan(says('hello', { key: 'client-1' }));
        chat.happened(retry);
        done(await store.append(retry));
        done(await chat.append(store, says('more')));
        assert.equal((await store.append(retry)).outcome, 'duplicate');
      });

      it('recognises two copies under one key that arrive at the same moment', async () => {
        const chat = await started();
        const copy = chat.plan(says('hello', { key: 'client-1' }));
        const outcomes = await Promise.all([store.append(copy), store.append(copy), store.append(copy)]);
        assert.deepEqual(
          outcomes.map(({ outcome }) => outcome),
          ['done', 'duplicate', 'duplicate'],
        );
      });

      it('lets two conversations use the same key', async () => {
        const [a, b] = [await started(), await started()];
        done(await a.append(store, says('hello', { key: 'client-1' })));
        done(await b.append(store, says('hello', { key: 'client-1' })));
      });

      it('takes several appends to one conversation that are under way at once, in order', async () => {
        const chat = await started();
        const sent: Promise<Appended>[] = [];
        for (let n = 1; n <= 50; n++) {
          const append = chat.plan(says(`${n}`));
          chat.happened(append);
          sent.push(store.append(append));
        }
        (await Promise.all(sent)).forEach(done);
        assert.deepEqual(texts(await store.entries(chat.id, 2, 100)), count(50));
        assert.deepEqual((await store.audit(chat.id))?.faults, []);
      });

      it('keeps every log contiguous and in order when many conversations are written at once', async () => {
        const chats = Array.from({ length: 60 }, () => new Chat());
        await Promise.all(
          chats.map(async (chat) => {
            done(await chat.append(store, ...chat.start()));
            for (let n = 1; n <= 20; n++) done(await chat.append(store, says(`${n}`)));
          }),
        );
        for (const chat of chats) {
          const entries = await store.entries(chat.id, 0, 100);
          assert.deepEqual(
            seqs(entries),
            Array.from({ length: 22 }, (_, index) => index + 1),
          );
          assert.deepEqual(texts(entries.slice(2)), count(20));
          assert.deepEqual(plain(fold(entries.map(({ event }) => event))), await store.conversation(chat.id));
        }
      });

      it('lets one append that fails leave those beside it alone', async () => {
        const [good, stale, late] = [await started(), await started(), await started()];
        const old = stale.plan(says('stale'));
        done(await stale.append(store, says('first')));
        const broken: Append = {
          ...late.plan(says('x')),
          outbox: [{ ...effectFor('channel', 3), ordinal: null as never }],
        };
        const [a, b, c, d] = await Promise.allSettled([
          store.append(good.plan(says('a'))),
          store.append(old),
          store.append(broken),
          store.append(late.plan(says('b'))),
        ]);
        assert.equal(a.status === 'fulfilled' && a.value.outcome, 'done');
        assert.equal(b.status === 'fulfilled' && b.value.outcome, 'conflict');
        assert.equal(c.status, 'rejected');
        assert.equal(d.status === 'fulfilled' && d.value.outcome, 'done');
        assert.deepEqual(texts(await store.entries(late.id, 2, 10)), ['b']);
        for (const chat of [good, stale, late]) assert.deepEqual((await store.audit(chat.id))?.faults, []);
      });

      it('refuses an append that contradicts itself', async () => {
        const chat = await started();
        const append = chat.plan(says('x'));
        await assert.rejects(store.append({ ...append, events: [] }), TypeError);
        await assert.rejects(store.append({ ...append, state: chat.conversation }), TypeError);
        await assert.rejects(store.append({ ...append, outbox: [effectFor('channel', 9)] }), TypeError);
        assert.equal((await store.conversation(chat.id))?.version, 2);
      });

      it('finds an entry by the id the channel gave it', async () => {
        const chat = await started();
        const append = { ...chat.plan(says('hello')), channelActivityIds: { 0: 'teams-7' } };
        const [entry] = done(await store.append(append));
        assert.equal(entry?.channelActivityId, 'teams-7');
        assert.deepEqual(await store.findEntry(chat.id, { channelActivityId: 'teams-7' }), plain(entry));
        assert.equal(await store.findEntry(chat.id, { channelActivityId: 'teams-8' }), undefined);
        assert.equal(await store.findEntry('nobody', { channelActivityId: 'teams-7' }), undefined);
      });

      it('finds an entry by its key', async () => {
        const chat = await started(says('hello', { key: 'k' }));
        assert.equal((await store.findEntry(chat.id, { key: 'k' }))?.seq, 3);
        assert.equal(await store.findEntry(chat.id, { key: 'l' }), undefined);
      });
    });

    describe('claims', () => {
      beforeEach(() =>
        store.saveAgents([
          { id: 'ana', capacity: 3 },
          { id: 'ben', capacity: 2 },
        ]),
      );
      const waitingChat = async () => {
        const chat = await started();
        done(await chat.append(store, queues('cards', T0)));
        return chat;
      };

      it('never give an agent more than fits, however many try at once', async () => {
        const chats = await Promise.all(Array.from({ length: 200 }, waitingChat));
        const outcomes = await Promise.all(
          chats.map((chat, index) => chat.append(store, offers(index % 2 === 0 ? 'ana' : 'ben', T0 + 60_000))),
        );
        assert.equal(outcomes.filter(({ outcome }) => outcome === 'done').length, 5);
        assert.equal(outcomes.filter(({ outcome }) => outcome === 'noCapacity').length, 195);
        assert.equal(await loadOf('ana'), 3);
        assert.equal(await loadOf('ben'), 2);
      });

      it('let exactly one of 200 take one conversation', async () => {
        const chat = await waitingChat();
        await store.saveAgents(Array.from({ length: 200 }, (_, n) => ({ id: `agent-${n}`, capacity: 1 })));
        const outcomes = await Promise.all(
          Array.from({ length: 200 }, (_, n) => store.append(chat.plan(offers(`agent-${n}`, T0 + 60_000)))),
        );
        assert.equal(outcomes.filter(({ outcome }) => outcome === 'done').length, 1);
        assert.equal(outcomes.filter(({ outcome }) => outcome === 'conflict').length, 199);
        const loads = (await store.agents()).map(({ load }) => load);
        assert.equal(
          loads.reduce((sum, load) => sum + load, 0),
          1,
        );
      });

      it('that do not fit undo the whole append, also the claims before them', async () => {
        const chat = await waitingChat();
        const append = chat.plan(offers('ana', T0 + 60_000));
        const claims = [
          { agent: 'ana', delta: 2, at: T0 },
          { agent: 'ben', delta: 3, at: T0 },
        ];
        assert.deepEqual(await store.append({ ...append, claims }), { outcome: 'noCapacity', agent: 'ben' });
        assert.equal(await loadOf('ana'), 0);
        assert.equal((await store.conversation(chat.id))?.phase, 'queued');
        assert.equal((await store.entries(chat.id, 3, 10)).length, 0);
        assert.deepEqual((await store.audit(chat.id))?.faults, []);
      });

      it('of somebody unknown do not fit', async () => {
        const chat = await waitingChat();
        assert.deepEqual(await chat.append(store, offers('nobody', T0)), { outcome: 'noCapacity', agent: 'nobody' });
      });

      it('by a supervisor may exceed the capacity', async () => {
        const chat = await waitingChat();
        const append = chat.plan(offers('ben', T0 + 60_000, 5));
        assert.equal((await store.append(append)).outcome, 'noCapacity');
        done(await store.append({ ...append, claims: [{ agent: 'ben', delta: 5, at: T0, force: true }] }));
        assert.equal(await loadOf('ben'), 5);
      });

      it('given back always count, also when the capacity was lowered meanwhile', async () => {
        const chat = await waitingChat();
        done(await chat.append(store, offers('ana', T0 + 60_000, 3)));
        await store.saveAgents([{ id: 'ana', capacity: 1 }]);
        done(await chat.append(store, { type: 'lapsed', agents: ['ana'], why: 'time' }));
        assert.equal(await loadOf('ana'), 0);
      });

      it('hand units from one conversation of a full agent to another in one append', async () => {
        const chat = await waitingChat();
        done(await chat.append(store, offers('ben', T0 + 60_000, 2)));
        const other = await waitingChat();
        const append = other.plan(offers('ben', T0 + 60_000, 2));
        const claims = [
          { agent: 'ben', delta: 2, at: T0 },
          { agent: 'ben', delta: -2, at: T0 },
        ];
        done(await store.append({ ...append, claims }));
        assert.equal(await loadOf('ben'), 2);
      });

      it('tell who was assigned when, and since when nobody waits on them', async () => {
        const chat = await waitingChat();
        const offeredAt = chat.at;
        done(await chat.append(store, offers('ana', T0 + 60_000)));
        const lapsedAt = chat.at;
        done(await chat.append(store, { type: 'lapsed', agents: ['ana'], why: 'time' }));
        const ana = (await store.agents()).find(({ id }) => id === 'ana');
        assert.equal(ana?.lastAssignedAt, offeredAt);
        assert.equal(ana?.idleSince, lapsedAt);
      });
    });

    describe('people', () => {
      it('are created offline and idle, keep presence and load when their capacity changes, and keep their row when they leave', async () => {
        await store.saveAgents([{ id: 'ana', capacity: 3 }]);
        const [fresh] = await store.agents();
        assert.equal(fresh?.presence, 'offline');
        assert.deepEqual([fresh.capacity, fresh.load, fresh.lastAssignedAt], [3, 0, 0]);
        await store.setPresence('ana', 'available', T0, T0 + 5);
        await store.saveAgents([{ id: 'ana', capacity: 5 }]);
        const [changed] = await store.agents();
        assert.deepEqual(changed, {
          ...fresh,
          presence: 'available',
          presenceAt: T0,
          presenceUntil: T0 + 5,
          capacity: 5,
        });
        await store.saveAgents([{ id: 'ben', capacity: 1 }]);
        assert.deepEqual(
          (await store.agents()).map(({ id, capacity }) => [id, capacity]),
          [
            ['ana', 0],
            ['ben', 1],
          ],
        );
        await store.setPresence('ana', 'away', T0 + 9);
        assert.equal((await store.agents())[0]?.presenceUntil, undefined);
      });
    });

    describe('deadlines', () => {
      it('come due in order, earliest first, and only of open conversations', async () => {
        const late = await started(queues('cards', T0, T0 + 3000));
        const early = await started(queues('cards', T0, T0 + 1000));
        const closed = await started(queues('cards', T0, T0 + 500));
        done(await closed.append(store, { ...closes(), from: 'queued' } as Happening));
        assert.equal(await store.nextDueAt(), T0 + 1000);
        assert.deepEqual(await store.due(T0 + 999, 10), []);
        assert.deepEqual(await store.due(T0 + 1000, 10), [early.id]);
        assert.deepEqual(await store.due(T0 + 9000, 10), [early.id, late.id]);
        assert.deepEqual(await store.due(T0 + 9000, 1), [early.id]);
      });

      it('are unknown when nothing is open', async () => {
        assert.equal(await store.nextDueAt(), undefined);
      });

      it('move with what happens', async () => {
        const chat = await started();
        done(await chat.append(store, says('hello', { timers: { botIdle: T0 + 77 } })));
        assert.equal(await store.nextDueAt(), T0 + 77);
      });
    });

    describe('lists', () => {
      it('show whoever waits, queued or offered', async () => {
        await store.saveAgents([{ id: 'ana', capacity: 3 }]);
        const queued = await started(queues('cards', T0));
        const offered = await started(queues('loans', T0));
        done(await offered.append(store, offers('ana', T0 + 60_000)));
        await started();
        const waiting = await store.waiting();
        assert.deepEqual(byId(waiting), byId(plain([queued.conversation, offered.conversation])));
      });

      it('page newest first without gaps or repeats, also between conversations started at the same moment', async () => {
        const chats = Array.from({ length: 23 }, (_, n) => new Chat(undefined, T0 + Math.floor(n / 4)));
        for (const chat of chats) done(await chat.append(store, ...chat.start()));
        const seen: { id: string; startedAt: number }[] = [];
        let cursor: string | undefined;
        do {
          const page = await store.list({}, 5, cursor);
          assert.ok(page.items.length <= 5);
          seen.push(...page.items);
          cursor = page.next;
          // What starts in the middle of paging does not move the rest.
          if (seen.length === 5) {
            const late = new Chat(undefined, T0 + 1000);
            done(await late.append(store, ...late.start()));
          }
        } while (cursor !== undefined);
        const expected = chats
          .map(({ conversation }) => conversation)
          .sort((a, b) => b.startedAt - a.startedAt || (a.id < b.id ? 1 : -1))
          .map(({ id }) => id);
        assert.deepEqual(
          seen.map(({ id }) => id),
          expected,
        );
      });

      it('end without a cursor when the last page is exactly full', async () => {
        for (let n = 0; n < 4; n++) await started();
        const first = await store.list({}, 2);
        const second = await store.list({}, 2, first.next);
        assert.equal(second.items.length, 2);
        assert.equal(second.next, undefined);
      });

      it('refuse a cursor that is none', async () => {
        await assert.rejects(store.list({}, 2, 'nonsense'), { code: 'badCursor', status: 400 });
      });

      it('filter by phase, queue, customer and person', async () => {
        await store.saveAgents([
          { id: 'ana', capacity: 3 },
          { id: 'an', capacity: 3 },
        ]);
        const bot = new Chat();
        done(await bot.append(store, ...bot.start({ customer: 'zoe' })));
        const queued = await started(queues('cards', T0));
        const offered = await started(queues('loans', T0));
        done(await offered.append(store, offers('ana', T0 + 60_000)));
        const held = await started(queues('cards', T0));
        done(await held.append(store, offers('ana', T0 + 60_000)));
        done(await held.append(store, { type: 'accepted', agent: 'ana', how: 'offer', cost: 1, waitingSince: T0 }));
        const ids = async (filter: Parameters<Store['list']>[0]) =>
          (await store.list(filter, 10)).items.map(({ id }) => id).sort();
        assert.deepEqual(await ids({ phases: ['queued'] }), [queued.id]);
        assert.deepEqual(await ids({ phases: ['bot', 'agent'] }), [bot.id, held.id].sort());
        assert.deepEqual(await ids({ queues: ['cards'] }), [queued.id, held.id].sort());
        assert.deepEqual(await ids({ queues: ['cards', 'loans'], phases: ['offered'] }), [offered.id]);
        assert.deepEqual(await ids({ customer: 'zoe' }), [bot.id]);
        assert.deepEqual(await ids({ agent: 'ana' }), [offered.id, held.id].sort());
        assert.deepEqual(await ids({ agent: 'an' }), []);
        assert.deepEqual(await ids({ phases: [] }), []);
        assert.deepEqual(await ids({ agent: "ana' OR '1'='1" }), []);
      });

      it('filter by channel and by the place in it, also oldest first, page by page', async () => {
        const key = (place: string, user: string) => JSON.stringify(['demo', 'msteams', place, user]);
        const widget = await started();
        const chats: Chat[] = [];
        for (let n = 0; n < 7; n++) {
          // Two at a time start at the same moment.
          const chat = new Chat(`teams-${n}`, T0 + (n >> 1));
          const channelKey = key(`a\0;${n % 2}`, `user-${n}`);
          done(await chat.append(store, ...chat.start({ channelKey }), queues('cards', T0)));
          chats.push(chat);
        }
        const all = async (filter: Parameters<Store['list']>[0]) => {
          const ids: string[] = [];
          let cursor: string | undefined;
          do {
            const page = await store.list(filter, 2, cursor);
            ids.push(...page.items.map(({ id }) => id));
            cursor = page.next;
          } while (cursor !== undefined);
          return ids;
        };
        const even = chats.filter((_, n) => n % 2 === 0).map(({ id }) => id);
        const channel = 'msteams';
        const oldestFirst = true;
        assert.deepEqual(
          await all({ channel, oldestFirst }),
          chats.map(({ id }) => id),
        );
        assert.deepEqual(await all({ channel, channelConversation: 'a\0;0', oldestFirst }), even);
        assert.deepEqual(await all({ channel, channelConversation: 'a\0;0' }), even.toReversed());
        assert.deepEqual(await all({ channel: 'directline', channelConversation: widget.id }), [widget.id]);
        assert.deepEqual(await all({ channel, channelConversation: widget.id }), []);
        assert.deepEqual(await all({ channel: 'other', oldestFirst }), []);
      });

      it('give every conversation id once, in order', async () => {
        for (let n = 0; n < 7; n++) await started();
        const all: string[] = [];
        for (let page = await store.conversationIds(3); page.length > 0;) {
          all.push(...page);
          page = await store.conversationIds(3, page.at(-1));
        }
        assert.equal(all.length, 7);
        assert.deepEqual(all, [...new Set(all)].sort());
      });

      it('count conversations by phase, queues with their longest wait, and what the outbox owes', async () => {
        await started(queues('cards', T0 + 5));
        await started(queues('cards', T0 + 2));
        const chat = await started();
        done(await store.append({ ...chat.plan(says('x')), outbox: [effectFor('channel', 3)] }));
        const gone = await started();
        done(await gone.append(store, closes()));
        assert.deepEqual(await store.counts(), {
          byPhase: { bot: 1, closed: 1, queued: 2 },
          queues: [{ queue: 'cards', length: 2, oldestWaitingSince: T0 + 2 }],
          outboxDepth: 1,
        });
      });
    });

    describe('a foreign channel', () => {
      it('leads to the one open conversation of its key', async () => {
        const chat = new Chat();
        done(await chat.append(store, ...chat.start({ channelKey: 'teams/1' })));
        assert.equal(await store.findOpen('teams/1'), chat.id);
        assert.equal(await store.findOpen('teams/2'), undefined);
        done(await chat.append(store, closes()));
        assert.equal(await store.findOpen('teams/1'), undefined);
        const next = new Chat();
        done(await next.append(store, ...next.start({ channelKey: 'teams/1' })));
        assert.equal(await store.findOpen('teams/1'), next.id);
      });

      it('opens one conversation when two first messages arrive at once', async () => {
        const chats = [new Chat(), new Chat()];
        const [a, b] = await Promise.all(
          chats.map((chat) => chat.append(store, ...chat.start({ channelKey: 'teams/1' }))),
        );
        assert.equal(a?.outcome, 'done');
        assert.deepEqual(b, { outcome: 'channelTaken', conversationId: chats[0]?.id });
      });
    });

    describe('the outbox', () => {
      const rowsOf = (rows: readonly OutboxRow[]) => rows.map(({ id }) => id);

      it('keeps what is owed in order of conversation, entry and ordinal, and pages through it', async () => {
        const [a, b] = [new Chat('a/with/slashes'), new Chat('b')];
        for (const chat of [b, a]) {
          done(await chat.append(store, ...chat.start()));
          for (let n = 0; n < 10; n++) {
            const append = chat.plan(says(`${n}`));
            const seq = append.expectedVersion + 1;
            const outbox = [effectFor('channel', seq, 1), effectFor('bot:demo', seq, 0)];
            done(await store.append({ ...append, outbox }));
            chat.happened(append);
          }
        }
        const all = await store.outbox(100);
        const expected = ['a/with/slashes', 'b'].flatMap((id) =>
          Array.from({ length: 10 }, (_, n) => [`${id}/${n + 3}/0`, `${id}/${n + 3}/1`]).flat(),
        );
        assert.deepEqual(rowsOf(all), expected);
        assert.deepEqual(all[1], {
          id: 'a/with/slashes/3/1',
          conversationId: 'a/with/slashes',
          seq: 3,
          ordinal: 1,
          party: 'channel',
          epoch: 1,
          effect: { to: 'channel', send: 'activity' },
          attempts: 0,
          dueAt: T0 + 1000,
        });
        const paged: string[] = [];
        for (let page = await store.outbox(7); page.length > 0; page = await store.outbox(7, page.at(-1)?.id)) {
          paged.push(...rowsOf(page));
        }
        assert.deepEqual(paged, expected);
      });

      it('forgets what is done, superseded or given up, and remembers when to try again', async () => {
        const chat = await started();
        const append = chat.plan(says('x'));
        const outbox = [0, 1, 2, 3].map((ordinal) => effectFor('channel', 3, ordinal));
        done(await store.append({ ...append, outbox }));
        const id = (ordinal: number) => `${chat.id}/3/${ordinal}`;
        await store.settle([
          { id: id(0), outcome: 'done', channelActivityId: 'teams-1' },
          { id: id(1), outcome: 'superseded' },
          { id: id(2), outcome: 'gaveUp' },
          { id: id(3), outcome: 'retry', attempts: 2, dueAt: T0 + 99 },
          { id: 'unknown/1/0', outcome: 'done' },
        ]);
        const rows = await store.outbox(10);
        assert.deepEqual(
          rows.map(({ id, attempts, dueAt }) => [id, attempts, dueAt]),
          [[id(3), 2, T0 + 99]],
        );
        assert.equal((await store.findEntry(chat.id, { channelActivityId: 'teams-1' }))?.seq, 3);
        await store.settle([]);
      });

      it('is settled in the same commit as an append, or not at all', async () => {
        const chat = await started();
        const first = chat.plan(says('x'));
        done(await store.append({ ...first, outbox: [effectFor('channel', 3)] }));
        const settle = [{ id: `${chat.id}/3/0`, outcome: 'superseded' as const }];
        assert.equal((await store.append({ ...first, settle, outbox: [] })).outcome, 'conflict');
        assert.equal((await store.outbox(10)).length, 1);
        chat.happened(first);
        done(await store.append({ ...chat.plan(says('y')), settle }));
        assert.equal((await store.outbox(10)).length, 0);
      });

      it('refuses to settle what cannot be a row', async () => {
        await assert.rejects(store.settle([{ id: 'nonsense', outcome: 'done' }]), TypeError);
      });
    });

    describe('configuration', () => {
      it('is one document with a version, changed only by who read the current one', async () => {
        assert.equal(await store.configuration(), undefined);
        const first = await store.saveConfiguration({ bots: ['demo'] }, 'ada', T0, 0);
        assert.deepEqual(first, { version: 1, document: { bots: ['demo'] }, by: 'ada', at: T0 });
        await assert.rejects(store.saveConfiguration({ bots: [] }, 'eve', T0, 0), Conflict);
        await store.saveConfiguration({ bots: ['demo', 'two'] }, 'ada', T0 + 1, 1);
        assert.deepEqual(await store.configuration(), {
          version: 2,
          document: { bots: ['demo', 'two'] },
          by: 'ada',
          at: T0 + 1,
        });
      });

      it('is there in each version that ever was in force', async () => {
        const versions = [];
        for (const name of ['one', 'two', 'three'])
          versions.push(await store.saveConfiguration({ bots: [name] }, name, T0 + versions.length, versions.length));
        for (const saved of versions) assert.deepEqual(await store.configuration(saved.version), saved);
        assert.deepEqual(await store.configuration(), versions.at(-1));
        for (const never of [0, 4]) assert.equal(await store.configuration(never), undefined);
      });

      it('is saved by one of two who try at once', async () => {
        const outcomes = await Promise.allSettled(
          ['ada', 'eve'].map((by) => store.saveConfiguration({ by }, by, T0, 0)),
        );
        assert.deepEqual(
          outcomes.map(({ status }) => status),
          ['fulfilled', 'rejected'],
        );
        assert.equal((await store.configuration())?.by, 'ada');
      });
    });

    describe('secrets and grants', () => {
      it('makes a secret once, also when many ask for it at the same moment', async () => {
        const made = await Promise.all(Array.from({ length: 20 }, () => store.secret('signing', randomUUID)));
        assert.equal(new Set(made).size, 1);
        const asked = await store.secret('signing', () => assert.fail('a known secret is made again'));
        assert.equal(asked, made[0]);
        assert.notEqual(await store.secret('other', randomUUID), made[0]);
      });

      it('keeps a grant until its end', async () => {
        const grant = { kind: 'session', id: 's1', value: { person: 'ana' }, expiresAt: T0 + 10 };
        await store.putGrant(grant);
        assert.deepEqual(await store.getGrant('session', 's1', T0), grant);
        assert.deepEqual(await store.getGrant('session', 's1', T0 + 9), grant);
        assert.equal(await store.getGrant('session', 's1', T0 + 10), undefined);
        assert.equal(await store.getGrant('ticket', 's1', T0), undefined);
        await store.putGrant({ ...grant, value: { person: 'ben' }, expiresAt: T0 + 20 });
        assert.deepEqual((await store.getGrant('session', 's1', T0 + 15))?.value, { person: 'ben' });
        await store.removeGrant('session', 's1');
        assert.equal(await store.getGrant('session', 's1', T0), undefined);
      });

      it('lists the grants of a kind that have not ended', async () => {
        const grant = (id: string, ends: number, kind = 'account') => ({ kind, id, value: { id }, expiresAt: ends });
        for (const one of [grant('b', T0 + 9), grant('a', T0 + 10), grant('c', T0 + 5), grant('d', T0 + 9, 'other')])
          await store.putGrant(one);
        assert.deepEqual(await store.grants('account', T0 + 5), [grant('a', T0 + 10), grant('b', T0 + 9)]);
        assert.deepEqual(await store.grants('none', T0), []);
      });

      it('gives a ticket to exactly one of those who take it, and to nobody after its end', async () => {
        await store.putGrant({ kind: 'ticket', id: 't', value: { person: 'ana' }, expiresAt: T0 + 10 });
        assert.equal(await store.getGrant('ticket', 't', T0 + 10, true), undefined);
        const taken = await Promise.all(Array.from({ length: 20 }, () => store.getGrant('ticket', 't', T0, true)));
        assert.equal(taken.filter((grant) => grant !== undefined).length, 1);
        assert.equal(await store.getGrant('ticket', 't', T0), undefined);
      });
    });

    describe('attachments', () => {
      it('come back byte for byte', async () => {
        const bytes = Uint8Array.from({ length: 300_000 }, (_, index) => (index * 7) % 256);
        const attachment = {
          id: 'a1',
          conversationId: 'c1',
          name: 'photo ü.png',
          contentType: 'image/png',
          bytes,
          at: T0,
        };
        await store.putAttachment(attachment);
        const read = await store.getAttachment('a1');
        assert.ok(read !== undefined && Buffer.compare(read.bytes, bytes) === 0);
        assert.deepEqual({ ...read, bytes: undefined }, { ...attachment, bytes: undefined });
        assert.equal(bytes.length, 300_000);
        assert.equal(await store.getAttachment('a2'), undefined);
      });

      it('may be empty', async () => {
        const empty = {
          id: 'e',
          conversationId: 'c',
          name: '',
          contentType: 'text/plain',
          bytes: new Uint8Array(),
          at: T0,
        };
        await store.putAttachment(empty);
        assert.equal((await store.getAttachment('e'))?.bytes.length, 0);
      });
    });

    describe('audit', () => {
      const faultsOf = async (chat: Chat) => (await store.audit(chat.id))?.faults ?? [];
      const chatOfTen = () => started(...numbered(1, 8));

      it('returns a sound log whole, with the cached state', async () => {
        const chat = await chatOfTen();
        const audited = await store.audit(chat.id);
        assert.deepEqual(audited?.faults, []);
        assert.deepEqual(audited?.entries, await store.entries(chat.id, 0, 100));
        assert.deepEqual(audited?.cached, plain(chat.conversation));
      });

      it('finds a text that was changed', async () => {
        const chat = await chatOfTen();
        await place.tamper(
          'UPDATE log SET body = replace(body, \'"3"\', \'"4"\') WHERE conversation_id = ? AND seq = 5',
          chat.id,
        );
        assert.deepEqual(await faultsOf(chat), ['the body of entry 5 is not the one that was written']);
      });

      it('finds a text that was deleted without an entry that says so', async () => {
        const chat = await chatOfTen();
        await place.tamper('UPDATE log SET body = NULL, salt = NULL WHERE conversation_id = ? AND seq = 5', chat.id);
        assert.deepEqual(await faultsOf(chat), ['the body of entry 5 is gone and no later entry erased it']);
      });

      it('finds an entry that was cut out', async () => {
        const chat = await chatOfTen();
        await place.tamper('DELETE FROM log WHERE conversation_id = ? AND seq = 5', chat.id);
        const faults = await faultsOf(chat);
        assert.equal(faults[0], 'entry 5 is missing');
        assert.match(faults[1] ?? '', /entry 6 does not continue the hash chain/);
        assert.equal(faults.length, 2);
      });

      it('finds entries that were cut out and the rest renumbered', async () => {
        const chat = await chatOfTen();
        await place.tamper('DELETE FROM log WHERE conversation_id = ? AND seq = 10', chat.id);
        assert.match((await faultsOf(chat)).join(), /ends at entry 9, the conversation is at version 10/);
        await place.tamper('UPDATE conversation SET version = 9 WHERE id = ?', chat.id);
        assert.match((await faultsOf(chat)).join(), /does not end where the conversation says/);
      });

      it('finds an envelope that was edited', async () => {
        const chat = await chatOfTen();
        await place.tamper(
          "UPDATE log SET envelope = replace(envelope, 'customer', 'agent') WHERE conversation_id = ? AND seq = 4",
          chat.id,
        );
        assert.match((await faultsOf(chat)).join(), /entry 4 does not continue the hash chain/);
      });

      it('finds an envelope that is not even readable any more, and returns the rest', async () => {
        const chat = await chatOfTen();
        await place.tamper("UPDATE log SET envelope = '{' WHERE conversation_id = ? AND seq = 4", chat.id);
        assert.match((await faultsOf(chat)).join(), /envelope of entry 4 is not JSON/);
        assert.equal((await store.audit(chat.id))?.entries.length, 9);
      });

      it('finds a search column that differs from what was written', async () => {
        const chat = await started(says('x', { key: 'mine' }));
        await place.tamper(
          "UPDATE log SET client_key = 'other', at = 1 WHERE conversation_id = ? AND seq = 3",
          chat.id,
        );
        assert.deepEqual(await faultsOf(chat), [
          'entry 3: column at differs from the envelope',
          'entry 3: column client_key differs from the envelope',
        ]);
      });

      it('accepts a text that was erased, which is gone from log, outbox and attachments', async () => {
        const chat = await started();
        await store.putAttachment({
          id: 'secret-photo',
          conversationId: chat.id,
          name: 'p',
          contentType: 'image/png',
          bytes: new Uint8Array([1]),
          at: T0,
        });
        await store.putAttachment({
          id: 'other-photo',
          conversationId: chat.id,
          name: 'q',
          contentType: 'image/png',
          bytes: new Uint8Array([1]),
          at: T0,
        });
        const append = chat.plan(
          says('my card number', {
            body: {
              activity: {
                type: 'message',
                text: 'my card number',
                attachments: [{ contentType: 'image/png', contentUrl: 'http://hub/attachments/secret-photo/original' }],
              },
            },
          }),
          says('hello'),
        );
        done(await store.append({ ...append, outbox: [effectFor('channel', 3), effectFor('channel', 4)] }));
        chat.happened(append);
        done(await chat.append(store, { type: 'erased', by: ANN, targets: [3], context: true }));
        assert.deepEqual(await faultsOf(chat), []);
        const [erased, kept] = await store.entries(chat.id, 2, 2);
        assert.equal(erased?.event.body, undefined);
        assert.equal(erased?.event.type, 'said');
        assert.equal(kept?.event.body?.activity?.text, 'hello');
        assert.deepEqual((await store.conversation(chat.id))?.context, {});
        assert.deepEqual(
          (await store.outbox(10)).map(({ seq }) => seq),
          [4],
        );
        assert.equal(await store.getAttachment('secret-photo'), undefined);
        assert.notEqual(await store.getAttachment('other-photo'), undefined);
        done(await chat.append(store, says('goes on')));
        assert.deepEqual(await faultsOf(chat), []);
      });
    });

    describe('a restart', () => {
      it('finds everything as it was acknowledged', async () => {
        await store.saveAgents([{ id: 'ana', capacity: 3 }]);
        const chat = await started(queues('cards', T0));
        const append = chat.plan(offers('ana', T0 + 60_000));
        done(await store.append({ ...append, outbox: [effectFor('bot:demo', append.expectedVersion + 1)] }));
        chat.happened(append);
        const secret = await store.secret('s', randomUUID);
        await store.saveConfiguration({ a: 1 }, 'ada', T0, 0);
        await store.putGrant({ kind: 'k', id: 'i', value: {}, expiresAt: T0 + 1 });
        const read = async () => ({
          conversation: await store.conversation(chat.id),
          entries: await store.entries(chat.id, 0, 100),
          outbox: await store.outbox(10),
          agents: await store.agents(),
          secret: await store.secret('s', randomUUID),
          configuration: await store.configuration(),
          grant: await store.getGrant('k', 'i', T0),
        });
        const before = await read();
        store = await place.reopen();
        assert.deepEqual(await read(), before);
        assert.equal(before.secret, secret);
        done(await chat.append(store, { type: 'lapsed', agents: ['ana'], why: 'time' }));
        assert.deepEqual((await store.audit(chat.id))?.faults, []);
      });

      it('finds what was under way when the store was closed', async () => {
        const chats = Array.from({ length: 30 }, () => new Chat());
        const appends = chats.map((chat) => chat.append(store, ...chat.start()));
        store = await place.reopen();
        (await Promise.all(appends)).forEach(done);
        assert.equal((await store.conversationIds(100)).length, 30);
      });
    });

    it('does what the model does, whatever comes in whatever order and at once', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.array(step, { minLength: 1, maxLength: 12 }), { maxLength: 10 }),
          async (batches) => {
            const run = await makeStore();
            try {
              await new Comparison(run).all(batches);
            } finally {
              await run.dispose();
            }
          },
        ),
        { numRuns: 15 },
      );
    }).timeout(60_000);

    it('counts its flushes and appends, and tells of each flush', async () => {
      const flushes: number[] = [];
      const { flushes: atOpening } = store.figures();
      store.figures().onFlush = (size, ms) => {
        assert.ok(ms >= 0);
        flushes.push(size);
      };
      const chats = Array.from({ length: 10 }, () => new Chat());
      await Promise.all(chats.map((chat) => chat.append(store, ...chat.start())));
      await store.putGrant({ kind: 'k', id: 'i', value: {}, expiresAt: T0 });
      assert.equal(store.figures().appends, 10);
      assert.equal(
        flushes.reduce((sum, size) => sum + size, 0),
        11,
      );
      assert.equal(store.figures().flushes, atOpening + flushes.length);
      assert.equal(store.figures().lastFlushSize, 1);
    });
  });
}

/** The entries of an append that must have worked. */
export function done(appended: Appended): Entry[] {
  if (appended.outcome !== 'done') assert.fail(`expected the append to be done, it was ${JSON.stringify(appended)}`);
  return appended.entries;
}

/** As it looks after a way through JSON: without fields that are undefined. */
export function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

export function effectFor(party: string, seq: number, ordinal = 0): Append['outbox'][number] {
  const to = party === 'channel' ? ('channel' as const) : { bot: party.slice('bot:'.length) };
  return { ordinal, seq, party, epoch: 1, effect: { to, send: 'activity' } };
}

const seqs = (entries: readonly Entry[]) => entries.map(({ seq }) => seq);
const texts = (entries: readonly Entry[]) => entries.map(({ event }) => event.body?.activity?.text);
const count = (to: number) => Array.from({ length: to }, (_, index) => `${index + 1}`);
const numbered = (from: number, to: number) =>
  count(to)
    .slice(from - 1)
    .map((text) => says(text));
const byId = <T extends { id: string }>(items: readonly T[]) => items.toSorted((a, b) => (a.id < b.id ? -1 : 1));
