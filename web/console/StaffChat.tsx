// Web Chat on a person's view of one conversation; a chunk of its own, loaded after the console's shell stands.
import { ToggleButton, Tooltip } from '@fluentui/react-components';
import { NoteRegular } from '@fluentui/react-icons/svg/note';
import { Components, createDirectLine, createStore, hooks } from 'botframework-webchat';
import { useEffect, useLayoutEffect, useMemo, useRef, useState, type MutableRefObject } from 'react';
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

/** While what is typed is for staff, the box says so. */
const NOTE_WORDS = {
  ...WEB_CHAT_WORDS,
  TEXT_INPUT_PLACEHOLDER: 'Private note: the customer sees neither it nor that you type',
  TEXT_INPUT_SEND_BUTTON_ALT: 'Keep note',
};

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
  const [isNoting, setNoting] = useState(() => readDraft(modeKey(draftKey)) === NOTE);
  useEffect(() => keepDraft(modeKey(draftKey), isNoting ? NOTE : ''), [draftKey, isNoting]);
  /** Set while the box is for notes: then Enter and the send button keep one. */
  const keepNote = useRef<(() => void) | undefined>(undefined);
  const store = useMemo(() => {
    const watch = () => (next: (action: StoreAction) => unknown) => (action: StoreAction) => {
      if (action.type === 'WEB_CHAT/SUBMIT_SEND_BOX' && keepNote.current) {
        keepNote.current();
        return undefined;
      }
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
    () => ({
      ...webChatLook(dark, dark ? '#479ef5' : '#0f6cbd', {
        background: dark ? '#292929' : '#ffffff',
        ...(dark ? { bubble: '#3a3a3a', bubbleBorder: '#3a3a3a' } : {}),
        mine: dark ? '#17375a' : '#e3effb',
      }),
      // A note is text.
      hideUploadButton: isNoting,
      ...(isNoting ? { sendBoxBackground: 'transparent' } : {}),
    }),
    [dark, isNoting],
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
      overrideLocalizedStrings={isNoting ? NOTE_WORDS : WEB_CHAT_WORDS}
      groupActivitiesMiddleware={groupBySpeaker}
      disabled={paused}
      typingIndicatorMiddleware={whoTypes}
      sendTypingIndicator={canSpeak && !isNoting}
    >
      <DraftContext.Provider value={drafts}>
        <div className="staff-chat">
          <BasicTranscript className="staff-transcript" />
          {canSpeak && (
            <SendRow
              draftKey={draftKey}
              paused={paused}
              focusOnOpen={focusOnOpen}
              onNote={onNote}
              isNoting={isNoting}
              setNoting={setNoting}
              keepNote={keepNote}
            />
          )}
        </div>
      </DraftContext.Provider>
    </Composer>
  );
}

const NOTE = 'note';
const KEEPS = 'Keeps what you typed among staff; the customer never sees it';
const BEGINS = 'What you type next stays among staff; the customer sees neither it nor that you type';
const ENDS = 'What you type next goes to the customer again';

/** Kept with the draft: half a note must not come back as half a message. */
function modeKey(draftKey: string): string {
  return `${draftKey}.mode`;
}

interface SendRowProps extends Pick<Props, 'draftKey' | 'paused' | 'focusOnOpen' | 'onNote'> {
  isNoting: boolean;
  setNoting(isNoting: boolean): void;
  keepNote: MutableRefObject<(() => void) | undefined>;
}

function SendRow({ draftKey, paused, focusOnOpen, onNote, isNoting, setNoting, keepNote }: SendRowProps) {
  const [text, setText] = useSendBoxValue();
  const [isKeeping, setKeeping] = useState(false);
  const focus = useFocus();
  useEffect(() => {
    // Only after the person's own Accept or Pick: the pressed button is gone and the next thing is to type.
    if (focusOnOpen) void focus('sendBox');
  }, [focus, focusOnOpen]);

  const hasText = text.trim() !== '';

  async function note(): Promise<void> {
    if (!hasText || isKeeping) return;
    setKeeping(true);
    setText('');
    // A refused note comes back, unless the person is typing on already.
    if (!(await onNote(text)) && !readDraft(draftKey)) setText(text);
    setKeeping(false);
  }

  // Before anything can be pressed: a note never goes out as a message.
  useLayoutEffect(() => {
    keepNote.current = isNoting ? () => void note() : undefined;
  });

  function press(): void {
    if (hasText) return void note();
    setNoting(!isNoting);
    void focus('sendBox');
  }

  return (
    <div className={isNoting ? 'send-row noting' : 'send-row'}>
      <BasicSendBox className="send-box" />
      <Tooltip content={hasText ? KEEPS : isNoting ? ENDS : BEGINS} relationship="description">
        <ToggleButton icon={<NoteRegular />} checked={isNoting} disabled={paused || isKeeping} onClick={press}>
          Note
        </ToggleButton>
      </Tooltip>
    </div>
  );
}
