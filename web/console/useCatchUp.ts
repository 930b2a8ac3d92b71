// Follows the two connections of an open chat and says when typing must wait.
import { useEffect, useRef, useState } from 'react';
import { useDesk } from './App.js';
import { type CatchUp, catchUpAfter, type Loss } from './catchUp.js';
import type { ChatConnection } from './StaffChat.js';

/** Longest wait for a missed message to appear; after it typing is possible anyway, for a message may be erased meanwhile. */
const PATIENCE_MS = 10_000;

interface Result {
  catchUp: CatchUp;
  onSeen(activityId: string): void;
  dismiss(): void;
}

export function useCatchUp(conversationId: string, me: string, chat: ChatConnection): Result {
  const [{ link, revision, logs, problem }] = useDesk();
  const seen = useRef(new Set<string>());
  const [, setSeenCount] = useState(0);
  const [loss, setLoss] = useState<Loss>();
  const [patient, setPatient] = useState(true);
  const revisionAtReturn = useRef(0);
  const log = logs.get(conversationId);

  const wasOnline = useRef(false);
  const chatUp = chat === 'online';
  const linkUp = link.state === 'online' && !problem;
  const lastSeq = log?.lastSeq ?? 0;
  useEffect(() => {
    if (linkUp && chatUp) wasOnline.current = true;
    else if (wasOnline.current) setLoss((known) => known ?? { seq: lastSeq });
  }, [linkUp, chatUp, lastSeq]);
  useEffect(() => {
    // The first re-read that begins after the line is back holds all that was missed.
    if (linkUp) revisionAtReturn.current = revision;
    // eslint-disable-next-line react-hooks/exhaustive-deps -- only the return of the line counts, not each revision after it
  }, [linkUp]);

  const lineUp = linkUp && revision > revisionAtReturn.current;
  const catchUp = catchUpAfter(loss, {
    lineUp,
    chatUp: chatUp || !patient,
    entries: log?.entries ?? [],
    seen: patient ? seen.current : ALL,
    me,
  });
  const waiting = catchUp.state === 'catchingUp';
  useEffect(() => {
    if (!waiting) return;
    const timer = window.setTimeout(() => setPatient(false), PATIENCE_MS);
    return () => {
      window.clearTimeout(timer);
      setPatient(true);
    };
  }, [waiting]);
  const over = catchUp.state === 'caughtUp' && catchUp.missed === 0;
  useEffect(() => {
    if (over) setLoss(undefined);
  }, [over]);

  // Web Chat calls this from its own store, once per conversation: it must not change.
  const [onSeen] = useState(() => (activityId: string) => {
    seen.current.add(activityId);
    setSeenCount(seen.current.size);
  });
  return { catchUp, onSeen, dismiss: () => setLoss(undefined) };
}

const ALL = { has: () => true } as unknown as ReadonlySet<string>;
