// A Bot Framework activity as the hub keeps it: plain JSON, content fields unchanged.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface ChannelAccount {
  id: string;
  name?: string;
  role?: string;
  [field: string]: unknown;
}

/** Fields the hub reads are named; every other field travels unchanged. */
export interface Activity {
  type: string;
  id?: string;
  timestamp?: string;
  channelId?: string;
  serviceUrl?: string;
  from?: ChannelAccount;
  recipient?: ChannelAccount;
  conversation?: { id: string; [field: string]: unknown };
  replyToId?: string;
  text?: string;
  summary?: string;
  name?: string;
  value?: unknown;
  attachments?: Attachment[];
  channelData?: unknown;
  entities?: unknown[];
  locale?: string;
  deliveryMode?: string;
  [field: string]: unknown;
}

export interface Attachment {
  contentType: string;
  contentUrl?: string;
  content?: unknown;
  name?: string;
  thumbnailUrl?: string;
}

const SEQ_DIGITS = 7;

/** The id under which every reader knows log entry `seq`: `{conversationId}|0000064`. */
export function activityId(conversationId: string, seq: number): string {
  return `${conversationId}|${String(seq).padStart(SEQ_DIGITS, '0')}`;
}

/** The log position an activity id of this conversation names; undefined when the id is foreign, absent or no text. */
export function seqOf(conversationId: string, id: unknown): number | undefined {
  if (typeof id !== 'string' || !id.startsWith(`${conversationId}|`)) return undefined;
  const digits = id.slice(conversationId.length + 1);
  if (!/^\d{7,15}$/.test(digits)) return undefined;
  const seq = Number(digits);
  return seq > 0 ? seq : undefined;
}

/** channelData with `extra` merged in; what the sender put there stays (replacing it loses the sender's own fields). */
export function withChannelData(activity: Activity, extra: Record<string, unknown>): Activity {
  const own = activity.channelData;
  const merged =
    typeof own === 'object' && own !== null && !Array.isArray(own)
      ? { ...own, ...extra }
      : own === undefined || own === null
        ? extra
        : { value: own, ...extra };
  return { ...activity, channelData: merged };
}
