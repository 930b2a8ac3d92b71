// Addresses: whom attempts are counted for.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isLoopback, isPrivate, networkOf } from '../src/addresses.js';

/** All ways to write an IPv4 address as IPv6. */
function mapped(ipv4: string): string[] {
  const hex = new URL(`http://[::ffff:${ipv4}]/`).hostname.slice(1, -1);
  const ways = [`::ffff:${ipv4}`, hex, `0:0:0:0:0:ffff:${ipv4}`, `0000::ffff:${hex.slice('::ffff:'.length)}`];
  return [...ways, ...ways.map((way) => way.toUpperCase()), `${hex}%eth0`];
}

describe('an IPv4 address as IPv6 writes it', () => {
  it('is the same network, as local and as private as itself', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.ipV4(), fc.constantFrom('127.0.0.1', '127.8.9.10', '10.1.2.3', '192.168.1.1')),
        (ipv4) => {
          for (const way of mapped(ipv4))
            assert.deepEqual(
              [networkOf(way), isLoopback(way), isLoopback(`[${way}]`), isPrivate(way)],
              [ipv4, isLoopback(ipv4), isLoopback(ipv4), isPrivate(ipv4)],
              way,
            );
        },
      ),
    );
    assert.ok(isLoopback('127.0.0.1') && isLoopback('::1') && isLoopback('0:0:0:0:0:0:0:1') && isPrivate('::1'));
    assert.ok(
      !isLoopback('::2') && !isLoopback('128.0.0.1') && !isPrivate('::fffe:7f00:1') && !isPrivate('169.254.1.1'),
    );
  });
});

describe('the network of an address', () => {
  it('is the address itself with IPv4, also as IPv6 writes it', () => {
    assert.equal(networkOf('203.0.113.7'), '203.0.113.7');
    assert.equal(networkOf('::ffff:203.0.113.7'), '203.0.113.7');
  });

  it('is one for all of a /64, however each is written, and another for the next', () => {
    const group = fc.integer({ min: 0, max: 0xffff });
    const groups = (count: number) => fc.array(group, { minLength: count, maxLength: count });
    const long = (all: number[]) => all.map((one) => one.toString(16).padStart(4, '0').toUpperCase()).join(':');
    const short = (all: number[]) => {
      const text = new URL(`http://[${all.map((one) => one.toString(16)).join(':')}]/`).hostname;
      return text.slice(1, -1);
    };
    fc.assert(
      fc.property(groups(4), groups(4), groups(4), (network, one, other) => {
        const name = networkOf(long([...network, ...one]));
        assert.match(name, /^[0-9a-f:]+::\/64$/);
        assert.equal(networkOf(short([...network, ...other])), name);
        assert.equal(networkOf(`${long([...network, ...other])}%eth0`), name);
        const next = [...network.slice(0, 3), ((network[3] ?? 0) + 1) % 0x10000];
        assert.notEqual(networkOf(short([...next, ...one])), name);
      }),
    );
  });

  it('is found also where an address ends as IPv4 does', () => {
    assert.equal(networkOf('1:2::3:4:5:203.0.113.7'), '1:2:0:3::/64');
    assert.equal(networkOf('64:ff9b::203.0.113.7'), '64:ff9b:0:0::/64');
  });

  it('is one and short for everything that is no address', () => {
    for (const made of ['', 'unknown', '1.2.3', 'x'.repeat(12_000), `${'1'.repeat(12_000)}.2.3.4`])
      assert.equal(networkOf(made), 'unknown');
    assert.ok(networkOf(`fe80::1%${'x'.repeat(12_000)}`).length < 50);
  });

  it('is not private when it was made up', () => {
    assert.ok(isPrivate('192.168.1.1'));
    assert.ok(!isPrivate(`fd00::1%${'x'.repeat(12_000)}`));
  });
});
