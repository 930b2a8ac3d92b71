// The doctor's calls: to bots, Microsoft Entra and this server, with what their certificates and answers show.

import http, { type IncomingHttpHeaders } from 'node:http';
import https from 'node:https';
import type { PeerCertificate, TLSSocket } from 'node:tls';

const TIMEOUT_MS = 10_000;
const ANSWER_LIMIT_BYTES = 65_536;

export interface Finding {
  readonly check:
    | 'endpoint'
    | 'certificate'
    | 'answer'
    | 'clock'
    | 'tenant'
    | 'token'
    | 'keys'
    | 'trust'
    | 'publicUrl'
    | 'webSocket'
    | '.env';
  readonly is: 'right' | 'doubtful' | 'wrong';
  readonly text: string;
  /** What to set, as it is written in handoff.yaml, in the environment, or in the bot's own settings. */
  readonly setting?: string;
}

export interface Seen {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly certificate?: PeerCertificate;
  /** Why the certificate is not trusted. */
  readonly distrust?: string;
}

/** No bot knows this type: a bot without authentication takes it and does nothing. */
export const probeOf = (serviceUrl: string): string =>
  JSON.stringify({
    type: 'handoff.doctor',
    id: 'handoff-doctor',
    timestamp: new Date(0).toISOString(),
    channelId: 'directline',
    serviceUrl,
    from: { id: 'handoff-doctor' },
    recipient: { id: 'bot' },
    conversation: { id: 'handoff-doctor' },
  });

export interface Call {
  body?: string;
  token?: string;
  headers?: Record<string, string>;
}

/** A certificate that is not trusted is told of, and nothing secret sent to its owner: a token only over one that is. */
export function call(url: URL, method: string, { body, token, headers = {} }: Call = {}): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const isSecure = url.protocol === 'https:';
    const request = (isSecure ? https : http).request(url, {
      method,
      agent: false,
      ...(isSecure ? { rejectUnauthorized: token !== undefined } : {}),
      headers: {
        accept: 'application/json',
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
    });
    const late = setTimeout(
      () => request.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
      TIMEOUT_MS,
    );
    request.once('error', (error) => {
      clearTimeout(late);
      reject(error);
    });
    request.once('upgrade', (response, socket) => {
      clearTimeout(late);
      socket.destroy();
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text: '' });
    });
    request.once('response', (response) => {
      const socket = response.socket as TLSSocket;
      const tls = isSecure
        ? {
            certificate: socket.getPeerCertificate(),
            ...(socket.authorized ? {} : { distrust: String(socket.authorizationError) }),
          }
        : {};
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        if (text.length < ANSWER_LIMIT_BYTES) text += chunk;
      });
      response.once('error', reject);
      response.once('end', () => {
        clearTimeout(late);
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, ...tls });
      });
    });
    request.end(body);
  });
}

export function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

export function unreached(endpoint: URL, code: string): string {
  const where = endpoint.host;
  switch (code) {
    case 'ECONNREFUSED':
      return `Nothing listens at ${where}. Start the bot, or correct the port.`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The name ${endpoint.hostname} is not known here. Correct it, or the name service of this machine.`;
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return `${where} does not speak TLS. Write http:// if that is how the bot is served.`;
    case 'ETIMEDOUT':
      return `${where} did not answer within ${TIMEOUT_MS / 1_000} s. Look for a firewall between this machine and the bot.`;
  }
  return `${where} was not reached (${code}). Look at the network between this machine and the bot.`;
}
