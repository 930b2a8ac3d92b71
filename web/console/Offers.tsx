// Region "Offers": each request offered to this person with its countdown, and what became of those that went elsewhere.
import {
  Button,
  Caption1,
  Link,
  MessageBar,
  MessageBarActions,
  MessageBarBody,
  Subtitle2,
  Text,
} from '@fluentui/react-components';
import { DismissRegular } from '@fluentui/react-icons/svg/dismiss';
import { useState } from 'react';
import type { Conversation } from './api.js';
import { api } from './api.js';
import type { OfferOutcome } from './offerOutcomes.js';
import { formatClock, formatCountdown, formatDuration, formatExact, timeOf } from './time.js';
import { useNow } from './useNow.js';
import { customerName, showValue } from './words.js';

type Answer = (offer: Conversation, command: () => Promise<unknown>, open: boolean) => Promise<void>;

interface Props {
  offers: Conversation[];
  outcomes: OfferOutcome[];
  selected?: string;
  onSelect(id: string): void;
  onAnswer: Answer;
  onDismiss(conversationId: string): void;
}

export function Offers({ offers, outcomes, selected, onSelect, onAnswer, onDismiss }: Props) {
  return (
    <section className="offers" aria-label="Offers">
      <Subtitle2 as="h2">Requests</Subtitle2>
      <div aria-live="polite" className="visually-hidden">
        {offers.length > 0 ? `${offers.length} ${offers.length === 1 ? 'request' : 'requests'} for you` : ''}
      </div>
      <ul className="plain">
        {offers.map((offer) => (
          <li key={offer.id}>
            <OfferCard offer={offer} selected={offer.id === selected} onSelect={onSelect} onAnswer={onAnswer} />
          </li>
        ))}
        {outcomes.map((outcome) => (
          <li key={outcome.conversationId}>
            <MessageBar intent="info" layout="multiline">
              <MessageBarBody>
                <strong>{outcome.customer}</strong>: {outcome.text},{' '}
                <time title={formatExact(outcome.at)}>{formatClock(outcome.at)}</time>
              </MessageBarBody>
              <MessageBarActions
                containerAction={
                  <Button
                    appearance="transparent"
                    size="small"
                    icon={<DismissRegular />}
                    aria-label={`Dismiss the notice about ${outcome.customer}`}
                    onClick={() => onDismiss(outcome.conversationId)}
                  />
                }
              />
            </MessageBar>
          </li>
        ))}
      </ul>
      {offers.length === 0 && outcomes.length === 0 && <Caption1 className="subtle">No requests for you.</Caption1>}
    </section>
  );
}

interface CardProps {
  offer: Conversation;
  selected: boolean;
  onSelect(id: string): void;
  onAnswer: Answer;
}

function OfferCard({ offer, selected, onSelect, onAnswer }: CardProps) {
  const now = useNow();
  const [busy, setBusy] = useState(false);
  const name = customerName(offer.customer);
  const waitingSince = timeOf(offer.waitingSince);
  const lapsesAt = timeOf(offer.timers?.['offerLapses'] ?? offer.dueAt);
  const displayed = Object.entries(offer.context).filter(([, { displayable }]) => displayable);

  async function answer(command: () => Promise<unknown>, open: boolean): Promise<void> {
    setBusy(true);
    await onAnswer(offer, command, open);
    setBusy(false);
  }

  return (
    <article className={selected ? 'offer selected' : 'offer'} aria-label={`Request from ${name}`}>
      <div className="row">
        <Link as="button" className="strong ellipsis" onClick={() => onSelect(offer.id)} title="Read before you answer">
          {name}
        </Link>
        <Caption1 className="subtle ellipsis">{offer.queueName ?? offer.queue}</Caption1>
      </div>
      {waitingSince !== undefined && (
        <Caption1 className="subtle" title={formatExact(waitingSince)}>
          waiting {formatDuration(now - waitingSince)}
        </Caption1>
      )}
      {offer.skills && <Text size={200}>requires {offer.skills.join(', ')}</Text>}
      {displayed.length > 0 && (
        <Text size={200} className="ellipsis">
          {displayed.map(([variable, { value }]) => `${variable}: ${showValue(value)}`).join(' · ')}
        </Text>
      )}
      {offer.summary && (
        <Text size={200} className="clamp" italic>
          {offer.summary}
        </Text>
      )}
      <div className="row">
        <Button
          appearance="primary"
          size="small"
          disabled={busy}
          onClick={() => void answer(() => api.accept(offer.id), true)}
        >
          Accept
        </Button>
        <Button size="small" disabled={busy} onClick={() => void answer(() => api.reject(offer.id), false)}>
          Reject
        </Button>
        <span className="grow" />
        {lapsesAt !== undefined && (
          <time
            role="timer"
            aria-label="Time left to answer"
            className={lapsesAt - now < 20_000 ? 'countdown soon' : 'countdown'}
            title={`Lapses ${formatExact(lapsesAt)}`}
          >
            {formatCountdown(lapsesAt - now)}
          </time>
        )}
      </div>
    </article>
  );
}
