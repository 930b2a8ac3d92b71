/** A Bot Framework channel over real HTTP: posts customers' activities to a bot and takes what comes to its serviceUrl. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Activity } from '../../src/core/activity.js';
import { Arrivals } from './arrivals.js';
import { request, type Answer } from './request.js';

export interface Delivered {
  method: 'POST' | 'PUT' | 'DELETE';
  conversationId: string;
  /** The activity that is answered, changed or deleted. */
  activityId?: string;
  activity: Activity;
  /** The id this channel gave it. */
  id?: string;
}

export class FakeChannel {
  channelId = 'msteams';
  /** The bot's endpoint. */
  endpoint = '';
  /** What the channel answers instead of taking it; asked for every call. */
  refuse: (delivered: Delivered) => number | undefined | Promise<number | undefined> = () => undefined;
  /** What GET answers, by path: files that were sent through the channel. */
  readonly files = new Map<string, { contentType: string; bytes: Buffer }>();
  private readonly arrivals = new Arrivals<Delivered>(
    'The channel',
    ({ method, activity }) => `${method} ${activity.text ?? activity.name ?? activity.type}`,
  );
  private readonly agent = new http.Agent({ keepAlive: true });
  private readonly server = http.createServer((req, res) => void this.serve(req, res));
  private count = 0;

  static async start(): Promise<FakeChannel> {
    const channel = new FakeChannel();
    await new Promise<void>((resolve) => channel.server.listen(0, '127.0.0.1', resolve));
    return channel;
  }

  get serviceUrl(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
  }

  /** Everything that was taken, in order. */
  get delivered(): readonly Delivered[] {
    return this.arrivals.all;
  }

  /** What the customers read, in order. */
  get texts(): string[] {
    return this.delivered.flatMap(({ method, activity }) => (method === 'POST' ? (activity.text ?? []) : []));
  }

  next(text: string, timeoutMs?: number): Promise<Delivered> {
    return this.arrivals.next(({ activity }) => activity.text === text, timeoutMs);
  }

  nextOf(type: string, timeoutMs?: number): Promise<Delivered> {
    return this.arrivals.next(({ activity }) => activity.type === type, timeoutMs);
  }

  /** The next that was taken and of which this is true. */
  nextWhere(wanted: (delivered: Delivered) => boolean, timeoutMs?: number): Promise<Delivered> {
    return this.arrivals.next(wanted, timeoutMs);
  }

  /** A customer's activity; a string is a message. Resolves with the bot's answer, when its turn is over. */
  post(activity: string | Partial<Activity>, customer = 'kim'): Promise<Answer> {
    this.count += 1;
    const content = typeof activity === 'string' ? { type: 'message', text: activity } : activity;
    const body = {
      id: `in-${this.count}`,
      timestamp: new Date().toISOString(),
      channelId: this.channelId,
      serviceUrl: this.serviceUrl,
      from: { id: `29:${customer}`, name: customer },
      recipient: { id: '28:bot', name: 'Bot' },
      conversation: { id: `a:${customer}`, conversationType: 'personal' },
      ...content,
    };
    return request('POST', this.endpoint, { agent: this.agent, body, timeoutMs: 20_000 });
  }

  async stop(): Promise<void> {
    this.agent.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async serve(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const file = this.files.get(req.url ?? '');
    if (req.method === 'GET' && file !== undefined) {
      res.setHeader('content-type', file.contentType);
      return void res.end(file.bytes);
    }
    const found = /^\/v3\/conversations\/([^/]+)\/activities(?:\/([^/]+))?$/.exec(req.url ?? '');
    // Not by writeHead: restify changes what it returns for every server of the process.
    res.setHeader('content-type', 'application/json');
    res.statusCode = 404;
    if (found === null) return void res.end();
    const [, conversationId = '', activityId] = found.map((part) =>
      part === undefined ? undefined : decodeURIComponent(part),
    );
    const delivered: Delivered = {
      method: req.method as Delivered['method'],
      conversationId,
      ...(activityId === undefined ? {} : { activityId }),
      activity: (text === '' ? { type: 'none' } : JSON.parse(text)) as Activity,
    };
    const refused = await this.refuse(delivered);
    if (refused !== undefined) {
      res.statusCode = refused;
      return void res.end(JSON.stringify({ error: { code: 'Refused', message: 'as the test asked' } }));
    }
    if (req.method === 'POST') delivered.id = `out-${this.delivered.length + 1}`;
    this.arrivals.add(delivered);
    res.statusCode = 200;
    res.end(JSON.stringify({ id: delivered.id ?? activityId }));
  }
}
