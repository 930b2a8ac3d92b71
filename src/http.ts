// restify, once: routes with typed requests, body limits, request ids, errors as JSON. Nothing else imports restify.

import { randomUUID } from 'node:crypto';
import { ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
/** @ts-ignore Its types are not installed with this package. */
import restify from 'restify';
import { BadRequest, StoreUnavailable, toHttpError } from './errors.js';
import type { Log } from './hub/ports.js';
import { decode, Incoming, toOriginForm, type Forwarding, type HttpRequest } from './httpRequest.js';

export { BODY_LIMIT_BYTES, isLocal, type HttpRequest } from './httpRequest.js';
export { parseJson } from './json.js';

// restify replaces writeHead of every response in the process and does not return the response from it. A bot's own
// server beside this one may chain on what Node promises to return.
const restifyWriteHead: (...args: never[]) => unknown = ServerResponse.prototype.writeHead;
ServerResponse.prototype.writeHead = function (this: ServerResponse, ...args: never[]) {
  Reflect.apply(restifyWriteHead, this, args);
  return this;
};

export interface HttpOptions extends Forwarding {
  log: Log;
  /** While it says no, everything but /healthz and /readyz is answered 503: clients try again, none is told that its chat is gone. */
  ready?: () => boolean;
}

export interface HttpResponse {
  status?: number;
  headers?: Record<string, string | string[]>;
  /** Objects go out as JSON; undefined means an empty body. */
  body?: unknown;
}

export type Handler = (request: HttpRequest) => Promise<HttpResponse> | HttpResponse;
export type UpgradeHandler = (request: HttpRequest, socket: Duplex, head: Buffer) => Promise<void> | void;

/** What all routes under one prefix have in common. */
export interface Area {
  /** Sent with every answer, errors too (CORS). */
  headers?(request: HttpRequest): Record<string, string>;
}

type Method = 'get' | 'head' | 'post' | 'put' | 'del' | 'opts' | 'patch';

/** What every answer names as its server. */
const NAME = 'botframework-handoff';
/** Characters of one piece of a path, decoded: what is longer is nobody's route. */
const LONGEST_PARAMETER = 2_048;
/** Of a body nobody wants, so much is read and thrown away: a client that is still sending does not read its answer. */
const DISCARD_BYTES = 16 * 1_048_576;
const DISCARD_MS = 3_000;
/**
 * Connections that may wait to be accepted, as far as the system lets so many (net.core.somaxconn). With Node's 511, of
 * 10,000 clients that come back at once some were reset.
 */
const BACKLOG = 4_096;
/** From the first byte to the last of one request: 4 MiB over a slow mobile link take a minute. */
const REQUEST_MS = 120_000;

export class HttpServer {
  readonly #server: restify.Server;
  readonly #areas: { prefix: string; area: Area }[] = [];
  readonly #upgrades: (Pattern & { handler: UpgradeHandler })[] = [];
  readonly #hot: (Pattern & { method: string; handler: Handler })[] = [];
  readonly #sockets = new Set<Duplex>();
  #fallback: Handler | undefined;

  constructor(private readonly options: HttpOptions) {
    this.#server = restify.createServer({
      name: NAME,
      // restify's own logger is not ours; requests are logged where they are handled.
      ignoreTrailingSlash: true,
      // Ids in paths hold `|`, percent-encoded or not.
      maxParamLength: LONGEST_PARAMETER,
    });
    (this.#server as unknown as Preceded).first((raw, response) => {
      toOriginForm(raw);
      return !this.#answerHot(raw, response) && !this.#refuseNoUrl(raw, response);
    });
    // restify repeats the node server's errors, which `listen` handles; unheard they would end the process.
    this.#server.on('error', () => {});
    this.node.keepAliveTimeout = 65_000;
    this.node.requestTimeout = REQUEST_MS;
    this.node.on('connection', (socket: Duplex) => {
      if (this.#sockets.has(socket)) return;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    this.node.on(
      'upgrade',
      (raw: IncomingMessage, socket: Duplex, head: Buffer) => void this.#upgrade(raw, socket, head),
    );
    // What never reaches a route of ours (a path that is no valid encoding, an exotic method) is told in our words.
    this.#server.on(
      'restifyError',
      (raw: restify.Request, response: restify.Response, error: Error & { statusCode?: number }, done: () => void) => {
        const request = new Incoming(raw, {}, this.options);
        let told: unknown =
          error.statusCode === 405
            ? new BadRequest(405, 'MethodNotAllowed', `${request.method} does not go here.`)
            : notFoundAt(request.path);
        try {
          for (const [name, value] of Object.entries(this.#areaHeaders(request))) response.setHeader(name, value);
        } catch (fault) {
          told = fault;
        }
        const { status, body } = toHttpError(told);
        Object.assign(error, { statusCode: status, toJSON: () => body });
        done();
      },
    );
    // What no other route matches: pages, preflights, and 404.
    for (const method of ['get', 'head', 'post', 'put', 'del', 'patch', 'opts'] as const)
      this.#route(method, '/*', (request) => {
        if (request.method === 'OPTIONS') return { status: 204 };
        return (this.#fallback ?? notFound)(request);
      });
  }

  /** Node's own server, for what must see it whole (the SDK's adapters). */
  get node(): Server {
    return this.#server.server;
  }

  area(prefix: string, area: Area): void {
    this.#areas.push({ prefix, area });
  }

  get(path: string, handler: Handler): void {
    this.#route('get', path, handler);
  }
  post(path: string, handler: Handler): void {
    this.#route('post', path, handler);
  }
  put(path: string, handler: Handler): void {
    this.#route('put', path, handler);
  }
  delete(path: string, handler: Handler): void {
    this.#route('del', path, handler);
  }

  /** What no other route matches: the pages. */
  otherwise(handler: Handler): void {
    this.#fallback = handler;
  }

  /**
   * A route that every message takes: answered before restify prepares the request for handlers that are not ours. What is
   * spelled otherwise (a slash at the end) finds the same handler by restify.
   */
  hotPost(path: string, handler: Handler): void {
    this.#hot.push({ ...patternOf(path), method: 'POST', handler });
    this.post(path, handler);
  }

  /** WebSocket upgrades; parameters as in routes (`/v3/directline/conversations/:id/stream`). */
  upgrade(path: string, handler: UpgradeHandler): void {
    this.#upgrades.push({ ...patternOf(path), handler });
  }

  /** For a handler that answers by itself on restify's own response (the SDK's adapters); `request.raw` is restify's. */
  postRaw(path: string, handler: (request: HttpRequest, response: restify.Response) => Promise<void>): void {
    this.#server.post(path, (raw: restify.Request, response: restify.Response, next: restify.Next) => {
      const request = new Incoming(raw, {}, this.options);
      handler(request, response).then(
        () => next(false),
        async (error: unknown) => {
          await this.#fail(raw, response, error, {}, request.id);
          next(false);
        },
      );
    });
  }

  /** @returns the URL it listens on. */
  async listen(port: number, host?: string): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.node.once('error', reject);
      const listening = () => {
        this.node.off('error', reject);
        resolve();
      };
      this.#server.listen({ port, host, backlog: BACKLOG }, listening);
    });
    return `http://localhost:${(this.node.address() as AddressInfo).port}`;
  }

  /** Stops listening, lets running answers finish for `graceMs`, then cuts what is left. Idempotent. */
  async close(graceMs = 2_000): Promise<void> {
    if (!this.node.listening) return;
    const closed = new Promise<void>((resolve) => this.node.close(() => resolve()));
    this.node.closeIdleConnections();
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, graceMs);
    await closed;
    clearTimeout(timer);
  }

  #route(method: Method, path: string, handler: Handler): void {
    this.#server[method](path, (raw: restify.Request, response: restify.Response, next: restify.Next) => {
      void this.#answer(raw, response, handler, (raw.params ?? {}) as Record<string, string>).then(() => next(false));
    });
  }

  /** @returns whether it is answered here. */
  #answerHot(raw: IncomingMessage, response: ServerResponse): boolean {
    const path = (raw.url ?? '/').split('?', 1)[0] as string;
    for (const { method, path: pattern, names, handler } of this.#hot) {
      const found = method === raw.method ? pattern.exec(path) : null;
      if (found === null) continue;
      const params = parametersOf(names, found);
      // Refused as on every other route.
      if (Object.values(params).some(({ length }) => length > LONGEST_PARAMETER)) return false;
      response.setHeader('server', NAME);
      void this.#answer(raw, response, handler, params);
      return true;
    }
    return false;
  }

  /**
   * restify makes a URL of Host and path, and what is none would end the process.
   * @returns whether it is refused here.
   */
  #refuseNoUrl(raw: IncomingMessage, response: ServerResponse): boolean {
    const { url = '/', headers } = raw;
    const base = `http://${headers.host === undefined || headers.host === '' ? 'localhost' : headers.host}`;
    if (URL.canParse(url.startsWith('/') ? base + url : url, base)) return false;
    response.setHeader('server', NAME);
    const refuse = () => {
      throw new BadRequest(400, 'BadRequest', 'The Host header is no host, or the request line names no path.');
    };
    void this.#answer(raw, response, refuse, {});
    return true;
  }

  /** Never rejects: a fault of ours, too, is an answer. */
  async #answer(
    raw: IncomingMessage,
    response: ServerResponse,
    handler: Handler,
    params: Record<string, string>,
  ): Promise<void> {
    const request = new Incoming(raw, params, this.options);
    let headers: Record<string, string> = {};
    try {
      headers = this.#areaHeaders(request);
      this.#requireReady(request.path);
      const answer = await handler(request);
      write(response, { ...answer, headers: { 'x-request-id': request.id, ...headers, ...answer.headers } });
    } catch (error) {
      await this.#fail(raw, response, error, headers, request.id).catch(() => response.destroy());
    }
  }

  async #fail(
    raw: IncomingMessage,
    response: ServerResponse,
    error: unknown,
    headers: Record<string, string>,
    id: string = randomUUID(),
  ): Promise<void> {
    const { status, body } = toHttpError(error);
    if (status >= 500) {
      const fields = { err: error, request: id, path: raw.url?.split('?')[0], status };
      // Whoever asks while we start, stop or have no room is told to come back: not a fault of this request.
      if (error instanceof StoreUnavailable) this.options.log.warn(fields, 'a request was put off');
      else this.options.log.error(fields, 'a request failed');
    }
    if (response.headersSent) return void response.end();
    const isRead = await discard(raw);
    const { retryAfterS } = body.error;
    write(response, {
      status,
      body,
      headers: {
        'x-request-id': id,
        ...headers,
        ...(typeof retryAfterS === 'number' ? { 'retry-after': String(retryAfterS) } : {}),
        // The rest of a body that was not read would be taken for the next request.
        ...(isRead ? {} : { connection: 'close' }),
      },
    });
  }

  #requireReady(path: string): void {
    if (this.options.ready?.() === false && path !== '/healthz' && path !== '/readyz')
      throw new StoreUnavailable('The hub is starting.');
  }

  #areaHeaders(request: HttpRequest): Record<string, string> {
    let headers: Record<string, string> = {};
    for (const { prefix, area } of this.#areas)
      if (area.headers !== undefined && request.path.startsWith(prefix))
        headers = { ...headers, ...area.headers(request) };
    return headers;
  }

  /**
   * Java's client and curl ask on every plain connection whether it may become HTTP/2; node takes that for a wish to leave
   * HTTP. They mean a request that may be answered as it is: it is put back in front of the socket, as from a new client.
   */
  #answerWithoutUpgrade(raw: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.unshift(Buffer.concat([Buffer.from(withoutUpgrade(raw), 'latin1'), head]));
    // The only listener that node leaves behind.
    socket.removeAllListeners('timeout');
    this.node.emit('connection', socket);
  }

  async #upgrade(raw: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    if (raw.headers.upgrade?.toLowerCase() !== 'websocket') return this.#answerWithoutUpgrade(raw, socket, head);
    socket.on('error', () => socket.destroy());
    toOriginForm(raw);
    const path = (raw.url ?? '/').split('?')[0] as string;
    for (const upgrade of this.#upgrades) {
      const found = upgrade.path.exec(path);
      if (found === null) continue;
      try {
        this.#requireReady(path);
        await upgrade.handler(new Incoming(raw, parametersOf(upgrade.names, found), this.options), socket, head);
      } catch (error) {
        const { status, body } = toHttpError(error);
        if (status >= 500) this.options.log.error({ err: error, path }, 'a socket could not be opened');
        refuse(socket, status, body);
      }
      return;
    }
    refuse(socket, 404, { error: { code: 'NotFound', message: 'There is no socket here.' } });
  }
}

