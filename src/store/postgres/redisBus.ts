// How nodes tell each other what has happened by Redis instead of the database, where they are too many for its notices.
//
// Nothing is kept there and nothing depends on it: while Redis is away, nodes find by looking what they would have been told.

import type { Redis } from 'ioredis';
import { ConfigError } from '../../errors.js';
import type { Bus, Notice } from '../../hub/ports.js';
import { noticesIn, payloadOf } from './notices.js';

export interface RedisBusOptions {
  /** `redis://…` or `rediss://…`. */
  url: string;
  /** The same for all nodes on one record, and for nobody else. */
  channel: string;
  /** Tells this node's own notices from those of others. */
  node(): string;
}

export class RedisBus implements Bus {
  private readonly listeners = new Set<(notice: Notice) => void>();
  private outgoing: Notice[] = [];
  private key = '';
  private publisher: Redis | undefined;
  private subscriber: Redis | undefined;

  /** @throws ConfigError when the URL is none. */
  constructor(private readonly options: RedisBusOptions) {
    if (!/^rediss?:\/\//.test(options.url) || !URL.canParse(options.url))
      throw new ConfigError(['REDIS_URL: use redis://HOST:6379 or rediss://USER:PASSWORD@HOST:6379']);
  }

  /**
   * Connects in its own time, and again after every loss. `key`: a secret of the record, the same for all its nodes.
   * @throws ConfigError when the package is not installed.
   */
  async open(key: string): Promise<void> {
    this.key = key;
    const Redis = await loadDriver();
    const { url, channel, node } = this.options;
    this.publisher = new Redis(url, { enableOfflineQueue: false, maxRetriesPerRequest: 0 });
    this.subscriber = new Redis(url, { maxRetriesPerRequest: null });
    for (const client of [this.publisher, this.subscriber]) client.on('error', () => {});
    this.subscriber.on('message', (_channel, payload) => {
      for (const notice of noticesIn(payload, node(), key)) for (const listener of this.listeners) listener(notice);
    });
    this.subscriber.subscribe(channel).catch(() => {});
  }

  subscribe(listener: (notice: Notice) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** What is published in one turn of the event loop goes together. */
  publish(notice: Notice): void {
    if (this.outgoing.push(notice) > 1) return;
    queueMicrotask(() => {
      const notices = this.outgoing;
      this.outgoing = [];
      this.publisher?.publish(this.options.channel, payloadOf(this.options.node(), notices, this.key)).catch(() => {});
    });
  }

  close(): Promise<void> {
    this.publisher?.disconnect();
    this.subscriber?.disconnect();
    return Promise.resolve();
  }
}

async function loadDriver(): Promise<typeof Redis> {
  try {
    return (await import('ioredis')).Redis;
  } catch (error) {
    throw new ConfigError(['REDIS_URL needs the package ioredis. Install it beside this one: npm install ioredis'], {
      cause: error,
    });
  }
}
