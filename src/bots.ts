// Gives each bot of the configuration its connection, by its transport, and takes away those of bots that are gone.

import { isDeepStrictEqual } from 'node:util';
import { DirectLineBot } from './connector/directLineBot/directLineBot.js';
import { httpBot } from './connector/httpBot.js';
import { entraTokens } from './connector/trust/entra.js';
import type { HubIssuer } from './connector/trust/issuer.js';
import { readSecret } from './connector/trust/secrets.js';
import type { Activity } from './core/activity.js';
import type { Bot, Directory } from './core/directory.js';
import { ConfigError } from './errors.js';
import type { Hub } from './hub/hub.js';
import type { BotConnection } from './hub/ports.js';

/** A connection that holds something open. */
export interface OwnedConnection extends BotConnection {
  /** What is under way finishes; nothing stays open after it. */
  retire(): void;
  /** Cuts what is under way: it is owed again after the next start. Resolves when what must be kept is kept. */
  close(): void | Promise<void>;
  /** The hub has started: picks up what bots may have said meanwhile. */
  resume?(): Promise<void>;
  readonly figures?: { readonly sockets: number };
}

interface Connected {
  bot: Bot;
  connection: OwnedConnection;
}

/** Characters of a secret that nobody guesses. */
const SECRET_LENGTH = 16;

function requireLong(name: string, value: string): void {
  if (value.length < SECRET_LENGTH)
    throw new ConfigError([`the secret in ${name} is short: use at least ${SECRET_LENGTH} random characters.`]);
}

export class Bots {
  readonly #connected = new Map<string, Connected>();

  constructor(
    private readonly hub: Hub,
    private readonly botTimeoutMs: number,
    private readonly issuer: HubIssuer,
    private readonly env: Readonly<Record<string, string | undefined>>,
  ) {}

  /** @throws ConfigError with everything that keeps a bot of this directory from being connected. */
  check(directory: Directory): void {
    const faults: string[] = [];
    for (const bot of Object.values(directory.bots)) {
      try {
        void this.#connectionOf(bot)?.close();
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        faults.push(...error.faults.map((fault) => `Bot "${bot.id}": ${fault}`));
      }
    }
    if (faults.length > 0) throw new ConfigError(faults);
  }

  /**
   * Connects what is new or changed. Called before decisions cite the directory: a bot that holds a conversation can be
   * reached. What a program has connected by itself stays as it is.
   */
  connect(directory: Directory): void {
    for (const bot of Object.values(directory.bots)) {
      const before = this.#connected.get(bot.id);
      if (before !== undefined && isDeepStrictEqual(before.bot, bot)) continue;
      const current = this.hub.bots.get(bot.id);
      if (current !== undefined && current !== before?.connection) continue;
      const connection = this.#connectionOf(bot);
      if (before !== undefined) this.#forget(before);
      if (connection === undefined) continue;
      this.#connected.set(bot.id, { bot, connection });
      this.hub.connectBot(bot.id, connection);
      if (this.hub.running) this.#resume(connection);
    }
  }

  /** The hub has started. */
  resume(): void {
    for (const { connection } of this.#connected.values()) this.#resume(connection);
  }

  /** Closes what belongs to bots that the directory does not name. */
  retire(directory: Directory): void {
    for (const connected of [...this.#connected.values()])
      if (directory.bots[connected.bot.id] === undefined) this.#forget(connected);
  }

  /** Streams that bots behind Direct Line are heard by. */
  get sockets(): number {
    return [...this.#connected.values()].reduce((sum, { connection }) => sum + (connection.figures?.sockets ?? 0), 0);
  }

  /** The hub stops; its store is still open. */
  async close(): Promise<void> {
    const connected = [...this.#connected.values()];
    for (const one of connected) this.#forget(one);
    await Promise.all(connected.map(async ({ connection }) => connection.close()));
  }

  #resume(connection: OwnedConnection): void {
    connection.resume?.().catch((error: unknown) => {
      this.hub.log.error({ err: error }, 'conversations of a bot could not be resumed; each is with its next turn');
    });
  }

  #forget({ bot, connection }: Connected): void {
    this.#connected.delete(bot.id);
    if (this.hub.bots.get(bot.id) === connection) this.hub.bots.delete(bot.id);
    connection.retire();
  }

  /** @returns undefined for bots that a program connects by itself. @throws ConfigError */
  #connectionOf(bot: Bot): OwnedConnection | undefined {
    const { id, transport, timeoutMs = this.botTimeoutMs } = bot;
    switch (transport.kind) {
      case 'inProcess':
        return undefined;
      case 'directLine':
        return new DirectLineBot({ hub: this.hub, botId: id, transport, timeoutMs, environment: this.env });
      case 'http': {
        const { endpoint, delivery } = transport;
        const token = this.#tokensFor(transport);
        return httpBot({
          id,
          endpoint,
          delivery,
          timeoutMs,
          clock: this.hub.clock,
          ...(token === undefined ? {} : { token }),
        });
      }
    }
  }

  /** What the hub shows to the bot. @throws ConfigError for a secret that is not there. */
  #tokensFor({ auth, appId = '' }: Extract<Bot['transport'], { kind: 'http' }>) {
    if (auth === 'none') return undefined;
    if (auth.issuer === 'hub') {
      if (auth.secret !== undefined) requireLong(auth.secret, readSecret(this.env, auth.secret));
      return ({ serviceUrl = this.hub.serviceUrl }: Activity) => this.issuer.tokenFor(appId, auth, serviceUrl);
    }
    const tokens = entraTokens(auth, this.env);
    return (_activity: Activity, refused?: string) => tokens.token(appId, refused !== undefined);
  }
}
