// A small Direct Line server over an in-memory log, enough for Web Chat: start, reconnect, post, upload refused, stream.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';

export interface FakeActivity {
  id?: string;
  type: string;
  text?: string;
  name?: string;
  timestamp?: string;
  from?: { id: string; name?: string; role?: string };
  value?: unknown;
  channelData?: Record<string, unknown>;
  attachments?: unknown[];
}

/** Who looks: a customer sees what everyone sees, a person sees all of it, with the roles turned round. */
export interface Viewer {
  conversationId: string;
  userId: string;
  staff: boolean;
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

export function fakeToken(viewer: Viewer): string {
  return `${base64url({ alg: 'none' })}.${base64url({ conv: viewer.conversationId, user: viewer.userId, staff: viewer.staff })}.x`;
}

function readToken(token: string | null | undefined): Viewer | undefined {
  try {
    const claims = JSON.parse(Buffer.from((token ?? '').split('.')[1] ?? '', 'base64url').toString()) as {
      conv: string;
      user: string;
      staff: boolean;
    };
    return { conversationId: claims.conv, userId: claims.user, staff: claims.staff };
  } catch {
    return undefined;
  }
}

const isStaffOnly = (activity: FakeActivity) =>
  (activity.channelData?.['handoff'] as { audience?: string } | undefined)?.audience === 'staff';

export class FakeDirectLine {
  readonly logs = new Map<string, FakeActivity[]>();
  readonly #sockets = new Map<WebSocket, Viewer>();
  /** While set, a new socket is open but hears nothing: a slow line. */
  #held?: (() => void)[];
  readonly #server = new WebSocketServer({ noServer: true });

  constructor(private readonly onPosted: (viewer: Viewer, activity: FakeActivity) => void) {}

  /** Appends and shows to everybody who watches and may see it. */
  append(conversationId: string, activity: FakeActivity): string {
    const log = this.logs.get(conversationId) ?? [];
    this.logs.set(conversationId, log);
    const entry = {
      ...activity,
      id: activity.id ?? `${conversationId}|${String(log.length + 1).padStart(7, '0')}`,
      timestamp: activity.timestamp ?? new Date(Date.now() + log.length / 1000).toISOString(),
    };
    log.push(entry);
    for (const [socket, viewer] of this.#sockets)
      if (viewer.conversationId === conversationId) this.#send(socket, viewer, [entry]);
    return entry.id;
  }

  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const waiting = this.#held ?? [];
    this.#held = undefined;
    for (const send of waiting) send();
  }

  dropSockets(): void {
    for (const socket of this.#sockets.keys()) socket.terminate();
  }

  close(): void {
    this.dropSockets();
    this.#server.close();
  }

  /** True when the call was one of Direct Line's. */
  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    readBody: () => Promise<unknown>,
  ): Promise<boolean> {
    if (!url.pathname.startsWith('/v3/directline/')) return false;
    const viewer = readToken(request.headers.authorization?.replace(/^Bearer /u, ''));
    const answer = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    if (!viewer) answer(403, { error: { code: 'BadArgument', message: 'This token is not one of ours.' } });
    else if (url.pathname.endsWith('/activities') && request.method === 'POST') {
      const activity = (await readBody()) as FakeActivity;
      const from = { id: viewer.userId, role: 'user', ...(activity.from?.name ? { name: activity.from.name } : {}) };
      if (activity.type === 'typing') answer(200, { id: 'typing' });
      else {
        const id = this.append(viewer.conversationId, { ...activity, from });
        answer(200, { id });
        this.onPosted(viewer, { ...activity, id });
      }
    } else {
      const stream = `ws://${request.headers.host ?? ''}/v3/directline/conversations/${viewer.conversationId}/stream?t=${fakeToken(viewer)}`;
      const watermark = url.searchParams.get('watermark') ?? '';
      answer(request.method === 'POST' ? 201 : 200, {
        conversationId: viewer.conversationId,
        token: fakeToken(viewer),
        expires_in: 1800,
        streamUrl: `${stream}&watermark=${watermark}`,
      });
    }
    return true;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, url: URL): boolean {
    if (!url.pathname.endsWith('/stream')) return false;
    const viewer = readToken(url.searchParams.get('t'));
    if (!viewer) {
      socket.destroy();
      return true;
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      this.#sockets.set(webSocket, viewer);
      webSocket.on('close', () => this.#sockets.delete(webSocket));
      const after = Number(url.searchParams.get('watermark') ?? '') || 0;
      const replay = () => this.#send(webSocket, viewer, (this.logs.get(viewer.conversationId) ?? []).slice(after));
      if (this.#held) this.#held.push(replay);
      else replay();
    });
    return true;
  }

  #send(socket: WebSocket, viewer: Viewer, activities: FakeActivity[]): void {
    const seen = activities
      .filter((activity) => viewer.staff || !isStaffOnly(activity))
      .map((activity) => ({
        ...activity,
        conversation: { id: viewer.conversationId },
        from: { ...activity.from, role: activity.from?.id === viewer.userId ? 'user' : 'bot' },
      }));
    const watermark = String(this.logs.get(viewer.conversationId)?.length ?? 0);
    if (seen.length > 0) socket.send(JSON.stringify({ activities: seen, watermark }));
  }
}
