/** The main job as people do it: the delivered program, a customer's window and a person's window in a real browser. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { browserStartTimeoutMs, launchBrowser } from '../fakes/browser.js';
import { handoff, startProgram, type Program } from '../fakes/program.js';

/** Web Chat tries again 3 to 15 s after a lost stream. */
const RECONNECT_MS = 30_000;

const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true });
const region = (page: Page, name: string) => page.getByRole('region', { name, exact: true });
const bubble = (page: Page, text: string) => page.locator('.webchat__bubble').getByText(text, { exact: true });
const sendBox = (page: Page) => page.getByRole('textbox', { name: 'Message input box' });
const head = (customer: Page) => customer.locator('.widget-head').getByRole('heading');

/** As people do: Web Chat passes over Enter until it is connected, and the text stays in the box. */
async function enter(page: Page, text: string): Promise<void> {
  await sendBox(page).fill(text);
  do await sendBox(page).press('Enter');
  while ((await sendBox(page).inputValue()) !== '');
}

async function say(page: Page, text: string): Promise<void> {
  await enter(page, text);
  await bubble(page, text).last().waitFor();
}

async function upload(page: Page, file: { name: string; mimeType: string; buffer: Buffer }): Promise<void> {
  await page.locator('input[type=file]').setInputFiles(file);
  await button(page, 'Send').click();
}

/** The texts in the window, in order, without the clock. */
async function transcript(page: Page): Promise<string[]> {
  const lines = page.locator('.told > span, .webchat__bubble__content .webchat__text-content');
  return (await lines.allTextContents()).map((text) => text.trim());
}

async function headBecomes(customer: Page, name: string | RegExp): Promise<void> {
  await customer.locator('.widget-head').getByRole('heading', { name }).waitFor();
}

