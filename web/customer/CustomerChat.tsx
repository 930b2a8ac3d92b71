// The real Web Chat on the customer's conversation; a chunk of its own, loaded when the page already stands.
import ReactWebChat, { createDirectLine, createStore } from 'botframework-webchat';
import { useEffect, useLayoutEffect, useMemo } from 'react';
import { dropEvents, groupBySpeaker } from '../shared/activityMiddlewares.js';
import { readHandoff, type SeenActivity, toldKind } from '../shared/handoffActivity.js';
import { nameSpeakers, showInitials } from './speakers.js';
import { typingLine } from '../shared/TypingLine.js';
import { adaptiveCardsLook, WEB_CHAT_WORDS, webChatLook } from '../shared/webChatLook.js';
import type { WidgetToken } from './widgetToken.js';

export type Connection = 'connecting' | 'online' | 'lost' | 'expired';

/** What the page around the chat may do in the customer's name. */
export interface ChatControls {
  say(text: string): void;
  sendEvent(name: string): void;
}

interface Props {
  token: WidgetToken;
  dark: boolean;
  closed: boolean;
  onControls(controls: ChatControls | undefined): void;
  onActivity(activity: SeenActivity): void;
  onConnection(connection: Connection): void;
}

interface StoreAction {
  type: string;
  payload?: { activity?: SeenActivity };
}

/** Direct Line's own numbers: 0 uninitialized, 1 connecting, 2 online, 3 expired token, 4 failed to connect, 5 ended. */
const CONNECTIONS: Record<number, Connection> = {
  0: 'connecting',
  1: 'connecting',
  2: 'online',
  3: 'expired',
  4: 'expired',
  5: 'expired',
};

const ACTIVITY_MIDDLEWARE = [dropEvents, nameSpeakers];

const whoTypes = typingLine((_id, name) => name ?? 'Somebody');

export default function CustomerChat({ token, dark, closed, onControls, onActivity, onConnection }: Props) {
  const { store, avatars } = useMemo(() => {
    const people = new Set<string>();
    const watch = () => (next: (action: StoreAction) => unknown) => (action: StoreAction) => {
      const activity = action.type === 'DIRECT_LINE/INCOMING_ACTIVITY' ? action.payload?.activity : undefined;
      if (activity) {
        const joined = toldKind(activity) === 'agentJoined' ? readHandoff(activity).agent?.id : undefined;
        if (joined) people.add(joined);
        onActivity(activity);
      }
      return next(action);
    };
    return { store: createStore({}, watch), avatars: showInitials((id) => people.has(id)) };
  }, [onActivity]);
  // Without a watermark the stream begins at the conversation's first activity: a reload or a second tab shows the whole chat.
  const directLine = useMemo(() => createDirectLine({ token: token.token, domain: token.domain }), [token]);

  // A layout effect, because its clean-up comes before Web Chat ends the old connection: that end is no news.
  useLayoutEffect(() => {
    const subscription = directLine.connectionStatus$.subscribe((status) =>
      onConnection(CONNECTIONS[status] ?? 'lost'),
    );
    return () => subscription.unsubscribe();
  }, [directLine, onConnection]);

  useEffect(() => {
    onControls({
      say: (text) => void store.dispatch({ type: 'WEB_CHAT/SEND_MESSAGE', payload: { text, method: 'keyboard' } }),
      sendEvent: (name) => void store.dispatch({ type: 'WEB_CHAT/SEND_EVENT', payload: { name, value: {} } }),
    });
    return () => onControls(undefined);
  }, [onControls, store]);

  const look = useMemo(
    () => ({ ...webChatLook(dark, dark ? '#7fc4cb' : '#0f5c63'), hideSendBox: closed }),
    [dark, closed],
  );

  const cards = useMemo(() => adaptiveCardsLook(dark), [dark]);

  return (
    <ReactWebChat
      className="customer-chat"
      role="region"
      directLine={directLine}
      store={store}
      styleOptions={look}
      adaptiveCardsHostConfig={cards}
      activityMiddleware={ACTIVITY_MIDDLEWARE}
      avatarMiddleware={avatars}
      overrideLocalizedStrings={WEB_CHAT_WORDS}
      groupActivitiesMiddleware={groupBySpeaker}
      typingIndicatorMiddleware={whoTypes}
      sendTypingIndicator
    />
  );
}
