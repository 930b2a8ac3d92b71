// What the cases of the fault suite share: the seed, stores to run on, customers and people who note what they see.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Entry } from '../../src/core/conversation.js';
import type { Store } from '../../src/hub/ports.js';
import { PostgresStore } from '../../src/store/postgres/postgresStore.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { verify } from '../../src/verify.js';
import type { Desk } from '../console/office.js';
import { until } from '../fakes/shop.js';
import { Widget } from '../fakes/widget.js';
import { ask, freshSchema, inSchema } from '../store/cluster.js';
import { CuttingProxy } from '../fakes/cuttingProxy.js';
import type { History } from './history.js';
import { isFull } from './size.js';

/** Everything that is random in this suite comes from it: `SEED=…` makes the same choices again. */
const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1_000_000_000));
console.log(`SEED=${seed}`);

/** A stream of numbers of its own for each case, from 0 up to but not including 1 (mulberry32). */
export function randomFor(title: string): () => number {
  let state = [...title].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, seed);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

// --------------------------------------------------------------------------------------------------------------- stores

/** Where one case keeps its record: opened in this process, or served by processes of their own. */
export interface Place {
  /** Not opened yet. */
  store(): Store;
  /** Data directory of the embedded record; processes on one database have one of their own each. */
  readonly data?: string;
  /** What the environment of the processes must say besides. */
  readonly env: Readonly<Record<string, string>>;
  /** Processes that serve it at the same time. */
  readonly nodes: number;
  /** What is still owed to bots and channels, whoever owes it; where one process owes it all, that one knows. */
  owed?(): Promise<number>;
  remove(): Promise<void>;
}

async function embedded(): Promise<Place> {
  const data = await mkdtemp(join(tmpdir(), 'handoff-faults-'));
  return {
    store: () => new SqliteStore({ directory: data }),
    data,
    env: {},
    nodes: 1,
    remove: () => rm(data, { recursive: true, force: true }),
  };
}

async function shared(nodes: number): Promise<Place> {
  const url = await freshSchema();
  return {
    store: () => new PostgresStore({ url }),
    env: { DATABASE_URL: url },
    nodes,
    owed: async () => Number((await ask(inSchema(url), 'SELECT count(*) AS owed FROM outbox'))[0]?.['owed']),
    remove: () => Promise.resolve(),
  };
}

interface Kind {
  nodes: number;
  /** Several processes may serve it. */
  isShared: boolean;
}

/** Another store is one more line here. */
const STORES: readonly (Kind & { name: string; open(): Promise<Place> })[] = [
  { name: 'the embedded store', nodes: 1, isShared: false, open: embedded },
  { name: 'two nodes on PostgreSQL', nodes: 2, isShared: true, open: () => shared(2) },
  ...(isFull
    ? [
        { name: 'one node on PostgreSQL', nodes: 1, isShared: true, open: () => shared(1) },
        { name: 'four nodes on PostgreSQL', nodes: 4, isShared: true, open: () => shared(4) },
      ]
    : []),
];

/** Runs the cases on each store that fits; `place` is a new one for each test. */
export function describeFaults(
  title: string,
  cases: (place: () => Place, kind: Kind) => void,
  fits: (kind: Kind) => boolean = () => true,
): void {
  for (const { name, open, ...kind } of STORES.filter(fits))
    describe(`${title}, on ${name}`, function () {
      this.timeout(FAULT_TIMEOUT_MS);
      let place: Place;
      beforeEach(async () => {
        place = await open();
      });
      afterEach(() => place.remove());
      cases(() => place, kind);
    });
}

const FAULT_TIMEOUT_MS = 900_000;

/** Stands between the processes and the database of a shared place. `env`: lets a process go through it. */
export async function proxyBeforeDatabase(
  place: Place,
): Promise<{ proxy: CuttingProxy; env: () => Record<string, string> }> {
  const url = new URL(place.env['DATABASE_URL'] ?? '');
  const proxy = await new CuttingProxy(Number(url.port)).open();
  url.port = `${proxy.port}`;
  return { proxy, env: () => ({ DATABASE_URL: url.href }) };
}

// -------------------------------------------------------------------------------------------------------- configuration

export interface Staffing {
  /** Of the bot; the demo bot in the process unless set. */
  endpoint?: string;
  /** How the bot answers; by calls of its own unless set. */
  delivery?: 'expectReplies';
  /** People agent0, agent1, …, who serve the one queue. */
  agents: number;
  capacity: number;
  /** Timers of the work stream by their names in handoff.yaml; as the product has them unless set. */
  timers?: Readonly<Record<string, number>>;
}

/** One bot, one queue for people, and Sam who sees everything. */
export function configurationOf({ endpoint, delivery, agents, capacity, timers = {} }: Staffing): string {
  const ids = Array.from({ length: agents }, (_, index) => `agent${index}`);
  const answers = delivery === undefined ? '' : `, delivery: ${delivery}`;
  const bot = endpoint === undefined ? 'connect: inProcess' : `endpoint: '${endpoint}', auth: none${answers}`;
  return `
bots: [{ id: demo, name: Demo Bot, ${bot} }]
queues: [{ id: Bots, members: [demo] }, { id: People, members: [${ids.join(', ')}] }]
workStreams:
  - id: web
    fallbackQueue: People
    rules: [{ when: { variable: Topic, operator: hasNoData }, queue: Bots }]
    timers: ${JSON.stringify(timers)}
people:
${ids.map((id) => `  - { id: ${id}, name: ${id}, roles: [agent], capacity: ${capacity} }`).join('\n')}
  - { id: sam, name: Sam, roles: [supervisor] }
`;
}

