// Who and what there is: bots, queues, work streams and people, as one immutable snapshot that every decision cites by version.

import type { Condition } from './conditions.js';
import type { VariableDeclaration } from './context.js';

export type { VariableDeclaration } from './context.js';

export interface Directory {
  /** Grows by one with every applied configuration. */
  readonly version: number;
  readonly bots: Readonly<Record<string, Bot>>;
  readonly queues: Readonly<Record<string, Queue>>;
  readonly workStreams: Readonly<Record<string, WorkStream>>;
  readonly people: Readonly<Record<string, Person>>;
  /** Takes a conversation when neither a rule nor the work stream's fallback queue does. */
  readonly defaultQueue?: string;
}

export interface Bot {
  readonly id: string;
  readonly name: string;
  readonly transport: BotTransport;
  /** A turn that has not ended after this time counts as failed; the hub's own default unless set. */
  readonly timeoutMs?: number;
  /** `open`: everything but commands reaches the customer; `strict`: only activities marked `deliveryMode: bridged` do. */
  readonly bridging: 'open' | 'strict';
  /** While a person holds a conversation it had, it still gets the customer's messages; its replies are drafts for the person. */
  readonly draftsWhileHeld?: boolean;
  /** Set for a bot whose channels come in by the hub: its Azure Bot has the hub as its messaging endpoint. */
  readonly relay?: BotRelay;
}

export interface BotRelay {
  /** The work stream of conversations that come in this way; the first one unless set. */
  readonly workStream?: string;
  /** Whose token the channels are shown: the bot's own app. Absent where nobody authenticates. */
  readonly app?: {
    readonly clientId: string;
    readonly tenantId?: string;
    readonly authority: string;
    readonly credential: EntraCredential;
  };
}

/** How the hub reaches a bot. Secrets are the names of environment variables, never the values. */
export type BotTransport =
  | { readonly kind: 'inProcess' }
  | {
      readonly kind: 'http';
      /** The bot's messaging endpoint. */
      readonly endpoint: string;
      /** Microsoft app id of the bot; absent where nobody authenticates. */
      readonly appId?: string;
      readonly auth: BotAuth;
      /** `expectReplies`: the bot's answers come in the response to its turn, and not by calls of their own. */
      readonly delivery: 'normal' | 'expectReplies';
    }
  | {
      /** A Copilot Studio bot, or any other behind Direct Line. */
      readonly kind: 'directLine';
      /** Answers GET with `{token, conversationId?, expires_in?}`. */
      readonly tokenEndpoint?: string;
      /** Name of the environment variable that holds a Direct Line secret, in place of a token endpoint. */
      readonly secret?: string;
      /** Where Direct Line is, without `/v3/directline`. */
      readonly baseUrl: string;
    };

/** How hub and bot know each other. `secret` is the name of an environment variable. */
export type BotAuth =
  | 'none'
  | {
      /** The hub signs for both: the bot trusts the hub as its channel, and gets the tokens for its own calls from the hub. */
      readonly issuer: 'hub';
      /** `channel`: as Azure Bot Service signs, for botbuilder; `tenant`: as an Entra tenant signs, for the Agents SDK. */
      readonly style: 'channel' | 'tenant';
      /** Its name in the addresses that stand in for Entra's. */
      readonly tenant: string;
      /** What the bot shows to get a token. Absent: it gets none, and answers in the response (expectReplies). */
      readonly secret?: string;
    }
  | {
      /** Microsoft Entra signs for both. */
      readonly issuer: 'entra';
      /** `bot`: the hub calls in the bot's own name, as the Emulator does; `skill`: by an app of the hub's, as a skill's host does. */
      readonly as: 'bot' | 'skill';
      /** Whose token the hub gets: the bot's app id, or the hub's. */
      readonly clientId: string;
      /** Tenant of single-tenant apps. */
      readonly tenantId?: string;
      readonly authority: string;
      readonly credential: EntraCredential;
    };

export type EntraCredential =
  | { readonly kind: 'secret'; readonly secret: string }
  /** A PEM file that holds the private key and its certificate. */
  | { readonly kind: 'certificate'; readonly file: string }
  | { readonly kind: 'managedIdentity' };

export type AssignmentMethod = 'highestCapacity' | 'roundRobin' | 'longestIdle';

export interface Queue {
  readonly id: string;
  readonly name: string;
  /** Ids of people and bots. */
  readonly members: readonly string[];
  readonly method: AssignmentMethod;
}

export interface Person {
  readonly id: string;
  readonly name: string;
  readonly roles: readonly PersonRole[];
  /** Units of work the person can hold at once; 0 takes nothing. */
  readonly capacity: number;
  /** What rules can require, in the words of the configuration; compared exactly. */
  readonly skills?: readonly string[];
}

/** Of one person, one rule, one question. */
export const MAX_SKILLS = 20;

/** Whether the person has every one of them; nothing required is had by everybody. */
export function hasSkills({ skills = [] }: Pick<Person, 'skills'>, required: readonly string[] = []): boolean {
  return required.every((skill) => skills.includes(skill));
}

export type PersonRole = 'agent' | 'supervisor' | 'administrator';

export const PRESENCES = ['available', 'busy', 'doNotDisturb', 'away', 'inactive', 'offline'] as const;
export type Presence = (typeof PRESENCES)[number];

export interface RoutingRule {
  readonly when: Condition;
  readonly queue: string;
  /** Higher goes first; 0 when the rule sets none. */
  readonly priority?: number;
  /** Only people who have them all are given the conversation; bots of the queue need none. */
  readonly skills?: readonly string[];
}

