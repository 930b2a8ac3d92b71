/**
 * The load: customers in a process of their own over real HTTP and WebSocket. Anything lost, doubled or out of order ends the run
 * with an error.
 */
import http from 'node:http';
import { request } from '../test/fakes/request.js';
import { Customer, expected, LOST_AFTER_MS, type Meeting, type Opened } from './customer.js';
import { percentile } from './report.js';

export interface LoadOrder {
  /** One or several nodes of one server; customers are spread over them. */
  urls: string[];
  secret?: string;
  /** Customers; of `intake`, calls under way at once. */
  conversations: number;
  /** Customers are numbered from here: two loads on one server must not share any. */
  firstCustomer: number;
  /**
   * - `loop`: a customer says the next thing when the last one is answered.
   * - `rate`: a customer says something once a second, whatever became of the last: latencies count from when it was due.
   * - `hold`: one message each, then the conversations stay open and idle, with a socket or without.
   * - `storm`: as `hold`; when told, all sockets are lost, and all customers come back at once.
   * - `intake`: conversations are started, with tokens made before.
   */
  mode: 'loop' | 'rate' | 'hold' | 'holdWithoutSockets' | 'storm' | 'intake';
  warmUpMs: number;
  measureMs: number;
}

/** What a storm is told: the network goes, and is back after these texts were said to everybody. */
export type StormCue = { cue: 'lose' } | { cue: 'comeBack'; missed: string[] };

export type LoadReport =
  /** The measured window begins. */
  | { phase: 'measuring' }
  /** The window is over; latencies are to the bot's reply on the socket, of `intake` to the answer. */
  | { phase: 'measured'; messages: number; elapsedMs: number; p50Ms: number; p99Ms: number }
  /** Everything sent since the start was read back by GET and is there once, in order. */
  | { phase: 'verified'; messages: number }
  | { phase: 'holding'; conversations: string[] }
  | { phase: 'lost' }
  | { phase: 'caughtUp'; elapsedMs: number; p50Ms: number; p99Ms: number }
  | { phase: 'failed'; error: string };

const openAtOnce = 32;
/** Calls of a storm under way at once: a page's call is short, its socket stays. */
const callsAtOnce = 256;
/** After a storm, for what might come a second time. */
const quietMs = 1_000;
const rateMs = 1_000;

const order = JSON.parse(process.argv[2] ?? '') as LoadOrder;
const bases = order.urls.map((url) => `${url.replace(/\/$/, '')}/v3/directline`);
const baseOf = (n: number): string => bases[n % bases.length] as string;
const shared = new http.Agent({ keepAlive: true, maxSockets: callsAtOnce });
/** Everybody who has arrived. */
const customers: Customer[] = [];

/**
 * One connection each, as from a browser, opened on arrival: a busy Node server accepts one connection per turn of its loop, so
 * hundreds opened under load would wait seconds and that would be measured instead. Who only holds a conversation open shares.
 */
function meeting(n: number): Meeting {
  const ownConnection = order.mode === 'loop' || order.mode === 'rate';
  return { base: baseOf(n), fail, agent: ownConnection ? new http.Agent({ keepAlive: true, maxSockets: 1 }) : shared };
}

function tell(report: LoadReport): Promise<void> {
  return new Promise((resolve) => process.send?.(report, () => resolve()));
}

function fail(error: unknown): void {
  void tell({ phase: 'failed', error: error instanceof Error ? error.message : String(error) }).then(() =>
    process.exit(1),
  );
}

async function arriveAll(): Promise<void> {
  await inParallel(order.conversations, openAtOnce, async (n) => {
    const customer = await Customer.arrive(`dl_customer${order.firstCustomer + n}`, meeting(n), order.secret);
    customers.push(customer);
    await customer.say();
    if (order.mode === 'holdWithoutSockets') customer.hangUp();
  });
}

/** `talk` says one thing after another until told to stop, and gives each latency to `note`. */
async function measure(
  talk: (customer: Customer, index: number, note: (ms: number) => void, stopped: () => boolean) => Promise<void>,
): Promise<void> {
  const latencies: number[] = [];
  let measuring = false;
  let stopping = false;
  const note = (ms: number) => {
    if (measuring) latencies.push(ms);
  };
  const talks = Promise.all(customers.map((customer, index) => talk(customer, index, note, () => stopping)));
  await pause(order.warmUpMs);
  await tell({ phase: 'measuring' });
  const beganAt = performance.now();
  measuring = true;
  await pause(order.measureMs);
  measuring = false;
  await tellMeasured(latencies, performance.now() - beganAt);
  stopping = true;
  await talks;
  let messages = 0;
  for (const customer of customers) messages += await customer.verify();
  await tell({ phase: 'verified', messages });
}

async function converse(
  customer: Customer,
  _index: number,
  note: (ms: number) => void,
  stopped: () => boolean,
): Promise<void> {
  while (!stopped()) {
    const saidAt = performance.now();
    note((await customer.say()) - saidAt);
  }
}

