// What a browser gives a page and Node 20 does not: XMLHttpRequest (over fetch) and WebSocket (ws), for published clients.

import { WebSocket } from 'ws';

type Body = RequestInit['body'];

/** As much of XMLHttpRequest as rxjs's ajax uses: open, headers, send, abort, one readystatechange at the end. */
export class FetchXmlHttpRequest {
  /** Answers seen, as `METHOD path status`. */
  static readonly answered: string[] = [];

  readyState = 0;
  status = 0;
  response: unknown = null;
  responseText = '';
  responseType = '';
  timeout = 0;
  withCredentials = false;
  onreadystatechange: ((event: unknown) => void) | null = null;
  ontimeout: ((event: unknown) => void) | null = null;
  readonly #headers = new Headers();
  readonly #abort = new AbortController();
  #method = 'GET';
  #url = '';
  #answer: Response | undefined;

  open(method: string, url: string): void {
    this.#method = method;
    this.#url = url;
    this.readyState = 1;
  }

  setRequestHeader(name: string, value: string): void {
    this.#headers.set(name, value);
  }

  getResponseHeader(name: string): string | null {
    return this.#answer?.headers.get(name) ?? null;
  }

  getAllResponseHeaders(): string {
    return [...(this.#answer?.headers ?? [])].map(([name, value]) => `${name}: ${value}`).join('\r\n');
  }

  send(body?: Body): void {
    void this.#send(body ?? null);
  }

  abort(): void {
    this.#abort.abort();
  }

  async #send(body: Body): Promise<void> {
    try {
      const answer = await fetch(this.#url, {
        method: this.#method,
        headers: this.#headers,
        body,
        signal: this.#abort.signal,
      });
      const bytes = await answer.arrayBuffer();
      FetchXmlHttpRequest.answered.push(`${this.#method} ${new URL(this.#url).pathname} ${answer.status}`);
      this.#answer = answer;
      this.status = answer.status;
      this.responseText = this.responseType === 'arraybuffer' ? '' : Buffer.from(bytes).toString('utf8');
      this.response = this.responseType === 'arraybuffer' ? bytes : parse(this.responseText, this.responseType);
    } catch {
      // A lost connection has status 0; who aborts hears nothing.
      if (this.#abort.signal.aborted) return;
    }
    this.readyState = 4;
    this.onreadystatechange?.({ type: 'readystatechange' });
  }
}

function parse(text: string, type: string): unknown {
  if (type !== 'json') return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/** @returns what takes them away again. */
export function installBrowserGlobals(): () => void {
  const browser = { XMLHttpRequest: FetchXmlHttpRequest, WebSocket };
  const before = Object.keys(browser).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
  for (const [name, value] of Object.entries(browser))
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  return () => {
    for (const [name, descriptor] of before)
      if (descriptor === undefined) Reflect.deleteProperty(globalThis, name);
      else Object.defineProperty(globalThis, name, descriptor);
  };
}