export interface WorkStream {
  readonly id: string;
  readonly name: string;
  /** Whom the customer sees as the sender of the hub's own texts. */
  readonly sender: string;
  readonly context: readonly VariableDeclaration[];
  readonly rules: readonly RoutingRule[];
  readonly fallbackQueue?: string;
  /** `push` offers to people, `pick` lets them take from the list. */
  readonly mode: 'push' | 'pick';
  /** Units of an agent's capacity one conversation takes. */
  readonly cost: number;
  readonly allowedPresences: readonly Presence[];
  /** Declines by one agent after which the item is not offered to that agent again. */
  readonly declineLimit: number;
  readonly onBotFailure: 'escalate' | 'close';
  /** What happens when the queue's time is up: back to the bot, or closed with a text when there is no bot. */
  readonly onQueueLimit: 'failed' | 'close';
  /** What happens when nobody writes for `timers.agentSilentMs` while a person holds it. */
  readonly onAgentSilent: 'wrapUp' | 'requeue';
  /**
   * Nothing is handed over, told or kept back: what would have asked for people is put on record, and the bot goes on as
   * if the hub were not there. What people have already, they finish.
   */
  readonly observe: boolean;
  /** What a bot sends unasked while somebody else holds the conversation. */
  readonly proactiveWhileHeld: 'draft' | 'deliver';
  /** Hands a conversation over to people without the bot's doing. */
  readonly triggers?: Triggers;
  /** Talks with the customer after a person has ended the conversation, while that person wraps up. */
  readonly surveyBot?: string;
  /** Customer texts (compared without case and surrounding space) that leave the queue and go back to the bot. */
  readonly cancelPhrases: readonly string[];
  readonly timers: WorkStreamTimers;
  readonly texts: Texts;
}

export interface Triggers {
  readonly phrases: readonly PhraseTrigger[];
  readonly fallbacks?: FallbackTrigger;
  /** Failures of the bot without an answer between them; the first one hands over unless this says otherwise. */
  readonly botErrors?: number;
}

/** What customers say when they want a person. Compared without case, spacing and surrounding punctuation. */
export interface PhraseTrigger {
  readonly says: readonly string[];
  /** `exact`: the whole message; `contains`: as words within it. */
  readonly match: 'exact' | 'contains';
  /** Language tags, `en` also stands for `en-GB`; every language unless set. A customer of unknown language counts. */
  readonly languages?: readonly string[];
}

/** How a bot's reply shows that it has not understood. */
export interface FallbackTrigger {
  /** Turns in a row that the bot did not understand. */
  readonly count: number;
  /** The reply contains one of these, compared like phrases. */
  readonly texts: readonly string[];
  /** The reply matches one of these regular expressions, without case. */
  readonly patterns: readonly string[];
  /** The reply comes from one of these topics of a Copilot Studio bot. */
  readonly topics: readonly string[];
}

export interface WorkStreamTimers {
  readonly offerMs: number;
  readonly queueLimitMs: number;
  readonly botIdleMs: number;
  readonly agentSilentMs: number;
  readonly waitingMs: number;
  readonly wrapUpMs: number;
  /** A survey without a message for this long is over. */
  readonly surveyMs: number;
  readonly customerGoneMs: number;
  /** From the loss of an agent's last socket until offers to that agent lapse. */
  readonly agentGoneOfferMs: number;
  /** From the loss of an agent's last socket until that agent's chats are queued again. */
  readonly agentGoneChatMs: number;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;

/** Omnichannel's own numbers where it documents them. */
export const DEFAULT_TIMERS: WorkStreamTimers = {
  offerMs: 120 * SECOND_MS,
  queueLimitMs: 20 * MINUTE_MS,
  botIdleMs: 30 * MINUTE_MS,
  agentSilentMs: 30 * MINUTE_MS,
  waitingMs: 28 * 24 * 60 * MINUTE_MS,
  wrapUpMs: 15 * MINUTE_MS,
  surveyMs: 5 * MINUTE_MS,
  customerGoneMs: 3 * MINUTE_MS,
  agentGoneOfferMs: 30 * SECOND_MS,
  agentGoneChatMs: 3 * MINUTE_MS,
};

/** Every text the hub tells a customer. Slugs in braces are filled in: {position} {agent} {bot} {queue} {workStream}. An empty text is not told. */
export const DEFAULT_TEXTS = {
  queued: 'You are number {position} in line. A representative will be with you as soon as possible.',
  nextInLine: 'You are next in line. A representative will be with you shortly.',
  nobodyAvailable: 'Nobody is available right now. You keep your place in line (number {position}).',
  agentJoined: '{agent} joined the conversation.',
  agentLeft: '{agent} left the conversation.',
  requeued: 'The connection to {agent} was lost. You are at the front of the line; somebody else will take over.',
  transferred: 'You are being transferred. Your place in line is number {position}.',
  botJoined: 'You are now with {bot}.',
  backWithBot: 'You are back with {bot}.',
  nobodyCame: 'Sorry, nobody could take your conversation in time.',
  botFailed: 'Sorry, {bot} cannot answer right now.',
  closed: 'This conversation is closed.',
} as const;
export type TextName = keyof typeof DEFAULT_TEXTS;
export type Texts = Readonly<Record<TextName, string>>;

export const DEFAULT_WORK_STREAM: Omit<WorkStream, 'id' | 'name'> = {
  sender: 'Support',
  context: [],
  rules: [],
  mode: 'push',
  cost: 1,
  allowedPresences: ['available'],
  declineLimit: 3,
  onBotFailure: 'escalate',
  onQueueLimit: 'failed',
  onAgentSilent: 'wrapUp',
  observe: false,
  proactiveWhileHeld: 'draft',
  cancelPhrases: ['never mind', 'nevermind', 'cancel'],
  timers: DEFAULT_TIMERS,
  texts: DEFAULT_TEXTS,
};
