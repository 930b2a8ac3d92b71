// The middle of the desk while no conversation is open: what will happen next, given the person's presence.
import { Body1, Button, Subtitle1 } from '@fluentui/react-components';
import type { Me } from './api.js';
import { api, takesRequests } from './api.js';

interface Props {
  me: Me;
  hasOffers: boolean;
  problem?: string;
  onAct(what: string, command: () => Promise<unknown>): Promise<boolean>;
}

function wordsFor(me: Me): { title: string; text: string; canGoAvailable: boolean } {
  if (!takesRequests(me))
    return me.roles.includes('supervisor')
      ? {
          title: 'Nothing open',
          text: 'Open a conversation on the left to read along.',
          canGoAvailable: false,
        }
      : {
          title: 'No conversations for you',
          text: 'You see how many wait. What is said is for those who serve them, and for supervisors.',
          canGoAvailable: false,
        };
  switch (me.presence) {
    case 'available':
      return {
        title: 'Nothing to do right now',
        text: 'You are available; the next request comes to you.',
        canGoAvailable: false,
      };
    case 'busy':
      return {
        title: 'You are busy',
        text: 'New requests go to others. You can still pick from a queue.',
        canGoAvailable: true,
      };
    case 'doNotDisturb':
      return {
        title: 'Do not disturb',
        text: 'Nothing new comes to you. Your conversations stay with you.',
        canGoAvailable: true,
      };
    case 'away':
      return { title: 'You are away', text: 'New requests go to others until you are back.', canGoAvailable: true };
    case 'inactive':
      return {
        title: 'You missed a request',
        text: 'Nothing more is sent to you until you say that you are back.',
        canGoAvailable: true,
      };
    case 'offline':
      return {
        title: 'You are offline',
        text: 'Nobody is sent to you. Go available to take requests.',
        canGoAvailable: true,
      };
  }
}

export function NothingOpen({ me, hasOffers, problem, onAct }: Props) {
  if (problem) return <EmptyState title="This conversation cannot be shown" text={problem} />;
  if (hasOffers)
    return <EmptyState title="A request is waiting for you" text="Accept it on the left, or open it to read first." />;
  const { title, text, canGoAvailable } = wordsFor(me);
  return (
    <EmptyState title={title} text={text}>
      {canGoAvailable && (
        <Button appearance="primary" onClick={() => void onAct('Presence', () => api.setPresence('available'))}>
          Go available
        </Button>
      )}
    </EmptyState>
  );
}

function EmptyState({ title, text, children }: { title: string; text: string; children?: React.ReactNode }) {
  return (
    <div className="empty">
      <Subtitle1 as="h2">{title}</Subtitle1>
      <Body1 as="p">{text}</Body1>
      {children}
    </div>
  );
}
