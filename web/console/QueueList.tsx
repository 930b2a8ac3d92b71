// Region "Queues": how many wait where and how long, and, for a member of the queue, taking one from the line.
import { Button, Caption1, Subtitle2 } from '@fluentui/react-components';
import type { Conversation, Me, Queue } from './api.js';
import { api } from './api.js';
import { useDesk } from './useDesk.js';
import { ListButton } from './ListButton.js';
import { formatDuration, formatExact, timeOf } from './time.js';
import { useNow } from './useNow.js';
import { customerName } from './words.js';

interface Props {
  me: Me;
  selected?: string;
  onSelect(id: string): void;
  onPick(conversation: Conversation, command: () => Promise<unknown>): Promise<void>;
}

const memberIds = (queue: Queue) =>
  (queue.members ?? []).map((member) => (typeof member === 'string' ? member : member.id));

/** Rows shown per queue; the count tells of the rest. */
const MOST_ROWS = 20;

export function QueueList({ me, selected, onSelect, onPick }: Props) {
  const [{ queues, queued, me: current }] = useDesk();
  const isMember = (queue: Queue) => memberIds(queue).includes(me.id) || (current?.queues?.includes(queue.id) ?? false);
  const seesAll = me.roles.includes('supervisor') || me.roles.includes('administrator');
  const shown = queues.filter((queue) => isMember(queue) || seesAll);
  return (
    <section className="queues" aria-label="Queues">
      <Subtitle2 as="h2">Queues</Subtitle2>
      {shown.length === 0 && <Caption1 className="subtle">You are a member of no queue.</Caption1>}
      {shown.map((queue) => {
        const waiting = queued
          .filter((conversation) => conversation.queue === queue.id)
          .sort((a, b) => (a.position ?? Infinity) - (b.position ?? Infinity));
        return (
          <div key={queue.id}>
            <QueueHead queue={queue} waiting={waiting} />
            <ul className="plain">
              {waiting.slice(0, MOST_ROWS).map((conversation) => (
                <WaitingRow
                  key={conversation.id}
                  conversation={conversation}
                  selected={conversation.id === selected}
                  canPick={isMember(queue)}
                  onSelect={onSelect}
                  onPick={onPick}
                />
              ))}
            </ul>
          </div>
        );
      })}
    </section>
  );
}

function QueueHead({ queue, waiting }: { queue: Queue; waiting: Conversation[] }) {
  const now = useNow();
  // Whoever is being offered to somebody waits, too, but cannot be picked: the server's count has them.
  const since = [queue.oldestWaitingSince, ...waiting.map(({ waitingSince }) => waitingSince)];
  const longest = Math.min(...since.map((at) => timeOf(at) ?? Infinity));
  return (
    <div className="row queue-head">
      <span className="ellipsis">{queue.name ?? queue.id}</span>
      <span className="grow" />
      <Caption1 className="subtle">
        {queue.waiting ?? waiting.length}
        {Number.isFinite(longest) ? ` · ${formatDuration(now - longest)}` : ''}
      </Caption1>
    </div>
  );
}

interface RowProps {
  conversation: Conversation;
  selected: boolean;
  canPick: boolean;
  onSelect(id: string): void;
  onPick: Props['onPick'];
}

function WaitingRow({ conversation, selected, canPick, onSelect, onPick }: RowProps) {
  const now = useNow();
  const since = timeOf(conversation.waitingSince);
  return (
    <li className="row">
      <ListButton selected={selected} onClick={() => onSelect(conversation.id)}>
        <span className="ellipsis">{customerName(conversation.customer)}</span>
        <span className="grow" />
        {since !== undefined && (
          <Caption1 className="subtle" title={`Waiting since ${formatExact(since)}`}>
            {formatDuration(now - since)}
          </Caption1>
        )}
      </ListButton>
      {canPick && (
        <Button size="small" onClick={() => void onPick(conversation, () => api.pick(conversation.id))}>
          Pick
        </Button>
      )}
    </li>
  );
}
