/** Why a conversation is where it is, in the console: a long rule set is shown in full to who asks for it. */
import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import type { FakePagesServer } from './fakePagesServer.js';
import { usePages } from './pages.js';

const RULES = 60;
const LISTED = 25;

/** Of as many rules none holds. */
function receipt(topic: string, rules: number) {
  return {
    seq: 2,
    kind: 'route',
    at: new Date().toISOString(),
    ruleSetVersion: 4,
    by: 'fallback',
    queue: 'CreditCardQueue',
    candidates: [],
    rules: Array.from({ length: rules }, (_none, index) => ({
      rule: index + 1,
      matched: false,
      conditions: [
        { variable: 'Topic', operator: 'equals', expected: `topic ${index + 1}`, actual: topic, result: false },
      ],
    })),
  };
}

describe('routing diagnostics in the console', function () {
  this.timeout(30_000);
  const pages = usePages();
  const { region } = pages;
  let server: FakePagesServer;
  let page: Page;

  const panel = () => region('Context');
  const more = () => panel().getByRole('button', { name: `Show ${RULES - LISTED} more rules that do not hold` });
  const rules = () => panel().getByText(/^✗ rule \d+$/);

  beforeEach(async () => {
    ({ server, page } = pages);
    for (const [id, name] of [
      ['kim', 'Kim'],
      ['lee', 'Lee'],
    ] as const) {
      server.receipts.set(id, [{ ...receipt(name, LISTED), omitted: RULES - LISTED }]);
      server.fullReceipts.set(`${id}/2`, receipt(name, RULES));
      server.put({
        id,
        phase: 'agent',
        agent: { id: 'ana', name: 'Ana' },
        epoch: 1,
        queue: 'CreditCardQueue',
        customer: { id: `dl_${id}`, name },
        context: {},
        startedAt: new Date().toISOString(),
      });
    }
    await page.goto(`${server.url}/console/`);
    await open('Kim');
  });

  async function open(name: string): Promise<void> {
    const conversations = region('Conversations');
    await conversations.getByRole('button', { name: new RegExp(`^${name}`) }).click();
    await panel().getByText(`Topic equals topic 1 (was ${name})`).waitFor();
  }

  it('show all rules to who asks, and fewer again, at the same button', async () => {
    assert.equal(await rules().count(), LISTED);
    await more().press('Enter');
    await panel().getByText('Topic equals topic 60 (was Kim)').waitFor();
    assert.deepEqual(
      await rules().allTextContents(),
      Array.from({ length: RULES }, (_none, index) => `✗ rule ${index + 1}`),
    );
    await page.keyboard.press('Enter');
    await more().waitFor();
    assert.equal(await rules().count(), LISTED);
  });

  it('show the rules of another conversation only when asked there, too', async () => {
    await more().click();
    await panel().getByText('Topic equals topic 60 (was Kim)').waitFor();
    await open('Lee');
    assert.equal(await rules().count(), LISTED);
    await more().click();
    await panel().getByText('Topic equals topic 60 (was Lee)').waitFor();
    assert.equal(await panel().getByText('(was Kim)').count(), 0);
  });

  it('say why rules are not shown', async () => {
    const omittedBecause = 'Version 4 of the configuration is not in the record any more.';
    server.fullReceipts.set('kim/2', { ...receipt('Kim', LISTED), omitted: RULES - LISTED, omittedBecause });
    await more().click();
    await panel().getByRole('status').getByText(`35 more rules do not hold. ${omittedBecause}`).waitFor();
    assert.equal(await more().count(), 0);
    assert.equal(await rules().count(), LISTED);
  });

  it('say what went wrong, and can be asked again', async () => {
    const message = 'The record cannot be read just now.';
    server.refusals.push({ path: '/receipts/2', status: 503, error: { code: 'storeUnavailable', message } });
    await more().click();
    await panel().getByRole('alert').getByText(message).waitFor();
    await more().click();
    await panel().getByText('Topic equals topic 60 (was Kim)').waitFor();
    assert.equal(await panel().getByRole('alert').count(), 0);
  });
});
