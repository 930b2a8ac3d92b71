/** TLS in front of a plain port, as a reverse proxy terminates it; and a certificate for localhost that both sides are told to trust. */
import { writeFile } from 'node:fs/promises';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { generate } from 'selfsigned';

export interface Certificate {
  cert: string;
  key: string;
  /** For NODE_EXTRA_CA_CERTS. */
  file: string;
}

export async function makeCertificate(folder: string): Promise<Certificate> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
    algorithm: 'sha256',
    keySize: 2048,
    extensions: [
      { name: 'basicConstraints', cA: true },
      {
        name: 'subjectAltName',
        altNames: [
          { type: 2, value: 'localhost' },
          { type: 7, ip: '127.0.0.1' },
        ],
      },
    ],
  });
  const file = join(folder, 'certificate.pem');
  await writeFile(file, cert);
  return { cert, key, file };
}

export class TlsFront {
  /** Where the plain server is; may be set later than the front is started. */
  port = 0;
  private readonly sockets = new Set<Socket>();
  private constructor(private readonly server: Server) {}

  static async start({ cert, key }: Certificate): Promise<TlsFront> {
    const server = createServer({ cert, key });
    const front = new TlsFront(server);
    server.on('connection', (socket) => front.keep(socket));
    server.on('tlsClientError', () => undefined);
    server.on('secureConnection', (secure) => {
      const plain = front.keep(connect(front.port, '127.0.0.1'));
      for (const end of [secure, plain]) end.on('error', () => [secure, plain].forEach((one) => one.destroy()));
      secure.pipe(plain).pipe(secure);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return front;
  }

  get url(): string {
    return `https://localhost:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private keep(socket: Socket): Socket {
    this.sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.sockets.delete(socket));
    return socket;
  }
}
