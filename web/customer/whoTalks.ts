// Who the customer is talking to, told by the system's own activities in the order in which they arrive.
import type { SeenActivity } from '../shared/handoffActivity.js';
import { readHandoff } from '../shared/handoffActivity.js';

export type WhoTalks =
  | { kind: 'bot'; name?: string }
  | { kind: 'waiting'; position?: number; asking?: string }
  | { kind: 'agent'; name: string }
  | { kind: 'between' }
  | { kind: 'closed' };

export const atStart: WhoTalks = { kind: 'bot' };

/** A replay after a reconnect repeats the same activities in the same order, so folding them again ends in the same state. */
export function whoTalksAfter(before: WhoTalks, activity: SeenActivity): WhoTalks {
  if (activity.type === 'endOfConversation') return { kind: 'closed' };
  const told = readHandoff(activity);
  switch (told.kind) {
    case 'queued':
      return { kind: 'waiting', position: told.position };
    case 'position':
      return before.kind === 'waiting' ? { ...before, position: told.position ?? before.position } : before;
    case 'offered':
      return {
        kind: 'waiting',
        position: before.kind === 'waiting' ? before.position : told.position,
        asking: told.agent?.name,
      };
    case 'agentJoined':
      return { kind: 'agent', name: told.agent?.name ?? told.agent?.id ?? 'a colleague' };
    case 'agent':
      return { kind: 'agent', name: told.agent?.name ?? activity.from?.name ?? 'a colleague' };
    case 'agentLeft':
      return { kind: 'between' };
    case 'backWithBot':
      return { kind: 'bot', name: told.bot?.name };
    case 'closed':
      return { kind: 'closed' };
    case 'nobodyAvailable':
    case 'botFailed':
    default:
      return before;
  }
}
