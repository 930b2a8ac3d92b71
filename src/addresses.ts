// Which addresses are this machine's and which a private network's.

import { BlockList, isIP } from 'node:net';

/** 127.0.0.0/8, ::1, the same as IPv6 writes them, and the name localhost. */
export function isLoopback(address: string): boolean {
  const plain = address.replace(/^\[|\]$/g, '').replace(/^::ffff:/, '');
  return plain === 'localhost' || plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'));
}

/** Without link-local addresses: in clouds, machines' credentials are there. */
const PRIVATE = new BlockList();
PRIVATE.addSubnet('127.0.0.0', 8);
PRIVATE.addSubnet('10.0.0.0', 8);
PRIVATE.addSubnet('172.16.0.0', 12);
PRIVATE.addSubnet('192.168.0.0', 16);
PRIVATE.addAddress('::1', 'ipv6');
PRIVATE.addSubnet('fc00::', 7, 'ipv6');

/** The host of a URL, by its address: names other than localhost are nobody's until they are looked up. */
export function isPrivateHost(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  return host === 'localhost' || host.endsWith('.localhost') || isPrivate(host);
}

/** Addresses looked at: a bot calls from the same one each time, and the look costs more than its token's check. */
const known = new Map<string, boolean>();
const KNOWN_ADDRESSES = 1_000;
/** Characters of an address with its zone; what is longer was made up. */
const LONGEST = 100;

export function isPrivate(address: string): boolean {
  if (address.length > LONGEST) return false;
  let answer = known.get(address);
  if (answer === undefined) {
    if (known.size >= KNOWN_ADDRESSES) known.clear();
    known.set(address, (answer = isListed(address)));
  }
  return answer;
}

function isListed(address: string): boolean {
  // An IPv4 peer of a socket that takes both.
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  switch (isIP(plain)) {
    case 4:
      return PRIVATE.check(plain, 'ipv4');
    case 6:
      return PRIVATE.check(plain, 'ipv6');
  }
  return false;
}

/**
 * Whom attempts are counted for. Every household with IPv6 has 2^64 addresses to call from: they count as one. What a proxy
 * passes on as an address and is none is all one's, however it is written.
 */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  switch (isIP(plain)) {
    case 4:
      return plain;
    case 6:
      return `${groupsOf(plain.split('%')[0] as string)
        .slice(0, 4)
        .map((group) => parseInt(group, 16).toString(16))
        .join(':')}::/64`;
  }
  return 'unknown';
}

/** All eight, as they are written; an IPv4 end is the last two. */
function groupsOf(address: string): string[] {
  const [head = '', tail] = address.replace(/[\d.]*\.[\d.]*$/, '0:0').split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const [first, last] = [groups(head), groups(tail ?? '')];
  const missing = tail === undefined ? 0 : 8 - first.length - last.length;
  return [...first, ...Array<string>(Math.max(0, missing)).fill('0'), ...last];
}
