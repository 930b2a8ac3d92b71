// What must outlive this process about one conversation with a bot behind Direct Line, kept in the store.

import { isObject } from '../../core/context.js';
import type { Store } from '../../hub/ports.js';

export interface LineRecord {
  /** Direct Line's conversation. */
  readonly remote: string;
  /** `from.id` of everything the customer says there: the same for as long as the conversation lives. */
  readonly user: string;
  readonly token: string;
  /** Epoch ms. */
  readonly refreshAt: number;
  readonly tokenEndsAt: number;
  /** Everything before it is in the log of the hub. */
  readonly watermark: string;
  /** `greet`: the bot has yet to be told that the conversation starts. `resume`: it is told the context only. */
  readonly opening: 'greet' | 'resume' | 'done';
  /** What was posted last, oldest first: replies name it by Direct Line's id. */
  readonly sent: readonly Sent[];
  /** Digest of the context the bot was told last. */
  readonly told?: string;
  /** The service has ended or lost its conversation; the next one resumes. */
  readonly lost?: true;
}

/** An activity of ours in the bot's conversation. */
export interface Sent {
  /** The key under which it was posted, the same every time it is tried. */
  readonly key: string;
  /** Direct Line's id. */
  readonly id?: string;
}

/** Replies to anything older belong to the oldest that is known. */
const SENT_KEPT = 64;
/** Longer than any conversation waits for somebody. */
const KEPT_MS = 62 * 24 * 60 * 60_000;
const KIND = 'directLineBot';

export class LineRecords {
  constructor(
    private readonly store: Pick<Store, 'putGrant' | 'getGrant' | 'removeGrant'>,
    private readonly botId: string,
    private readonly now: () => number,
  ) {}

  async load(conversationId: string): Promise<LineRecord | undefined> {
    const grant = await this.store.getGrant(KIND, this.#id(conversationId), this.now());
    return grant === undefined ? undefined : recordOf(grant.value);
  }

  save(conversationId: string, record: LineRecord): Promise<void> {
    return this.store.putGrant({
      kind: KIND,
      id: this.#id(conversationId),
      value: { ...record },
      expiresAt: this.now() + KEPT_MS,
    });
  }

  remove(conversationId: string): Promise<void> {
    return this.store.removeGrant(KIND, this.#id(conversationId));
  }

  #id(conversationId: string): string {
    return `${this.botId}/${conversationId}`;
  }
}

/** With one more posted activity; what is known of it already is kept. */
export function withSent(record: LineRecord, { key, id }: Sent): LineRecord {
  const before = record.sent.find((one) => one.key === key);
  if (before !== undefined && (id === undefined || before.id === id)) return record;
  const one: Sent = id === undefined ? { key } : { key, id };
  const sent =
    before === undefined ? [...record.sent, one] : record.sent.map((other) => (other === before ? one : other));
  return { ...record, sent: sent.slice(-SENT_KEPT) };
}

/** A record of an older release may miss fields: without the ones that matter the line starts anew. */
function recordOf(value: Record<string, unknown>): LineRecord | undefined {
  const { remote, user, token, refreshAt, tokenEndsAt, watermark, opening, sent, told, lost } = value;
  if (typeof remote !== 'string' || typeof user !== 'string' || typeof token !== 'string') return undefined;
  return {
    remote,
    user,
    token,
    refreshAt: typeof refreshAt === 'number' ? refreshAt : 0,
    tokenEndsAt: typeof tokenEndsAt === 'number' ? tokenEndsAt : 0,
    watermark: typeof watermark === 'string' ? watermark : '',
    opening: opening === 'greet' || opening === 'resume' ? opening : 'done',
    sent: Array.isArray(sent) ? (sent as unknown[]).filter((one): one is Sent => isObject(one) && 'key' in one) : [],
    ...(typeof told === 'string' ? { told } : {}),
    ...(lost === true ? { lost } : {}),
  };
}
