// The chat's head: who is talking, whether the connection is up, and the way out of the line.
import { initialsOf } from '../shared/handoffActivity.js';
import type { Connection } from './CustomerChat.js';
import type { WhoTalks } from './whoTalks.js';

interface Props {
  who: WhoTalks;
  botName: string;
  bankName: string;
  connection: Connection;
  leaving: boolean;
  onLeaveLine(): void;
}

interface Headline {
  name: string;
  detail: string;
  tone: 'bot' | 'person' | 'waiting' | 'quiet';
}

function headlineFor(who: WhoTalks, botName: string, bankName: string): Headline {
  switch (who.kind) {
    case 'bot':
      return { name: who.name ?? botName, detail: 'Virtual assistant', tone: 'bot' };
    case 'waiting': {
      const place = who.position ? `number ${who.position} in line` : 'in line';
      return { name: `Waiting – ${place}`, detail: 'A person will take over here', tone: 'waiting' };
    }
    case 'agent':
      return { name: who.name, detail: `From ${bankName}`, tone: 'person' };
    case 'between':
      return { name: bankName, detail: who.left ? `${who.left} has left` : 'One moment, please', tone: 'quiet' };
    case 'closed':
      return { name: 'Chat closed', detail: 'Thank you for talking to us', tone: 'quiet' };
  }
}

const CONNECTION_WORDS: Record<Connection, string> = {
  connecting: 'connecting…',
  online: 'online',
  lost: 'offline',
  expired: 'reconnecting…',
};

export function WidgetHeader({ who, botName, bankName, connection, leaving, onLeaveLine }: Props) {
  const { name, detail, tone } = headlineFor(who, botName, bankName);
  return (
    <>
      <header className="widget-head">
        <span aria-hidden="true" className={`initials initials-head initials-${tone}`}>
          {tone === 'waiting' ? '•••' : who.kind === 'closed' ? '✓' : initialsOf(name)}
        </span>
        <div className="widget-who">
          <h2 aria-live="polite">{name}</h2>
          <p>{detail}</p>
        </div>
        {who.kind !== 'closed' && (
          <span className={`connection connection-${connection}`} role="status">
            {CONNECTION_WORDS[connection]}
          </span>
        )}
      </header>
      {who.kind === 'waiting' && (
        <div className="queue-strip">
          <span>{who.asking ? `${who.asking} is being asked` : 'The chat stays open while you wait.'}</span>
          <button type="button" className="leave" onClick={onLeaveLine} disabled={leaving || connection !== 'online'}>
            {leaving ? 'Leaving…' : 'Leave the line'}
          </button>
        </div>
      )}
    </>
  );
}
