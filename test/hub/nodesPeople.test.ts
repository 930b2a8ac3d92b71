// People who lose a node, go from one to another, or do not come back after a start.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import sinon from 'sinon';
import { checkConfiguration, directoryOf, readConfiguration } from '../../src/config.js';
import { newConversationId } from '../../src/hub/conversationId.js';
import { Hub } from '../../src/hub/hub.js';
import type { Append, Appended } from '../../src/hub/ports.js';
import { FunctionBot, handoff, SILENT } from '../fakes/hub.js';
import { postgres, simulated, type NodesRecord } from '../fakes/nodesRecord.js';
import { until } from '../fakes/shop.js';

const TIMES = { beatMs: 50, silentMs: 400, lookMs: 50, recountMs: 200 };

for (const [name, open] of [
  ['one record', simulated],
  ['PostgreSQL', postgres],
] as const)
  describe(`people at several nodes on ${name}`, () => {
    let record: NodesRecord;
    let hubs: Hub[];
    beforeEach(async () => {
      record = await open();
      hubs = [];
    });
    afterEach(async () => {
      for (const hub of hubs) await hub.stop();
      await record.close();
    });

    async function node(name: string): Promise<Hub> {
      const configuration = checkConfiguration(readConfiguration(await readFile('handoff.yaml', 'utf8')));
      const directory = directoryOf(configuration, 1);
      for (const workStream of Object.values(directory.workStreams))
        Object.assign(workStream.timers, { agentGoneOfferMs: 100 });
      // An object of its own, whose calls a test may hold.
      const store = Object.create(await record.as(name)) as Awaited<ReturnType<NodesRecord['as']>>;
      const hub = new Hub({ store, log: SILENT, directory, nodeTimes: TIMES });
      hub.connectBot('demo', new FunctionBot(({ text }) => (text === 'human' ? [handoff()] : [])));
      hubs.push(hub);
      await hub.start();
      return hub;
    }

    /** A chat that Ana, who is connected there, has accepted. */
    async function served(hub: Hub): Promise<string> {
      const id = newConversationId();
      hub.people.connected('ana');
      await hub.people.setPresence('ana', 'available');
      await hub.handle(id, { type: 'start', id, workStream: 'web', channel: { id: 'directline' }, customer: 'kim' });
      await hub.handle(id, {
        type: 'say',
        by: { role: 'customer', id: 'kim' },
        activity: { type: 'message', text: 'human', from: { id: 'kim' } },
      });
      await until('the offer', async () => (await record.store.conversation(id))?.phase === 'offered');
      await hub.handle(id, { type: 'accept', agent: 'ana' });
      await hub.settled();
      return id;
    }

    it('takes them back who come again, however late the node that was left puts on record that they are gone', async () => {
      const [one, two] = [await node('one'), await node('two')];
      const id = await served(one);
      let release: () => void = () => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      const append = one.store.append.bind(one.store);
      const late = sinon.spy(async (asked: Append): Promise<Appended> => {
        await held;
        return append(asked);
      });
      one.store.append = late;
      one.people.disconnected('ana');
      await until('it is being written', () => late.called);
      two.people.connected('ana');
      await two.settled();
      release();
      await until('it is written', async () => {
        const entries = await record.store.entries(id, 0, 1_000);
        return entries.some(({ event }) => event.type === 'disconnected');
      });
      await until('she is back', async () => {
        const state = await record.store.conversation(id);
        return state?.phase === 'agent' && !state.agentGone;
      });
      const types = (await record.store.entries(id, 0, 1_000)).map(({ event }) => event.type);
      assert.deepEqual(
        types.filter((type) => type === 'disconnected' || type === 'reconnected'),
        ['disconnected', 'reconnected'],
      );
    });

    it('gives a person who was missed the presence back who comes again to the node that was lost', async () => {
      const one = await node('one');
      one.people.connected('ana');
      await one.people.setPresence('ana', 'doNotDisturb');
      await one.settled();
      one.people.disconnected('ana');
      await until('she is missed', () => one.people.row('ana')?.presence === 'offline');
      await one.settled();
      one.people.connected('ana');
      await until('she is as before', () => one.people.row('ana')?.presence === 'doNotDisturb');
      await one.settled();
      const connections = (await one.store.shared?.whereabouts.connections()) ?? [];
      assert.deepEqual(
        connections.map(({ agent, lostAt, missed }) => [agent, lostAt, missed]),
        [['ana', undefined, undefined]],
      );
    });

    it('waits for who does not come back after all nodes were stopped', async () => {
      const one = await node('one');
      const id = await served(one);
      await one.stop();
      const clock = sinon.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'], shouldClearNativeTimers: true });
      try {
        const two = await node('two');
        await two.settled();
        const gone = async () => {
          const state = await record.store.conversation(id);
          return state?.phase === 'agent' && state.agentGone;
        };
        assert.equal(await gone(), false, 'she has some seconds to come back by herself');
        clock.tick(5_000);
        await two.settled();
        assert.equal(await gone(), true);
      } finally {
        clock.restore();
      }
    });
  });
