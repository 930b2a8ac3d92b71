// What is still owed to bots and foreign channels: in order per conversation and party, tried again where that is safe, never forgotten.

import type { Activity } from '../core/activity.js';
import type { Conversation, Entry } from '../core/conversation.js';
import { observes } from '../core/floor.js';
import { Conflict, DeliveryFailed, StoreUnavailable } from '../errors.js';
import { withoutAddresses } from './botFaults.js';
import { answersOf, BotTurns } from './botTurns.js';
import { BOT_PATIENCE_MS, LONGEST_PAUSE_MS } from './breaker.js';
import type { BotTurnContext, Engine } from './engine.js';
import { Held } from './held.js';
import { activityFor, NO_LONGER_OWED, type Owed } from './owed.js';
import { expectsAnswer, isCustomers, isMessage, tell, type Attempt, type Lane } from './lane.js';
import { within } from './patience.js';
import type { InvokeResponse, OutboxRow, Settlement } from './ports.js';
import { Settling } from './settling.js';

/** From the first failed try until a channel is given up, and a bot where no customer waits for its answer. */
const PATIENCE_MS = 10 * 60_000;
const FIRST_RETRY_MS = 250;
const ON_CHANNELS = { patienceMs: PATIENCE_MS, longestMs: 30_000 } as const;
/** With less of a customer's patience left, no further turn is begun. */
const LEAST_TURN_MS = 1_000;
/** Until what could not be written is written again. */
const RECORD_AGAIN_MS = 2_000;
const START_PAGE = 1_000;

export type { Attempt } from './lane.js';

export class Outbox {
  /** One lane per conversation and party. */
  readonly #lanes = new Map<string, Lane>();
  readonly #turns: BotTurns;
  readonly #held: Held;
  readonly #settling: Settling;
  /** While it runs there is none. */
  #stopping: Promise<void> | undefined = Promise.resolve();
  /** While the hub starts: what is committed meanwhile, which goes after what is owed from before. */
  #early: (() => void)[] | undefined;
  /** Lanes that are under way. */
  #running = 0;
  #idle: (() => void)[] = [];

  constructor(private readonly hub: Engine) {
    this.#turns = new BotTurns(hub);
    this.#held = new Held(hub, (lane) => this.#wake(lane));
    this.#settling = new Settling(hub.store, hub.log);
  }

  /** Reads everything a crash left unsettled: it goes out with `deliver`, before anything that is new. */
  async start(): Promise<void> {
    this.#stopping = undefined;
    this.#held.start();
    this.#early = [];
    await this.take();
  }

  /** From when the port takes what bots answer. */
  deliver(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const add of early) add();
    for (const lane of this.#lanes.values()) this.#go(lane);
  }

