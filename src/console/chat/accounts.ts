// Which chat account is whose: bindings that last until the person signs out, kept in the store with what each was shown.

import { createHash } from 'node:crypto';
import type { ConversationReference } from 'botbuilder';
import type { Hub } from '../../hub/hub.js';
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
  readonly nextNumber: number;
  /** The conversation that words without a number go to; it may have ended since. */
  readonly current?: string;
  readonly slots: readonly Slot[];
}

const ACCOUNT = 'chatAccount';
const PERSON = 'chatPerson';
/** The end of a binding is signing out, not a time. */
const NO_END = Date.UTC(9999, 0);
/** Conversations that are over, remembered so that a late "#3 …" is told what became of it. */
const MOST_GONE = 20;
/** People whose accounts are read at the same time. */
const READ_AT_ONCE = 100;

/** The store keeps each account under a digest, and per person the list of them: what a restart begins with. */
export class Accounts {
  readonly #accounts = new Map<string, Account>();
  readonly #byPerson = new Map<string, Set<string>>();
  /** Changes of one person's list go one after another: two accounts that sign in at once are both on it. */
  #listing: Promise<unknown> = Promise.resolve();

  constructor(private readonly hub: Pick<Hub, 'store' | 'clock' | 'directory'>) {}

  /** Reads the accounts of everybody in the directory. */
  async load(): Promise<void> {
    const people = Object.keys(this.hub.directory.people);
    for (let at = 0; at < people.length; at += READ_AT_ONCE)
      await Promise.all(people.slice(at, at + READ_AT_ONCE).map((person) => this.#loadOf(person)));
  }

  async #loadOf(person: string): Promise<void> {
    const now = this.hub.clock.now();
    const list = await this.hub.store.getGrant(PERSON, person, now);
    for (const id of accountsIn(list?.value)) {
      const grant = await this.hub.store.getGrant(ACCOUNT, id, now);
      const account = grant?.value as unknown as Account | undefined;
      if (account?.person === person) this.#remember(account);
    }
  }

  /**
   * The account of whoever writes; undefined when nobody is signed in with it. An id that comes with another directory
   * identity than the one it was bound with is somebody else.
   */
  of(sender: Sender): Account | undefined {
    const account = this.#accounts.get(keyOf(sender));
    if (account?.aadObjectId !== undefined && account.aadObjectId !== sender.aadObjectId) return undefined;
    return account;
  }

  /** Keys of the person's accounts. */
  keysOf(person: string): readonly string[] {
    return [...(this.#byPerson.get(person) ?? [])];
  }

  get(key: string): Account | undefined {
    return this.#accounts.get(key);
  }

  get all(): readonly Account[] {
    return [...this.#accounts.values()];
  }

  get people(): ReadonlySet<string> {
    return new Set(this.#byPerson.keys());
  }

  async bind(account: Account): Promise<void> {
    await this.#put(account);
    this.#remember(account);
    await this.#list(account.person);
  }

  /** Keeps what changed of an account that is still bound. */
  async save(account: Account): Promise<void> {
    const key = keyOf(account);
    if (!this.#accounts.has(key)) return;
    const trimmed = { ...account, slots: withoutOldest(account.slots) };
    this.#accounts.set(key, trimmed);
    await this.#put(trimmed);
  }

  async unbind(account: Account): Promise<void> {
    const key = keyOf(account);
    this.#accounts.delete(key);
    const keys = this.#byPerson.get(account.person);
    keys?.delete(key);
    if (keys?.size === 0) this.#byPerson.delete(account.person);
    await this.hub.store.removeGrant(ACCOUNT, digest(key));
    await this.#list(account.person);
  }

  #remember(account: Account): void {
    const key = keyOf(account);
    this.#accounts.set(key, account);
    const keys = this.#byPerson.get(account.person) ?? new Set();
    this.#byPerson.set(account.person, keys.add(key));
  }

  #put(account: Account): Promise<void> {
    const value = account as unknown as Record<string, unknown>;
    return this.hub.store.putGrant({ kind: ACCOUNT, id: digest(keyOf(account)), value, expiresAt: NO_END });
  }

  async #list(person: string): Promise<void> {
    const listed = this.#listing.then(async () => {
      const accounts = this.keysOf(person).map(digest);
      if (accounts.length === 0) await this.hub.store.removeGrant(PERSON, person);
      else await this.hub.store.putGrant({ kind: PERSON, id: person, value: { accounts }, expiresAt: NO_END });
    });
    this.#listing = listed.catch(() => undefined);
    await listed;
  }
}

/** One channel's user: the same for every conversation of theirs with this bot. */
export function keyOf({ channelId, userId }: Pick<Sender, 'channelId' | 'userId'>): string {
  return JSON.stringify([channelId, userId]);
}

/** Short, and nothing of the user's own id in it. */
export function digest(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 32);
}

function withoutOldest(slots: readonly Slot[]): readonly Slot[] {
  const gone = slots.filter(({ stage }) => stage === 'gone');
  const forgotten = new Set(gone.slice(0, Math.max(0, gone.length - MOST_GONE)));
  return forgotten.size === 0 ? slots : slots.filter((slot) => !forgotten.has(slot));
}

function accountsIn(value: Record<string, unknown> | undefined): string[] {
  const accounts = value?.['accounts'];
  return Array.isArray(accounts) ? accounts.filter((id): id is string => typeof id === 'string') : [];
}
