// People who go from one node to another while the one they left is still writing down that they are gone.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import sinon from 'sinon';
import { checkConfiguration, directoryOf, readConfiguration } from '../../src/config.js';
import { newConversationId } from '../../src/hub/conversationId.js';
import { Hub } from '../../src/hub/hub.js';
import type { Append, Appended } from '../../src/hub/ports.js';
import { FunctionBot, handoff, SILENT } from '../fakes/hub.js';
import { simulated, type NodesRecord } from '../fakes/nodesRecord.js';
import { until } from '../fakes/shop.js';

const TIMES = { beatMs: 50, silentMs: 400, lookMs: 50, recountMs: 200 };

describe('a person who goes from one node to another', () => {
  let record: NodesRecord;
  let hubs: Hub[];
  beforeEach(async () => {
    record = await simulated();
    hubs = [];
  });
  afterEach(async () => {
    for (const hub of hubs) await hub.stop();
    await record.close();
  });

  async function node(name: string): Promise<Hub> {
    const configuration = checkConfiguration(readConfiguration(await readFile('handoff.yaml', 'utf8')));
    const directory = directoryOf(configuration, 1);
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

  it('is back, however late the node that was left puts on record that they are gone', async () => {
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
});
