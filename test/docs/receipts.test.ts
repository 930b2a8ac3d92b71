// docs/receipts.md: its configuration on a real hub gives the receipt it shows.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { openOffice, type Office } from '../console/office.js';
import { FunctionBot, handoff } from '../fakes/hub.js';
import { configurationIn } from './snippets.js';

const page = readFileSync(new URL('../../../docs/receipts.md', import.meta.url), 'utf8');

describe('docs/receipts.md', () => {
  let office: Office;
  beforeEach(async () => {
    const bot = new FunctionBot(({ type }) => (type === 'message' ? [handoff({ topic: 'card' })] : ['Welcome']));
    office = await openOffice({ configuration: configurationIn('receipts.md', 'receipts'), bot });
  });
  afterEach(() => office.close());

  it('shows the receipt of its configuration, in the list and alone', async () => {
    const shown = JSON.parse(/```json\n([\s\S]*?)\n```/.exec(page)?.[1] ?? '') as { seq: number };
    const id = await office.customerAsks();
    const ana = await office.as('ana');
    const { items } = (await ana.get(`/conversations/${id}/receipts`)).body as { items: { seq: number }[] };
    assert.deepEqual(items.at(-1), shown);
    assert.deepEqual((await ana.get(`/conversations/${id}/receipts/${shown.seq}`)).body, shown);
  });
});