export const SECRET = 'the-direct-line-secret-of-the-fault-suite';

// ------------------------------------------------------------------------------------------------- customers and people

/** Until somebody who was not answered tries again. */
export const AGAIN_MS = 50;
/** Until somebody who waits for an answer says the next thing without. */
const ANSWER_MS = 500;

/** A customer who says numbered texts and repeats what was not acknowledged, as Web Chat's "Retry" does. */
export class Customer {
  #sent = 0;
  #last = '';
  #unanswered: { text: string; clientActivityID: string } | undefined;

  private constructor(
    readonly widget: Widget,
    readonly name: string,
    private readonly history: History,
  ) {}

  static async start(history: History, url: string, name: string): Promise<Customer> {
    const widget = await Widget.start({ url, secret: SECRET, user: { id: `dl_${name}`, name } });
    return new Customer(widget, name, history);
  }

  get id(): string {
    return this.widget.conversationId;
  }

  /** The next text, or the last one again if nobody answered it. @throws when it is not acknowledged. */
  async say(words = 'says'): Promise<string> {
    let message = this.#unanswered;
    if (message === undefined) {
      message = { text: `${this.name} ${words} ${this.#sent}`, clientActivityID: `${this.name}-${this.#sent}` };
      this.#sent += 1;
      this.#unanswered = message;
      this.history.sent('customer', this.id, message.text);
    }
    await this.widget.say(message.text, message);
    this.#unanswered = undefined;
    this.#last = message.text;
    this.history.acknowledged('customer', this.id, message.text);
    return message.text;
  }

  /** A text of which there is one. */
  async asks(text: string): Promise<void> {
    this.history.sent('customer', this.id, text);
    await this.widget.say(text);
    this.history.acknowledged('customer', this.id, text);
  }

  /** Sends what nobody has answered yet until it is acknowledged. */
  async settle(): Promise<void> {
    if (this.#unanswered !== undefined) await this.say();
  }

  /** Says until somebody ends it; what nobody acknowledges is said again a moment later. */
  async talk(goesOn: () => boolean, onAcknowledged: () => void, words?: string): Promise<void> {
    while (goesOn()) {
      const isKept = await this.say(words).then(
        () => true,
        () => false,
      );
      if (!isKept) await pause(AGAIN_MS);
      else {
        onAcknowledged();
        // As people do, and so that a bot keeps up; who loses the socket meanwhile goes on all the same.
        await this.widget.next(`Echo: ${this.#last}`, ANSWER_MS).catch(() => undefined);
      }
    }
  }

  /** Resolves when the socket has brought everything that is for the customer, and notes it all. */
  async caughtUp(): Promise<void> {
    const all = await this.widget.read();
    const last = all.at(-1)?.id;
    await until(`${this.name} has read ${last}`, () => this.widget.received.some(({ id }) => id === last));
    for (const { id, text, type } of this.widget.received) {
      const seq = seqOf(id);
      if (seq !== undefined && type === 'message') this.history.received('customer', this.id, text ?? '', seq);
    }
  }
}

/** Number of the entry; places in line are shown and never kept: their ids have none. */
export function seqOf(activityId: string | undefined): number | undefined {
  const number = /\|(\d{7})$/.exec(activityId ?? '')?.[1];
  return number === undefined ? undefined : Number(number);
}

/** Says something as a person, noted like a customer's. @returns the status. */
export async function personSays(
  history: History,
  desk: Desk,
  who: string,
  conversationId: string,
  text: string,
): Promise<number> {
  history.sent(`agent:${who}`, conversationId, text);
  const { status } = await desk.says(conversationId, text);
  if (status === 200) history.acknowledged(`agent:${who}`, conversationId, text);
  return status;
}

// -------------------------------------------------------------------------------------------------------------- the end

/** Every log of the record, and whatever `handoff verify` finds wrong in it; of a place that nobody serves. */
export async function leftBehind(place: Place): Promise<{ logs: Map<string, Entry[]>; faults: string[] }> {
  const store = place.store();
  await store.open();
  try {
    return { logs: await logsOf(store), faults: (await verify(store)).faults };
  } finally {
    await store.close();
  }
}

export async function logsOf(store: Store): Promise<Map<string, Entry[]>> {
  const logs = new Map<string, Entry[]>();
  for (let after: string | undefined; ;) {
    const ids = await store.conversationIds(500, after);
    for (const id of ids) logs.set(id, await store.entries(id, 0, 100_000));
    after = ids.at(-1);
    if (ids.length < 500) return logs;
  }
}

/** What is past its deadline, asked of a running process. */
export async function overdue(sam: Desk): Promise<string[]> {
  const { body, status } = await sam.get('/overdue');
  if (status !== 200) throw new Error(`/overdue answered ${status}`);
  return (body as { items: { id: string }[] }).items.map(({ id }) => id);
}

/** Figures of a full run, for docs/faults.md. */
export function report(figures: Readonly<Record<string, number | string>>): void {
  if (!isFull) return;
  console.log(
    `      ${Object.entries(figures)
      .map(([name, value]) => `${name} ${value}`)
      .join(' · ')}`,
  );
}
