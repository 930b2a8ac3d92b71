// Sends that a turn is about to make itself: committed first, then sent by the turn when their place in the outbox comes.

import { AsyncResource } from 'node:async_hooks';
import { seqOf, type Activity } from '../core/activity.js';
import { readSignal } from '../core/escalation.js';
import type { Hub } from '../hub/hub.js';
import { deliveryFailed } from './reach.js';

/** Sends through the turn's own pipeline. @returns the channel's id of what was sent. */
export type Send = () => Promise<string | undefined>;

interface LiveSend {
  readonly send: Send;
  failure?: { error: unknown };
  channelActivityId?: string | undefined;
}

/**
 * The outbox row is what a crash leaves behind: then the channel connection sends it. As long as the turn lives, the
 * connection hands the row back to the turn, so that order and settlement are the outbox's either way.
 */
export class LiveSends {
  readonly #committing = new Map<string, Promise<unknown>>();
  readonly #expected = new Map<string, LiveSend>();

  constructor(private readonly hub: Hub) {}

  /**
   * Commits, then sends what the commit owes the channel. `commit` resolves with the seq of each entry; those whose `send`
   * is undefined, and those that the customer must not see, are not sent.
   * @returns the channel's id per entry, where it gave one.
   * @throws what the first refused send threw. One that is to be tried again later counts as sent.
   */
  async through(
    conversationId: string,
    commit: () => Promise<(number | undefined)[]>,
    sends: readonly (Send | undefined)[],
  ): Promise<(string | undefined)[]> {
    const expected = await this.#holdBack(conversationId, async () => {
      const seqs = await commit();
      return sends.map((send, index) => {
        const seq = seqs[index];
        if (send === undefined || seq === undefined) return undefined;
        // The outbox runs in whichever turn woke it; what the bot's middleware keeps per turn must be this turn's.
        const live: LiveSend = { send: AsyncResource.bind(send) };
        this.#expected.set(keyOf(conversationId, seq), live);
        return { live, seq };
      });
    });
    // Asked for all of them before the first can be settled.
    const attempted = await Promise.all(
      expected.map(async (one) => one && (await this.hub.outbox.attempted(conversationId, 'channel', one.seq))),
    );
    for (const one of expected) if (one !== undefined) this.#expected.delete(keyOf(conversationId, one.seq));
    const refused = expected.find((one, index) => one?.live.failure !== undefined && attempted[index] !== 'waits');
    if (refused?.live.failure !== undefined) throw refused.live.failure.error;
    return expected.map((one) => one?.live.channelActivityId);
  }

  /** Sends the row if a turn of this process is waiting to do it. @throws DeliveryFailed. */
  async take(conversationId: string, seq: number): Promise<{ channelActivityId?: string } | undefined> {
    // The commit that made the row may not have named its sender yet.
    await this.#committing.get(conversationId);
    const live = this.#expected.get(keyOf(conversationId, seq));
    if (live === undefined) return undefined;
    try {
      live.channelActivityId = await live.send();
    } catch (error) {
      live.failure = { error };
      throw deliveryFailed(error);
    }
    return live.channelActivityId === undefined ? {} : { channelActivityId: live.channelActivityId };
  }

  async #holdBack<T>(conversationId: string, work: () => Promise<T>): Promise<T> {
    const done = work();
    const all = Promise.allSettled([this.#committing.get(conversationId), done]);
    this.#committing.set(conversationId, all);
    try {
      return await done;
    } finally {
      void all.then(() => {
        if (this.#committing.get(conversationId) === all) this.#committing.delete(conversationId);
      });
    }
  }
}

/**
 * The entries whose activity the customer is to see. Signals are the hub's; what it has to tell the customer about them, it
 * sends itself. Where the work stream only observes, they were said like anything else.
 */
export async function shownSeqs(
  hub: Hub,
  conversationId: string,
  ids: readonly { id: string }[],
  activities: readonly Activity[],
): Promise<(number | undefined)[]> {
  return Promise.all(
    ids.map(async ({ id }, index) => {
      const seq = seqOf(conversationId, id);
      if (seq === undefined || readSignal(activities[index] as Activity).kind === 'none') return seq;
      const [entry] = await hub.entries(conversationId, seq - 1, 1);
      return entry?.event.type === 'said' ? seq : undefined;
    }),
  );
}

function keyOf(conversationId: string, seq: number): string {
  return `${conversationId}|${seq}`;
}
