// One POST to a bot over kept-alive connections: bounded in time and size, and told apart by whether the bot can have got it.

import { lookup as lookUp, type LookupAddress, type LookupAllOptions } from 'node:dns';
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { urlToHttpOptions } from 'node:url';
import { isPrivate } from '../addresses.js';
import { DeliveryFailed, type DeliveryFailedOptions } from '../errors.js';
import { patience } from '../hub/patience.js';

export interface Posted {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface PosterOptions {
  /** How the other end is called in messages. */
  name: string;
  url: URL;
  /** Only to loopback and private addresses: checked on the address connected to, so that no change of a DNS name gets round it. */
  privateOnly: boolean;
  /** The whole call: connecting, sending, the bot's turn and its answer. */
  timeoutMs: number;
  /** The name service; the system's own unless set. */
  lookup?: LookUp;
}

type LookUp = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** A slow bot's turns keep their connections; more than these wait for one. */
const MAX_CONNECTIONS = 1_000;
/** Below the 5 s after which Node's own servers drop an idle connection. */
const IDLE_CONNECTION_MS = 4_000;
const CONNECT_MS = 5_000;
/** Several activities of 256 KiB in one answer. */
const ANSWER_LIMIT_BYTES = 4 * 1_048_576;
/**
 * A kept-alive connection that breaks this soon after a request was written was being closed by the other end already.
 * Later the bot may have been at work on it.
 */
const STALE_WITHIN_MS = 250;

/** The bot cannot have got anything: nobody was reached. What to look at, by the cause. */
const UNREACHED: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there. Start the bot, or correct its endpoint',
  ENOTFOUND: 'the name is not known. Correct its endpoint',
  EAI_AGAIN: 'the name could not be looked up. Check the name service of this machine',
  EHOSTUNREACH: 'no way leads there. Check the network between hub and bot',
  ENETUNREACH: 'no way leads there. Check the network between hub and bot',
  EHOSTDOWN: 'the machine is down. Start it, or correct its endpoint',
  ETIMEDOUT: 'no connection came about. Check the network and firewalls between hub and bot',
  EMFILE: 'this process has no free file descriptor. Raise its limit (ulimit -n)',
  ENFILE: 'this machine has no free file descriptor. Raise its limit',
};

export class Poster {
  readonly #agent: http.Agent;
  readonly #secure: boolean;
  /** What every request has in common: made once, because `request(url)` takes the URL apart again each time. */
  readonly #target: http.RequestOptions;
  #closed = false;

