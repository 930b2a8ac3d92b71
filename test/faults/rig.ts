// What the cases of the fault suite share: the seed, stores to run on, real processes, customers and people who note what they see.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfiguration } from '../../src/config.js';
import type { Entry } from '../../src/core/conversation.js';
import { createHub, type HandoffHub } from '../../src/createHub.js';
import { newConversationId } from '../../src/hub/hub.js';
import type { Clock, Store } from '../../src/hub/ports.js';
import { PostgresStore } from '../../src/store/postgres/postgresStore.js';
import { SqliteStore } from '../../src/store/sqlite/sqliteStore.js';
import { verify } from '../../src/verify.js';
import { Desk } from '../console/office.js';
import { FunctionBot, handoff as escalation, type BotScript } from '../fakes/hub.js';
import { handoff, startProgram, type Program } from '../fakes/program.js';
import { until } from '../fakes/shop.js';
import { Widget } from '../fakes/widget.js';
import { freshSchema } from '../store/cluster.js';
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
  /** Data directory of the processes, and what their environment must say besides. */
  readonly data: string;
  readonly env: Readonly<Record<string, string>>;
  /** Processes that serve it at the same time. */
  readonly nodes: number;
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
  const data = await mkdtemp(join(tmpdir(), 'handoff-faults-'));
  return {
    store: () => new PostgresStore({ url }),
    data,
    env: { DATABASE_URL: url },
    nodes,
    remove: () => rm(data, { recursive: true, force: true }),
  };
}

/** Another store is one more line here. */
const STORES: Readonly<Record<string, () => Promise<Place>>> = {
  'the embedded store': embedded,
  'two nodes on PostgreSQL': () => shared(2),
  ...(isFull ? { 'one node on PostgreSQL': () => shared(1), 'four nodes on PostgreSQL': () => shared(4) } : {}),
};

/** Runs the cases on each store; `place` is a new one for each test. */
export function describeFaults(title: string, cases: (place: () => Place) => void): void {
  for (const [name, open] of Object.entries(STORES))
    describe(`${title}, on ${name}`, function () {
      this.timeout(FAULT_TIMEOUT_MS);
      let place: Place;
      beforeEach(async () => {
        place = await open();
      });
      afterEach(() => place.remove());
      cases(() => place);
    });
}

const FAULT_TIMEOUT_MS = 900_000;

// -------------------------------------------------------------------------------------------------------- configuration

export interface Staffing {
  /** Of the bot; the demo bot in the process unless set. */
  endpoint?: string;
  /** People agent0, agent1, …, who serve the one queue. */
  agents: number;
  capacity: number;
  /** Timers of the work stream by their names in handoff.yaml; as the product has them unless set. */
  timers?: Readonly<Record<string, number>>;
}

