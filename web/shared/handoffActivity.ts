// What the hub writes into `channelData.handoff` of the activities it tells or relays, read once here for both pages.

export interface NamedParty {
  id: string;
  name?: string;
}

const TOLD_KINDS = [
  'queued',
  'position',
  'offered',
  'agentJoined',
  'agentLeft',
  'botJoined',
  'backWithBot',
  'nobodyAvailable',
  'nobodyCame',
  'closed',
  'botFailed',
] as const;

/** The stages of a handoff that a customer is told about. */
export type ToldKind = (typeof TOLD_KINDS)[number];

export interface HandoffData {
  /** A ToldKind on what the hub tells, `note`, `draft` or `summary` on what only staff see, `deleted` on what is gone. */
  kind?: string;
  audience?: 'everyone' | 'staff';
  position?: number;
  agent?: NamedParty;
  bot?: NamedParty;
  /** Titles of the buttons the customer had, for a reader who must not press them. */
  choices?: string[];
}

/** The part of a Bot Framework activity that these pages read. */
export interface SeenActivity {
  id?: string;
  type: string;
  name?: string;
  text?: string;
  timestamp?: string;
  from?: { id?: string; name?: string; role?: string };
  value?: unknown;
  channelData?: unknown;
}

const SYSTEM_ID = 'system';

const EVENT_PREFIX = 'handoff.';

export function readHandoff(activity: SeenActivity): HandoffData {
  const data = activity.channelData as { handoff?: HandoffData } | null | undefined;
  const mark = (typeof data === 'object' && data?.handoff) || {};
  // What only concerns programs comes as an event: `handoff.position` with `{position}` as its value.
  if (activity.type !== 'event' || !isFromSystem(activity) || !activity.name?.startsWith(EVENT_PREFIX)) return mark;
  return { ...(activity.value as HandoffData | undefined), kind: activity.name.slice(EVENT_PREFIX.length), ...mark };
}

export function isFromSystem(activity: SeenActivity): boolean {
  return activity.from?.id === SYSTEM_ID;
}

export function isPrivate(activity: SeenActivity): boolean {
  return readHandoff(activity).audience === 'staff';
}

export function isDeleted(activity: SeenActivity): boolean {
  return readHandoff(activity).kind === 'deleted';
}

/** What this activity tells about who has the conversation, if it does. Later kinds that this page does not know tell it nothing. */
export function toldKind(activity: SeenActivity): ToldKind | undefined {
  const { kind } = readHandoff(activity);
  return TOLD_KINDS.find((known) => known === kind);
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
