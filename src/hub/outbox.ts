// What is still owed to bots and foreign channels: in order per conversation and party, tried again where that is safe, never forgotten.

import type { Activity } from '../core/activity.js';
import { openTurnOf, type Conversation, type Entry } from '../core/conversation.js';
import { DeliveryFailed } from '../errors.js';
import type { Engine } from './engine.js';
import { activityFor, NO_LONGER_OWED, type Owed } from './owed.js';
import type { BotConnection, InvokeResponse, OutboxRow, Settlement } from './ports.js';

/** From the first failed try until a bot counts as unavailable; a channel is tried for longer. */
const BOT_PATIENCE_MS = 15_000;
const CHANNEL_PATIENCE_MS = 10 * 60_000;
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 30_000;
const START_PAGE = 1_000;

/** `waits`: the row, or one before it, must be tried again later. */
export type Attempt = 'settled' | 'waits';

interface Lane {
  waiting: { seq: number; resolve: (attempt: Attempt) => void }[];
  rows: { row: OutboxRow; entry?: Entry; firstFailureAt?: number }[];
  running: boolean;
  timer?: NodeJS.Timeout;
}

export class Outbox {
  /** One lane per conversation and party. */
  readonly #lanes = new Map<string, Lane>();
  /** Invoke activities whose sender waits for the bot's answer, by outbox row id. */
  readonly #waitingForInvoke = new Map<string, (response: InvokeResponse | undefined) => void>();
  readonly #turnTimers = new Set<NodeJS.Timeout>();
  #stopped = false;
  #idle: (() => void)[] = [];

  constructor(
    private readonly hub: Engine,
    private readonly botTimeoutMs: number,
  ) {}

  /** Everything a crash left unsettled goes out again. */
  async start(): Promise<void> {
    this.#stopped = false;
    let after: string | undefined;
    for (;;) {
      const rows = await this.hub.store.outbox(START_PAGE, after);
      for (const row of rows) this.#enqueue(row);
      after = rows.at(-1)?.id;
      if (rows.length < START_PAGE) return;
    }
  }

