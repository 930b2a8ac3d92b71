// Asking for one decision gives every rule and condition, of whatever version of the configuration, to whom may read the conversation.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Configuration } from '../../src/config.js';
import { mintPersonToken } from '../../src/console/console.js';
import { createHub, type HandoffHub } from '../../src/createHub.js';
import { MAX_RECEIPT_RULES, type RouteReceipt } from '../../src/core/routing.js';
import { newConversationId } from '../../src/hub/conversationId.js';
import { Tokens } from '../../src/hub/tokens.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { CONFIGURATION, Desk, errorIn } from './office.js';

const RULES = 60;

type Served = Omit<RouteReceipt, 'at'> & { seq: number; at: string; omittedBecause?: string };

/** Rules on topics `{word} 1` to `{word} 60`, on what the customer is not told and on what they are. */
function configurationWith(word: string): Configuration {
  return {
    ...CONFIGURATION,
    workStreams: [
      {
        id: 'web',
        fallbackQueue: 'HomeLoanQueue',
        rules: Array.from({ length: RULES }, (_none, index) => ({
          when: {
            all: [
              { variable: 'Topic', operator: 'equals' as const, value: `${word} ${index + 1}` },
              { variable: 'Risk', operator: 'gt' as const, value: index },
            ],
          },
          queue: 'CreditCardQueue',
        })),
      },
    ],
  };
}

describe('one receipt', () => {
  let folder: string;
  let hub: HandoffHub;
  let url: string;
  const desks: Desk[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'handoff-receipts-'));
    await open('card');
  });
  afterEach(async () => {
    for (const desk of desks.splice(0)) desk.close();
    await hub.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function open(word: string): Promise<void> {
    hub = createHub({ store: new SqliteStore({ directory: folder }), configuration: configurationWith(word) });
    hub.connectBot('demo', { deliver: () => Promise.resolve(undefined) });
    url = await hub.listen({ port: 0, host: '127.0.0.1', agentMessages: false });
  }

  async function as(person: string): Promise<Desk> {
    const tokens = await Tokens.open(hub.store, hub.clock);
    const desk = new Desk(url, await mintPersonToken(tokens, person));
    desks.push(desk);
    return desk;
  }

  async function customerComes(topic: string): Promise<string> {
    const id = newConversationId();
    const variables = { Topic: { value: topic }, Risk: { value: 99, displayable: false } };
    await hub.handle(id, {
      type: 'start',
      id,
      workStream: 'web',
      channel: { id: 'directline' },
      customer: 'kim',
      variables,
    });
    return id;
  }

  async function listed(desk: Desk, id: string): Promise<Served> {
    const { items } = (await desk.get(`/conversations/${id}/receipts`)).body as { items: Served[] };
    assert.ok(items[0] !== undefined);
    return items[0];
  }

  async function inFull(desk: Desk, id: string, seq: number): Promise<Served> {
    const { status, body } = await desk.get(`/conversations/${id}/receipts/${seq}`);
    assert.equal(status, 200);
    return body as Served;
  }

  it('has all rules, where the list of receipts has the first ones', async () => {
    const id = await customerComes(`card ${RULES}`);
    const ana = await as('ana');
    const short = await listed(ana, id);
    assert.equal(short.omitted, RULES - 1 - MAX_RECEIPT_RULES);
    const { omitted: _omitted, rules: first, ...same } = short;
    const full = await inFull(ana, id, short.seq);
    assert.deepEqual({ ...full, rules: [] }, { ...same, rules: [] });
    assert.deepEqual(
      full.rules.map(({ rule, matched }) => [rule, matched]),
      Array.from({ length: RULES }, (_none, index) => [index + 1, index + 1 === RULES]),
    );
    assert.deepEqual(full.rules.slice(0, MAX_RECEIPT_RULES), first.slice(0, MAX_RECEIPT_RULES));
    assert.deepEqual(full.rules[40]?.conditions, [
      { variable: 'Topic', operator: 'equals', expected: 'card 41', actual: `card ${RULES}`, result: false },
      { variable: 'Risk', operator: 'gt', expected: 40, actual: 99, result: true },
    ]);
  });

  it('goes by the rules and the context of then, whatever was changed since, also after a restart', async () => {
    const id = await customerComes('other');
    const ben = await as('ben');
    const { seq } = await listed(ben, id);
    const before = await inFull(ben, id, seq);
    assert.deepEqual(
      [before.by, before.rules.length, before.rules.at(-1)?.conditions[0]?.actual],
      ['fallback', RULES, 'other'],
    );
    assert.equal((await ben.asks(id, 'pick')).status, 200);
    await hub.handle(id, {
      type: 'setContext',
      by: { role: 'agent', id: 'ben' },
      variables: { Topic: { value: 'loan 7' } },
    });
    await hub.applyConfiguration(configurationWith('loan'), 'ada');
    assert.deepEqual(await inFull(ben, id, seq), before);
    await hub.stop();
    await open('loan');
    assert.deepEqual(await inFull(await as('ben'), id, seq), before);
  });

  it('is gone with what was erased', async () => {
    const id = await customerComes('other');
    const sam = await as('sam');
    const { seq } = await listed(sam, id);
    await hub.handle(id, { type: 'erase', targets: [1] });
    const partly = await inFull(sam, id, seq);
    assert.deepEqual([partly.rules.length, partly.omitted], [MAX_RECEIPT_RULES, RULES - MAX_RECEIPT_RULES]);
    assert.equal(partly.omittedBecause, 'What was known then has been erased.');
    await hub.handle(id, { type: 'erase', targets: [seq] });
    assert.equal((await sam.get(`/conversations/${id}/receipts/${seq}`)).status, 404);
  });

  it('is for whom may read the conversation only', async () => {
    const id = await customerComes(`card ${RULES}`);
    const { seq } = await listed(await as('ana'), id);
    for (const outsider of ['cleo', 'ada']) {
      const refused = await (await as(outsider)).get(`/conversations/${id}/receipts/${seq}`);
      assert.deepEqual([refused.status, errorIn(refused).code], [403, 'notAllowed']);
    }
  });

  it('is refused where there is none', async () => {
    const id = await customerComes('other');
    const ana = await as('sam');
    for (const none of ['1', '0', '99', 'x', '1e0', '-1']) {
      const refused = await ana.get(`/conversations/${id}/receipts/${none}`);
      assert.deepEqual(
        [refused.status, errorIn(refused)],
        [404, { code: 'notFound', message: `Entry ${none} of this conversation has no receipt.` }],
      );
    }
  });
});
