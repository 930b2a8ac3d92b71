/** What has arrived somewhere, in order, and a bounded way to wait for the next of a kind. */

interface Waiter<T> {
  wants: (item: T) => boolean;
  resolve: (item: T) => void;
}

export class Arrivals<T> {
  /** Everything, in order of arrival. */
  readonly all: T[] = [];
  /** How many of `all` a `next` has passed. */
  private cursor = 0;
  private waiter?: Waiter<T>;

  constructor(
    private readonly owner: string,
    private readonly describe: (item: T) => string,
  ) {}

  add(item: T): void {
    this.all.push(item);
    const waiter = this.waiter;
    if (waiter === undefined || !waiter.wants(item)) return;
    this.cursor = this.all.length;
    this.waiter = undefined;
    waiter.resolve(item);
  }

  /**
   * The first wanted item after the last one this returned; those in between are passed over. One wait at a time.
   * Rejects after `timeoutMs` with a list of what came instead.
   */
  next(wants: (item: T) => boolean, timeoutMs = 5000): Promise<T> {
    if (this.waiter !== undefined) throw new Error(`${this.owner} is already waiting: await one next() at a time`);
    for (let index = this.cursor; index < this.all.length; index++) {
      const item = this.all[index] as T;
      if (!wants(item)) continue;
      this.cursor = index + 1;
      return Promise.resolve(item);
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiter = undefined;
        const came = this.all.slice(this.cursor).map((item) => `\n  ${this.describe(item)}`);
        reject(new Error(`${this.owner} waited ${timeoutMs} ms in vain. Came since: ${came.join('') || 'nothing'}`));
      }, timeoutMs);
      const taken = (item: T): void => {
        clearTimeout(timer);
        resolve(item);
      };
      this.waiter = { wants, resolve: taken };
    });
  }
}
