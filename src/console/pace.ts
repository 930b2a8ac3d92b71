// At most one call per key and interval: the first at once, what comes meanwhile as one more at the interval's end.

export class Pace {
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #again = new Set<string>();

  constructor(
    private readonly intervalMs: number,
    private readonly run: (key: string) => void,
  ) {}

  touch(key: string): void {
    if (this.#timers.has(key)) {
      this.#again.add(key);
      return;
    }
    this.#start(key);
    this.run(key);
  }

  stop(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#again.clear();
  }

  #start(key: string): void {
    const timer = setTimeout(() => {
      this.#timers.delete(key);
      if (!this.#again.delete(key)) return;
      this.#start(key);
      this.run(key);
    }, this.intervalMs);
    timer.unref();
    this.#timers.set(key, timer);
  }
}
