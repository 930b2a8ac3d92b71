// Words and colours for what the API names: presences, timers, operators, log reasons.
import type { Conversation, Presence } from './api.js';

/** Anonymous visitors have a long id and no name: the end of the id tells two of them apart. */
export function customerName({ id, name }: Partial<Conversation['customer']>): string {
  if (name) return name;
  return id === undefined || id.startsWith('dl_') || id.startsWith('r_')
    ? `Visitor ${(id ?? '').slice(-4)}`.trim()
    : id;
}

export const PRESENCE_WORDS: Record<Presence, string> = {
  available: 'Available',
  busy: 'Busy',
  doNotDisturb: 'Do not disturb',
  away: 'Away',
  inactive: 'Inactive (missed a request)',
  offline: 'Offline',
};

/** What a person can choose; `inactive` is only ever set by a missed request. */
export const CHOOSABLE: Presence[] = ['available', 'busy', 'doNotDisturb', 'away', 'offline'];

/** Fluent's badge for each presence. */
export const PRESENCE_BADGE: Record<Presence, 'available' | 'busy' | 'do-not-disturb' | 'away' | 'offline'> = {
  available: 'available',
  busy: 'busy',
  doNotDisturb: 'do-not-disturb',
  away: 'away',
  inactive: 'away',
  offline: 'offline',
};

const TIMER_WORDS: Record<string, string> = {
  botIdle: 'Bot chat ends',
  queueLimit: 'Waited too long',
  offerLapses: 'Request lapses',
  agentSilent: 'Taken back for silence',
  waitingLimit: 'Closed for inactivity',
  wrapUpEnds: 'Wrap-up ends',
  surveyEnds: 'Survey ends',
  customerGone: 'Ends: customer gone',
  agentGone: 'Handed on: person gone',
};

export const timerWords = (name: string) => TIMER_WORDS[name] ?? name;

const OPERATOR_WORDS: Record<string, string> = {
  equals: 'equals',
  notEquals: 'does not equal',
  contains: 'contains',
  notContains: 'does not contain',
  beginsWith: 'begins with',
  endsWith: 'ends with',
  hasData: 'has a value',
  hasNoData: 'has no value',
  gt: '>',
  gte: '≥',
  lt: '<',
  lte: '≤',
  in: 'is one of',
  notIn: 'is none of',
  matches: 'matches',
};

export const operatorWords = (operator: string) => OPERATOR_WORDS[operator] ?? operator;

const EXCLUSION_WORDS: Record<string, string> = {
  skill: 'lacks a required skill',
  presence: 'not available',
  capacity: 'at capacity',
  declined: 'declined it too often',
  excluded: 'gave it away just now',
  loopGuard: 'escalated it before',
  escalation: 'a person is needed',
  laterMember: 'another bot comes first',
};

export const exclusionWords = (code: string) => EXCLUSION_WORDS[code] ?? code;

const METHOD_WORDS: Record<string, string> = {
  highestCapacity: 'most free capacity',
  roundRobin: 'their turn',
  longestIdle: 'longest without a chat',
};

export const methodWords = (method: string) => METHOD_WORDS[method] ?? method;

export function showValue(value: unknown): string {
  if (value === null || value === undefined) return '—';
  if (Array.isArray(value)) return value.map(showValue).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
