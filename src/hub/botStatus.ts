// How each bot is doing: its breaker, its last error with the cure, how fast it answers, and what somebody should change.

import type { Directory } from '../core/directory.js';
import { faultOf, type BotFault } from './botFaults.js';
import type { BotHealth, BotWarning, BreakerChange, BreakerNews } from './botHealth.js';
import * as breakers from './breaker.js';
import type { Admission, Breaker, TurnFor } from './breaker.js';
import type { Clock, Log } from './ports.js';

/** A bot that has not finished a turn after this time counts as failed, unless set otherwise. */
export const BOT_TIMEOUT_MS = 15_000;

/** One turn that ended. */
export interface EndedTurn {
  readonly turnFor: TurnFor;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly tookMs: number;
}

interface Known {
  breaker: Breaker;
  lastError?: BotHealth['lastError'];
  /** What failed at the node that told of the outage. */
  heard?: string;
  lastAnswerAt?: number;
  /** The newest overwrite the oldest. */
  turns: { at: number; ms: number }[];
  nextTurn: number;
  warnings: Map<string, BotWarning>;
}

/** What the status needs of the hub. */
interface Surroundings {
  readonly clock: Clock;
  readonly log: Log;
  readonly directory: Directory;
  notify(kind: 'breaker', change: BreakerChange): void;
  /** Where several nodes share the record: how the others are told. */
  readonly nodes?: { breakerChanged(news: BreakerNews): void } | undefined;
}

/** Causes differ in code, not in wording: more than this is a mistake of the caller. */
const MOST_WARNINGS = 20;
/** Of a sentence that other nodes are told. */
const TOLD_LENGTH = 500;
const REMEMBERED_TURNS = 500;
const RECENT_MS = 15 * 60_000;
/** Fewer say nothing about the slowest of a hundred. */
const ENOUGH_TURNS = 20;
/** Of the time after which a turn counts as failed. */
const SLOW_PART = 0.5;

export class BotStatus {
  readonly #bots = new Map<string, Known>();

  /** @param timeoutMs after which a turn counts as failed, for bots that have none of their own. */
  constructor(
    private readonly hub: Surroundings,
    private readonly timeoutMs: number = BOT_TIMEOUT_MS,
  ) {}

  /** Shown in the bot's status until it is cleared; logged once. */
  warn(botId: string, code: string, text: string): void {
    const { warnings } = this.#known(botId);
    const before = warnings.get(code);
    if (before === undefined && warnings.size >= MOST_WARNINGS) return;
    warnings.set(code, { code, text, at: this.hub.clock.now() });
    if (before?.text !== text) this.hub.log.warn({ bot: botId, warning: code }, text);
  }

  /** The cause is gone. */
  clearWarning(botId: string, code: string): void {
    this.#bots.get(botId)?.warnings.delete(code);
  }

  of(botId: string): BotHealth {
    const { breaker, lastError, lastAnswerAt, turns, warnings } = this.#known(botId);
    const since = this.hub.clock.now() - RECENT_MS;
    const recent = turns.filter(({ at }) => at >= since);
    const sorted = recent.map(({ ms }) => ms).sort((a, b) => a - b);
    const p99Ms = quantile(sorted, 0.99);
    const slow = this.#slowness(botId, p99Ms, recent);
    return {
      breaker: breaker.state,
      ...(breaker.outage === undefined ? {} : { failingSince: breaker.outage.since }),
      ...(lastError === undefined ? {} : { lastError }),
      ...(lastAnswerAt === undefined ? {} : { lastAnswerAt }),
      latency: {
        turns: sorted.length,
        ...(p99Ms === undefined ? {} : { p50Ms: quantile(sorted, 0.5) as number, p99Ms }),
      },
      warnings: [...warnings.values(), ...(slow === undefined ? [] : [slow])],
    };
  }

  /** How long a turn of this bot may take. */
  timeoutOf(botId: string): number {
    return this.hub.directory.bots[botId]?.timeoutMs ?? this.timeoutMs;
  }

  /** Whether a turn of this bot may begin. @param awaited somebody waits for the bot's answer. */
  admit(botId: string, awaited: boolean): Admission {
    const known = this.#known(botId);
    const { admission, breaker } = breakers.admit(known.breaker, awaited, this.hub.clock.now());
    known.breaker = breaker;
    return admission;
  }

  /** When a turn of a bot that fails may be tried; undefined while turns go through or only a customer's would show anything. */
  probeAt(botId: string): number | undefined {
    const { breaker } = this.#known(botId);
    return breaker.state === 'closed' || breaker.outage.about === 'turn' ? undefined : breaker.probeAt;
  }

  isOpen(botId: string): boolean {
    return this.#known(botId).breaker.state !== 'closed';
  }

