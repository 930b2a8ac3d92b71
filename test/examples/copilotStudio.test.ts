// examples/copilot-studio: the file as it is, but for the address of the bot, in force on a real hub with a bot that hands over.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfiguration, warningsOf } from '../../src/config.js';
import { createHub, type HandoffHub } from '../../src/createHub.js';
import { newConversationId } from '../../src/hub/conversationId.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { eventually, Studio } from '../connector/directLineBot/studio.js';

const FILE = 'examples/copilot-studio/handoff.yaml';

describe(FILE, function () {
  this.timeout(60_000);
  let studio: Studio;
  let hub: HandoffHub;
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'handoff-example-'));
    studio = await Studio.open();
    const text = (await readFile(FILE, 'utf8')).replace(
      /tokenEndpoint: \S+/,
      `tokenEndpoint: '${studio.tokenEndpoint}'`,
    );
    assert.ok(text.includes(studio.tokenEndpoint));
    const configuration = readConfiguration(text, FILE);
    assert.deepEqual(warningsOf(configuration), []);
    hub = createHub({ store: new SqliteStore({ directory }), configuration });
    await hub.start();
  });
  afterEach(async () => {
    await hub.stop();
    await studio.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** A customer whom the assistant hands over with these variables. @returns the queue. */
  async function handedOver(variables: Record<string, unknown>): Promise<string> {
    const id = newConversationId();
    const customer = `customer-${id}`;
    await hub.handle(id, { type: 'start', id, workStream: 'web', channel: { id: 'directline' }, customer });
    const phase = async () => (await hub.conversation(id))?.phase;
    assert.equal(await phase(), 'bot', 'the assistant begins');
    const text = `human ${JSON.stringify(variables)}`;
    const activity = { type: 'message', text, from: { id: customer, role: 'user' } };
    await hub.handle(id, { type: 'say', by: { role: 'customer', id: customer }, activity });
    return eventually(async () => {
      const state = await hub.conversation(id);
      assert.equal(state?.phase, 'queued');
      return state.queue;
    });
  }

  const cases: [what: string, variables: Record<string, unknown>, queue: string][] = [
    ['a refund in English', { va_LastTopic: 'Refund', va_Language: 'en-us', OrderTotal: 20 }, 'Refunds'],
    ['a large refund', { va_LastTopic: 'Return an item', va_Language: 'en-us', OrderTotal: 500 }, 'LargeRefunds'],
    ['a refund of which the total is not known', { va_LastTopic: 'Refund', va_Language: 'en-us' }, 'Refunds'],
    ['Spanish, however it is written', { va_LastTopic: 'Refund', va_Language: 'Es-MX', OrderTotal: 900 }, 'Spanish'],
    ['another topic', { va_LastTopic: 'Opening hours', va_Language: 'de-de' }, 'Everybody'],
    ['no topic in particular', { va_LastTopic: 'Escalate', va_Language: 'en-us' }, 'Everybody'],
  ];
  for (const [what, variables, queue] of cases)
    it(`takes ${what} to ${queue}`, async () => {
      assert.equal(await handedOver(variables), queue);
    });

  it('gives a Spanish-speaking customer to somebody who speaks Spanish, who sees what it is about', async () => {
    await hub.people.setPresence('luis', 'available');
    const id = newConversationId();
    await hub.handle(id, { type: 'start', id, workStream: 'web', channel: { id: 'directline' }, customer: 'juan' });
    const text = `human ${JSON.stringify({ va_LastTopic: 'Refund', va_Language: 'es', OrderTotal: '75' })}`;
    const activity = { type: 'message', text, from: { id: 'juan', role: 'user' } };
    await hub.handle(id, { type: 'say', by: { role: 'customer', id: 'juan' }, activity });
    const state = await eventually(async () => {
      const now = await hub.conversation(id);
      assert.ok(now?.phase === 'offered' || now?.phase === 'queued');
      return now;
    });
    assert.equal(state.queue, 'Spanish');
    const { va_LastTopic: topic, OrderTotal: total, va_Scope: scope } = state.context;
    assert.deepEqual(
      [topic?.displayable, total?.value, total?.displayable, scope?.displayable],
      [true, 75, true, false],
    );
    assert.equal(state.summary, 'The customer is angry');
  });
});
