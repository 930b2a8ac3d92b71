/** The console page against a steered stand-in server: every state a person may meet, the rare ones above all. */
import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import type { FakeConversation, FakePagesServer } from './fakePagesServer.js';
import { usePages } from './pages.js';

const ANA = { id: 'ana', name: 'Ana' };
const BEN = { id: 'ben', name: 'Ben' };

const inSeconds = (seconds: number) => new Date(Date.now() + seconds * 1000).toISOString();

function conversation(id: string, name: string, change: Partial<FakeConversation>): FakeConversation {
  return {
    id,
    phase: 'queued',
    epoch: 1,
    queue: 'CreditCardQueue',
    customer: { id: `dl_${id}`, name },
    context: {
      va_LastPhrases: { value: 'my card is lost', displayable: false },
      BotHandoffTopic: { value: 'CreditCard', displayable: true },
    },
    summary: 'Card ending 4711 is lost.',
    startedAt: inSeconds(-300),
    waitingSince: inSeconds(-72),
    ...change,
  };
}

describe('the console page', function () {
  this.timeout(90_000);
  const pages = usePages();
  const { button, sendBox, bubble, region } = pages;
  let server: FakePagesServer;
  let page: Page;

  const offers = () => region('Offers');
  const conversations = () => region('Conversations');
  const contextPanel = () => region('Context');
  const customerSays = (id: string, text: string) =>
    server.say(id, { type: 'message', text, from: { id: `dl_${id}`, name: 'Kim' } });

  beforeEach(async () => {
    ({ server, page } = pages);
  });

  async function openWith(...rows: FakeConversation[]): Promise<void> {
    for (const row of rows) server.put(row);
    await page.goto(`${server.url}/console/`);
    await offers().waitFor();
  }

  /** Ana holds Kim's conversation and has it open, Web Chat included. */
  async function openChat(): Promise<void> {
    customerSays('kim', 'my card is lost');
    await openWith(conversation('kim', 'Kim', { phase: 'agent', agent: ANA }));
    await bubble('my card is lost').waitFor();
    await sendBox().waitFor();
  }

  it('shows a request with its countdown, counts it in the title, and opens the chat on Accept', async () => {
    customerSays('kim', 'my card is lost');
    await openWith();
    await page.getByText('You are available; the next request comes to you.').waitFor();
    server.put(conversation('kim', 'Kim', { phase: 'offered', agent: ANA, timers: { offerLapses: inSeconds(100) } }));
    await offers().getByText('BotHandoffTopic: CreditCard').waitFor();
    assert.match((await offers().getByRole('timer').textContent()) ?? '', /^1:(39|40|38)$/);
    assert.equal(await page.title(), '(1) Handoff');

    await button('Accept').click();
    await bubble('my card is lost').waitFor();
    await conversations().getByRole('button', { name: /^Kim/ }).waitFor();
    assert.deepEqual(
      server.calls.filter(({ path }) => path.endsWith('/accept')).map(({ path }) => path),
      ['/api/v1/conversations/kim/accept'],
    );
    assert.equal(await page.title(), 'Handoff');
    await sendBox().waitFor();
    await page.keyboard.type('Hello');
    assert.equal(await sendBox().inputValue(), 'Hello', 'typing goes on at once');
  });

  it('shows all context variables, the displayable ones first, the private summary and why the chat is here', async () => {
    server.receipts.set('kim', [
      {
        seq: 2,
        kind: 'route',
        at: inSeconds(-70),
        ruleSetVersion: 4,
        by: 'rule',
        because: 'Demo Bot failed, and a person was asked for',
        queue: 'CreditCardQueue',
        candidates: [],
        rules: [
          {
            rule: 2,
            matched: true,
            conditions: [
              {
                variable: 'BotHandoffTopic',
                operator: 'equals',
                expected: 'CreditCard',
                actual: 'CreditCard',
                result: true,
              },
            ],
          },
        ],
      },
      {
        seq: 5,
        kind: 'assign',
        at: inSeconds(-60),
        chosen: 'ana',
        candidates: [{ id: 'ana' }, { id: 'ben', excluded: 'presence' }],
      },
    ]);
    await openChat();
    const panel = contextPanel();
    await panel.getByText('Card ending 4711 is lost.').waitFor();
    const names = await panel.locator('.variable dt').allTextContents();
    assert.deepEqual(names.slice(0, 2), ['BotHandoffTopic', 'va_LastPhrases']);
    await panel.getByText('BotHandoffTopic equals CreditCard (was CreditCard)').waitFor();
    await panel.getByText('rule 2 matched → CreditCardQueue').waitFor();
    await panel.getByText('Demo Bot failed, and a person was asked for').waitFor();
    await panel.getByText('Ana chosen').waitFor();
    await panel.getByText('Ben: not available').waitFor();
  });

  it('shows a supervisor who serves whom, lets them read along, and asks for no presence', async () => {
    server.me = {
      id: 'sam',
      name: 'Sam',
      roles: ['supervisor'],
      presence: 'offline',
      capacity: 0,
      load: 0,
      queues: [],
    };
    server.put(conversation('kim', 'Kim', { phase: 'agent', agent: ANA }));
    server.put(conversation('lee', 'Lee', { phase: 'offered', agent: BEN }));
    server.put(conversation('pat', 'Pat', { phase: 'closed', agent: BEN }));
    customerSays('kim', 'my card is lost');
    await page.goto(`${server.url}/console/`);
    const withPeople = page.getByRole('region', { name: 'With people', exact: true });
    await withPeople.getByRole('button', { name: /^Lee.*offered to Ben/ }).waitFor();
    assert.equal(await withPeople.getByRole('button').count(), 2, 'the closed one is not among them');
    assert.equal(await page.getByRole('combobox', { name: 'Presence' }).count(), 0);
    assert.equal(await offers().count(), 0);
    await withPeople.getByRole('button', { name: /^Kim.*Ana/ }).click();
    await bubble('my card is lost').waitFor();
    await page.getByText('Ana has this conversation. You can read it.').waitFor();
    assert.equal(await sendBox().count(), 0);

    server.change('kim', { phase: 'closed' });
    await withPeople.getByRole('button', { name: /^Kim/ }).waitFor({ state: 'detached' });
  });

  it('tells an administrator that what is said is not for them', async () => {
    server.me = {
      id: 'ada',
      name: 'Ada',
      roles: ['administrator'],
      presence: 'offline',
      capacity: 0,
      load: 0,
      queues: [],
    };
    server.put(conversation('kim', 'Kim', { phase: 'agent', agent: ANA }));
    await page.goto(`${server.url}/console/`);
    await page.getByRole('heading', { name: 'No conversations for you' }).waitFor();
    assert.equal(await page.getByRole('region', { name: 'With people', exact: true }).count(), 0);
    assert.equal(await button('Go available').count(), 0);
  });

  it('says who took a request and when, if somebody else was faster', async () => {
    await openWith(
      conversation('kim', 'Kim', { phase: 'offered', agent: ANA, timers: { offerLapses: inSeconds(100) } }),
    );
    await button('Accept').waitFor();
    const at = new Date(Date.now() - 2000);
    server.refusals.push({
      path: '/accept',
      status: 409,
      error: { code: 'offerGone', message: 'Ben has taken this conversation.', owner: BEN, at: at.toISOString() },
      meanwhile: () => server.conversations.set('kim', conversation('kim', 'Kim', { phase: 'agent', agent: BEN })),
    });
    await button('Accept').click();
    await offers().getByText('Ben has taken this conversation, ').waitFor();
    const told = await offers().getByRole('listitem').textContent();
    assert.match(
      told ?? '',
      new RegExp(`${String(at.getSeconds()).padStart(2, '0')}`),
      'the second at which Ben took it',
    );
    await page.getByRole('button', { name: 'Dismiss the notice about Kim' }).click();
    await offers().getByText('No requests for you.').waitFor();
  });

  it('shows the request of whoever has waited longest first', async () => {
    const waits = (id: string, name: string, since: number) =>
      conversation(id, name, {
        phase: 'offered',
        agent: ANA,
        waitingSince: inSeconds(-since),
        timers: { offerLapses: inSeconds(90) },
      });
    await openWith(waits('kim', 'Kim', 60), waits('lee', 'Lee', 300));
    const cards = page.getByRole('article', { name: /^Request from/ });
    await cards.nth(1).waitFor();
    server.put(waits('max', 'Max', 10));
    await cards.nth(2).waitFor();
    const names = (await cards.allTextContents()).map((text) => /Kim|Lee|Max/.exec(text)?.[0]);
    assert.deepEqual(names, ['Lee', 'Kim', 'Max']);
  });

  it('says that a request lapsed, and is silent about one the person rejected', async () => {
    await openWith(
      conversation('kim', 'Kim', { phase: 'offered', agent: ANA, timers: { offerLapses: inSeconds(1) } }),
      conversation('lee', 'Lee', { phase: 'offered', agent: ANA, timers: { offerLapses: inSeconds(90) } }),
    );
    const lee = page.getByRole('article', { name: 'Request from Lee' });
    await lee.getByRole('button', { name: 'Reject' }).click();
    await lee.waitFor({ state: 'detached' });
    server.change('kim', { phase: 'queued', agent: undefined });
    await offers().getByText('the request lapsed and is back in line').waitFor();
    assert.equal(await offers().getByRole('listitem').count(), 1);
  });

  it('keeps what was typed through a lost connection and lets go on only when the missed messages are shown', async () => {
    await openChat();
    await sendBox().fill('I am blocking it n');
    server.goDown();
    await page.getByText('Connection lost.').waitFor();
    await page.getByText('Not connected.').waitFor();
    assert.equal(await sendBox().isEditable(), false);
    customerSays('kim', 'hello?');
    customerSays('kim', 'still there?');
    server.directLine.hold();
    server.comeBack();
    await button('Try now').click();
    await page.getByText(': 2 messages missed. You can type as soon as they are shown.').waitFor();
    assert.equal(await sendBox().isEditable(), false);
    server.directLine.release();
    await bubble('still there?').waitFor();
    await page.getByText('2 messages came while you were not connected.').waitFor();
    assert.equal(await sendBox().isEditable(), true);
    assert.equal(await sendBox().inputValue(), 'I am blocking it n');
  });

  it('asks to sign in again in place, and a reload keeps the draft', async () => {
    await openChat();
    await sendBox().fill('half a sentence');
    server.signedIn = false;
    server.dropConnections();
    const dialog = page.getByRole('alertdialog', { name: 'Your session has ended' });
    await dialog.waitFor();
    await dialog.getByRole('link', { name: 'Sign in as Ana' }).waitFor();
    const popup = page.context().waitForEvent('page');
    await dialog.getByRole('link', { name: 'Sign in as Ana' }).click();
    const other = await popup;
    await other.getByRole('region', { name: 'Offers', exact: true }).waitFor();
    await other.close();
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await sendBox().inputValue(), 'half a sentence');
    await page.reload();
    await bubble('my card is lost').waitFor();
    assert.equal(await sendBox().inputValue(), 'half a sentence');
  });

  it('explains signing in to somebody who is not signed in', async () => {
    server.signedIn = false;
    server.signIn = undefined;
    await page.goto(`${server.url}/console/`);
    await page.getByText('You are not signed in.').waitFor();
    await page.getByText('handoff sign-in').waitFor();
  });

  it('tells that the customer left, counts the wrap-up down, keeps a note and closes', async () => {
    await openChat();
    server.endings.set('kim', { type: 'ended', reason: 'customerLeft', by: { role: 'customer', id: 'dl_kim' } });
    server.change('kim', { phase: 'wrapUp', timers: { wrapUpEnds: inSeconds(14 * 60 + 30) } });
    await page.getByText(/Kim left the chat, /).waitFor();
    await page.getByText(/Wrap-up · 14:\d\d left/).waitFor();
    assert.equal(await sendBox().count(), 0, 'the customer can no longer be written to');
    await page.getByRole('textbox', { name: 'Private note' }).fill('Card blocked.');
    await button('Note').click();
    await bubble('Card blocked.').waitFor();
    await button('Close').click();
    await conversations().getByText('None open.').waitFor();
    assert.deepEqual(
      server.calls.filter(({ path }) => path.endsWith('/messages')).map(({ body }) => body),
      [{ type: 'message', text: 'Card blocked.', audience: 'staff' }],
    );
  });

  it("sends a bot's late reply on, or puts it away, and offers that only once", async () => {
    for (const text of ['late one', 'late two'])
      server.say('kim', {
        type: 'message',
        text,
        from: { id: 'demo', name: 'Demo Bot' },
        channelData: { handoff: { audience: 'staff', kind: 'draft' } },
      });
    await openChat();
    await page.getByText('private draft, not sent to the customer').first().waitFor();
    await button('Discard').first().click();
    server.endings.set('kim', { type: 'draftResolved', target: 1, sent: false, by: { role: 'agent', id: 'ana' } });
    server.notify('kim');
    await button('Discard').nth(1).waitFor({ state: 'detached' });
    const sent = page.waitForResponse(/drafts\/2\/send$/);
    await button('Send to the customer').click();
    await sent;
    assert.deepEqual(
      server.calls.filter(({ path }) => path.includes('/drafts/')).map(({ path }) => path),
      ['/api/v1/conversations/kim/drafts/1/discard', '/api/v1/conversations/kim/drafts/2/send'],
    );
  });

  it("sends a bot's draft in the person's own words", async () => {
    server.say('kim', {
      type: 'message',
      text: 'Have you tried turning it off?',
      from: { id: 'demo', name: 'Demo Bot' },
      channelData: { handoff: { audience: 'staff', kind: 'draft' } },
    });
    await openChat();
    await button('Edit').click();
    const words = page.getByRole('textbox', { name: 'The draft of Demo Bot, in your words' });
    assert.equal(await words.inputValue(), 'Have you tried turning it off?');
    await words.fill('Please turn it off once.');
    const sent = page.waitForResponse(/drafts\/1\/send$/);
    await button('Send to the customer').click();
    await sent;
    assert.deepEqual(server.calls.find(({ path }) => path.endsWith('/drafts/1/send'))?.body, {
      text: 'Please turn it off once.',
    });
  });

  it('counts what is new in the conversations that are not open', async () => {
    customerSays('lee', 'first');
    await openWith(
      conversation('kim', 'Kim', { phase: 'agent', agent: ANA }),
      conversation('lee', 'Lee', { phase: 'agent', agent: ANA }),
    );
    await conversations()
      .getByRole('button', { name: /^Lee 1 new/ })
      .waitFor();
    customerSays('lee', 'second');
    await conversations()
      .getByRole('button', { name: /^Lee 2 new/ })
      .click();
    await bubble('second').waitFor();
    await conversations()
      .getByRole('button', { name: /^Lee \d/ })
      .waitFor();
  });

  it('lets a member of the queue pick from the line, and nobody else', async () => {
    await openWith(
      conversation('kim', 'Kim', { position: 1 }),
      conversation('lee', 'Lee', { position: 1, queue: 'HomeLoanQueue' }),
    );
    assert.equal(await button('Pick').count(), 1);
    await button('Pick').click();
    await conversations().getByRole('button', { name: /^Kim/ }).waitFor();
    assert.ok(server.calls.some(({ path }) => path === '/api/v1/conversations/kim/pick'));
  });

  it('moves a conversation on: to a queue, to a person, back to the bot, to its end', async () => {
    await openChat();
    await button('Transfer').click();
    await page.getByRole('menuitem', { name: 'HomeLoanQueue' }).click();
    await conversations().getByText('None open.').waitFor();
    for (const [press, path] of [
      ['Return to bot', '/return'],
      ['End', '/end'],
    ] as const) {
      server.change('kim', { phase: 'agent', agent: ANA });
      await button(press).click();
      await button(press).waitFor({ state: 'detached' });
      assert.equal(server.calls[server.calls.length - 1]?.path, `/api/v1/conversations/kim${path}`);
    }
    assert.deepEqual(server.calls.find(({ path }) => path.endsWith('/transfer'))?.body, {
      to: { queue: 'HomeLoanQueue' },
    });
  });

  it('says what each presence means while nothing is open, and goes available with one click', async () => {
    server.me = { ...server.me, presence: 'offline' };
    await openWith();
    await page.getByText('You are offline', { exact: true }).waitFor();
    await button('Go available').click();
    await page.getByText('You are available; the next request comes to you.').waitFor();
    await page.getByLabel('Presence', { exact: true }).selectOption('doNotDisturb');
    await page.getByText('Nothing new comes to you.').waitFor();
    assert.deepEqual(server.me['presence'], 'doNotDisturb');
  });

  it('works by keyboard alone: from the request to the answer', async () => {
    customerSays('kim', 'my card is lost');
    await openWith(
      conversation('kim', 'Kim', { phase: 'offered', agent: ANA, timers: { offerLapses: inSeconds(100) } }),
    );
    await button('Accept').waitFor();
    for (let presses = 0; presses < 20; presses++) {
      await page.keyboard.press('Tab');
      if (await button('Accept').evaluate((element) => element === element.ownerDocument.activeElement)) break;
    }
    await page.keyboard.press('Enter');
    await sendBox().waitFor();
    await bubble('my card is lost').waitFor();
    await page.keyboard.type('Hello Kim');
    await page.keyboard.press('Enter');
    await bubble('Hello Kim').waitFor();
  });

  it('shows what to write to go on in a chat, a new code each time it is asked', async () => {
    await openWith();
    for (let times = 1; times <= 2; times += 1) {
      await button('Work from a chat').click();
      await page.getByText('sign in K7QF-2M9X-4TAB').waitFor();
      await page.keyboard.press('Escape');
      await page.getByText('sign in K7QF-2M9X-4TAB').waitFor({ state: 'detached' });
      assert.equal(server.calls.filter(({ path }) => path === '/api/v1/me/pairing-code').length, times);
    }
  });

  it('follows the system into the dark and remembers the other choice', async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await openWith();
    const background = () =>
      page
        .locator('.middle')
        .evaluate((middle) => middle.ownerDocument.defaultView?.getComputedStyle(middle).backgroundColor);
    const dark = await background();
    await button('Appearance').click();
    await page.getByRole('menuitemradio', { name: 'Light' }).click();
    assert.notEqual(await background(), dark);
    await page.reload();
    await offers().waitFor();
    assert.equal(await background(), 'rgb(255, 255, 255)');
  });

  it('runs under the content security policy and asks nobody but its own server', async () => {
    const foreign: string[] = [];
    const complaints: string[] = [];
    page.on('request', (request) => {
      if (!request.url().startsWith(server.url) && !/^(data|blob):/.test(request.url())) foreign.push(request.url());
    });
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) complaints.push(message.text());
    });
    await openChat();
    await page.goto(`${server.url}/`);
    await bubble('my card is lost').waitFor();
    assert.deepEqual([foreign, complaints], [[], []]);
  });
});
