/**
 * A proxy before a database server that cuts the connection over which a given text goes: before the server has it, or after
 * it has answered. It can also cut all connections at once, and keep notices back.
 */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface Cut {
  /** The next data from a client that holds this. */
  text: string;
  /**
   * `loseAnswer`: the server does as it is told and its answer is lost. `delay`: the client is cut off while the data is
   * still on its way, and the server gets it when the test says `deliver()`.
   */
  does: 'loseAnswer' | 'delay';
}

export class CuttingProxy {
  port = 0;
  /** From now on what others NOTIFY is lost on its way from the server. */
  losesNotices = false;
  /** How many were. */
  noticesLost = 0;
  /** Resolves with the data of the next cut once it has been made. */
  #cut: { cut: Cut; made: () => void } | undefined;
  #late: { server: Socket; data: Buffer } | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((client) => this.#bridge(client));

  constructor(private readonly target: number) {}

  async open(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  /** Resolves when it has happened. */
  cutNext(cut: Cut): Promise<void> {
    return new Promise((made) => (this.#cut = { cut, made }));
  }

  /** Every connection that is open breaks; new ones work. */
  cutAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** What was delayed reaches the server now. @returns what the server says to it. */
  async deliver(): Promise<string> {
    if (this.#late === undefined) throw new Error('nothing was delayed');
    const { server, data } = this.#late;
    server.write(data);
    const [answer] = (await once(server, 'data')) as [Buffer];
    return answer.toString('latin1');
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #withoutNotices(messages: readonly Buffer[]): Buffer {
    const kept = this.losesNotices ? messages.filter(([type]) => type !== NOTIFICATION) : messages;
    this.noticesLost += messages.length - kept.length;
    return Buffer.concat(kept);
  }

  #bridge(client: Socket): void {
    const server = connect(this.target, '127.0.0.1');
    let state: 'passes' | 'loses' | 'cut' = 'passes';
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket));
    }
    client.on('data', (data) => {
      const next = this.#cut;
      if (next === undefined || !data.includes(next.cut.text)) return void server.write(data);
      this.#cut = undefined;
      if (next.cut.does === 'loseAnswer') {
        state = 'loses';
        server.write(data);
        server.once('data', next.made);
      } else {
        state = 'cut';
        this.#late = { server, data };
        client.destroy();
        next.made();
      }
    });
    const messages = new ServerMessages();
    server.on('data', (data) => {
      if (state === 'passes') client.write(this.#withoutNotices(messages.whole(data)));
      else client.destroy();
    });
    server.on('close', () => client.destroy());
    client.on('close', () => {
      if (state === 'passes') server.destroy();
    });
  }
}

/** The first byte of the message by which a PostgreSQL server tells of a NOTIFY. */
const NOTIFICATION = 'A'.charCodeAt(0);

/** What a PostgreSQL server says, message by message: a byte for its type, its length in four more, which count themselves. */
class ServerMessages {
  #rest = Buffer.alloc(0);

  /** @returns the messages that are complete now. */
  whole(data: Buffer): Buffer[] {
    let rest = Buffer.concat([this.#rest, data]);
    const messages: Buffer[] = [];
    while (rest.length >= 5) {
      const length = 1 + rest.readUInt32BE(1);
      if (rest.length < length) break;
      messages.push(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
    this.#rest = rest;
    return messages;
  }
}
