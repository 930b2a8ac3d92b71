/** A bare HTTP echo bot: answers 200 at once, then posts `Echo: …` to the activity's serviceUrl. No SDK, no checks. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { announce } from './measured.js';

interface Inbound {
  type: string;
  id: string;
  text?: string;
  serviceUrl: string;
  from: { id: string };
  recipient: { id: string };
  conversation: { id: string };
}

const agent = new http.Agent({ keepAlive: true, maxSockets: 128 });

const server = http.createServer((req, res) => {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    res.writeHead(200, { 'content-length': 0 }).end();
    const inbound = JSON.parse(Buffer.concat(chunks).toString()) as Inbound;
    if (inbound.type === 'message') reply(inbound);
  });
});

// As the product's: a connection must not be closed under a client that is about to use it.
server.keepAliveTimeout = 65_000;

function reply(to: Inbound): void {
  const body = JSON.stringify({
    type: 'message',
    text: `Echo: ${to.text}`,
    from: to.recipient,
    recipient: to.from,
    conversation: to.conversation,
    replyToId: to.id,
  });
  const path = `${to.serviceUrl}v3/conversations/${to.conversation.id}/activities/${encodeURIComponent(to.id)}`;
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  http.request(path, { method: 'POST', agent, headers }, (answer) => answer.resume()).end(body);
}

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  announce({ url: `http://127.0.0.1:${port}/api/messages` }, () => server.closeAllConnections());
});
