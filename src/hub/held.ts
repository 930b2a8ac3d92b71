// Lanes of bots that fail, until a probe shows that a bot is back: what a customer waits for goes first, the oldest first.

import { LONGEST_PAUSE_MS } from './breaker.js';
import type { Engine } from './engine.js';
import type { Lane } from './lane.js';

/** A bot that is back takes what was held for it little by little: so many conversations per this time. */
const RELEASED_AT_ONCE = 50;
const RELEASE_EVERY_MS = 100;

export class Held {
  readonly #bots = new Map<string, { awaited: Set<Lane>; other: Set<Lane> }>();
  /** The next probe of each bot that holds up lanes, and the next release of those that are back. */
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #stopped = true;

  constructor(
    private readonly hub: Pick<Engine, 'botStatus' | 'clock'>,
    private readonly wake: (lane: Lane) => void,
  ) {}

  start(): void {
    this.#stopped = false;
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#bots.clear();
  }

  /** Until a probe shows that the bot is back. */
  add(lane: Lane, botId: string, awaited: boolean): void {
    const held = this.#bots.get(botId) ?? { awaited: new Set(), other: new Set() };
    this.#bots.set(botId, held);
    held[awaited ? 'awaited' : 'other'].add(lane);
    lane.heldFor = botId;
    this.#expectProbe(botId);
  }

  delete(lane: Lane): void {
    const botId = lane.heldFor;
    delete lane.heldFor;
    const held = botId === undefined ? undefined : this.#bots.get(botId);
    if (botId === undefined || held === undefined) return;
    held.awaited.delete(lane);
    held.other.delete(lane);
    if (held.awaited.size + held.other.size === 0) this.#bots.delete(botId);
  }

  /** The bot failed once more. `hopeless`: no customer is to wait for it any longer. */
  failed(botId: string, hopeless: boolean): void {
    if (hopeless) for (const lane of [...(this.#bots.get(botId)?.awaited ?? [])]) this.wake(lane);
    this.#expectProbe(botId);
  }

  /** The bot is back: what was held for it goes. */
  release(botId: string): void {
    this.#clearTimer(botId);
    if (this.#stopped) return;
    if (this.hub.botStatus.isOpen(botId)) return this.#expectProbe(botId);
    for (const lane of this.#next(botId, RELEASED_AT_ONCE)) {
      delete lane.failingSince;
      this.wake(lane);
    }
    if (this.#bots.has(botId)) this.#in(botId, RELEASE_EVERY_MS, () => this.release(botId));
  }

  /** One of the lanes that are held tries whether the bot is back. */
  #expectProbe(botId: string): void {
    const probeAt = this.hub.botStatus.probeAt(botId);
    if (probeAt !== undefined) this.#probeIn(botId, probeAt - this.hub.clock.now());
  }

  #probeIn(botId: string, waitMs: number): void {
    this.#clearTimer(botId);
    if (this.#stopped || !this.#bots.has(botId)) return;
    this.#in(botId, Math.min(LONGEST_PAUSE_MS, Math.max(0, waitMs)), () => {
      this.#timers.delete(botId);
      for (const lane of this.#next(botId, 1)) this.wake(lane);
      // How it ends sets the next time; where it does not end, another one tries.
      this.#probeIn(botId, LONGEST_PAUSE_MS);
    });
  }

  #in(botId: string, ms: number, work: () => void): void {
    this.#timers.set(botId, setTimeout(work, ms));
  }

  #clearTimer(botId: string): void {
    clearTimeout(this.#timers.get(botId));
    this.#timers.delete(botId);
  }

  /** The next `count`; they stay until they are deleted. */
  #next(botId: string, count: number): Lane[] {
    const { awaited = new Set<Lane>(), other = new Set<Lane>() } = this.#bots.get(botId) ?? {};
    const lanes: Lane[] = [];
    for (const of of [awaited, other])
      for (const lane of of) {
        if (lanes.length === count) return lanes;
        lanes.push(lane);
      }
    return lanes;
  }
}
