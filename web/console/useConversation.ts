// One conversation in full, re-read with every revision of the desk.
import { useEffect, useState } from 'react';
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
  useEffect(() => {
    if (!id) return;
    // Answers may overtake each other; only those of the latest effect count.
    let current = true;
    Promise.all([api.conversation(id), api.receipts(id).catch(() => [])]).then(
      ([conversation, receipts]) => current && setDetails({ conversation, receipts }),
      (error: unknown) => {
        if (!current) return;
        const forbidden = error instanceof CallFailed && (error.status === 403 || error.status === 404);
        if (forbidden) setDetails({ receipts: [], problem: error.message });
      },
    );
    return () => {
      current = false;
    };
  }, [id, revision]);
  if (!id || (details.conversation && details.conversation.id !== id)) return NOTHING;
  return details;
}
