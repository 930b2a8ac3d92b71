// Calls to a channel: whose token they show, where they may lead, and what is tried again.

import assert from 'node:assert/strict';
import {
  ChannelHttp,
  type ChannelRefused,
  addressIn,
  requireTaken,
} from '../../../src/middleware/relay/channelHttp.js';
import { AzureChannel } from '../../fakes/azureChannel.js';

describe('calls to a channel', () => {
  let channel: AzureChannel;
  let http: ChannelHttp;
  let asked: (string | undefined)[];
  let tokens: string[];
  beforeEach(async () => {
    channel = await AzureChannel.start();
    asked = [];
    tokens = ['one', 'two'];
    http = new ChannelHttp((refused) => {
      asked.push(refused);
      const [token, ...rest] = tokens;
      if (refused !== undefined && rest.length > 0) tokens = rest;
      return Promise.resolve(refused === undefined ? token : tokens[0]);
    });
  });
  afterEach(async () => {
    http.close();
    await channel.stop();
  });

  const get = (url: string) => http.call(channel.serviceUrl, { method: 'GET', url });

  it("show the bot's token, and a fresh one when the first is refused", async () => {
    channel.answers.set('GET /v3/x', { status: 401, body: {} });
    assert.equal((await get('/v3/x')).status, 401);
    assert.deepEqual(
      channel.calls.map(({ token }) => token),
      ['one', 'two'],
    );
    assert.deepEqual(asked, [undefined, 'one']);
  });

  it('are not repeated when there is no other token', async () => {
    tokens = ['only'];
    channel.answers.set('GET /v3/x', { status: 401, body: {} });
    await get('/v3/x');
    assert.equal(channel.calls.length, 1);
  });

  it('wait for a later try when there is no token', async () => {
    const without = new ChannelHttp(() => Promise.reject(new Error('Entra is down')));
    await assert.rejects(without.call(channel.serviceUrl, { method: 'GET', url: '/v3/x' }), {
      code: 'DeliveryFailed',
      retry: true,
      message: /Entra is down/,
    });
    assert.deepEqual(channel.calls, []);
    without.close();
  });

  it('say whether the channel can have got it', async () => {
    await assert.rejects(http.call('http://127.0.0.1:9/', { method: 'POST', url: '/v3/x' }), { retry: true });
    for (const [status, retry] of [
      [429, true],
      [503, true],
      [500, false],
      [403, false],
    ] as const) {
      channel.answers.set('GET /v3/x', { status, body: { error: { code: 'Nope' } } });
      const answer = await get('/v3/x');
      assert.throws(
        () => requireTaken(answer),
        (error: ChannelRefused) => error.retry === retry && error.message === `The channel answered ${status} Nope.`,
      );
    }
  });

  it("never lead out of the channel's own address", () => {
    const base = 'https://smba.example/amer/';
    const inside = {
      url: '/v3/conversations/a%2Fb/members?x=1',
      href: 'https://smba.example/amer/v3/conversations/a%2Fb/members?x=1',
    };
    assert.equal(addressIn(base, inside.url).href, inside.href);
    const outside = [
      '/../admin',
      '/v3/../../emea/v3/x',
      '@evil.example/v3/x',
      '.evil.example/v3/x',
      '/%2e%2e/%2e%2e/v3',
      '//evil.example/v3',
      '/x',
    ];
    for (const url of outside) assert.throws(() => addressIn(base, url), { code: 'DeliveryFailed' }, url);
  });

  it('go to the path that was judged, and to none that it turns into', () => {
    const base = 'https://smba.example/amer';
    const turning = [
      '/v3/batch/../conversations/a:kim/activities',
      '/v3/conversations/a:kim/members/%2E%2e/activities/1',
      '/v3/conversations/a:kim/members/.%2e/activities/1',
      '/v3/conversations/a:kim/members/..',
      '/v3/batch/..\\conversations/a:kim/activities',
      '/v3/./conversations',
      '/v3/conversations/a:kim/activities/1#/members/x',
    ];
    for (const url of turning) assert.throws(() => addressIn(base, url), { code: 'DeliveryFailed' }, url);
    for (const url of ['/v3/conversations/a..b/members/...', '/v3/teams/x?next=/../y#'])
      assert.equal(addressIn(base, url).pathname, `/amer${url.split('?')[0]}`);
  });

  it('take no file that is too large or comes from elsewhere by redirection', async () => {
    channel.answers.set('GET /v3/big', { status: 200, body: Buffer.alloc(2_000), type: 'image/png' });
    channel.answers.set('GET /v3/moved', { status: 302, body: {} });
    const url = (path: string) => new URL(`${channel.serviceUrl}${path}`);
    await assert.rejects(http.file(url('v3/big'), 1_000, 5_000), /more than 1000 bytes/);
    assert.equal(await http.file(url('v3/moved'), 1_000, 5_000), undefined);
    assert.equal((await http.file(url('v3/big'), 2_000, 5_000))?.bytes.length, 2_000);
  });
});
