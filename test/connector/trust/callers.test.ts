// Who is believed to be a bot: its own token in its own conversation, and nothing else that anybody could think of.

import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { decodeJwt, SignJWT, UnsecuredJWT } from 'jose';
import { SigningKeys, type SigningKey } from '../../../src/connector/trust/keys.js';
import { request } from '../../fakes/request.js';
import { APP_A, APP_B, openTrust, SECRETS, type TrustSite } from './site.js';

const MINUTE_S = 60;
const CONNECTOR = 'https://api.botframework.com';

describe('bots that the hub gives tokens to', () => {
  let site: TrustSite;
  let conversation: string;
  let own: SigningKey;
  let stranger: { publicKey: KeyObject; privateKey: KeyObject };
  before(async function () {
    this.timeout(30_000);
    stranger = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    site = await openTrust();
    own = await new SigningKeys(site.hub.store, site.clock).signing();
  });
  beforeEach(async () => {
    conversation = await site.conversationOf('a');
  });
  after(() => site.close());

  const nowS = () => Math.floor(site.clock.now() / 1_000);
  const saidByBots = async () =>
    (await site.hub.entries(conversation, 0, 100)).filter(({ event }) => event.by.role === 'bot').length;

  async function expectRefused(token: string | undefined, status: number, reason: string): Promise<void> {
    const before = await site.metric(reason);
    const answer = await site.speak(conversation, token);
    assert.equal(answer.status, status, JSON.stringify(answer.body));
    const { error } = answer.body as { error: { code: string; message: string } };
    assert.equal(error.code, status === 401 ? 'Unauthorized' : 'Forbidden');
    assert.match(error.message, /\. [A-Z]|: /, 'what is wrong, and what to do');
    if (token !== undefined) assert.ok(!JSON.stringify(answer).includes(token), 'a token is never repeated');
    assert.equal(await site.metric(reason), before + 1, `counted as ${reason}`);
    assert.equal(await saidByBots(), 0);
  }

  /** What bot a's token says, but for `claims`, signed with the hub's own key unless told otherwise. */
  function token(
    claims: Record<string, unknown> = {},
    { key = own.privateKey, header = {} }: { key?: KeyObject | Uint8Array; header?: Record<string, unknown> } = {},
  ): Promise<string> {
    const issued = nowS();
    const issuer = `${site.url}/hub/v2.0`;
    const usual = { iss: issuer, aud: CONNECTOR, appid: APP_A, azp: APP_A, nbf: issued, exp: issued + 60 * MINUTE_S };
    const all = Object.entries({ ...usual, ...claims }).filter(([, value]) => value !== undefined);
    return new SignJWT(Object.fromEntries(all)).setProtectedHeader({ alg: 'RS256', kid: own.kid, ...header }).sign(key);
  }

  it('speak in their own conversations', async () => {
    const issued = await site.tokenOf('a');
    assert.deepEqual(
      Object.keys(decodeJwt(issued)).sort(),
      Object.keys(decodeJwt(await token()))
        .concat('iat', 'tid', 'ver')
        .sort(),
    );
    for (const one of [issued, await token()]) assert.equal((await site.speak(conversation, one)).status, 200);
    assert.equal(await saidByBots(), 2);
  });

  it('do not speak in those of others', async () => {
    assert.equal((await site.speak(conversation, await site.tokenOf('b'))).status, 403);
    assert.equal(await saidByBots(), 0);
  });

  it('say who they are, also on this machine', () => expectRefused(undefined, 401, 'noToken'));

  const refused: [what: string, make: () => Promise<string> | string, reason: string, status?: number][] = [
    ['that is no token', () => 'open-sesame', 'malformed'],
    [
      'that nobody signed',
      () =>
        new UnsecuredJWT({ iss: `${site.url}/hub/v2.0`, aud: CONNECTOR, appid: APP_A })
          .setExpirationTime('1h')
          .encode(),
      'algorithm',
    ],
    [
      'that is signed with the public key as if it were a shared secret',
      () =>
        token(
          {},
          {
            key: new TextEncoder().encode(own.publicKey.export({ type: 'spki', format: 'pem' }) as string),
            header: { alg: 'HS256' },
          },
        ),
      'algorithm',
    ],
    ['of a widget', () => site.widgetToken(), 'algorithm'],
    ["that a stranger signed in our key's name", () => token({}, { key: stranger.privateKey }), 'signature'],
    ['of a key that is not ours', () => token({}, { key: stranger.privateKey, header: { kid: 'another' } }), 'key'],
    ['without the name of a key', () => token({}, { header: { kid: undefined } }), 'key'],
    ['of another issuer', () => token({ iss: 'https://chat.example.com/hub/v2.0' }), 'issuer'],
    ['of another tenant', () => token({ iss: `${site.url}/elsewhere/v2.0` }), 'issuer'],
    [
      'that the hub itself shows to the bot',
      () => token({ iss: CONNECTOR, aud: APP_A, serviceurl: `${site.url}/` }),
      'issuer',
    ],
    ['for somebody else', () => token({ aud: APP_A }), 'audience'],
    ['that ended six minutes ago', () => token({ nbf: nowS() - 66 * MINUTE_S, exp: nowS() - 6 * MINUTE_S }), 'expired'],
    ['that begins in six minutes', () => token({ nbf: nowS() + 6 * MINUTE_S }), 'notYetValid'],
    ['that never ends', () => token({ exp: undefined }), 'claims'],
    ['of no app', () => token({ appid: undefined }), 'claims'],
    ['of an app that is no bot here', () => token({ appid: 'somebody', azp: 'somebody' }), 'bot', 403],
  ];
  for (const [what, make, reason, status = 401] of refused)
    it(`are not believed by a token ${what}`, async () => expectRefused(await make(), status, reason));

  it('may have a clock that is a little wrong', async () => {
    for (const claims of [{ nbf: nowS() - 64 * MINUTE_S, exp: nowS() - 4 * MINUTE_S }, { nbf: nowS() + 4 * MINUTE_S }])
      assert.equal((await site.speak(conversation, await token(claims))).status, 200);
  });

  it('are not believed by a token that was good before it ended', async () => {
    const issued = await site.tokenOf('a');
    assert.equal((await site.speak(conversation, issued)).status, 200);
    conversation = await site.conversationOf('a');
    site.clock.advance(66 * MINUTE_S * 1_000);
    await expectRefused(issued, 401, 'expired');
  });

  describe('get their tokens', () => {
    const form = (fields: Record<string, string>) => ({
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(fields).toString(),
    });
    const right = {
      grant_type: 'client_credentials',
      client_id: APP_A,
      client_secret: SECRETS.a,
      scope: `${CONNECTOR}/.default`,
    };
    const ask = (fields: Record<string, string> = {}, tenant = 'hub') =>
      request('POST', `${site.url}/${tenant}/oauth2/v2.0/token`, form({ ...right, ...fields }));
    const askIdentity = (query: Record<string, string>, secret?: string) =>
      request('GET', `${site.url}/msi/token?${new URLSearchParams(query).toString()}`, {
        headers: secret === undefined ? {} : { 'x-identity-header': secret },
      });

    it('by a client secret', async () => {
      const { status, body, headers } = await ask();
      assert.equal(status, 200);
      assert.equal(headers['cache-control'], 'no-store');
      const { access_token, token_type, expires_in } = body as Record<string, unknown>;
      assert.deepEqual([token_type, expires_in], ['Bearer', 3_600]);
      assert.equal((await site.speak(conversation, String(access_token))).status, 200);
    });

    it("not by another bot's secret, none, or for another resource", async () => {
      const wrong: [Awaited<ReturnType<typeof ask>>, number, string][] = [
        [await ask({ client_secret: SECRETS.b }), 401, 'invalid_client'],
        [await ask({ client_secret: '' }), 401, 'invalid_client'],
        [await ask({ client_id: 'nobody' }), 401, 'invalid_client'],
        [await ask({ scope: `${APP_A}/.default` }), 400, 'invalid_scope'],
        [await ask({ grant_type: 'password' }), 400, 'unsupported_grant_type'],
      ];
      for (const [{ status, body }, expected, error] of wrong) {
        assert.equal(status, expected, JSON.stringify(body));
        assert.equal((body as { error: string }).error, error);
      }
      assert.equal((await ask({}, 'elsewhere')).status, 404);
      assert.ok((await site.metric('secret')) >= 3);
    });

    it('as a managed identity, and not by a wrong header', async () => {
      const query = { 'api-version': '2019-08-01', resource: CONNECTOR, client_id: APP_A };
      const { status, body } = await askIdentity(query, SECRETS.a);
      assert.equal(status, 200);
      const { expires_on, resource } = body as { expires_on: string; resource: string };
      assert.deepEqual([Number(expires_on), resource], [nowS() + 3_600, CONNECTOR]);
      assert.equal((await askIdentity(query)).status, 401);
      assert.equal((await askIdentity(query, SECRETS.b)).status, 401);
      assert.equal((await askIdentity(query, `${SECRETS.a} `.trimEnd().slice(0, -1))).status, 401);
      assert.equal((await askIdentity({ ...query, client_id: '' }, SECRETS.a)).status, 401);
      assert.equal((await askIdentity({ ...query, resource: 'https://graph.microsoft.com' }, SECRETS.a)).status, 400);
    });
  });

  describe('that fail again and again', () => {
    const guess = (path: string, appId: string, secret: string) =>
      path === 'form'
        ? request('POST', `${site.url}/hub/oauth2/v2.0/token`, {
            headers: { 'content-type': 'application/x-www-form-urlencoded' },
            body: new URLSearchParams({
              grant_type: 'client_credentials',
              client_id: appId,
              client_secret: secret,
              scope: `${CONNECTOR}/.default`,
            }).toString(),
          })
        : request('GET', `${site.url}/msi/token?resource=${CONNECTOR}&client_id=${appId}`, {
            headers: { 'x-identity-header': secret },
          });
    const guessUntilRefused = async (make: () => Promise<{ status: number }>, most: number) => {
      for (let guesses = 0; guesses <= most; guesses += 1) {
        const answer = await make();
        if (answer.status === 429) return { guesses, answer };
        assert.equal(answer.status, 401);
      }
      throw new Error(`not refused after ${most} guesses`);
    };
    beforeEach(() => site.clock.advance(10 * MINUTE_S * 1_000));

    for (const path of ['form', 'identity'])
      it(`wait for their next attempt to get a token (${path})`, async () => {
        const { guesses, answer } = await guessUntilRefused(() => guess(path, APP_A, 'wrong'), 20);
        assert.equal(guesses, 20);
        const { headers, body } = answer as Awaited<ReturnType<typeof guess>>;
        assert.equal(headers['retry-after'], '3');
        assert.equal((body as { error: { code: string } }).error.code, 'TooManyRequests');
        assert.equal((await guess(path, APP_A, SECRETS.a)).status, 200, 'the bot itself is not refused for it');
        assert.equal((await guess(path, APP_A, 'wrong')).status, 429, 'nor does it get others further attempts');
        assert.equal((await guess(path, APP_B, 'wrong')).status, 401, 'the other bot at this address goes on');
        assert.equal((await guess(path, APP_B, SECRETS.b)).status, 200);
        site.clock.advance(3_000);
        assert.equal((await guess(path, APP_A, 'wrong')).status, 401);
        assert.equal((await guess(path, APP_A, 'wrong')).status, 429);
      });

    it('get no further attempts by inventing app ids', async () => {
      let id = 0;
      const { guesses } = await guessUntilRefused(() => guess('form', `invented${(id += 1)}`, 'wrong'), 20);
      assert.equal(guesses, 20);
    });

    it('get their tokens as often as they ask while the secret is right', async () => {
      for (let asked = 0; asked < 50; asked += 1) assert.equal((await guess('form', APP_A, SECRETS.a)).status, 200);
    });

    it('are slowed when their tokens are wrong, and right tokens are believed meanwhile, old and new', async () => {
      const issued = await site.tokenOf('a');
      assert.equal((await site.speak(conversation, issued)).status, 200);
      const forged = await token({}, { key: stranger.privateKey });
      const { guesses } = await guessUntilRefused(() => site.speak(conversation, forged), 100);
      assert.equal(guesses, 100);
      assert.ok((await site.metric('tooMany')) > 0);
      assert.equal((await site.speak(conversation, issued)).status, 200);
      site.clock.advance(1_000);
      const fresh = await site.tokenOf('a');
      assert.notEqual(fresh, issued);
      assert.equal((await site.speak(conversation, forged)).status, 401);
      assert.equal((await site.speak(conversation, forged)).status, 429);
      assert.equal((await site.speak(conversation, fresh)).status, 200);
      const ofAnother = await site.tokenOf('b');
      assert.equal((await site.speak(await site.conversationOf('b'), ofAnother)).status, 200);
    });
  });

  it('read where the keys are, and nothing secret', async () => {
    const read = async (path: string) => (await request('GET', `${site.url}${path}`)).body as Record<string, unknown>;
    const channel = await read('/v1/.well-known/openidconfiguration');
    assert.equal(channel['issuer'], CONNECTOR);
    assert.equal(channel['jwks_uri'], `${site.url}/v1/.well-known/keys`);
    const tenant = await read('/hub/v2.0/.well-known/openid-configuration');
    assert.equal(tenant['issuer'], `${site.url}/hub/v2.0`);
    assert.equal(tenant['token_endpoint'], `${site.url}/hub/oauth2/v2.0/token`);
    const keys = await read('/v1/.well-known/keys');
    assert.deepEqual(await read('/hub/discovery/v2.0/keys'), keys);
    for (const key of keys['keys'] as object[])
      assert.deepEqual(Object.keys(key).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use']);
  });

  it('are not believed by a key that was revoked, not even by a token that was taken before', async () => {
    const issued = await site.tokenOf('a');
    assert.equal((await site.speak(conversation, issued)).status, 200);
    conversation = await site.conversationOf('a');
    await site.hub.signingKeys.revoke(own.kid);
    await expectRefused(issued, 401, 'key');
    const { keys } = (await request('GET', `${site.url}/v1/.well-known/keys`)).body as { keys: { kid: string }[] };
    assert.ok(!keys.some(({ kid }) => kid === own.kid));
    assert.equal((await site.speak(conversation, await site.tokenOf('a'))).status, 200, 'a new token is good');
  });
});
