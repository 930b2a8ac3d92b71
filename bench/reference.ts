/**
 * The raw reference: the least that can carry a message from a widget to a bot and back. Bare node:http and ws, everything in
 * memory, no token, no checks, nothing kept. It speaks the same Direct Line calls as the product, so the same load client
 * drives both. Its one argument is the address of the bot.
 */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import { announce } from './measured.js';

interface Conversation {
  id: string;
  /** Serialised activities; the watermark is how many of them a reader has. */
  activities: string[];
  sockets: Set<WebSocket>;
}

const botUrl = process.argv[2];
if (botUrl === undefined) throw new Error('Usage: reference.js <address of the bot>');

const botAgent = new http.Agent({ keepAlive: true, maxSockets: 128 });
const conversations = new Map<string, Conversation>();
let baseUrl = '';

const route =
  /^\/v3\/(directline\/)?conversations(?:\/([^/?]+)(?:\/(activities|stream)(?:\/[^/?]+)?)?)?(?:\?(?:.*&)?watermark=(\d*))?/;

const server = http.createServer((req, res) => {
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    const [, directLine, id, part, watermark] = route.exec(req.url ?? '') ?? [];
    if (directLine !== undefined && id === undefined && req.method === 'POST') return start(res);
    const conversation = conversations.get(id ?? '');
    if (conversation === undefined) return send(res, 404, '{}');
    if (part === undefined) return open(res, conversation.id, 200, watermark ?? '');
    if (req.method === 'GET') return send(res, 200, activitySet(conversation, Number(watermark ?? 0)));
    const activity = append(conversation, JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>);
    send(res, 200, JSON.stringify({ id: activity.id }));
    if (directLine !== undefined) callBot(activity);
  });
});

function start(res: http.ServerResponse): void {
  const id = `c${conversations.size}`;
  conversations.set(id, { id, activities: [], sockets: new Set() });
  open(res, id, 201, '');
}

function open(res: http.ServerResponse, id: string, status: number, watermark: string): void {
  const streamUrl = `${baseUrl.replace('http', 'ws')}v3/directline/conversations/${id}/stream?watermark=${watermark}`;
  send(res, status, JSON.stringify({ conversationId: id, token: id, expires_in: 1800, streamUrl }));
}

/** Commits in memory and shows the activity to every socket, as the product does from disk. */
function append(conversation: Conversation, received: Record<string, unknown>): Record<string, unknown> {
  const { id, activities, sockets } = conversation;
  const activity = {
    ...received,
    id: `${id}|${String(activities.length + 1).padStart(7, '0')}`,
    timestamp: new Date().toISOString(),
    channelId: 'directline',
    conversation: { id },
  };
  const text = JSON.stringify(activity);
  activities.push(text);
  const frame = `{"activities":[${text}],"watermark":"${activities.length}"}`;
  for (const socket of sockets) socket.send(frame);
  return activity;
}

function activitySet({ activities }: Conversation, after: number): string {
  return `{"activities":[${activities.slice(after).join()}],"watermark":"${activities.length}"}`;
}

function callBot(activity: Record<string, unknown>): void {
  const body = JSON.stringify({ ...activity, serviceUrl: baseUrl, recipient: { id: 'bot', name: 'Bot' } });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  http.request(botUrl ?? '', { method: 'POST', agent: botAgent, headers }, (answer) => answer.resume()).end(body);
}

function send(res: http.ServerResponse, status: number, body: string): void {
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}

// As the product's: a connection must not be closed under a client that is about to use it.
server.keepAliveTimeout = 65_000;

const upgrades = new WebSocketServer({ noServer: true, perMessageDeflate: false });
server.on('upgrade', (req, socket, head) => {
  const [, , id, , watermark] = route.exec(req.url ?? '') ?? [];
  const conversation = conversations.get(id ?? '');
  if (conversation === undefined) return socket.destroy();
  upgrades.handleUpgrade(req, socket, head, (client) => {
    conversation.sockets.add(client);
    client.on('close', () => conversation.sockets.delete(client));
    if (conversation.activities.length > 0) client.send(activitySet(conversation, Number(watermark ?? 0)));
  });
});

function speak(ids: string[], texts: string[]): void {
  for (const id of ids) {
    const conversation = conversations.get(id);
    if (conversation !== undefined) for (const text of texts) append(conversation, { type: 'message', text });
  }
}

server.listen(0, '127.0.0.1', () => {
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  announce({ url: baseUrl }, () => server.closeAllConnections(), { speak });
});
