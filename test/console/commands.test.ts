// The staff API from request to wrap-up: every command as people use it, and the same again when an answer was lost.

import assert from 'node:assert/strict';
import { openOffice, shownIn, type Desk, type Office, type Shown } from './office.js';

describe('staff API: a conversation in the hands of people', () => {
  let office: Office;
  let ana: Desk;
  let ben: Desk;
  let sam: Desk;
  beforeEach(async () => {
    office = await openOffice();
    [ana, ben, sam] = await Promise.all([office.as('ana'), office.as('ben'), office.as('sam')]);
  });
  afterEach(() => office.close());

  /** The command succeeds and so does its repetition, which writes nothing. @returns the conversation after the first. */
  async function twice(desk: Desk, id: string, verb: string, body?: unknown): Promise<Shown> {
    const first = shownIn(await desk.asks(id, verb, body));
    await office.hub.settled();
    const entries = (await office.log(id)).length;
    assert.equal(shownIn(await desk.asks(id, verb, body)).id, id);
    await office.hub.settled();
    assert.equal((await office.log(id)).length, entries, 'the repetition wrote nothing');
    return first;
  }

  it('offers, connects, speaks, takes notes, and gives back to the bot', async () => {
    await ana.present();
    const id = await office.customerAsks('CreditCard');
    const offered = shownIn(await ana.get(`/conversations/${id}`));
    assert.equal(offered.phase, 'offered');
    assert.deepEqual(offered.agent, { id: 'ana', name: 'Ana' });
    assert.equal(offered['summary'], 'card lost');
    assert.equal((await twice(ana, id, 'accept')).phase, 'agent');
    const said = shownIn(await ana.says(id, 'How can I help?', { channelData: { clientActivityID: 'm1' } }));
    shownIn(await ana.says(id, 'angry today', { audience: 'staff' }));
    const again = shownIn(await ana.says(id, 'How can I help?', { channelData: { clientActivityID: 'm1' } }));
    assert.deepEqual(again['message'], said['message']);
    const seen = await office.customerSees(id);
    assert.equal(seen.filter((text) => text === 'How can I help?').length, 1);
    assert.ok(!seen.includes('angry today'));
    const back = await twice(ana, id, 'return', { outcome: 'solved' });
    assert.deepEqual([back.phase, back['bot']], ['bot', 'demo']);
  });

  it('moves a conversation to another queue, to a person, and ends it', async () => {
    await ana.present();
    const id = await office.customerAsks('CreditCard');
    await twice(ana, id, 'accept');
    const queued = await twice(ana, id, 'transfer', { to: { queue: 'HomeLoanQueue' } });
    assert.deepEqual([queued.phase, queued.queue], ['queued', 'HomeLoanQueue']);
    assert.equal((await twice(ben, id, 'pick')).agent?.id, 'ben');
    const toAna = await twice(ben, id, 'transfer', { to: { agent: 'ana' } });
    assert.deepEqual([toAna.phase, toAna.agent?.id], ['offered', 'ana']);
    await twice(ana, id, 'accept');
    assert.equal((await twice(ana, id, 'end')).phase, 'wrapUp');
    assert.equal((await twice(ana, id, 'close')).phase, 'closed');
  });

  it('lets a supervisor assign, watch, and close', async () => {
    const id = await office.customerAsks('CreditCard');
    assert.equal((await twice(sam, id, 'assign', { agent: 'ben' })).agent?.id, 'ben');
    assert.deepEqual((await twice(sam, id, 'monitor'))['participants'], [{ id: 'sam', name: 'Sam', as: 'monitoring' }]);
    await twice(sam, id, 'leave');
    assert.equal((await twice(sam, id, 'close')).phase, 'closed');
  });
});