describe('the main job in a real browser', function () {
  this.timeout(90_000);
  let browser: Browser;
  let data: string;
  let server: Program;
  const contexts: BrowserContext[] = [];
  const complaints: string[] = [];

  before(async function () {
    this.timeout(browserStartTimeoutMs);
    browser = await launchBrowser();
  });
  after(() => browser.close());

  beforeEach(async () => {
    complaints.length = 0;
    data = await mkdtemp(join(tmpdir(), 'handoff-browser-'));
    server = await startProgram(data);
  });
  afterEach(async () => {
    await Promise.all(contexts.splice(0).map((context) => context.close()));
    await server.stop();
    await rm(data, { recursive: true, force: true });
  });

  /** A window of one's own: nothing is shared with the others. */
  async function openWindow(): Promise<Page> {
    const context = await browser.newContext();
    contexts.push(context);
    const page = await context.newPage();
    page.on('console', (message) => {
      if (/Content Security Policy|no renderer/i.test(message.text())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    return page;
  }

  async function openCustomer(): Promise<Page> {
    const customer = await openWindow();
    await customer.goto(`${server.url}/`);
    await bubble(customer, 'Welcome').waitFor();
    return customer;
  }

  /** By the one-time link that the program printed when it started. */
  async function signIn(name: string): Promise<Page> {
    const printed = new RegExp(`${name}\\s+(http\\S+/console/\\?ticket=\\S+)`);
    // The links are printed right after the line that says where the program listens.
    for (let look = 0; look < 100 && !printed.test(server.output()); look++) await setTimeout(20);
    const link = printed.exec(server.output())?.[1];
    assert.ok(link, `no sign-in link for ${name} in:\n${server.output()}`);
    const page = await openWindow();
    await page.goto(link);
    await region(page, 'Offers').waitFor();
    assert.equal(new URL(page.url()).search, '', 'the ticket is not left in the address');
    return page;
  }

  /** Signing in makes a person available; whoever is busy takes what they like from the line. */
  async function becomeBusy(person: Page): Promise<void> {
    await person.getByLabel('Presence', { exact: true }).selectOption('busy');
    await person.getByText('You are busy', { exact: true }).waitFor();
  }

  it('goes from the bot to a person and back to the same bot, again to the person, and ends', async () => {
    const customer = await openCustomer();
    await headBecomes(customer, 'Demo Bot');
    await say(customer, 'hello');
    await bubble(customer, 'Echo: hello').waitFor();

    await say(customer, 'omnichannel CreditCard');
    await headBecomes(customer, 'Waiting – number 1 in line');
    const ana = await signIn('Ana');

    const offers = region(ana, 'Offers');
    await offers.getByText('BotHandoffTopic: CreditCard').waitFor();
    const left = await offers.getByRole('timer').textContent();
    assert.match(left ?? '', /^(2:00|1:5\d)$/, 'the offer counts down from two minutes');
    await button(ana, 'Accept').click();
    await bubble(ana, 'Echo: hello').waitFor();
    const context = region(ana, 'Context');
    await context.getByText('The customer asked the demo bot for a person about CreditCard.').waitFor();
    await context.getByText('BotHandoffTopic equals CreditCard (was CreditCard)').waitFor();
    await context.getByText(/^Ana chosen/).waitFor();
    assert.deepEqual(
      (await transcript(ana)).slice(0, 5),
      [
        'Welcome',
        'hello',
        'Echo: hello',
        'omnichannel CreditCard',
        'The customer asked the demo bot for a person about CreditCard.',
      ],
      'the person reads everything the bot and the customer said, and the private summary',
    );

    await headBecomes(customer, 'Ana');
    await say(ana, 'Hello, I am Ana.');
    await bubble(customer, 'Hello, I am Ana.').waitFor();
    await sendBox(ana).pressSequentially('I am', { delay: 20 });
    await customer.getByText('Ana is typing…').waitFor();
    await sendBox(ana).fill('');
    await sendBox(customer).pressSequentially('My', { delay: 20 });
    await ana.getByText(/^Visitor \w+ is typing…$/).waitFor();
    await say(customer, 'My card is lost.');
    await bubble(ana, 'My card is lost.').waitFor();
    await sendBox(ana).fill('sounds upset');
    await button(ana, 'Note').click();
    await ana.getByText('private note').waitFor();

    await button(ana, 'Return to bot').click();
    await headBecomes(customer, 'Demo Bot');
    await say(customer, 'back again');
    await bubble(customer, 'Echo: back again').waitFor();
    assert.equal(await bubble(customer, 'Welcome').count(), 1, 'the same bot does not greet again');

    await button(customer, 'human CreditCard').click();
    await button(ana, 'Accept').click();
    await headBecomes(customer, 'Ana');
    await bubble(ana, 'Echo: back again').waitFor();
    await say(ana, 'Goodbye.');
    await bubble(customer, 'Goodbye.').waitFor();
    await button(ana, 'End').click();
    await ana.getByText(/Wrap-up · 1[45]:\d\d left/).waitFor();
    await customer.getByText('Ana has left').waitFor();
    await button(ana, 'Close').click();
    await region(ana, 'Conversations').getByText('None open.').waitFor();
    await headBecomes(customer, 'Chat closed');

    const told = await transcript(customer);
    assert.ok(!told.some((text) => /asked the demo bot|sounds upset/.test(text)), told.join('\n'));
    assert.deepEqual(complaints, []);

    await button(customer, 'Start a new chat').click();
    await headBecomes(customer, 'Demo Bot');
    await bubble(customer, 'Welcome').waitFor();
    assert.equal(await bubble(customer, 'Goodbye.').count(), 0);
  });

  it('shows the same conversation after a reload and in a second tab, and both go on', async () => {
    const customer = await openCustomer();
    await say(customer, 'hello');
    await bubble(customer, 'Echo: hello').waitFor();
    await say(customer, 'human CreditCard');
    await headBecomes(customer, 'Waiting – number 1 in line');
    const before = await transcript(customer);

    await customer.reload();
    await headBecomes(customer, 'Waiting – number 1 in line');
    await bubble(customer, 'Echo: hello').waitFor();
    assert.deepEqual(await transcript(customer), before);

    const secondTab = await customer.context().newPage();
    await secondTab.goto(`${server.url}/`);
    await headBecomes(secondTab, 'Waiting – number 1 in line');
    assert.deepEqual(await transcript(secondTab), before);

    await button(secondTab, 'Leave the line').click();
    await headBecomes(secondTab, 'Demo Bot');
    await headBecomes(customer, 'Demo Bot');
    await say(secondTab, 'from the second tab');
    await bubble(customer, 'Echo: from the second tab').waitFor();
    assert.deepEqual(await transcript(customer), await transcript(secondTab));
    assert.deepEqual(complaints, []);
  });

  it('carries a file both ways, and what arrives is what was sent', async () => {
    const customer = await openCustomer();
    const ana = await signIn('Ana');
    await say(customer, 'human CreditCard');
    await button(ana, 'Accept').click();
    await headBecomes(customer, 'Ana');
    await sendBox(ana).waitFor();

    await upload(customer, { name: 'statement.txt', mimeType: 'text/plain', buffer: Buffer.from('42 in all') });
    const received = ana.getByRole('link', { name: /statement\.txt/ });
    await received.waitFor();
    const address = (await received.getAttribute('href')) ?? '';
    assert.equal(await (await ana.request.get(address)).text(), '42 in all');

    await upload(ana, { name: 'terms.txt', mimeType: 'text/plain', buffer: Buffer.from('the terms') });
    await customer.getByRole('link', { name: /terms\.txt/ }).waitFor();
    assert.deepEqual(complaints, []);
  });

  it('goes on by itself in both windows after the server was killed and started again', async () => {
    const customer = await openCustomer();
    const ana = await signIn('Ana');
    await say(customer, 'human CreditCard');
    await button(ana, 'Accept').click();
    await say(ana, 'Hello, I am Ana.');
    await bubble(customer, 'Hello, I am Ana.').waitFor();
    await sendBox(ana).fill('half a sent');

    await server.stop('SIGKILL');
    await ana.getByText('Connection lost.').waitFor();
    server = await startProgram(data, ['--demo', '--port', new URL(server.url).port]);

    await ana.getByText('Connection lost.').waitFor({ state: 'detached', timeout: RECONNECT_MS });
    await ana.getByText('Not connected.').waitFor({ state: 'detached', timeout: RECONNECT_MS });
    assert.equal(await sendBox(ana).inputValue(), 'half a sent');
    await enter(ana, 'half a sentence, now whole');
    await bubble(customer, 'half a sentence, now whole').waitFor({ timeout: RECONNECT_MS });
    await say(customer, 'I am still here');
    await bubble(ana, 'I am still here').waitFor({ timeout: RECONNECT_MS });
    assert.equal(await bubble(customer, 'Hello, I am Ana.').count(), 1, 'nothing is repeated');
    assert.equal(await head(customer).textContent(), 'Ana');
    assert.deepEqual(complaints, []);
  });

  it('works under every name of this machine', async () => {
    const elsewhere = server.url.replace('localhost', '127.0.0.1');
    const customer = await openWindow();
    await customer.goto(`${elsewhere}/`);
    await bubble(customer, 'Welcome').waitFor();
    await say(customer, 'human CreditCard');
    const ana = await openWindow();
    const link = customer.getByRole('navigation', { name: 'Console' }).getByRole('link', { name: 'Ana' });
    await ana.goto(`${elsewhere}${await link.getAttribute('href')}`);
    await button(ana, 'Accept').click();
    await say(ana, 'Hello from here.');
    await bubble(customer, 'Hello from here.').waitFor();
    assert.deepEqual(complaints, []);
  });

  it('says which address to use where the console is opened at another one than PUBLIC_URL', async () => {
    const opened = new URL(server.url).origin;
    await server.stop();
    server = await startProgram(data, ['--demo', '--port', new URL(opened).port], {
      PUBLIC_URL: 'https://desk.example',
    });
    const { out } = await handoff(['sign-in', 'ana', '--data', data]);
    const ana = await openWindow();
    await ana.goto(`${opened}${out}`);
    await region(ana, 'Offers').waitFor();
    const told = await ana.getByRole('alert').textContent();
    assert.match(told ?? '', /Open https:\/\/desk\.example\/console\/ instead/);
    assert.ok(told?.includes(`set PUBLIC_URL to ${opened} `), told ?? '');
  });

  it('lets one of two busy people pick from the line, and takes it off the list of the other', async () => {
    const [ana, ben] = [await signIn('Ana'), await signIn('Ben')];
    await Promise.all([becomeBusy(ana), becomeBusy(ben)]);
    const customer = await openCustomer();
    await say(customer, 'human CreditCard');
    await headBecomes(customer, 'Waiting – number 1 in line');
    const pickFor = (page: Page) => region(page, 'Queues').getByRole('button', { name: 'Pick', exact: true });
    await Promise.all([pickFor(ana).waitFor(), pickFor(ben).waitFor()]);
    await pickFor(ben).click();
    await headBecomes(customer, 'Ben');
    await pickFor(ana).waitFor({ state: 'detached' });
    assert.equal(await region(ana, 'Conversations').getByRole('listitem').count(), 0);
    assert.equal(await region(ben, 'Conversations').getByRole('listitem').count(), 1);
    await say(ben, 'Ben here.');
    await bubble(customer, 'Ben here.').waitFor();
  });
});
