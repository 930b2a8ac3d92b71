// Turns of bots at a node that is stopped, or stood still, while another serves.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { checkConfiguration, directoryOf, readConfiguration } from '../../src/config.js';
import { DeliveryFailed } from '../../src/errors.js';
import { newConversationId } from '../../src/hub/conversationId.js';
import { Hub } from '../../src/hub/hub.js';
import type { BotConnection } from '../../src/hub/ports.js';
import { FunctionBot, SILENT } from '../fakes/hub.js';
import { simulated, type NodesRecord } from '../fakes/nodesRecord.js';
import { until } from '../fakes/shop.js';

const TIMES = { beatMs: 50, silentMs: 400, lookMs: 50, recountMs: 200 };

describe('turns of a bot at one of several nodes', () => {
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

  const echo = () => new FunctionBot(({ type, text }) => (type === 'message' ? [`Echo: ${text}`] : []));
  async function node(name: string, bot: BotConnection = echo()): Promise<Hub> {
    const configuration = checkConfiguration(readConfiguration(await readFile('handoff.yaml', 'utf8')));
    const directory = directoryOf(configuration, 1);
    const hub = new Hub({ store: await record.as(name), log: SILENT, directory, nodeTimes: TIMES });
    hub.connectBot('demo', bot);
    hubs.push(hub);
    await hub.start();
    return hub;
  }
  async function startAt(hub: Hub): Promise<string> {
    const id = newConversationId();
    await hub.handle(id, { type: 'start', id, workStream: 'web', channel: { id: 'directline' }, customer: 'kim' });
    return id;
  }
  const say = (hub: Hub, id: string, text: string) =>
    hub.handle(id, {
      type: 'say',
      by: { role: 'customer', id: 'kim' },
      activity: { type: 'message', text, from: { id: 'kim' } },
    });

  it('tells nobody that a bot fails whose turns a stop cut off', async () => {
    let cut: () => void = () => undefined;
    const stopped = new Promise<never>((_, reject) => {
      cut = () => reject(new DeliveryFailed('Bot "demo" was cut off because the hub stops.', true));
    });
    stopped.catch(() => undefined);
    const hanging = new FunctionBot(({ type }) => (type === 'message' ? stopped : []));
    const one = await node('one', hanging);
    const two = await node('two');
    const ids = [await startAt(one), await startAt(one), await startAt(one)];
    for (const id of ids) await say(one, id, 'first');
    await until('the bot is in all turns', () => hanging.heard.filter(({ type }) => type === 'message').length === 3);
    await one.stop(1);
    cut();
    await one.settled();
    assert.equal(one.botStatus.of('demo').breaker, 'closed');
    const answers = async () => {
      const entries = await Promise.all(ids.map((id) => record.store.entries(id, 0, 100)));
      return entries.flat().filter(({ event }) => event.body?.activity?.text === 'Echo: first').length;
    };
    await until('the other node has run the turns again', async () => (await answers()) === 3);
    assert.equal(two.botStatus.of('demo').lastError, undefined);
    for (const id of ids) assert.equal((await record.store.conversation(id))?.phase, 'bot');
  });

  it('keep their name after their end where the node stood still: what the bot said in them may be unread', async () => {
    const one = await node('one');
    const id = await startAt(one);
    const { seqs } = await say(one, id, 'heard');
    await one.settled();
    assert.equal(one.outbox.turnOf(id, 'demo', seqs[0] as number), undefined);
    Object.defineProperty(one.nodes, 'isHeard', { get: () => false });
    const { seqs: later } = await say(one, id, 'stood still');
    await one.settled();
    assert.notEqual(one.outbox.turnOf(id, 'demo', later[0] as number), undefined);
  });
});
