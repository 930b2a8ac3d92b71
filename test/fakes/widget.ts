/** A small real Direct Line client: REST over node:http and the stream over ws, as Web Chat speaks them, without a page. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { WebSocket } from 'ws';
import type { Activity } from '../../src/core/activity.js';
import { Arrivals } from './arrivals.js';
import { request, type Answer } from './request.js';

export interface WidgetOptions {
  /** The server's origin. */
  url: string;
  /** A Direct Line token, as a page gets it from its own server. */
  token?: string;
  /** With a secret the widget makes its own token for `user`; with neither it asks for an anonymous one as the widget page does. */
  secret?: string;
  user?: { id: string; name?: string };
  /** Sent as the Origin header of every call, as a browser does. */
  origin?: string;
  /** False: each call by a connection of its own, where a process holds thousands of widgets. */
  keepAlive?: boolean;
}

export interface ActivitySet {
  activities: Activity[];
  watermark?: string;
}

export interface Grant {
  conversationId: string;
  token: string;
  expires_in: number;
  streamUrl?: string;
}

function baseOf(url: string): string {
  return `${url.replace(/\/$/, '')}/v3/directline`;
}

export class Widget {
  /** What the server calls the conversation; known once started. */
  conversationId = '';
  token = '';
  /** Of the last set the socket brought: where `reconnect` goes on. */
  watermark = '';
  readonly userId: string;
  private readonly arrivals: Arrivals<Activity>;
  private readonly agent: http.Agent;
  private base: string;
  private socket?: WebSocket;

  /** Use `Widget.start`; a bare one is for tests of single calls. */
  constructor(private readonly options: WidgetOptions) {
    this.base = baseOf(options.url);
    this.agent = new http.Agent({ keepAlive: options.keepAlive ?? true });
    this.userId = options.user?.id ?? `dl_${randomBytes(6).toString('hex')}`;
    this.arrivals = new Arrivals(`Widget of ${this.userId}`, ({ id, type, from, text, name }) =>
      [id, type, `from ${from?.id}`, text ?? name].filter(Boolean).join(' '),
    );
  }

  /** A started conversation with its socket open. */
  static async start(options: WidgetOptions): Promise<Widget> {
    const widget = new Widget(options);
    try {
      await widget.start();
    } catch (error) {
      await widget.close();
      throw error;
    }
    return widget;
  }

  async start(): Promise<void> {
    this.token = this.options.token ?? (await this.obtainToken());
    const user = { id: this.userId, name: this.options.user?.name };
    const { body } = await this.expect([200, 201], 'POST', '/conversations', { user });
    await this.adopt(body as Grant);
  }

  /** After a lost socket: asks for a fresh stream from the last watermark on and opens it; `url`: at another node from now on. */
  async reconnect(url?: string): Promise<void> {
    this.drop();
    if (url !== undefined) this.base = baseOf(url);
    const path = `/conversations/${this.conversationId}?watermark=${encodeURIComponent(this.watermark)}`;
    const { body } = await this.expect([200], 'GET', path);
    await this.adopt(body as Grant);
  }

  /** Everything the socket brought, in order, repetitions included. */
  get received(): readonly Activity[] {
    return this.arrivals.all;
  }

  /** The next activity on the socket with this text, or of which this is true. */
  next(wanted: string | ((activity: Activity) => boolean), timeoutMs?: number): Promise<Activity> {
    const wants = typeof wanted === 'string' ? (activity: Activity) => activity.text === wanted : wanted;
    return this.arrivals.next(wants, timeoutMs);
  }

  /** Sends a message and resolves with its id once the server has acknowledged it. */
  async say(text: string, { clientActivityID = randomBytes(6).toString('hex') } = {}): Promise<string> {
    const answer = await this.post({ type: 'message', text, channelData: { clientActivityID } });
    if (answer.status !== 200) throw refused('POST activities', answer);
    return (answer.body as { id: string }).id;
  }

