// How much is under way, for whoever waits until nothing is.

export class Busy {
  #count = 0;
  #waiting: (() => void)[] = [];

  get isQuiet(): boolean {
    return this.#count === 0;
  }

  begin(): void {
    this.#count += 1;
  }

  end(): void {
    this.#count -= 1;
    if (this.#count > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  quiet(): Promise<void> {
    return this.isQuiet ? Promise.resolve() : new Promise((resolve) => this.#waiting.push(resolve));
  }
}
