/**
 * One customer over real HTTP and WebSocket, who takes nothing on trust: its own echo, then the bot's reply, once each and in that
 * order. Speaks to any Direct Line server whose bot answers `Echo: <text>`.
 */
import type http from 'node:http';
import { WebSocket } from 'ws';
import { request, type Answer } from '../test/fakes/request.js';

/** No reply for this long counts as a lost message. */
export const LOST_AFTER_MS = 10_000;
/** A crowd that comes at once waits for its turn. */
const HANDSHAKE_MS = 120_000;

export interface Activity {
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
  done: (repliedAt: number) => void;
}

/** What a server answers to a conversation started or found again. */
export interface Opened {
  conversationId: string;
  token: string;
  streamUrl: string;
}

export interface Meeting {
  /** Of the server, with `/v3/directline`. */
  base: string;
  /** Its calls go by these connections. */
  agent: http.Agent;
  /** A fault that ends the run. */
  fail: (error: unknown) => void;
}

export class Customer {
  private turn?: Turn;
  private sent = 0;
  private repliedAt = 0;
  private watermark = '';
  /** What came while it was away, in the order in which it is due. */
  private missed: string[] = [];
  private caughtUp?: () => void;
  private readonly token: string;
  private readonly activitiesUrl: string;
  private socket: WebSocket;

  private constructor(
    private readonly userId: string,
    readonly conversationId: string,
    opened: Opened,
    private readonly meeting: Meeting,
  ) {
    this.token = opened.token;
    this.activitiesUrl = `${meeting.base}/conversations/${conversationId}/activities`;
    this.socket = this.connect(opened.streamUrl);
  }

  static async arrive(userId: string, meeting: Meeting, secret: string | undefined): Promise<Customer> {
    const answer = await request('POST', `${meeting.base}/conversations`, {
      agent: meeting.agent,
      token: secret,
      body: { user: { id: userId } },
    });
    const opened = expected(answer, 201, 'Start') as Opened;
    const customer = new Customer(userId, opened.conversationId, opened, meeting);
    await customer.opened();
    return customer;
  }

  /** Comes to a conversation that is there, with the server's secret. */
  static async find(userId: string, conversationId: string, meeting: Meeting, secret: string): Promise<Customer> {
    const answer = await request('GET', `${meeting.base}/conversations/${conversationId}?watermark=1000`, {
      agent: meeting.agent,
      token: secret,
    });
    const customer = new Customer(userId, conversationId, expected(answer, 200, 'Reconnect') as Opened, meeting);
    await customer.opened();
    return customer;
  }

  /** One message, there and back; resolves with the time (of performance.now) at which the bot's reply came by the socket. */
  say(): Promise<number> {
    const text = this.textOf(this.sent++);
    return new Promise((done) => {
      this.turn = { startedAt: performance.now(), text, replied: false, done };
      const body = { type: 'message', text, from: { id: this.userId, name: 'Customer', role: 'user' } };
      request('POST', this.activitiesUrl, { agent: this.meeting.agent, token: this.token, body }).then((answer) => {
        if (answer.status !== 200) return this.fail(`POST answered ${answer.status}: ${JSON.stringify(answer.body)}`);
        if (this.turn?.text !== text) return this.fail(`${text}: answered after its turn`);
        this.turn.answeredId = (answer.body as { id: string }).id;
        this.endTurn();
      }, this.meeting.fail);
    });
  }

  isOverdue(now: number): boolean {
    return this.turn !== undefined && now - this.turn.startedAt > LOST_AFTER_MS;
  }

  describeTurn(): string {
    if (this.turn === undefined) return 'no turn';
    const { text, answeredId, echoId, replied } = this.turn;
    return `'${text}': 200 ${answeredId !== undefined}, own echo ${echoId !== undefined}, reply ${replied}`;
  }

  hangUp(): void {
    this.socket.close();
  }

  /** As when the network goes: nobody says goodbye. */
  lose(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.socket.once('close', () => resolve()));
    this.socket.terminate();
    return closed;
  }

  /** Comes back with its watermark; resolves when each of `missed` has come, once and in order. */
  async comeBack(missed: readonly string[]): Promise<void> {
    this.missed = [...missed];
    const caughtUp = new Promise<void>((resolve) => (this.caughtUp = resolve));
    const url = `${this.activitiesUrl.replace(/\/activities$/, '')}?watermark=${this.watermark}`;
    const answer = await request('GET', url, { agent: this.meeting.agent, token: this.token });
    this.socket = this.connect((expected(answer, 200, 'Reconnect') as Opened).streamUrl);
    await caughtUp;
  }

  /** Reads the whole conversation back and compares it with what was sent. */
  async verify(): Promise<number> {
    const texts: (string | undefined)[] = [];
    for (let watermark = ''; ;) {
      const answer = await request('GET', `${this.activitiesUrl}?watermark=${watermark}`, {
        agent: this.meeting.agent,
        token: this.token,
      });
      const set = expected(answer, 200, 'GET') as ActivitySet;
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

  private connect(streamUrl: string): WebSocket {
    const socket = new WebSocket(streamUrl, {
      perMessageDeflate: false,
      skipUTF8Validation: true,
      handshakeTimeout: HANDSHAKE_MS,
    });
    socket.on('message', (frame: Buffer) => {
      if (frame.length === 0) return;
      const { activities, watermark } = JSON.parse(frame.toString()) as ActivitySet;
      for (const activity of activities) this.take(activity);
      this.watermark = watermark ?? this.watermark;
    });
    socket.on('error', this.meeting.fail);
    return socket;
  }

  private opened(): Promise<void> {
    return new Promise((resolve) => this.socket.once('open', resolve));
  }

  private textOf(n: number): string {
    return `${this.userId} says ${n}`;
  }

  /** The only order allowed on the socket: what was missed, then own echo and the bot's reply of each turn, once each. */
  private take(activity: Activity): void {
    if (activity.type !== 'message') return;
    if (this.caughtUp !== undefined && this.missed.length > 0) {
      const due = this.missed.shift();
      if (activity.text !== due) return this.fail(`'${activity.text}' came where '${due}', which was missed, was due`);
      if (this.missed.length === 0) this.caughtUp();
      return;
    }
    const turn = this.turn;
    if (turn === undefined) return this.fail(`'${activity.text}' came when nothing was asked`);
    const expected = turn.echoId === undefined ? turn.text : `Echo: ${turn.text}`;
    if (turn.replied || activity.text !== expected) {
      return this.fail(`'${activity.text}' came where '${turn.replied ? 'nothing' : expected}' was due`);
    }
    if (turn.echoId === undefined) {
      turn.echoId = activity.id;
    } else {
      turn.replied = true;
      this.repliedAt = performance.now();
      this.endTurn();
    }
  }

  private endTurn(): void {
    const turn = this.turn;
    if (turn?.answeredId === undefined || !turn.replied) return;
    if (turn.answeredId !== turn.echoId) {
      return this.fail(`POST answered ${turn.answeredId}, the socket showed ${turn.echoId}`);
    }
    this.turn = undefined;
    turn.done(this.repliedAt);
  }

  private fail(what: string): void {
    this.meeting.fail(new Error(what));
  }
}

/** @throws Error when a call was answered with another status. */
export function expected({ status, body }: Answer, due: number, call: string): unknown {
  if (status !== due) throw new Error(`${call} answered ${status}: ${JSON.stringify(body)}`);
  return body;
}
