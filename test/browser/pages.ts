/** A page in a real browser and the stand-in server it shows, new for each test of the suite that asks for them. */
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { browserStartTimeoutMs, launchBrowser } from '../fakes/browser.js';
import { FakePagesServer } from './fakePagesServer.js';

const PAGES = fileURLToPath(new URL('../../../dist/web', import.meta.url));

export interface Pages {
  readonly server: FakePagesServer;
  readonly page: Page;
  readonly button: (name: string) => Locator;
  readonly region: (name: string) => Locator;
  readonly sendBox: () => Locator;
  readonly bubble: (text: string) => Locator;
}

export function usePages(): Pages {
  let browser: Browser;
  let server: FakePagesServer;
  let context: BrowserContext;
  let page: Page;
  before(async function () {
    this.timeout(browserStartTimeoutMs);
    browser = await launchBrowser();
  });
  after(() => browser.close());
  beforeEach(async () => {
    server = await new FakePagesServer(PAGES).start();
    context = await browser.newContext();
    page = await context.newPage();
  });
  afterEach(async () => {
    await context.close();
    await server.stop();
  });
  return {
    get server() {
      return server;
    },
    get page() {
      return page;
    },
    button: (name) => page.getByRole('button', { name, exact: true }),
    region: (name) => page.getByRole('region', { name, exact: true }),
    sendBox: () => page.getByRole('textbox', { name: 'Message input box' }),
    bubble: (text) => page.locator('.webchat__bubble').getByText(text, { exact: true }),
  };
}
