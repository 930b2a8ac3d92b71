// Says in one line what is special about the open conversation: wrap-up, closed by whom, held by somebody else.
import { Button, MessageBar, MessageBarActions, MessageBarBody, MessageBarTitle } from '@fluentui/react-components';
import type { Conversation, LogEntry, Me } from './api.js';
import { formatClock, formatCountdown, formatExact, timeOf } from './time.js';
import { useNow } from './useNow.js';
import { customerName } from './words.js';

interface Props {
  conversation: Conversation;
  me: Me;
  entries: readonly LogEntry[];
  onLeave(): void;
}

const END_WORDS: Record<string, string> = {
  customerLeft: 'left the chat',
  customerGone: 'has gone: the connection ended and did not come back',
  silent: 'was quiet for too long',
};

/** The last entry that ended the talking, if somebody else than this person did it. */
function endedBy(entries: readonly LogEntry[], me: Me): LogEntry | undefined {
  const end = entries.findLast(({ type }) => type === 'ended' || type === 'closed');
  return end && end.by.id !== me.id ? end : undefined;
}

export function ChatState({ conversation, me, entries, onLeave }: Props) {
  const now = useNow();
  const isMine = conversation.agent?.id === me.id;
  const name = customerName(conversation.customer);
  const end = endedBy(entries, me);
  const endWords = end && (END_WORDS[end.reason ?? ''] ?? (end.by.role === 'customer' ? 'left the chat' : undefined));
  const leave = (
    <MessageBarActions>
      <Button size="small" onClick={onLeave}>
        Put away
      </Button>
    </MessageBarActions>
  );
  switch (conversation.phase) {
    case 'wrapUp': {
      const endsAt = timeOf(conversation.timers?.['wrapUpEnds'] ?? conversation.dueAt);
      return (
        <div className="banner">
          <MessageBar intent="info" layout="multiline">
            <MessageBarBody>
              {end && endWords && (
                <strong title={formatExact(timeOf(end.at))}>
                  {name} {endWords}, {formatClock(timeOf(end.at))}.{' '}
                </strong>
              )}
              <MessageBarTitle>
                Wrap-up{endsAt === undefined ? '' : ` · ${formatCountdown(endsAt - now)} left`}.
              </MessageBarTitle>
              {isMine ? ' The customer no longer hears you. Add a note if you like, then close.' : ''}
            </MessageBarBody>
          </MessageBar>
        </div>
      );
    }
    case 'closed':
      return (
        <div className="banner">
          <MessageBar intent="info">
            <MessageBarBody>
              <MessageBarTitle>Closed.</MessageBarTitle>
              {end && endWords
                ? ` ${name} ${endWords}, ${formatClock(timeOf(end.at))}.`
                : ' Nothing more can be said here.'}
            </MessageBarBody>
            {leave}
          </MessageBar>
        </div>
      );
    case 'bot':
      return (
        <div className="banner">
          <MessageBar intent="info">
            <MessageBarBody>{name} is talking to the bot.</MessageBarBody>
            {leave}
          </MessageBar>
        </div>
      );
    case 'agent':
    case 'waiting':
      if (isMine) return null;
      return (
        <div className="banner">
          <MessageBar intent="info">
            <MessageBarBody>
              {conversation.agent?.name ?? conversation.agent?.id ?? 'Somebody else'} has this conversation. You can
              read it.
            </MessageBarBody>
            {leave}
          </MessageBar>
        </div>
      );
    case 'offered':
      if (!isMine) return null;
      return (
        <div className="banner">
          <MessageBar intent="info">
            <MessageBarBody>Offered to you: read it here, answer on the left.</MessageBarBody>
          </MessageBar>
        </div>
      );
    case 'queued':
      return null;
  }
}
