// Reports over the whole record: one at a time, because each of them holds everybody up a little, and the same one once for all who ask.

import { BadRequest } from '../errors.js';
import { observedIn } from '../hub/observed.js';
import type { Hub } from '../hub/hub.js';
import { Turns } from '../hub/turns.js';
import type { Question } from '../core/observed.js';
import { observedShape } from './shapes.js';

/** Different reports that may be asked for before the first of them is done. */
const MOST_AT_ONCE = 4;
const RETRY_AFTER_S = 10;

type Report = ReturnType<typeof observedShape>;

export class Reports {
  readonly #turns = new Turns();
  readonly #asked = new Map<string, Promise<Report>>();

  constructor(private readonly hub: Hub) {}

  /** @throws BadRequest 429 when too many are asked for. */
  of(question: Question): Promise<Report> {
    const key = JSON.stringify({ ...question, since: undefined, day: Math.floor((question.since ?? 0) / 60_000) });
    const known = this.#asked.get(key);
    if (known !== undefined) return known;
    if (this.#asked.size >= MOST_AT_ONCE)
      throw new BadRequest(429, 'tooManyReports', `Reports are being made. Ask again in ${RETRY_AFTER_S} s.`, {
        retryAfterS: RETRY_AFTER_S,
      });
    const report = this.#turns
      .run('report', async () => observedShape(await observedIn(this.hub.store, this.hub.directory, question)))
      .finally(() => this.#asked.delete(key));
    this.#asked.set(key, report);
    return report;
  }
}
