// What the bot says in its conversation, said in the hub's: kept before it counts as heard, in order, once.

import type { Activity } from '../../core/activity.js';
import { openTurnOf } from '../../core/conversation.js';
import { readSignal } from '../../core/escalation.js';
import { observes } from '../../core/floor.js';
import { Rejected } from '../../errors.js';
import { ACTIVITY_LIMIT_BYTES } from '../../hub/botSpeech.js';
import type { Hub } from '../../hub/hub.js';
import type { Ledger } from './ledger.js';
import { withSent } from './record.js';
import type { ActivitySet } from './service.js';
import { attribute, echoedKey, heard, isOwn, isSaid } from './translate.js';

export interface HearingOptions {
  readonly hub: Hub;
  readonly botId: string;
  readonly conversationId: string;
  readonly ledger: Ledger;
  /** A bot that asked for people and then says nothing for this long has ended its turn. */
  readonly quietMs: number;
  /** The bot has said something. */
  readonly onSaid: () => void;
}

interface Said {
  id: string | undefined;
  activity: Activity;
}

/** Room for what the hub writes into an activity: who it is from, what it answers. */
const OF_THE_HUBS_OWN = 2_000;

/** Ids of what was heard lately: the stream and a question may bring the same. What is older is recognised by the store. */
const SEEN_IDS = 256;

export class Hearing {
  readonly #seen = new Set<string>();
  #taking: Promise<unknown> = Promise.resolve();
  #quietTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(private readonly options: HearingOptions) {}

  /** Resolves when all of it is on disk; only then the watermark moves. @throws StoreUnavailable */
  take(set: ActivitySet): Promise<void> {
    const taken = this.#taking.then(() => this.#take(set));
    this.#taking = taken.catch(() => undefined);
    return taken;
  }

  /** Hears nothing more; resolves when what was being kept is kept. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#quietTimer);
    await this.#taking;
    clearTimeout(this.#quietTimer);
  }

  async #take({ activities, watermark }: ActivitySet): Promise<void> {
    const { hub, botId, conversationId, ledger } = this.options;
    let batch: Said[] = [];
    for (const activity of activities) {
      const record = ledger.current;
      if (record === undefined || this.#isClosed) return;
      const { id } = activity;
      if (id !== undefined && this.#seen.has(id)) continue;
      if (isOwn(activity, record, conversationId)) {
        const key = echoedKey(activity);
        if (key !== undefined && id !== undefined) ledger.update((before) => withSent(before, { key, id }));
        continue;
      }
      if (!isSaid(activity)) continue;
      const state = await hub.conversation(conversationId);
      if (state === undefined) return;
      // Where the hub only observes, everything of it goes on that an activity may hold.
      const isPassedOn =
        observes(state, hub.directory) && JSON.stringify(activity).length < ACTIVITY_LIMIT_BYTES - OF_THE_HUBS_OWN;
      const told = heard(state, botId, activity, attribute(conversationId, record, activity), isPassedOn);
      batch.push({ id, activity: told });
      // What follows in the same turn is read with the conversation queued.
      if (readSignal(told).kind === 'escalate') {
        await this.#say(batch);
        batch = [];
      }
    }
    await this.#say(batch);
    if (watermark !== undefined) ledger.update((record) => ({ ...record, watermark }));
  }

  async #say(batch: readonly Said[]): Promise<void> {
    if (batch.length === 0) return;
    const { hub, botId, conversationId, onSaid } = this.options;
    onSaid();
    try {
      await hub.botSays(
        conversationId,
        botId,
        batch.map(({ activity }) => activity),
        { keys: batch.map(({ id }) => (id === undefined ? undefined : `directLine:${botId}:${id}`)) },
      );
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      // One that cannot be kept must not keep the others from being heard.
      if (batch.length > 1) {
        for (const one of batch) await this.#say([one]);
        return;
      }
      hub.log.warn(
        { err: error, conversation: conversationId, bot: botId, activity: batch[0]?.id },
        'something the bot said was refused',
      );
    }
    this.#remember(batch);
    this.#watchTurn();
  }

  #remember(batch: readonly Said[]): void {
    for (const { id } of batch) if (id !== undefined) this.#seen.add(id);
    for (const id of this.#seen) {
      if (this.#seen.size <= SEEN_IDS) return;
      this.#seen.delete(id);
    }
  }

  /** Nothing on the wire ends a turn: after an escalation, silence does. What the bot says later is a draft. */
  #watchTurn(): void {
    const { hub, botId, conversationId, quietMs } = this.options;
    clearTimeout(this.#quietTimer);
    const state = hub.known(conversationId);
    const openTurn = state === undefined ? undefined : openTurnOf(state);
    if (openTurn?.bot !== botId) return;
    this.#quietTimer = setTimeout(() => {
      hub.handle(conversationId, { type: 'endTurn', ...openTurn }).catch((error: unknown) => {
        hub.log.warn({ err: error, conversation: conversationId }, 'the end of the turn could not be recorded');
      });
    }, quietMs);
    this.#quietTimer.unref();
  }
}
