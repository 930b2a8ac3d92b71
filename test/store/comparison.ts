// Sends the same random steps to a store and to the model, and compares what each says and what each holds.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { Append, Appended, Settlement, Store } from '../../src/hub/ports.js';
import { Chat, closes, offers, queues, says, T0, type Happening } from './chat.js';
import { StoreModel } from './model.js';
import type { StoreUnderTest } from './store.contract.js';

const CHATS = 4;
const AGENTS = ['ana', 'ben'] as const;

/** One thing to try; numbers choose among what is possible when its turn comes. */
export type Step =
  | { do: 'append'; chat: number; what: number; key?: number | undefined; owes: number }
  /** An append planned earlier, sent again: a conflict, or a duplicate where it has a key. */
  | { do: 'replay'; which: number }
  | { do: 'claim'; chat: number; agent: number; delta: number; force: boolean }
  | { do: 'settle'; which: number; how: 'done' | 'superseded' | 'retry' }
  | { do: 'restaff'; capacities: number[] }
  | { do: 'reopen' };

const index = fc.nat(1000);

export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      chat: index,
      what: index,
      key: fc.option(fc.nat(3), { nil: undefined }),
      owes: fc.nat(2),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('replay' as const), which: index }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('claim' as const),
      chat: index,
      agent: index,
      delta: fc.integer({ min: -2, max: 3 }),
      force: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      which: index,
      how: fc.constantFrom('done' as const, 'superseded' as const, 'retry' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('restaff' as const), capacities: fc.array(fc.nat(3), { maxLength: 2 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
);

export class Comparison {
  private readonly model = new StoreModel();
  private readonly chats = Array.from({ length: CHATS }, (_, n) => new Chat(`chat-${n}`, T0 + Math.floor(n / 2)));
  private readonly planned: Append[] = [];
  private store: Store;

  constructor(private readonly place: StoreUnderTest) {
    this.store = place.store;
  }

  /** The steps of a batch are under way at once; batches follow one another. */
  async all(batches: readonly (readonly Step[])[]): Promise<void> {
    await this.restaff([2, 1]);
    for (const batch of batches) {
      await Promise.all(batch.filter(({ do: what }) => what !== 'reopen').map((one) => this.one(one)));
      if (batch.some(({ do: what }) => what === 'reopen')) this.store = await this.place.reopen();
      await this.compare();
    }
  }

  private one(one: Step): Promise<void> {
    switch (one.do) {
      case 'append': {
        const chat = pick(this.chats, one.chat);
        const append = chat.plan(...happeningsOf(chat, one.what, one.key));
        const seq = append.expectedVersion + 1;
        const outbox = Array.from({ length: one.owes }, (_, ordinal) => ({
          ordinal,
          seq,
          party: 'channel',
          epoch: append.state.epoch,
          effect: { to: 'channel' as const, send: 'activity' as const },
        }));
        return this.send(chat, { ...append, outbox });
      }
      case 'replay':
        return this.planned.length === 0 ? Promise.resolve() : this.send(undefined, pick(this.planned, one.which));
      case 'claim': {
        const chat = pick(this.chats, one.chat);
        const append = chat.plan(...happeningsOf(chat, 0, undefined));
        const extra = { agent: pick(AGENTS, one.agent), delta: one.delta, force: one.force, at: chat.at };
        return this.send(chat, { ...append, claims: [...append.claims, extra] });
      }
      case 'settle': {
        const ids = [...this.model.outbox.keys()];
        if (ids.length === 0) return Promise.resolve();
        const id = pick(ids, one.which);
        const settlement: Settlement =
          one.how === 'retry'
            ? { id, outcome: 'retry', attempts: one.which, dueAt: T0 + one.which }
            : { id, outcome: one.how };
        this.model.settle([settlement]);
        return this.store.settle([settlement]);
      }
      case 'restaff':
        return this.restaff(one.capacities);
      case 'reopen':
        return Promise.resolve();
    }
  }

  private async send(chat: Chat | undefined, append: Append): Promise<void> {
    this.planned.push(append);
    const expected = this.model.append(append);
    // The next step of the batch is planned on this one although the store has not answered yet.
    if (chat !== undefined && expected.outcome === 'done') chat.happened(append);
    assert.deepEqual(plain(inAnyStore(await this.store.append(append))), plain(expected));
  }

  private restaff(capacities: readonly number[]): Promise<void> {
    const agents = capacities.map((capacity, n) => ({ id: pick(AGENTS, n), capacity }));
    this.model.saveAgents(agents);
    return this.store.saveAgents(agents);
  }

  private async compare(): Promise<void> {
    const { model, store } = this;
    for (const chat of this.chats) {
      const kept = model.conversations.get(chat.id);
      assert.deepEqual(await store.conversation(chat.id), kept && plain(kept.state));
      assert.deepEqual(await store.entries(chat.id, 0, 1000), plain(kept?.entries ?? []));
      if (kept !== undefined) assert.deepEqual((await store.audit(chat.id))?.faults, []);
    }
    const agents = (await store.agents()).map(({ id, capacity, load, lastAssignedAt }) => ({
      id,
      capacity,
      load,
      lastAssignedAt,
    }));
    assert.deepEqual(
      agents,
      [...model.agents].map(([id, row]) => ({ id, ...row })).sort((a, b) => (a.id < b.id ? -1 : 1)),
    );
    const outbox = [...model.outbox.values()].sort((a, b) =>
      a.conversationId < b.conversationId
        ? -1
        : a.conversationId > b.conversationId
          ? 1
          : a.seq - b.seq || a.ordinal - b.ordinal,
    );
    assert.deepEqual(await store.outbox(1000), plain(outbox));
    const all = model.list(() => true);
    assert.deepEqual((await store.list({}, 1000)).items, plain(all));
    const cards = model.list((state) => 'queue' in state && state.queue === 'cards' && state.phase !== 'closed');
    const open = ['bot', 'queued', 'offered', 'agent', 'waiting', 'wrapUp'] as const;
    assert.deepEqual((await store.list({ queues: ['cards'], phases: open }, 1000)).items, plain(cards));
    const waiting = all.filter(({ phase }) => phase === 'queued' || phase === 'offered').map(({ id }) => id);
    assert.deepEqual((await store.waiting()).map(({ id }) => id).sort(), waiting.sort());
    assert.deepEqual(await store.due(T0 + 1e9, 1000), model.due(T0 + 1e9));
    const dueAts = all.flatMap(({ dueAt }) => (dueAt === undefined ? [] : [dueAt]));
    assert.equal(await store.nextDueAt(), dueAts.length === 0 ? undefined : Math.min(...dueAts));
    assert.equal(await store.findOpen('teams/1'), model.findOpen('teams/1'));
    const counts = await store.counts();
    assert.equal(counts.outboxDepth, model.outbox.size);
    assert.equal(
      Object.values(counts.byPhase).reduce((sum, count) => sum + count, 0),
      all.length,
    );
  }
}

/** Something that can happen to the chat as it is now; 0 is a message once it has started. */
function happeningsOf(chat: Chat, what: number, key: number | undefined): Happening[] {
  const keyed = key === undefined ? {} : { key: `key-${key}` };
  const { state } = chat;
  const text = says(`${what}`, { ...keyed, timers: { botIdle: chat.at + what } });
  if (state.phase === 'none') return chat.start(what % 3 === 0 ? { channelKey: 'teams/1' } : {});
  const agent = pick(AGENTS, what);
  switch (state.phase) {
    case 'bot':
      return pick([[text], [text], [text, says('and')], [queues('cards', chat.at)], [closes()]], what);
    case 'queued':
      return pick([[text], [offers(agent, chat.at + 60_000)], [queues('loans', state.waitingSince)]], what);
    case 'offered':
      return pick<Happening[]>(
        [
          [text],
          [{ type: 'lapsed', agents: state.offers.map((offer) => offer.agent), why: 'time' }],
          [
            {
              type: 'accepted',
              agent: state.offers[0]?.agent ?? agent,
              how: 'offer',
              cost: state.cost,
              waitingSince: T0,
            },
          ],
        ],
        what,
      );
    case 'agent':
      return pick<Happening[]>([[text], [{ type: 'ended', reason: 'agentEnded' }]], what);
    case 'wrapUp':
      return pick<Happening[]>([[text], [{ type: 'closed', reason: 'wrapUpOver', from: 'wrapUp' }]], what);
    case 'waiting':
    case 'closed':
      return [{ type: 'noted', kind: 'note', audience: 'staff', body: { note: 'afterwards' }, ...keyed }];
  }
}

function pick<T>(from: readonly T[], index: number): T {
  const chosen = from[index % from.length];
  if (chosen === undefined) throw new RangeError('nothing to pick from');
  return chosen;
}

const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

/** Without what only a store of several nodes says: who delivers, and behind what. */
function inAnyStore(appended: Appended): Appended {
  if (appended.outcome !== 'done') return appended;
  const { outcome, entries } = appended;
  return { outcome, entries };
}
