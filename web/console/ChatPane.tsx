// The middle of the desk: one conversation, whose it is, its messages, and what can be done with it.
import {
  Button,
  Caption1,
  MessageBar,
  MessageBarActions,
  MessageBarBody,
  MessageBarTitle,
  Spinner,
  Subtitle2,
} from '@fluentui/react-components';
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { ActionBar } from './ActionBar.js';
import type { ChatToken, Conversation, Me } from './api.js';
import { api } from './api.js';
import { useDesk } from './useDesk.js';
import { ChatState } from './ChatState.js';
import type { DraftDesk } from './DraftActions.js';
import { NoteBox } from './NoteBox.js';
import type { ChatConnection } from './StaffChat.js';
import { formatDuration, formatExact, timeOf } from './time.js';
import { useCatchUp } from './useCatchUp.js';
import { useNow } from './useNow.js';
import { customerName } from './words.js';

const StaffChat = lazy(() => import('./StaffChat.js'));

const TOKEN_RETRY_MS = 3000;

interface Props {
  conversation: Conversation;
  me: Me;
  dark: boolean;
  /** True right after this person took it: the pressed button is gone, and the next thing is to type. */
  focusOnOpen: boolean;
  onAct(what: string, command: () => Promise<unknown>): Promise<boolean>;
  onLeave(): void;
}

export function ChatPane({ conversation, me, dark, focusOnOpen, onAct, onLeave }: Props) {
  const [{ logs, session, link }, desk] = useDesk();
  const { id, phase } = conversation;
  const isMine = conversation.agent?.id === me.id;
  const canSpeak = isMine && phase === 'agent';
  const { token, connection, onConnection } = useChatToken(id, session === 'in', link.state === 'online');
  const [catchUp, watch] = useCatchUp(id, me.id, connection);
  const paused = catchUp.state === 'lost' || catchUp.state === 'catchingUp';

  const lastSeq = logs.get(id)?.lastSeq;
  useEffect(() => {
    const read = () => document.visibilityState === 'visible' && desk.markRead(id);
    read();
    document.addEventListener('visibilitychange', read);
    return () => document.removeEventListener('visibilitychange', read);
  }, [desk, id, lastSeq]);

  const entries = logs.get(id)?.entries;
  const drafts = useMemo<DraftDesk>(
    () => ({
      canResolve: canSpeak && !paused,
      resolved: new Set(entries?.flatMap(({ type, target }) => (type === 'draftResolved' && target ? [target] : []))),
      resolve: (seq, send, text) => onAct('Draft', () => api.resolveDraft(id, seq, send, text)),
    }),
    [canSpeak, paused, entries, onAct, id],
  );

  const onNote = useCallback((text: string) => onAct('Note', () => api.note(id, text)), [onAct, id]);

  return (
    <>
      <ChatHead conversation={conversation} acceptedAt={logs.get(id)?.acceptedAt} />
      <ChatState conversation={conversation} me={me} entries={logs.get(id)?.entries ?? []} onLeave={onLeave} />
      {paused && (
        <div className="banner" role="status">
          <MessageBar intent="warning">
            <MessageBarBody>
              <MessageBarTitle>{catchUp.state === 'lost' ? 'Not connected.' : 'Catching up'}</MessageBarTitle>
              {catchUp.state === 'catchingUp'
                ? `: ${catchUp.missed} ${catchUp.missed === 1 ? 'message' : 'messages'} missed. You can type as soon as they are shown.`
                : ' You can type again when the connection is back; what you typed is kept.'}
            </MessageBarBody>
          </MessageBar>
        </div>
      )}
      {catchUp.state === 'caughtUp' && catchUp.missed > 0 && (
        <div className="banner" role="status">
          <MessageBar intent="info">
            <MessageBarBody>
              {catchUp.missed} {catchUp.missed === 1 ? 'message' : 'messages'} came while you were not connected. All of
              it is below.
            </MessageBarBody>
            <MessageBarActions>
              <Button size="small" onClick={watch.dismiss}>
                Got it
              </Button>
            </MessageBarActions>
          </MessageBar>
        </div>
      )}
      <div className="chat">
        {token ? (
          <Suspense fallback={<Spinner label="Opening the chat…" />}>
            <StaffChat
              token={token}
              draftKey={`${me.id}.${id}`}
              dark={dark}
              canSpeak={canSpeak}
              paused={paused}
              focusOnOpen={focusOnOpen}
              onSeen={watch.seen}
              onConnection={onConnection}
              onNote={onNote}
              drafts={drafts}
            />
          </Suspense>
        ) : (
          <Spinner label="Opening the chat…" />
        )}
      </div>
      {isMine && phase === 'wrapUp' && <NoteBox draftKey={`${me.id}.${id}.note`} onNote={onNote} />}
      <ActionBar conversation={conversation} me={me} onAct={onAct} />
    </>
  );
}

function ChatHead({ conversation, acceptedAt }: { conversation: Conversation; acceptedAt?: number }) {
  const now = useNow();
  const waitingSince = timeOf(conversation.waitingSince);
  const waits = conversation.phase === 'queued' || conversation.phase === 'offered';
  const isHeld = conversation.phase === 'agent';
  const since = waits ? waitingSince : isHeld ? (acceptedAt ?? timeOf(conversation.heldSince)) : undefined;
  return (
    <div className="chat-head row">
      <Subtitle2 as="h2" className="ellipsis">
        {customerName(conversation.customer)}
      </Subtitle2>
      {conversation.queue && <Caption1 className="subtle">{conversation.queueName ?? conversation.queue}</Caption1>}
      <span className="grow" />
      {since !== undefined && (
        <Caption1 className="subtle numbers" title={formatExact(since)}>
          {waits ? 'waiting' : acceptedAt === undefined ? 'held for' : 'with you'} {formatDuration(now - since)}
        </Caption1>
      )}
    </div>
  );
}

/** The Direct Line token of one conversation, renewed when it no longer opens the stream (a laptop slept longer than it lives). */
function useChatToken(conversationId: string, signedIn: boolean, linkUp: boolean) {
  const [token, setToken] = useState<ChatToken>();
  const [connection, setConnection] = useState<ChatConnection>('connecting');
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    if (!signedIn) return;
    let current = true;
    let timer: number | undefined;
    api.chatToken(conversationId).then(
      (fresh) => current && setToken(fresh),
      () => {
        if (current) timer = window.setTimeout(() => setAttempt((count) => count + 1), TOKEN_RETRY_MS);
      },
    );
    return () => {
      current = false;
      window.clearTimeout(timer);
    };
  }, [conversationId, attempt, signedIn]);
  const wasLost = useRef(false);
  useEffect(() => {
    if (!linkUp) {
      wasLost.current = true;
      return;
    }
    if (!wasLost.current) return;
    // Web Chat notices a dead socket late and tries again only 3 to 15 s later: when the live line is back, a fresh
    // token connects at once.
    const timer = window.setTimeout(() => {
      wasLost.current = false;
      setAttempt((count) => count + 1);
    }, 100);
    return () => window.clearTimeout(timer);
  }, [linkUp]);
  const onConnection = useCallback((next: ChatConnection) => {
    setConnection(next);
    if (next === 'expired') window.setTimeout(() => setAttempt((count) => count + 1), 1000);
  }, []);
  return { token, connection, onConnection };
}
