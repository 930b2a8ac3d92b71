/** What a section of the benchmark is, and what each is told. */
export interface Section {
  readonly name: string;
  /** Measures and prints. Rejects when anything was lost, doubled or out of order, never for a time. */
  run(options: Options): Promise<void>;
}

export interface Options {
  /** Coarser, for a look while developing. */
  readonly short: boolean;
  /** The reference against itself: how far two equal things differ here and now. */
  readonly self: boolean;
  /** CPU profiles of the product's processes go to this folder. */
  readonly profile?: string;
}
