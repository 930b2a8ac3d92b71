// Region "Conversations": what this person holds, who waits for an answer and since when.
import { Caption1, CounterBadge, Subtitle2 } from '@fluentui/react-components';
import type { Conversation } from './api.js';
import type { ChatLog } from './chatLogs.js';
import { ListButton } from './ListButton.js';
import { formatCountdown, formatDuration, formatExact, timeOf } from './time.js';
import { useNow } from './useNow.js';
import { customerName } from './words.js';

interface Props {
  conversations: Conversation[];
  logs: ReadonlyMap<string, ChatLog>;
  selected?: string;
  onSelect(id: string): void;
}

export function ConversationList({ conversations, logs, selected, onSelect }: Props) {
  return (
    <section className="conversations" aria-label="Conversations">
      <Subtitle2 as="h2">Conversations</Subtitle2>
      {conversations.length === 0 && <Caption1 className="subtle">None open.</Caption1>}
      <ul className="plain">
        {conversations.map((conversation) => (
          <li key={conversation.id}>
            <Row
              conversation={conversation}
              log={logs.get(conversation.id)}
              selected={conversation.id === selected}
              onSelect={onSelect}
            />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Row({
  conversation,
  log,
  selected,
  onSelect,
}: {
  conversation: Conversation;
  log?: ChatLog;
  selected: boolean;
  onSelect(id: string): void;
}) {
  const name = customerName(conversation.customer);
  const unread = log?.unread ?? 0;
  return (
    <ListButton selected={selected} onClick={() => onSelect(conversation.id)}>
      <span className={unread > 0 ? 'strong ellipsis' : 'ellipsis'}>{name}</span>
      <span className="grow" />
      {unread > 0 && (
        <>
          <CounterBadge count={unread} size="small" color="brand" aria-hidden="true" />
          <span className="visually-hidden">{unread} new</span>
        </>
      )}
      <Since conversation={conversation} log={log} />
    </ListButton>
  );
}

function Since({ conversation, log }: { conversation: Conversation; log?: ChatLog }) {
  const now = useNow();
  if (conversation.phase === 'wrapUp') {
    const endsAt = timeOf(conversation.timers?.['wrapUpEnds'] ?? conversation.dueAt);
    return (
      <Caption1 className="subtle">wrap-up{endsAt === undefined ? '' : ` ${formatCountdown(endsAt - now)}`}</Caption1>
    );
  }
  if (log?.unansweredSince !== undefined)
    return (
      <Caption1 className="waiting-answer" title={`Waits for an answer since ${formatExact(log.unansweredSince)}`}>
        {formatDuration(now - log.unansweredSince)}
      </Caption1>
    );
  const since = log?.acceptedAt ?? timeOf(conversation.startedAt);
  return (
    <Caption1 className="subtle" title={`Answered. With you since ${formatExact(since)}`}>
      {formatDuration(now - since)}
    </Caption1>
  );
}
