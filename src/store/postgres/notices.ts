// How nodes on the same database tell each other what has happened: LISTEN and NOTIFY on one connection.
//
// A notice goes out after the commit and never in its transaction: there it would make all committing nodes wait for one
// lock. It may be lost with the connection; whoever must know looks at the record at times. Every account of a database may
// speak on every channel: what is not signed with the record's own key is not heard.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { setTimeout } from 'node:timers';
import type { Client } from 'pg';
import type { Outage } from '../../hub/breaker.js';
import type { Bus, Notice } from '../../hub/ports.js';

/** PostgreSQL takes payloads below 8,000 bytes. */
const MAX_PAYLOAD_BYTES = 7_900;
const RECONNECT_MS = 500;

export interface NoticesOptions {
  channel: string;
  /** Tells this node's own notices from those of others. */
  node(): string;
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
  private key = '';

  constructor(private readonly options: NoticesOptions) {}

  /** Resolves when notices come in. `key`: a secret of the record, the same for all its nodes. */
  open(key: string): Promise<void> {
    this.key = key;
    this.closed = false;
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
      const payloads = payloadsOf(this.options.node(), [...this.outgoing], this.key);
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
    const notices = noticesIn(payload, this.options.node(), this.key);
    for (const notice of notices) for (const listener of this.listeners) listener(notice);
  }
}

/** One that fits no payload (a large piece of a live stream) may be missed. */
function payloadsOf(node: string, notices: readonly string[], key: string): string[] {
  const payloads: string[] = [];
  const room = MAX_PAYLOAD_BYTES - MAC_CHARACTERS - Buffer.byteLength(listOf(node, ''));
  let body = '';
  for (const notice of notices) {
    const longer = body === '' ? notice : `${body},${notice}`;
    if (Buffer.byteLength(longer) <= room) body = longer;
    else {
      if (body !== '') payloads.push(sealed(listOf(node, body), key));
      body = Buffer.byteLength(notice) <= room ? notice : '';
    }
  }
  if (body !== '') payloads.push(sealed(listOf(node, body), key));
  return payloads;
}

function listOf(node: string, notices: string): string {
  return `{"from":${JSON.stringify(node)},"notices":[${notices}]}`;
}

const MAC_CHARACTERS = 43;

function macOf(text: string, key: string): string {
  return createHmac('sha256', key).update(text).digest('base64url');
}

function sealed(text: string, key: string): string {
  return macOf(text, key) + text;
}

/** As it goes over a line that strangers may use, too. */
export function payloadOf(node: string, notices: readonly Notice[], key: string): string {
  return sealed(listOf(node, notices.map((notice) => JSON.stringify(notice)).join()), key);
}

/** Of other nodes of the same record; what anybody else says there is none. */
export function noticesIn(payload: string, node: string, key: string): Notice[] {
  const [mac, text] = [payload.slice(0, MAC_CHARACTERS), payload.slice(MAC_CHARACTERS)];
  const expected = macOf(text, key);
  if (mac.length !== expected.length || !timingSafeEqual(Buffer.from(mac), Buffer.from(expected))) return [];
  const { from, notices } = JSON.parse(text) as { from: string; notices: Notice[] };
  return from === node ? [] : notices.filter(isNotice);
}

/** A node of another release may say what this one does not know. */
function isNotice(notice: Notice): boolean {
  switch (notice.is) {
    case 'entries':
      return Number.isSafeInteger(notice.first) && Number.isSafeInteger(notice.last) && notice.first <= notice.last;
    case 'owed':
      return typeof notice.id === 'string';
    case 'person':
      return typeof notice.agent === 'string';
    case 'breaker':
      return typeof notice.news.bot === 'string' && (notice.news.state === 'closed' || isOutage(notice.news.outage));
    case 'wanted':
      return typeof notice.kind === 'string' && typeof notice.id === 'string';
    case 'configuration':
      return Number.isSafeInteger(notice.version);
    case 'signal':
      // Typing and pieces of live streams only: whatever else customers see comes from the log.
      return notice.signal.activity.type === 'typing';
    // eslint-disable-next-line @typescript-eslint/switch-exhaustiveness-check -- see above
    default:
      return false;
  }
}

function isOutage({ since, failures, about }: Outage): boolean {
  return Number.isFinite(since) && Number.isFinite(failures) && (about === 'reach' || about === 'turn');
}
