/** A real bot endpoint on a free port: takes activities at /api/messages and does what its script says. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Activity } from '../../src/core/activity.js';
import { Arrivals } from './arrivals.js';
import { request, type Answer } from './request.js';

/** What the bot does with one activity; what it returns is the HTTP answer (default: an empty 200). */
export type Script = (turn: Turn) => Promise<BotAnswer | void> | BotAnswer | void;

export interface BotAnswer {
  status: number;
  headers?: Record<string, string>;
  /** Sent as JSON, unless it is a Buffer (sent as it is). */
  body?: unknown;
}

export interface Turn {
  readonly activity: Activity;
  readonly headers: http.IncomingHttpHeaders;
  /** Posts a reply to the activity's serviceUrl; a string is a message. Resolves with the hub's answer, whatever it is. */
  reply(activity: string | Partial<Activity>): Promise<Answer>;
  /** A call of the Connector about the activity's conversation: `call('GET', 'members')`. */
  call(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Breaks the connection instead of answering. */
  hangUp(): void;
}

/** Answers every message with `Echo: <text>` before it answers the call, as bots built with the SDK do. */
export const echo: Script = async ({ activity, reply }) => {
  if (activity.type === 'message') await reply(`Echo: ${activity.text}`);
};

export class HttpBot {
  /** May be changed at any time; holds for the turns that begin afterwards. */
  script: Script = echo;
  /** Sent with every connector call, when set. */
  token?: string;
  private readonly arrivals = new Arrivals<Activity>('The bot', ({ id, type, text, name }) =>
    [id, type, text ?? name].filter(Boolean).join(' '),
  );
  private readonly agent = new http.Agent({ keepAlive: true });
  private readonly server = http.createServer((req, res) => void this.serve(req, res));

  private constructor() {}

  /** `port`: where it was before, for a bot that comes back; a free one unless given. */
  static async start(script: Script = echo, port = 0): Promise<HttpBot> {
    const bot = new HttpBot();
    bot.script = script;
    await new Promise<void>((resolve, reject) => {
      bot.server.once('error', reject).listen(port, '127.0.0.1', resolve);
    });
    return bot;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}/api/messages`;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Every activity the bot was called with, in order, repetitions included. */
  get received(): readonly Activity[] {
    return this.arrivals.all;
  }

  next(wanted: string | ((activity: Activity) => boolean), timeoutMs?: number): Promise<Activity> {
    const wants = typeof wanted === 'string' ? (activity: Activity) => activity.text === wanted : wanted;
    return this.arrivals.next(wants, timeoutMs);
  }

  /** Speaks up to a conversation it was once called about: proactively when `replyToId` is not given. */
  say(to: Activity, activity: string | Partial<Activity>, replyToId?: string): Promise<Answer> {
    const content = typeof activity === 'string' ? { type: 'message', text: activity } : activity;
    const conversationId = to.conversation?.id ?? '';
    const tail = replyToId === undefined ? '' : `/${encodeURIComponent(replyToId)}`;
    const url = `${to.serviceUrl}v3/conversations/${encodeURIComponent(conversationId)}/activities${tail}`;
    const body = { from: to.recipient, recipient: to.from, conversation: to.conversation, replyToId, ...content };
    return request('POST', url, { agent: this.agent, token: this.token, body, timeoutMs: 20_000 });
  }

  /** A call of the Connector about the conversation of an activity. */
  call(about: Activity, method: string, path: string, body?: unknown): Promise<Answer> {
    return this.request(method, `${about.serviceUrl}v3/conversations/${about.conversation?.id ?? ''}/${path}`, body);
  }

  request(method: string, url: string, body?: unknown): Promise<Answer> {
    return request(method, url, { agent: this.agent, token: this.token, body, timeoutMs: 20_000 });
  }

  async stop(): Promise<void> {
    this.agent.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async serve(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    if (req.method !== 'POST' || req.url !== '/api/messages') return void res.writeHead(405).end();
    const activity = JSON.parse(Buffer.concat(chunks).toString()) as Activity;
    this.arrivals.add(activity);
    const turn: Turn = {
      activity,
      headers: req.headers,
      reply: (content) => this.say(activity, content, activity.id),
      call: (method, path, body) => this.call(activity, method, path, body),
      hangUp: () => res.destroy(),
    };
    let answer: BotAnswer;
    try {
      answer = (await this.script(turn)) ?? { status: 200 };
    } catch (error) {
      answer = { status: 500, body: { error: String(error) } };
    }
    if (res.destroyed) return;
    const { body } = answer;
    const payload = body === undefined ? '' : Buffer.isBuffer(body) ? body : JSON.stringify(body);
    res.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers }).end(payload);
  }
}
