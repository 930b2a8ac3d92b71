// What files and histories that are on their way in may take of the memory.

import { BadRequest } from '../errors.js';

/** Of one conversation at once: a page sends its files in one request. */
const UPLOADS_OF_ONE = 4;

/** What uploads under way may take of the memory: they are held whole until they are on disk. */
export class UploadRoom {
  #bytes = 0;
  readonly #under = new Map<string, number>();

  constructor(private readonly mostBytes: number) {}

  /** @returns what gives the room back. @throws BadRequest 429 when there is none. */
  take(conversationId: string, bytes: number): () => void {
    const own = this.#under.get(conversationId) ?? 0;
    // One alone always fits: the largest file allowed may be larger than the room.
    if (own >= UPLOADS_OF_ONE || (this.#bytes > 0 && this.#bytes + bytes > this.mostBytes))
      throw new BadRequest(429, 'TooManyRequests', 'Too much is being uploaded at once. Try again in 2 s.', {
        retryAfterS: 2,
      });
    this.#under.set(conversationId, own + 1);
    this.#bytes += bytes;
    return () => {
      this.#bytes -= bytes;
      const left = (this.#under.get(conversationId) ?? 1) - 1;
      if (left === 0) this.#under.delete(conversationId);
      else this.#under.set(conversationId, left);
    };
  }
}
