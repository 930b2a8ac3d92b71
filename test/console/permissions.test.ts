// Who may do what: state is for everybody who serves, the log for those concerned, commands for those whose they are.

import assert from 'node:assert/strict';
import { errorIn, openOffice, shownIn, type Desk, type Office } from './office.js';

const PEOPLE = ['ana', 'ben', 'cleo', 'sam', 'ada'] as const;
type Person = (typeof PEOPLE)[number];

describe('staff API: permissions', () => {
  let office: Office;
  let desks: Record<Person, Desk>;
  beforeEach(async () => {
    office = await openOffice();
    const opened = await Promise.all(PEOPLE.map(async (person) => [person, await office.as(person)] as const));
    desks = Object.fromEntries(opened) as Record<Person, Desk>;
  });
  afterEach(() => office.close());

  /** Status of the same call by each of them. */
  async function statuses(call: (desk: Desk) => Promise<{ status: number }>): Promise<Record<Person, number>> {
    const answers = await Promise.all(
      PEOPLE.map(async (person) => [person, (await call(desks[person])).status] as const),
    );
    return Object.fromEntries(answers) as Record<Person, number>;
  }

  const EVERYBODY = { ana: 200, ben: 200, cleo: 200, sam: 200, ada: 200 };

  it('lets everybody who is signed in read state, queues, people, bots and work streams', async () => {
    const id = await office.customerAsks('CreditCard');
    for (const path of [
      '/me',
      '/conversations',
      `/conversations/${id}`,
      '/queues',
      '/agents',
      '/bots',
      '/work-streams',
      '/overdue',
    ])
      assert.deepEqual(await statuses((desk) => desk.get(path)), EVERYBODY, path);
  });

  it('lets only the queue, those who serve or served, and supervisors read what was said', async () => {
    const id = await office.customerAsks('HomeLoan');
    for (const what of ['log', 'transcript', 'transcript?format=text', 'receipts'])
      assert.deepEqual(
        await statuses((desk) => desk.get(`/conversations/${id}/${what}`)),
        { ana: 403, ben: 200, cleo: 403, sam: 200, ada: 403 },
        what,
      );
    assert.deepEqual(await statuses((desk) => desk.asks(id, 'token')), {
      ana: 403,
      ben: 200,
      cleo: 403,
      sam: 200,
      ada: 403,
    });
    const refused = errorIn(await desks.ana.get(`/conversations/${id}/log`));
    assert.equal(refused.code, 'notAllowed');
    assert.match(refused.message, /members of its queue/);
  });

  it('keeps the private summary from those who may not read the log', async () => {
    const id = await office.customerAsks('HomeLoan');
    const summaries = await Promise.all(
      PEOPLE.map(async (person) => {
        const one = shownIn(await desks[person].get(`/conversations/${id}`));
        const { items } = (await desks[person].get('/conversations')).body as { items: { summary?: string }[] };
        assert.equal(items[0]?.summary, one['summary'], 'a list shows no more and no less');
        return one['summary'];
      }),
    );
    assert.deepEqual(summaries, [undefined, 'card lost', undefined, 'card lost', undefined]);
  });

  it('lets who served a conversation read it on, wherever it went', async () => {
    const id = await office.customerAsks('CreditCard');
    shownIn(await desks.ana.asks(id, 'pick'));
    shownIn(await desks.ana.asks(id, 'transfer', { to: { queue: 'HomeLoanQueue' } }));
    shownIn(await desks.ben.asks(id, 'pick'));
    assert.equal((await desks.ana.get(`/conversations/${id}/log`)).status, 200);
    shownIn(await desks.ben.asks(id, 'end'));
    shownIn(await desks.ben.asks(id, 'close'));
    assert.equal((await desks.ana.get(`/conversations/${id}/transcript`)).status, 200);
    assert.equal((await desks.cleo.get(`/conversations/${id}/transcript`)).status, 403);
  });

  it('lets members of the queue it last waited in read a conversation that the bot has again', async () => {
    const id = await office.customerAsks('CreditCard');
    shownIn(await desks.ana.asks(id, 'pick'));
    shownIn(await desks.ana.asks(id, 'return'));
    assert.deepEqual(await statuses((desk) => desk.get(`/conversations/${id}/log`)), {
      ana: 200,
      ben: 200,
      cleo: 403,
      sam: 200,
      ada: 403,
    });
  });

  it('shows nobody but supervisors what a bot and a customer say before people are asked', async () => {
    const id = await office.startConversation();
    assert.deepEqual(await statuses((desk) => desk.get(`/conversations/${id}/log`)), {
      ana: 403,
      ben: 403,
      cleo: 403,
      sam: 200,
      ada: 403,
    });
  });

  it('lets somebody who is asked to take it, or to consult, read it before deciding', async () => {
    const id = await office.customerAsks('CreditCard');
    shownIn(await desks.ana.asks(id, 'pick'));
    shownIn(await desks.ana.asks(id, 'consult', { agent: 'cleo' }));
    assert.equal((await desks.cleo.get(`/conversations/${id}/log`)).status, 200);
    shownIn(await desks.cleo.says(id, 'try the other form', { audience: 'staff' }));
    assert.equal((await desks.cleo.says(id, 'hello customer')).status, 409, 'only the holder speaks to the customer');
  });

  it('gives claims and speech to people with the role agent only', async () => {
    const id = await office.customerAsks('CreditCard');
    for (const verb of ['accept', 'reject', 'pick', 'return', 'typing'])
      for (const person of ['sam', 'ada'] as const) {
        const answer = await desks[person].asks(id, verb);
        assert.deepEqual(
          [answer.status, errorIn(answer).code, errorIn(answer)['role']],
          [403, 'notAllowed', 'agent'],
          verb,
        );
      }
    assert.equal((await desks.sam.says(id, 'hello')).status, 403);
  });

  it('gives assign and monitor to supervisors only', async () => {
    const id = await office.customerAsks('CreditCard');
    for (const [verb, body] of [
      ['assign', { agent: 'ana' }],
      ['monitor', {}],
    ] as const)
      assert.deepEqual(
        await statuses((desk) => desk.asks(id, verb, body)),
        { ana: 403, ben: 403, cleo: 403, sam: 200, ada: 403 },
        verb,
      );
  });

  it('refuses people of other queues, and people who do not hold it', async () => {
    const id = await office.customerAsks('HomeLoan');
    for (const person of ['ana', 'cleo', 'sam', 'ada'] as const)
      assert.equal((await desks[person].asks(id, 'pick')).status, 403, person);
    shownIn(await desks.ben.asks(id, 'pick'));
    for (const verb of ['end', 'return', 'typing']) {
      const answer = await desks.ana.asks(id, verb);
      assert.deepEqual([answer.status, errorIn(answer).code], [409, 'notHolder'], verb);
    }
    assert.equal((await desks.ana.asks(id, 'transfer', { to: { queue: 'CreditCardQueue' } })).status, 409);
    assert.equal((await desks.ana.says(id, 'hello')).status, 409);
    assert.equal((await desks.cleo.says(id, 'note', { audience: 'staff' })).status, 403);
    assert.equal((await desks.ana.asks(id, 'close')).status, 403);
    assert.equal((await desks.ana.asks(id, 'consult', { agent: 'cleo' })).status, 403);
    assert.equal((await desks.ada.asks(id, 'close')).status, 403);
    assert.equal((await desks.ada.asks(id, 'transfer', { to: { queue: 'CreditCardQueue' } })).status, 403);
  });

  it('reads roles and queues from the directory at each call, not from the token', async () => {
    const { hub } = office;
    const id = await office.customerAsks('CreditCard');
    assert.equal((await desks.ana.get(`/conversations/${id}/log`)).status, 200);
    const { directory } = hub;
    const queues = { ...directory.queues };
    queues['CreditCardQueue'] = { ...directory.queues['CreditCardQueue']!, members: ['ben'] };
    const { ben: _left, ...others } = directory.people;
    const people = { ...others, cleo: { ...directory.people['cleo']!, roles: ['supervisor' as const] } };
    await hub.useDirectory({ ...directory, version: 2, queues, people });
    assert.equal((await desks.ana.get(`/conversations/${id}/log`)).status, 403, 'left the queue');
    assert.equal((await desks.cleo.get(`/conversations/${id}/log`)).status, 200, 'became a supervisor');
    const gone = await desks.ben.get('/me');
    assert.deepEqual([gone.status, errorIn(gone).code], [401, 'signedOut']);
  });

  it('names nobody as holder who does not serve customers', async () => {
    const id = await office.customerAsks('CreditCard');
    const assigned = await desks.sam.asks(id, 'assign', { agent: 'ada' });
    assert.deepEqual([assigned.status, errorIn(assigned).code], [400, 'badCommand']);
    shownIn(await desks.ana.asks(id, 'pick'));
    assert.equal((await desks.ana.asks(id, 'transfer', { to: { agent: 'sam' } })).status, 400);
    assert.equal((await desks.ana.asks(id, 'transfer', { to: { agent: 'nobody' } })).status, 404);
    assert.equal((await desks.ana.asks(id, 'transfer', { to: { queue: 'nowhere' } })).status, 404);
    assert.equal((await desks.ana.asks(id, 'transfer', { to: { bot: 'nobody' } })).status, 404);
    assert.equal((await desks.ana.asks(id, 'transfer', { to: {} })).status, 400);
    assert.equal((await desks.ana.asks(id, 'transfer', {})).status, 400);
  });
});