  /** Posts any activity, with whatever the server answers. */
  post(activity: Record<string, unknown>): Promise<Answer> {
    const from = { id: this.userId, name: this.options.user?.name, role: 'user' };
    return this.call('POST', `/conversations/${this.conversationId}/activities`, { from, ...activity });
  }

  /** The conversation from `watermark` on, by GET, page after page to its end. */
  async read(watermark = ''): Promise<Activity[]> {
    const activities: Activity[] = [];
    for (let at = watermark; ;) {
      const path = `/conversations/${this.conversationId}/activities?watermark=${encodeURIComponent(at)}`;
      const set = (await this.expect([200], 'GET', path)).body as ActivitySet;
      activities.push(...set.activities);
      if (set.activities.length === 0 || set.watermark === undefined || set.watermark === at) return activities;
      at = set.watermark;
    }
  }

  /** One Direct Line call with this widget's token; `path` follows /v3/directline. */
  call(method: string, path: string, body?: unknown, token = this.token): Promise<Answer> {
    const headers: Record<string, string> = { 'x-ms-bot-agent': 'DirectLine/3.0 (test widget)' };
    if (this.options.origin !== undefined) headers.origin = this.options.origin;
    return request(method, `${this.base}${path}`, { agent: this.agent, token, headers, body, timeoutMs: 10_000 });
  }

  /** Whether the socket is open. */
  get isConnected(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  /** Resolves when the server has closed the socket. */
  async disconnected(): Promise<void> {
    if (this.socket !== undefined && this.socket.readyState !== WebSocket.CLOSED) await once(this.socket, 'close');
  }

  /** Loses the socket without a word, as a dead network does. */
  drop(): void {
    this.socket?.terminate();
  }

  async close(): Promise<void> {
    this.drop();
    await this.disconnected();
    this.agent.destroy();
  }

  private async obtainToken(): Promise<string> {
    const { secret, url, user } = this.options;
    if (secret !== undefined) {
      const { body } = await this.expect(
        [200],
        'POST',
        '/tokens/generate',
        { user: { ...user, id: this.userId } },
        secret,
      );
      return (body as Grant).token;
    }
    const answer = await request('POST', `${url.replace(/\/$/, '')}/api/widget/token`, { agent: this.agent, body: {} });
    if (answer.status !== 200) throw refused('POST /api/widget/token', answer);
    return (answer.body as Grant).token;
  }

  private async expect(
    statuses: number[],
    method: string,
    path: string,
    body?: unknown,
    token?: string,
  ): Promise<Answer> {
    const answer = await this.call(method, path, body, token);
    if (!statuses.includes(answer.status)) throw refused(`${method} ${path}`, answer);
    return answer;
  }

  private async adopt(grant: Grant): Promise<void> {
    this.conversationId = grant.conversationId;
    this.token = grant.token;
    if (grant.streamUrl === undefined) throw new Error('The server gave no streamUrl');
    const socket = new WebSocket(grant.streamUrl, {
      perMessageDeflate: false,
      handshakeTimeout: 10_000,
      origin: this.options.origin,
    });
    this.socket = socket;
    socket.on('message', (frame: Buffer) => {
      // An empty frame is a keep-alive; what a socket brings that was dropped, nobody sees.
      if (frame.length > 0 && socket.readyState === WebSocket.OPEN)
        this.take(JSON.parse(frame.toString()) as ActivitySet);
    });
    await once(socket, 'open');
    // A socket that breaks later is closed; who cares awaits disconnected().
    socket.on('error', () => undefined);
  }

  private take(set: ActivitySet): void {
    for (const activity of set.activities) this.arrivals.add(activity);
    if (set.watermark !== undefined && set.watermark !== null) this.watermark = set.watermark;
  }
}

function refused(call: string, { status, body }: Answer): Error {
  return new Error(`${call} answered ${status}: ${JSON.stringify(body)}`);
}
