import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { jwtVerify, SignJWT } from 'jose';
import { TokenRefused, Tokens } from '../../src/hub/tokens.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { TestClock } from '../fakes/hub.js';

describe('tokens', () => {
  let directory: string;
  let store: SqliteStore;
  let clock: TestClock;
  let tokens: Tokens;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'handoff-tokens-'));
    store = new SqliteStore({ directory });
    await store.open();
  });
  after(async () => {
    await store.close();
    await rm(directory, { recursive: true, force: true });
  });
  beforeEach(async () => {
    clock = new TestClock();
    tokens = await Tokens.open(store, clock);
  });

  const refused = (why: 'expired' | 'invalid') => (error: unknown) =>
    error instanceof TokenRefused && error.why === why;

  it('gives back the claims it was made with, first and every further time', async () => {
    const token = await tokens.mintConversation({ conv: 'c1', user: 'dl_kim', name: 'Kim' });
    for (let time = 0; time < 2; time += 1) {
      const claims = await tokens.verifyConversation(token);
      assert.ok(claims.view === undefined);
      assert.deepEqual([claims.conv, claims.user, claims.name], ['c1', 'dl_kim', 'Kim']);
    }
  });

  it('is one of its kind only, also when it was checked before', async () => {
    const token = await tokens.mint('a', { n: 1 }, 60_000);
    await tokens.verify('a', token);
    await assert.rejects(tokens.verify('b', token), refused('invalid'));
    const [header, , signature] = token.split('.');
    const forged = Buffer.from(JSON.stringify({ n: 2, aud: 'a', nbf: 0, exp: 9e9 })).toString('base64url');
    await assert.rejects(tokens.verify('a', `${header}.${forged}.${signature}`), refused('invalid'));
  });

  it('ends to the second, also when it was checked before', async () => {
    const fresh = await tokens.mint('a', {}, 60_000);
    const checked = await tokens.mint('a', { n: 2 }, 60_000);
    clock.advance(59_000);
    await tokens.verify('a', checked);
    clock.advance(1_000);
    for (const token of [fresh, checked]) await assert.rejects(tokens.verify('a', token), refused('expired'));
  });

  it('is not taken for one of another kind, whether checked before or not', async () => {
    const call = await tokens.mintConversation({ conv: 'c1' });
    const stream = await tokens.mintStream({ conv: 'c1' });
    const person = await tokens.mint('person', { sub: 'ana' }, 60_000);
    for (let time = 0; time < 2; time += 1) {
      await tokens.verifyConversation(call);
      await tokens.verifyStream(stream);
      await tokens.verify('person', person);
      for (const token of [stream, person]) await assert.rejects(tokens.verifyConversation(token), refused('invalid'));
      for (const token of [call, person]) await assert.rejects(tokens.verifyStream(token), refused('invalid'));
      for (const token of [call, stream]) await assert.rejects(tokens.verify('person', token), refused('invalid'));
    }
  });

  it('is good in every process on the same store, and in none on another', async () => {
    const token = await tokens.mintConversation({ conv: 'c1' });
    await (await Tokens.open(store, clock)).verifyConversation(token);
    const secrets = new Map<string, string>();
    const other = await Tokens.open(
      {
        secret: (name, create) =>
          Promise.resolve(secrets.get(name) ?? (secrets.set(name, create()), secrets.get(name) as string)),
      },
      clock,
    );
    await assert.rejects(other.verifyConversation(token), refused('invalid'));
  });

  it('accepts no other algorithm, no missing end and no signature of somebody else’s key', async () => {
    const claims = { conv: 'c1', aud: 'directline', nbf: 0, exp: 4_000_000_000 };
    const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');
    const unsigned = `${encode({ alg: 'none' })}.${encode(claims)}.`;
    const key = Buffer.from('somebody else’s key, long enough for HS256');
    // As in our own tokens, so that nothing but what is tested is wrong.
    const header = { alg: 'HS256', typ: 'JWT' };
    const foreign = await new SignJWT(claims).setProtectedHeader(header).sign(key);
    const own = Buffer.from(await store.secret('tokenKey', () => ''), 'base64url');
    const endless = await new SignJWT({ conv: 'c1' })
      .setProtectedHeader(header)
      .setAudience('directline')
      .setNotBefore(0)
      .sign(own);
    const stronger = await new SignJWT(claims).setProtectedHeader({ alg: 'HS512' }).sign(own);
    for (const token of [unsigned, foreign, endless, stronger])
      await assert.rejects(tokens.verifyConversation(token), refused('invalid'));
  });

  it('is refused when a single character of it was changed', async () => {
    const good = await tokens.mintConversation({ conv: 'c1' });
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.constantFrom('A', 'b', '_', '.'), async (at, other) => {
        fc.pre(good[at] !== other);
        await assert.rejects(
          tokens.verifyConversation(good.slice(0, at) + other + good.slice(at + 1)),
          refused('invalid'),
        );
      }),
    );
  });

  it('refuses everything that is no token', async () => {
    const good = await tokens.mintConversation({ conv: 'c1' });
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string(),
          fc.nat(good.length - 1).map((at) => good.slice(0, at)),
        ),
        async (token) => {
          await assert.rejects(tokens.verifyConversation(token), refused('invalid'));
        },
      ),
    );
  });

  it('refuses a token without a conversation, or of a person without a name', async () => {
    for (const claims of [{}, { conv: 7 }, { conv: 'c1', view: 'staff' }]) {
      const token = await tokens.mint('directline', claims, 60_000);
      await assert.rejects(tokens.verifyConversation(token), refused('invalid'));
    }
  });

  it('are JWTs that others with the key can read', async () => {
    const token = await tokens.mint('somebody', { sub: 'ana' }, 60_000);
    const own = Buffer.from(await store.secret('tokenKey', () => ''), 'base64url');
    const { payload } = await jwtVerify(token, own, { audience: 'somebody', currentDate: new Date(clock.now()) });
    const nowS = Math.floor(clock.now() / 1_000);
    assert.deepEqual(payload, {
      sub: 'ana',
      nbf: nowS,
      exp: nowS + 60,
      iss: 'botframework-handoff',
      aud: 'somebody',
    });
  });
});
