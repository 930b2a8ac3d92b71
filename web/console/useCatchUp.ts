// Follows the two connections of an open chat and says when typing must wait.
import { useEffect, useState, useSyncExternalStore } from 'react';
import { useDesk } from './useDesk.js';
import { type CatchUp, type CatchUpWatch, watchCatchUp } from './catchUp.js';
import type { ChatConnection } from './StaffChat.js';

const NO_ENTRIES: never[] = [];

export function useCatchUp(conversationId: string, me: string, chat: ChatConnection): [CatchUp, CatchUpWatch] {
  const [{ link, revision, logs, problem }] = useDesk();
  const [watch] = useState(() => watchCatchUp(me));
  const catchUp = useSyncExternalStore(watch.subscribe, watch.getState);
  const entries = logs.get(conversationId)?.entries ?? NO_ENTRIES;
  const linkUp = link.state === 'online' && !problem;
  useEffect(() => {
    watch.learn({ linkUp, chatUp: chat === 'online', revision, entries });
  }, [watch, linkUp, chat, revision, entries]);
  useEffect(() => () => watch.stop(), [watch]);
  return [catchUp, watch];
}
