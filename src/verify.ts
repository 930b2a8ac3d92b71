// `handoff verify`: re-folds every log and checks every promise the record makes.

import { isDeepStrictEqual } from 'node:util';
import { loadsOf, type Conversation } from './core/conversation.js';
import { fold } from './core/evolve.js';
import type { Store } from './hub/ports.js';

export interface Verification {
  conversations: number;
  entries: number;
  /** One line each; empty = everything holds. */
  faults: string[];
}

const PAGE = 500;
/** A deadline is overdue when it passed longer ago than this. */
const OVERDUE_MS = 5_000;
/** Beside a running server a load may be read in the middle of a change: what is wrong three times is wrong. */
const LOOKS = 3;
const BETWEEN_LOOKS_MS = 250;

/** `now` = undefined for a store nobody serves: its deadlines pass while it sleeps and fire at the next start. */
export async function verify(store: Store, now?: () => number): Promise<Verification> {
  const result: Verification = { conversations: 0, entries: 0, faults: [] };
  let after: string | undefined;
  for (;;) {
    const ids = await store.conversationIds(PAGE, after);
    for (const id of ids) await verifyConversation(store, id, now, result);
    after = ids.at(-1);
    if (ids.length < PAGE) break;
  }
  result.faults.push(...(await loadFaults(store)));
  return result;
}

async function verifyConversation(
  store: Store,
  id: string,
  now: (() => number) | undefined,
  result: Verification,
): Promise<void> {
  const log = await store.audit(id);
  result.conversations += 1;
  if (log === undefined) {
    result.faults.push(`${id}: has a state but no log`);
    return;
  }
  const { entries, cached, faults } = log;
  result.entries += entries.length;
  const say = (fault: string) => result.faults.push(`${id}: ${fault}`);
  faults.forEach(say);
  entries.forEach(({ seq }, index) => {
    if (seq !== index + 1) say(`entry ${index + 1} has seq ${seq}`);
  });
  const times = entries.map(({ event }) => event.at);
  if (times.some((at, index) => at < (times[index - 1] ?? at))) say('times run backwards');
  try {
    const folded = fold(entries.map(({ event }) => event));
    // Through JSON on both sides: a field that is undefined and one that is absent are the same on disk.
    if (!isDeepStrictEqual(plain(folded), plain(cached)))
      say('the state kept beside the log is not what the log folds to');
  } catch (error) {
    say(`the log does not fold: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (cached.phase !== 'closed') {
    if (cached.dueAt === undefined) say(`is open (${cached.phase}) without a deadline`);
    else if (now !== undefined && cached.dueAt < now() - OVERDUE_MS)
      say(`is past its deadline since ${new Date(cached.dueAt).toISOString()}`);
  }
}

/** Each person's load is the sum of what is offered to, held by, or in wrap-up with them. */
async function loadFaults(store: Store): Promise<string[]> {
  let faults: string[] = [];
  for (let look = 0; look < LOOKS; look += 1) {
    if (look > 0) await new Promise((resolve) => setTimeout(resolve, BETWEEN_LOOKS_MS));
    faults = await lookAtLoads(store);
    if (faults.length === 0) return faults;
  }
  return faults;
}

async function lookAtLoads(store: Store): Promise<string[]> {
  const sums = new Map<string, number>();
  let cursor: string | undefined;
  do {
    const page: { items: Conversation[]; next?: string } = await store.list(
      { phases: ['offered', 'agent', 'wrapUp'] },
      PAGE,
      cursor,
    );
    for (const state of page.items)
      for (const [agent, cost] of Object.entries(loadsOf(state))) sums.set(agent, (sums.get(agent) ?? 0) + cost);
    cursor = page.next;
  } while (cursor !== undefined);
  return (await store.agents())
    .filter(({ id, load }) => load !== (sums.get(id) ?? 0))
    .map(({ id, load }) => `person ${id}: load is ${load}, the conversations add up to ${sums.get(id) ?? 0}`);
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}
