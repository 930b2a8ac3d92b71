// What Microsoft's own Web Chat, as published, makes of a bot's changes, deletions and live streams.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import type { Activity } from '../../src/core/activity.js';
import { browserStartTimeoutMs, launchBrowser } from '../fakes/browser.js';
import { openConnector, type ConnectorSite } from './site.js';

const WEB_CHAT = fileURLToPath(new URL('../../../node_modules/botframework-webchat/dist/webchat.js', import.meta.url));

describe('Web Chat and a bot that calls the Connector', function () {
  this.timeout(60_000);
  let browser: Browser;
  let site: ConnectorSite;
  let page: Page;
  let base: string;

  before(async function () {
    this.timeout(browserStartTimeoutMs);
    browser = await launchBrowser();
  });
  after(() => browser.close());

  beforeEach(async () => {
    const script = await readFile(WEB_CHAT);
    site = await openConnector({
      routes: (http) =>
        http.otherwise((request) =>
          request.path === '/webchat.js'
            ? { headers: { 'content-type': 'text/javascript; charset=utf-8' }, body: script }
            : { headers: { 'content-type': 'text/html; charset=utf-8' }, body: PAGE },
        ),
    });
    const { conversationId, token } = await site.start('dl_kim');
    base = `/conversations/${conversationId}/activities`;
    page = await browser.newPage();
    await page.goto(`${site.url}/?token=${token}`);
    // Live, before anything is shown that is only shown live.
    await said({ text: 'Here I am' });
    await bubble('Here I am').waitFor();
  });
  afterEach(async () => {
    await page.close();
    await site.close();
  });

  const bubble = (text: string) => page.locator('.webchat__bubble').getByText(text, { exact: true });
  const bubbles = () => page.locator('.webchat__bubble__content').allInnerTexts();

  async function said(activity: Partial<Activity>): Promise<string> {
    // Web Chat puts in order by time.
    site.clock.advance(1);
    const answer = await site.bots('POST', base, { from: { id: 'demo' }, ...activity });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return (answer.body as { id: string }).id;
  }

  it('shows the new text where the old one was, and no more what was taken back', async () => {
    const first = await said({ text: 'Looking it up' });
    const second = await said({ text: 'Wrong chat' });
    await said({ text: 'One moment' });
    await bubble('One moment').waitFor();
    await site.bots('PUT', `${base}/${first}`, { text: 'Found it' });
    await bubble('Found it').waitFor();
    assert.deepEqual(await bubbles(), ['Here I am', 'Found it', 'Wrong chat', 'One moment']);
    await site.bots('DELETE', `${base}/${second}`);
    await bubble('Wrong chat').waitFor({ state: 'detached' });
    assert.deepEqual(await bubbles(), ['Here I am', 'Found it', 'One moment']);
  });

  it('keeps messages in their places that were sent at once, when one of them changes', async () => {
    site.clock.advance(1);
    const { id = '' } = await site.state(base.split('/')[2] ?? '');
    const messages = ['one', 'two', 'three'].map((text) => ({ type: 'message', text }));
    const [first] = await site.hub.botSays(id, 'demo', messages);
    await bubble('three').waitFor();
    await site.hub.botEdits(id, 'demo', first?.id ?? '', { type: 'message', text: 'one, better' });
    await bubble('one, better').waitFor();
    assert.deepEqual(await bubbles(), ['Here I am', 'one, better', 'two', 'three']);
  });

  it('lets a streamed answer grow in one place until it is there', async () => {
    const piece = (streamType: string, streamSequence: number, streamId?: string) => ({
      entities: [{ type: 'streaminfo', streamType, streamSequence, ...(streamId === undefined ? {} : { streamId }) }],
    });
    const stream = await said({ type: 'typing', text: 'Thinking', ...piece('informative', 1) });
    await said({ type: 'typing', text: 'The', ...piece('streaming', 2, stream) });
    await bubble('The').waitFor();
    await said({ type: 'typing', text: 'The answer', ...piece('streaming', 3, stream) });
    await bubble('The answer').waitFor();
    assert.deepEqual(await bubbles(), ['Here I am', 'The answer']);
    await said({ text: 'The answer is 42.', ...piece('final', 4, stream) });
    await bubble('The answer is 42.').waitFor();
    await bubble('The answer').waitFor({ state: 'detached' });
    assert.deepEqual(await bubbles(), ['Here I am', 'The answer is 42.']);
  });
});

const PAGE = `<!doctype html><meta charset="utf-8"><title>Chat</title>
<div id="chat" style="height: 600px"></div>
<script src="/webchat.js"></script>
<script>
  const token = new URLSearchParams(location.search).get('token');
  const directLine = WebChat.createDirectLine({ domain: location.origin + '/v3/directline', token });
  WebChat.renderWebChat({ directLine }, document.getElementById('chat'));
</script>`;
