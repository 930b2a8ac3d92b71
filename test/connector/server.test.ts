// What bots behind an endpoint may do by the Bot Connector's operations.

import assert from 'node:assert/strict';
import { openConnector, type ConnectorSite } from './site.js';

describe('the connector', () => {
  let site: ConnectorSite;
  beforeEach(async () => (site = await openConnector()));
  afterEach(() => site.close());

  it('lets the bot speak: in answer to an activity, and unasked', async () => {
    const { conversationId } = await site.start();
    await site.says(conversationId, 'hello', 'dl_kim');
    const asked = (await site.log(conversationId)).findLast(({ event }) => event.type === 'said');
    assert.ok(asked);
    const id = `${conversationId}|${String(asked.seq).padStart(7, '0')}`;
    for (const path of [encodeURIComponent(id), id]) {
      const answer = await site.bots('POST', `/conversations/${conversationId}/activities/${path}`, {
        type: 'message',
        text: `to ${path}`,
      });
      assert.equal(answer.status, 200);
    }
    const unasked = await site.bots('POST', `/conversations/${conversationId}/activities`, { text: 'by the way' });
    assert.equal(unasked.status, 200);
    assert.deepEqual((await site.customerSees(conversationId)).slice(-3), [
      `to ${encodeURIComponent(id)}`,
      `to ${id}`,
      'by the way',
    ]);
  });

  it('lists the conversations of a bot by reading whole pages, however many are of others', async () => {
    await site.close();
    site = await openConnector({ callers: { authenticate: () => Promise.resolve({ botIds: new Set(['demo']) }) } });
    const open = async (bot: string, id: string) =>
      site.hub.handle(id, { type: 'start', id, workStream: 'web', channel: { id: 'directline' }, frontBot: bot });
    for (let count = 0; count < 60; count += 1) await open('other', `other${count}`);
    site.clock.advance(1_000);
    for (let count = 0; count < 49; count += 1) await open('demo', `demo${count}`);
    const { store } = site;
    const list = store.list.bind(store);
    let reads = 0;
    store.list = (...asked) => ((reads += 1), list(...asked));
    const { body } = await site.bots('GET', '/conversations');
    assert.equal((body as { conversations: unknown[] }).conversations.length, 49);
    assert.ok(reads <= 3, `${reads} reads for 109 conversations`);
  });
});
