// Several nodes on one record: what is done at one is seen at all, one keeps the house, and a dead one's work is taken over.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { checkConfiguration, directoryOf, readConfiguration } from '../../src/config.js';
import type { Entry } from '../../src/core/conversation.js';
import { DeliveryFailed, StoreUnavailable } from '../../src/errors.js';
import { newConversationId } from '../../src/hub/conversationId.js';
import { Hub } from '../../src/hub/hub.js';
import { activityFor, NO_LONGER_OWED } from '../../src/hub/owed.js';
import type { Append, Appended, BotConnection, Store } from '../../src/hub/ports.js';
import { FunctionBot, handoff, SILENT } from '../fakes/hub.js';
import { postgres, simulated, type NodesRecord } from '../fakes/nodesRecord.js';
import { until } from '../fakes/shop.js';

const TIMES = { beatMs: 50, silentMs: 400, lookMs: 50, recountMs: 200 };

/** Hangs at the message "first" until it is released. */
function slowBot(): { slow: FunctionBot; heard: string[]; release: () => void } {
  const heard: string[] = [];
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const slow = new FunctionBot(async (activity) => {
    if (activity.type !== 'message') return [];
    if (activity.text === 'first') await held;
    heard.push(activity.text ?? '');
    return [];
  });
  return { slow, heard, release: () => release() };
}

