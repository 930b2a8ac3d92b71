// What the hub's parts need of the hub, and what it tells everybody who follows it.

import type { Activity } from '../core/activity.js';
import type { Command } from '../core/commands.js';
import type { Conversation, Entry, Party, State } from '../core/conversation.js';
import type { Directory } from '../core/directory.js';
import type { FaultKind } from '../errors.js';
import type { BreakerChange, BreakerNews } from './botHealth.js';
import type { BotStatus } from './botStatus.js';
import type { BotConnection, ChannelConnection, Clock, Log, Store } from './ports.js';

/** The hub as its own parts see it. */
export interface Engine {
  readonly store: Store;
  readonly log: Log;
  readonly clock: Clock;
  readonly directory: Directory;
  /** Public origin with a trailing slash. */
  readonly serviceUrl: string;
  readonly running: boolean;
  /** The start that is under way, or was the last. */
  readonly starting: Promise<unknown> | undefined;
  /** Where several nodes share the record: how the others are told. */
  readonly nodes:
    | { readonly isHeard: boolean; personChanged(agent: string): void; breakerChanged(news: BreakerNews): void }
    | undefined;
  readonly bots: ReadonlyMap<string, BotConnection>;
  /** How each bot is doing, and what somebody should change. */
  readonly botStatus: BotStatus;
  readonly channels: ReadonlyMap<string, ChannelConnection>;
  handle(conversationId: string, command: Command | readonly Command[], options?: HandleOptions): Promise<Handled>;
  botSays(
    conversationId: string,
    botId: string,
    activities: readonly Activity[],
    turn?: BotTurnContext,
  ): Promise<{ id: string }[]>;
  conversation(conversationId: string, atLeast?: number): Promise<Conversation | undefined>;
  known(conversationId: string): Conversation | undefined;
  entries(conversationId: string, after: number, limit: number): Promise<Entry[]>;
  signal(conversationId: string, by: Party, activity: Activity, answers?: number): Promise<void>;
  isWatched(conversationId: string): boolean;
  notify<K extends keyof Observer>(kind: K, ...facts: Parameters<NonNullable<Observer[K]>>): void;
  nudge(): void;
}

export interface HandleOptions {
  /** It has happened already, past the hub: it is put on record as in a work stream that only observes, and nothing is owed to anybody. */
  readonly observed?: boolean;
}

export interface BotTurnContext {
  /** seq of the entry the bot answers. Without it the activity's replyToId tells, if it is one of ours. */
  answers?: number | undefined;
  /** Client keys by index: what comes again under the same key is not stored again. */
  keys?: readonly (string | undefined)[];
  /** Names the turn: replies of a turn that is run again after a crash are recognised and not stored twice. */
  turn?: { id: string; next: () => number };
  /** Of the one activity that is said: what is said again under it is stored once. */
  key?: string;
  /** It was sent already, past the hub, under these ids of the channel: no more than the record of it is wanted. */
  observed?: { readonly channelActivityIds: readonly (string | undefined)[] };
}

/** What a command came to. */
export interface Handled {
  state: Conversation;
  /** The entries it appended. */
  entries: Entry[];
  /** Per command: seq of its own entry (what was said, not what followed from it); of a repeated one the first time's. */
  seqs: (number | undefined)[];
  /** True when nothing new was written because the same key or the same state was there already. */
  repeated: boolean;
}

/**
 * Follows one conversation. Calls are synchronous and in order; `entries` only ever after they are on disk. Where another node
 * wrote them, the first may be from just before it began to follow: its cursor tells.
 */
export interface Watcher {
  entries(entries: readonly Entry[], state: Conversation): void;
  /** Typing and live streaming: never stored. `audience` staff = not for the customer. */
  signal?(signal: Signal): void;
}

export interface Signal {
  conversationId: string;
  by: Party;
  activity: Activity;
  audience: 'everyone' | 'staff';
}

/** Follows everything that happens here: metrics, the people's live events, positions. */
export interface Observer {
  committed?(entries: readonly Entry[], state: Conversation, before: State): void;
  /** Another node committed something; `before` is what was known here, if anything was. */
  learned?(state: Conversation, before: State): void;
  handled?(report: { conversationId: string; command: string; events: number; ms: number; outcome: string }): void;
  /** One try of a bot's turn. `kind` tells what failed. */
  botTurn?(report: { bot: string; ms: number; outcome: 'done' | 'retry' | 'failed'; kind?: FaultKind }): void;
  /** A turn was not tried, because the bot fails. */
  botRefused?(bot: string): void;
  /** A bot's circuit breaker opened or closed. */
  breaker?(change: BreakerChange): void;
  /** Somebody who is no bot of ours called as one, for this stable reason. */
  callRefused?(report: { reason: string }): void;
  /** A bot called the Connector; `code` says why it was refused. */
  botCall?(report: { operation: string; status: number; code?: string }): void;
  /** Presence, capacity or load of somebody changed. */
  person?(agent: string): void;
  /** The line of a queue changed. */
  line?(queue: string): void;
  directory?(directory: Directory): void;
  /** Another node asks for a grant that one node at a time holds. */
  wanted?(kind: string, id: string): void;
  /** Several nodes: every second, when this one has said that it lives. What dead ones held can be taken. */
  lived?(): void;
}
