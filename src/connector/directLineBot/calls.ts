// HTTP calls to a Direct Line service over kept-alive connections, bounded in time and size.

import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { patience } from '../../hub/patience.js';
import { parseJson } from '../../json.js';

export interface Call {
  /** Sent as `Authorization: Bearer …`. */
  token?: string;
  /** Goes out as JSON. */
  json?: unknown;
  body?: { contentType: string; bytes: Buffer };
  /** The whole call: connecting, sending, the answer. */
  timeoutMs: number;
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  /** undefined when the body is empty or no JSON. */
  json: unknown;
}

/** No answer came. */
export class NoAnswer extends Error {
  constructor(
    message: string,
    /** `notReached`: the other end certainly got nothing. `broken`: it may have. `late`: it did not answer in time. */
    readonly why: 'notReached' | 'broken' | 'late',
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'NoAnswer';
  }
}

/** More than these calls at once to one host wait for one another. */
const MAX_CONNECTIONS = 256;
/** Below the 5 s after which Node's own servers drop an idle connection. */
const IDLE_CONNECTION_MS = 4_000;
/** A page of activities of 256 KiB each. */
const ANSWER_LIMIT_BYTES = 16 * 1_048_576;

const NOT_REACHED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'EMFILE',
  'ENFILE',
]);

export class Caller {
  readonly #plain = new http.Agent(AGENT);
  readonly #secure = new https.Agent(AGENT);

  /** @throws NoAnswer. Any HTTP status is an answer. */
  call(method: 'GET' | 'POST', url: URL, { token, json, body, timeoutMs }: Call): Promise<Answer> {
    const payload = body?.bytes ?? (json === undefined ? undefined : Buffer.from(JSON.stringify(json)));
    const headers: Record<string, string | number> = { accept: 'application/json' };
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    if (payload !== undefined) headers['content-type'] = body?.contentType ?? 'application/json';
    // Node frames a POST without a body as chunked unless told its length.
    if (payload !== undefined || method === 'POST') headers['content-length'] = payload?.length ?? 0;
    // Without the query, which may hold a key.
    const where = `${method} ${url.origin}${url.pathname}`;
    return new Promise((resolve, reject) => {
      let isConnected = false;
      const isSecure = url.protocol === 'https:';
      const request = (isSecure ? https : http).request(url, {
        method,
        headers,
        agent: isSecure ? this.#secure : this.#plain,
      });
      const fail = (error: NoAnswer) => {
        endPatience();
        reject(error);
        request.destroy();
      };
      const endPatience = patience(Math.max(1, timeoutMs), () =>
        fail(new NoAnswer(`${where} was not answered within ${Math.round(timeoutMs)} ms`, 'late')),
      );
      const broken = (error: NodeJS.ErrnoException) => {
        const code = error.code ?? error.message;
        const why = !isConnected && !request.reusedSocket && isBeforeSending(code) ? 'notReached' : 'broken';
        fail(new NoAnswer(`${where} failed: ${code}`, why, { cause: error }));
      };
      request.on('socket', (socket) => {
        if (socket.connecting) socket.once(isSecure ? 'secureConnect' : 'connect', () => (isConnected = true));
        else isConnected = true;
      });
      request.on('error', broken);
      request.on('response', (response) => {
        read(response).then((bytes) => {
          endPatience();
          resolve({ status: response.statusCode ?? 0, headers: response.headers, json: jsonOf(bytes) });
        }, broken);
      });
      request.end(payload);
    });
  }

  /** Cuts what is under way. */
  close(): void {
    this.#plain.destroy();
    this.#secure.destroy();
  }
}

const AGENT = { keepAlive: true, maxSockets: MAX_CONNECTIONS, timeout: IDLE_CONNECTION_MS };

function isBeforeSending(code: string): boolean {
  return NOT_REACHED.has(code) || /^(?:CERT_|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO)/.test(code);
}

function jsonOf(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  try {
    return parseJson(bytes);
  } catch {
    return undefined;
  }
}

function read(response: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > ANSWER_LIMIT_BYTES) reject(new Error(`the answer has more than ${ANSWER_LIMIT_BYTES} bytes`));
      else chunks.push(chunk);
    });
    response.once('end', () => resolve(Buffer.concat(chunks)));
    response.once('error', reject);
    response.once('close', () => reject(Object.assign(new Error('cut off'), { code: 'ECONNRESET' })));
  });
}
