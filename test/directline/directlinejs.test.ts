// The published client, botframework-directlinejs, against this server: by socket and by polling.

import assert from 'node:assert/strict';
import { ConnectionStatus, DirectLine, type Activity as ClientActivity } from 'botframework-directlinejs';
import type { Grant } from '../fakes/widget.js';
import { FetchXmlHttpRequest, installBrowserGlobals } from '../fakes/browserGlobals.js';
import { openSite, SECRET, type Site } from './site.js';

/** A page with one client; what it shows and hears is kept. */
class Page {
  readonly seen: ClientActivity[] = [];
  readonly states: ConnectionStatus[] = [];
  failed: unknown;
  readonly client: DirectLine;
  readonly #subscriptions: { unsubscribe(): void }[];

  constructor(site: Site, { userId, ...options }: Record<string, unknown> & { userId?: string }) {
    this.client = new DirectLine({
      domain: `${site.url}/v3/directline`,
      pollingInterval: 200,
      timeout: 5_000,
      ...options,
      // Draws the wait before a reconnect, 3 to 15 s from 0 to 1: this is none.
      random: () => -0.25,
    } as ConstructorParameters<typeof DirectLine>[0]);
    if (userId !== undefined) this.client.setUserId(userId);
    this.#subscriptions = [
      this.client.connectionStatus$.subscribe((state) => this.states.push(state)),
      this.client.activity$.subscribe({
        next: (activity) => this.seen.push(activity),
        error: (error: unknown) => (this.failed = error),
      }),
    ];
  }

  get texts(): (string | undefined)[] {
    return this.seen.map((activity) => (activity as { text?: string }).text);
  }

  /** What the client says became of it: an id, or "retry". */
  post(activity: Record<string, unknown>): Promise<string> {
    return new Promise((resolve, reject) => {
      this.client
        .postActivity({ from: { id: 'dl_kim', name: 'Kim' }, ...activity } as unknown as ClientActivity)
        .subscribe({ next: resolve, error: reject });
    });
  }

  end(): void {
    this.client.end();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }
}

