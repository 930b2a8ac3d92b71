// As much of a Redis server as publishing and subscribing takes, over real TCP in its own protocol (RESP2).

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class RedisServer {
  readonly #sockets = new Set<Socket>();
  readonly #subscribers = new Map<string, Set<Socket>>();

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {
    server.on('connection', (socket) => this.#serve(socket));
  }

  static async start(port = 0): Promise<RedisServer> {
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new RedisServer(server, `redis://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  subscribersOf(channel: string): number {
    return this.#subscribers.get(channel)?.size ?? 0;
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#sockets.delete(socket);
      for (const subscribers of this.#subscribers.values()) subscribers.delete(socket);
    });
    let pending = '';
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      pending += chunk;
      for (let read = commandIn(pending); read !== undefined; read = commandIn(pending)) {
        pending = pending.slice(read.length);
        this.#answer(socket, read.words);
      }
    });
  }

  #answer(socket: Socket, [name = '', ...args]: string[]): void {
    switch (name.toLowerCase()) {
      case 'subscribe': {
        const [channel = ''] = args;
        this.#subscribers.set(channel, (this.#subscribers.get(channel) ?? new Set()).add(socket));
        return void socket.write(`*3\r\n${bulk('subscribe')}${bulk(channel)}:1\r\n`, 'latin1');
      }
      case 'publish': {
        const [channel = '', message = ''] = args;
        const subscribers = [...(this.#subscribers.get(channel) ?? [])];
        for (const one of subscribers) one.write(`*3\r\n${bulk('message')}${bulk(channel)}${bulk(message)}`, 'latin1');
        return void socket.write(`:${subscribers.length}\r\n`);
      }
      case 'info':
        return void socket.write(bulk('redis_version:7.0.0\r\nloading:0\r\n'), 'latin1');
      default:
        return void socket.write('+OK\r\n');
    }
  }
}

function bulk(text: string): string {
  return `$${text.length}\r\n${text}\r\n`;
}

/** The first command, if all of it is there. Lengths are bytes: the text is read as latin1. */
function commandIn(text: string): { words: string[]; length: number } | undefined {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (head === null) return undefined;
  let at = head[0].length;
  const words: string[] = [];
  for (let n = Number(head[1]); n > 0; n -= 1) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at));
    if (size === null) return undefined;
    at += size[0].length;
    const length = Number(size[1]);
    if (text.length < at + length + 2) return undefined;
    words.push(text.slice(at, at + length));
    at += length + 2;
  }
  return { words, length: at };
}
