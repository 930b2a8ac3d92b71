// A stand-in for the server behind the pages, steered by the test: for states a real server reaches rarely or slowly
// (an offer that lapses, a session that expires, a connection that drops).
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { WebSocketServer, type WebSocket } from 'ws';
import { FakeDirectLine, fakeToken, type FakeActivity } from './fakeDirectLine.js';

type Json = Record<string, unknown>;

export interface FakeConversation {
  id: string;
  phase: 'bot' | 'queued' | 'offered' | 'agent' | 'waiting' | 'wrapUp' | 'closed';
  epoch: number;
  queue?: string;
  agent?: { id: string; name: string };
  position?: number;
  waitingSince?: string;
  dueAt?: string;
  timers?: Record<string, string>;
  customer: { id: string; name: string };
  context: Record<string, { value: unknown; displayable: boolean }>;
  summary?: string;
  startedAt: string;
}

export interface Call {
  method: string;
  path: string;
  body: unknown;
}

const CONTENT_TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** No looser than what src/pages.ts sends. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "connect-src 'self' blob:",
  "img-src 'self' https: data: blob:",
  "media-src 'self' https: data: blob:",
  "font-src 'self' data:",
  "worker-src 'self' blob:",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export class FakePagesServer {
  me: Json = {
    id: 'ana',
    name: 'Ana',
    roles: ['agent'],
    presence: 'available',
    capacity: 3,
    load: 0,
    queues: ['CreditCardQueue'],
  };
  /** What the customer's page gets. */
  customerConversation = 'kim';
  signedIn = true;
  signIn?: { id: string; name: string; url: string }[] = [{ id: 'ana', name: 'Ana', url: '/console/?ticket=ana' }];
  queues: Json[] = [
    { id: 'BotQueue', members: ['demo'] },
    { id: 'CreditCardQueue', members: ['ana', 'ben'] },
    { id: 'HomeLoanQueue', members: ['ben'] },
  ];
  agents: Json[] = [
    { id: 'ana', name: 'Ana', presence: 'available', capacity: 3, load: 0 },
    { id: 'ben', name: 'Ben', presence: 'busy', capacity: 3, load: 1 },
  ];
  readonly conversations = new Map<string, FakeConversation>();
  /** An entry at the end of a log that says how the talking ended. */
  readonly endings = new Map<string, Json>();
  readonly receipts = new Map<string, Json[]>();
  /** Answers for one receipt, by conversation and seq. */
  readonly fullReceipts = new Map<string, Json>();
  readonly calls: Call[] = [];
  /** The next call whose path ends so is refused so, once; `meanwhile` is why. */
  refusals: { path: string; status: number; error: Json; meanwhile?: () => void }[] = [];
  readonly directLine = new FakeDirectLine((viewer, activity) =>
    this.onPosted(viewer.staff, viewer.conversationId, activity),
  );
  onPosted: (staff: boolean, conversationId: string, activity: FakeActivity) => void = () => undefined;
  readonly #events = new WebSocketServer({ noServer: true });
  readonly #eventSockets = new Set<WebSocket>();
  #server?: Server;
  #down = false;

  constructor(private readonly pagesDirectory: string) {}

  get url(): string {
    return `http://localhost:${(this.#server!.address() as AddressInfo).port}`;
  }

  async start(port = 0): Promise<this> {
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      const readBody = () => bodyOf(request);
      const answer = (status: number, body: unknown) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      };
      const run = async () => {
        if (this.#down) return void request.socket.destroy();
        if (await this.directLine.handle(request, response, url, readBody)) return;
        if (url.pathname.startsWith('/api/')) {
          const body = await readBody();
          if (request.method !== 'GET') this.calls.push({ method: request.method ?? '', path: url.pathname, body });
          const [status, result] = this.#answer(request.method ?? 'GET', url, body);
          return answer(status, result);
        }
        if (url.searchParams.has('ticket')) {
          this.signedIn = true;
          return void response.writeHead(303, { location: '/console/' }).end();
        }
        const path = url.pathname.endsWith('/') ? `${url.pathname}index.html` : url.pathname;
        const file = await readFile(join(this.pagesDirectory, normalize(path))).catch(() => undefined);
        if (!file) return answer(404, {});
        response.writeHead(200, {
          'content-type': CONTENT_TYPES[extname(path)] ?? 'application/octet-stream',
          'content-security-policy': CONTENT_SECURITY_POLICY,
        });
        response.end(file);
      };
      run().catch((error: unknown) => answer(500, { error: { code: 'fake', message: String(error) } }));
    });
    server.on('upgrade', (request, socket, head) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      if (this.#down || (url.pathname === '/api/v1/events' && !this.signedIn)) return void socket.destroy();
      if (this.directLine.upgrade(request, socket, head, url)) return;
      this.#events.handleUpgrade(request, socket, head, (webSocket) => {
        this.#eventSockets.add(webSocket);
        webSocket.on('close', () => this.#eventSockets.delete(webSocket));
      });
    });
    await new Promise<void>((resolve) => server.listen(port, 'localhost', resolve));
    this.#server = server;
    return this;
  }

  async stop(): Promise<void> {
    this.dropConnections();
    this.directLine.close();
    this.#events.close();
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  /** As if the network or the server were gone; everything in memory stays. */
  goDown(): void {
    this.#down = true;
    this.dropConnections();
    this.directLine.dropSockets();
  }

  comeBack(): void {
    this.#down = false;
  }

  dropConnections(): void {
    for (const socket of this.#eventSockets) socket.terminate();
  }

  put(conversation: FakeConversation): void {
    this.conversations.set(conversation.id, conversation);
    this.notify(conversation.id);
  }

  change(id: string, change: Partial<FakeConversation>): void {
    this.put({ ...this.conversations.get(id)!, ...change });
  }

  notify(conversationId?: string): void {
    const notices = [
      { type: 'hello' },
      { type: 'conversation', conversationId },
      { type: 'queue' },
      { type: 'person' },
    ];
    for (const socket of this.#eventSockets) for (const notice of notices) socket.send(JSON.stringify(notice));
  }

  say(conversationId: string, activity: FakeActivity): void {
    this.directLine.append(conversationId, activity);
    this.notify(conversationId);
  }

  #answer(method: string, url: URL, body: unknown): [number, unknown] {
    const { pathname } = url;
    if (pathname === '/api/widget/config')
      return [200, { title: 'Contoso Bank', botName: 'Demo Bot', signIn: this.signIn }];
    if (pathname === '/api/widget/token') {
      const conversationId = this.customerConversation;
      const token = fakeToken({ conversationId, userId: 'dl_kim', staff: false });
      return [200, { token, conversationId, expires_in: 1800, domain: `${this.url}/v3/directline` }];
    }
    if (!this.signedIn) return [401, { error: { code: 'signInRequired', message: 'Sign in again.' } }];
    const refused = this.refusals.findIndex(({ path }) => pathname.endsWith(path));
    if (refused >= 0) {
      const [refusal] = this.refusals.splice(refused, 1);
      refusal?.meanwhile?.();
      return [refusal!.status, { error: refusal!.error }];
    }
    const [, , , kind, id, verb, seq] = pathname.split('/');
    if (kind === 'me' && id === 'pairing-code')
      return [200, { code: 'K7QF-2M9X-4TAB', write: 'sign in K7QF-2M9X-4TAB', expires_in: 600 }];
    if (kind === 'me') {
      if (method === 'PUT') this.me = { ...this.me, ...(body as Json) };
      return [200, this.me];
    }
    if (kind === 'queues') return [200, { items: this.queues }];
    if (kind === 'agents') return [200, { items: this.agents }];
    if (kind !== 'conversations') return [404, { error: { code: 'notFound', message: pathname } }];
    if (!id) {
      const wanted = (name: string) => url.searchParams.get(name)?.split(',');
      const items = [...this.conversations.values()].filter(
        (row) =>
          (!wanted('phase') || wanted('phase')!.includes(row.phase)) &&
          (!wanted('agent') || wanted('agent')!.includes(row.agent?.id ?? '')),
      );
      return [200, { items }];
    }
    const conversation = this.conversations.get(id);
    if (!conversation)
      return [404, { error: { code: 'conversationNotFound', message: `There is no conversation ${id}.` } }];
    switch (verb) {
      case undefined:
        return [200, conversation];
      case 'log':
        return [200, { entries: this.#entries(id, Number(url.searchParams.get('after') ?? 0)) }];
      case 'receipts':
        if (seq !== undefined) return [200, this.fullReceipts.get(`${id}/${seq}`)];
        return [200, { items: this.receipts.get(id) ?? [] }];
      case 'token': {
        const viewer = { conversationId: id, userId: String(this.me['id']), staff: true };
        return [
          200,
          { token: fakeToken(viewer), conversationId: id, expires_in: 1800, domain: `${this.url}/v3/directline` },
        ];
      }
      case 'messages': {
        const activity = body as FakeActivity & { audience?: string };
        this.say(id, {
          ...activity,
          from: { id: String(this.me['id']), name: String(this.me['name']) },
          channelData: activity.audience === 'staff' ? { handoff: { audience: 'staff', kind: 'note' } } : {},
        });
        return [200, conversation];
      }
      default:
        return [200, this.#moved(conversation, verb)];
    }
  }

  #moved(conversation: FakeConversation, verb: string): FakeConversation {
    const agent = { id: String(this.me['id']), name: String(this.me['name']) };
    const to = {
      accept: { phase: 'agent', agent },
      pick: { phase: 'agent', agent },
      reject: { phase: 'queued', agent: undefined },
      return: { phase: 'bot', agent: undefined },
      transfer: { phase: 'queued', agent: undefined },
      end: { phase: 'wrapUp', dueAt: new Date(Date.now() + 15 * 60_000).toISOString() },
      close: { phase: 'closed' },
    }[verb] as Partial<FakeConversation> | undefined;
    this.change(conversation.id, { ...to, epoch: conversation.epoch + 1 });
    return this.conversations.get(conversation.id)!;
  }

  #entries(id: string, after: number): Json[] {
    const log = this.directLine.logs.get(id) ?? [];
    const entries = log.map((activity, index): Json => {
      const handoff = activity.channelData?.['handoff'] as { audience?: string } | undefined;
      return {
        seq: index + 1,
        at: activity.timestamp,
        type: 'said',
        audience: handoff?.audience ?? 'everyone',
        by: { role: roleOf(activity.from?.id ?? ''), ...activity.from },
        activity,
      };
    });
    const ending = this.endings.get(id);
    if (ending) entries.push({ seq: log.length + 1, at: new Date().toISOString(), audience: 'everyone', ...ending });
    return entries.filter(({ seq }) => Number(seq) > after);
  }
}

function roleOf(id: string): string {
  if (id === 'system') return 'system';
  if (id.startsWith('dl_')) return 'customer';
  return id === 'demo' ? 'bot' : 'agent';
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text ? JSON.parse(text) : undefined;
}
