// The hub's signing keys: who signs when, who knows of it in time, and what becomes of a key that is revoked.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { KEY_OVERLAP_MS, KEY_PERIOD_MS, RECHECK_MS, SigningKeys } from '../../../src/connector/trust/keys.js';
import type { Grant } from '../../../src/hub/ports.js';
import { TestClock } from '../../fakes/hub.js';

const DAY_MS = 24 * 60 * 60_000;

/** Making a key takes a third of a second: periods take turns with a few. */
const pems = Array.from({ length: 6 }, () =>
  generateKeyPairSync('rsa', {
    modulusLength: 2_048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  }),
).map(({ privateKey }) => privateKey);

class MemoryKeys {
  readonly secrets = new Map<string, string>();
  readonly grants = new Map<string, Grant>();

  secret(name: string): Promise<string> {
    const period = Number(/^signingKey:(\d+)$/.exec(name)?.[1]);
    const pem = this.secrets.get(name) ?? (pems[period % pems.length] as string);
    this.secrets.set(name, pem);
    return Promise.resolve(pem);
  }
  putGrant(grant: Grant): Promise<void> {
    this.grants.set(`${grant.kind} ${grant.id}`, grant);
    return Promise.resolve();
  }
  getGrant(kind: string, id: string, at: number): Promise<Grant | undefined> {
    const grant = this.grants.get(`${kind} ${id}`);
    return Promise.resolve(grant !== undefined && grant.expiresAt > at ? grant : undefined);
  }
}

describe("the hub's signing keys", () => {
  const kids = async (keys: SigningKeys) => (await keys.published()).map(({ kid }) => kid);

  it('sign only after everybody who reads the list once a day has read of them', () =>
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 40 * DAY_MS }),
        fc.array(fc.integer({ min: 1, max: 20 * 60 }), { minLength: 5, maxLength: 40 }),
        async (startMs, stepsMinutes) => {
          const clock = new TestClock(Date.parse('2026-01-01T00:00:00Z') + startMs);
          const keys = new SigningKeys(new MemoryKeys(), clock);
          const lists: { at: number; kids: string[] }[] = [];
          for (const minutes of stepsMinutes) {
            const { kid } = await keys.signing();
            for (const list of lists) if (clock.now() - list.at <= DAY_MS) assert.ok(list.kids.includes(kid));
            lists.push({ at: clock.now(), kids: await kids(keys) });
            clock.advance(minutes * 60_000);
          }
        },
      ),
      { numRuns: 60 },
    ));

  it('take turns by themselves, and an old one is believed for as long as its tokens live', async () => {
    const clock = new TestClock(100 * KEY_PERIOD_MS + 5 * DAY_MS);
    const keys = new SigningKeys(new MemoryKeys(), clock);
    const first = await keys.signing();
    clock.advance(25 * DAY_MS);
    const second = await keys.signing();
    assert.notEqual(second.kid, first.kid);
    assert.notEqual(await keys.find(first.kid), undefined);
    clock.advance(KEY_OVERLAP_MS);
    assert.equal(await keys.find(first.kid), undefined);
    assert.equal((await keys.signing()).kid, second.kid);
  });

  it('are the same for every process on the same store', async () => {
    const clock = new TestClock();
    const store = new MemoryKeys();
    assert.deepEqual(await kids(new SigningKeys(store, clock)), await kids(new SigningKeys(store, clock)));
  });

  it('are named by as much of their beginning as no other has', async () => {
    const keys = new SigningKeys(new MemoryKeys(), new TestClock());
    const [first, second] = await keys.list();
    assert.ok(first !== undefined && second !== undefined);
    await assert.rejects(keys.revoke(''), { code: 'badCommand', message: /^Name the key/ });
    await assert.rejects(keys.revoke(`${first.kid}x`), { code: 'notFound' });
    let length = 1;
    while (second.kid.startsWith(first.kid.slice(0, length))) length += 1;
    const shared = first.kid.slice(0, length - 1);
    if (shared !== '')
      await assert.rejects(keys.revoke(shared), { code: 'badCommand', message: /Several signing keys begin with/ });
    await keys.revoke(first.kid.slice(0, length));
    assert.equal(await keys.find(first.kid), undefined);
    assert.ok((await keys.find(second.kid)) !== undefined);
  });

  it('are not believed once revoked, and one that everybody knows already signs in their place', async () => {
    const clock = new TestClock();
    const store = new MemoryKeys();
    const keys = new SigningKeys(store, clock);
    const elsewhere = new SigningKeys(store, clock);
    const known = await kids(elsewhere);
    const { kid } = await keys.signing();
    await keys.revoke(kid);
    assert.equal(await keys.find(kid), undefined);
    assert.ok(!(await kids(keys)).includes(kid));
    const { kid: next } = await keys.signing();
    assert.notEqual(next, kid);
    assert.ok(known.includes(next));
    assert.equal((await keys.published()).length, 2);

    clock.advance(RECHECK_MS);
    assert.equal(await elsewhere.find(kid), undefined);
    assert.equal((await elsewhere.signing()).kid, next);
    clock.advance(KEY_PERIOD_MS);
    assert.equal(await elsewhere.find(kid), undefined, 'nor is it believed later');
  });

  it('tell the world their public half and nothing more', async () => {
    const [key] = await new SigningKeys(new MemoryKeys(), new TestClock()).published();
    assert.deepEqual(Object.keys(key?.jwk ?? {}).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use']);
  });
});
