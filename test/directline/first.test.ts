import assert from 'node:assert/strict';
import { openSite, type Site } from './site.js';

describe('a chat over Direct Line', () => {
  let site: Site;
  beforeEach(async () => {
    site = await openSite();
  });
  afterEach(() => site.close());

  it('shows the own message first, then the answer', async () => {
    const widget = await site.widget({ user: { id: 'dl_kim', name: 'Kim' } });
    const id = await widget.say('hello');
    const own = await widget.next('hello');
    assert.equal(own.id, id);
    await widget.next('Echo: hello');
  });
});
