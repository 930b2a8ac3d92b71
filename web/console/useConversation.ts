// One conversation in full, re-read with every revision of the desk.
import { useEffect, useRef, useState } from 'react';
import { CallFailed } from '../shared/http.js';
import type { Conversation, Receipt } from './api.js';
import { api } from './api.js';

export interface Details {
  conversation?: Conversation;
  receipts: Receipt[];
  problem?: string;
}

const NOTHING: Details = { receipts: [] };

export function useConversation(id: string | undefined, revision: number): Details {
  const [details, setDetails] = useState<Details>(NOTHING);
  const shown = details.conversation;
  const receiptsOf = useRef<string>();
  useEffect(() => {
    if (!id) return;
    // Answers may overtake each other; only those of the latest effect count.
    let current = true;
    read(id).catch((error: unknown) => {
      const isRefused = error instanceof CallFailed && (error.status === 403 || error.status === 404);
      if (current && isRefused) setDetails({ receipts: [], problem: error.message });
    });
    return () => {
      current = false;
    };

    async function read(conversationId: string): Promise<void> {
      const conversation = await api.conversation(conversationId);
      if (!current) return;
      setDetails((before) => ({ conversation, receipts: before.conversation?.id === id ? before.receipts : [] }));
      // A decision is taken only when the conversation moves, and reading the reasons means reading its whole log.
      const moved = `${conversation.id}/${conversation.epoch}/${conversation.phase}/${conversation.agent?.id ?? ''}/${conversation.observedEscalations ?? 0}`;
      if (receiptsOf.current === moved) return;
      const receipts = await api.receipts(conversationId);
      if (!current) return;
      receiptsOf.current = moved;
      setDetails({ conversation, receipts });
    }
  }, [id, revision]);
  if (!id || (shown && shown.id !== id)) return NOTHING;
  return details;
}
