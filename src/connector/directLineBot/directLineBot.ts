// A bot behind Direct Line - Copilot Studio, Power Virtual Agents, any Azure bot - as one more bot of the hub: a line per conversation, sockets only while they are needed.

import { isPrivateHost } from '../../addresses.js';
import type { Activity } from '../../core/activity.js';
import type { Conversation } from '../../core/conversation.js';
import type { BotTransport } from '../../core/directory.js';
import { ConfigError, DeliveryFailed } from '../../errors.js';
import type { Hub } from '../../hub/hub.js';
import type { BotConnection, InvokeResponse } from '../../hub/ports.js';
import { readSecret } from '../trust/secrets.js';
import { Line, type Exchange, type LineTimes } from './line.js';
import { LISTENING_TIMES } from './listening.js';
import { LineRecords } from './record.js';
import { DirectLineService } from './service.js';

export interface DirectLineBotOptions {
  hub: Hub;
  botId: string;
  transport: Extract<BotTransport, { kind: 'directLine' }>;
  /** A delivery that has not ended after this time counts as failed. */
  timeoutMs: number;
  /** Where the secret is that the transport names; the process's own environment unless set. */
  environment?: Readonly<Record<string, string | undefined>>;
  times?: Partial<Times>;
  /** Open sockets at once; conversations beyond them are asked for what is new. */
  maxSockets?: number;
}

export interface Times extends LineTimes {
  /** A conversation that the bot holds keeps its socket for so long after the last thing said. */
  readonly idleMs: number;
  /** After the bot was told something while it does not hold the conversation, its answer is waited for so long. */
  readonly owedMs: number;
  /** Between two looks at all lines. */
  readonly sweepMs: number;
  /** Between two signs of life on every socket. */
  readonly beatMs: number;
  /** Where sockets are refused, they are tried again after so long. */
  readonly refusedMs: number;
}

const TIMES: Omit<Times, 'turnMs'> = {
  ...LISTENING_TIMES,
  quietMs: 5_000,
  saveMs: 500,
  livelyMs: 30_000,
  idleMs: 5 * 60_000,
  owedMs: 30_000,
  sweepMs: 5_000,
  beatMs: 20_000,
  refusedMs: 60_000,
};
const MAX_SOCKETS = 1_000;
/** Conversations looked after at once; the one nobody has spoken in for the longest is left to its record. */
const MAX_LINES = 10_000;
/** Of the open conversations so many, the newest, are listened to again after a start; the others with their next turn. */
const MAX_RESUMED = 2_000;
const PAGE = 200;
const RESUMED_AT_ONCE = 8;
/** The delivery must be over before whoever waits for it gives up: what comes after that is not repeated. */
const TURN_SHARE = 0.9;

export class DirectLineBot implements BotConnection {
  readonly answersLater = true;
  readonly #exchange: Exchange;
  readonly #times: Times;
  readonly #maxSockets: number;
  readonly #lines = new Map<string, Line>();
  #sweepTimer: NodeJS.Timeout | undefined;
  #beatAt = 0;
  #isSweeping = false;
  #socketsRefusedAt = Number.NEGATIVE_INFINITY;
  #closed: Promise<void> | undefined;
  #unfollow: (() => void) | undefined;

  /** Opens nothing. @throws ConfigError when the secret it names is not set, or would go over the open network. */
  constructor(private readonly options: DirectLineBotOptions) {
    const { hub, botId, transport, timeoutMs, environment = process.env } = options;
    requireSafe(transport);
    const turnMs = timeoutMs * TURN_SHARE;
    this.#times = { ...TIMES, turnMs, ...options.times };
    this.#maxSockets = options.maxSockets ?? MAX_SOCKETS;
    const secret = transport.secret === undefined ? undefined : readSecret(environment, transport.secret);
    this.#exchange = {
      hub,
      botId,
      service: new DirectLineService({
        botId,
        transport,
        timeoutMs: turnMs,
        ...(secret === undefined ? {} : { secret }),
      }),
      records: new LineRecords(hub.store, botId, () => hub.clock.now()),
      times: this.#times,
      mayStream: (line) => this.#mayStream(line),
      refusesSockets: () => (this.#socketsRefusedAt = performance.now()),
    };
  }

