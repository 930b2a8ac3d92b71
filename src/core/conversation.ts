// One customer's chat: the words, the events that make up its log, and the state they fold to.
//
// Glossary: a conversation is always in one PHASE (who holds it); the EPOCH counts changes of holder; a SESSION is one
// holder's stretch. An ENTRY of the log is an envelope (who, what, when, for whom) and a body (texts, context, receipts).
// Phase, holder, timers and load depend on envelopes only, so a body can be erased without changing who holds what.

import type { Activity } from './activity.js';
import type { ContextVariables, ContextVariable } from './context.js';
import type { Dialect } from './escalation.js';
import type { RouteReceipt } from './routing.js';
import type { AssignReceipt } from './assignment.js';
import type { TextName } from './directory.js';

export type Role = 'customer' | 'bot' | 'agent' | 'supervisor' | 'system';

/** Somebody who takes part. An `agent` is a PERSON who serves. */
export interface Party {
  readonly role: Role;
  readonly id: string;
}

export const SYSTEM: Party = { role: 'system', id: 'system' };

export type Audience = 'everyone' | 'staff';
export type Phase = 'bot' | 'queued' | 'offered' | 'agent' | 'waiting' | 'wrapUp' | 'closed';

/** Names of deadlines; each phase but `closed` has at least one. Values are epoch milliseconds. */
export type TimerName =
  | 'botIdle'
  | 'queueLimit'
  | 'offerLapses'
  | 'agentSilent'
  | 'waitingLimit'
  | 'wrapUpEnds'
  | 'surveyEnds'
  | 'customerGone'
  | 'agentGone';
export type Timers = Partial<Record<TimerName, number>>;
/** null clears a timer. A change of phase clears all timers that its event does not set. */
export type TimerPatch = Partial<Record<TimerName, number | null>>;

/** `trigger:…`: the work stream's own triggers, without the bot's doing. */
export type EscalationReason =
  'signal' | 'trigger:phrase' | 'trigger:fallback' | 'trigger:botError' | 'customer' | 'botUnavailable';
/** `start`: the rules led to people from the start. */
export type ObservedReason = EscalationReason | 'start';
export type QueuedCause =
  'started' | 'escalated' | 'transferred' | 'overflow' | 'agentGone' | 'customerWrote' | 'silent';
export type ReturnReason = 'returned' | 'cancelled' | 'failed' | 'transferred';
export type EndReason = 'agentEnded' | 'customerLeft' | 'customerGone' | 'silent';
export type CloseReason =
  | 'botEnded'
  | 'customerLeft'
  | 'customerGone'
  | 'inactive'
  | 'queueLimit'
  | 'botFailed'
  | 'agentEnded'
  | 'wrapUpOver'
  | 'forced';

/** What the bot is told when it gets the conversation back (`value.message` of handoff.status). */
export interface SessionSummary {
  outcome: string;
  agent?: { id: string; name: string };
  startedAt: string;
  endedAt: string;
  queue?: string;
  /** Names of the variables that changed while people had the conversation. */
  contextChanged: string[];
  summary?: string;
}

export interface Channel {
  /** `directline`, or the Bot Framework channel id of a conversation that came in by middleware. */
  readonly id: string;
  /** Foreign channels only: bot, channel, channel conversation and user in one key; one open conversation each. */
  readonly key?: string;
  /** Name of the connection it came in by, where one channel has several; its id names it otherwise. */
  readonly via?: string;
}

/** Everything that is personal or may be erased. */
export interface Body {
  activity?: Activity;
  variables?: ContextVariables;
  summary?: string;
  receipt?: RouteReceipt | AssignReceipt;
  session?: SessionSummary;
  customerName?: string;
  locale?: string;
  /** Foreign channels: where to send (a Bot Framework ConversationReference). */
  reference?: unknown;
  note?: string;
}

interface Common {
  readonly v: 1;
  readonly at: number;
  readonly by: Party;
  readonly audience: Audience;
  readonly timers?: TimerPatch;
  /** Unique in its conversation: what arrives twice under one key is stored once. */
  readonly key?: string;
  readonly body?: Body;
}

