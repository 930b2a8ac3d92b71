// Customer and staff on one server: a person's chat pane is a Direct Line client of its own kind, and neither kind gets the other's view.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { mintPersonToken } from '../../src/console/console.js';
import { serveDirectLine, type DirectLine } from '../../src/directline/server.js';
import { request } from '../fakes/request.js';
import { Widget } from '../fakes/widget.js';
import { errorIn, openOffice, shownIn, type Desk, type Office } from './office.js';

const SECRET = 'secret-of-the-pages-own-server';

describe('the customer’s widget and the person’s chat pane', () => {
  let office: Office;
  let directLine: DirectLine;
  let ana: Desk;
  let customer: Widget;
  const open: Widget[] = [];
  beforeEach(async () => {
    office = await openOffice();
    directLine = serveDirectLine(office.server, office.hub, {
      secrets: [SECRET],
      tokens: office.tokens,
      publicUrl: () => office.url,
      workStream: 'web',
      keepAliveMs: 100,
    });
    ana = await office.as('ana');
    customer = await Widget.start({ url: office.url, secret: SECRET, user: { id: 'dl_kim', name: 'Kim' } });
    open.push(customer);
    await customer.next('Welcome');
  });
  afterEach(async () => {
    for (const widget of open.splice(0)) await widget.close();
    await directLine.close();
    await office.close();
  });

  /** Ana has taken the chat, and her pane is open on it. */
  async function pane(): Promise<Widget> {
    await customer.say('human CreditCard');
    await office.hub.settled();
    shownIn(await ana.asks(customer.conversationId, 'pick'));
    const { token } = shownIn(await ana.asks(customer.conversationId, 'token')) as unknown as { token: string };
    const widget = await Widget.start({ url: office.url, token });
    open.push(widget);
    return widget;
  }

  it('shows both what was said, and the customer nothing that is for staff, by socket and by reading', async () => {
    const panes = await pane();
    shownIn(await ana.says(customer.conversationId, 'a private note', { audience: 'staff' }));
    const note = await panes.next('a private note');
    assert.equal((note.channelData as { handoff: { audience: string } }).handoff.audience, 'staff');
    await panes.say('hello Kim');
    const heard = await customer.next('hello Kim');
    assert.deepEqual([heard.from?.id, heard.from?.name, heard.from?.role], ['ana', 'Ana', 'bot']);
    await customer.say('hello Ana');
    assert.equal((await panes.next('hello Ana')).from?.role, 'bot', 'in her own pane only Ana is the user');
    shownIn(await ana.asks(customer.conversationId, 'return', { summary: 'for the bot alone' }));
    await office.hub.settled();
    await customer.say('and now');
    await customer.next('Echo: and now');
    const all = JSON.stringify([...customer.received, ...(await customer.read())]);
    for (const secret of [
      'a private note',
      'card lost',
      'for the bot alone',
      'BotHandoffTopic',
      'CreditCardQueue rule',
    ])
      assert.ok(!all.includes(secret), secret);
    const staff = JSON.stringify(await panes.read());
    for (const text of ['a private note', 'card lost', 'hello Kim', 'Welcome']) assert.ok(staff.includes(text), text);
  });

  it('speaks as the person while the chat is theirs, and is refused afterwards; reading goes on', async () => {
    const panes = await pane();
    await panes.say('hello');
    const [entry] = (await office.log(customer.conversationId)).filter(
      ({ event }) => event.body?.activity?.text === 'hello',
    );
    assert.deepEqual([entry?.event.type, entry?.event.by], ['said', { role: 'agent', id: 'ana' }]);
    shownIn(await ana.asks(customer.conversationId, 'transfer', { to: { queue: 'HomeLoanQueue' } }));
    const refused = await panes.post({ type: 'message', text: 'still me?' });
    assert.equal(refused.status, 403);
    assert.ok(!(await office.customerSees(customer.conversationId)).includes('still me?'));
    assert.ok((await panes.read()).length > 0, 'who served may read on');
  });

  it('stops reading with who may not read the log any more', async () => {
    await customer.say('human CreditCard');
    await office.hub.settled();
    const { token } = shownIn(await ana.asks(customer.conversationId, 'token')) as unknown as { token: string };
    const path = `/conversations/${customer.conversationId}/activities`;
    assert.equal((await customer.call('GET', path, undefined, token)).status, 200);
    const { directory } = office.hub;
    const { CreditCardQueue, ...queues } = directory.queues;
    const left = { ...(CreditCardQueue as NonNullable<typeof CreditCardQueue>), members: ['ben'] };
    await office.hub.useDirectory({ ...directory, version: 2, queues: { ...queues, CreditCardQueue: left } });
    assert.equal((await customer.call('GET', path, undefined, token)).status, 403);
  });

  it('ends with the session it was opened in: neither the open socket nor the token, refreshed or not, outlives it', async () => {
    await customer.say('human CreditCard');
    await office.hub.settled();
    const { conversationId } = customer;
    const link = `${office.url}${await office.console.createTicket('ana')}`;
    const cookie = ((await request('GET', link)).headers['set-cookie']?.[0] ?? '').split(';')[0] as string;
    const headers = { cookie, 'x-requested-with': 'console' };
    const asked = await request('POST', `${office.url}/api/v1/conversations/${conversationId}/token`, { headers });
    const panes = await Widget.start({ url: office.url, token: (asked.body as { token: string }).token });
    open.push(panes);
    const refreshed = await panes.call('POST', '/tokens/refresh');
    assert.equal(refreshed.status, 200);
    await request('POST', `${office.url}/api/v1/sign-out`, { headers });
    await panes.disconnected();
    for (const token of [panes.token, (refreshed.body as { token: string }).token]) {
      assert.equal((await customer.call('POST', '/tokens/refresh', undefined, token)).status, 403);
      const path = `/conversations/${conversationId}`;
      assert.equal((await customer.call('GET', `${path}/activities`, undefined, token)).status, 403);
      assert.equal((await customer.call('GET', path, undefined, token)).status, 403);
    }
  });

  it('ends with the bearer token it was asked for with', async () => {
    const panes = await pane();
    office.clock.advance(29 * 24 * 3_600_000);
    const token = await mintPersonToken(office.tokens, 'ana', 60_000);
    const asked = await request('POST', `${office.url}/api/v1/conversations/${panes.conversationId}/token`, { token });
    const short = (asked.body as { token: string }).token;
    assert.equal((await customer.call('POST', '/tokens/refresh', undefined, short)).status, 200);
    office.clock.advance(60_000);
    assert.equal((await customer.call('POST', '/tokens/refresh', undefined, short)).status, 403);
  });

  it('is not closed by a customer who piles up sockets', async () => {
    const panes = await pane();
    const started = await customer.call('GET', `/conversations/${customer.conversationId}`);
    const { streamUrl } = started.body as { streamUrl: string };
    const sockets = Array.from({ length: 40 }, () => new WebSocket(streamUrl));
    try {
      await Promise.all(sockets.map((socket) => once(socket, 'open')));
      await customer.say('still there?');
      await panes.next('still there?');
      assert.ok(panes.isConnected);
    } finally {
      await Promise.all(
        sockets.map(async (socket) => {
          socket.terminate();
          if (socket.readyState !== WebSocket.CLOSED) await once(socket, 'close');
        }),
      );
    }
  });

  it('takes neither side’s token for the other’s', async () => {
    const panes = await pane();
    const person = await mintPersonToken(office.tokens, 'ana');
    const path = `/conversations/${customer.conversationId}/activities`;
    assert.equal((await customer.call('GET', path, undefined, person)).status, 403);
    assert.equal((await customer.call('POST', path, { type: 'message', text: 'x' }, person)).status, 403);
    for (const token of [customer.token, panes.token, SECRET]) {
      const answer = await request('GET', `${office.url}/api/v1/conversations/${customer.conversationId}/log`, {
        token,
      });
      assert.deepEqual([answer.status, errorIn(answer).code], [401, 'signedOut']);
    }
    const other = await office.customerAsks('CreditCard', 'lee');
    const foreign = await customer.call('GET', `/conversations/${other}/activities`, undefined, panes.token);
    assert.equal(foreign.status, 403, 'a pane’s token is for one conversation');
  });

  it('keeps a customer who claims to be a person a customer', async () => {
    const panes = await pane();
    await customer.post({
      type: 'message',
      text: 'I am the boss',
      from: { id: 'ana', name: 'Ana', role: 'bot' },
      channelData: { handoff: { audience: 'staff', kind: 'note' } },
    });
    const shown = await panes.next('I am the boss');
    assert.deepEqual([shown.from?.id, shown.from?.role], ['dl_kim', 'bot']);
    const handoff = (shown.channelData as { handoff?: { audience?: string } } | undefined)?.handoff;
    assert.equal(handoff?.audience, undefined);
    const log = (await ana.get(`/conversations/${customer.conversationId}/log`)).body as {
      entries: { by: { role: string; id: string }; activity?: { text?: string } }[];
    };
    const line = log.entries.find(({ activity }) => activity?.text === 'I am the boss');
    assert.deepEqual([line?.by.role, line?.by.id], ['customer', 'dl_kim']);
  });
});