/** One bot, one queue for people, and Sam who sees everything. */
export function configurationOf({ endpoint, agents, capacity, timers = {} }: Staffing): string {
  const ids = Array.from({ length: agents }, (_, index) => `agent${index}`);
  const bot = endpoint === undefined ? 'connect: inProcess' : `endpoint: '${endpoint}', auth: none`;
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

// ------------------------------------------------------------------------------------------------------------ processes

export const SECRET = 'the-direct-line-secret-of-the-fault-suite';

/** One running process of the product, started again on the same port after a kill. */
export class Node {
  private constructor(
    private readonly place: Place,
    private readonly folder: string,
    private readonly env: Record<string, string>,
    private program: Program,
  ) {}

  static async start(place: Place, configuration: string, env: Record<string, string> = {}): Promise<Node> {
    const folder = await mkdtemp(join(tmpdir(), 'handoff-node-'));
    await writeFile(join(folder, 'handoff.yaml'), configuration);
    const all = { ...place.env, DIRECT_LINE_SECRET: SECRET, HOST: '127.0.0.1', LOG_LEVEL: 'error', ...env };
    const node = new Node(place, folder, all, undefined as never);
    await node.launch(0).catch(async (error: unknown) => {
      await rm(folder, { recursive: true, force: true });
      throw error;
    });
    return node;
  }

  get url(): string {
    return this.program.url.replace('localhost', '127.0.0.1');
  }

  get pid(): number {
    return this.program.child.pid ?? 0;
  }

  output(): string {
    return this.program.output();
  }

  async killAndStart(onDead: () => void = () => {}): Promise<void> {
    await this.program.stop('SIGKILL');
    onDead();
    await this.launch(Number(new URL(this.program.url).port));
  }

  /** @returns the exit code. */
  async stop(): Promise<number | NodeJS.Signals | null> {
    const code = await this.program.stop();
    await rm(this.folder, { recursive: true, force: true });
    return code;
  }

  /** Whatever happened: nothing is left running. Idempotent. */
  async end(): Promise<void> {
    await this.program.stop('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Resolves when nothing is owed to a bot or a channel any more: what it will answer is in the log. */
  async settled(): Promise<void> {
    await until('everything owed has gone out', async () => {
      const response = await fetch(`${this.url}/metrics`, { headers: { connection: 'close' } });
      return /^handoff_outbox_depth 0$/m.test(await response.text());
    });
  }

  /** A person's programs, signed in for scripts. */
  async desk(person: string): Promise<Desk> {
    const { code, out, err } = await handoff(['token', person, '--data', this.place.data], this.env);
    if (code !== 0) throw new Error(`handoff token ${person}: ${err}`);
    return new Desk(this.url, out);
  }

  private async launch(port: number): Promise<void> {
    const demo = this.env['DEMO'] === undefined ? [] : ['--demo'];
    const args = [...demo, '--config', join(this.folder, 'handoff.yaml'), '--port', String(port)];
    this.program = await startProgram(this.place.data, args, this.env);
  }
}

// ------------------------------------------------------------------------------------------------------- in this process

/** Asks for a person on `human`, and echoes everything else. */
export const asksForPeople: BotScript = ({ type, text = '' }) => {
  if (type !== 'message') return [];
  return text.startsWith('human') ? [escalation()] : [`Echo: ${text}`];
};

/** A hub in this process, on the place, that tests speak to without HTTP. */
export async function openHub(
  place: Place,
  { clock, bot = new FunctionBot(asksForPeople), ...staffing }: Staffing & { clock?: Clock; bot?: FunctionBot },
): Promise<HandoffHub> {
  const hub = createHub({
    store: place.store(),
    configuration: readConfiguration(configurationOf(staffing)),
    ...(clock === undefined ? {} : { clock }),
  });
  hub.connectBot('demo', bot);
  await hub.start();
  return hub;
}

/** Customers who have asked for a person, in this order. @returns the ids of their conversations. */
export async function customersWhoAsk(
  hub: HandoffHub,
  count: number,
  onAsked: () => void = () => {},
): Promise<string[]> {
  const ids: string[] = [];
  // In parts: what the hub remembers is decided at once, so that nobody overtakes.
  while (ids.length < count) {
    const part = Array.from({ length: Math.min(500, count - ids.length) }, () => newConversationId());
    await Promise.all(
      part.map((id) =>
        hub.handle(id, { type: 'start', id, workStream: 'web', channel: { id: 'directline' }, customer: id }),
      ),
    );
    const asked = part.map((id) => {
      onAsked();
      return hub.handle(id, { type: 'escalate', bot: 'demo', dialect: 'handoffProtocol', variables: {} });
    });
    await Promise.all(asked);
    ids.push(...part);
  }
  return ids;
}

// ------------------------------------------------------------------------------------------------- customers and people

/** A customer who says numbered texts and repeats what was not acknowledged, as Web Chat's "Retry" does. */
export class Customer {
  #sent = 0;
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

  /** Says until somebody ends it, or the server does. */
  async talk(goesOn: () => boolean, onAcknowledged: () => void, words?: string): Promise<void> {
    while (goesOn()) {
      try {
        await this.say(words);
      } catch {
        return;
      }
      onAcknowledged();
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
