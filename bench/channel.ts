/** The channel in front of a bot, in a process of its own: posts activities to the bot's endpoint and takes its replies. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { request } from '../test/fakes/request.js';

export type ChannelOrder =
  /** Each of the customers writes the next message when the reply to the last one is there. */
  | { pace: 'loop'; endpoint: string; customers: number; messages: number }
  /** Messages of customers in turn, so many a second. */
  | { pace: 'rate'; endpoint: string; customers: number; messages: number; perSecond: number };

export interface ChannelReport {
  seconds: number;
  /** Per message, from the POST (at a rate: from when it was due) until both its answer and the reply are there. */
  latenciesMs: number[];
}

const replies = new Map<string, (text: string) => void>();
const agent = new http.Agent({ keepAlive: true });
const channel = http.createServer((incoming, response) => {
  const chunks: Buffer[] = [];
  incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
  incoming.on('end', () => {
    const reply = JSON.parse(Buffer.concat(chunks).toString()) as { text?: string; conversation: { id: string } };
    response.setHeader('content-type', 'application/json');
    response.end('{"id":"out"}');
    if (reply.text !== undefined) replies.get(reply.conversation.id)?.(reply.text);
  });
});
channel.keepAliveTimeout = 65_000;
/** Unique among the orders of one bot: what comes twice under one id is one message. */
let exchanged = 0;

async function exchange(endpoint: string, customer: number): Promise<void> {
  const conversation = { id: `c${customer}` };
  const text = `message ${exchanged++}`;
  const activity = {
    type: 'message',
    id: `${process.pid}-${text}`,
    text,
    timestamp: new Date().toISOString(),
    channelId: 'msteams',
    serviceUrl: `http://127.0.0.1:${(channel.address() as AddressInfo).port}/`,
    from: { id: `u${customer}`, name: 'Kim' },
    recipient: { id: 'bot', name: 'Bot' },
    conversation,
  };
  const replied = new Promise<string>((resolve) => replies.set(conversation.id, resolve));
  const [{ status }, reply] = await Promise.all([request('POST', endpoint, { agent, body: activity }), replied]);
  if (status !== 200) throw new Error(`The bot's endpoint answered ${status}.`);
  if (reply !== `Echo: ${text}`) throw new Error(`'${reply}' came where 'Echo: ${text}' was due.`);
}

async function drive(order: ChannelOrder): Promise<ChannelReport> {
  const latenciesMs: number[] = [];
  const timed = async (customer: number, dueAt: number): Promise<void> => {
    await exchange(order.endpoint, customer);
    latenciesMs.push(performance.now() - dueAt);
  };
  const { customers, messages } = order;
  const beganAt = performance.now();
  if (order.pace === 'loop') {
    const talk = async (customer: number): Promise<void> => {
      for (let message = 0; message < messages; message += 1) await timed(customer, performance.now());
    };
    await Promise.all(Array.from({ length: customers }, (_none, customer) => talk(customer)));
  } else {
    const under: Promise<void>[] = [];
    for (let message = 0; message < messages; message += 1) {
      const dueAt = beganAt + (message * 1_000) / order.perSecond;
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueAt - performance.now())));
      under.push(timed(message % customers, dueAt));
    }
    await Promise.all(under);
  }
  return { seconds: (performance.now() - beganAt) / 1_000, latenciesMs };
}

channel.listen(0, '127.0.0.1', () => {
  process.on('message', (order: ChannelOrder) => {
    drive(order).then(
      (report) => process.send?.(report),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
});
process.on('disconnect', () => process.exit(0));
