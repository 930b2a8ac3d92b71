/**
 * The load: customers in a process of their own, each in a closed loop over real HTTP and WebSocket. A customer sends one message,
 * waits for the 200, for its own echo and for the bot's reply on the socket, in that order, and only then sends the next. Anything
 * lost, doubled or out of order ends the run with an error. Drives any Direct Line server whose bot answers `Echo: <text>`.
 */
import http from 'node:http';
import { WebSocket } from 'ws';
import { request } from '../test/fakes/request.js';

export interface LoadOrder {
  url: string;
  secret?: string;
  conversations: number;
  /** Customers are numbered from here: two loads on one server must not share any. */
  firstCustomer: number;
  /** `loop` measures a closed loop; `hold` sends one message each, then keeps the conversations open and idle. */
  mode: 'loop' | 'hold' | 'holdWithoutSockets';
  warmUpMs: number;
  measureMs: number;
}

export type LoadReport =
  /** The measured window begins. */
  | { phase: 'measuring' }
  /** The window is over; latencies are from the POST to the bot's reply on the socket. */
  | { phase: 'measured'; messages: number; elapsedMs: number; p50Ms: number; p99Ms: number }
  /** Everything sent since the start was read back by GET and is there once, in order. */
  | { phase: 'verified'; messages: number }
  | { phase: 'holding' }
  | { phase: 'failed'; error: string };

interface Activity {
  id: string;
  type: string;
  text?: string;
}

interface ActivitySet {
  activities: Activity[];
  watermark?: string;
}

interface Turn {
  startedAt: number;
  text: string;
  echoId?: string;
  answeredId?: string;
  replied: boolean;
  done: (latencyMs: number) => void;
}

/** No reply for this long counts as a lost message. */
const lostAfterMs = 10_000;
const openAtOnce = 32;

const order = JSON.parse(process.argv[2] ?? '') as LoadOrder;
const arrivals = new http.Agent({ keepAlive: true });
/** Everybody who has arrived. */
const customers: Customer[] = [];
const base = `${order.url.replace(/\/$/, '')}/v3/directline`;

class Customer {
  private turn?: Turn;
  private sent = 0;
  private lastLatencyMs = 0;
  /**
   * One connection each, as from a browser, opened on arrival: a busy Node server accepts one connection per turn of its loop, so
   * hundreds opened under load would wait seconds and that would be measured instead. Who only holds a conversation open shares.
   */
  private readonly agent = order.mode === 'loop' ? new http.Agent({ keepAlive: true, maxSockets: 1 }) : arrivals;
  private readonly token: string;
  private readonly activitiesUrl: string;

  private constructor(
    private readonly userId: string,
    conversation: { conversationId: string; token: string },
    private readonly socket: WebSocket,
  ) {
    this.token = conversation.token;
    this.activitiesUrl = `${base}/conversations/${conversation.conversationId}/activities`;
    socket.on('message', (frame: Buffer) => {
      if (frame.length === 0) return;
      for (const activity of (JSON.parse(frame.toString()) as ActivitySet).activities) this.take(activity);
    });
    socket.on('error', fail);
  }

