// The chat widget: gets the conversation, keeps its head in step with what is told, and offers a new chat when it is over.
import { Component, lazy, Suspense, useCallback, useEffect, useRef, useState } from 'react';
import type { MutableRefObject, ReactNode } from 'react';
import type { SeenActivity } from '../shared/handoffActivity.js';
import { CallFailed } from '../shared/http.js';
import type { ChatControls, Connection } from './CustomerChat.js';
import { WidgetHeader } from './WidgetHeader.js';
import type { WhoTalks } from './whoTalks.js';
import { atStart, whoTalksAfter } from './whoTalks.js';
import type { WidgetConfig, WidgetToken } from './widgetToken.js';
import { fetchWidgetToken } from './widgetToken.js';

const CustomerChat = lazy(() => import('./CustomerChat.js'));

/** Pauses between attempts to get a token: the server may be restarting. */
const RETRY_MS = [1000, 2000, 4000, 8000];

interface Props {
  config: WidgetConfig;
  dark: boolean;
  controls: MutableRefObject<ChatControls | null>;
  onReady(ready: boolean): void;
}

export function Widget({ config, dark, controls, onReady }: Props) {
  const [token, setToken] = useState<WidgetToken>();
  const [problem, setProblem] = useState<string>();
  const [who, setWho] = useState<WhoTalks>(atStart);
  const [connection, setConnection] = useState<Connection>('connecting');
  const [leaving, setLeaving] = useState(false);
  // One Web Chat store per conversation: a renewed token keeps the transcript, a new chat begins with an empty one.
  const [chatKey, setChatKey] = useState(0);
  const attempt = useRef(0);
  const retry = useRef<number>();

  const connect = useCallback((startNew: boolean) => {
    window.clearTimeout(retry.current);
    fetchWidgetToken(startNew).then(
      (fresh) => {
        setProblem(undefined);
        setToken((old) => {
          if (old && old.conversationId !== fresh.conversationId) {
            setWho(atStart);
            setChatKey((key) => key + 1);
          }
          return fresh;
        });
      },
      (error: unknown) => {
        setProblem(error instanceof CallFailed ? error.message : String(error));
        connectLater(startNew);
      },
    );
  }, []);

  function connectLater(startNew: boolean) {
    const waitMs = RETRY_MS[Math.min(attempt.current++, RETRY_MS.length - 1)];
    window.clearTimeout(retry.current);
    retry.current = window.setTimeout(() => connect(startNew), waitMs);
  }

  useEffect(() => {
    connect(false);
    return () => window.clearTimeout(retry.current);
  }, [connect]);

  const onActivity = useCallback((activity: SeenActivity) => {
    setWho((before) => whoTalksAfter(before, activity));
  }, []);

  const onConnection = useCallback(
    (next: Connection) => {
      setConnection(next);
      // A laptop that slept longer than the token lives: the cookie still knows the conversation.
      if (next === 'online') attempt.current = 0;
      if (next === 'expired') connectLater(false);
    },
    [connect],
  );

  useEffect(() => {
    if (who.kind !== 'waiting') setLeaving(false);
  }, [who.kind]);

  const closed = who.kind === 'closed';
  useEffect(() => onReady(connection === 'online' && !closed), [connection, closed, onReady]);

  return (
    <section className="widget" aria-label="Chat">
      <WidgetHeader
        who={who}
        botName={config.botName}
        bankName={config.title}
        connection={connection}
        leaving={leaving}
        onLeaveLine={() => {
          setLeaving(true);
          controls.current?.sendEvent('handoff.cancel');
        }}
      />
      <div className="widget-body">
        <ChatFailure>
          {token ? (
            <Suspense fallback={<p className="widget-note">Opening the chat…</p>}>
              <CustomerChat
                key={chatKey}
                token={token}
                dark={dark}
                closed={closed}
                controls={controls}
                onActivity={onActivity}
                onConnection={onConnection}
              />
            </Suspense>
          ) : (
            <p className="widget-note" role={problem ? 'alert' : undefined}>
              {problem ? `The chat is not available right now. Trying again… (${problem})` : 'Opening the chat…'}
            </p>
          )}
        </ChatFailure>
      </div>
      {closed && (
        <footer className="widget-foot">
          <button type="button" className="primary" onClick={() => connect(true)}>
            Start a new chat
          </button>
        </footer>
      )}
    </section>
  );
}

/** Web Chat failing to load or to draw must not take the page with it. */
class ChatFailure extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    if (!this.state.failed) return this.props.children;
    return (
      <div className="widget-note" role="alert">
        <p>The chat could not be shown. Your conversation is kept.</p>
        <button type="button" className="primary" onClick={() => window.location.reload()}>
          Load it again
        </button>
      </div>
    );
  }
}