/** Not in restify's types: a handler that returns false has answered the request, and restify never sees it. */
interface Preceded {
  first(handler: (raw: IncomingMessage, response: ServerResponse) => boolean): void;
}

interface Pattern {
  path: RegExp;
  names: string[];
}

/** `:name` is one piece of a path, `*` at its end whatever follows. */
function patternOf(path: string): Pattern {
  const names = [...path.matchAll(/:(\w+)/g)].map((match) => match[1] as string);
  return { path: new RegExp(`^${path.replace(/:\w+/g, '([^/]+)').replace(/\*$/, '.*')}$`), names };
}

function parametersOf(names: readonly string[], found: RegExpExecArray): Record<string, string> {
  return Object.fromEntries(names.map((name, index) => [name, decode(found[index + 1] as string)]));
}

/** The request as it came, but without its wish to go on in another protocol. */
function withoutUpgrade(raw: IncomingMessage): string {
  const lines = [`${raw.method} ${raw.url} HTTP/${raw.httpVersion}`];
  for (let at = 0; at < raw.rawHeaders.length; at += 2) {
    const [name, value] = raw.rawHeaders.slice(at, at + 2) as [string, string];
    if (!/^(?:upgrade|http2-settings|connection)$/i.test(name)) lines.push(`${name}: ${value}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function write(response: ServerResponse, { status = 200, headers = {}, body }: HttpResponse): void {
  if (response.writableEnded || response.destroyed) return;
  // A string goes out in one piece with the head; bytes would be a second write.
  const isJson = body !== undefined && typeof body !== 'string' && !Buffer.isBuffer(body);
  const content = isJson ? JSON.stringify(body) : body;
  response.setHeader('x-content-type-options', 'nosniff');
  if (isJson) response.setHeader('content-type', 'application/json; charset=utf-8');
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.setHeader('content-length', content === undefined ? 0 : Buffer.byteLength(content));
  response.statusCode = status;
  if (response.req.method === 'HEAD' || content === undefined) response.end();
  else response.end(content);
}

/** @returns whether all of the body is read. */
function discard(raw: IncomingMessage): Promise<boolean> {
  // Without a body the end may not have been seen yet; nothing follows it either way.
  const hasBody = raw.headers['transfer-encoding'] !== undefined || Number(raw.headers['content-length'] ?? 0) > 0;
  if (raw.readableEnded || raw.complete || !hasBody) return Promise.resolve(true);
  if (raw.destroyed) return Promise.resolve(false);
  return new Promise((resolve) => {
    let size = 0;
    const finish = (isRead: boolean) => {
      clearTimeout(timer);
      raw.off('data', count);
      resolve(isRead);
    };
    const count = (chunk: Buffer) => {
      size += chunk.length;
      if (size > DISCARD_BYTES) finish(false);
    };
    const timer = setTimeout(() => finish(false), DISCARD_MS);
    raw.on('data', count);
    raw.once('end', () => finish(true));
    raw.once('close', () => finish(false));
    raw.resume();
  });
}

function refuse(socket: Duplex, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  // Our sockets stay half open: a client that never closes its side would keep the descriptor for good.
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} Refused\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}

function notFound(request: HttpRequest): never {
  throw notFoundAt(request.path);
}

function notFoundAt(path: string): BadRequest {
  return new BadRequest(404, 'NotFound', `There is nothing at ${path}.`);
}