  static async arrive(userId: string): Promise<Customer> {
    const answer = await request('POST', `${base}/conversations`, {
      agent: arrivals,
      token: order.secret,
      body: { user: { id: userId } },
    });
    if (answer.status !== 201) throw new Error(`Start answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    const conversation = answer.body as { conversationId: string; token: string; streamUrl: string };
    const socket = new WebSocket(conversation.streamUrl, {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      handshakeTimeout: lostAfterMs,
    });
    const customer = new Customer(userId, conversation, socket);
    await new Promise<void>((resolve) => socket.once('open', resolve));
    return customer;
  }

  /** One message, there and back; resolves with the milliseconds from the POST to the bot's reply. */
  say(): Promise<number> {
    const text = this.textOf(this.sent++);
    return new Promise((done) => {
      this.turn = { startedAt: performance.now(), text, replied: false, done };
      const body = { type: 'message', text, from: { id: this.userId, name: 'Customer', role: 'user' } };
      request('POST', this.activitiesUrl, { agent: this.agent, token: this.token, body }).then((answer) => {
        if (answer.status !== 200) {
          return fail(new Error(`POST answered ${answer.status}: ${JSON.stringify(answer.body)}`));
        }
        if (this.turn?.text !== text) return fail(new Error(`${text}: answered after its turn`));
        this.turn.answeredId = (answer.body as { id: string }).id;
        this.endTurn();
      }, fail);
    });
  }

  isOverdue(now: number): boolean {
    return this.turn !== undefined && now - this.turn.startedAt > lostAfterMs;
  }

  describeTurn(): string {
    if (this.turn === undefined) return 'no turn';
    const { text, answeredId, echoId, replied } = this.turn;
    return `'${text}': 200 ${answeredId !== undefined}, own echo ${echoId !== undefined}, reply ${replied}`;
  }

  hangUp(): void {
    this.socket.close();
  }

  /** Reads the whole conversation back and compares it with what was sent. */
  async verify(): Promise<number> {
    const texts: (string | undefined)[] = [];
    for (let watermark = ''; ;) {
      const answer = await request('GET', `${this.activitiesUrl}?watermark=${watermark}`, {
        agent: this.agent,
        token: this.token,
      });
      if (answer.status !== 200) throw new Error(`GET answered ${answer.status}: ${JSON.stringify(answer.body)}`);
      const set = answer.body as ActivitySet;
      if (set.activities.length === 0) break;
      for (const activity of set.activities) if (activity.type === 'message') texts.push(activity.text);
      if (set.watermark === undefined || set.watermark === watermark) break;
      watermark = set.watermark;
    }
    for (let n = 0; n < this.sent; n++) {
      const text = this.textOf(n);
      const [own, reply] = texts.slice(2 * n, 2 * n + 2);
      if (own !== text || reply !== `Echo: ${text}`) {
        throw new Error(`Read back '${own}', '${reply}' where '${text}' and its echo belong`);
      }
    }
    if (texts.length !== 2 * this.sent) throw new Error(`${texts.length} messages kept of ${2 * this.sent} exchanged`);
    return this.sent;
  }

  private textOf(n: number): string {
    return `${this.userId} says ${n}`;
  }

  /** The only order allowed on the socket: own echo, then the bot's reply, once each. */
  private take(activity: Activity): void {
    if (activity.type !== 'message') return;
    const turn = this.turn;
    if (turn === undefined) return fail(new Error(`'${activity.text}' came when nothing was asked`));
    const expected = turn.echoId === undefined ? turn.text : `Echo: ${turn.text}`;
    if (turn.replied || activity.text !== expected) {
      return fail(new Error(`'${activity.text}' came where '${turn.replied ? 'nothing' : expected}' was due`));
    }
    if (turn.echoId === undefined) {
      turn.echoId = activity.id;
    } else {
      turn.replied = true;
      this.lastLatencyMs = performance.now() - turn.startedAt;
      this.endTurn();
    }
  }

  private endTurn(): void {
    const turn = this.turn;
    if (turn?.answeredId === undefined || !turn.replied) return;
    if (turn.answeredId !== turn.echoId) {
      return fail(new Error(`POST answered ${turn.answeredId}, the socket showed ${turn.echoId}`));
    }
    this.turn = undefined;
    turn.done(this.lastLatencyMs);
  }
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
  let next = 0;
  const usher = async (): Promise<void> => {
    while (next < order.conversations) {
      const customer = await Customer.arrive(`dl_customer${order.firstCustomer + next++}`);
      customers.push(customer);
      await customer.say();
      if (order.mode === 'holdWithoutSockets') customer.hangUp();
    }
  };
  await Promise.all(Array.from({ length: openAtOnce }, usher));
}

async function loop(): Promise<void> {
  const latencies: number[] = [];
  let measuring = false;
  let stopping = false;
  const talk = async (customer: Customer): Promise<void> => {
    while (!stopping) {
      const latencyMs = await customer.say();
      if (measuring) latencies.push(latencyMs);
    }
  };
  const talks = Promise.all(customers.map(talk));
  await pause(order.warmUpMs);
  await tell({ phase: 'measuring' });
  const beganAt = performance.now();
  measuring = true;
  await pause(order.measureMs);
  measuring = false;
  const elapsedMs = performance.now() - beganAt;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? NaN;
  await tell({ phase: 'measured', messages: latencies.length, elapsedMs, p50Ms: at(0.5), p99Ms: at(0.99) });
  stopping = true;
  await talks;
  let messages = 0;
  for (const customer of customers) messages += await customer.verify();
  await tell({ phase: 'verified', messages });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function run(): Promise<void> {
  const patience = setInterval(() => {
    const now = performance.now();
    const overdue = customers.find((customer) => customer.isOverdue(now));
    if (overdue !== undefined) fail(new Error(`Lost after ${lostAfterMs} ms: ${overdue.describeTurn()}`));
  }, 1000);
  await arriveAll();
  if (order.mode === 'loop') await loop();
  else await tell({ phase: 'holding' });
  clearInterval(patience);
}

// A load that only holds conversations open stays until it is let go.
process.on('disconnect', () => process.exit(0));
run().catch(fail);
