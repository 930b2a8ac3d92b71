// A contact centre in simulated time: customers come at random, chats take random times, and whoever comes asks how long it will be.

import { estimateWait, lengthsOf, type WaitEstimate } from '../../src/core/waits.js';

export interface Centre {
  people: number;
  capacity: number;
  meanMs: number;
  /** Standard deviation of the chats' lengths by their mean. */
  variation: number;
  /** Work that comes, by the work that the people can do. */
  load: number;
  customers: number;
  seed: number;
}

/** What one customer was told, and what came of it. */
export interface Told {
  estimate: WaitEstimate;
  waitedMs: number;
}

interface Chat {
  person: number;
  from: number;
  until: number;
}

/** Lengths are lognormal, as those of calls and chats are; everybody is served in the order they came. */
export function simulate({ people, capacity, meanMs, variation, load, customers, seed }: Centre): Told[] {
  const random = randomFrom(seed);
  const sigma = Math.sqrt(Math.log(1 + variation ** 2));
  const gap = meanMs / (people * capacity * load);
  const length = () => meanMs * Math.exp(sigma * normal(random) - sigma ** 2 / 2);
  const recent: number[] = [];
  let chats: Chat[] = [];
  const line: { came: number; estimate: WaitEstimate | undefined }[] = [];
  const told: Told[] = [];
  let next = 0;
  for (let come = 0; come < customers || line.length > 0;) {
    const over = Math.min(...chats.map(({ until }) => until));
    const now = come < customers ? Math.min(next, over) : over;
    for (const { from, until } of chats.filter((chat) => chat.until <= now)) recent.push(until - from);
    recent.splice(0, recent.length - 100);
    chats = chats.filter(({ until }) => until > now);
    if (come < customers && next <= now) {
      come += 1;
      next = now - gap * Math.log(1 - random());
      const seats = Array.from({ length: people }, (_, person) => {
        const held = chats.filter((chat) => chat.person === person);
        return { capacity, load: held.length, held: held.map(({ from }) => ({ cost: 1, acceptedAt: from })) };
      });
      const estimate = estimateWait({ ahead: line.length, cost: 1, seats, lengths: lengthsOf(recent), now });
      line.push({ came: now, estimate });
    }
    while (line.length > 0 && chats.length < people * capacity) {
      const person = Array.from({ length: people }, (_, one) => one).find(
        (one) => chats.filter((chat) => chat.person === one).length < capacity,
      ) as number;
      const { came, estimate } = line.shift() as (typeof line)[number];
      if (estimate !== undefined) told.push({ estimate, waitedMs: now - came });
      chats.push({ person, from: now, until: now + length() });
    }
  }
  return told;
}

/** Numbers from 0 to below 1 that are the same in every run (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