  /** What the record says this process owes, as far as it does not know: of one conversation, or all. */
  async take(conversationId?: string): Promise<void> {
    const { store } = this.hub;
    if (conversationId !== undefined)
      return this.#enqueueAll(
        await this.#settling.stillOwed(async () => (await store.shared?.owed(conversationId)) ?? []),
      );
    await this.#settling.catchUp();
    let last: OutboxRow | undefined;
    for (let isWhole = false; !isWhole;)
      this.#enqueueAll(
        await this.#settling.stillOwed(async () => {
          const rows = await store.outbox(START_PAGE, last?.id);
          isWhole = rows.length < START_PAGE;
          last = rows.at(-1);
          return rows;
        }),
      );
  }

  /** Others deliver what this process owed; only what is on its way just now cannot be called back. */
  letGo(): void {
    for (const lane of this.#lanes.values()) {
      lane.rows.splice(lane.running ? 1 : 0);
      if (!lane.running) this.#wake(lane);
    }
  }

  /** An append is about to be written: what is settled goes with it. */
  appending(): void {
    this.#settling.write();
  }

  /**
   * Rows of one commit, which are on disk, with its entries. `behind`: rows that go before them, by the record.
   * @returns false when it was not known of those: all are to be taken from the record, so that they go in order.
   */
  add(rows: readonly OutboxRow[], entries: readonly Entry[], behind: readonly string[] = []): boolean {
    if (this.#stopped) return true;
    const first = entries[0]?.seq ?? 0;
    const enqueue = () => rows.forEach((row) => this.#enqueue(row, entries[row.seq - first]));
    // While the hub starts nothing is delivered yet; where others write, too, the record says whether something goes first.
    if (this.#early !== undefined && behind.length === 0) return this.#early.push(enqueue) > 0;
    const known = (id: string) =>
      rows.some((row) => this.#lanes.get(`${row.conversationId}/${row.party}`)?.rows.some((one) => one.row.id === id));
    if (!behind.every(known)) return false;
    enqueue();
    return true;
  }

  /** What was held for the holder before is settled now, not when that bot is back. */
  holderChanged(conversationId: string): void {
    for (const botId of Object.keys(this.hub.directory.bots)) {
      const lane = this.#lanes.get(`${conversationId}/bot:${botId}`);
      if (lane?.heldFor !== undefined) this.#wake(lane);
    }
  }

  /** Typing of a customer: to the bot at once, tried once. */
  signal(state: Conversation, activity: Activity): void {
    if (state.phase !== 'bot' || this.#stopped || this.hub.botStatus.isOpen(state.bot)) return;
    this.#turns.signal(state, state.bot, activity);
  }

  /** Another node found the bot answering: what waits for it here tries, or goes. */
  botHeard(botId: string): void {
    this.#held.release(botId);
  }

  /** Typing of a person: to the customer on a foreign channel, tried once. */
  signalChannel(state: Conversation, activity: Activity): void {
    const { id, via = id } = state.channel;
    this.hub.channels.get(via)?.signal?.(activity, state.reference);
  }

  /** The bot's answer to an invoke activity that was said as entry `seq`. */
  invokeResponse(conversationId: string, seq: number, ordinal = 0): Promise<InvokeResponse | undefined> {
    return this.#turns.invokeResponse(`${conversationId}/${seq}/${ordinal}`);
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

  /** Resolves when what is being sent to the party has been tried; undefined when nothing is. */
  underWay(conversationId: string, party: string): Promise<Attempt> | undefined {
    const lane = this.#lanes.get(`${conversationId}/${party}`);
    const last = lane?.rows.at(-1)?.row.seq;
    if (lane?.running !== true || last === undefined) return undefined;
    return new Promise((resolve) => lane.waiting.push({ seq: last, resolve }));
  }

  /** The turn a bot is in about this entry: what it says by calls of its own belongs to it. */
  turnOf(conversationId: string, botId: string, answers: number): BotTurnContext['turn'] {
    return this.#turns.running(conversationId, botId, answers);
  }

  get depth(): number {
    return [...this.#lanes.values()].reduce((depth, { rows }) => depth + rows.length, 0);
  }

  /** Nothing is under way or to be marked as settled; rows that wait for their next try do not count. */
  get isIdle(): boolean {
    return this.#running === 0 && this.#settling.isIdle;
  }

  async settled(): Promise<void> {
    while (!this.isIdle) {
      if (this.#running > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
      else await this.#settling.settled();
    }
  }

  /** Begins no turn any more and lets running ones finish for at most `graceMs`; what is not settled by then stays on disk. Idempotent. */
  stop(graceMs: number): Promise<void> {
    return (this.#stopping ??= this.#stop(graceMs));
  }

  get #stopped(): boolean {
    return this.#stopping !== undefined;
  }

  async #stop(graceMs: number): Promise<void> {
    for (const lane of this.#lanes.values()) clearTimeout(lane.timer);
    this.#held.stop();
    await within(
      graceMs,
      this.settled().then(() => this.#settling.tryCatchUp()),
    );
    this.#turns.stop();
    this.#lanes.clear();
  }

  #enqueueAll(rows: readonly OutboxRow[]): void {
    for (const row of rows) this.#enqueue(row);
  }

  #enqueue(row: OutboxRow, entry?: Entry): void {
    if (this.#stopped) return;
    const key = `${row.conversationId}/${row.party}`;
    let lane = this.#lanes.get(key);
    if (lane?.rows.some((one) => one.row.id === row.id) === true) return;
    if (lane === undefined) this.#lanes.set(key, (lane = { key, rows: [], waiting: [], running: false }));
    const isFirstWord = isCustomers(row) && !lane.rows.some((one) => isCustomers(one.row));
    lane.rows.push({ row, ...(entry === undefined ? {} : { entry }) });
    if (isFirstWord && lane.heldFor !== undefined) {
      // From now on somebody waits: how long, is counted from here.
      delete lane.failingSince;
      this.#wake(lane);
    }
    this.#go(lane);
  }

  #go(lane: Lane): void {
    if (!lane.running && lane.timer === undefined && this.#early === undefined) void this.#run(lane);
  }

  async #run(lane: Lane): Promise<void> {
    lane.running = true;
    this.#running += 1;
    delete lane.timer;
    try {
      while (lane.rows.length > 0 && !this.#stopped) {
        delete lane.woken;
        const waitMs = await this.#deliver(lane);
        if (waitMs === undefined) {
          const owed = new Set(lane.rows.map(({ row }) => row.seq));
          tell(lane, 'settled', ({ seq }) => !owed.has(seq));
          continue;
        }
        if (this.#stopped || !this.#isCurrent(lane)) return;
        if (lane.woken === true) continue;
        lane.timer = setTimeout(() => this.#wake(lane), waitMs);
        return;
      }
      if (this.#isCurrent(lane)) this.#lanes.delete(lane.key);
    } finally {
      lane.running = false;
      this.#running -= 1;
      tell(lane, 'waits');
      if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
    }
  }

  /** Since a stop it is not: what it owed is read anew. */
  #isCurrent(lane: Lane): boolean {
    return this.#lanes.get(lane.key) === lane;
  }

  /** Goes on with a lane that waits, before its time or at it. */
  #wake(lane: Lane): void {
    clearTimeout(lane.timer);
    delete lane.timer;
    this.#held.delete(lane);
    if (lane.running) lane.woken = true;
    else if (!this.#stopped) void this.#run(lane);
  }

  /** Sends the lane's first row. @returns how long to wait before it is tried again; undefined when it is settled. */
  async #deliver(lane: Lane): Promise<number | undefined> {
    const first = lane.rows[0];
    if (first === undefined) return undefined;
    const { row, verdict } = first;
    if (verdict !== undefined) return this.#giveUp(lane, row, verdict.error, verdict.handsOver);
    const waitMs = row.dueAt - this.hub.clock.now();
    if (row.attempts > 0 && waitMs > 0) return waitMs;
    let owed: Owed | typeof NO_LONGER_OWED;
    try {
      owed = await activityFor.row(this.hub, row, first.entry);
    } catch (cause) {
      const unread = new DeliveryFailed('What is owed could not be read from the store.', true, { cause });
      return this.#tryAgain(lane, row, unread, ON_CHANNELS);
    }
    if (owed === NO_LONGER_OWED) {
      this.#turns.answerInvoke(row.id, undefined);
      return this.#finish(lane, { id: row.id, outcome: 'superseded' });
    }
    const { to } = row.effect;
    return to === 'channel' ? this.#sendToChannel(lane, row, owed) : this.#sendToBot(lane, row, to.bot, owed);
  }

  async #sendToChannel(lane: Lane, row: OutboxRow, { activity, state }: Owed): Promise<number | undefined> {
    const { id, via = id } = state.channel;
    const { send } = row.effect;
    let channelActivityId: string | undefined;
    try {
      const connection = this.hub.channels.get(via) ?? this.hub.channels.get('*');
      if (connection === undefined)
        throw new DeliveryFailed(`Nothing is connected to channel "${via}". Connect the adapter it came in by.`, true);
      ({ channelActivityId } = await connection.send(activity, state.reference, {
        conversationId: row.conversationId,
        seq: row.seq,
        send: send === 'update' || send === 'delete' ? send : 'activity',
      }));
    } catch (error) {
      return this.#tryAgain(lane, row, error, ON_CHANNELS);
    }
    delete lane.failingSince;
    const named = channelActivityId === undefined ? {} : { channelActivityId };
    return this.#finish(lane, { id: row.id, outcome: 'done', ...named });
  }

  async #sendToBot(lane: Lane, row: OutboxRow, botId: string, owed: Owed): Promise<number | undefined> {
    const { clock, botStatus } = this.hub;
    const awaited = this.#isAwaited(lane, row, owed);
    const patienceMs = awaited ? BOT_PATIENCE_MS : PATIENCE_MS;
    const now = clock.now();
    const leftMs = lane.failingSince === undefined ? Infinity : lane.failingSince + patienceMs - now;
    if (leftMs < LEAST_TURN_MS) return this.#refuse(lane, row, owed, lane.failure);
    // Where the hub only observes, a bot is asked whenever its channel would ask it.
    if (lane.admitted !== true && !observes(owed.state, this.hub.directory)) {
      const admission = botStatus.admit(botId, awaited);
      switch (admission.is) {
        case 'through':
          if (awaited) lane.admitted = true;
          break;
        case 'wait':
        case 'hold': {
          lane.failingSince ??= now;
          lane.failure = new DeliveryFailed(botStatus.whyRefused(botId), true);
          const until = Math.min(lane.failingSince + patienceMs, admission.is === 'wait' ? admission.until : Infinity);
          this.#held.add(lane, botId, awaited);
          return Math.max(0, until - now);
        }
        case 'refuse':
          this.hub.notify('botRefused', botId);
          return this.#refuse(lane, row, owed, new DeliveryFailed(botStatus.whyRefused(botId), false));
      }
    }
    const timeoutMs = botStatus.timeoutOf(botId);
    // A bot that was given more time of its own than a customer has patience keeps it.
    const ownMs = this.hub.directory.bots[botId]?.timeoutMs ?? 0;
    const withinMs = ownMs > BOT_PATIENCE_MS ? ownMs : Math.min(timeoutMs, leftMs);
    return this.#runTurn(lane, row, botId, owed, { awaited, patienceMs, withinMs });
  }

  async #runTurn(
    lane: Lane,
    row: OutboxRow,
    botId: string,
    owed: Owed,
    limits: { awaited: boolean; patienceMs: number; withinMs: number },
  ): Promise<number | undefined> {
    const { clock, botStatus } = this.hub;
    const turnFor = isMessage(row, owed) ? 'customer' : 'hub';
    const startedAt = clock.now();
    const started = performance.now();
    try {
      await this.#turns.run(row, botId, owed, limits.withinMs);
    } catch (error) {
      // A stop cut it off: it says nothing of the bot, and whoever takes over what is owed runs it again.
      if (!this.#isCurrent(lane)) return 0;
      delete lane.admitted;
      const { kind, hopeless } = botStatus.failed(botId, error, turnFor);
      this.#held.failed(botId, hopeless);
      const needsAnswer = expectsAnswer(row, owed);
      const waitMs = await this.#tryAgain(lane, row, error, {
        patienceMs: limits.patienceMs,
        longestMs: LONGEST_PAUSE_MS,
        handsOver: needsAnswer && owed.state.customerSaidSomething,
      });
      // A bot that hangs at one thing the hub tells it hangs at the next: the customer has waited long enough.
      if (waitMs === undefined && kind === 'timedOut' && !needsAnswer) await this.#skipToCustomers(lane);
      return waitMs;
    }
    delete lane.failingSince;
    if (isCustomers(row)) delete lane.admitted;
    if (botStatus.answered(botId, { turnFor, startedAt, tookMs: performance.now() - started }))
      this.#held.release(botId);
    return this.#finish(lane, { id: row.id, outcome: 'done' });
  }

  /** Whether somebody waits for what the bot does with this lane: a customer who has said something, or an invoke's sender. */
  #isAwaited(lane: Lane, row: OutboxRow, owed: Owed): boolean {
    if (lane.rows.some((one) => this.#turns.isInvokeAwaited(one.row.id))) return true;
    if (!owed.state.customerSaidSomething) return false;
    return expectsAnswer(row, owed) || lane.rows.some((one) => isCustomers(one.row));
  }

  /** The bot is not asked. What should have come before a customer's words goes without a word of its own. */
  async #refuse(lane: Lane, row: OutboxRow, owed: Owed, why: unknown): Promise<number | undefined> {
    if (!isCustomers(row) && lane.rows.some((one) => isCustomers(one.row))) {
      await this.#skipToCustomers(lane);
      return undefined;
    }
    return this.#giveUp(lane, row, why, expectsAnswer(row, owed) && owed.state.customerSaidSomething);
  }

  /** Only where a customer's words follow: alone, what the hub tells a bot stays owed. */
  async #skipToCustomers(lane: Lane): Promise<void> {
    if (!lane.rows.some(({ row }) => isCustomers(row))) return;
    for (let next = lane.rows[0]?.row; next !== undefined && !isCustomers(next); next = lane.rows[0]?.row)
      await this.#finish(lane, { id: next.id, outcome: 'gaveUp' });
  }

  async #tryAgain(
    lane: Lane,
    row: OutboxRow,
    error: unknown,
    { patienceMs, longestMs, handsOver = false }: { patienceMs: number; longestMs: number; handsOver?: boolean },
  ): Promise<number | undefined> {
    const now = this.hub.clock.now();
    lane.failingSince ??= now;
    lane.failure = error;
    const known = error instanceof DeliveryFailed ? error : undefined;
    const again = known?.retry === true;
    this.hub.log.warn(
      {
        err: error,
        conversation: row.conversationId,
        party: row.party,
        effect: row.effect.send,
        attempts: row.attempts + 1,
      },
      again ? 'a delivery failed and is tried again' : 'a delivery failed',
    );
    const backOffMs = Math.min(longestMs, FIRST_RETRY_MS * 2 ** row.attempts);
    const delayMs = Math.max(backOffMs, known?.retryAfterMs ?? 0);
    if (!again || now + delayMs - lane.failingSince >= patienceMs) return this.#giveUp(lane, row, error, handsOver);
    row.attempts += 1;
    row.dueAt = now + delayMs;
    this.#settling.settle({ id: row.id, outcome: 'retry', attempts: row.attempts, dueAt: row.dueAt });
    return delayMs;
  }

  /** Into the record first, then off the list: a crash between the two repeats, and leaves no customer with a bot that failed. */
  async #giveUp(lane: Lane, row: OutboxRow, error: unknown, handsOver: boolean): Promise<number | undefined> {
    const reason = withoutAddresses(error instanceof Error ? error.message : String(error));
    this.#turns.answerInvoke(row.id, undefined);
    const { to } = row.effect;
    const answers = answersOf(row);
    try {
      if (await this.#isTakenOver(row)) {
        lane.rows.shift();
        return undefined;
      }
      await this.hub.handle(row.conversationId, [
        { type: 'deliveryFailed', to: row.party, target: row.seq, reason },
        ...(handsOver && to !== 'channel'
          ? [{ type: 'botFailed', bot: to.bot, cause: reason, ...(answers === undefined ? {} : { answers }) } as const]
          : []),
      ]);
    } catch (failure) {
      this.hub.log.error({ err: failure, conversation: row.conversationId }, 'a failed delivery could not be recorded');
      if (failure instanceof StoreUnavailable || failure instanceof Conflict) {
        const [first] = lane.rows;
        if (first?.row === row) first.verdict = { error, handsOver };
        return RECORD_AGAIN_MS;
      }
    }
    if (isCustomers(row)) delete lane.failingSince;
    delete lane.admitted;
    return this.#finish(lane, { id: row.id, outcome: 'gaveUp' });
  }

  /** While this process stood still another took over what it owed, and tells how that went. */
  async #isTakenOver({ id, conversationId }: OutboxRow): Promise<boolean> {
    const owed = await this.hub.store.shared?.owed(conversationId);
    return owed?.some((row) => row.id === id) === false;
  }

  async #finish(lane: Lane, settlement: Settlement): Promise<undefined> {
    this.#settling.settle(settlement);
    // The channel's own id is how the bot may name this activity next.
    if (settlement.outcome === 'done' && settlement.channelActivityId !== undefined) await this.#settling.settled();
    lane.rows.shift();
  }
}
