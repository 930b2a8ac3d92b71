// The database's time: what processes on different machines agree on, read once and then carried on by the own clock.

import { setInterval } from 'node:timers';
import type { Clock } from '../../hub/ports.js';

const MEASURE_EVERY_MS = 60_000;
const SAMPLES = 3;
/** More than this within a moment, and the machine's clock was set, or the machine slept. */
const SET_MS = 1_000;

/** Goes on evenly whatever the machine's clock is set to; while the machine sleeps it may stand still. */
export const STEADY: Clock = { now: () => performance.timeOrigin + performance.now() };

export class DatabaseClock implements Clock {
  private offsetMs = 0;
  private timer: NodeJS.Timeout | undefined;
  /** How far the machine's clock was ahead of the own one when it was last looked at. */
  private aheadMs: number | undefined;

  /** `ask` = the database's time now, epoch ms. `machine`: a clock that may be set, of which the own one knows nothing. */
  constructor(
    private readonly own: Clock,
    private readonly ask: () => Promise<number>,
    private readonly machine?: Clock,
  ) {}

  now(): number {
    this.watchMachine();
    return Math.round(this.own.now() + this.offsetMs);
  }

  async start(): Promise<void> {
    await this.measure();
    // A database that cannot be asked now leaves the last offset in force.
    this.timer = setInterval(() => void this.measure().catch(() => {}), MEASURE_EVERY_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** The quickest of a few answers says most: the database read its clock at some moment between question and answer. */
  async measure(): Promise<void> {
    let best = { errorMs: Infinity, offsetMs: this.offsetMs };
    for (let sample = 0; sample < SAMPLES; sample++) {
      const askedAt = this.own.now();
      const theirs = await this.ask();
      const errorMs = (this.own.now() - askedAt) / 2;
      if (errorMs < best.errorMs) best = { errorMs, offsetMs: theirs - askedAt - errorMs };
    }
    // Within what the measuring itself may be wrong nothing has changed: time does not jitter.
    if (Math.abs(best.offsetMs - this.offsetMs) > best.errorMs + 1) this.offsetMs = best.offsetMs;
  }

  /** A machine that slept is behind until it has asked; one whose clock was set is not. */
  private watchMachine(): void {
    if (this.machine === undefined || this.timer === undefined) return;
    const aheadMs = this.machine.now() - this.own.now();
    const before = this.aheadMs ?? aheadMs;
    if (this.aheadMs !== undefined && Math.abs(aheadMs - before) <= SET_MS) return;
    this.aheadMs = aheadMs;
    if (aheadMs !== before) void this.measure().catch(() => {});
  }
}