export type ConversationEvent = Common &
  (
    | {
        readonly type: 'started';
        readonly id: string;
        readonly workStream: string;
        readonly channel: Channel;
        /** Absent until the customer's id is known (Direct Line token without a user). */
        readonly customer?: string;
        /** True when the hub was added to a conversation already under way. */
        readonly adopted?: boolean;
        readonly previous?: string;
      }
    | { readonly type: 'memberJoined'; readonly member: string }
    | { readonly type: 'memberLeft'; readonly member: string }
    | { readonly type: 'contextSet' }
    /** A routing decision; the receipt is in the body. */
    | { readonly type: 'routed'; readonly ruleSetVersion: number; readonly queue?: string; readonly bot?: string }
    /** A bot got the conversation at its start or by routing or transfer (phase bot). */
    | {
        readonly type: 'botConnected';
        readonly bot: string;
        readonly queue?: string;
        readonly welcome: boolean;
        /** The bot whose escalation led here, and which waits to hear what came of it. */
        readonly asked?: string;
        /** Of the bot that escalated: what it still sends in this turn reaches the customer. */
        readonly openTurn?: OpenTurn;
      }
    /** Said by the customer, the holding bot or a person; audience tells who sees it. */
    | {
        readonly type: 'said';
        readonly activityType: string;
        /** Bots: seq of the entry this answers. */
        readonly answers?: number;
        /** The bot's reply says that it has not understood. */
        readonly fallback?: boolean;
      }
    /** What a bot sent while it did not hold the conversation: staff see it, the customer does not. */
    | { readonly type: 'drafted'; readonly activityType: string; readonly answers?: number; readonly why: DraftReason }
    | { readonly type: 'draftResolved'; readonly target: number; readonly sent: boolean }
    /** A staff-only note by a person, or the escalation summary of a bot. */
    | { readonly type: 'noted'; readonly kind: 'note' | 'summary' | 'trace' }
    /** A text of the hub itself to the customer. */
    | { readonly type: 'told'; readonly text: TextName; readonly position?: number }
    /** A turn the hub never saw, merged from a bot's inline transcript. */
    | { readonly type: 'imported' }
    | { readonly type: 'edited'; readonly target: number }
    | { readonly type: 'deleted'; readonly target: number }
    | {
        readonly type: 'escalated';
        readonly reason: EscalationReason;
        readonly dialect?: Dialect;
        readonly bot?: string;
        readonly answers?: number;
      }
    /** The work stream only observes: what would have asked for people, and where it would have gone. The receipt is in the body. */
    | {
        readonly type: 'escalationObserved';
        readonly reason: ObservedReason;
        readonly dialect?: Dialect;
        /** The bot that has the conversation, and keeps it. */
        readonly bot?: string;
        readonly answers?: number;
        readonly ruleSetVersion: number;
        /** Absent where nobody would have taken it. */
        readonly queue?: string;
        /** The other bot of that queue that would have taken it before people. */
        readonly nextBot?: string;
      }
    | {
        readonly type: 'queued';
        readonly queue: string;
        readonly priority: number;
        readonly waitingSince: number;
        /** Before everybody of the same priority. */
        readonly front: boolean;
        readonly cause: QueuedCause;
        /** What people need to have to be offered it; absent = nothing. */
        readonly skills?: readonly string[];
        /** The bot's turn that escalated: what it still sends in this turn reaches the customer. */
        readonly openTurn?: OpenTurn;
      }
    | {
        readonly type: 'offered';
        readonly offers: readonly Offer[];
        readonly cost: number;
        /** An offer to one named person (transfer): lapsing puts it to the front of `queue`. */
        readonly direct: boolean;
        /** Set when waiting begins with this offer. */
        readonly waitingSince?: number;
      }
    | { readonly type: 'declined'; readonly agent: string; readonly reason?: string }
    | { readonly type: 'lapsed'; readonly agents: readonly string[]; readonly why: 'time' | 'agentGone' }
    | { readonly type: 'withdrawn'; readonly agents: readonly string[] }
    | {
        readonly type: 'accepted';
        readonly agent: string;
        readonly how: 'offer' | 'pick' | 'assign';
        readonly cost: number;
        /** Since when this customer had been waiting, for measuring. */
        readonly waitingSince: number;
        /** The bot that goes on hearing the customer and drafts replies for the person. */
        readonly assistant?: string;
      }
    | {
        readonly type: 'transferred';
        readonly to: { readonly queue?: string; readonly agent?: string; readonly bot?: string };
      }
    | {
        readonly type: 'returned';
        readonly bot: string;
        readonly reason: ReturnReason;
        /** True for a bot that has not had this conversation: it is introduced to its members first. */
        readonly welcome: boolean;
        /** Why it failed, as the bot reads it. */
        readonly message?: string;
        /** The bot that asked for people, where another one gets the conversation. */
        readonly asked?: string;
      }
    | { readonly type: 'parked' }
    | { readonly type: 'resumed'; readonly agent: string; readonly cost: number; readonly assistant?: string }
    | { readonly type: 'ended'; readonly reason: EndReason }
    /** From now on this bot speaks with the customer, while the person wraps up. */
    | { readonly type: 'surveyStarted'; readonly bot: string; readonly welcome: boolean }
    | { readonly type: 'surveyEnded'; readonly reason: SurveyEnd }
    /** The person is done before the customer is: the survey goes on without anybody's capacity. */
    | { readonly type: 'wrapUpEnded'; readonly reason: 'agentEnded' | 'wrapUpOver' }
    | { readonly type: 'closed'; readonly reason: CloseReason; readonly from: Exclude<Phase, 'closed'> }
    | { readonly type: 'botFailed'; readonly bot: string; readonly cause: string }
    /** The turn in which the bot escalated is over: what the bot sends from now on is a draft. */
    | { readonly type: 'turnEnded'; readonly answers?: number }
    | { readonly type: 'disconnected'; readonly party: 'customer' | 'agent' }
    | { readonly type: 'reconnected'; readonly party: 'customer' | 'agent' }
    | { readonly type: 'joined'; readonly agent: string; readonly as: ParticipantKind }
    | { readonly type: 'left'; readonly agent: string }
    | { readonly type: 'waitExtended' }
    /** A bot or channel could not be reached and the hub stopped trying. */
    | { readonly type: 'deliveryFailed'; readonly to: string; readonly target: number; readonly reason: string }
    /** Bodies of these entries are gone; `context` when the context variables went with them. */
    | { readonly type: 'erased'; readonly targets: readonly number[]; readonly context: boolean }
  );

