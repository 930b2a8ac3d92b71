// A request as handlers have it: its parameters decoded, its body read once and bounded, and who certainly sent it.

import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isLoopback } from './addresses.js';
import { BadRequest } from './errors.js';
import { parseJson } from './json.js';

export interface HttpRequest {
  readonly id: string;
  readonly method: string;
  /** Path with its parameters decoded. */
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  header(name: string): string | undefined;
  /** The client's address (of the proxy's client, when proxies are trusted). */
  readonly ip: string;
  /** The client's address where it is certain: undefined when somebody forwards for a client and is not trusted to name it. */
  readonly clientAddress: string | undefined;
  /** Bytes of the body, the same ones however often they are asked for. @throws BadRequest 413 over the limit. */
  bytes(limitBytes?: number): Promise<Buffer>;
  /** The body as JSON; undefined when it is empty. @throws BadRequest 400 when it is not JSON. */
  json(limitBytes?: number): Promise<unknown>;
  readonly raw: IncomingMessage;
}

/** Who stands between clients and this server. */
export interface Forwarding {
  /** Somebody in front calls for everybody, whether it says so or not: who is near cannot be told from an address alone. */
  isProxied?: boolean;
  /** Believe X-Forwarded-For and X-Forwarded-Proto of the proxy in front. */
  trustProxy?: boolean;
}

/** 256 KiB: the Bot Framework connector's own limit for an activity. */
export const BODY_LIMIT_BYTES = 262_144;

export class Incoming implements HttpRequest {
  readonly id = randomUUID();
  readonly method: string;
  readonly path: string;
  readonly #query: string;
  #bytes: Promise<Buffer> | undefined;
  #parameters: URLSearchParams | undefined;

  constructor(
    readonly raw: IncomingMessage,
    readonly params: Readonly<Record<string, string>>,
    private readonly forwarding: Forwarding,
  ) {
    const [path, query] = split(raw.url ?? '/');
    this.method = raw.method ?? 'GET';
    this.path = path;
    this.#query = query;
  }

  get query(): URLSearchParams {
    this.#parameters ??= new URLSearchParams(this.#query);
    return this.#parameters;
  }

  header(name: string): string | undefined {
    const value = this.raw.headers[name.toLowerCase()];
    return Array.isArray(value) ? value[0] : value;
  }

  get ip(): string {
    // The last hop is the one our own proxy saw.
    const forwarded =
      this.forwarding.trustProxy === true
        ? withoutPort(this.header('x-forwarded-for')?.split(',').at(-1)?.trim())
        : undefined;
    return forwarded !== undefined && forwarded !== '' ? forwarded : (this.raw.socket.remoteAddress ?? '');
  }

  get clientAddress(): string | undefined {
    if (!isForwarded(this))
      return this.forwarding.isProxied === true && this.forwarding.trustProxy !== true ? undefined : this.ip;
    // A trusted proxy that names nobody (or says it elsewhere, as in Forwarded) is not itself the client.
    const names = this.forwarding.trustProxy === true && (this.header('x-forwarded-for') ?? '').trim() !== '';
    return names ? this.ip : undefined;
  }

  bytes(limitBytes = BODY_LIMIT_BYTES): Promise<Buffer> {
    return (this.#bytes ??= this.#read(limitBytes));
  }

  #read(limitBytes: number): Promise<Buffer> {
    const { raw } = this;
    const tooLarge = () =>
      new BadRequest(
        413,
        'RequestTooLarge',
        `The body may have ${limitBytes} bytes. Send less, or send files as an upload.`,
      );
    if (Number(this.header('content-length') ?? 0) > limitBytes) return Promise.reject(tooLarge());
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      // Not `for await`: leaving that loop early destroys the connection before the client has its answer.
      const take = (chunk: Buffer) => {
        size += chunk.length;
        if (size <= limitBytes) return void chunks.push(chunk);
        raw.off('data', take);
        raw.pause();
        reject(tooLarge());
      };
      if (raw.readableEnded) return resolve(Buffer.alloc(0));
      // Closed while the caller was looked at: nothing more is told of it.
      if (raw.destroyed) return reject(aborted());
      raw.on('data', take);
      raw.once('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
      raw.once('error', (cause) => reject(aborted(cause)));
      // Comes after every request, too: an error nobody needs costs 2% of a message.
      raw.once('close', () => {
        if (!raw.readableEnded) reject(aborted());
      });
    });
  }

  async json(limitBytes?: number): Promise<unknown> {
    const bytes = await this.bytes(limitBytes);
    return bytes.length === 0 ? undefined : parseJson(bytes);
  }
}

function aborted(cause?: Error): BadRequest {
  const message = 'The connection was lost before the whole body had arrived. Send the request again.';
  return new BadRequest(400, 'RequestAborted', message, {}, cause === undefined ? {} : { cause });
}

/** Some proxies write the client's port as well, which is another one with every connection. */
function withoutPort(address: string | undefined): string | undefined {
  return address === undefined
    ? undefined
    : (/^\[(.+)\](?::\d+)?$|^([\d.]+):\d+$/
        .exec(address)
        ?.slice(1)
        .find((one) => one !== undefined) ?? address);
}

function split(url: string): [path: string, query: string] {
  const at = url.indexOf('?');
  return at < 0 ? [decode(url), ''] : [decode(url.slice(0, at)), url.slice(at + 1)];
}

/**
 * Proxies may send the whole URL in the request line. Its host is then the one asked for, whatever Host says (RFC 9112,
 * 3.2.2); everything after reads paths only.
 */
export function toOriginForm(raw: IncomingMessage): void {
  const [origin, authority] = /^https?:\/\/(?:[^/?#@]*@)?([^/?#]*)/i.exec(raw.url ?? '') ?? [];
  if (origin === undefined) return;
  const rest = (raw.url as string).slice(origin.length);
  raw.headers.host = authority;
  raw.url = rest.startsWith('/') ? rest : `/${rest}`;
}

/** Of a piece of a path; what is no valid encoding stays as it is. */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What proxies and tunnels say of whom they speak for; those on this machine connect from here and may turn Host into localhost. */
const FORWARDING = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'];

function isForwarded(request: HttpRequest): boolean {
  return FORWARDING.some((name) => request.header(name) !== undefined);
}

/**
 * Asked on this machine, for this machine, through nobody: the name asked for counts as well as the address, because a
 * stranger's page can have its own name lead here (DNS rebinding) and would read the answer as its own.
 */
export function isLocal(request: HttpRequest): boolean {
  const host = (request.header('host') ?? '').replace(/:\d+$/, '').toLowerCase();
  return !isForwarded(request) && isLoopback(request.clientAddress ?? '') && isLoopback(host);
}
