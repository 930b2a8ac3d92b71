// What is known of one conversation with the bot, in memory at once and on disk soon: whatever is lost between is heard again and recognised.

import type { Hub } from '../../hub/hub.js';
import type { LineRecord, LineRecords } from './record.js';
import { ServiceFailed } from './failure.js';
import type { TokenGrant } from './service.js';

export interface LedgerOptions {
  readonly hub: Hub;
  readonly botId: string;
  readonly conversationId: string;
  readonly records: LineRecords;
  /** A change is on disk after this time at the latest. */
  readonly saveMs: number;
}

export class Ledger {
  #record: LineRecord | undefined;
  #isLoaded = false;
  #saveTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(private readonly options: LedgerOptions) {}

  /** The conversation that goes on; undefined when there is none, or the service has lost it. */
  get current(): LineRecord | undefined {
    return this.#record?.lost === true ? undefined : this.#record;
  }

  /** The one that is lost, for what the next one takes over from it. */
  get last(): LineRecord | undefined {
    return this.#record;
  }

  /** @throws ServiceFailed `gone` */
  expect(): LineRecord {
    const { current } = this;
    if (current === undefined) throw new ServiceFailed('The conversation with the bot is lost.', 'gone');
    return current;
  }

  async load(): Promise<void> {
    if (this.#isLoaded) return;
    const { records, conversationId } = this.options;
    this.#record = await records.load(conversationId);
    this.#isLoaded = true;
  }

  /** A new conversation: on disk before anything is said in it. */
  async begin(record: LineRecord): Promise<void> {
    this.#record = record;
    await this.options.records.save(this.options.conversationId, record);
  }

  update(change: (record: LineRecord) => LineRecord): void {
    const { current } = this;
    if (current === undefined) return;
    const changed = change(current);
    if (changed === current) return;
    this.#record = changed;
    this.#saveSoon();
  }

  adopt(grant: TokenGrant): void {
    this.update((record) => ({ ...record, ...lifeOf(grant, this.options.hub.clock.now()) }));
  }

  /** The service has ended or lost the conversation. */
  lose(): void {
    const { hub, conversationId, botId } = this.options;
    if (this.current === undefined) return;
    hub.log.warn(
      { conversation: conversationId, bot: botId },
      'the bot has lost this conversation; its next turn starts a new one',
    );
    this.update((record) => ({ ...record, lost: true }));
  }

  async save(): Promise<void> {
    clearTimeout(this.#saveTimer);
    this.#saveTimer = undefined;
    if (this.#record === undefined) return;
    const { hub, records, conversationId, botId } = this.options;
    try {
      await records.save(conversationId, this.#record);
    } catch (error) {
      hub.log.warn(
        { err: error, conversation: conversationId, bot: botId },
        "the place in the bot's conversation could not be kept; what is heard again is recognised",
      );
    }
  }

  /** Saves what is not saved, and nothing afterwards. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#saveTimer !== undefined) await this.save();
  }

  async remove(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#saveTimer);
    this.#saveTimer = undefined;
    this.#record = undefined;
    await this.options.records.remove(this.options.conversationId);
  }

  #saveSoon(): void {
    if (this.#isClosed || this.#saveTimer !== undefined) return;
    this.#saveTimer = setTimeout(() => void this.save(), this.options.saveMs);
    this.#saveTimer.unref();
  }
}

/** Refreshed at half of its life. */
export function lifeOf({ token, lifeMs }: TokenGrant, now: number) {
  return { token, refreshAt: now + lifeMs / 2, tokenEndsAt: now + lifeMs };
}
