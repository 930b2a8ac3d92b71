// The logs of a person's chats as far as read: how many messages are new, since when the customer waits for an answer.
import type { Conversation, LogEntry, StaffApi } from './api.js';
import { timeOf } from './time.js';

export interface ChatLog {
  lastSeq: number;
  readSeq: number;
  entries: readonly LogEntry[];
  /** Customer messages after `readSeq`. */
  unread: number;
  /** When this person got it, epoch milliseconds. */
  acceptedAt?: number;
  /** When the customer wrote what nobody has answered yet. */
  unansweredSince?: number;
}

export interface ChatLogs {
  markStale(conversationId: string): void;
  markAllStale(): void;
  readNew(open: readonly Conversation[], agentId: string): Promise<void>;
  markRead(conversationId: string): boolean;
  snapshot(): ReadonlyMap<string, ChatLog>;
}

const READ_KEY = 'handoff.read';

export function createChatLogs(
  api: Pick<StaffApi, 'log'>,
  storage: Pick<Storage, 'getItem' | 'setItem'> = localStorage,
): ChatLogs {
  const chats = new Map<string, ChatLog>();
  const stale = new Set<string>();
  const readSeqs = readStored(storage);

  function store(): void {
    storage.setItem(READ_KEY, JSON.stringify(Object.fromEntries([...chats].map(([id, { readSeq }]) => [id, readSeq]))));
  }

  return {
    markStale: (id) => void stale.add(id),
    markAllStale() {
      for (const id of chats.keys()) stale.add(id);
    },
    async readNew(open, agentId) {
      const held = open.filter(({ phase }) => phase !== 'offered');
      const ids = new Set(held.map(({ id }) => id));
      for (const id of chats.keys()) if (!ids.has(id)) chats.delete(id);
      await Promise.all(
        held.map(async ({ id }) => {
          const before = chats.get(id);
          if (before && !stale.delete(id)) return;
          const fresh = await api.log(id, before?.lastSeq ?? 0);
          const entries = [...(before?.entries ?? []), ...fresh];
          const readSeq = before?.readSeq ?? readSeqs[id] ?? acceptedBy(entries, agentId)?.seq ?? 0;
          chats.set(id, summarise(entries, readSeq, agentId));
        }),
      );
    },
    markRead(id) {
      const chat = chats.get(id);
      if (!chat || chat.readSeq === chat.lastSeq) return false;
      chats.set(id, { ...chat, readSeq: chat.lastSeq, unread: 0 });
      store();
      return true;
    },
    snapshot: () => new Map(chats),
  };
}

function readStored(storage: Pick<Storage, 'getItem'>): Record<string, number> {
  try {
    return JSON.parse(storage.getItem(READ_KEY) ?? '{}') as Record<string, number>;
  } catch {
    return {};
  }
}

const isMessage = (entry: LogEntry) => entry.activity?.type === 'message' && entry.audience === 'everyone';

function acceptedBy(entries: readonly LogEntry[], agentId: string): LogEntry | undefined {
  return entries.findLast(({ type, by }) => (type === 'accepted' || type === 'resumed') && by.id === agentId);
}

export function summarise(entries: readonly LogEntry[], readSeq: number, agentId: string): ChatLog {
  let unansweredSince: number | undefined;
  for (const entry of entries) {
    // Who is handed over waits for the person's first word, whatever the bot had answered.
    if (entry.type === 'accepted') unansweredSince = timeOf(entry.at);
    if (!isMessage(entry)) continue;
    if (entry.by.role === 'customer') unansweredSince ??= timeOf(entry.at);
    else if (entry.by.role === 'agent' || entry.by.role === 'supervisor') unansweredSince = undefined;
  }
  return {
    entries,
    readSeq,
    lastSeq: entries[entries.length - 1]?.seq ?? 0,
    unread: entries.filter((entry) => entry.seq > readSeq && isMessage(entry) && entry.by.role === 'customer').length,
    acceptedAt: timeOf(acceptedBy(entries, agentId)?.at),
    unansweredSince,
  };
}
