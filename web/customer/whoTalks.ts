// Who the customer is talking to, told by the system's own activities in the order in which they arrive.
import type { SeenActivity } from '../shared/handoffActivity.js';
import { readHandoff, toldKind } from '../shared/handoffActivity.js';

export type WhoTalks =
  | { kind: 'bot'; name?: string }
  | { kind: 'waiting'; position?: number; asking?: string }
  | { kind: 'agent'; name: string }
  /** A person has left and nobody has it yet, or the person is finishing it. */
  | { kind: 'between'; left?: string }
  | { kind: 'closed' };

export const atStart: WhoTalks = { kind: 'bot' };

/** A replay after a reconnect repeats the same activities in the same order, so folding them again ends in the same state. */
export function whoTalksAfter(before: WhoTalks, activity: SeenActivity): WhoTalks {
  const kind = activity.type === 'endOfConversation' ? 'closed' : toldKind(activity);
  if (!kind) return before;
  const { position, agent, bot } = readHandoff(activity);
  switch (kind) {
    case 'queued':
      return { kind: 'waiting', position };
    case 'position':
      return before.kind === 'waiting' ? { ...before, position: position ?? before.position } : before;
    case 'offered':
      return { kind: 'waiting', position: before.kind === 'waiting' ? before.position : position, asking: agent?.name };
    case 'agentJoined':
      return { kind: 'agent', name: agent?.name ?? agent?.id ?? 'A colleague' };
    case 'agentLeft':
      return { kind: 'between', left: agent?.name };
    case 'botJoined':
    case 'backWithBot':
      return { kind: 'bot', name: bot?.name };
    case 'closed':
      return { kind: 'closed' };
    case 'nobodyAvailable':
      return { kind: 'waiting', position: position ?? (before.kind === 'waiting' ? before.position : undefined) };
    // Both are followed by who has it next.
    case 'nobodyCame':
    case 'botFailed':
      return before;
  }
}