for (const [name, open] of [
  ['one record', simulated],
  ['PostgreSQL', postgres],
] as const)
  describe(`several nodes on ${name}`, () => {
    let record: NodesRecord;
    let store: Store;
    let hubs: Hub[];

    const text = (words: string) => ({ type: 'message', text: words, from: { id: 'kim', role: 'user' } });
    const echo = () =>
      new FunctionBot((activity) => {
        if (activity.type !== 'message') return [];
        return activity.text === 'human' ? [handoff({ BotHandoffTopic: 'CreditCard' })] : [`Echo: ${activity.text}`];
      });

    /** A bot that does not trust the hub, as long as it fails. */
    const failing = () => {
      const bot = new FunctionBot((activity) => {
        flags.tries += 1;
        if (flags.fails) throw new DeliveryFailed('Bot "demo" answered 401', false, { kind: 'untrusted' });
        return activity.type === 'message' ? [`Echo: ${activity.text}`] : [];
      });
      const flags = Object.assign(bot, { fails: true, tries: 0 });
      return flags;
    };

    beforeEach(async () => {
      record = await open();
      store = record.store;
      hubs = [];
    });
    afterEach(async () => {
      for (const hub of hubs) await hub.stop();
      await record.close();
    });

    async function node(name: string, bot: BotConnection = echo()): Promise<Hub> {
      const configuration = checkConfiguration(readConfiguration(await readFile('handoff.yaml', 'utf8')));
      const hub = new Hub({
        store: await record.as(name),
        log: SILENT,
        directory: directoryOf(configuration, 1),
        nodeTimes: TIMES,
      });
      hub.connectBot('demo', bot);
      hubs.push(hub);
      await hub.start();
      return hub;
    }

    /** The process is gone: nothing of it runs any more, and it has said goodbye to nobody. */
    async function die(hub: Hub): Promise<void> {
      const shared = hub.store.shared as { leave: () => Promise<void> };
      shared.leave = () => Promise.resolve();
      await hub.stop(0);
    }

    async function startAt(hub: Hub, customer = 'kim'): Promise<string> {
      const id = newConversationId();
      await hub.handle(id, { type: 'start', id, workStream: 'web', channel: { id: 'directline' }, customer });
      return id;
    }
    const say = (hub: Hub, id: string, words: string) =>
      hub.handle(id, { type: 'say', by: { role: 'customer', id: 'kim' }, activity: text(words) });

    /** From now on the node's appends go this way. */
    function interfere(hub: Hub, append: Store['append']): void {
      const own = hub.store;
      (hub as { store: Store }).store = new Proxy(own, {
        get(_, name) {
          const value = Reflect.get(own, name) as unknown;
          if (name === 'append') return append;
          return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(own) : value;
        },
      });
    }

    /** What a follower of the conversation at this node is told. */
    function follow(hub: Hub, id: string): number[] {
      const told: number[] = [];
      hub.watch(id, { entries: (entries: readonly Entry[]) => void told.push(...entries.map(({ seq }) => seq)) });
      return told;
    }
    const lastSeq = async (id: string) => (await store.conversation(id))?.version;

    it('tells who follows a conversation at one node what is said at another, in order and once', async () => {
      const [one, two] = [await node('one'), await node('two')];
      const id = await startAt(one);
      await one.settled();
      const from = (await lastSeq(id)) ?? 0;
      const told = follow(two, id);
      for (let count = 1; count <= 20; count += 1) await say(count % 2 === 0 ? one : two, id, `message ${count}`);
      await Promise.all([one.settled(), two.settled()]);
      await until('everything was told', async () => told.at(-1) === (await lastSeq(id)));
      const last = (await lastSeq(id)) ?? 0;
      assert.deepEqual(
        // A notice of what was there before may come late.
        told.filter((seq) => seq > from),
        Array.from({ length: last - from }, (_, index) => from + 1 + index),
      );
    });

    it('tells them all the same when every notice is lost, only later', async () => {
      const [one, two] = [await node('one'), await node('two')];
      const id = await startAt(one);
      await one.settled();
      record.loses = () => true;
      const told = follow(two, id);
      await say(one, id, 'Hello');
      await until('it was told', async () => told.at(-1) === (await lastSeq(id)));
    });

    it('decides on what the record says and not on what it remembers, also where the answer would be no', async () => {
      const [one, two] = [await node('one'), await node('two')];
      record.loses = () => true;
      await one.people.setPresence('ana', 'available');
      const id = await startAt(one);
      await one.settled();
      assert.equal((await two.conversation(id))?.phase, 'bot');
      await say(one, id, 'human');
      await until('Ana is asked', async () => (await store.conversation(id))?.phase === 'offered');
      const { state } = await two.handle(id, { type: 'accept', agent: 'ana' });
      assert.equal(state.phase, 'agent');
    });

    it('knows what it is asked about, however new that is: what a client has seen, what it has to deliver', async () => {
      const [one, two] = [await node('one', new FunctionBot(() => new Promise(() => undefined))), await node('two')];
      record.loses = () => true;
      const id = await startAt(one);
      await one.people.setPresence('ana', 'available');
      // From now on node two remembers, for a moment, what it has seen here.
      assert.equal((await two.conversation(id))?.phase, 'bot');
      const by = { role: 'agent', id: 'ana' } as const;
      await one.handle(id, { type: 'escalate', bot: 'demo', dialect: 'handoffProtocol', variables: {} });
      await one.handle(id, { type: 'pick', agent: 'ana' });
      await one.handle(id, { type: 'return', by });
      await say(one, id, 'back with you');
      const rows = (await one.store.shared?.owed(id)) ?? [];
      const row = rows.findLast(({ effect }) => effect.send === 'activity');
      assert.ok(row !== undefined);
      const owed = await activityFor.row(two, row, undefined);
      assert.ok(owed !== NO_LONGER_OWED, 'the bot holds the conversation again');
      assert.equal(owed.activity.text, 'back with you');
      await die(one);
    });

    it('lets one node keep the house, and another when that one is gone', async () => {
      const [one, two] = [await node('one'), await node('two')];
      assert.deepEqual([one.nodes?.isKeeper, two.nodes?.isKeeper], [true, false]);
      await one.stop();
      await until('the other one keeps it', () => two.nodes?.isKeeper === true);
    });

    it('offers to a person at one node what was asked for at another, as soon as capacity is given back there', async () => {
      const [one, two] = [await node('one'), await node('two')];
      await two.people.setPresence('ana', 'available');
      const ids: string[] = [];
      for (let count = 0; count < 4; count += 1) {
        const id = await startAt(two);
        await say(two, id, 'human');
        // Its bot asks for people before the next one's does.
        await until('it is in line', async () => (await store.conversation(id))?.phase !== 'bot');
        ids.push(id);
      }
      const phases = async () => Promise.all(ids.map(async (id) => (await store.conversation(id))?.phase));
      await until(
        'three are offered',
        async () => (await phases()).filter((phase) => phase === 'offered').length === 3,
      );
      for (const id of ids.slice(0, 3)) await two.handle(id, { type: 'accept', agent: 'ana' });
      const by = { role: 'agent', id: 'ana' } as const;
      await two.handle(ids[0] as string, { type: 'end', by });
      await two.handle(ids[0] as string, { type: 'close', by });
      await until('the fourth is offered', async () => (await phases())[3] === 'offered');
      assert.equal(one.nodes?.isKeeper, true);
    });

    it('keeps what is owed to one bot in order, whichever node took the message', async () => {
      const { slow, heard, release } = slowBot();
      const [one, two] = [await node('one', slow), await node('two', slow)];
      const id = await startAt(one);
      await one.settled();
      await say(one, id, 'first');
      await say(two, id, 'second');
      await say(two, id, 'third');
      release();
      await until('all are heard', () => heard.length === 3);
      assert.deepEqual(heard, ['first', 'second', 'third']);
    });

    it('keeps that order also where the node that owes has not heard of what another one wrote', async () => {
      const { slow, heard, release } = slowBot();
      const [one, two] = [await node('one', slow), await node('two', slow)];
      const id = await startAt(one);
      await one.settled();
      record.loses = () => true;
      await say(one, id, 'first');
      await say(two, id, 'second');
      release();
      await until('the first is heard', () => heard.length > 0);
      await one.outbox.settled();
      await say(one, id, 'third');
      await until('all are heard', () => heard.length === 3);
      assert.deepEqual(heard, ['first', 'second', 'third']);
    });

    it('counts what it commits itself once, also where it reads the loads again before it has its answer', async () => {
      const [one] = [await node('one'), await node('two')];
      await one.people.setPresence('ana', 'available');
      const ids = [await startAt(one), await startAt(one)];
      for (const id of ids) {
        await say(one, id, 'human');
        await until('it is offered', async () => (await store.conversation(id))?.phase === 'offered');
        await one.handle(id, { type: 'accept', agent: 'ana' });
      }
      const own = one.store;
      interfere(one, async (append) => {
        const appended = await own.append(append);
        await one.people.recount();
        return appended;
      });
      await one.handle(ids[0] as string, { type: 'close', by: { role: 'supervisor', id: 'sam' } });
      assert.equal((await store.agents()).find(({ id }) => id === 'ana')?.load, 1);
      assert.equal(one.people.row('ana')?.load, 1);
    });

    it('commits in the end however often others are quicker', async () => {
      const [one, two] = [await node('one'), await node('two')];
      const id = await startAt(one);
      await one.settled();
      record.loses = () => true;
      let quicker = 10;
      const own = one.store;
      const append = async (what: Append): Promise<Appended> => {
        if (quicker > 0) await say(two, id, `quicker ${(quicker -= 1)}`);
        return own.append(what);
      };
      interfere(one, append);
      await say(one, id, 'at last');
      assert.equal(quicker, 0);
    });

    it('delivers what a dead node still owed', async () => {
      const never = new FunctionBot(() => new Promise(() => undefined));
      const heard = echo();
      const one = await node('one', never);
      const two = await node('two', heard);
      const id = await startAt(one);
      await say(one, id, 'are you there');
      await die(one);
      await until('the bot has answered', async () =>
        (await store.entries(id, 0, 100)).some(({ event }) => event.body?.activity?.text === 'Echo: are you there'),
      );
      assert.equal(two.nodes?.isKeeper, true);
    });

    it('lets nobody take over, and so send again, what is on its way to a bot while a node stops', async () => {
      const order: string[] = [];
      let release: () => void = () => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      let begin: () => void = () => undefined;
      const begun = new Promise<void>((resolve) => (begin = resolve));
      const slow = new FunctionBot(async ({ type }) => {
        if (type !== 'message') return [];
        begin();
        await held;
        order.push('answered');
        return ['Echo'];
      });
      const one = await node('one', slow);
      await say(one, await startAt(one), 'take your time');
      await begun;
      const shared = one.store.shared as { leave: () => Promise<void> };
      const leave = shared.leave.bind(shared);
      shared.leave = () => {
        order.push('left');
        return leave();
      };
      const stop = one.outbox.stop.bind(one.outbox);
      one.outbox.stop = (graceMs) => {
        release();
        return stop(graceMs);
      };
      await one.stop();
      assert.deepEqual(order, ['answered', 'left']);
    });

    it('waits for a person whose node died, and takes back what they held when they do not return', async () => {
      const one = await node('one');
      const two = await node('two');
      two.people.connected('ana');
      await two.people.setPresence('ana', 'available');
      const id = await startAt(one);
      await say(one, id, 'human');
      await until('Ana is asked', async () => (await store.conversation(id))?.phase === 'offered');
      await two.handle(id, { type: 'accept', agent: 'ana' });
      await two.settled();
      await die(two);
      await until('her absence is on record', async () =>
        (await store.entries(id, 0, 100)).some(({ event }) => event.type === 'disconnected'),
      );
      one.people.connected('ana');
      await until('her return is on record', async () =>
        (await store.entries(id, 0, 100)).some(({ event }) => event.type === 'reconnected'),
      );
    });

    it('does not miss a person who lost a socket at one node and has another elsewhere', async () => {
      const [one, two] = [await node('one'), await node('two')];
      one.people.connected('ana');
      two.people.connected('ana');
      await Promise.all([one.settled(), two.settled()]);
      one.people.disconnected('ana');
      await one.settled();
      assert.deepEqual(
        (await one.store.shared?.whereabouts.connections())?.map(({ node, lostAt }) => [node, lostAt]),
        [[two.store.shared?.node, undefined]],
      );
      await until('the first node knows', async () => {
        await one.people.recount();
        return one.people.isConnected('ana');
      });
    });

    it('counts as heard after a silence only when it has found out what others took over', async () => {
      const [one, two] = [await node('one'), await node('two')];
      const shared = one.store.shared as { beat: (...asked: unknown[]) => Promise<unknown> };
      const beat = shared.beat.bind(shared);
      let isSilent = true;
      const heard: (boolean | undefined)[] = [];
      shared.beat = async (...asked) => {
        if (isSilent) throw new StoreUnavailable('The line is down.');
        heard.push(one.nodes?.isHeard);
        return beat(...asked);
      };
      await until('the other one keeps the house', () => two.nodes?.isKeeper === true);
      isSilent = false;
      await until('it has given three signs of life', () => heard.length >= 3);
      assert.deepEqual(heard.slice(0, 3), [false, false, true]);
    });

    /** It gives no sign of life until what is returned is called. */
    function silence(hub: Hub): () => void {
      const shared = hub.store.shared as { beat: (silentMs: number) => Promise<unknown> };
      const beat = shared.beat.bind(shared);
      let wake: () => void = () => undefined;
      const asleep = new Promise<void>((resolve) => (wake = resolve));
      shared.beat = async (silentMs) => {
        await asleep;
        return beat(silentMs);
      };
      return () => wake();
    }

    it('takes nothing a bot does in a turn that others took over meanwhile for a failure or for something new', async () => {
      let release: (error: Error) => void = () => undefined;
      const given = new Promise<never>((_, reject) => (release = reject));
      const hanging = new FunctionBot(({ type }) => (type === 'message' ? given : []));
      const [one, two] = [await node('one', hanging), await node('two')];
      const id = await startAt(one);
      const wake = silence(one);
      const [seq = 0] = (await say(one, id, 'first')).seqs;
      const answers = async () =>
        (await store.entries(id, 0, 100)).filter(({ event }) => event.body?.activity?.text === 'Echo: first').length;
      await until('the other one has run the turn', async () => (await answers()) === 1);
      await until('nothing is owed any more', () => two.outbox.isIdle);
      wake();
      await until('it knows', () => one.nodes?.isKeeper === false);
      release(new DeliveryFailed('Bot "demo" answered 500', false, { kind: 'failed' }));
      await one.settled();
      // Its call to this node, which it had given up and is only read now.
      const turn = one.outbox.turnOf(id, 'demo', seq);
      await one.botSays(id, 'demo', [text('Echo: first')], { answers: seq, ...(turn === undefined ? {} : { turn }) });
      assert.equal(await answers(), 1);
      const types = (await store.entries(id, 0, 100)).map(({ event }) => event.type);
      assert.deepEqual(
        types.filter((type) => type === 'botFailed' || type === 'deliveryFailed'),
        [],
      );
      assert.equal((await store.conversation(id))?.phase, 'bot');
    });

    it('lets go of what others took over while it was silent, and goes on', async () => {
      const [one, two] = [await node('one'), await node('two')];
      one.people.connected('ana');
      const wake = silence(one);
      await until('the other one keeps the house', () => two.nodes?.isKeeper === true);
      wake();
      await until('it knows', () => one.nodes?.isKeeper === false);
      await until('who is connected there is not missed', async () => {
        const connections = (await two.store.shared?.whereabouts.connections()) ?? [];
        return connections.some(({ node, lostAt }) => node === one.store.shared?.node && lostAt === undefined);
      });
      await until('nobody waits for her', async () => {
        const connections = (await two.store.shared?.whereabouts.connections()) ?? [];
        return connections.every(({ lostAt }) => lostAt === undefined);
      });
      const id = await startAt(one);
      await say(one, id, 'still here');
      await until('the bot has answered', async () =>
        (await store.entries(id, 0, 100)).some(({ event }) => event.body?.activity?.text === 'Echo: still here'),
      );
    });

    it('spares the customers of one node a bot that another found failing, and tells it when the bot answers again', async () => {
      const [broken, other] = [failing(), failing()];
      const [one, two] = [await node('one', broken), await node('two', other)];
      const ids = await Promise.all([1, 2, 3].map((n) => startAt(one, `kim${n}`)));
      await Promise.all(ids.map((id) => say(one, id, 'hello')));
      await until('the other node knows', () => two.botStatus.isOpen('demo'));
      const triedBefore = other.tries;
      const waiting = await Promise.all(['a', 'b', 'c', 'd'].map((customer) => startAt(two, customer)));
      for (const id of waiting) await say(two, id, 'hello');
      await until('people take over', async () => {
        const phases = await Promise.all(waiting.map(async (id) => (await store.conversation(id))?.phase));
        return phases.every((phase) => phase === 'queued');
      });
      assert.ok(other.tries - triedBefore < waiting.length, `${other.tries - triedBefore} tries`);
      broken.fails = false;
      other.fails = false;
      await startAt(one, 'late');
      await until('the bot is back at one', () => !one.botStatus.isOpen('demo'));
      await until('the other node tries', () => (two.botStatus.probeAt('demo') ?? 0) <= two.clock.now());
      const id = await startAt(two);
      await say(two, id, 'hello again');
      await until('it is back at the other', () => !two.botStatus.isOpen('demo'));
      assert.equal((await store.conversation(id))?.phase, 'bot');
    });

    it('goes on asking a bot that only another node cannot reach', async () => {
      const [one, two] = [await node('one', failing()), await node('two', echo())];
      for (const n of [1, 2, 3]) await say(one, await startAt(one, `kim${n}`), 'hello');
      await until('it is told', () => one.botStatus.isOpen('demo'));
      const id = await startAt(two);
      await say(two, id, 'are you there');
      await until('the bot has answered', async () =>
        (await store.entries(id, 0, 100)).some(({ event }) => event.body?.activity?.text === 'Echo: are you there'),
      );
      await until('nothing is against it here', () => !two.botStatus.isOpen('demo'));
    });

    it('shows typing at the other node', async () => {
      const [one, two] = [await node('one'), await node('two')];
      const id = await startAt(one);
      const seen: string[] = [];
      two.watch(id, { entries: () => undefined, signal: ({ activity }) => void seen.push(activity.type) });
      await one.signal(id, { role: 'customer', id: 'kim' }, { type: 'typing', from: { id: 'kim' } });
      await until('typing is seen', () => seen.length > 0);
      assert.deepEqual(seen, ['typing']);
    });
  });