  /** Rows of one commit, which are on disk, with its entries. */
  add(rows: readonly OutboxRow[], entries: readonly Entry[]): void {
    if (this.#stopped) return;
    const first = entries[0]?.seq ?? 0;
    for (const row of rows) this.#enqueue(row, entries[row.seq - first]);
  }

  /** Typing of a customer: to the bot at once, tried once. */
  signal(state: Conversation, activity: Activity): void {
    if (state.phase !== 'bot' || this.#stopped) return;
    const bot = this.#bot(state.bot, state);
    if (bot?.hearsTyping !== true) return;
    const turn = this.#turn(state.id, state.bot);
    bot.deliver(activityFor.signal(this.hub, state, state.bot, activity), turn).catch((error: unknown) => {
      this.hub.log.debug({ err: error, bot: state.bot }, 'typing did not reach the bot');
    });
  }

  /** Typing of a person: to the customer on a foreign channel, tried once. */
  signalChannel(state: Conversation, activity: Activity): void {
    const { id, via = id } = state.channel;
    this.hub.channels.get(via)?.signal?.(activity, state.reference);
  }

  /** The bot's answer to an invoke activity that was said as entry `seq`. */
  invokeResponse(conversationId: string, seq: number, ordinal = 0): Promise<InvokeResponse | undefined> {
    return new Promise((resolve) => this.#waitingForInvoke.set(`${conversationId}/${seq}/${ordinal}`, resolve));
  }

  /**
   * Resolves when what is owed to the party of entry `seq` has been tried; undefined when nothing is owed to it. Asked in
   * the same turn of the event loop in which `handle` resolved, or while the party's connection holds its first row back.
   */
  attempted(conversationId: string, party: string, seq: number): Promise<Attempt> | undefined {
    const lane = this.#lanes.get(`${conversationId}/${party}`);
    if (lane?.rows.some(({ row }) => row.seq === seq) !== true) return undefined;
    if (lane.timer !== undefined) return Promise.resolve('waits');
    return new Promise((resolve) => lane.waiting.push({ seq, resolve }));
  }

  get depth(): number {
    let depth = 0;
    for (const lane of this.#lanes.values()) depth += lane.rows.length;
    return depth;
  }

  /** Nothing is under way; rows that wait for their next try do not count. */
  get isIdle(): boolean {
    for (const lane of this.#lanes.values()) if (lane.running) return false;
    return true;
  }

  settled(): Promise<void> {
    return this.isIdle ? Promise.resolve() : new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Lets running turns finish for at most `graceMs`; what is not settled by then stays on disk. */
  async stop(graceMs: number): Promise<void> {
    this.#stopped = true;
    for (const lane of this.#lanes.values()) clearTimeout(lane.timer);
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([this.settled(), new Promise((resolve) => (timer = setTimeout(resolve, graceMs)))]);
    clearTimeout(timer);
    for (const turn of this.#turnTimers) clearTimeout(turn);
    this.#lanes.clear();
  }

  #enqueue(row: OutboxRow, entry?: Entry): void {
    const key = `${row.conversationId}/${row.party}`;
    let lane = this.#lanes.get(key);
    if (lane === undefined) this.#lanes.set(key, (lane = { rows: [], waiting: [], running: false }));
    lane.rows.push({ row, ...(entry === undefined ? {} : { entry }) });
    if (!lane.running && lane.timer === undefined) void this.#run(key, lane);
  }

  async #run(key: string, lane: Lane): Promise<void> {
    lane.running = true;
    delete lane.timer;
    try {
      while (lane.rows.length > 0 && !this.#stopped) {
        const waitMs = await this.#deliver(lane);
        if (waitMs === undefined) {
          const owed = new Set(lane.rows.map(({ row }) => row.seq));
          tell(lane, 'settled', ({ seq }) => !owed.has(seq));
          continue;
        }
        if (this.#stopped) return;
        lane.timer = setTimeout(() => void this.#run(key, lane), waitMs);
        return;
      }
      this.#lanes.delete(key);
    } finally {
      lane.running = false;
      tell(lane, 'waits');
      if (this.isIdle) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  /** Sends the lane's first row. @returns how long to wait before it is tried again; undefined when it is settled. */
  async #deliver(lane: Lane): Promise<number | undefined> {
    const first = lane.rows[0];
    if (first === undefined) return undefined;
    const { row } = first;
    const { log, clock } = this.hub;
    try {
      const waitMs = row.dueAt - clock.now();
      if (row.attempts > 0 && waitMs > 0) return waitMs;
      const settlement = await this.#send(row, first.entry);
      await this.#settle(settlement);
      lane.rows.shift();
      return undefined;
    } catch (error) {
      const now = clock.now();
      first.firstFailureAt ??= now;
      const patience = row.party === 'channel' ? CHANNEL_PATIENCE_MS : BOT_PATIENCE_MS;
      const again = error instanceof DeliveryFailed && error.retry;
      const backOffMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** row.attempts);
      const delayMs = Math.max(backOffMs, error instanceof DeliveryFailed ? (error.retryAfterMs ?? 0) : 0);
      log.warn(
        {
          err: error,
          conversation: row.conversationId,
          party: row.party,
          effect: row.effect.send,
          attempts: row.attempts + 1,
        },
        again ? 'a delivery failed and is tried again' : 'a delivery failed',
      );
      if (again && now + delayMs - first.firstFailureAt < patience) {
        row.attempts += 1;
        row.dueAt = now + delayMs;
        await this.#settle({ id: row.id, outcome: 'retry', attempts: row.attempts, dueAt: row.dueAt });
        return delayMs;
      }
      await this.#giveUp(row, error);
      lane.rows.shift();
      return undefined;
    }
  }

  async #send(row: OutboxRow, entry: Entry | undefined): Promise<Settlement> {
    const owed = await activityFor.row(this.hub, row, entry);
    if (owed === NO_LONGER_OWED) {
      this.#answerInvoke(row.id, undefined);
      return { id: row.id, outcome: 'superseded' };
    }
    if (row.effect.to === 'channel') {
      const { id, via: channel = id } = owed.state.channel;
      const connection = this.hub.channels.get(channel) ?? this.hub.channels.get('*');
      if (connection === undefined)
        throw new DeliveryFailed(
          `Nothing is connected to channel "${channel}". Connect the adapter it came in by.`,
          true,
        );
      const { send } = row.effect;
      const { channelActivityId } = await connection.send(owed.activity, owed.state.reference, {
        conversationId: row.conversationId,
        seq: row.seq,
        send: send === 'update' || send === 'delete' ? send : 'activity',
      });
      return { id: row.id, outcome: 'done', ...(channelActivityId === undefined ? {} : { channelActivityId }) };
    }
    await this.#runTurn(row, row.effect.to.bot, owed);
    return { id: row.id, outcome: 'done' };
  }

  async #runTurn(row: OutboxRow, botId: string, { activity, state, entry }: Owed): Promise<void> {
    const answers = row.effect.send === 'activity' ? row.seq : undefined;
    const started = performance.now();
    let outcome: 'done' | 'retry' | 'failed' = 'failed';
    try {
      const bot = this.#bot(botId, state);
      if (bot === undefined)
        throw new DeliveryFailed(
          `Bot "${botId}" is not connected. Connect it with hub.connectBot, or set its endpoint.`,
          false,
        );
      const response = await this.#inTime(
        bot.deliver(activity, this.#turn(row.conversationId, botId, answers, row.id, entry.event.key)),
        botId,
      );
      this.#answerInvoke(row.id, response);
      outcome = 'done';
    } catch (error) {
      outcome = error instanceof DeliveryFailed && error.retry ? 'retry' : 'failed';
      throw error;
    } finally {
      this.hub.notify('botTurn', { bot: botId, ms: performance.now() - started, outcome });
      if (outcome !== 'retry') await this.#endTurn(row.conversationId, botId, answers);
    }
  }

  /** A bot may be reached differently by channel: where its own adapter is, and for widgets. */
  #bot(botId: string, { channel }: Conversation): BotConnection | undefined {
    const own = channel.via === undefined ? undefined : this.hub.bots.get(`${botId} ${channel.via}`);
    return own ?? this.hub.bots.get(botId);
  }

  #turn(conversationId: string, botId: string, answers?: number, rowId?: string, key?: string) {
    let replies = 0;
    const turn = rowId === undefined ? {} : { turn: { id: rowId, next: () => (replies += 1) } };
    return {
      conversationId,
      botId,
      answers,
      ...(key === undefined ? {} : { key }),
      respond: (activities: readonly Activity[]) =>
        this.hub.botSays(conversationId, botId, activities, { answers, ...turn }),
    };
  }

  /** A bot that hangs must not hold its conversation: what it sends later is fenced. */
  async #inTime<T>(turn: Promise<T>, botId: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const timeoutMs = this.hub.directory.bots[botId]?.timeoutMs ?? this.botTimeoutMs;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new DeliveryFailed(`Bot "${botId}" did not finish its turn within ${timeoutMs} ms.`, false)),
        timeoutMs,
      );
      this.#turnTimers.add(timer);
    });
    try {
      return await Promise.race([turn, late]);
    } finally {
      clearTimeout(timer);
      if (timer !== undefined) this.#turnTimers.delete(timer);
    }
  }

