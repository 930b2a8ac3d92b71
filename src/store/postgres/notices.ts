// How nodes on the same database tell each other what has happened: LISTEN and NOTIFY on one connection.
//
// A notice goes out after the commit and never in its transaction: there it would make all committing nodes wait for one
// lock. It may be lost with the connection; whoever must know looks at the record at times.

import { setTimeout } from 'node:timers';
import type { Client } from 'pg';
import type { Bus, Notice } from '../../hub/ports.js';

/** PostgreSQL takes payloads below 8,000 bytes. */
const MAX_PAYLOAD_BYTES = 7_900;
const RECONNECT_MS = 500;

export interface NoticesOptions {
  channel: string;
  /** Tells this node's own notices from those of others. */
  node: string;
  connect(onLost: (client: Client) => void): Promise<Client>;
}

export class Notices implements Bus {
  private readonly listeners = new Set<(notice: Notice) => void>();
  /** As JSON: what is told twice before it could be sent is sent once. */
  private readonly outgoing = new Set<string>();
  private sending: Promise<void> | undefined;
  private client: Client | undefined;
  private reconnecting: NodeJS.Timeout | undefined;
  private joining: Promise<void> | undefined;
  private closed = false;

  constructor(private readonly options: NoticesOptions) {}

  /** Resolves when notices come in. */
  open(): Promise<void> {
    return (this.joining = this.join());
  }

  subscribe(listener: (notice: Notice) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Sent as soon as the line is free; what comes meanwhile goes along. */
  publish(notice: Notice): void {
    if (this.closed) return;
    this.outgoing.add(JSON.stringify(notice));
    this.sending ??= this.send();
  }

  /** What was published before has been sent. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.reconnecting);
    await this.joining?.catch(() => {});
    await this.sending;
    await this.client?.end().catch(() => {});
  }

  private async send(): Promise<void> {
    // Whatever is published in this turn of the event loop goes together.
    await Promise.resolve();
    while (this.outgoing.size > 0) {
      const payloads = payloadsOf(this.options.node, [...this.outgoing]);
      this.outgoing.clear();
      if (payloads.length === 0) continue;
      const text = `SELECT ${payloads.map((_, n) => `pg_notify($1, $${n + 2})`).join(', ')}`;
      await this.client?.query(text, [this.options.channel, ...payloads]).catch(() => {});
    }
    this.sending = undefined;
  }

  private async join(): Promise<void> {
    const client = await this.options.connect((ended) => this.lost(ended));
    client.on('notification', ({ payload = '' }) => this.take(payload));
    try {
      await client.query(`LISTEN "${this.options.channel}"`);
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
    this.client = client;
  }

  private lost(client: Client): void {
    if (this.client !== client) return;
    this.client = undefined;
    this.rejoin();
  }

  private rejoin(): void {
    if (this.closed) return;
    this.reconnecting = setTimeout(() => {
      this.joining = this.join().catch(() => this.rejoin());
    }, RECONNECT_MS).unref();
  }

  private take(payload: string): void {
    const notices = noticesIn(payload, this.options.node);
    for (const notice of notices) for (const listener of this.listeners) listener(notice);
  }
}

/** One that fits no payload (a large piece of a live stream) may be missed. */
function payloadsOf(node: string, notices: readonly string[]): string[] {
  const payloads: string[] = [];
  const head = `{"from":${JSON.stringify(node)},"notices":[`;
  let body = '';
  for (const notice of notices) {
    const longer = body === '' ? notice : `${body},${notice}`;
    if (Buffer.byteLength(head) + Buffer.byteLength(longer) + 2 < MAX_PAYLOAD_BYTES) body = longer;
    else {
      if (body !== '') payloads.push(`${head}${body}]}`);
      body = Buffer.byteLength(head) + Buffer.byteLength(notice) + 2 < MAX_PAYLOAD_BYTES ? notice : '';
    }
  }
  if (body !== '') payloads.push(`${head}${body}]}`);
  return payloads;
}

/** Of other nodes; other programs may use the channel, too. */
export function noticesIn(payload: string, node: string): Notice[] {
  try {
    const { from, notices } = JSON.parse(payload) as { from?: unknown; notices?: unknown };
    return from === node || !Array.isArray(notices) ? [] : (notices as Notice[]);
  } catch {
    return [];
  }
}
