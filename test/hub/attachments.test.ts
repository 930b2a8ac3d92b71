// Files in the store: one after another, under names that read as they are written.

import assert from 'node:assert/strict';
import { Attachments } from '../../src/hub/attachments.js';
import type { StoredAttachment } from '../../src/hub/ports.js';
import { TestClock } from '../fakes/hub.js';

describe('attachments', () => {
  const file = (name = 'a.txt') => ({ name, contentType: 'text/plain', bytes: Buffer.from('a') });

  it('go to disk one after another, so that messages need not wait for all of them, and one that fails stops no other', async () => {
    let [writing, most, written] = [0, 0, 0];
    const store = {
      async putAttachment(): Promise<void> {
        most = Math.max(most, (writing += 1));
        await new Promise((resolve) => setImmediate(resolve));
        writing -= 1;
        if ((written += 1) === 2) throw new Error('the disk is full');
      },
      getAttachment: () => Promise.resolve(undefined),
    };
    const attachments = new Attachments(store, new TestClock());
    const outcomes = await Promise.allSettled([1, 2, 3, 4].map(() => attachments.keep('c', file())));
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
    );
    assert.equal(most, 1);
  });

  it('have names that nobody reads backwards', async () => {
    const kept: StoredAttachment[] = [];
    const store = {
      putAttachment: (attachment: StoredAttachment) => Promise.resolve(void kept.push(attachment)),
      getAttachment: () => Promise.resolve(undefined),
    };
    const attachments = new Attachments(store, new TestClock());
    for (const name of ['invoice\u202efdp.exe', 'a\u2066b\u2069.png', '\u200f'])
      await attachments.keep('c', file(name));
    assert.deepEqual(
      kept.map(({ name }) => name),
      ['invoicefdp.exe', 'ab.png', 'file'],
    );
  });
});
