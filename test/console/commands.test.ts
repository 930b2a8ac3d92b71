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

  it('hands nothing on to names that everything has and nobody is called', async () => {
    await ana.present();
    const id = await office.customerAsks('CreditCard');
    shownIn(await ana.asks(id, 'accept'));
    for (const kind of ['queue', 'agent', 'bot'])
      for (const name of ['constructor', 'toString', '__proto__'])
        assert.equal((await ana.asks(id, 'transfer', { to: { [kind]: name } })).status, 404, `${kind} ${name}`);
    assert.equal((await ana.asks(id, 'return', { bot: 'toString' })).status, 400);
    assert.equal(shownIn(await ana.get(`/conversations/${id}`)).agent?.id, 'ana');
  });

  it('lets a supervisor assign, watch, and close', async () => {
    const id = await office.customerAsks('CreditCard');
    assert.equal((await twice(sam, id, 'assign', { agent: 'ben' })).agent?.id, 'ben');
    assert.deepEqual((await twice(sam, id, 'monitor'))['participants'], [{ id: 'sam', name: 'Sam', as: 'monitoring' }]);
    await twice(sam, id, 'leave');
    assert.equal((await twice(sam, id, 'close')).phase, 'closed');
  });

  it('gives back to the bot, is asked for again by it, and another person ends it', async () => {
    const id = await office.customerAsks('CreditCard');
    shownIn(await ana.asks(id, 'pick'));
    shownIn(await ana.asks(id, 'return'));
    await office.hub.settled();
    await office.says(id, 'and the weather?');
    assert.equal((await office.customerSees(id)).at(-1), 'Echo: and the weather?');
    await ben.present();
    await office.says(id, 'human HomeLoan');
    assert.equal(shownIn(await ben.get(`/conversations/${id}`)).phase, 'offered');
    shownIn(await ben.asks(id, 'accept'));
    shownIn(await ben.says(id, 'hello again'));
    shownIn(await ben.asks(id, 'end'));
    const closed = shownIn(await ben.asks(id, 'close'));
    assert.deepEqual(closed['servedBy'], [
      { id: 'ana', name: 'Ana' },
      { id: 'ben', name: 'Ben' },
    ]);
    assert.deepEqual([closed['closeReason'], closed['omnichannelState']], ['agentEnded', 'Closed']);
    const seen = await office.customerSees(id);
    for (const text of ['Ana joined the conversation.', 'You are back with Demo Bot.', 'Ben joined the conversation.'])
      assert.ok(seen.includes(text), text);
    assert.equal(shownIn(await ben.get('/me'))['load'], 0);
  });

  describe('when the answer to a command was lost', () => {
    let id: string;
    const toLoans = { to: { queue: 'HomeLoanQueue' } };
    beforeEach(async () => {
      id = await office.customerAsks('CreditCard');
      shownIn(await ana.asks(id, 'pick'));
    });

    it('hears of its success also when somebody else has the chat by now', async () => {
      shownIn(await ana.asks(id, 'transfer', toLoans));
      shownIn(await ben.asks(id, 'pick'));
      const again = shownIn(await ana.asks(id, 'transfer', toLoans));
      assert.deepEqual([again.phase, again.agent?.id], ['agent', 'ben']);
      shownIn(await ben.asks(id, 'return'));
      shownIn(await sam.asks(id, 'transfer', { to: { queue: 'CreditCardQueue' } }));
      assert.equal(shownIn(await ben.asks(id, 'return')).phase, 'queued');
    });

    it('is not told of a success it never had', async () => {
      shownIn(await ana.asks(id, 'transfer', toLoans));
      for (const [verb, body] of [
        ['transfer', { to: { queue: 'CreditCardQueue' } }],
        ['transfer', { to: { agent: 'ben' } }],
        ['return', {}],
        ['end', {}],
      ] as const)
        assert.equal((await ana.asks(id, verb, body)).status, 409, verb);
      assert.equal((await ben.asks(id, 'transfer', toLoans)).status, 409, 'it was not Ben who did it');
    });

    it('is not told of an earlier success once the chat came its way again', async () => {
      shownIn(await ana.asks(id, 'transfer', toLoans));
      shownIn(await ben.asks(id, 'pick'));
      shownIn(await ben.asks(id, 'transfer', { to: { agent: 'ana' } }));
      assert.equal((await ana.asks(id, 'transfer', toLoans)).status, 409);
    });
  });
});
