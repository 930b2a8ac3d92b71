// Which chat account is whose: bindings that last until the person signs out, kept in the store with what each was shown.

import { createHash } from 'node:crypto';
import type { ConversationReference } from 'botbuilder';
import type { Presence } from '../../core/directory.js';
import { Conflict } from '../../errors.js';
import type { Hub } from '../../hub/hub.js';
import { LocalGrants } from '../../hub/localGrants.js';
import type { Grant, HeldGrants } from '../../hub/ports.js';
import type { Slot } from './news.js';

/** Who writes, as the channel vouches for it. */
export interface Sender {
  readonly channelId: string;
  readonly userId: string;
  /** Of Teams: the same person under every bot. */
  readonly aadObjectId?: string;
}

export interface Account extends Sender {
  readonly person: string;
  /** Epoch milliseconds. */
  readonly since: number;
  /** Where to write to: the person's own conversation with this bot. */
  readonly reference: Partial<ConversationReference>;
  /** IANA name, where the channel says it. */
  readonly timeZone?: string;
  /** The person's, as it was last told here. */
  readonly presence?: Presence;
  readonly nextNumber: number;
  /** The conversation that words without a number go to; it may have ended since. */
  readonly current?: string;
  readonly slots: readonly Slot[];
}

export const CHAT_ACCOUNT = 'chatAccount';
/** The end of a binding is signing out, not a time. */
const NO_END = Date.UTC(9999, 0);
/** Conversations that are over, remembered so that a late "#3 …" is told what became of it. */
const MOST_GONE = 20;

/** As the record has them. Of several nodes one at a time works with an account: the one that holds it. */
export class Accounts {
  readonly #held: HeldGrants;

  constructor(private readonly hub: Pick<Hub, 'store' | 'clock'>) {
    this.#held = hub.store.shared?.heldGrants ?? new LocalGrants(hub);
  }

  async read(id: string): Promise<Account | undefined> {
    return accountIn(await this.hub.store.getGrant(CHAT_ACCOUNT, id, this.hub.clock.now()));
  }

  /** Takes those that no living node holds. @returns ids of all that are held here, and which of them another node wants. */
  look(): Promise<{ id: string; wanted: boolean }[]> {
    return this.#held.look(CHAT_ACCOUNT);
  }

  /** @returns false while another node holds it; that one hears that it is wanted here. */
  hold(id: string): Promise<boolean> {
    return this.#held.hold(CHAT_ACCOUNT, id);
  }

  release(id: string): Promise<void> {
    return this.#held.release(CHAT_ACCOUNT, id);
  }

  /** Binds it, or keeps what changed. @throws Conflict when another node holds it: then nothing was written. */
  async save(account: Account): Promise<void> {
    const trimmed: Account = { ...account, slots: withoutOldest(account.slots) };
    const value = trimmed as unknown as Record<string, unknown>;
    if (!(await this.#held.put({ kind: CHAT_ACCOUNT, id: idOf(account), value, expiresAt: NO_END })))
      throw new Conflict('Another process serves this chat by now. Please try again.');
  }

  /** The end of the binding. */
  remove(id: string): Promise<void> {
    return this.#held.remove(CHAT_ACCOUNT, id);
  }

  /** Whether the person is signed in with any account, wherever that is held. */
  async isSignedIn(person: string): Promise<boolean> {
    const grants = await this.hub.store.grants(CHAT_ACCOUNT, this.hub.clock.now());
    return grants.some((grant) => accountIn(grant)?.person === person);
  }
}

/** One channel's user: the same for every conversation of theirs with this bot. Nothing of the user's own id is in it. */
export function idOf({ channelId, userId }: Pick<Sender, 'channelId' | 'userId'>): string {
  return digest(JSON.stringify([channelId, userId]));
}

/** An id that comes with another directory identity than the one it was bound with is somebody else. */
export function isOf(account: Account, { aadObjectId }: Sender): boolean {
  return account.aadObjectId === undefined || account.aadObjectId === aadObjectId;
}

export function digest(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 32);
}

function accountIn(grant: Grant | undefined): Account | undefined {
  return grant?.value as unknown as Account | undefined;
}

function withoutOldest(slots: readonly Slot[]): readonly Slot[] {
  const gone = slots.filter(({ stage }) => stage === 'gone');
  const forgotten = new Set(gone.slice(0, Math.max(0, gone.length - MOST_GONE)));
  return forgotten.size === 0 ? slots : slots.filter((slot) => !forgotten.has(slot));
}
