// Runs one turn of a bot: within its time, with the way back for what it says, and an end that everybody learns of.

import type { Activity } from '../core/activity.js';
import { openTurnOf, type Conversation } from '../core/conversation.js';
import { DeliveryFailed } from '../errors.js';
import { faultOf } from './botFaults.js';
import type { BotTurnContext, Engine } from './engine.js';
import { activityFor, type Owed } from './owed.js';
import { patience } from './patience.js';
import type { BotConnection, BotTurn, InvokeResponse, OutboxRow } from './ports.js';

/** So long a bot may go on with a turn that failed here, or what it said may be unread where this process stood still. */
const GOES_ON_MS = 60_000;

export class BotTurns {
  /** Invoke activities whose sender waits for the bot's answer, by outbox row id. */
  readonly #waitingForInvoke = new Map<string, (response: InvokeResponse | undefined) => void>();
  /** Turns that bots are in, or may be in although they failed here, by conversation, answered entry and bot. */
  readonly #running = new Map<string, NonNullable<BotTurnContext['turn']>>();
  readonly #ends = new Set<() => void>();

  constructor(private readonly hub: Engine) {}

  /** Turns under way are not waited for any more. */
  stop(): void {
    for (const end of this.#ends) end();
  }

  /** @throws what the bot threw; DeliveryFailed when it is not done after `withinMs`. */
  async run(row: OutboxRow, botId: string, { activity, state, entry }: Owed, withinMs: number): Promise<void> {
    const answers = answersOf(row);
    const started = performance.now();
    let replies = 0;
    const named = { id: row.id, next: () => (replies += 1) };
    const running = runningKey(row.conversationId, botId, answers);
    if (answers !== undefined) this.#running.set(running, named);
    let failure: { error: unknown } | undefined;
    const bot = this.#bot(botId, state);
    try {
      if (bot === undefined)
        throw new DeliveryFailed(`Bot "${botId}" is not connected`, false, {
          kind: 'notConnected',
          cure: 'connect it with hub.connectBot, or set its endpoint',
        });
      const turn = this.#turn(row.conversationId, botId, answers, named, entry.event.key);
      this.answerInvoke(row.id, await this.#inTime(bot.deliver(activity, turn), botId, withinMs));
    } catch (error) {
      failure = { error };
      throw error;
    } finally {
      const forget = () => void (this.#running.get(running) === named && this.#running.delete(running));
      // Where this process stood still, another has run the turn: what the bot says of it here must be recognised.
      if (failure === undefined && this.hub.nodes?.isHeard !== false) forget();
      else setTimeout(forget, GOES_ON_MS).unref();
      const ms = performance.now() - started;
      if (failure === undefined) this.hub.notify('botTurn', { bot: botId, ms, outcome: 'done' });
      else {
        const { kind, retry } = faultOf(failure.error);
        this.hub.notify('botTurn', { bot: botId, ms, outcome: retry ? 'retry' : 'failed', kind });
      }
      const isOwedAgain = failure?.error instanceof DeliveryFailed && failure.error.retry;
      if (!isOwedAgain && bot?.answersLater !== true) await this.#endTurn(row.conversationId, botId, answers);
    }
  }

  /** The turn a bot is in about this entry: what it says by calls of its own belongs to it. */
  running(conversationId: string, botId: string, answers: number): BotTurnContext['turn'] {
    return this.#running.get(runningKey(conversationId, botId, answers));
  }

  /** Typing of a customer: to the bot at once, tried once. */
  signal(state: Conversation, botId: string, activity: Activity): void {
    const bot = this.#bot(botId, state);
    if (bot?.hearsTyping !== true) return;
    const turn = this.#turn(state.id, botId);
    bot.deliver(activityFor.signal(this.hub, state, botId, activity), turn).catch((error: unknown) => {
      this.hub.log.debug({ err: error, bot: botId }, 'typing did not reach the bot');
    });
  }

  /** The bot's answer to the invoke activity of this row; undefined when it will not come. */
  invokeResponse(rowId: string): Promise<InvokeResponse | undefined> {
    return new Promise((resolve) => this.#waitingForInvoke.set(rowId, resolve));
  }

  isInvokeAwaited(rowId: string): boolean {
    return this.#waitingForInvoke.has(rowId);
  }

  answerInvoke(rowId: string, response: InvokeResponse | undefined): void {
    this.#waitingForInvoke.get(rowId)?.(response);
    this.#waitingForInvoke.delete(rowId);
  }

  /** A bot may be reached differently by channel: where its own adapter is, and for widgets. */
  #bot(botId: string, { channel }: Conversation): BotConnection | undefined {
    const own = channel.via === undefined ? undefined : this.hub.bots.get(`${botId} ${channel.via}`);
    return own ?? this.hub.bots.get(botId);
  }

  #turn(conversationId: string, botId: string, answers?: number, turn?: BotTurnContext['turn'], key?: string): BotTurn {
    return {
      conversationId,
      botId,
      answers,
      ...(key === undefined ? {} : { key }),
      respond: (activities: readonly Activity[]) =>
        this.hub.botSays(conversationId, botId, activities, { answers, ...(turn === undefined ? {} : { turn }) }),
    };
  }

  /** A bot that hangs must not hold its conversation: what it sends later is fenced. */
  async #inTime<T>(turn: Promise<T>, botId: string, withinMs: number): Promise<T> {
    let end = () => {};
    const late = new Promise<never>((_, reject) => {
      end = patience(withinMs, () =>
        reject(
          new DeliveryFailed(`Bot "${botId}" did not finish its turn within ${Math.round(withinMs)} ms.`, false, {
            kind: 'timedOut',
          }),
        ),
      );
      this.#ends.add(end);
    });
    try {
      return await Promise.race([turn, late]);
    } finally {
      end();
      this.#ends.delete(end);
    }
  }

  /** After the turn in which a bot escalated, what it sends is a draft. */
  async #endTurn(conversationId: string, bot: string, answers: number | undefined): Promise<void> {
    if (answers === undefined) return;
    const state = this.hub.known(conversationId);
    // The bot may have asked for people by a call to another node, of which this one has not heard.
    const isOpen = state !== undefined && openTurnOf(state) !== undefined;
    if (!isOpen && this.hub.nodes === undefined) return;
    await this.hub.handle(conversationId, { type: 'endTurn', bot, answers }).catch((error: unknown) => {
      this.hub.log.warn({ err: error, conversation: conversationId }, 'the end of the turn could not be recorded');
    });
  }
}

function runningKey(conversationId: string, botId: string, answers: number | undefined): string {
  return `${conversationId}/${answers}/${botId}`;
}

/** seq of the entry that the bot answers; undefined for what the hub itself tells it. */
export function answersOf(row: OutboxRow): number | undefined {
  return row.effect.send === 'activity' ? row.seq : undefined;
}