/** Open loop: who is late with one message has the next one due all the same, and its wait counts. */
async function converseAtRate(
  customer: Customer,
  index: number,
  note: (ms: number) => void,
  stopped: () => boolean,
): Promise<void> {
  let dueAt = performance.now() + (rateMs * index) / customers.length;
  while (!stopped()) {
    const early = dueAt - performance.now();
    if (early > 0) await pause(early);
    if (stopped()) return;
    note((await customer.say()) - dueAt);
    dueAt += rateMs;
  }
}

async function takeIn(): Promise<void> {
  const seconds = (order.warmUpMs + order.measureMs) / 1_000;
  /** More than any server starts meanwhile. */
  const tokens = order.secret === undefined ? undefined : await makeTokens(Math.ceil(seconds * 2_500));
  const latencies: number[] = [];
  const started: Opened[] = [];
  let beganAt = Infinity;
  let next = 0;
  const untilAt = performance.now() + order.warmUpMs + order.measureMs;
  const call = async (): Promise<void> => {
    while (performance.now() < untilAt) {
      const saidAt = performance.now();
      const token = tokens?.[next++];
      if (tokens !== undefined && token === undefined) throw new Error('The tokens made before are used up.');
      const answer = await request('POST', `${baseOf(started.length)}/conversations`, { agent: shared, token });
      started.push(expected(answer, 201, 'Start') as Opened);
      if (saidAt >= beganAt) latencies.push(performance.now() - saidAt);
    }
  };
  const calls = Promise.all(Array.from({ length: order.conversations }, call));
  await pause(order.warmUpMs);
  await tell({ phase: 'measuring' });
  beganAt = performance.now();
  await calls;
  await tellMeasured(latencies, performance.now() - beganAt);
  if (new Set(started.map(({ conversationId }) => conversationId)).size !== started.length)
    throw new Error('Two customers got the same conversation.');
  await inParallel(started.length, openAtOnce, async (n) => {
    const { conversationId, token } = started[n] as Opened;
    const url = `${baseOf(n)}/conversations/${conversationId}/activities`;
    expected(await request('GET', url, { agent: shared, token }), 200, `GET of ${conversationId}`);
  });
  await tell({ phase: 'verified', messages: started.length });
}

async function makeTokens(count: number): Promise<string[]> {
  const tokens: string[] = [];
  await inParallel(count, openAtOnce, async (n) => {
    const call = { agent: shared, token: order.secret, body: {} };
    tokens.push((expected(await request('POST', `${baseOf(n)}/tokens/generate`, call), 200, 'Token') as Opened).token);
  });
  return tokens;
}

async function storm(): Promise<void> {
  const cues = new Map<string, (cue: StormCue) => void>();
  const cued = (name: StormCue['cue']) => new Promise<StormCue>((resolve) => cues.set(name, resolve));
  process.on('message', (cue: StormCue) => cues.get(cue.cue)?.(cue));
  const [lose, comeBack] = [cued('lose'), cued('comeBack')];
  await tell({ phase: 'holding', conversations: customers.map(({ conversationId }) => conversationId) });
  await lose;
  await Promise.all(customers.map((customer) => customer.lose()));
  await tell({ phase: 'lost' });
  const cue = await comeBack;
  const missed = cue.cue === 'comeBack' ? cue.missed : [];
  const beganAt = performance.now();
  const waits = await Promise.all(
    customers.map(async (customer) => {
      await customer.comeBack(missed);
      return performance.now() - beganAt;
    }),
  );
  const elapsedMs = performance.now() - beganAt;
  // Whatever comes once more fails the run.
  await pause(quietMs);
  await tell({ phase: 'caughtUp', elapsedMs, p50Ms: percentile(waits, 0.5), p99Ms: percentile(waits, 0.99) });
}

async function tellMeasured(latencies: number[], elapsedMs: number): Promise<void> {
  const [p50Ms, p99Ms] = [percentile(latencies, 0.5), percentile(latencies, 0.99)];
  await tell({ phase: 'measured', messages: latencies.length, elapsedMs, p50Ms, p99Ms });
}

async function inParallel(count: number, atOnce: number, work: (n: number) => Promise<void>): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function run(): Promise<void> {
  if (order.mode === 'intake') return takeIn();
  const patience = setInterval(() => {
    const now = performance.now();
    const overdue = customers.find((customer) => customer.isOverdue(now));
    if (overdue !== undefined) fail(new Error(`Lost after ${LOST_AFTER_MS} ms: ${overdue.describeTurn()}`));
  }, 1000);
  await arriveAll();
  switch (order.mode) {
    case 'loop':
      await measure(converse);
      break;
    case 'rate':
      await measure(converseAtRate);
      break;
    case 'storm':
      await storm();
      break;
    case 'hold':
    case 'holdWithoutSockets':
      await tell({ phase: 'holding', conversations: customers.map(({ conversationId }) => conversationId) });
  }
  clearInterval(patience);
}

// A load that only holds conversations open stays until it is let go.
process.on('disconnect', () => process.exit(0));
run().catch(fail);