  constructor(private readonly options: PosterOptions) {
    this.#secure = options.url.protocol === 'https:';
    const settings = { keepAlive: true, maxSockets: MAX_CONNECTIONS, timeout: IDLE_CONNECTION_MS };
    this.#agent = this.#secure ? new https.Agent(settings) : new http.Agent(settings);
    this.#target = {
      ...urlToHttpOptions(options.url),
      method: 'POST',
      ...(options.privateOnly ? { lookup: privatesOf(options.lookup ?? lookUp) } : {}),
    };
  }

  /**
   * @throws DeliveryFailed with `retry` when the bot certainly did not get it. Any HTTP status is an answer.
   */
  async post(body: string, headers: Record<string, string>): Promise<Posted> {
    const deadline = performance.now() + this.options.timeoutMs;
    try {
      return await this.#once(body, headers, deadline, this.#agent);
    } catch (error) {
      if (!(error instanceof Stale)) throw error;
      return this.#once(body, headers, deadline, false);
    }
  }

  /** No further call keeps its connection; those under way finish. */
  retire(): void {
    this.#agent.maxFreeSockets = 0;
    for (const sockets of Object.values(this.#agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  /** Cuts what is under way: it counts as not delivered. */
  close(): void {
    this.#closed = true;
    this.#agent.destroy();
  }

  #once(body: string, headers: Record<string, string>, deadline: number, agent: http.Agent | false): Promise<Posted> {
    const { url, privateOnly, timeoutMs } = this.options;
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (privateOnly && isIP(host) !== 0 && !isPrivate(host)) return Promise.reject(this.#notPrivate());
    return new Promise((resolve, reject) => {
      let connecting: NodeJS.Timeout | undefined;
      let writtenAt = Number.POSITIVE_INFINITY;
      const finish = () => {
        endPatience();
        clearTimeout(connecting);
      };
      const fail = (error: Error) => {
        finish();
        reject(error);
        request.destroy();
      };
      const request = (this.#secure ? https : http).request({
        ...this.#target,
        agent,
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      });
      const endPatience = patience(Math.max(0, deadline - performance.now()), () =>
        fail(this.#failed(`did not answer within ${timeoutMs} ms`, false, { kind: 'timedOut' })),
      );
      request.on('socket', (socket) => {
        if (!socket.connecting) return;
        const waited = Object.assign(new Error('connecting took too long'), { code: 'ETIMEDOUT' });
        connecting = setTimeout(() => fail(this.#broken(waited, false)), CONNECT_MS);
        socket.once(this.#secure ? 'secureConnect' : 'connect', () => clearTimeout(connecting));
      });
      request.on('finish', () => (writtenAt = performance.now()));
      request.on('error', (error: NodeJS.ErrnoException) => {
        const sinceMs = performance.now() - writtenAt;
        const isStale = request.reusedSocket && agent !== false && !(sinceMs > STALE_WITHIN_MS) && !this.#closed;
        fail(isStale ? new Stale() : this.#broken(error, request.reusedSocket));
      });
      request.on('response', (response) => {
        read(response).then(
          (answered) => {
            finish();
            if (answered === undefined)
              return fail(
                this.#failed(`answered with more than ${ANSWER_LIMIT_BYTES} bytes`, false, { kind: 'nonsense' }),
              );
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body: answered });
          },
          (error: NodeJS.ErrnoException) => fail(this.#broken(error, true)),
        );
      });
      // A string goes out in one piece with the head; bytes would be a second write.
      request.end(body);
    });
  }

  #broken(error: NodeJS.ErrnoException, connected: boolean): DeliveryFailed {
    const code = error.code ?? error.name;
    const cause = error;
    if (this.#closed) return this.#failed('was cut off because the hub stops', true, { cause });
    if (error instanceof NotPrivate) return this.#notPrivate(error);
    const unreached = connected ? undefined : UNREACHED[code];
    if (unreached !== undefined)
      return this.#failed(`was not reached (${code})`, true, { kind: 'unreachable', cure: unreached, cause });
    if (isCertificateFault(code))
      return this.#failed(`has a certificate that is not trusted (${code})`, false, {
        kind: 'untrusted',
        cure: 'use one of a known authority, or name the file of your own authority in NODE_EXTRA_CA_CERTS',
        cause,
      });
    if (code === 'EPROTO')
      return this.#failed('does not speak TLS there', false, {
        kind: 'noBot',
        cure: 'its endpoint may begin with http://',
        cause,
      });
    if (code.startsWith('HPE_'))
      return this.#failed(`does not speak HTTP there (${code})`, false, { kind: 'noBot', cause });
    return this.#failed(`broke the connection before it had answered (${code})`, false, {
      kind: 'brokeOff',
      cure: 'the cause is in its own log',
      cause,
    });
  }

  #notPrivate(cause?: Error): DeliveryFailed {
    return this.#failed('has auth: none but is not at a loopback or private address', false, {
      kind: 'untrusted',
      cure: 'set its appId and auth, or run it on a private network',
      ...(cause === undefined ? {} : { cause }),
    });
  }

  #failed(what: string, retry: boolean, facts: DeliveryFailedOptions): DeliveryFailed {
    const { name, url } = this.options;
    // Without the query: some hosts keep a key in it.
    return new DeliveryFailed(`${name} at ${url.origin}${url.pathname} ${what}.`, retry, facts);
  }
}

/** The other end had closed the connection before it saw the request. */
class Stale extends Error {}

class NotPrivate extends Error {}

/** Looks up as `lookup` does, without the addresses that are not private: the socket connects to one of those that are left. */
function privatesOf(lookup: LookUp): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '');
      const allowed = addresses.filter(({ address }) => isPrivate(address));
      const [first] = allowed;
      if (first === undefined) return callback(new NotPrivate(`${hostname} is not private`), '');
      if (options.all === true) return callback(null, allowed);
      callback(null, first.address, first.family);
    });
  };
}

/** @returns undefined when there is more than the limit. */
function read(response: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > ANSWER_LIMIT_BYTES) resolve(undefined);
      else chunks.push(chunk);
    });
    response.once('end', () => resolve(Buffer.concat(chunks)));
    response.once('error', reject);
    // Comes after every response, too: an error nobody needs costs 2% of a message.
    response.once('close', () => {
      if (!response.readableEnded) reject(Object.assign(new Error('cut off'), { code: 'ECONNRESET' }));
    });
  });
}

function isCertificateFault(code: string): boolean {
  return /^(?:CERT_|ERR_TLS_CERT|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED_CERT|UNABLE_TO_)/.test(code);
}