  /** After the turn in which a bot escalated, what it sends is a draft. */
  async #endTurn(conversationId: string, bot: string, answers: number | undefined): Promise<void> {
    const state = this.hub.known(conversationId);
    if (state === undefined || openTurnOf(state) === undefined || answers === undefined) return;
    await this.hub.handle(conversationId, { type: 'endTurn', bot, answers }).catch((error: unknown) => {
      this.hub.log.warn({ err: error, conversation: conversationId }, 'the end of the turn could not be recorded');
    });
  }

  async #giveUp(row: OutboxRow, error: unknown): Promise<void> {
    const reason = error instanceof Error ? error.message : String(error);
    this.#answerInvoke(row.id, undefined);
    await this.#settle({ id: row.id, outcome: 'gaveUp' });
    try {
      await this.hub.handle(row.conversationId, { type: 'deliveryFailed', to: row.party, target: row.seq, reason });
      if (row.effect.to === 'channel') return;
      const answers = row.effect.send === 'activity' ? row.seq : undefined;
      await this.hub.handle(row.conversationId, {
        type: 'botFailed',
        bot: row.effect.to.bot,
        cause: reason,
        ...(answers === undefined ? {} : { answers }),
      });
    } catch (failure) {
      this.hub.log.error({ err: failure, conversation: row.conversationId }, 'a failed delivery could not be recorded');
    }
  }

  /** Losing a settlement repeats a delivery after a crash and loses nothing: a store that cannot write now is no reason to stop. */
  async #settle(settlement: Settlement): Promise<void> {
    try {
      await this.hub.store.settle([settlement]);
    } catch (error) {
      this.hub.log.warn({ err: error, row: settlement.id }, 'a delivery could not be marked as settled');
    }
  }

  #answerInvoke(rowId: string, response: InvokeResponse | undefined): void {
    this.#waitingForInvoke.get(rowId)?.(response);
    this.#waitingForInvoke.delete(rowId);
  }
}

function tell(lane: Lane, attempt: Attempt, whom: (waiting: { seq: number }) => boolean = () => true): void {
  const told = lane.waiting.filter(whom);
  lane.waiting = lane.waiting.filter((one) => !told.includes(one));
  for (const { resolve } of told) resolve(attempt);
}