async function until(what: string, isSo: () => boolean, timeoutMs = 8_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`Waited ${timeoutMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('botframework-directlinejs', () => {
  let site: Site;
  let pages: Page[];
  let restore: () => void;
  before(() => {
    restore = installBrowserGlobals();
  });
  after(() => restore());
  beforeEach(async () => {
    site = await openSite();
    pages = [];
    FetchXmlHttpRequest.answered.length = 0;
  });
  afterEach(async () => {
    for (const page of pages) page.end();
    await site.close();
  });

  function openPage(options: ConstructorParameters<typeof Page>[1]): Page {
    const page = new Page(site, options);
    pages.push(page);
    return page;
  }

  const tokenFor = async (user: object = { id: 'dl_kim', name: 'Kim' }) =>
    (await site.call('POST', '/tokens/generate', { token: SECRET, body: { user } })).body as Grant;

  for (const webSocket of [true, false])
    describe(webSocket ? 'by socket' : 'by polling', () => {
      it('comes online, says something and hears the answer after its own echo', async () => {
        const { token } = await tokenFor();
        const page = openPage({ token, webSocket });
        await until('online', () => page.states.includes(ConnectionStatus.Online));
        const id = await page.post({ type: 'message', text: 'hello', channelData: { clientActivityID: 'abc' } });
        await until('the answer', () => page.texts.includes('Echo: hello'));
        assert.deepEqual(page.texts, ['hello', 'Echo: hello']);
        assert.equal(page.seen[0]?.id, id);
        assert.deepEqual(page.seen[0]?.channelData, { clientActivityID: 'abc' });
        assert.equal(page.seen[0]?.from.role, 'user');
      });

      it('sends a file: it comes back with an address the browser can read', async () => {
        const { token } = await tokenFor();
        const page = openPage({ token, webSocket });
        await until('online', () => page.states.includes(ConnectionStatus.Online));
        const text = 'häuser & gärten';
        const contentUrl = `data:text/plain;base64,${Buffer.from(text).toString('base64')}`;
        const id = await page.post({
          type: 'message',
          text: 'see this',
          attachments: [
            { contentType: 'text/plain', contentUrl, name: 'gärten.txt' },
            { contentType: 'text/plain', contentUrl, name: 'gärten.txt', thumbnailUrl: 'data:,x' },
          ],
        });
        await until('the echo', () => page.seen.some((activity) => activity.id === id));
        const echo = page.seen.find((activity) => activity.id === id) as ClientActivity & {
          attachments: { contentUrl: string; name: string; thumbnailUrl?: string }[];
        };
        assert.equal(echo.attachments.length, 2);
        assert.equal(echo.attachments[0]?.name, 'gärten.txt');
        assert.equal(echo.attachments[1]?.thumbnailUrl, 'data:,x');
        for (const attachment of echo.attachments) {
          const file = await fetch(attachment.contentUrl, { headers: { origin: 'https://shop.example' } });
          assert.equal(await file.text(), text);
        }
      });

      it('ends when the conversation is over, and can say nothing more', async () => {
        const { token } = await tokenFor();
        const page = openPage({ token, webSocket });
        await until('online', () => page.states.includes(ConnectionStatus.Online));
        await page.post({ type: 'endOfConversation' });
        await assert.rejects(page.post({ type: 'message', text: 'more' }), { status: 400 });
      });
    });

  it('starts with the secret and a user of its own, as the samples do', async () => {
    const page = openPage({ secret: SECRET, userId: 'kim', conversationStartProperties: { locale: 'zh-CN' } });
    await until('online', () => page.states.includes(ConnectionStatus.Online));
    await until('the welcome', () => site.bot.heard.some(({ type }) => type === 'conversationUpdate'));
    const update = site.bot.heard.find(({ type }) => type === 'conversationUpdate');
    assert.equal(update?.locale, 'zh-CN');
    assert.deepEqual((update?.['membersAdded'] as { id: string }[])[1]?.id, 'kim');
  });

  it('goes on after the server cut its socket, without loss or repeat', async function () {
    this.timeout(20_000);
    const { token } = await tokenFor();
    const page = openPage({ token });
    await until('online', () => page.states.includes(ConnectionStatus.Online));
    await page.post({ type: 'message', text: 'one' });
    await until('the answer', () => page.texts.length === 2);
    const before = FetchXmlHttpRequest.answered.length;
    site.cutConnections();
    await until('it is noticed', () => site.directLine.figures.open === 0);
    await site.hub.botSays((await site.store.list({}, 1)).items[0]?.id as string, 'demo', [
      { type: 'message', text: 'while away' },
    ]);
    await until('what was missed', () => page.texts.includes('while away'), 15_000);
    await page.post({ type: 'message', text: 'two' });
    await until('the answer', () => page.texts.includes('Echo: two'));
    assert.deepEqual(page.texts, ['one', 'Echo: one', 'while away', 'two', 'Echo: two']);
    assert.ok(
      FetchXmlHttpRequest.answered.slice(before).some((answer) => /^GET .*\/conversations\/\w+ 200$/.test(answer)),
      'it asked for a fresh stream',
    );
  });

  it('takes an old token for what it is, and goes on with a new one', async () => {
    const { token } = await tokenFor();
    const page = openPage({ token, webSocket: false });
    await until('online', () => page.states.includes(ConnectionStatus.Online));
    site.clock.advance(31 * 60_000);
    await until('expired', () => page.states.at(-1) === ConnectionStatus.ExpiredToken);
    assert.equal(await page.post({ type: 'message', text: 'too late' }), 'retry');
    const conversationId = page.client['conversationId'] as string;
    const { body } = await site.call('GET', `/conversations/${conversationId}`, { token: SECRET });
    page.client.reconnect(body as Parameters<DirectLine['reconnect']>[0]);
    assert.match(await page.post({ type: 'message', text: 'in time' }), /\|\d{7}$/);
    await until('the answer', () => page.texts.includes('Echo: in time'));
    assert.equal(page.texts.includes('too late'), false);
  });

  it('begins with a conversation id and a token, as a page that was reloaded does', async () => {
    const first = await site.start();
    const page = openPage({ token: first.token, conversationId: first.conversationId });
    await until('online', () => page.states.includes(ConnectionStatus.Online));
    await page.post({ type: 'message', text: 'back again' });
    await until('the answer', () => page.texts.includes('Echo: back again'));
  });

  it('begins with a conversation nobody started yet, too', async () => {
    const { token, conversationId } = await tokenFor();
    const page = openPage({ token, conversationId });
    await until('online', () => page.states.includes(ConnectionStatus.Online));
    await page.post({ type: 'message', text: 'hello' });
    await until('the answer', () => page.texts.includes('Echo: hello'));
  });
});
