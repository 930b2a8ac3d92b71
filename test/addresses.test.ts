// Addresses: whom attempts are counted for.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isPrivate, networkOf } from '../src/addresses.js';

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
