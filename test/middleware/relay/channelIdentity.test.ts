// Whose word the relay takes: tokens as channels sign them, and everything that is almost one.

import assert from 'node:assert/strict';
import { generateKeyPair, type CryptoKey } from 'jose';
import type { Activity } from '../../../src/core/activity.js';
import { ChannelIdentity } from '../../../src/middleware/relay/channelIdentity.js';
import { AzureChannel } from '../../fakes/azureChannel.js';

describe("the channel's identity", function () {
  // The SDK is loaded first: 2 s on a busy machine.
  this.timeout(30_000);

  let channel: AzureChannel;
  let identity: ChannelIdentity;
  let stranger: CryptoKey;
  before(async () => {
    channel = await AzureChannel.start();
    identity = new ChannelIdentity(channel.appId, channel.settings);
    stranger = (await generateKeyPair('RS256')).privateKey;
  });
  after(() => channel.stop());

  /** The reason for which it is refused; undefined when it is believed. */
  async function reason(activity: Activity, authorization: string | undefined): Promise<string | undefined> {
    // The SDK prints what it does not believe.
    const { error } = console;
    console.error = () => undefined;
    try {
      await identity.require(activity, authorization);
      return undefined;
    } catch (refusal) {
      assert.deepEqual(
        [(refusal as { status?: number }).status, (refusal as { code?: string }).code],
        [401, 'Unauthorized'],
      );
      return (refusal as Error).message;
    } finally {
      console.error = error;
    }
  }
  const tokenWith = async (claims: Record<string, unknown>, key?: CryptoKey) => {
    const activity = channel.activity('hello');
    return { activity, bearer: `Bearer ${await channel.token(activity, claims, key)}` };
  };
  const nowS = () => Math.floor(Date.now() / 1_000);

  it("believes a token that the channel signed for this bot and this activity's serviceUrl", async () => {
    const { activity, bearer } = await tokenWith({});
    assert.equal(await reason(activity, bearer), undefined);
  });

  it('allows for clocks that are up to five minutes apart', async () => {
    const { activity, bearer } = await tokenWith({ exp: nowS() - 200 });
    assert.equal(await reason(activity, bearer), undefined);
  });

  const attacks: [name: string, claims: () => Record<string, unknown>, why: RegExp][] = [
    ['for another bot', () => ({ aud: '00000000-0000-0000-0000-00000000dead' }), /meant for another bot/],
    ['for another serviceUrl', () => ({ serviceurl: 'https://evil.example/' }), /serviceurl is not the activity's/],
    ['for no serviceUrl', () => ({ serviceurl: undefined }), /serviceurl is not the activity's/],
    [
      "of another tenant's app, as the Emulator shows it",
      () => ({ iss: 'https://sts.windows.net/evil/', ver: '1.0', appid: channel.appId }),
      /its issuer is not/,
    ],
    [
      'of another bot, as skills are called',
      () => ({ iss: 'https://login.microsoftonline.com/evil/v2.0', ver: '2.0', azp: 'dead' }),
      /its issuer is not/,
    ],
    ['that has ended', () => ({ nbf: nowS() - 4_000, exp: nowS() - 400 }), /expired/],
    ['that does not hold yet', () => ({ nbf: nowS() + 400, exp: nowS() + 4_000 }), /not active/],
  ];
  for (const [name, claims, why] of attacks)
    it(`refuses a token ${name}`, async () => {
      const { activity, bearer } = await tokenWith(claims());
      assert.match((await reason(activity, bearer)) ?? 'believed', why);
    });

  it('refuses a token that somebody else signed', async () => {
    const { activity, bearer } = await tokenWith({}, stranger);
    assert.match((await reason(activity, bearer)) ?? 'believed', /signature/);
  });

  it('refuses an unsigned token, half a token and none', async () => {
    const { activity, bearer } = await tokenWith({});
    const [, payload] = bearer.split('.');
    const unsigned = `${Buffer.from('{"alg":"none","kid":"channel"}').toString('base64url')}.${payload}.`;
    assert.match((await reason(activity, `Bearer ${unsigned}`)) ?? 'believed', /not valid/);
    for (const header of [undefined, '', 'Bearer', bearer.slice(0, 40), `Basic ${bearer}`, `${bearer} ${bearer}`])
      assert.notEqual(await reason(activity, header), undefined);
  });

  it('refuses an activity whose serviceUrl was changed on the way, and one without', async () => {
    const { activity, bearer } = await tokenWith({});
    assert.notEqual(await reason({ ...activity, serviceUrl: `${activity.serviceUrl}x` }, bearer), undefined);
    const { serviceUrl: _none, ...bare } = activity;
    const noClaim = `Bearer ${await channel.token(activity, { serviceurl: undefined })}`;
    assert.notEqual(await reason(bare as Activity, noClaim), undefined);
    for (const serviceUrl of ['', 'file:///etc/passwd', 'no address']) {
      const odd = { ...activity, serviceUrl };
      assert.notEqual(await reason(odd, `Bearer ${await channel.token(odd)}`), undefined);
    }
  });

  it('tells apart that the keys cannot be read: that is no fault of the caller', async () => {
    const nowhere = new ChannelIdentity(channel.appId, {
      ToBotFromChannelOpenIdMetadataUrl: 'http://127.0.0.1:9/v1/.well-known/openidconfiguration',
    });
    const { activity, bearer } = await tokenWith({});
    await assert.rejects(nowhere.require(activity, bearer), { code: 'DeliveryFailed', message: /could not be read/ });
  });
});
