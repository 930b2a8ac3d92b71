// What the hub writes into `channelData.handoff` of the activities it tells or relays, read once here for both pages.

export interface NamedParty {
  id: string;
  name?: string;
}

/** The stages of a handoff that a customer is told about. */
export type ToldKind =
  | 'queued'
  | 'position'
  | 'offered'
  | 'agentJoined'
  | 'agentLeft'
  | 'backWithBot'
  | 'nobodyAvailable'
  | 'closed'
  | 'botFailed';

/** What an entry only staff may see is. */
export type StaffKind = 'note' | 'draft' | 'summary' | 'system';

export interface HandoffData {
  kind?: ToldKind | StaffKind | 'agent' | (string & {});
  audience?: 'everyone' | 'staff';
  position?: number;
  agent?: NamedParty;
  bot?: NamedParty;
  queue?: string | NamedParty;
}

/** The part of a Bot Framework activity that these pages read. */
export interface SeenActivity {
  id?: string;
  type: string;
  name?: string;
  text?: string;
  timestamp?: string;
  from?: { id?: string; name?: string; role?: string };
  channelData?: unknown;
}

const SYSTEM_ID = 'system';

export function readHandoff(activity: SeenActivity): HandoffData {
  const data = activity.channelData as { handoff?: HandoffData } | undefined;
  return (typeof data === 'object' && data?.handoff) || {};
}

export function isFromSystem(activity: SeenActivity): boolean {
  return activity.from?.id === SYSTEM_ID;
}

export function isPrivate(activity: SeenActivity): boolean {
  return readHandoff(activity).audience === 'staff';
}

/** "Ana Maria Lopez" → "AL"; one word → its first two letters. */
export function initialsOf(name: string): string {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const first = words[0];
  if (!first) return '?';
  const last = words.length > 1 ? words[words.length - 1] : undefined;
  const letters = last ? [...first].slice(0, 1).concat([...last].slice(0, 1)) : [...first].slice(0, 2);
  return letters.join('').toUpperCase();
}
