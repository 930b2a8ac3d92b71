// Calls to the real channel, with the bot's own token: what people and bots say goes out here, and what bots ask.

import http, { type IncomingHttpHeaders } from 'node:http';
import https from 'node:https';
import { DeliveryFailed } from '../../errors.js';

export interface ChannelRequest {
  readonly method: string;
  /** Begins with `/v3/…`, as a bot wrote it: what stands before it is the channel's. */
  readonly url: string;
  readonly body?: Buffer;
  readonly contentType?: string;
}

export interface ChannelAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** The bot's token for its channels; undefined where nobody authenticates. `refused`: the channel did not take this one. */
export type ChannelToken = (refused?: string) => Promise<string | undefined>;

/** Larger than any file a channel takes by way of its Connector. */
const ANSWER_LIMIT_BYTES = 16 * 1_048_576;
const TIMEOUT_MS = 15_000;
/** Below the time after which common servers drop an idle connection. */
const IDLE_CONNECTION_MS = 4_000;
const NOT_NOW = new Set([429, 502, 503, 504]);
const NEVER_ARRIVED = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

export class ChannelHttp {
  readonly #agents = {
    'http:': new http.Agent({ keepAlive: true, timeout: IDLE_CONNECTION_MS }),
    'https:': new https.Agent({ keepAlive: true, timeout: IDLE_CONNECTION_MS }),
  };

  constructor(private readonly token: ChannelToken) {}

  /** Any status is an answer. @throws DeliveryFailed when there is none, or no token. */
  async call(serviceUrl: string, request: ChannelRequest): Promise<ChannelAnswer> {
    const url = addressIn(serviceUrl, request.url);
    const token = await this.#tokenFor();
    const answer = await this.#once(url, request, token);
    if (answer.status !== 401 || token === undefined) return answer;
    // Revoked, or signed with a key that is gone: one that is fresh may be taken.
    const fresh = await this.#tokenFor(token);
    return fresh === token ? answer : this.#once(url, request, fresh);
  }

  /** A file, from the channel's own host only; a redirect is not followed. @returns undefined when it is not to be had. */
  async file(
    url: URL,
    limitBytes: number,
    timeoutMs: number,
  ): Promise<{ bytes: Buffer; contentType: string } | undefined> {
    const token = await this.#tokenFor();
    const { status, headers, body } = await this.#once(url, { method: 'GET', url: '' }, token, limitBytes, timeoutMs);
    if (status !== 200) return undefined;
    return { bytes: body, contentType: headers['content-type'] ?? 'application/octet-stream' };
  }

  /** What is under way finishes; nothing stays open after it. */
  retire(): void {
    for (const agent of Object.values(this.#agents)) {
      agent.maxFreeSockets = 0;
      for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
    }
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  async #tokenFor(refused?: string): Promise<string | undefined> {
    try {
      return await this.token(refused);
    } catch (cause) {
      if (cause instanceof DeliveryFailed) throw cause;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new DeliveryFailed(`There is no token of the bot for its channel: ${why}`, true, { cause });
    }
  }

  #once(
    url: URL,
    { method, body, contentType = 'application/json; charset=utf-8' }: ChannelRequest,
    token: string | undefined,
    limitBytes = ANSWER_LIMIT_BYTES,
    timeoutMs = TIMEOUT_MS,
  ): Promise<ChannelAnswer> {
    return new Promise((resolve, reject) => {
      const isSecure = url.protocol === 'https:';
      const agent = isSecure ? this.#agents['https:'] : this.#agents['http:'];
      const request = (isSecure ? https : http).request(url, {
        method,
        agent,
        headers: {
          accept: 'application/json, */*',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': contentType }),
          ...(body === undefined && method === 'GET' ? {} : { 'content-length': body?.length ?? 0 }),
        },
      });
      const fail = (error: Error) => {
        clearTimeout(late);
        request.destroy();
        reject(error);
      };
      const late = setTimeout(() => fail(failed(url, `did not answer within ${timeoutMs} ms`, false)), timeoutMs);
      request.once('error', (error: NodeJS.ErrnoException) => {
        const code = error.code ?? error.name;
        fail(failed(url, `was not reached (${code})`, NEVER_ARRIVED.has(code), error));
      });
      request.once('response', (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > limitBytes) fail(failed(url, `answered with more than ${limitBytes} bytes`, false));
          else chunks.push(chunk);
        });
        response.once('error', (error) => fail(failed(url, 'broke the connection', false, error)));
        response.once('end', () => {
          clearTimeout(late);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
        });
      });
      request.end(body);
    });
  }
}

/** The channel did not take an activity. Its own words go back to the bot that sent it. */
export class ChannelRefused extends DeliveryFailed {
  constructor(readonly answer: ChannelAnswer) {
    const { status, headers } = answer;
    const waitS = Number(headers['retry-after'] ?? Number.NaN);
    super(
      `The channel answered ${status}${codeOf(answer)}.`,
      NOT_NOW.has(status),
      Number.isFinite(waitS) && waitS >= 0 ? { retryAfterMs: waitS * 1_000 } : {},
    );
  }
}

/** @throws ChannelRefused */
export function requireTaken(answer: ChannelAnswer): ChannelAnswer {
  if (answer.status < 200 || answer.status > 299) throw new ChannelRefused(answer);
  return answer;
}

/** The id that the channel gave to what it took. */
export function idIn({ body }: ChannelAnswer): string | undefined {
  const id = (jsonOf(body) as { id?: unknown } | undefined)?.id;
  return typeof id === 'string' && id !== '' ? id : undefined;
}

export function jsonOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

/**
 * What URL would read as another path than the one the hub has judged: `..` and `.`, encoded or not, backslashes, a fragment.
 * A call about a file would become one that speaks, and go round the record.
 */
const MEANS_ANOTHER = /^[^?]*(?:[\\#]|\/(?:\.|%2e){1,2}(?:[/?]|$))/i;

/**
 * A bot's path below the channel's own address, as it is written, and nowhere else.
 * @throws DeliveryFailed for a path that leads out of it, or elsewhere within.
 */
export function addressIn(serviceUrl: string, path: string): URL {
  const base = serviceUrl.replace(/\/+$/, '');
  const url = new URL(`${base}${path}`);
  if (!path.startsWith('/') || !url.href.startsWith(`${new URL(`${base}/`).href}v`) || MEANS_ANOTHER.test(path))
    throw new DeliveryFailed(`The path ${path.split('?', 1)[0]} leads out of the channel's own address.`, false);
  return url;
}

function codeOf({ body }: ChannelAnswer): string {
  const error = (jsonOf(body) as { error?: { code?: unknown } } | undefined)?.error;
  return typeof error?.code === 'string' ? ` ${error.code.slice(0, 100)}` : '';
}

function failed(url: URL, what: string, retry: boolean, cause?: Error): DeliveryFailed {
  return new DeliveryFailed(`The channel at ${url.origin} ${what}.`, retry, cause === undefined ? {} : { cause });
}