export type EventType = ConversationEvent['type'];
export type EventOf<T extends EventType> = Extract<ConversationEvent, { type: T }>;
/** `suggested`: by a bot that is there to draft replies for the person. */
export type DraftReason = 'notHolder' | 'earlierSession' | 'notBridged' | 'command' | 'suggested';
export type SurveyEnd = 'botEnded' | 'botFailed' | 'customerLeft' | 'inactive';
export type ParticipantKind = 'consulting' | 'monitoring';

/** One line of a conversation's log. `seq` is contiguous from 1. */
export interface Entry {
  conversationId: string;
  seq: number;
  event: ConversationEvent;
  /** The channel's own id of the activity, where a foreign channel gave one. */
  channelActivityId?: string;
}

export interface Offer {
  readonly agent: string;
  readonly lapsesAt: number;
}

/** The turn of the bot that escalated, while it is still running. */
export interface OpenTurn {
  readonly bot: string;
  /** Absent for a batch that answers nothing: it opens and ends within one append. */
  readonly answers?: number;
}

interface Shared {
  readonly id: string;
  /** = seq of the last entry. */
  readonly version: number;
  readonly workStream: string;
  readonly channel: Channel;
  readonly customer: { readonly id?: string; readonly name?: string };
  readonly members: readonly string[];
  readonly locale?: string;
  readonly startedAt: number;
  /** Time of the last entry: times never run backwards within a log. */
  readonly lastAt: number;
  readonly previous?: string;
  readonly epoch: number;
  /** seq of the event with which the current holder's session began. */
  readonly sessionSeq: number;
  readonly sessionAt: number;
  /** Names of variables changed since people were asked for. */
  readonly changedWithPeople: readonly string[];
  readonly context: Readonly<Record<string, ContextVariable>>;
  readonly summary?: string;
  readonly timers: Timers;
  /** The earliest timer. */
  readonly dueAt?: number;
  /** The bot that last held it: where a return goes by default. */
  readonly lastBot?: string;
  /** Where it last waited for people: that queue's members may still read it after it left. */
  readonly lastQueue?: string;
  /** Every bot that ever held it. */
  readonly bots: readonly string[];
  /** Bots that escalated it: routing does not hand it to them again. */
  readonly triedBots: readonly string[];
  /** The bot that waits to hear how its escalation ended. */
  readonly escalatedBy?: string;
  readonly escalationReason?: EscalationReason;
  readonly declines: Readonly<Record<string, number>>;
  /** Everybody who ever held or consulted, most recent last. */
  readonly servedBy: readonly string[];
  readonly participants: readonly { readonly agent: string; readonly as: ParticipantKind }[];
  /** What a work stream that only observes has seen here: seq of its first entries `escalationObserved`, and how many there are. */
  readonly observed?: { readonly seqs: readonly number[]; readonly count: number };
  /** Drafts that a person sent on or put away. */
  readonly resolvedDrafts?: readonly number[];
  readonly customerSaidSomething: boolean;
  readonly customerGone: boolean;
  readonly reference?: unknown;
}

