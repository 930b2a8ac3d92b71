/** The customer's page against a steered stand-in server: who is talking at every stage, and the ways in and out. */
import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import type { FakeActivity } from './fakeDirectLine.js';
import type { FakePagesServer } from './fakePagesServer.js';
import { usePages } from './pages.js';

describe("the customer's page", function () {
  this.timeout(30_000);
  const pages = usePages();
  const { button, bubble } = pages;
  let server: FakePagesServer;
  let page: Page;
  let posted: FakeActivity[];

  const head = () => page.locator('.widget-head');
  const botSays = (text: string) =>
    server.say('kim', { type: 'message', text, from: { id: 'demo', name: 'Demo Bot' } });
  const told = (text: string, handoff: Record<string, unknown>) =>
    server.say('kim', {
      type: 'message',
      text,
      from: { id: 'system', name: 'Contoso Bank' },
      channelData: { handoff },
    });

  beforeEach(async () => {
    posted = [];
    ({ server, page } = pages);
    server.onPosted = (_staff, _id, activity) => posted.push(activity);
  });

  async function open(): Promise<void> {
    await page.goto(`${server.url}/`);
    await page.locator('.chip:enabled').first().waitFor();
  }

  it('says in its head who is talking, from the bot over the line to a person and back', async () => {
    botSays('Welcome');
    await open();
    await head().getByRole('heading', { name: 'Demo Bot' }).waitFor();
    told('You are number 3 in line.', { kind: 'queued', position: 3 });
    await head().getByRole('heading', { name: 'Waiting – number 3 in line' }).waitFor();
    // A change of place comes as an event without an id, on the socket only.
    server.say('kim', {
      type: 'event',
      name: 'handoff.position',
      from: { id: 'system' },
      value: { position: 2 },
    });
    await head().getByRole('heading', { name: 'Waiting – number 2 in line' }).waitFor();
    told('Ana joined the conversation.', { kind: 'agentJoined', agent: { id: 'ana', name: 'Ana' } });
    await head().getByRole('heading', { name: 'Ana', exact: true }).waitFor();
    server.say('kim', { type: 'message', text: 'I have read everything.', from: { id: 'ana', name: 'Ana' } });
    await bubble('I have read everything.').waitFor();
    told('Ana left the conversation.', { kind: 'agentLeft', agent: { id: 'ana', name: 'Ana' } });
    await head().getByText('Ana has left').waitFor();
    told('You are back with Demo Bot.', { kind: 'backWithBot', bot: { id: 'demo', name: 'Demo Bot' } });
    await head().getByRole('heading', { name: 'Demo Bot' }).waitFor();
  });

  it('types for the visitor when a chip is pressed', async () => {
    await open();
    const post = page.waitForResponse(/\/activities$/);
    await button('human CreditCard').click();
    await bubble('human CreditCard').waitFor();
    await post;
    assert.deepEqual(
      posted.map(({ type, text }) => [type, text]),
      [['message', 'human CreditCard']],
    );
  });

  it('lets the customer leave the line, and shows no event as a message', async () => {
    await open();
    told('You are number 1 in line.', { kind: 'queued', position: 1 });
    const post = page.waitForResponse(/\/activities$/);
    await button('Leave the line').click();
    await button('Leaving…').waitFor();
    await post;
    assert.deepEqual(
      posted.map(({ type, name }) => [type, name]),
      [['event', 'handoff.cancel']],
    );
    server.say('kim', { type: 'event', name: 'handoff.status', from: { id: 'demo' } });
    told('You are back with Demo Bot.', { kind: 'backWithBot', bot: { id: 'demo', name: 'Demo Bot' } });
    await button('Leaving…').waitFor({ state: 'detached' });
    assert.equal(await page.getByText(/no renderer/i).count(), 0);
  });

  it('closes the send box with the chat and starts a new one in an empty window', async () => {
    botSays('Welcome');
    await open();
    await bubble('Welcome').waitFor();
    told('This conversation is closed.', { kind: 'closed' });
    await head().getByRole('heading', { name: 'Chat closed' }).waitFor();
    assert.equal(await page.getByRole('textbox').count(), 0);
    assert.equal(await button('hello').isEnabled(), false);
    server.customerConversation = 'kim-again';
    server.say('kim-again', { type: 'message', text: 'Welcome back', from: { id: 'demo', name: 'Demo Bot' } });
    await button('Start a new chat').click();
    await bubble('Welcome back').waitFor();
    assert.equal(await bubble('Welcome').count(), 0);
    await head().getByRole('heading', { name: 'Demo Bot' }).waitFor();
    assert.equal(await page.getByRole('textbox').count(), 1);
  });

  it('shows the ways into the console only when the server names them', async () => {
    await open();
    await page.getByRole('navigation', { name: 'Console' }).getByRole('link', { name: 'Ana' }).waitFor();
    server.signIn = undefined;
    await page.reload();
    await page.locator('.chip:enabled').first().waitFor();
    assert.equal(await page.getByRole('navigation', { name: 'Console' }).count(), 0);
  });

  it('keeps trying while the server is away, and says so', async () => {
    await page.goto(`${server.url}/bank.svg`);
    const html = await (await fetch(`${server.url}/`)).text();
    // The page itself is there already (a cached one, say); only the calls fail.
    await page.route(`${server.url}/`, (route) => route.fulfill({ body: html, contentType: 'text/html' }));
    await page.route('**/api/widget/token', (route) => route.abort());
    await page.goto(`${server.url}/`);
    await page.getByText('The chat is not available right now. Trying again…').waitFor();
    await page.unroute('**/api/widget/token');
    await page.locator('.chip:enabled').first().waitFor();
  });

  it('loads neither Fluent nor the console, and Web Chat only after the page stands', async () => {
    const scripts: string[] = [];
    page.on('request', (request) => {
      if (request.resourceType() === 'script') scripts.push(new URL(request.url()).pathname);
    });
    await open();
    assert.ok(!scripts.some((path) => path.startsWith('/assets/console')), scripts.join(' '));
    assert.ok(scripts.findIndex((path) => path.startsWith('/assets/CustomerChat')) > 0, scripts.join(' '));
    assert.equal(await page.locator('.fui-FluentProvider').count(), 0);
  });

  it('fits a phone without scrolling sideways', async () => {
    await page.setViewportSize({ width: 390, height: 800 });
    botSays('Welcome');
    await open();
    await bubble('Welcome').waitFor();
    const overflow = await page
      .locator('html')
      .evaluate((html) => [html.scrollWidth - html.clientWidth, html.scrollHeight - html.clientHeight]);
    assert.deepEqual(overflow, [0, 0]);
  });
});
