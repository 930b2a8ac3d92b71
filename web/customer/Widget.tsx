// The chat widget: its head is in step with what the customer is told, and when the chat is over it offers a new one.
import type { ReactNode } from 'react';
import { Component, lazy, Suspense, useCallback, useEffect, useState, useSyncExternalStore } from 'react';
import type { SeenActivity } from '../shared/handoffActivity.js';
import { toldKind } from '../shared/handoffActivity.js';
import type { ChatControls } from './CustomerChat.js';
import { WidgetHeader } from './WidgetHeader.js';
import { createWidgetSession } from './widgetSession.js';
import { atStart, whoTalksAfter, type WhoTalks } from './whoTalks.js';

const CustomerChat = lazy(() => import('./CustomerChat.js'));

interface Props {
  botName: string;
  bankName: string;
  dark: boolean;
  /** How the page speaks for the visitor; undefined while nothing can be said. */
  onControls(controls: ChatControls | undefined): void;
}

/** What has been seen belongs to one conversation; another one begins anew. */
interface Seen {
  conversationId?: string;
  who: WhoTalks;
}

export function Widget({ botName, bankName, dark, onControls }: Props) {
  const [session] = useState(createWidgetSession);
  const { token, problem, connection } = useSyncExternalStore(session.subscribe, session.getState);
  const [seen, setSeen] = useState<Seen>({ who: atStart });
  const [leaving, setLeaving] = useState(false);
  const [controls, setControls] = useState<ChatControls>();

  useEffect(() => {
    session.open();
    return session.stop;
  }, [session]);

  const conversationId = token?.conversationId;
  const who = seen.conversationId === conversationId ? seen.who : atStart;
  const closed = who.kind === 'closed';

  const onActivity = useCallback(
    (activity: SeenActivity) => {
      setSeen((before) => ({
        conversationId,
        who: whoTalksAfter(before.conversationId === conversationId ? before.who : atStart, activity),
      }));
      const told = toldKind(activity);
      if (told && told !== 'position') setLeaving(false);
    },
    [conversationId],
  );

  useEffect(() => {
    onControls(connection === 'online' && !closed ? controls : undefined);
  }, [connection, closed, controls, onControls]);

  return (
    <section className="widget" aria-label="Chat">
      <WidgetHeader
        who={who}
        botName={botName}
        bankName={bankName}
        connection={connection}
        leaving={leaving}
        onLeaveLine={() => {
          setLeaving(true);
          controls?.sendEvent('handoff.cancel');
        }}
      />
      <div className="widget-body">
        <ChatFailure>
          {token ? (
            <Suspense fallback={<p className="widget-note">Opening the chat…</p>}>
              <CustomerChat
                // One Web Chat store per conversation: a renewed token keeps the transcript, a new chat begins empty.
                key={conversationId}
                token={token}
                dark={dark}
                closed={closed}
                onControls={setControls}
                onActivity={onActivity}
                onConnection={session.connectionIs}
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
          <button type="button" className="primary" onClick={session.open}>
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
