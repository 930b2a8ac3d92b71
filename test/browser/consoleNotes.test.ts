/** The console's one box for messages and notes: what is for staff never reaches the customer, nor that it is typed. */
import assert from 'node:assert/strict';
import type { Page, Request } from 'playwright-core';
import type { FakePagesServer } from './fakePagesServer.js';
import { usePages } from './pages.js';

describe('the box of a chat in the console', function () {
  this.timeout(30_000);
  const pages = usePages();
  const { button, sendBox, bubble } = pages;
  let server: FakePagesServer;
  let page: Page;

  /** What was said, and whether it was for staff only. */
  const logged = () =>
    (server.directLine.logs.get('kim') ?? []).map(({ text, channelData }) => [
      text,
      Boolean((channelData?.['handoff'] as { audience?: string })?.audience),
    ]);

  beforeEach(async () => {
    ({ server, page } = pages);
    const kim = { id: 'dl_kim', name: 'Kim' };
    server.say('kim', { type: 'message', text: 'my card is lost', from: kim });
    const startedAt = new Date().toISOString();
    server.put({
      id: 'kim',
      phase: 'agent',
      agent: { id: 'ana', name: 'Ana' },
      epoch: 1,
      queue: 'CreditCardQueue',
      customer: kim,
      context: {},
      startedAt,
    });
    await page.goto(`${server.url}/console/`);
    await bubble('my card is lost').waitFor();
    await sendBox().waitFor();
  });

  it('sends a note to staff only and a message to the customer from the same box', async () => {
    await sendBox().fill('she sounds upset');
    await button('Note').click();
    await page.getByText('private note').waitFor();
    assert.equal(await sendBox().inputValue(), '');
    await sendBox().fill('I have blocked it.');
    // The bubble is there before the server has it.
    const posted = page.waitForResponse(/\/activities$/);
    await sendBox().press('Enter');
    await posted;
    await bubble('I have blocked it.').waitFor();
    assert.deepEqual(logged(), [
      ['my card is lost', false],
      ['she sounds upset', true],
      ['I have blocked it.', false],
    ]);
  });

  it('tells the customer nothing while a note is typed, and says so until the box is for messages again', async () => {
    const posted: unknown[] = [];
    const isPost = (request: Request) => request.method() === 'POST' && request.url().endsWith('/activities');
    const typeOf = (request: Request) => (request.postDataJSON() as { type?: string }).type;
    page.on('request', (request) => void (isPost(request) && posted.push(typeOf(request))));
    const box = page.getByPlaceholder('Private note');
    await button('Note').click();
    await box.waitFor();
    assert.equal(await button('Note').getAttribute('aria-pressed'), 'true');
    await box.pressSequentially('she sounds', { delay: 20 });
    await page.reload();
    await box.waitFor();
    assert.equal(await box.inputValue(), 'she sounds', 'half a note comes back as half a note');
    await box.press('End');
    await box.pressSequentially(' upset', { delay: 20 });
    await box.press('Enter');
    await page.getByText('private note').waitFor();
    assert.equal(await box.inputValue(), '');
    await box.fill('be careful');
    await button('Keep note').click();
    await page.getByText('private note').nth(1).waitFor();
    assert.deepEqual(posted, [], 'neither a message nor that anybody types');

    await button('Note').click();
    await page.getByPlaceholder('Type your message').waitFor();
    const typing = page.waitForRequest((request) => isPost(request) && typeOf(request) === 'typing');
    await sendBox().pressSequentially('I have', { delay: 20 });
    await typing;
    await sendBox().fill('I have blocked it.');
    const answered = page.waitForResponse(
      (response) => isPost(response.request()) && typeOf(response.request()) === 'message',
    );
    await sendBox().press('Enter');
    await answered;
    assert.deepEqual(logged(), [
      ['my card is lost', false],
      ['she sounds upset', true],
      ['be careful', true],
      ['I have blocked it.', false],
    ]);
  });
});
