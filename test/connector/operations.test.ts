// Ids of every kind arrive whole, percent-encoded in the path or not.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readOperation } from '../../src/connector/operations.js';
import type { ForeignCall } from '../../src/hub/ports.js';
import { openConnector, type ConnectorSite } from './site.js';

/** What channels put into ids. `?` and `#` end a path: no client can send them unencoded. */
const CHARACTERS = [...'abzABZ019|:;@=,!$&()*+-._~', '/'];
const UNENCODED_TOO = fc
  .array(fc.constantFrom(...CHARACTERS), { minLength: 1, maxLength: 40 })
  .map((characters) => characters.join(''))
  // A slash at either end, or two of them, would not survive in any URL.
  .filter((id) => !/^\/|\/$|\/\//.test(id))
  .filter((id) => !/\/(?:activities|members|pagedmembers|attachments|history)(?:\/|$)/i.test(id) && id !== 'history');
const ENCODED = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });

/** As they are seen in the wild. */
const OF_CHANNELS = [
  '19:a1b2c3@thread.tacv2;messageid=1700000000000',
  'a:1pL6i0oY3C0K8bM-4Q_zz',
  'B7HQ2:T0TBL:C3PO42',
  '4Ojz2dxxAcCGknK34WU1b9-h|0000064',
  'user@example.com',
  '+15551234567',
  '1234567890.123456/f:9',
];

describe('operations of the Connector', () => {
  it('are read with the ids the bot means, in both encodings', () => {
    const property = (encode: (id: string) => string) => (conversationId: string, other: string) => {
      const [c, o] = [encode(conversationId), encode(other)];
      const base = `/v3/conversations/${c}`;
      const read = (method: string, path: string) =>
        readOperation(method, `${base}${path}?continuationToken=1/members`);
      assert.deepEqual(read('POST', '/activities'), { name: 'sendToConversation', conversationId });
      assert.deepEqual(read('PUT', `/activities/${o}`), { name: 'updateActivity', conversationId, activityId: other });
      assert.deepEqual(read('DELETE', `/activities/${o}/`), {
        name: 'deleteActivity',
        conversationId,
        activityId: other,
      });
      assert.deepEqual(read('GET', `/activities/${o}/members`), {
        name: 'getActivityMembers',
        conversationId,
        activityId: other,
      });
      assert.deepEqual(read('GET', `/members/${o}`), {
        name: 'getConversationMember',
        conversationId,
        memberId: other,
      });
    };
    fc.assert(fc.property(UNENCODED_TOO, UNENCODED_TOO, property(String)));
    fc.assert(fc.property(UNENCODED_TOO, UNENCODED_TOO, property(encodeURIComponent)));
    fc.assert(
      fc.property(
        ENCODED,
        ENCODED.filter((id) => id !== 'history'),
        property(encodeURIComponent),
      ),
    );
  });

  it('are told apart from what is none, and from the wrong method', () => {
    assert.equal(readOperation('GET', '/v3/conversations/c'), 'unknown');
    assert.equal(readOperation('GET', '/v3/conversations/c/attachments/1'), 'unknown');
    assert.equal(readOperation('GET', '/v3/conversations/c/activities'), 'wrongMethod');
    assert.equal(readOperation('PUT', '/v3/conversations'), 'wrongMethod');
    assert.deepEqual(readOperation('POST', '/V3/Conversations/c/Activities/History'), {
      name: 'sendConversationHistory',
      conversationId: 'c',
    });
  });

  describe('over HTTP', () => {
    let site: ConnectorSite;
    const calls: ForeignCall[] = [];
    before(async () => {
      site = await openConnector({
        foreign: {
          take(call) {
            calls.push(call);
            return Promise.resolve({ status: 202, body: { id: 'theirs' } });
          },
        },
      });
    });
    after(() => site.close());

    for (const id of OF_CHANNELS)
      it(`reach the channel of conversation ${id} with its own ids`, async () => {
        calls.length = 0;
        for (const path of [
          `/conversations/${encodeURIComponent(id)}/activities/${encodeURIComponent(id)}`,
          `/conversations/${id}/activities/${id}`,
        ]) {
          const answer = await site.bots('PUT', path, { type: 'message', text: 'x' });
          assert.deepEqual([answer.status, answer.body], [202, { id: 'theirs' }]);
        }
        assert.deepEqual(
          calls.map(({ conversationId, activityId, speaks, method, body }) => ({
            conversationId,
            activityId,
            speaks,
            method,
            text: (JSON.parse(body.toString()) as { text: string }).text,
          })),
          Array(2).fill({ conversationId: id, activityId: id, speaks: true, method: 'PUT', text: 'x' }),
        );
      });

    it('never ask a channel about a conversation of the hub', async () => {
      const { conversationId } = await site.start();
      calls.length = 0;
      const answer = await site.bots('POST', `/conversations/${conversationId}/activities`, { text: 'ours' });
      assert.equal(answer.status, 200);
      assert.equal(calls.length, 0);
    });
  });
});
