/** One JSON call over node:http with a kept-alive connection: what the fakes and the benchmark speak REST with. */
import http from 'node:http';
import https from 'node:https';

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  /** The parsed JSON body; undefined when the body is empty, the raw text when it is not JSON. */
  body: unknown;
}

export interface Call {
  agent?: http.Agent;
  /** Sent as `Authorization: Bearer …`. */
  token?: string;
  headers?: Record<string, string>;
  /** What the request line names instead of the URL's path: proxies send the whole URL. */
  target?: string;
  /** Sent as JSON, unless it is a string or a Buffer (sent as it is). */
  body?: unknown;
  timeoutMs?: number;
}

/** Resolves with any status; rejects only when no answer came (connection refused or reset, time-out). */
export function request(method: string, url: string, call: Call = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const payload = encode(call.body);
    const headers: Record<string, string | number> = {};
    if (call.token !== undefined) headers.authorization = `Bearer ${call.token}`;
    if (payload !== undefined) headers['content-type'] = 'application/json';
    // Node frames a POST without a body as chunked unless told its length.
    if (payload !== undefined || method !== 'GET') headers['content-length'] = payload?.length ?? 0;
    const outgoing = (url.startsWith('https:') ? https : http).request(
      url,
      {
        method,
        agent: call.agent,
        headers: { ...headers, ...call.headers },
        ...(call.target === undefined ? {} : { path: call.target }),
      },
      (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', reject);
        incoming.on('end', () => {
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: decode(Buffer.concat(chunks)) });
        });
      },
    );
    outgoing.on('error', reject);
    if (call.timeoutMs !== undefined) {
      outgoing.setTimeout(call.timeoutMs, () =>
        outgoing.destroy(new Error(`${method} ${url}: no answer within ${call.timeoutMs} ms`)),
      );
    }
    outgoing.end(payload);
  });
}

function encode(body: unknown): Buffer | undefined {
  if (body === undefined) return undefined;
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

function decode(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  const text = bytes.toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
