// `auth` of a bot in handoff.yaml: what is read, what is refused, and how the cure reads.

import assert from 'node:assert/strict';
import { checkConfiguration, configurationSchema, directoryOf } from '../../src/config.js';
import { ConfigError } from '../../src/errors.js';

const APP = '00000000-0000-0000-0000-0000000000aa';
const TENANT = '11111111-2222-3333-4444-555555555555';
const ENDPOINT = 'https://shop.example.com/api/messages';

const configured = (bot: Record<string, unknown>) =>
  checkConfiguration({ bots: [{ id: 'shop', ...bot }], workStreams: [{ id: 'web' }] });

function transportOf(bot: Record<string, unknown>) {
  return directoryOf(configured({ endpoint: ENDPOINT, ...bot }), 1).bots['shop']?.transport;
}

function faultsOf(bot: Record<string, unknown>): string {
  try {
    configured({ endpoint: ENDPOINT, ...bot });
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.faults.join('\n');
  }
  assert.fail(`should have been refused: ${JSON.stringify(bot)}`);
}

describe("a bot's authentication in handoff.yaml", () => {
  it('is none unless said otherwise', () => {
    const transport = { kind: 'http', endpoint: ENDPOINT, auth: 'none', delivery: 'normal' };
    assert.deepEqual(transportOf({}), transport);
    assert.deepEqual(transportOf({ auth: 'none' }), transport);
  });

  it('may be by the hub as issuer; only the name of the secret is kept', () => {
    assert.deepEqual(transportOf({ appId: APP, auth: { issuer: 'hub', secret: '${SHOP_SECRET}' } }), {
      kind: 'http',
      endpoint: ENDPOINT,
      appId: APP,
      auth: { issuer: 'hub', style: 'channel', tenant: 'hub', secret: 'SHOP_SECRET' },
      delivery: 'normal',
    });
    const tenant = transportOf({
      appId: APP,
      auth: { issuer: 'hub', style: 'tenant', tenant: 'shop', secret: '${S}' },
    });
    assert.deepEqual((tenant as { auth: unknown }).auth, {
      issuer: 'hub',
      style: 'tenant',
      tenant: 'shop',
      secret: 'S',
    });
  });

  it("may be by Microsoft Entra, with the bot's credentials or the hub's", () => {
    const authOf = (auth: unknown) => (transportOf({ appId: APP, auth }) as { auth: unknown }).auth;
    const authority = 'https://login.microsoftonline.com';
    assert.deepEqual(authOf({ issuer: 'entra', secret: '${S}' }), {
      issuer: 'entra',
      as: 'bot',
      clientId: APP,
      authority,
      credential: { kind: 'secret', secret: 'S' },
    });
    assert.deepEqual(
      authOf({ issuer: 'entra', as: 'skill', clientId: 'hubs', tenantId: TENANT, managedIdentity: true }),
      {
        issuer: 'entra',
        as: 'skill',
        clientId: 'hubs',
        tenantId: TENANT,
        authority,
        credential: { kind: 'managedIdentity' },
      },
    );
    assert.deepEqual(
      authOf({ issuer: 'entra', certificateFile: 'shop.pem', authority: 'https://login.microsoftonline.us/' }),
      {
        issuer: 'entra',
        as: 'bot',
        clientId: APP,
        authority: 'https://login.microsoftonline.us',
        credential: { kind: 'certificate', file: 'shop.pem' },
      },
    );
  });

  const refused: [what: string, bot: Record<string, unknown>, words: RegExp][] = [
    ['an app id without a way', { appId: APP }, /bots\[1\]\.auth: a bot with an appId authenticates: say how/],
    ['a way without an app id', { auth: { issuer: 'hub', secret: '${S}' } }, /appId: name the Microsoft app id/],
    ['another word', { auth: 'basic' }, /auth: write none .*, \{issuer: hub, …\} or \{issuer: entra, …\}/],
    ['another issuer', { appId: APP, auth: { issuer: 'google' } }, /auth: .*hub or entra/],
    ['a misspelt field', { appId: APP, auth: { issuer: 'hub', secrets: '${S}' } }, /"secrets"/],
    [
      'a secret in the file',
      { appId: APP, auth: { issuer: 'hub', secret: 'pssst-pssst-pssst' } },
      /secret: secrets are not kept here: write \$\{NAME\}/,
    ],
    [
      'the hub as issuer without a secret',
      { appId: APP, auth: { issuer: 'hub' } },
      /auth\.secret: name the secret .* or set delivery: expectReplies/,
    ],
    [
      'two credentials',
      { appId: APP, auth: { issuer: 'entra', secret: '${S}', certificateFile: 'a' } },
      /name one credential/,
    ],
    ['no credential', { appId: APP, auth: { issuer: 'entra' } }, /name one credential/],
    [
      'a skill without an app of the hub',
      { appId: APP, auth: { issuer: 'entra', as: 'skill', secret: '${S}' } },
      /clientId/,
    ],
    [
      'a tenant by its domain',
      { appId: APP, auth: { issuer: 'entra', tenantId: 'a.onmicrosoft.com', secret: '${S}' } },
      /tenantId: use the tenant's id/,
    ],
    [
      'a public address without authentication',
      { endpoint: 'http://192.0.2.1/api/messages', auth: 'none' },
      /endpoint: is a public address/,
    ],
    [
      'an address without a scheme',
      { endpoint: 'shop.example.com', auth: 'none' },
      /endpoint: write an address that begins with https/,
    ],
    [
      'authentication of a bot without an endpoint',
      { endpoint: undefined, connect: 'inProcess', auth: 'none' },
      /auth: belongs to a bot with an endpoint/,
    ],
  ];
  for (const [what, bot, words] of refused)
    it(`refuses ${what}`, () => {
      const faults = faultsOf(bot);
      assert.match(faults, words);
      assert.ok(!faults.includes('pssst'), 'a secret is never repeated');
    });

  it('needs no secret for a bot that answers in the response', () => {
    assert.equal(
      (transportOf({ appId: APP, auth: { issuer: 'hub' }, delivery: 'expectReplies' }) as { delivery: string })
        .delivery,
      'expectReplies',
    );
  });

  it('is in the JSON Schema for editors', () => {
    const schema = JSON.stringify(configurationSchema());
    for (const word of ['certificateFile', 'managedIdentity', '"tenant"', '"hub"', '"entra"'])
      assert.ok(schema.includes(word), word);
  });
});
