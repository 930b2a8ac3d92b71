/** Section `assignment`: 50,000 customers wait, 1,000 people serve: how soon a seat that gets free has its next request. */
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createHub, PostgresStore, SqliteStore } from '../src/index.js';
import type { Store } from '../src/hub/ports.js';
import { freshDatabase } from '../test/store/cluster.js';
import { milliseconds, percentile, printTable } from './report.js';
import type { Section } from './section.js';

const PEOPLE = 1_000;
const CAPACITY = 3;
const QUEUES = 5;
/** Chats that end a second while offers are measured one by one: 1,000 people with three chats of a minute each. */
const ENDING_PER_SECOND = 50;

export const assignment: Section = {
  name: 'assignment',
  run: async ({ short }) => {
    const waiting = short ? 10_000 : 50_000;
    const directory = await mkdtemp(path.join(os.tmpdir(), 'handoff-bench-'));
    await measure('the embedded store', new SqliteStore({ directory }), waiting, {
      singles: short ? 100 : 500,
      aimMs: 50,
    });
    await rm(directory, { recursive: true });
    const url = await freshDatabase({ durable: true });
    await measure('PostgreSQL', new PostgresStore({ url }), waiting, { singles: short ? 100 : 500, aimMs: 200 });
  },
};

async function measure(
  where: string,
  store: Store,
  waiting: number,
  { singles: count, aimMs }: { singles: number; aimMs: number },
): Promise<void> {
  const desk = new Desk(store);
  await desk.open(waiting);
  const allOnline = await desk.timeToOffer(PEOPLE * CAPACITY, () => desk.everybodyComes());
  const singles = await desk.endOneByOne(count);
  const burst = await desk.timeToOffer(PEOPLE, () => desk.endAtOnce(PEOPLE));
  await desk.check();
  await desk.close();
  printTable(
    `Assignment on ${where}: ${waiting} wait in ${QUEUES} queues, ${PEOPLE} people of all of them with ${CAPACITY} seats each`,
    ['what', 'p50 ms', 'p99 ms', 'all, ms'],
    [
      [
        `a chat ends (${ENDING_PER_SECOND} a second) → its seat is offered the next`,
        milliseconds(percentile(singles, 0.5)),
        `${milliseconds(percentile(singles, 0.99))} (aim < ${aimMs})`,
        '',
      ],
      [`${PEOPLE} chats end at once → all seats offered`, '', '', milliseconds(burst)],
      [`everybody comes online → all ${PEOPLE * CAPACITY} seats offered`, '', '', milliseconds(allOnline)],
    ],
  );
}

/** A hub in this process whose people accept whatever they are offered. */
class Desk {
  private readonly hub;
  private readonly people = Array.from({ length: PEOPLE }, (_none, index) => `person${index}`);
  /** Conversations in the order in which they began to wait, and in the order in which they were offered. */
  private readonly waited: string[] = [];
  private readonly offered: string[] = [];
  private readonly held = new Map<string, string[]>();
  /** When seats of a person got free, for those that were not offered anything since. */
  private readonly freedAt = new Map<string, number[]>();
  private readonly waits: number[] = [];
  private expected = 0;
  private allOffered: (() => void) | undefined;

  constructor(store: Store) {
    const queues = Array.from({ length: QUEUES }, (_none, index) => `Desk${index}`);
    this.hub = createHub({
      store,
      configuration: {
        bots: [],
        queues: queues.map((id) => ({ id, members: this.people })),
        workStreams: queues.map((id) => ({ id: `web${id}`, fallbackQueue: id })),
        people: this.people.map((id) => ({ id, name: id, roles: ['agent'], capacity: CAPACITY })),
      },
    });
    this.hub.observe({
      committed: (_entries, state, before) => {
        if (state.phase === 'offered' && before.phase !== 'offered')
          this.tookOffer(state.id, state.offers[0]?.agent ?? '');
        if (state.phase === 'closed' && before.phase === 'agent')
          this.freedAt.get(before.agent)?.push(performance.now());
      },
    });
  }

  async open(waiting: number): Promise<void> {
    await this.hub.start();
    let next = 0;
    const one = async (): Promise<void> => {
      while (next < waiting) {
        const n = next++;
        const id = `customer-${String(n).padStart(6, '0')}`;
        this.waited.push(id);
        const workStream = `webDesk${n % QUEUES}`;
        await this.hub.handle(id, { type: 'start', id, workStream, channel: { id: 'directline' } });
      }
    };
    await Promise.all(Array.from({ length: 500 }, one));
    await this.hub.settled();
  }

  async everybodyComes(): Promise<void> {
    for (const person of this.people) {
      this.held.set(person, []);
      this.freedAt.set(person, []);
    }
    await Promise.all(this.people.map((person) => this.hub.people.setPresence(person, 'available')));
  }

  /** @returns milliseconds until so many offers more are committed. */
  async timeToOffer(count: number, cause: () => Promise<void>): Promise<number> {
    this.expected = this.offered.length + count;
    const all = new Promise<void>((resolve) => (this.allOffered = resolve));
    const beganAt = performance.now();
    await Promise.all([cause(), all]);
    const ms = performance.now() - beganAt;
    await this.hub.settled();
    return ms;
  }

  /** @returns per chat, milliseconds from the commit that freed the seat to the commit of the offer. */
  async endOneByOne(count: number): Promise<number[]> {
    this.waits.length = 0;
    await this.timeToOffer(count, async () => {
      for (let n = 0; n < count; n += 1) {
        void this.end(this.people[n % PEOPLE] as string);
        await new Promise((resolve) => setTimeout(resolve, 1_000 / ENDING_PER_SECOND));
      }
    });
    return [...this.waits];
  }

  async endAtOnce(count: number): Promise<void> {
    await Promise.all(this.people.slice(0, count).map((person) => this.end(person)));
  }

  /** @throws Error when a conversation was offered twice, or one that waits for longer was passed over. */
  async check(): Promise<void> {
    const taken = new Set(this.offered);
    if (taken.size !== this.offered.length) throw new Error('A conversation was offered twice.');
    const states = await Promise.all(this.waited.slice(0, taken.size + 2_000).map((id) => this.hub.conversation(id)));
    const since = (id: string) => states.find((state) => state?.id === id)?.startedAt ?? Infinity;
    const latest = Math.max(...[...taken].map(since));
    const passedOver = states.filter(
      (state) => state !== undefined && !taken.has(state.id) && state.startedAt < latest,
    );
    if (passedOver.length > 0) throw new Error(`${passedOver.length} conversations were passed over for later ones.`);
  }

  close(): Promise<void> {
    return this.hub.stop();
  }

  private tookOffer(id: string, person: string): void {
    this.offered.push(id);
    const freedAt = this.freedAt.get(person)?.shift();
    if (freedAt !== undefined) this.waits.push(performance.now() - freedAt);
    if (this.offered.length === this.expected) this.allOffered?.();
    this.held.get(person)?.push(id);
    void this.hub.handle(id, { type: 'accept', agent: person });
  }

  /** Ended and wrapped up in one: the seat is free. */
  private async end(person: string): Promise<void> {
    const id = this.held.get(person)?.shift();
    if (id === undefined) throw new Error(`${person} holds nothing.`);
    const by = { role: 'agent', id: person } as const;
    await this.hub.handle(id, [
      { type: 'end', by },
      { type: 'close', by },
    ]);
  }
}
