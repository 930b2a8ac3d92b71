// The staff API as this page uses it: its shapes, and one function per call.
import { callServer } from '../shared/http.js';
import type { SeenActivity } from '../shared/handoffActivity.js';

export type Phase = 'bot' | 'queued' | 'offered' | 'agent' | 'waiting' | 'wrapUp' | 'closed';
export type Presence = 'available' | 'busy' | 'doNotDisturb' | 'away' | 'inactive' | 'offline';
/** A point in time: epoch milliseconds or ISO 8601. */
export type Instant = number | string;

export interface Named {
  id: string;
  name?: string;
}

export interface Me {
  id: string;
  name: string;
  roles: string[];
  presence: Presence;
  capacity?: number;
  load?: number;
  queues?: string[];
}

/** Who is offered conversations; supervisors and administrators may have no part in that. */
export const takesRequests = ({ roles, capacity }: Me) => roles.includes('agent') || (capacity ?? 0) > 0;

export type VariableValue = string | number | boolean | null | (string | number | boolean)[];

export interface Conversation {
  id: string;
  phase: Phase;
  epoch: number;
  queue?: string;
  queueName?: string;
  agent?: Named;
  bot?: string | Named;
  position?: number;
  /** What people need to have to be offered it. */
  skills?: string[];
  waitingSince?: Instant;
  dueAt?: Instant;
  timers?: Record<string, Instant>;
  customer: Named;
  context: Record<string, { value: VariableValue; displayable: boolean }>;
  summary?: string;
  /** Times somebody would have been asked for, in a work stream that only observes. */
  observedEscalations?: number;
  startedAt: Instant;
  /** Since when its present holder has it. */
  heldSince?: Instant;
}

export interface LogEntry {
  seq: number;
  at: Instant;
  type: string;
  audience: 'everyone' | 'staff';
  by: { role: 'customer' | 'bot' | 'agent' | 'supervisor' | 'system'; id: string; name?: string };
  activity?: SeenActivity;
  reason?: string;
  /** On `draftResolved`, `edited` and `deleted`: the entry it is about. */
  target?: number;
}

export interface RouteReceipt {
  /** Of the entry that has it. */
  seq: number;
  kind: 'route';
  at: Instant;
  ruleSetVersion: number;
  rules: {
    rule: number;
    matched: boolean;
    skipped?: string;
    conditions: { variable: string; operator: string; expected?: unknown; actual?: unknown; result: boolean }[];
  }[];
  /** Rules that do not hold beyond those listed. */
  omitted?: number;
  /** Of one receipt asked for: why some rules are not listed all the same. */
  omittedBecause?: string;
  by?: string;
  /** Who or what asked for a person, in words, where that is why it was routed. */
  because?: string;
  queue?: string;
  bot?: string;
  candidates?: { id: string; excluded?: string }[];
  /** The work stream only observes: it would have gone there. */
  observed?: boolean;
}

export interface AssignReceipt {
  seq: number;
  kind: 'assign';
  at: Instant;
  queue?: string;
  method?: string;
  candidates?: { id: string; excluded?: string; load?: number; capacity?: number }[];
  chosen?: string;
  tieBreak?: string;
}

export type Receipt = RouteReceipt | AssignReceipt;

export interface Queue {
  id: string;
  name?: string;
  members?: (string | Named)[];
  /** Queued or offered. */
  waiting?: number;
  oldestWaitingSince?: Instant;
}

export interface Agent {
  id: string;
  name: string;
  roles?: string[];
  presence: Presence;
  capacity?: number;
  load?: number;
}

export interface ChatToken {
  token: string;
  conversationId: string;
  domain: string;
  expires_in: number;
}

export type TransferTarget = { queue: string } | { agent: string } | { bot: string };

interface Page<T> {
  items: T[];
  next?: string;
}

/** More rows than a person can look through; the rest stays in its queue. */
const MOST_PAGES = 10;

async function readPages<T>(path: string): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < MOST_PAGES; page++) {
    const url = cursor ? `${path}${path.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(cursor)}` : path;
    const { items: more, next } = await callServer<Page<T>>('GET', url);
    items.push(...more);
    if (!next) break;
    cursor = next;
  }
  return items;
}

const at = (id: string, verb = '') => `/api/v1/conversations/${encodeURIComponent(id)}${verb}`;
const post = (id: string, verb: string, body: unknown = {}) => callServer<Conversation>('POST', at(id, verb), body);

export const api = {
  /** Refused where the live line would be, with the reason that a browser does not tell of a socket. */
  ticket: () => callServer<{ ticket: string }>('POST', '/api/v1/ticket', {}),
  me: () => callServer<Me>('GET', '/api/v1/me'),
  setPresence: (presence: Presence) => callServer<Me>('PUT', '/api/v1/me/presence', { presence }),
  conversationsOf: (agentId: string) =>
    readPages<Conversation>(
      `/api/v1/conversations?phase=offered,agent,waiting,wrapUp&agent=${encodeURIComponent(agentId)}`,
    ),
  conversationsIn: (...phases: Phase[]) => readPages<Conversation>(`/api/v1/conversations?phase=${phases.join(',')}`),
  conversation: (id: string) => callServer<Conversation>('GET', at(id)),
  receipts: async (id: string) => (await callServer<Page<Receipt>>('GET', at(id, '/receipts'))).items,
  /** With every rule that was looked at. */
  routeReceipt: (id: string, seq: number) => callServer<RouteReceipt>('GET', at(id, `/receipts/${seq}`)),
  log: async (id: string, afterSeq: number): Promise<LogEntry[]> => {
    const entries: LogEntry[] = [];
    let after = afterSeq;
    for (;;) {
      const page = await callServer<{ entries: LogEntry[]; next?: number | string }>(
        'GET',
        at(id, `/log?after=${after}`),
      );
      entries.push(...page.entries);
      const last = page.entries[page.entries.length - 1];
      if (page.next === undefined || page.next === null || !last || last.seq <= after) return entries;
      after = last.seq;
    }
  },
  chatToken: (id: string) => callServer<ChatToken>('POST', at(id, '/token'), {}),
  accept: (id: string) => post(id, '/accept'),
  reject: (id: string) => post(id, '/reject'),
  pick: (id: string) => post(id, '/pick'),
  returnToBot: (id: string) => post(id, '/return'),
  transfer: (id: string, to: TransferTarget) => post(id, '/transfer', { to }),
  end: (id: string) => post(id, '/end'),
  close: (id: string) => post(id, '/close'),
  resolveDraft: (id: string, seq: number, send: boolean, text?: string) =>
    post(id, `/drafts/${seq}/${send ? 'send' : 'discard'}`, text === undefined ? {} : { text }),
  note: (id: string, text: string) => post(id, '/messages', { type: 'message', text, audience: 'staff' }),
  queues: async () => (await callServer<Page<Queue>>('GET', '/api/v1/queues')).items,
  agents: async () => (await callServer<Page<Agent>>('GET', '/api/v1/agents')).items,
  pairingCode: () =>
    callServer<{ code: string; write: string; expires_in: number }>('POST', '/api/v1/me/pairing-code', {}),
  signInLinks: async () =>
    (await callServer<{ signIn?: { id: string; name: string; url: string }[] }>('GET', '/api/widget/config')).signIn ??
    [],
};

export type StaffApi = typeof api;