/** Where and on which terms it waits, or waited before a person took it. */
export interface Place {
  readonly queue: string;
  readonly priority: number;
  readonly waitingSince: number;
  readonly front: boolean;
  /** What the rule that led to the queue requires of people. */
  readonly skills?: readonly string[];
}

export type NotStarted = { readonly phase: 'none'; readonly version: 0 };
export type HeldByBot = Shared & {
  readonly phase: 'bot';
  readonly bot: string;
  readonly queue?: string;
  /** Of the bot before, whose escalation led to this one. */
  readonly openTurn?: OpenTurn;
  readonly misses?: Misses;
  /** Times it failed since it last said something. */
  readonly failures?: number;
  /** It asks how the talk with a person was, and the person has finished. */
  readonly survey?: true;
};

/** Turns in a row that the bot did not understand. */
export interface Misses {
  /** Before the present turn. */
  readonly before: number;
  /** The bot has said something in the present turn; the customer's next message begins another one. */
  readonly answered: boolean;
  readonly missed: boolean;
}
export type Queued = Shared & Place & { readonly phase: 'queued'; readonly openTurn?: OpenTurn };
export type Offered = Shared &
  Place & {
    readonly phase: 'offered';
    readonly offers: readonly Offer[];
    readonly cost: number;
    readonly direct: boolean;
    readonly openTurn?: OpenTurn;
  };
export type HeldByAgent = Shared &
  Place & {
    readonly phase: 'agent';
    readonly agent: string;
    readonly cost: number;
    readonly agentGone: boolean;
    /** The bot that goes on hearing the customer and drafts replies for the person. */
    readonly assistant?: string;
  };
export type Waiting = Shared & Place & { readonly phase: 'waiting'; readonly agent: string };
export type WrapUp = Shared &
  Place & {
    readonly phase: 'wrapUp';
    readonly agent: string;
    readonly cost: number;
    /** The bot that asks the customer how it was. */
    readonly survey?: string;
  };
export type Closed = Shared & {
  readonly phase: 'closed';
  readonly reason: CloseReason;
  readonly closedAt: number;
  readonly queue?: string;
};

export type Conversation = HeldByBot | Queued | Offered | HeldByAgent | Waiting | WrapUp | Closed;
export type State = NotStarted | Conversation;

export const NOT_STARTED: NotStarted = { phase: 'none', version: 0 };

/** Units of capacity the conversation takes from each agent: offered to, held by, or in wrap-up with them. */
export function loadsOf(state: State): Record<string, number> {
  switch (state.phase) {
    case 'offered':
      return Object.fromEntries(state.offers.map((offer) => [offer.agent, state.cost]));
    case 'agent':
    case 'wrapUp':
      return { [state.agent]: state.cost };
    case 'none':
    case 'bot':
    case 'queued':
    case 'waiting':
    case 'closed':
      return {};
  }
}

/** Who speaks for the hub now: the id of the bot or agent that holds the conversation, if anybody does. */
export function holderOf(state: State): Party | undefined {
  switch (state.phase) {
    case 'bot':
      return { role: 'bot', id: state.bot };
    case 'agent':
      return { role: 'agent', id: state.agent };
    case 'wrapUp':
      return state.survey === undefined ? undefined : { role: 'bot', id: state.survey };
    case 'none':
    case 'queued':
    case 'offered':
    case 'waiting':
    case 'closed':
      return undefined;
  }
}

/** The turn that led to the present holder and is not over. */
export function openTurnOf(state: Conversation): OpenTurn | undefined {
  return 'openTurn' in state ? state.openTurn : undefined;
}

/** Omnichannel's name for the phase. */
export function omnichannelState(phase: Phase): 'Open' | 'Active' | 'Waiting' | 'Wrap-up' | 'Closed' {
  switch (phase) {
    case 'queued':
    case 'offered':
      return 'Open';
    case 'bot':
    case 'agent':
      return 'Active';
    case 'waiting':
      return 'Waiting';
    case 'wrapUp':
      return 'Wrap-up';
    case 'closed':
      return 'Closed';
  }
}