  /** Closed conversations are noticed at once, without reading every one of them again and again. */
  #follow(): void {
    const noticeEnd = ({ id, phase }: Conversation) => {
      const line = phase === 'closed' ? this.#lines.get(id) : undefined;
      if (line !== undefined) line.isOver = true;
    };
    this.#unfollow ??= this.options.hub.observe({
      committed: (_entries, state) => noticeEnd(state),
      learned: noticeEnd,
    });
  }

  /** Conversations looked after, and how they are heard. */
  get figures(): { lines: number; sockets: number; asked: number } {
    let sockets = 0;
    let asked = 0;
    for (const line of this.#lines.values()) {
      if (line.hasSocket) sockets += 1;
      else if (line.isListening) asked += 1;
    }
    return { lines: this.#lines.size, sockets, asked };
  }

  /** Resolves when the bot's service has taken the activity; answers come by the stream, as they are said. */
  async deliver(
    activity: Activity,
    { conversationId }: { conversationId: string },
  ): Promise<InvokeResponse | undefined> {
    if (this.#isClosed) throw new DeliveryFailed(`Bot "${this.options.botId}" is being disconnected.`, true);
    await this.#line(conversationId).deliver(activity);
    return undefined;
  }

  /** After a start: hears what the bot said meanwhile in conversations that are still open. Idempotent. */
  async resume(): Promise<void> {
    const { hub } = this.options;
    const waiting: Conversation[] = [];
    let cursor: string | undefined;
    do {
      const page = await hub.store.list({ phases: ['bot', 'queued', 'offered', 'agent'] }, PAGE, cursor);
      waiting.push(...page.items.filter(({ bots }) => bots.includes(this.options.botId)));
      cursor = page.next;
    } while (cursor !== undefined && waiting.length < MAX_RESUMED && !this.#isClosed);
    const next = waiting.values();
    const work = async () => {
      for (const state of next) await this.#resume(state);
    };
    await Promise.all(Array.from({ length: RESUMED_AT_ONCE }, work));
  }

  /** The bot is reached in another way from now on, or not at all: nothing stays open. */
  retire(): void {
    void this.close();
  }

  /** Cuts every connection; resolves when what must be known is on disk. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearInterval(this.#sweepTimer);
    this.#unfollow?.();
    const lines = [...this.#lines.values()];
    this.#lines.clear();
    const closed = Promise.all(lines.map((line) => line.close()));
    this.#exchange.service.close();
    await closed;
  }

  get #isClosed(): boolean {
    return this.#closed !== undefined;
  }

  async #resume(state: Conversation): Promise<void> {
    if (this.#isClosed) return;
    const { hub, botId } = this.options;
    const isRecent = hub.clock.now() - state.lastAt < this.#times.idleMs;
    try {
      if ((await this.#exchange.records.load(state.id)) === undefined) return;
      await this.#line(state.id).resume(isRecent && state.phase === 'bot' && state.bot === botId);
    } catch (error) {
      hub.log.warn({ err: error, conversation: state.id, bot: botId }, 'a conversation is resumed with its next turn');
    }
  }

  #line(conversationId: string): Line {
    const known = this.#lines.get(conversationId);
    if (known !== undefined) return known;
    const line = new Line(this.#exchange, conversationId);
    this.#lines.set(conversationId, line);
    if (this.#lines.size > MAX_LINES) {
      const longest = this.#quietest(() => true);
      if (longest !== undefined && longest !== line) {
        this.#lines.delete(longest.conversationId);
        void longest.close();
      }
    }
    if (this.#sweepTimer === undefined && !this.#isClosed) {
      this.#sweepTimer = setInterval(() => this.#sweep(), this.#times.sweepMs);
      this.#sweepTimer.unref();
      this.#follow();
    }
    return line;
  }

  /** A socket goes to who speaks now: from the conversation that has been quiet the longest, if it is quiet at all. */
  #mayStream(line: Line): boolean {
    if (performance.now() - this.#socketsRefusedAt < this.#times.refusedMs) return false;
    if (line.hasSocket || this.figures.sockets < this.#maxSockets) return true;
    const quietest = this.#quietest((other) => other.hasSocket && !other.isLively);
    if (quietest === undefined) return false;
    void quietest.rest();
    return true;
  }

  #quietest(where: (line: Line) => boolean): Line | undefined {
    let quietest: Line | undefined;
    for (const line of this.#lines.values())
      if (where(line) && (quietest === undefined || line.activeAt < quietest.activeAt)) quietest = line;
    return quietest;
  }

  #sweep(): void {
    const now = performance.now();
    if (now - this.#beatAt >= this.#times.beatMs) {
      this.#beatAt = now;
      for (const line of this.#lines.values()) line.beat();
    }
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    void this.#lookAfter().finally(() => (this.#isSweeping = false));
  }

  /** Closes sockets that nobody needs, keeps tokens good, and forgets what is over. */
  async #lookAfter(): Promise<void> {
    const { hub } = this.options;
    for (const line of [...this.#lines.values()]) {
      if (this.#isClosed) return;
      try {
        await this.#lookAfterOne(line);
      } catch (error) {
        hub.log.warn({ err: error, conversation: line.conversationId }, 'a conversation could not be looked after');
      }
    }
  }

  async #lookAfterOne(line: Line): Promise<void> {
    const { hub, botId } = this.options;
    const refreshes = hub.clock.now() >= line.refreshAt;
    // Most conversations are quiet most of the time: they are not read for nothing.
    if (!line.isListening && !line.isOver && !refreshes) return;
    const state = await hub.conversation(line.conversationId);
    const since = (at: number) => performance.now() - at;
    const isOwed = () => since(Math.max(line.postedAt, line.activeAt)) < this.#times.owedMs;
    if ((state === undefined || state.phase === 'closed') && !isOwed()) {
      this.#lines.delete(line.conversationId);
      return line.forget();
    }
    const isHeld = state?.phase === 'bot' && state.bot === botId;
    const isNeeded = () => isOwed() || (isHeld && since(line.activeAt) < this.#times.idleMs);
    if (line.isListening && !isNeeded()) await line.rest(() => !isNeeded());
    if (refreshes) await line.refresh();
  }
}

/** Secrets, tokens and what customers say go over plain HTTP on this machine and private networks only. */
function requireSafe({ tokenEndpoint, baseUrl }: DirectLineBotOptions['transport']): void {
  for (const [name, address] of Object.entries({ tokenEndpoint, baseUrl })) {
    if (address === undefined) continue;
    const { protocol, hostname, origin } = new URL(address);
    if (protocol !== 'https:' && !isPrivateHost(hostname))
      throw new ConfigError([
        `directLine.${name} at ${origin} must begin with https://: only this machine and private networks are reached without.`,
      ]);
  }
}
