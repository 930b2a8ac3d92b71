// People and lines: who gets what and when, and what happens when somebody's connection is lost.

import assert from 'node:assert/strict';
import sinon from 'sinon';
import { Rejected } from '../../src/core/rejected.js';
import { FunctionBot, handoff, openHub, type TestHub } from '../fakes/hub.js';
import { until } from '../fakes/shop.js';

const ANA = { role: 'agent', id: 'ana' } as const;
const SAM = { role: 'supervisor', id: 'sam' } as const;

describe('people and lines', () => {
  let test: TestHub;
  beforeEach(async () => {
    test = await openHub({
      bot: new FunctionBot((activity) =>
        activity.text === 'human' ? [handoff({ BotHandoffTopic: 'CreditCard' })] : [],
      ),
    });
  });
  afterEach(() => test.close());

  async function queued(customer: string): Promise<string> {
    const id = await test.startConversation(customer);
    await test.says(id, 'human', customer);
    test.clock.advance(10);
    return id;
  }

  it('offers to whom comes online at once, the longest waiting first, up to capacity', async () => {
    const ids: string[] = [];
    for (const customer of ['a', 'b', 'c', 'd']) {
      ids.push(await queued(customer));
      test.clock.advance(1_000);
    }
    await test.hub.people.setPresence('ana', 'available');
    await test.hub.settled();
    const phases = await Promise.all(ids.map(async (id) => (await test.state(id)).phase));
    assert.deepEqual(phases, ['offered', 'offered', 'offered', 'queued']);
    assert.equal(test.hub.people.row('ana')?.load, 3);
  });

  it('offers the next one in line as soon as capacity is freed', async () => {
    await test.hub.people.setPresence('ana', 'available');
    const ids = [];
    for (const customer of ['a', 'b', 'c', 'd']) ids.push(await queued(customer));
    const [first = '', , , last = ''] = ids;
    await test.hub.handle(first, { type: 'accept', agent: 'ana' });
    await test.hub.handle(first, { type: 'end', by: ANA });
    assert.equal((await test.state(last)).phase, 'queued', 'wrap-up still takes capacity');
    await test.hub.handle(first, { type: 'close', by: ANA });
    await test.hub.settled();
    assert.equal((await test.state(last)).phase, 'offered');
  });

  it('keeps capacity when a person picks more than there is room for', async () => {
    const ids = [];
    for (const customer of ['a', 'b', 'c', 'd']) ids.push(await queued(customer));
    const picked = await Promise.allSettled(ids.map((id) => test.hub.handle(id, { type: 'pick', agent: 'ana' })));
    const refused = picked.filter((one) => one.status === 'rejected');
    assert.equal(refused.length, 1);
    assert.ok(refused[0]?.reason instanceof Rejected && refused[0].reason.code === 'noCapacity');
    assert.equal(test.hub.people.row('ana')?.load, 3);
  });

  it('tells the place in line, and counts those before', async () => {
    const [first, second] = [await queued('a'), await queued('b')];
    assert.equal(test.hub.lines.position(first ?? ''), 1);
    assert.equal(test.hub.lines.position(second ?? ''), 2);
    assert.ok((await test.customerSees(second ?? '')).some((text) => text.includes('number 2')));
  });

  it('shows a changed place on the socket only', async () => {
    const [first, second] = [await queued('a'), await queued('b')];
    const places: unknown[] = [];
    const told = new Promise<void>((resolve) => {
      test.hub.watch(second ?? '', {
        entries: () => {},
        signal: ({ activity }) => {
          places.push(activity.value);
          if ((activity.value as { position: number }).position === 1) resolve();
        },
      });
    });
    const before = (await test.log(second ?? '')).length;
    await test.hub.handle(first ?? '', { type: 'cancel' });
    await told;
    assert.deepEqual(places.at(-1), { position: 1 });
    assert.equal((await test.log(second ?? '')).length, before);
  });

  it('does not offer a request again to who declined it three times, and leaves it in line', async () => {
    const id = await queued('a');
    await test.hub.people.setPresence('ana', 'available');
    for (let declines = 0; declines < 3; declines += 1) {
      await test.hub.settled();
      assert.equal((await test.state(id)).phase, 'offered');
      await test.hub.handle(id, { type: 'reject', agent: 'ana' });
    }
    await test.hub.settled();
    assert.equal((await test.state(id)).phase, 'queued');
    await test.hub.people.setPresence('ben', 'available');
    await test.hub.settled();
    const state = await test.state(id);
    assert.deepEqual(state.phase === 'offered' && state.offers.map(({ agent }) => agent), ['ben']);
  });

  it("lapses a lost person's requests after 30 s, queues the chats again in front after 3 min, and tells the customer", async () => {
    const clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldClearNativeTimers: true });
    try {
      await test.hub.people.setPresence('ana', 'available');
      test.hub.people.connected('ana');
      const held = await queued('a');
      await test.hub.handle(held, { type: 'accept', agent: 'ana' });
      const asked = await queued('b');
      assert.equal((await test.state(asked)).phase, 'offered');
      test.hub.people.disconnected('ana');
      await test.hub.settled();
      assert.equal((await test.state(asked)).phase, 'offered', 'a reload takes less than 30 s');
      clock.tick(30_000);
      await test.hub.settled();
      assert.equal((await test.state(asked)).phase, 'queued');
      assert.equal(test.hub.people.row('ana')?.presence, 'offline');
      assert.equal((await test.state(held)).phase, 'agent');
      test.clock.advance(180_000);
      await test.hub.tick();
      const state = await test.state(held);
      assert.equal(state.phase, 'queued');
      assert.equal(test.hub.lines.position(held), 1);
      assert.ok((await test.customerSees(held)).some((text) => text.includes('connection to Ana was lost')));
    } finally {
      clock.restore();
    }
  });

  it('takes up where a person left who comes back in time', async () => {
    const clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldClearNativeTimers: true });
    try {
      await test.hub.people.setPresence('ana', 'available');
      test.hub.people.connected('ana');
      const held = await queued('a');
      await test.hub.handle(held, { type: 'accept', agent: 'ana' });
      test.hub.people.disconnected('ana');
      await test.hub.settled();
      clock.tick(60_000);
      await test.hub.settled();
      test.hub.people.connected('ana');
      await test.hub.settled();
      assert.equal(test.hub.people.row('ana')?.presence, 'available');
      test.clock.advance(180_000);
      await test.hub.tick();
      assert.equal((await test.state(held)).phase, 'agent');
    } finally {
      clock.restore();
    }
  });

  it('is not taken for gone who is back before the loss of the last socket has been looked into', async () => {
    const { people, store } = test.hub;
    await people.setPresence('ana', 'available');
    people.connected('ana');
    const held = await queued('a');
    await test.hub.handle(held, { type: 'accept', agent: 'ana' });
    let release: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (release = resolve));
    const getGrant = sinon.stub(store, 'getGrant').callsFake(async () => {
      await asked;
      return undefined;
    });
    people.disconnected('ana');
    await until('it is looked into', () => getGrant.called);
    people.connected('ana');
    release();
    await test.hub.settled();
    getGrant.restore();
    const state = await test.state(held);
    assert.ok(state.phase === 'agent' && !state.agentGone);
    assert.equal((await test.log(held)).filter(({ event }) => event.type === 'disconnected').length, 0);
  });

  it('takes back what was accepted while the line broke, too', async () => {
    const clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldClearNativeTimers: true });
    try {
      const { people } = test.hub;
      await people.setPresence('ana', 'available');
      people.connected('ana');
      const id = await queued('a');
      people.disconnected('ana');
      await test.hub.settled();
      // Sent before the line broke, heard after it.
      await test.hub.handle(id, { type: 'accept', agent: 'ana' });
      clock.tick(60_000);
      await test.hub.settled();
      const state = await test.state(id);
      assert.ok(state.phase === 'agent' && state.agentGone);
    } finally {
      clock.restore();
    }
  });

  it('waits after a restart for who was connected before and does not come back, and for nobody else', async () => {
    const clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldClearNativeTimers: true });
    try {
      const held: Record<string, string> = {};
      for (const agent of ['ana', 'ben']) {
        await test.hub.people.setPresence(agent, 'available');
        test.hub.people.connected(agent);
        const id = await queued(agent);
        await test.hub.handle(id, { type: 'assign', by: SAM, agent });
        held[agent] = id;
      }
      await test.hub.settled();
      test = await test.restart();
      test.hub.people.connected('ben');
      clock.tick(5_000);
      await test.hub.settled();
      const isGone = async (agent: string) => {
        const state = await test.state(held[agent] ?? '');
        return state.phase === 'agent' && state.agentGone;
      };
      assert.deepEqual([await isGone('ana'), await isGone('ben')], [true, false]);
      clock.tick(30_000);
      await test.hub.settled();
      assert.deepEqual(
        ['ana', 'ben'].map((agent) => test.hub.people.row(agent)?.presence),
        ['offline', 'available'],
      );
      test = await test.restart();
      test.hub.people.connected('ana');
      await test.hub.settled();
      assert.equal(
        test.hub.people.row('ana')?.presence,
        'available',
        'the presence to come back to outlives a restart, too',
      );
      assert.equal(await isGone('ana'), false);
    } finally {
      clock.restore();
    }
  });

  it('takes who wrote by a way without sockets for there a quarter of an hour, and writes that down once a minute', async () => {
    const { people, store } = test.hub;
    const puts = sinon.spy(store, 'putGrant');
    const written = () => puts.getCalls().filter(({ args: [{ kind }] }) => kind === 'attended').length;
    await people.setPresence('ana', 'available');
    const id = await queued('a');
    await test.hub.handle(id, { type: 'accept', agent: 'ana' });
    const leaves = async () => {
      people.connected('ana');
      people.disconnected('ana');
      await test.hub.settled();
      const { items } = await test.hub.store.list({ phases: ['agent'], agent: 'ana' }, 10);
      const entries = await store.entries(items[0]?.id ?? '', 0, 1_000);
      return entries.filter(({ event }) => event.type === 'disconnected').length > 0;
    };
    for (let second = 0; second < 180; second += 1) {
      await people.attended('ana');
      test.clock.advance(1_000);
    }
    assert.equal(written(), 3);
    test.clock.advance(15 * 60_000 - 1_001);
    assert.equal(await leaves(), false, 'the last word counts for a quarter of an hour, written down or not');
    // At another node she signed out and was forgotten.
    await people.attended('ana');
    await store.removeGrant('attended', 'ana');
    await people.attendedAnew('ana');
    assert.equal(await leaves(), false);
    await people.unattended('ana');
    assert.equal(await leaves(), true);
  });

  it('gives the customers of a person to others who is taken out of the configuration', async () => {
    const { hub } = test;
    await hub.people.setPresence('ana', 'available');
    hub.people.connected('ana');
    const [held, offered] = [await queued('a'), await queued('b')];
    await hub.handle(held, { type: 'accept', agent: 'ana' });
    await hub.people.setPresence('ben', 'available');
    const { people, queues, ...rest } = hub.directory;
    const { ana: _ana, ...others } = people;
    await hub.useDirectory({
      ...rest,
      people: others,
      queues: Object.fromEntries(
        Object.entries(queues).map(([id, queue]) => {
          return [id, { ...queue, members: queue.members.filter((member) => member !== 'ana') }];
        }),
      ),
    });
    await hub.settled();
    for (const id of [held, offered]) {
      const state = await test.state(id);
      assert.ok(state.phase === 'offered', state.phase);
      assert.deepEqual(
        state.offers.map(({ agent }) => agent),
        ['ben'],
      );
    }
  });

  it('presence set without a socket lasts eight hours', async () => {
    await test.hub.people.setPresence('ana', 'available');
    test.clock.advance(8 * 3_600_000 - 1);
    await test.hub.tick();
    assert.equal(test.hub.people.row('ana')?.presence, 'available');
    test.clock.advance(1);
    await test.hub.tick();
    await test.hub.settled();
    assert.equal(test.hub.people.row('ana')?.presence, 'offline');
  });

  it('waits as long as nobody is there, and gives the customer back to the bot when nobody came in time', async () => {
    const id = await queued('a');
    test.clock.advance(20 * 60_000);
    await test.hub.tick();
    assert.equal((await test.state(id)).phase, 'queued');
    await test.hub.people.setPresence('ana', 'busy');
    test.clock.advance(20 * 60_000);
    await test.hub.tick();
    await test.hub.settled();
    assert.equal((await test.state(id)).phase, 'bot');
    const status = test.bot.heard.findLast(({ name }) => name === 'handoff.status');
    assert.deepEqual(status?.value, { state: 'failed', message: 'queueLimit' });
  });
});
