// Region "Context": everything known about the open conversation besides its messages.
import { Badge, Caption1, Subtitle2, Text } from '@fluentui/react-components';
import type { ReactNode } from 'react';
import type { Conversation, Receipt } from './api.js';
import { formatCountdown, formatExact, timeOf } from './time.js';
import { useNow } from './useNow.js';
import { WhyHere } from './WhyHere.js';
import { showValue, timerWords } from './words.js';

interface Props {
  conversation?: Conversation;
  receipts: Receipt[];
}

export function ContextPanel({ conversation, receipts }: Props) {
  if (!conversation)
    return (
      <Part title="Context">
        <Caption1 className="subtle">Open a conversation to see what is known about it.</Caption1>
      </Part>
    );
  return (
    <>
      {conversation.summary && (
        <Part
          title="Summary"
          mark={
            <Badge appearance="tint" color="warning" size="small">
              private
            </Badge>
          }
        >
          <Text block className="pre-line">
            {conversation.summary}
          </Text>
        </Part>
      )}
      <Part title="Context">
        <Variables context={conversation.context} />
      </Part>
      <Part title="Customer">
        <dl className="facts">
          <dt>Name</dt>
          <dd>{conversation.customer.name ?? '—'}</dd>
          <dt>Id</dt>
          <dd className="breakable">{conversation.customer.id}</dd>
          <dt>Since</dt>
          <dd>{formatExact(timeOf(conversation.startedAt))}</dd>
          <dt>Conversation</dt>
          <dd className="breakable">{conversation.id}</dd>
        </dl>
      </Part>
      <Part title="Why is it here">
        <WhyHere key={conversation.id} conversationId={conversation.id} receipts={receipts} />
      </Part>
      <Part title="Timers">
        <TimerList conversation={conversation} />
      </Part>
    </>
  );
}

function Part({ title, mark, children }: { title: string; mark?: ReactNode; children: ReactNode }) {
  return (
    <div className="part">
      <div className="row">
        <Subtitle2 as="h2">{title}</Subtitle2>
        {mark}
      </div>
      {children}
    </div>
  );
}

function Variables({ context }: Pick<Conversation, 'context'>) {
  const names = Object.keys(context).sort(
    (a, b) => Number(context[b]!.displayable) - Number(context[a]!.displayable) || a.localeCompare(b),
  );
  if (names.length === 0) return <Caption1 className="subtle">No variables.</Caption1>;
  return (
    <dl className="facts">
      {names.map((name) => (
        <div key={name} className="variable">
          <dt title={name}>{name}</dt>
          <dd className="breakable">
            {showValue(context[name]!.value)}
            {!context[name]!.displayable && (
              <Badge
                appearance="outline"
                color="informative"
                size="small"
                className="raw"
                title="Not marked as displayable: the raw value"
              >
                raw
              </Badge>
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function TimerList({ conversation }: { conversation: Conversation }) {
  const now = useNow();
  const timers = Object.entries(conversation.timers ?? {});
  const dueAt = timeOf(conversation.dueAt);
  const rows =
    timers.length > 0
      ? timers.map(([name, at]) => [timerWords(name), timeOf(at)] as const)
      : dueAt
        ? [['Next deadline', dueAt] as const]
        : [];
  if (rows.length === 0) return <Caption1 className="subtle">None running.</Caption1>;
  return (
    <dl className="facts">
      {[...rows]
        .sort(([, a], [, b]) => a - b)
        .map(([words, at]) => (
          <div key={words} className="variable">
            <dt>{words}</dt>
            <dd className="numbers" title={formatExact(at)}>
              {formatCountdown(at - now)}
            </dd>
          </div>
        ))}
    </dl>
  );
}
