// Notices by Redis: they arrive, also after Redis was away, and nothing waits for it.

import assert from 'node:assert/strict';
import { ConfigError } from '../../src/errors.js';
import type { Notice } from '../../src/hub/ports.js';
import { RedisBus } from '../../src/store/postgres/redisBus.js';
import { RedisServer } from '../fakes/redisServer.js';
import { until } from '../fakes/shop.js';

/** REDIS_TEST_URL has the same tried on a real server; the one that is stopped is always the test's own. */
const REAL = process.env['REDIS_TEST_URL'];

describe('RedisBus', () => {
  let server: RedisServer;
  let buses: RedisBus[];

  beforeEach(async () => {
    server = await RedisServer.start();
    buses = [];
  });
  afterEach(async () => {
    for (const bus of buses) await bus.close();
    await server.stop();
  });

  async function busOf(node: string, url = server.url, channel = 'handoff'): Promise<RedisBus> {
    const bus = new RedisBus({ url, channel, node: () => node });
    buses.push(bus);
    await bus.open('the key of the record');
    return bus;
  }
  const person: Notice = { is: 'person', agent: 'änne \u{1f600}' };

  for (const [name, url] of [
    ['a server', () => server.url],
    ...(REAL === undefined ? [] : [['a real server', () => REAL] as const]),
  ] as const)
    it(`tells the other nodes of the record, and nobody else, by ${name}`, async () => {
      const channel = `test ${Math.random()}`;
      const [one, two] = [await busOf('one', url(), channel), await busOf('two', url(), channel)];
      const elsewhere = await busOf('three', url(), `${channel} of another record`);
      const heard: Record<string, Notice[]> = { one: [], two: [], elsewhere: [] };
      one.subscribe((notice) => heard['one']?.push(notice));
      two.subscribe((notice) => heard['two']?.push(notice));
      elsewhere.subscribe((notice) => heard['elsewhere']?.push(notice));
      const configuration: Notice = { is: 'configuration', version: 3 };
      await until('it is heard', () => {
        one.publish(person);
        one.publish(configuration);
        return (heard['two']?.length ?? 0) >= 2;
      });
      assert.deepEqual(heard['two']?.slice(0, 2), [person, configuration]);
      assert.deepEqual([heard['one'], heard['elsewhere']], [[], []]);
    });

  it('goes on when Redis was away, and stops nobody meanwhile', async () => {
    const [one, two] = [await busOf('one'), await busOf('two')];
    const heard: Notice[] = [];
    two.subscribe((notice) => heard.push(notice));
    await until('both listen', () => server.subscribersOf('handoff') === 2);
    await server.stop();
    one.publish(person);
    server = await RedisServer.start(server.port);
    await until('it is heard again', () => {
      one.publish(person);
      return heard.length > 0;
    });
  });

  it('passes over what is none of its notices', async () => {
    const [one, two] = [await busOf('one'), await busOf('two')];
    const heard: Notice[] = [];
    two.subscribe((notice) => heard.push(notice));
    await until('both listen', () => server.subscribersOf('handoff') === 2);
    const stranger = new (await import('ioredis')).Redis(server.url);
    for (const text of ['garbage', '{"from":"x"}', '[]', 'null']) await stranger.publish('handoff', text);
    stranger.disconnect();
    await until('it is heard', () => {
      one.publish(person);
      return heard.length > 0;
    });
    assert.deepEqual(heard[0], person);
  });

  it('refuses what is no address of a Redis', () => {
    assert.throws(() => new RedisBus({ url: 'http://localhost', channel: 'c', node: () => 'n' }), ConfigError);
  });
});
