// How much the fault suite tries: `npm test` runs the short form, `npm run test:faults` the full one.

/** Set by `npm run test:faults`. */
export const isFull = process.env['FAULTS'] === 'full';

/** The number for this run. */
export function sized({ full, short }: { full: number; short: number }): number {
  return isFull ? full : short;
}
