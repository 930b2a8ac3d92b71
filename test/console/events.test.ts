// The people's live line: who hears of what and who does not, slow and dead sockets, and what a lost line means.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Conversation } from '../../src/core/conversation.js';
import type { WorkStream } from '../../src/core/directory.js';
import { openOffice, shownIn, type Desk, type Listener, type Office } from './office.js';

/** Waits for what no signal tells, at the edge of a real socket. */
async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('the people’s live line', () => {
  let office: Office;
  let desks: Record<string, Desk>;
  afterEach(() => office.close());

  async function open(options: Parameters<typeof openOffice>[0] = {}): Promise<void> {
    office = await openOffice(options);
    desks = {};
    for (const person of ['ana', 'ben', 'cleo', 'sam', 'ada']) desks[person] = await office.as(person);
  }

  const desk = (person: string) => desks[person] as Desk;

  async function listen(...people: string[]): Promise<Listener[]> {
    return Promise.all(people.map((person) => desk(person).listens()));
  }

  /** What the listener heard of one conversation; everything sent before the ping is there when its pong comes. */
  async function heardOf(listener: Listener, conversationId: string): Promise<string[]> {
    const ponged = once(listener.socket, 'pong');
    listener.socket.ping();
    await ponged;
    return listener.heard.filter((notice) => notice.conversationId === conversationId).map(({ type }) => type);
  }

  it('tells members of the queue, who takes part, and supervisors, and nobody else', async () => {
    await open();
    const [ana, ben, cleo, sam, ada] = (await listen('ana', 'ben', 'cleo', 'sam', 'ada')) as [
      Listener,
      Listener,
      Listener,
      Listener,
      Listener,
    ];
    const id = await office.customerAsks('HomeLoan');
    const notice = await ben.next('conversation', id);
    const { version } = shownIn(await desk('sam').get(`/conversations/${id}`));
    assert.deepEqual(notice, {
      type: 'conversation',
      conversationId: id,
      seq: notice['seq'],
      phase: 'queued',
      queue: 'HomeLoanQueue',
    });
    assert.ok(Number(notice['seq']) <= Number(version));
    shownIn(await desk('ben').asks(id, 'pick'));
    while ((await sam.next('conversation', id))['agent'] !== 'ben') continue;
    assert.deepEqual(await heardOf(ana, id), []);
    assert.deepEqual(await heardOf(cleo, id), []);
    assert.deepEqual(await heardOf(ada, id), []);
    shownIn(await desk('ben').asks(id, 'consult', { agent: 'cleo' }));
    await cleo.next('conversation', id);
    shownIn(await desk('ben').asks(id, 'transfer', { to: { queue: 'CreditCardQueue' } }));
    assert.equal((await ana.next('conversation', id))['queue'], 'CreditCardQueue');
    assert.ok(!(await heardOf(ada, id)).includes('conversation'));
  });

  it('tells the one who is asked, with the time, and that it is over, with the one who has it', async () => {
    await open();
    const [ana, ben] = (await listen('ana', 'ben')) as [Listener, Listener];
    await desk('ana').present();
    const id = await office.customerAsks('CreditCard');
    const offer = await ana.next('offer', id);
    assert.equal(offer['lapsesAt'], shownIn(await desk('ana').get(`/conversations/${id}`))['dueAt']);
    await desk('ben').present();
    shownIn(await desk('ana').asks(id, 'reject'));
    assert.deepEqual(await ana.next('offerGone', id), { type: 'offerGone', conversationId: id, phase: 'queued' });
    await ben.next('offer', id);
    office.clock.advance(121_000);
    await office.hub.tick();
    assert.equal((await ben.next('offerGone', id))['phase'], 'queued');
    const second = await office.customerAsks('CreditCard', 'lee');
    await office.hub.settled();
    assert.equal(ana.heard.filter(({ type }) => type === 'offer').length, 3, 'the first chat twice, the second once');
    await ana.next('offer', second);
    shownIn(await desk('ana').asks(second, 'accept'));
    assert.deepEqual(await ana.next('offerGone', second), {
      type: 'offerGone',
      conversationId: second,
      phase: 'agent',
      agent: 'ana',
    });
    assert.ok(!ben.heard.some((notice) => notice.conversationId === second && notice.type.startsWith('offer')));
  });

  it('tells of every message, a burst of them a few times only', async () => {
    await open();
    const id = await office.customerAsks('CreditCard');
    shownIn(await desk('ana').asks(id, 'pick'));
    const [ana] = (await listen('ana')) as [Listener];
    for (let index = 0; index < 30; index += 1) await office.says(id, `message ${index}`);
    const { version } = shownIn(await desk('ana').get(`/conversations/${id}`));
    while ((await ana.next('conversation', id))['seq'] !== version) continue;
    const told = ana.heard.filter(({ type }) => type === 'conversation').length;
    assert.ok(told < 30, `${told} notices for 30 messages`);
  });

  it('tells of queues at most four times a second, members and supervisors only', async () => {
    await open();
    const [ben, sam, ana] = (await listen('ben', 'sam', 'ana')) as [Listener, Listener, Listener];
    const startedAt = Date.now();
    for (let index = 0; index < 20; index += 1) await office.customerAsks('HomeLoan', `customer${index}`);
    await ben.next('queue');
    await sam.next('queue');
    const seconds = (Date.now() - startedAt) / 1_000;
    const told = ben.heard.filter(({ type }) => type === 'queue').length;
    assert.ok(told <= 1 + Math.ceil(seconds * 4), `${told} notices in ${seconds} s`);
    await desk('ana').present('busy');
    await ana.next('person');
    assert.ok(!ana.heard.some(({ type }) => type === 'queue'));
  });

  it('tells colleagues of the same queue and supervisors of somebody’s presence', async () => {
    await open();
    const [ana, ben, cleo, sam] = (await listen('ana', 'ben', 'cleo', 'sam')) as [
      Listener,
      Listener,
      Listener,
      Listener,
    ];
    await desk('ana').present('busy');
    for (const listener of [ana, ben, sam])
      assert.deepEqual(await listener.next('person'), { type: 'person', agent: 'ana' });
    await desk('cleo').present('busy');
    assert.deepEqual(await cleo.next('person'), { type: 'person', agent: 'cleo' }, 'nothing of ana before');
  });

  it('shows the customer’s typing to who holds the conversation, also over a new socket', async () => {
    await open();
    const id = await office.customerAsks('CreditCard');
    const [early, ben] = (await listen('ana', 'ben')) as [Listener, Listener];
    shownIn(await desk('ana').asks(id, 'pick'));
    const typing = () =>
      office.hub.signal(id, { role: 'customer', id: 'kim' }, { type: 'typing', from: { id: 'kim', role: 'user' } });
    await typing();
    assert.deepEqual(await early.next('typing'), { type: 'typing', conversationId: id });
    early.socket.terminate();
    await until('the socket is gone', () => office.console.figures.people === 1);
    const [late] = (await listen('ana')) as [Listener];
    await until('typing is shown again', async () => {
      await typing();
      return late.heard.some(({ type }) => type === 'typing');
    });
    shownIn(await desk('ana').asks(id, 'end'));
    await until('nobody watches any more', () => !office.hub.isWatched(id));
    assert.ok(!ben.heard.some(({ type }) => type === 'typing'));
  });

  it('forgets whose typing was of interest when the last person goes', async () => {
    await open();
    await desk('ana').present();
    const id = await office.customerAsks('CreditCard');
    const [listener] = (await listen('ana')) as [Listener];
    shownIn(await desk('ana').asks(id, 'accept'));
    await until('watched', () => office.hub.isWatched(id));
    listener.socket.terminate();
    await until('nobody watches any more', () => !office.hub.isWatched(id));
    await listen('ana');
    await until('watched again', () => office.hub.isWatched(id));
  });

  it('says nothing of staff-only things to anybody who is not concerned, nor any text to anybody', async () => {
    await open();
    const [ana, cleo] = (await listen('ana', 'cleo')) as [Listener, Listener];
    const id = await office.customerAsks('CreditCard');
    shownIn(await desk('ana').asks(id, 'pick'));
    shownIn(await desk('ana').says(id, 'the secret note', { audience: 'staff' }));
    assert.deepEqual(await heardOf(cleo, id), []);
    await heardOf(ana, id);
    assert.ok(!JSON.stringify(ana.heard).includes('secret'));
  });

  it('counts people and sockets', async () => {
    await open();
    const [first] = await listen('ana', 'ana', 'ben');
    assert.deepEqual({ ...office.console.figures }, { sockets: 3, people: 2, behind: 0 });
    first?.socket.terminate();
    await until('one socket less', () => office.console.figures.sockets === 2);
    assert.equal(office.console.figures.people, 2);
  });

  it('opens fifty sockets for a person and no more', async () => {
    await open();
    await listen(...Array<string>(50).fill('ana'));
    await assert.rejects(desk('ana').listens(), /429/);
    await listen('ben');
    assert.deepEqual({ ...office.console.figures }, { sockets: 51, people: 2, behind: 0 });
  });

  it('drops notices for a reader that does not read, and tells it to read anew once it does', async () => {
    await open({ bufferBytes: 300_000 });
    const [ana, ben] = (await listen('ana', 'ben')) as [Listener, Listener];
    const state = await office.state(await office.customerAsks('CreditCard'));
    ana.socket.pause();
    let sent = 0;
    // Long notices, so that the kernel's buffers fill and the rest has to wait in this process.
    await until('one socket is behind', () => {
      sent += 1;
      const long: Conversation = { ...state, id: `${sent}-${'x'.repeat(100_000)}`, epoch: state.epoch + sent };
      office.hub.notify('committed', [], long, state);
      return office.console.figures.behind === 1;
    });
    await ben.next('conversation', `${sent}-${'x'.repeat(100_000)}`);
    assert.deepEqual({ ...office.console.figures }, { sockets: 2, people: 2, behind: 1 });
    ana.socket.resume();
    await ana.next('resync');
    assert.ok(!ben.heard.some(({ type }) => type === 'resync'));
    const told = ({ heard }: Listener) => heard.filter(({ type }) => type === 'conversation').length;
    assert.ok(told(ana) < told(ben), 'some were dropped');
    assert.equal(office.console.figures.behind, 0);
  });

  it('cuts a socket whose other end is dead', async () => {
    await open({ beatMs: 25 });
    const { body } = await desk('ana').call('POST', '/ticket');
    const { ticket } = body as { ticket: string };
    const socket = new WebSocket(`${office.url.replace('http', 'ws')}/api/v1/events?ticket=${ticket}`, {
      autoPong: false,
    });
    socket.on('error', () => undefined);
    const alive = await desk('ben').listens();
    await until('the dead one is cut', () => office.console.figures.people === 1);
    assert.equal(alive.socket.readyState, WebSocket.OPEN);
    assert.equal(office.console.figures.sockets, 1);
  });

  it('closes a socket when the token behind it has expired', async () => {
    await open({ beatMs: 25 });
    const [ana] = (await listen('ana')) as [Listener];
    const closed = ana.closed();
    office.clock.advance(31 * 24 * 60 * 60_000);
    assert.equal(await closed, 4401);
  });

  describe('when it is lost', () => {
    /** Offers lapse 100 ms after the loss of the last socket. */
    async function openImpatient(): Promise<void> {
      await open();
      const { directory } = office.hub;
      const web = directory.workStreams['web'] as WorkStream;
      const impatient = { ...web, timers: { ...web.timers, agentGoneOfferMs: 100 } };
      await office.hub.useDirectory({ ...directory, version: 2, workStreams: { web: impatient } });
    }

    it('frees what was asked of the person, who is back as before with the next socket', async () => {
      await openImpatient();
      const [ana] = (await listen('ana')) as [Listener];
      await desk('ana').present();
      const id = await office.customerAsks('CreditCard');
      ana.socket.terminate();
      await until('the request lapses', async () => (await office.state(id)).phase === 'queued');
      const me = shownIn(await desk('ana').get('/me'));
      assert.deepEqual([me['presence'], me['load']], ['offline', 0]);
      await listen('ana');
      await until('ana is asked again', async () => (await office.state(id)).phase === 'offered');
      assert.equal(shownIn(await desk('ana').get('/me'))['presence'], 'available');
    });

    it('means nothing while another socket of the same person is open', async () => {
      await openImpatient();
      const [first, second] = (await listen('ana', 'ana')) as [Listener, Listener];
      await desk('ana').present();
      const id = await office.customerAsks('CreditCard');
      first.socket.terminate();
      await until('the socket is gone', () => office.console.figures.sockets === 1);
      await new Promise((resolve) => setTimeout(resolve, 200));
      assert.equal((await office.state(id)).phase, 'offered');
      second.socket.terminate();
      await until('the request lapses', async () => (await office.state(id)).phase === 'queued');
    });

    it('is noted in the conversations the person holds, as is the return', async () => {
      await openImpatient();
      const [ana] = (await listen('ana')) as [Listener];
      const id = await office.customerAsks('CreditCard');
      shownIn(await desk('ana').asks(id, 'pick'));
      ana.socket.terminate();
      await until(
        'the loss is noted',
        async () => shownIn(await desk('sam').get(`/conversations/${id}`))['agentGone'] === true,
      );
      await listen('ana');
      await until(
        'the return is noted',
        async () => shownIn(await desk('sam').get(`/conversations/${id}`))['agentGone'] === false,
      );
    });

    it('leaves a presence alone that was set by REST and never had a socket', async () => {
      await openImpatient();
      await desk('ana').present();
      office.clock.advance(7 * 60 * 60_000);
      await office.hub.tick();
      await office.hub.settled();
      assert.equal(shownIn(await desk('ana').get('/me'))['presence'], 'available');
      office.clock.advance(61 * 60_000);
      await office.hub.tick();
      await office.hub.settled();
      assert.equal(shownIn(await desk('ana').get('/me'))['presence'], 'offline');
    });

    it('is no absence when this process stops', async () => {
      await openImpatient();
      const [ana] = (await listen('ana')) as [Listener];
      const id = await office.customerAsks('CreditCard');
      shownIn(await desk('ana').asks(id, 'pick'));
      const closed = ana.closed();
      await office.console.close();
      assert.equal(await closed, 1012);
      await office.hub.settled();
      assert.ok(!(await office.log(id)).some(({ event }) => event.type === 'disconnected'));
    });
  });
});
