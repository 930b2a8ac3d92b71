// Bots that Microsoft Entra vouches for: whose tokens are believed, with a tenant of our own in Entra's place.

import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { entraTokens } from '../../../src/connector/trust/entra.js';
import type { EntraCredential } from '../../../src/core/directory.js';
import { ConfigError } from '../../../src/errors.js';
import { FakeEntra, TENANT } from '../../fakes/entra.js';
import { makeCertificate } from '../../fakes/tlsFront.js';
import { APP_A, APP_B, bots, openTrust, SECRETS, type TrustSite } from './site.js';

const CHANNEL = 'https://api.botframework.com';
const PUBLIC_TENANT = 'd6d49420-f39b-4df7-a1dc-d59a935871db';
const HOUR_S = 3_600;

describe('bots that Microsoft Entra vouches for', function () {
  this.timeout(30_000);
  let entra: FakeEntra;
  let site: TrustSite;
  let conversation: string;
  before(async () => {
    entra = await FakeEntra.start();
    site = await openTrust(
      bots((bot) => ({
        issuer: 'entra',
        secret: '${TRUST_TEST_A}',
        authority: entra.url,
        // The second one is an app of many tenants.
        ...(bot === 'a' ? { tenantId: TENANT } : {}),
      })),
    );
  });
  after(async () => {
    await site.close();
    await entra.stop();
  });
  beforeEach(async () => {
    conversation = await site.conversationOf('a');
  });

  const nowS = () => Math.floor(site.clock.now() / 1_000);
  /** As version 1 of Entra's tokens, unless told otherwise. */
  const token = (claims: Record<string, unknown> = {}) =>
    entra.sign({
      iss: `https://sts.windows.net/${TENANT}/`,
      aud: CHANNEL,
      appid: APP_A,
      nbf: nowS(),
      exp: nowS() + HOUR_S,
      ...claims,
    });
  const status = async (one: string) => (await site.speak(conversation, one)).status;

  it('are believed by both versions of its tokens', async () => {
    assert.equal(await status(await token()), 200);
    assert.equal(await status(await token({ iss: `${entra.url}/${TENANT}/v2.0`, appid: undefined, azp: APP_A })), 200);
  });

  it('may be apps of many tenants', async () => {
    const inIts = await site.conversationOf('b');
    const speak = async (one: string) => (await site.speak(inIts, one)).status;
    const iss = `https://sts.windows.net/${PUBLIC_TENANT}/`;
    assert.equal(await speak(await token({ appid: APP_B, iss })), 200);
    assert.equal(await speak(await token({ appid: APP_B })), 401, 'but not of just any tenant');
  });

  const refused: [what: string, claims: () => Record<string, unknown>, status: number, reason: string][] = [
    ['of another bot', () => ({ appid: APP_B, iss: `https://sts.windows.net/${PUBLIC_TENANT}/` }), 403, ''],
    ['of an app that is no bot here', () => ({ appid: 'somebody' }), 401, 'issuer'],
    [
      'of another tenant',
      () => ({ iss: 'https://sts.windows.net/00000000-0000-0000-0000-000000000001/' }),
      401,
      'issuer',
    ],
    ['for another service', () => ({ aud: 'https://graph.microsoft.com' }), 401, 'audience'],
    ['for the bot itself', () => ({ aud: APP_A }), 401, 'audience'],
    ['that ended six minutes ago', () => ({ nbf: nowS() - 2 * HOUR_S, exp: nowS() - 360 }), 401, 'expired'],
    ['that begins in six minutes', () => ({ nbf: nowS() + 360 }), 401, 'notYetValid'],
  ];
  for (const [what, claims, expected, reason] of refused)
    it(`are not believed by a token ${what}`, async () => {
      const answer = await site.speak(conversation, await token(claims()));
      assert.equal(answer.status, expected, JSON.stringify(answer.body));
      assert.equal((answer.body as { error: { reason?: string } }).error.reason ?? '', reason);
    });

  it("are not believed by a token that somebody else signed in Entra's name", async () => {
    const stranger = await FakeEntra.start();
    try {
      const forged = await stranger.sign({
        iss: `https://sts.windows.net/${TENANT}/`,
        aud: CHANNEL,
        appid: APP_A,
        nbf: nowS(),
        exp: nowS() + HOUR_S,
      });
      assert.equal(await status(forged), 401);
    } finally {
      await stranger.stop();
    }
  });

  it('are asked to come again when the keys cannot be loaded', async () => {
    const away = await FakeEntra.start();
    const configuration = bots(() => ({
      issuer: 'entra',
      secret: '${TRUST_TEST_A}',
      authority: away.url,
      tenantId: TENANT,
    }));
    await away.stop();
    await site.hub.applyConfiguration(configuration, 'test');
    const answer = await site.speak(conversation, await token());
    assert.equal(answer.status, 502, JSON.stringify(answer.body));
    assert.match(JSON.stringify(answer.body), /keys .* cannot be loaded now/);
  });
});

describe("the hub's own credentials at Microsoft Entra", () => {
  let folder: string;
  before(async () => (folder = await mkdtemp(join(tmpdir(), 'handoff-entra-'))));
  after(() => rm(folder, { recursive: true, force: true }));

  const client = (credential: EntraCredential) => ({
    clientId: APP_A,
    authority: 'https://login.example.com',
    credential,
  });
  const faultOf = (credential: EntraCredential): string => {
    try {
      entraTokens(client(credential), { SET: SECRETS.a });
    } catch (error) {
      assert.ok(error instanceof ConfigError, String(error));
      return error.faults.join();
    }
    return '';
  };

  it('are read when the bot is connected, and what is missing is named', async () => {
    assert.equal(faultOf({ kind: 'secret', secret: 'SET' }), '');
    assert.match(faultOf({ kind: 'secret', secret: 'UNSET' }), /UNSET is not set/);
    assert.match(
      faultOf({ kind: 'certificate', file: join(folder, 'missing.pem') }),
      /missing\.pem cannot be used \(ENOENT/,
    );
    const { cert, key } = await makeCertificate(folder);
    const write = async (name: string, text: string) => {
      await writeFile(join(folder, name), text);
      return join(folder, name);
    };
    assert.equal(faultOf({ kind: 'certificate', file: await write('whole.pem', key + cert) }), '');
    assert.match(faultOf({ kind: 'certificate', file: await write('half.pem', cert) }), /half\.pem cannot be used/);
    const other = generateKeyPairSync('rsa', {
      modulusLength: 2_048,
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    }).privateKey;
    assert.match(
      faultOf({ kind: 'certificate', file: await write('mixed.pem', other + cert) }),
      /belongs to another certificate/,
    );
  });
});
