// Which addresses are this machine's and which a private network's.

import { BlockList, isIP } from 'node:net';

/** 127.0.0.0/8, ::1, the same as IPv6 writes them, and the name localhost. */
export function isLoopback(address: string): boolean {
  const plain = plainOf(address.replace(/^\[|\]$/g, ''));
  return plain === 'localhost' || plain === '0:0:0:0:0:0:0:1' || (isIP(plain) === 4 && plain.startsWith('127.'));
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
  const plain = plainOf(address);
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
  const plain = plainOf(address);
  switch (isIP(plain)) {
    case 4:
      return plain;
    case 6:
      return `${plain.split(':').slice(0, 4).join(':')}::/64`;
  }
  return 'unknown';
}

/**
 * One form of each address: an IPv4 peer of a socket that takes both is IPv4, other IPv6 has all eight groups and no zone.
 * What is no address stays as it is.
 */
function plainOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const groups = groupsOf(address.split('%')[0] as string);
  if (groups.slice(0, 5).some((group) => group !== 0) || groups[5] !== 0xffff)
    return groups.map((group) => group.toString(16)).join(':');
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 0xff])
    .join('.');
}

/** All eight of a sound address, which may end as IPv4 does. */
function groupsOf(address: string): number[] {
  const [head = [], tail = []] = address
    .split('::')
    .map((part) =>
      part === ''
        ? []
        : part.split(':').flatMap((piece) => (piece.includes('.') ? pairs(piece) : [parseInt(piece, 16)])),
    );
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

function pairs(ipv4: string): number[] {
  const [a = 0, b = 0, c = 0, d = 0] = ipv4.split('.').map(Number);
  return [(a << 8) | b, (c << 8) | d];
}
