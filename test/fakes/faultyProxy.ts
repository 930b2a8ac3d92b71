/** A proxy that breaks what passes through it on demand: refuses, cuts, loses answers and repeats frames, as networks and services do. */
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocket, WebSocketServer, type RawData } from 'ws';

export interface Fault {
  /** Which requests: method and path as in `POST /v3/directline/conversations`. */
  matching: RegExp;
  /** How many of them; all unless set. */
  times?: number;
  /** `answer`: instead of passing it on. `loseAnswer`, `hang`: it is passed on, and the connection breaks or nothing comes back. */
  does: { answer: number; body?: unknown; headers?: Record<string, string> } | 'loseAnswer' | 'hang' | 'reset';
}

export class FaultyProxy {
  url = '';
  /** Method and path of everything that came, in order. */
  readonly requests: string[] = [];
  /** Every frame from the server is passed on so often. */
  repeats = 1;
  readonly #faults: Fault[] = [];
  readonly #sockets = new Set<WebSocket>();
  readonly #connections = new Set<Socket>();
  readonly #server = http.createServer((request, response) => void this.#pass(request, response));
  readonly #upgrader = new WebSocketServer({ noServer: true, perMessageDeflate: false });

  /** `target`: origin of the server behind; `answers` take precedence over it. */
  constructor(
    public target: () => string,
    private readonly answers: Record<string, (request: IncomingMessage) => Promise<unknown>> = {},
  ) {}

  async open(): Promise<this> {
    this.#server.on('connection', (socket: Socket) => {
      this.#connections.add(socket);
      socket.on('close', () => this.#connections.delete(socket));
    });
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const line = this.#note(request);
      const fault = this.#faultFor(line);
      if (fault !== undefined) return void socket.destroy();
      this.#upgrader.handleUpgrade(request, socket, head, (client) => this.#bridge(client, request));
    });
    await new Promise<void>((listening) => this.#server.listen(0, '127.0.0.1', listening));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  breaks(fault: Fault): void {
    this.#faults.push(fault);
  }

  heals(): void {
    this.#faults.splice(0);
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  /** Cuts every stream that is open now. */
  cutStreams(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  async close(): Promise<void> {
    this.cutStreams();
    this.#upgrader.close();
    for (const connection of this.#connections) connection.destroy();
    await new Promise((closed) => this.#server.close(closed));
  }

  #note(request: IncomingMessage): string {
    const line = `${request.method} ${(request.url ?? '').split('?')[0]}`;
    this.requests.push(line);
    return line;
  }

  #faultFor(line: string): Fault | undefined {
    const fault = this.#faults.find(({ matching }) => matching.test(line));
    if (fault?.times !== undefined && (fault.times -= 1) <= 0) this.#faults.splice(this.#faults.indexOf(fault), 1);
    return fault;
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const line = this.#note(request);
    const fault = this.#faultFor(line);
    if (fault?.does === 'reset') return void request.socket.destroy();
    if (typeof fault?.does === 'object') {
      request.resume();
      const { answer, body, headers = {} } = fault.does;
      response.writeHead(answer, { 'content-type': 'application/json', ...headers });
      return void response.end(body === undefined ? undefined : JSON.stringify(body));
    }
    const own = this.answers[line];
    if (own !== undefined) {
      const body = await own(request);
      response.writeHead(200, { 'content-type': 'application/json' });
      return void response.end(JSON.stringify(body));
    }
    const passed = http.request(
      `${this.target()}${request.url}`,
      { method: request.method ?? 'GET', headers: { ...request.headers, connection: 'close' }, agent: false },
      (answer) => {
        if (fault?.does === 'loseAnswer') {
          answer.resume();
          answer.on('end', () => request.socket.destroy());
          return;
        }
        if (fault?.does === 'hang') return void answer.resume();
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      },
    );
    passed.on('error', () => request.socket.destroy());
    request.pipe(passed);
  }

  #bridge(client: WebSocket, request: IncomingMessage): void {
    this.#sockets.add(client);
    const server = new WebSocket(`${this.target().replace(/^http/, 'ws')}${request.url}`, { perMessageDeflate: false });
    server.on('message', (data: RawData) => {
      for (let n = 0; n < this.repeats; n += 1) client.send(data, { binary: false });
    });
    client.on('message', (data: RawData) => {
      if (server.readyState === WebSocket.OPEN) server.send(data, { binary: false });
    });
    server.on('error', () => client.terminate());
    client.on('error', () => client.terminate());
    server.on('close', () => client.terminate());
    client.on('close', () => {
      this.#sockets.delete(client);
      server.terminate();
    });
  }
}
