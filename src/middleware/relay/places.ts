// Where the conversations of relayed channels are: learned from validated calls of the channel only, and kept over restarts.

import { createHash } from 'node:crypto';
import type { ChannelAccount } from '../../core/activity.js';
import type { Clock, Store } from '../../hub/ports.js';
import { addressOf, type Address } from '../address.js';
import type { SdkActivity, SdkConversation } from '../host.js';

/** A channel on which the bot is known. */
export interface Home {
  readonly channelId: string;
  /** The channel's own Connector, as the `serviceurl` claim of its token named it. */
  readonly serviceUrl: string;
  /** The bot's account there. */
  readonly bot: ChannelAccount;
}

/** A conversation on it. */
export interface Place extends Home {
  readonly conversation: SdkConversation;
  /** The customer; absent in groups, and where nobody is known yet. */
  readonly user?: ChannelAccount;
  readonly isGroup: boolean;
}

const KIND = 'relayPlace';
const DAY_MS = 24 * 60 * 60_000;
/** A conversation nobody has written in for so long is forgotten: the bot cannot begin to speak there any more. */
const KEPT_MS = 400 * DAY_MS;
const RENEWED_MS = 30 * DAY_MS;
/** Known without asking the store. */
const REMEMBERED = 5_000;

interface Kept {
  readonly at: number;
  readonly value: Home | Place;
}

export class Places {
  readonly #known = new Map<string, Kept>();

  constructor(
    private readonly store: Pick<Store, 'getGrant' | 'putGrant'>,
    private readonly clock: Clock,
    private readonly botId: string,
  ) {}

  /**
   * Resolves when it is on disk; written only when something changed, or once a month. Known at once either way: while the
   * store cannot be written, the bot still reaches its customers.
   * @throws StoreUnavailable.
   */
  async learn(place: Place): Promise<void> {
    const { channelId, serviceUrl, bot } = place;
    const home = { channelId, serviceUrl, bot };
    const name = `conversation ${place.conversation.id}`;
    // Not every activity of a one-to-one conversation names the customer; and none turns it into a group, in which what
    // the bot says is nobody's but the channel's.
    const known = place.user === undefined ? await this.#kept(name).catch(() => undefined) : undefined;
    const user = (known?.value as Place | undefined)?.user;
    const kept = await Promise.allSettled([
      this.#keep(name, user === undefined ? place : { ...place, user, isGroup: false }),
      this.#keep(`account ${bot.id}`, home),
      this.#keep(`channel ${channelId}`, home),
    ]);
    for (const one of kept) if (one.status === 'rejected') throw one.reason;
  }

  /** Something on the channel that has an id of its own: a file that the bot put there, a team that it is in. */
  async learnOf(kind: 'attachment' | 'team', id: string, { channelId, serviceUrl, bot }: Home): Promise<void> {
    await this.#keep(`${kind} ${id}`, { channelId, serviceUrl, bot });
  }

  /** A thread of a conversation (Teams: `19:…;messageid=…`) is where the conversation is. */
  async of(conversationId: string): Promise<Place | undefined> {
    const [whole = ''] = conversationId.split(';messageid=');
    const exact = (await this.#find(`conversation ${conversationId}`)) as Place | undefined;
    if (exact !== undefined || whole === conversationId) return exact;
    const channel = (await this.#find(`conversation ${whole}`)) ?? (await this.#find(`team ${whole}`));
    return channel && { ...channel, conversation: { id: conversationId } as SdkConversation, isGroup: true };
  }

  /** Where the bot is known by this account, on this channel, or has made this. */
  home(kind: 'account' | 'channel' | 'attachment' | 'team', id: string): Promise<Home | undefined> {
    return this.#find(`${kind} ${id}`);
  }

  async #keep(name: string, value: Home | Place): Promise<void> {
    const at = this.clock.now();
    const plain = JSON.parse(JSON.stringify(value)) as Home | Place;
    const isSame = (known: Kept | undefined) =>
      known !== undefined && at - known.at < RENEWED_MS && JSON.stringify(known.value) === JSON.stringify(plain);
    if (isSame(this.#known.get(name))) return;
    try {
      if (isSame(await this.#kept(name))) return;
      this.#remember(name, { at, value: plain });
      const id = this.#idOf(name);
      await this.store.putGrant({ kind: KIND, id, value: { at, value: plain }, expiresAt: at + KEPT_MS });
    } catch (error) {
      // Not on disk: the next call of the channel writes it.
      this.#remember(name, { at: 0, value: plain });
      throw error;
    }
  }

  async #find(name: string): Promise<Home | undefined> {
    return (await this.#kept(name))?.value;
  }

  async #kept(name: string): Promise<Kept | undefined> {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const grant = await this.store.getGrant(KIND, this.#idOf(name), this.clock.now());
    if (grant === undefined) return undefined;
    const kept = grant.value as unknown as Kept;
    this.#remember(name, kept);
    return kept;
  }

  #remember(name: string, kept: Kept): void {
    this.#known.delete(name);
    this.#known.set(name, kept);
    if (this.#known.size <= REMEMBERED) return;
    const oldest = this.#known.keys().next().value;
    if (oldest !== undefined) this.#known.delete(oldest);
  }

  #idOf(name: string): string {
    return createHash('sha256')
      .update(JSON.stringify([this.botId, name]))
      .digest('base64url');
  }
}

/** Whose conversation it is; undefined in groups, and where nobody is known yet. */
export function addressAt({ isGroup, user, bot, ...where }: Place, botId: string): Address | undefined {
  if (isGroup || user === undefined) return undefined;
  return addressOf({ ...where, type: 'message', from: user, recipient: bot } as SdkActivity, botId);
}
