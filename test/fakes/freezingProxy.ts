/** A TCP proxy that can stop forwarding without closing anything: what a cut cable or a sleeping laptop looks like to both ends. */
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';

export class FreezingProxy {
  url = '';
  /** Of connections that work. */
  readonly #sockets = new Set<Socket>();
  readonly #all = new Set<Socket>();
  readonly #server = createServer((client) => this.#bridge(client));

  private constructor(private readonly target: URL) {}

  static async open(target: string): Promise<FreezingProxy> {
    const proxy = new FreezingProxy(new URL(target));
    await new Promise<void>((listening) => proxy.#server.listen(0, '127.0.0.1', listening));
    proxy.url = `http://127.0.0.1:${(proxy.#server.address() as AddressInfo).port}`;
    return proxy;
  }

  /** From now on nothing passes on the connections that are open, in neither direction, for good. New ones work. */
  freeze(): void {
    // Paused sockets take no bytes and notice no end: their own ends learn nothing, either.
    for (const socket of this.#sockets) socket.pause();
    this.#sockets.clear();
  }

  async close(): Promise<void> {
    for (const socket of this.#all) socket.destroy();
    await new Promise((closed) => this.#server.close(closed));
  }

  #bridge(client: Socket): void {
    const server = createConnection(Number(this.target.port), this.target.hostname);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      this.#all.add(from);
      from.on('data', (data) => to.write(data));
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        this.#all.delete(from);
        to.destroy();
      });
    }
  }
}
