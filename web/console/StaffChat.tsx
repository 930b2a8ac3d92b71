// Web Chat on a person's view of one conversation; a chunk of its own, loaded after the console's shell stands.
import { Button, Tooltip } from '@fluentui/react-components';
import { NoteRegular } from '@fluentui/react-icons/svg/note';
import { Components, createDirectLine, createStore, hooks } from 'botframework-webchat';
import { useEffect, useLayoutEffect, useMemo, useState } from 'react';
import { dropEvents, groupBySpeaker } from '../shared/activityMiddlewares.js';
import type { SeenActivity } from '../shared/handoffActivity.js';
import { adaptiveCardsLook, WEB_CHAT_WORDS, webChatLook } from '../shared/webChatLook.js';
import type { ChatToken } from './api.js';
import { DraftContext, type DraftDesk } from './DraftActions.js';
import { keepDraft, readDraft } from './drafts.js';
import { fluentAvatars, inertCards, markSpeakers, whoTypes } from './staffSpeakers.js';

const { BasicSendBox, BasicTranscript, Composer } = Components;
const { useFocus, useSendBoxValue } = hooks;

export type ChatConnection = 'connecting' | 'online' | 'expired';

interface Props {
  token: ChatToken;
  draftKey: string;
  dark: boolean;
  /** False for whoever only reads. */
  canSpeak: boolean;
  /** True while it is not sure that everything said so far is on the screen. */
  paused: boolean;
  focusOnOpen: boolean;
  onSeen(activityId: string): void;
  onConnection(connection: ChatConnection): void;
  onNote(text: string): Promise<boolean>;
  drafts: DraftDesk;
}

interface StoreAction {
  type: string;
  payload?: { activity?: SeenActivity };
}

/** Direct Line's own numbers: 2 online, 3 expired token, 4 failed to connect. */
const CONNECTIONS: Record<number, ChatConnection> = { 2: 'online', 3: 'expired', 4: 'expired' };

const ACTIVITY_MIDDLEWARE = [dropEvents, markSpeakers];

export default function StaffChat({
  token,
  draftKey,
  dark,
  canSpeak,
  paused,
  focusOnOpen,
  onSeen,
  onConnection,
  onNote,
  drafts,
}: Props) {
  const store = useMemo(() => {
    const watch = () => (next: (action: StoreAction) => unknown) => (action: StoreAction) => {
      if (action.type === 'DIRECT_LINE/INCOMING_ACTIVITY' && action.payload?.activity?.id)
        onSeen(action.payload.activity.id);
      // What a bot suggests is for the customer to press.
      if (action.type === 'WEB_CHAT/SET_SUGGESTED_ACTIONS') return undefined;
      return next(action);
    };
    return createStore({ sendBoxValue: readDraft(draftKey) }, watch);
  }, [draftKey, onSeen]);
  useEffect(
    () =>
      store.subscribe(() => keepDraft(draftKey, (store.getState() as { sendBoxValue?: string }).sendBoxValue ?? '')),
    [store, draftKey],
  );

  // Each token starts at the first activity; Web Chat keeps what it has by id, so a renewed token repeats nothing.
  const directLine = useMemo(
    () => createDirectLine({ token: token.token, conversationId: token.conversationId, domain: token.domain }),
    [token],
  );
  // A layout effect, because its clean-up comes before Web Chat ends the old connection: that end is no news.
  useLayoutEffect(() => {
    const subscription = directLine.connectionStatus$.subscribe((status) =>
      onConnection(CONNECTIONS[status] ?? 'connecting'),
    );
    return () => subscription.unsubscribe();
  }, [directLine, onConnection]);

  const look = useMemo(
    () =>
      webChatLook(dark, dark ? '#479ef5' : '#0f6cbd', {
        background: dark ? '#292929' : '#ffffff',
        ...(dark ? { bubble: '#3a3a3a', bubbleBorder: '#3a3a3a' } : {}),
        mine: dark ? '#17375a' : '#e3effb',
      }),
    [dark],
  );

  const cards = useMemo(() => adaptiveCardsLook(dark), [dark]);

  return (
    <Composer
      directLine={directLine}
      store={store}
      styleOptions={look}
      adaptiveCardsHostConfig={cards}
      activityMiddleware={ACTIVITY_MIDDLEWARE}
      avatarMiddleware={fluentAvatars}
      cardActionMiddleware={inertCards}
      overrideLocalizedStrings={WEB_CHAT_WORDS}
      groupActivitiesMiddleware={groupBySpeaker}
      disabled={paused}
      typingIndicatorMiddleware={whoTypes}
      sendTypingIndicator={canSpeak}
    >
      <DraftContext.Provider value={drafts}>
        <div className="staff-chat">
          <BasicTranscript className="staff-transcript" />
          {canSpeak && <SendRow draftKey={draftKey} paused={paused} focusOnOpen={focusOnOpen} onNote={onNote} />}
        </div>
      </DraftContext.Provider>
    </Composer>
  );
}

function SendRow({
  draftKey,
  paused,
  focusOnOpen,
  onNote,
}: Pick<Props, 'draftKey' | 'paused' | 'focusOnOpen' | 'onNote'>) {
  const [text, setText] = useSendBoxValue();
  const [noting, setNoting] = useState(false);
  const focus = useFocus();
  useEffect(() => {
    // Only after the person's own Accept or Pick: the pressed button is gone and the next thing is to type.
    if (focusOnOpen) void focus('sendBox');
  }, [focus, focusOnOpen]);

  async function note(): Promise<void> {
    setNoting(true);
    setText('');
    // A refused note comes back, unless the person is typing on already.
    if (!(await onNote(text)) && !readDraft(draftKey)) setText(text);
    setNoting(false);
  }

  return (
    <div className="send-row">
      <BasicSendBox className="send-box" />
      <Tooltip content="Keeps what you typed among staff; the customer never sees it" relationship="description">
        <Button icon={<NoteRegular />} disabled={paused || noting || !text.trim()} onClick={() => void note()}>
          Note
        </Button>
      </Tooltip>
    </div>
  );
}
