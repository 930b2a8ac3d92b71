// Tells other processes on the same database what has changed, and is told by them: LISTEN and NOTIFY on one connection.
//
// A notice goes out after the commit and never in its transaction: there it would make all committing processes wait for
// one lock. It may be lost with the connection; whoever listens is then told that something was missed.

import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers';
import type { Client } from 'pg';
import type { StoreChange } from '../../hub/ports.js';
import type { Changed } from './writer.js';

/** PostgreSQL takes payloads below 8,000 bytes. */
const MAX_PAYLOAD_BYTES = 7_900;
const RECONNECT_MS = 500;

export interface NoticesOptions {
  channel: string;
  connect(onLost: (client: Client) => void): Promise<Client>;
}

export class Notices {
  /** Tells this process's own notices from those of others. */
  private readonly id = randomUUID();
  private readonly listeners = new Set<(change: StoreChange) => void>();
  private readonly conversations = new Set<string>();
  private agents = false;
  private configuration = false;
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

  listen(listener: (change: StoreChange) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Sent as soon as the line is free; what comes meanwhile goes along. */
  tell({ conversations, agents, configuration }: Changed): void {
    for (const id of conversations) this.conversations.add(id);
    this.agents ||= agents;
    this.configuration ||= configuration;
    this.sending ??= this.send();
  }

  /** What was committed before has been told. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.reconnecting);
    await this.joining?.catch(() => {});
    await this.sending;
    await this.client?.end().catch(() => {});
  }

  private async send(): Promise<void> {
    // What this turn of the event loop still tells goes along.
    await Promise.resolve();
    for (let payloads = this.payloads(); payloads.length > 0; payloads = this.payloads()) {
      // One statement; a line that is down loses it, and those who listen are told when it is back.
      const text = `SELECT ${payloads.map((_, n) => `pg_notify($1, $${n + 2})`).join(', ')}`;
      await this.client?.query(text, [this.options.channel, ...payloads]).catch(() => {});
    }
    this.sending = undefined;
  }

  private payloads(): string[] {
    const changes: StoreChange[] = [];
    if (this.agents) changes.push({ kind: 'agents' });
    if (this.configuration) changes.push({ kind: 'configuration' });
    let ids: string[] = [];
    let bytes = 0;
    for (const id of this.conversations) {
      const length = Buffer.byteLength(JSON.stringify(id)) + 1;
      if (ids.length > 0 && bytes + length > MAX_PAYLOAD_BYTES - 200) {
        changes.push({ kind: 'conversations', ids });
        ids = [];
        bytes = 0;
      }
      ids.push(id);
      bytes += length;
    }
    if (ids.length > 0) changes.push({ kind: 'conversations', ids });
    this.conversations.clear();
    this.agents = false;
    this.configuration = false;
    // An id so long that it fits no notice is found by those who read again.
    return changes
      .map((change) => JSON.stringify({ from: this.id, ...change }))
      .filter((payload) => Buffer.byteLength(payload) < MAX_PAYLOAD_BYTES);
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
      this.joining = this.join().then(
        () => this.emit({ kind: 'missed' }),
        () => this.rejoin(),
      );
    }, RECONNECT_MS).unref();
  }

  private take(payload: string): void {
    let notice: { from?: unknown } & StoreChange;
    try {
      notice = JSON.parse(payload) as typeof notice;
    } catch {
      return;
    }
    const { from, ...change } = notice;
    if (from !== this.id) this.emit(change as StoreChange);
  }

  private emit(change: StoreChange): void {
    for (const listener of this.listeners) listener(change);
  }
}
