// Two people reach for one chat: one has it, everybody else learns who and when.

import assert from 'node:assert/strict';
import { checkConfiguration, directoryOf } from '../../src/config.js';
import { CONFIGURATION, errorIn, openOffice, shownIn, type Desk, type Office } from './office.js';

const CROWD = Array.from({ length: 200 }, (_, index) => `agent${index}`);

describe('staff API: claims', () => {
  let office: Office;
  beforeEach(async () => {
    office = await openOffice();
  });
  afterEach(() => office.close());

  async function hire(): Promise<Desk[]> {
    const people = CROWD.map((id) => ({ id, name: `Agent ${id.slice(5)}`, roles: ['agent' as const], capacity: 1 }));
    const queues = CONFIGURATION.queues?.map((queue) =>
      queue.id === 'CreditCardQueue' ? { ...queue, members: CROWD } : queue,
    );
    await office.hub.useDirectory(
      directoryOf(
        checkConfiguration({ ...CONFIGURATION, queues, people: [...(CONFIGURATION.people ?? []), ...people] }),
        2,
      ),
    );
    return Promise.all(CROWD.map((id) => office.as(id)));
  }

  function check(answers: { status: number; body: unknown }[]): string {
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    const winner = answers.find(({ status }) => status === 200)?.body as { agent: { id: string; name: string } };
    for (const answer of answers.filter(({ status }) => status !== 200)) {
      assert.equal(answer.status, 409);
      const { code, owner, at } = errorIn(answer as never);
      assert.equal(code, 'offerGone');
      assert.deepEqual(owner, winner.agent);
      assert.match(String(at), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    }
    return winner.agent.id;
  }

  it('gives a waiting chat to exactly one of 200 people who pick it at once', async () => {
    const desks = await hire();
    const id = await office.customerAsks('CreditCard');
    const winner = check(await Promise.all(desks.map((desk) => desk.asks(id, 'pick'))));
    const log = await office.log(id);
    assert.equal(log.filter(({ event }) => event.type === 'accepted').length, 1);
    const loads = office.hub.people.all().filter(({ load }) => load > 0);
    assert.deepEqual(
      loads.map(({ id: agent, load }) => [agent, load]),
      [[winner, 1]],
    );
  });

  it('gives an offered chat to the one it was offered to, of 200 who accept at once', async () => {
    const desks = await hire();
    await desks[7]?.present();
    const id = await office.customerAsks('CreditCard');
    assert.equal(check(await Promise.all(desks.map((desk) => desk.asks(id, 'accept')))), 'agent7');
  });

  it('tells a late accept that the request lapsed', async () => {
    const ana = await office.as('ana');
    await ana.present();
    const id = await office.customerAsks('CreditCard');
    office.clock.advance(121_000);
    await office.hub.tick();
    await office.hub.settled();
    const late = await ana.asks(id, 'accept');
    assert.deepEqual([late.status, errorIn(late).code], [409, 'offerGone']);
    assert.equal(shownIn(await ana.get('/me'))['presence'], 'inactive', 'who lets a request lapse gets no more');
  });

  it('refuses a pick beyond one’s capacity, and lets a supervisor assign beyond it with a receipt that says so', async () => {
    const [ana, sam] = await Promise.all([office.as('ana'), office.as('sam')]);
    const ids = [];
    for (const customer of ['kim', 'lee', 'max']) ids.push(await office.customerAsks('CreditCard', customer));
    const [first, second, third] = ids as [string, string, string];
    shownIn(await ana.asks(first, 'pick'));
    shownIn(await ana.asks(second, 'pick'));
    const refused = await ana.asks(third, 'pick');
    assert.deepEqual([refused.status, errorIn(refused).code], [409, 'noCapacity']);
    shownIn(await sam.asks(third, 'assign', { agent: 'ana' }));
    assert.deepEqual([shownIn(await ana.get('/me'))['load'], shownIn(await ana.get('/me'))['capacity']], [3, 2]);
    const { items } = (await sam.get(`/conversations/${third}/receipts`)).body as { items: Record<string, unknown>[] };
    const receipt = items.at(-1);
    assert.deepEqual([receipt?.['kind'], receipt?.['chosen']], ['assign', 'ana']);
    assert.match(String(receipt?.['tieBreak']), /assigned by sam, whatever the capacity/);
  });

  it('offers a declined chat to the next person, and a repeated decline is a success', async () => {
    const [ana, ben] = await Promise.all([office.as('ana'), office.as('ben')]);
    await ana.present();
    const id = await office.customerAsks('CreditCard');
    await ben.present();
    shownIn(await ana.asks(id, 'reject', { reason: 'lunch' }));
    await office.hub.settled();
    assert.equal(shownIn(await ben.get(`/conversations/${id}`)).agent?.id, 'ben');
    const again = shownIn(await ana.asks(id, 'reject', { reason: 'lunch' }));
    assert.deepEqual([again.phase, again.agent?.id], ['offered', 'ben']);
    shownIn(await ben.asks(id, 'accept'));
    assert.equal(shownIn(await ana.asks(id, 'reject')).agent?.id, 'ben');
    const declined = (await office.log(id)).filter(({ event }) => event.type === 'declined');
    assert.equal(declined.length, 1);
  });
});