  /** Why turns of this bot are not tried, in a sentence. */
  whyRefused(botId: string): string {
    const { breaker, lastError, heard } = this.#known(botId);
    const since = breaker.outage === undefined ? '' : ` since ${new Date(breaker.outage.since).toISOString()}`;
    return `Bot "${botId}" fails${since} and was not asked. ${lastError?.what ?? heard ?? ''}`.trim();
  }

  /** @returns true when the bot has recovered by this turn: what waits for it may go. */
  answered(botId: string, { turnFor, startedAt, tookMs }: EndedTurn): boolean {
    const known = this.#known(botId);
    const now = this.hub.clock.now();
    known.lastAnswerAt = now;
    if (turnFor === 'customer') {
      known.turns[known.nextTurn] = { at: now, ms: tookMs };
      known.nextTurn = (known.nextTurn + 1) % REMEMBERED_TURNS;
    }
    const before = known.breaker;
    known.breaker = breakers.succeeded(before, turnFor, startedAt);
    if (before.state === 'closed' || this.isOpen(botId)) return false;
    this.hub.log.info({ bot: botId, failedForMs: now - before.outage.since }, 'the bot answers again');
    this.#tell({ bot: botId, state: 'closed' });
    return true;
  }

  /** `hopeless`: from now on nobody should wait for this bot. */
  failed(botId: string, error: unknown, turnFor: TurnFor): BotFault & { hopeless: boolean } {
    const known = this.#known(botId);
    const now = this.hub.clock.now();
    const fault = faultOf(error);
    const { kind, what, cure } = fault;
    known.lastError = { at: now, kind, what, cure };
    const before = known.breaker.state;
    known.breaker = breakers.failed(known.breaker, fault, turnFor, now);
    const { state, outage } = known.breaker;
    if (before === 'closed' && state !== 'closed') {
      this.hub.log.error(
        { bot: botId, kind, failures: outage.failures },
        `the bot fails and is only tried now and then. ${what} ${cure}`,
      );
      this.#tell({ bot: botId, state: 'open', outage, what });
    }
    return { ...fault, hopeless: state !== 'closed' && outage?.mayPass === false };
  }

  /** Another node's breaker opened or closed. @returns whether what waits for the bot here may find out for itself. */
  heard(news: BreakerNews): boolean {
    const { bot, state } = news;
    if (this.hub.directory.bots[bot] === undefined) return false;
    const known = this.#known(bot);
    const now = this.hub.clock.now();
    const before = known.breaker.state;
    if (state === 'open') {
      known.breaker = breakers.heardOpen(known.breaker, news.outage, now);
      known.heard = news.what;
    } else known.breaker = breakers.heardClosed(known.breaker, now);
    const after = known.breaker.state;
    if (before !== 'closed' && after === 'closed')
      this.#noteHearsay(bot, 'closed', 'the bot answers again, as another node tells');
    if (before === 'closed' && after !== 'closed')
      this.#noteHearsay(bot, 'open', 'the bot fails, as another node tells: the next turn tries it');
    return state === 'closed' && before !== 'closed';
  }

  #noteHearsay(bot: string, state: BreakerChange['state'], words: string): void {
    this.hub.log.info({ bot }, words);
    this.hub.notify('breaker', { bot, state });
  }

  #tell(news: BreakerNews): void {
    this.hub.notify('breaker', { bot: news.bot, state: news.state });
    this.hub.nodes?.breakerChanged(news);
  }

  /** Of all bots of the configuration, for the other nodes to show. Bounded. */
  told(): Record<string, BotHealth> {
    const short = (text: string) => text.slice(0, TOLD_LENGTH);
    return Object.fromEntries(
      Object.keys(this.hub.directory.bots).map((bot): [string, BotHealth] => {
        const { lastError, warnings, ...health } = this.of(bot);
        return [
          bot,
          {
            ...health,
            ...(lastError && { lastError: { ...lastError, what: short(lastError.what), cure: short(lastError.cure) } }),
            warnings: warnings.map((warning) => ({ ...warning, text: short(warning.text) })),
          },
        ];
      }),
    );
  }

  #slowness(botId: string, p99Ms: number | undefined, recent: Known['turns']): BotWarning | undefined {
    const limitMs = this.timeoutOf(botId);
    if (p99Ms === undefined || recent.length < ENOUGH_TURNS || p99Ms < limitMs * SLOW_PART) return undefined;
    return {
      code: 'slow',
      text: `Its slowest turns take ${seconds(p99Ms)} s, and after ${seconds(limitMs)} s a turn counts as failed. Make the bot answer faster, or raise its timeoutSeconds.`,
      at: Math.max(...recent.map(({ at }) => at)),
    };
  }

  #known(botId: string): Known {
    const known = this.#bots.get(botId) ?? { breaker: breakers.CLOSED, turns: [], nextTurn: 0, warnings: new Map() };
    this.#bots.set(botId, known);
    return known;
  }
}

/** Nearest rank. */
function quantile(sorted: readonly number[], part: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)];
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}
