// How long chats took and who holds what, as one node knows it, as others tell it, and as the record keeps it.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkConfiguration, directoryOf } from '../../src/config.js';
import type { Conversation, State } from '../../src/core/conversation.js';
import { Handling, type Held } from '../../src/hub/handling.js';
import type { Store } from '../../src/hub/ports.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { SILENT, TestClock } from '../fakes/hub.js';
import { SharedPlace } from '../fakes/sharedRecord.js';
import { Chat, closes, offers, queues, type Happening } from '../store/chat.js';

const MINUTE = 60_000;
const directory = directoryOf(
  checkConfiguration({
    queues: [
      { id: 'cards', members: [] },
      { id: 'loans', members: [] },
    ],
    workStreams: [{ id: 'web' }],
  }),
  1,
);

/** A conversation as it goes from one moment to the next. */
class Talk {
  readonly #chat = new Chat();

  constructor(queue = 'cards') {
    this.then(0, ...this.#chat.start(), queues(queue, 0));
  }

  get state(): Conversation {
    return this.#chat.conversation;
  }

  /** @returns what was before, and what is after it. */
  then(minutes: number, ...happenings: Happening[]): [before: State, after: Conversation] {
    this.#chat.at += minutes * MINUTE;
    const before = this.#chat.state;
    this.#chat.happened(this.#chat.plan(...happenings));
    // The chat's own clock ticks with each step; here time passes only where a test says so.
    this.#chat.at -= 1000;
    return [before, this.state];
  }

  offered = (agent: string) => this.then(0, offers(agent, 1e12));
  accepted = (agent: string) =>
    this.then(0, { type: 'accepted', agent, how: 'offer', cost: 1, waitingSince: 0 } as Happening);
  ended = (minutes: number) => this.then(minutes, { type: 'ended', reason: 'agentEnded' } as Happening);
  closed = (minutes: number) => this.then(minutes, { ...closes(), from: 'wrapUp' } as Happening);
}

describe('what a hub knows of handling', () => {
  let folder: string;
  let store: SqliteStore;
  let place: SharedPlace;
  const clock = new TestClock();
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'handoff-handling-'));
    store = new SqliteStore({ directory: folder });
    await store.open();
    place = new SharedPlace(store);
  });
  afterEach(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  const on = async (its: Store): Promise<Handling> => {
    const handling = new Handling({ store: its, clock, log: SILENT, directory, known: () => undefined });
    await handling.start();
    return handling;
  };
  const node = (name: string) => on(place.as(name));
  const heldBy = (handling: Handling, agent: string): Held[] => [...handling.held(agent)];
  const kept = async (queue = 'cards') =>
    ((await store.getGrant('handlingTimes', queue, clock.now()))?.value['ms'] ?? []) as number[];
  /** Somebody has a chat of so many minutes, all of it committed here. */
  const serve = (handling: Handling, minutes: number, queue = 'cards') => {
    const talk = new Talk(queue);
    for (const step of [talk.offered('ana'), talk.accepted('ana'), talk.ended(minutes), talk.closed(0)])
      handling.committed(...step);
  };

  describe('who holds what', () => {
    it('is told from the offer to the end of the wrap-up, with the moment it was accepted', async () => {
      const handling = await on(store);
      const talk = new Talk();
      handling.committed(...talk.offered('ana'));
      assert.deepEqual(heldBy(handling, 'ana'), [{ queue: 'cards', cost: 1, acceptedAt: undefined }]);
      const accepted = talk.accepted('ana');
      handling.committed(...accepted);
      const acceptedAt = accepted[1].lastAt;
      assert.deepEqual(heldBy(handling, 'ana'), [{ queue: 'cards', cost: 1, acceptedAt }]);
      handling.committed(...talk.ended(4));
      assert.deepEqual(heldBy(handling, 'ana'), [{ queue: 'cards', cost: 1, acceptedAt }]);
      handling.committed(...talk.closed(1));
      assert.deepEqual(heldBy(handling, 'ana'), []);
      assert.deepEqual(handling.lengths('cards'), [5 * MINUTE]);
    });

    it('is known of what another node committed, and its length is that node’s to keep', async () => {
      const [here, there] = [await node('here'), await node('there')];
      const talk = new Talk();
      talk.offered('ana');
      const [before, after] = talk.accepted('ana');
      there.committed(before, after);
      here.learned(after);
      assert.deepEqual(heldBy(here, 'ana'), heldBy(there, 'ana'));
      talk.ended(3);
      const over = talk.closed(0);
      there.committed(...over);
      here.learned(over[1]);
      assert.deepEqual([heldBy(here, 'ana'), heldBy(there, 'ana')], [[], []]);
      assert.deepEqual([here.lengths('cards'), there.lengths('cards')], [[], [3 * MINUTE]]);
    });

    it('goes over to whom another node gave the conversation, and is heard of more than once without harm', async () => {
      const here = await node('here');
      const talk = new Talk();
      talk.offered('ana');
      here.learned(talk.accepted('ana')[1]);
      talk.then(2, queues('loans', 0));
      talk.offered('ben');
      const [, bens] = talk.accepted('ben');
      for (const state of [bens, bens]) here.learned(state);
      assert.deepEqual(heldBy(here, 'ana'), []);
      assert.deepEqual(heldBy(here, 'ben'), [{ queue: 'loans', cost: 1, acceptedAt: bens.lastAt }]);
    });

    it('is learned by the node at which a chat ends, also when it was accepted at another', async () => {
      const here = await node('here');
      const talk = new Talk();
      talk.offered('ana');
      here.learned(talk.accepted('ana')[1]);
      here.committed(...talk.ended(6));
      here.committed(...talk.closed(1));
      assert.deepEqual(here.lengths('cards'), [7 * MINUTE]);
      await here.settled();
      assert.deepEqual(await kept(), [7 * MINUTE]);
    });

    it('is read from the record at the start', async () => {
      const chat = new Chat();
      const append = async (...happenings: Happening[]) =>
        assert.equal((await chat.append(store, ...happenings)).outcome, 'done');
      await store.saveAgents([{ id: 'ana', capacity: 1 }]);
      await append(...chat.start(), queues('cards', 0));
      await append(offers('ana', 1e15));
      await append({ type: 'accepted', agent: 'ana', how: 'offer', cost: 1, waitingSince: 0 });
      const handling = await on(store);
      assert.deepEqual(heldBy(handling, 'ana'), [{ queue: 'cards', cost: 1, acceptedAt: chat.conversation.lastAt }]);
    });
  });

  describe('how long chats took', () => {
    it('is kept per queue, the last hundred, and known after a restart', async () => {
      const handling = await on(store);
      for (let minutes = 1; minutes <= 120; minutes += 1) serve(handling, minutes);
      serve(handling, 1, 'loans');
      await handling.settled();
      const again = await on(store);
      const expected = Array.from({ length: 100 }, (_, index) => (index + 21) * MINUTE);
      assert.deepEqual(again.lengths('cards'), expected);
      assert.deepEqual(again.lengths('loans'), [1 * MINUTE]);
    });

    it('is kept beside what other nodes have kept meanwhile', async () => {
      const [here, there] = [await node('here'), await node('there')];
      for (const [handling, minutes] of [
        [here, 1],
        [there, 2],
        [here, 3],
      ] as const) {
        serve(handling, minutes);
        await handling.settled();
      }
      assert.deepEqual(await kept(), [1 * MINUTE, 2 * MINUTE, 3 * MINUTE]);
      assert.deepEqual((await node('later')).lengths('cards'), [1 * MINUTE, 2 * MINUTE, 3 * MINUTE]);
    });

    it('is all kept where chats of one node end at the same moment', async () => {
      const here = await node('here');
      const minutes = Array.from({ length: 50 }, (_, index) => index + 1);
      serve(here, minutes[0] ?? 0);
      await here.settled();
      for (const length of minutes.slice(1)) serve(here, length);
      await here.settled();
      assert.deepEqual(
        await kept(),
        minutes.map((length) => length * MINUTE),
      );
    });

    it('loses nothing but one of two that nodes write at the same moment', async () => {
      const [here, there] = [await node('here'), await node('there')];
      serve(here, 1);
      await here.settled();
      // Both have read before either writes.
      let reading = 2;
      let bothHaveRead = () => {};
      const read = new Promise<void>((resolve) => (bothHaveRead = resolve));
      const getGrant = store.getGrant.bind(store);
      store.getGrant = async (...asked) => {
        const grant = await getGrant(...asked);
        if (--reading === 0) bothHaveRead();
        if (reading >= 0) await read;
        return grant;
      };
      serve(here, 2);
      serve(there, 3);
      await Promise.all([here.settled(), there.settled()]);
      const written = await kept();
      assert.equal(written[0], 1 * MINUTE, 'what was there before is there');
      assert.equal(written.length, 2);
      assert.ok([2 * MINUTE, 3 * MINUTE].includes(written[1] ?? 0), `${written.join()}`);
      assert.deepEqual(here.lengths('cards'), [1 * MINUTE, 2 * MINUTE], 'each goes on by what it learned itself');
      assert.deepEqual(there.lengths('cards'), [3 * MINUTE]);
      serve(there, 4);
      await there.settled();
      assert.deepEqual(await kept(), [...written, 4 * MINUTE]);
    });

    it('costs nobody anything when it cannot be kept', async () => {
      const handling = await on(store);
      const putGrant = store.putGrant.bind(store);
      store.putGrant = () => Promise.reject(new Error('full'));
      serve(handling, 1);
      await handling.settled();
      assert.deepEqual(handling.lengths('cards'), [1 * MINUTE]);
      store.putGrant = putGrant;
      serve(handling, 2);
      await handling.settled();
      assert.deepEqual(await kept(), [1 * MINUTE, 2 * MINUTE]);
    });
  });
});
