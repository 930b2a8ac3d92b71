// Region "With people": for supervisors, every conversation that somebody else is offered, holds or wraps up.
import { Caption1, Subtitle2 } from '@fluentui/react-components';
import type { Conversation } from './api.js';
import { ListButton } from './ListButton.js';
import { formatDuration, formatExact, timeOf } from './time.js';
import { useNow } from './useNow.js';
import { customerName } from './words.js';

interface Props {
  conversations: Conversation[];
  selected?: string;
  onSelect(id: string): void;
}

export function OthersList({ conversations, selected, onSelect }: Props) {
  return (
    <section className="others" aria-label="With people">
      <Subtitle2 as="h2">With people</Subtitle2>
      {conversations.length === 0 && <Caption1 className="subtle">Nobody is being served.</Caption1>}
      <ul className="plain">
        {conversations.map((conversation) => (
          <li key={conversation.id}>
            <ListButton selected={conversation.id === selected} onClick={() => onSelect(conversation.id)}>
              <span className="ellipsis">{customerName(conversation.customer)}</span>
              <span className="grow" />
              <WithWhom conversation={conversation} />
            </ListButton>
          </li>
        ))}
      </ul>
    </section>
  );
}

function WithWhom({ conversation }: { conversation: Conversation }) {
  const now = useNow();
  const { phase, agent, heldSince } = conversation;
  const who = agent?.name ?? agent?.id ?? 'nobody';
  const since = timeOf(heldSince);
  const held = phase === 'agent' && since !== undefined && !Number.isNaN(since);
  return (
    <Caption1 className="subtle" title={held ? `Since ${formatExact(since)}` : undefined}>
      {phase === 'offered' ? `offered to ${who}` : phase === 'wrapUp' ? `wrap-up, ${who}` : who}
      {held ? ` ${formatDuration(now - since)}` : ''}
    </Caption1>
  );
}
