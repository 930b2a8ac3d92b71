// `relay` in handoff.yaml: what it may say, and what it means.

import assert from 'node:assert/strict';
import { checkConfiguration, directoryOf, readConfiguration } from '../../src/config.js';
import { ConfigError } from '../../src/errors.js';

const ENTRA = 'https://login.microsoftonline.com';

function read(bot: string): ReturnType<typeof readConfiguration> {
  return readConfiguration(`bots:\n  - { id: shop, ${bot} }\nworkStreams:\n  - { id: teams }`);
}
const relayOf = (bot: string) => directoryOf(checkConfiguration(read(bot)), 1).bots['shop']?.relay;
const faults = (bot: string) => {
  try {
    read(bot);
    return [];
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.faults;
  }
};

describe('relay in handoff.yaml', () => {
  const endpoint = 'endpoint: https://shop.example/api/messages';
  const here = 'endpoint: http://127.0.0.1:3979/api/messages';
  const hub = "appId: app, auth: { issuer: hub, secret: '${S}' }";

  it('needs no credential where nobody authenticates', () => {
    assert.deepEqual(relayOf(`${here}, auth: none, relay: {}`), {});
    assert.deepEqual(relayOf(`${here}, auth: none, relay: { workStream: teams }`), { workStream: 'teams' });
  });

  it("takes the credential by which the hub calls the bot in the bot's own name", () => {
    const auth = "auth: { issuer: entra, tenantId: 11111111-2222-3333-4444-555555555555, secret: '${SHOP_SECRET}' }";
    assert.deepEqual(relayOf(`${endpoint}, appId: app, ${auth}, relay: {}`), {
      app: {
        clientId: 'app',
        tenantId: '11111111-2222-3333-4444-555555555555',
        authority: ENTRA,
        credential: { kind: 'secret', secret: 'SHOP_SECRET' },
      },
    });
  });

  it('has a credential of its own, of each kind', () => {
    const app = (credential: string) => relayOf(`${endpoint}, ${hub}, relay: { ${credential} }`)?.app;
    assert.deepEqual(app("secret: '${A}', tenantId: t"), {
      clientId: 'app',
      tenantId: 't',
      authority: ENTRA,
      credential: { kind: 'secret', secret: 'A' },
    });
    assert.deepEqual(app('certificateFile: app.pem')?.credential, { kind: 'certificate', file: 'app.pem' });
    const identity = app('managedIdentity: true, authority: https://login.microsoftonline.us/');
    assert.deepEqual(identity, {
      clientId: 'app',
      authority: 'https://login.microsoftonline.us',
      credential: { kind: 'managedIdentity' },
    });
  });

  const wrong: [why: string, bot: string, said: RegExp][] = [
    ['no credential', `${endpoint}, ${hub}, relay: {}`, /name a credential of the bot's app for its channels/],
    [
      'a skill host whose app is not the bot',
      `${endpoint}, appId: app, auth: { issuer: entra, as: skill, clientId: h, secret: '\${S}' }, relay: {}`,
      /name a credential of the bot's app/,
    ],
    [
      'two credentials',
      `${endpoint}, ${hub}, relay: { secret: '\${A}', managedIdentity: true }`,
      /name one credential/,
    ],
    ['a tenant alone', `${endpoint}, ${hub}, relay: { tenantId: t }`, /name the credential too/],
    ['a credential without an app', `${here}, auth: none, relay: { secret: '\${A}' }`, /name the appId of the bot/],
    ['a secret in the file', `${endpoint}, ${hub}, relay: { secret: hunter2 }`, /secrets are not kept here/],
    ['no endpoint', 'connect: inProcess, relay: {}', /belongs to a bot with an endpoint/],
    ['an unknown work stream', `${here}, auth: none, relay: { workStream: web }`, /there is no work stream "web"/],
  ];
  for (const [why, bot, said] of wrong)
    it(`says what to do about ${why}`, () => {
      assert.match(faults(bot).join('\n'), said);
    });
});
