// The hub's seams: what it needs from a store, a bot, a channel and a clock, named for the need and not for the technology.

import type { Activity } from '../core/activity.js';
import type { Conversation, ConversationEvent, Entry, Party, Phase } from '../core/conversation.js';
import type { Presence } from '../core/directory.js';
import type { Effect } from '../core/react.js';
import type { BotHealth, BreakerNews } from './botHealth.js';

/** Milliseconds since the epoch. Tests inject their own. */
export interface Clock {
  now(): number;
}

/** Structured log lines (pino's shape). Never a message text, never a token. */
export interface Log {
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
  error(fields: Record<string, unknown>, message: string): void;
  debug(fields: Record<string, unknown>, message: string): void;
}

// ---------------------------------------------------------------------------------------------------------------- store

/** Where everything is kept. One contract suite (test/store.contract.ts) says what every engine must do. */
export interface Store {
  /** @throws ConfigError when the place cannot be used (held by another process, network file system, newer schema). */
  open(): Promise<void>;
  /** Resolves when everything queued is on disk and the place is released. Idempotent; afterwards it may be opened again. */
  close(): Promise<void>;

  /**
   * Appends entries to one conversation, all or nothing, and resolves only when they are on disk. Calls are gathered
   * into one flush. The caller decided on `expectedVersion`; somebody else's newer row comes back as a conflict.
   * The bodies that an `erased` event names go in the same commit, with what the outbox owes of them and their attachments.
   * @throws StoreUnavailable when nothing was written (disk full, closed); `unknown` when the way to it broke meanwhile.
   */
  append(request: Append): Promise<Appended>;
  conversation(conversationId: string): Promise<Conversation | undefined>;
  /** Entries with seq > after, in order, at most `limit`. */
  entries(conversationId: string, after: number, limit: number): Promise<Entry[]>;
  /** The entry with this client key, or the latest with this channel activity id. */
  findEntry(conversationId: string, by: { key: string } | { channelActivityId: string }): Promise<Entry | undefined>;
  /** The conversation of a foreign channel's key that is not closed. */
  findOpen(channelKey: string): Promise<string | undefined>;
  /** Conversations a page at a time, in the order of their start. */
  list(filter: ConversationFilter, limit: number, cursor?: string): Promise<{ items: Conversation[]; next?: string }>;
  /** Every conversation in phase queued or offered, in no particular order. */
  waiting(): Promise<Conversation[]>;
  /** Ids of open conversations whose dueAt is at or before `at`, earliest first. */
  due(at: number, limit: number): Promise<string[]>;
  /** The earliest dueAt of all open conversations. */
  nextDueAt(): Promise<number | undefined>;

  /**
   * Unsettled outbox rows that this process is to deliver, in order of (conversation, seq, ordinal), for start-up and after
   * an inheritance; `after` = id of the last row of the page before.
   */
  outbox(limit: number, after?: string): Promise<OutboxRow[]>;
  /** Marks rows done, superseded or to be tried again. May wait for the next flush; losing it repeats a delivery, never loses one. */
  settle(settlements: readonly Settlement[]): Promise<void>;

  agents(): Promise<AgentRow[]>;
  /** Creates missing agents, updates capacity, keeps presence and load. Rows of people no longer named get capacity 0. */
  saveAgents(agents: readonly { id: string; capacity: number }[]): Promise<void>;
  /** `until` = when the presence falls back to offline by itself. */
  setPresence(agent: string, presence: Presence, at: number, until?: number): Promise<void>;

  /** The configuration in force, or the one that was as this version: one document, each version of which is kept. */
  configuration(version?: number): Promise<StoredConfiguration | undefined>;
  /** @throws Conflict when the current version is not `expectedVersion` (0 = none yet). */
  saveConfiguration(document: unknown, by: string, at: number, expectedVersion: number): Promise<StoredConfiguration>;

  /** A named secret; made by `create` the first time, the same for every process ever after. */
  secret(name: string, create: () => string): Promise<string>;
  /** Small named facts with an end: sign-in tickets, sessions, visitors. */
  putGrant(grant: Grant): Promise<void>;
  /** `take` removes it in the same step: a ticket opens one session only. Expired ones are not found. */
  getGrant(kind: string, id: string, at: number, take?: boolean): Promise<Grant | undefined>;
  removeGrant(kind: string, id: string): Promise<void>;
  /** All of a kind that has few, in order of their ids. */
  grants(kind: string, at: number): Promise<Grant[]>;

  putAttachment(attachment: StoredAttachment): Promise<void>;
  getAttachment(id: string): Promise<StoredAttachment | undefined>;

  counts(): Promise<StoreCounts>;
  /** Checks hash chain and contiguity of one log and returns the raw material for re-folding it. */
  audit(conversationId: string): Promise<AuditedLog | undefined>;
  /** Every conversation id in order, for verify and bulk export. */
  conversationIds(limit: number, after?: string): Promise<string[]>;
  /** Flush and event figures since start, for metrics. */
  figures(): StoreFigures;

  /** The time that rules in a cluster, whatever the processes' own clocks say. Absent: the process's own does. */
  readonly clock?: Clock;
  /** Where several nodes may use the record at the same time: what else they need of it. Absent: this process is the only one. */
  readonly shared?: SharedRecord;
}

/**
 * What nodes on one record need to go on together. A node whose `beat` is not heard for the time it asked for counts as
 * dead: what it had is taken over. All times are the record's own clock, so that no node's clock matters.
 */
export interface SharedRecord {
  /** Name of this process, new with every opening. */
  readonly node: string;
  readonly bus: Bus;
  /**
   * A sign of life, and what others may read of this node. The node that keeps the house (deadlines, assignment) goes on keeping it; where there is none, the first
   * to ask becomes it, and inherits what dead nodes owed and the people who were connected there.
   */
  beat(silentMs: number, status?: NodeStatus): Promise<Beat>;
  /** What the living nodes last told of themselves, this one included. */
  statuses(): Promise<ToldStatus[]>;
  /** Nothing more comes from this node: what it had is free at once. */
  leave(): Promise<void>;
  /** The net under lost notices: what somebody must read again. */
  look(conversationIds: readonly string[]): Promise<Look>;
  /** Outbox rows of one conversation that this node is to deliver. */
  owed(conversationId: string): Promise<OutboxRow[]>;
  readonly whereabouts: Whereabouts;
  readonly heldGrants: HeldGrants;
}

/**
 * Grants that one node at a time works with, until another asks for them or it dies. What the holder has kept is what the next
 * one finds: a node that was taken for dead writes nothing any more to what others hold by now.
 */
export interface HeldGrants {
  /** Takes all of the kind that no living node holds. @returns those of this node, and which of them another node wants. */
  look(kind: string): Promise<{ id: string; wanted: boolean }[]>;
  /** @returns whether this node holds it now, if there is one or not. Otherwise the node that does hears that it is wanted. */
  hold(kind: string, id: string): Promise<boolean>;
  /** Nothing is being done with it here any more: it goes to the node that wants it. */
  release(kind: string, id: string): Promise<void>;
  /** @returns false, and nothing is written, when this node does not hold it (any more). */
  put(grant: Grant): Promise<boolean>;
  /** Ends it, if this node holds it. */
  remove(kind: string, id: string): Promise<void>;
}

/** Where people are connected, over all nodes. */
export interface Whereabouts {
  /** A person's first socket at this node is open. */
  connect(agent: string): Promise<void>;
  /** A person's last socket at this node is gone. @returns whether it was the last one anywhere: the person is waited for. */
  disconnect(agent: string): Promise<boolean>;
  /** The person has not come back in time. @returns false when nobody waits any more, because they have by another node. */
  miss(agent: string, presence: Presence): Promise<boolean>;
  /** The person is there again: nobody waits any more. @returns the presence to come back to, of somebody who was missed. */
  recall(agent: string): Promise<Presence | undefined>;
  /** Where people are connected, or were and have not come back. */
  connections(): Promise<PersonConnection[]>;
}

/** What a node tells of itself with each sign of life, for others to show. */
export interface NodeStatus {
  /** Name of the machine. */
  host: string;
  bots: Record<string, BotHealth>;
}

export interface ToldStatus extends NodeStatus {
  node: string;
}

export interface Beat {
  /** This node keeps the house. */
  keeper: boolean;
  /** It has just taken over what dead nodes left: rows of the outbox, connections of people. */
  inherited: boolean;
  /** This node was silent for too long and was taken for dead: others have taken over what it had. */
  forgotten: boolean;
}

export interface Look {
  /** Versions of the conversations asked about. */
  versions: ReadonlyMap<string, number>;
  /** Version of the configuration in force, 0 for none. */
  configuration: number;
  /** Conversations queued or offered, and the sum of their versions. */
  waiting: { count: number; versions: number };
}

export interface PersonConnection {
  agent: string;
  node: string;
  /** Since when it is lost, epoch milliseconds; absent while it is open. */
  lostAt?: number;
  /** Not come back in time: the presence to come back to. */
  missed?: Presence;
}

/** What nodes tell each other at once. May lose, repeat and reorder: a notice changes latency, never the result. */
export interface Bus {
  /** To all other nodes. */
  publish(notice: Notice): void;
  /** @returns how to stop listening. */
  subscribe(listener: (notice: Notice) => void): () => void;
}

export type Notice =
  /** Entries `first` to `last` were committed; `moved`: phase, holder or queue changed. */
  | { is: 'entries'; id: string; first: number; last: number; moved: boolean }
  /** Rows of the conversation are owed by the node that already owes earlier ones. */
  | { is: 'owed'; id: string }
  /** Presence, load, capacity or connection of a person changed. */
  | { is: 'person'; agent: string }
  | { is: 'configuration'; version: number }
  /** A bot fails there, or answers again. */
  | { is: 'breaker'; news: BreakerNews }
  /** Another node wants a grant that one node at a time holds. */
  | { is: 'wanted'; kind: string; id: string }
  /** Typing or a piece of a live stream: shown to who is connected here. */
  | { is: 'signal'; signal: { conversationId: string; by: Party; activity: Activity; audience: 'everyone' | 'staff' } };

export interface Append {
  conversationId: string;
  /** version (= last seq) the events were decided on; 0 for a new conversation. */
  expectedVersion: number;
  events: readonly ConversationEvent[];
  /** The state after the events: the cache that lists query. */
  state: Conversation;
  /** Changes of agents' loads that the events mean. A claim that does not fit makes the whole append fail. */
  claims: readonly Claim[];
  outbox: readonly { ordinal: number; seq: number; party: string; epoch: number; effect: Effect }[];
  /** Ids the channel gave to activities of this append, by index in `events`. */
  channelActivityIds?: Readonly<Record<number, string>>;
  /** Settled in the same commit. */
  settle?: readonly Settlement[];
}

export interface Claim {
  agent: string;
  /** Units taken (> 0) or given back (< 0). */
  delta: number;
  /** A supervisor's force-assign may exceed capacity. */
  force?: boolean;
  /** Epoch ms, set on a taking claim: for round robin and longest idle. */
  at: number;
}

export type Appended =
  /**
   * `elsewhere`: ids of outbox rows that another node delivers, because it still owes the same party earlier ones; `behind`: of
   * the last ones that this node owed the same parties before, which another may have written.
   */
  | { outcome: 'done'; entries: Entry[]; elsewhere?: readonly string[]; behind?: readonly string[] }
  /** Somebody else appended first; `current` is what they left. */
  | { outcome: 'conflict'; current: Conversation | undefined }
  /** An event's key is already in the log: the same thing arrived twice. Told before a conflict, so that a retry is not decided anew. */
  | { outcome: 'duplicate'; key: string; entry: Entry }
  /** A new conversation's channel key belongs to another one that is not closed: two first messages arrived at once. */
  | { outcome: 'channelTaken'; conversationId: string }
  /** The agent has no room: `load + delta > capacity`. */
  | { outcome: 'noCapacity'; agent: string };

export interface ConversationFilter {
  phases?: readonly Phase[];
  queues?: readonly string[];
  /** Held by, in wrap-up with, or offered to this person. */
  agent?: string;
  customer?: string;
  /** The Bot Framework channel it came in by. */
  channel?: string;
  /** The channel's own conversation, with `channel`: all that took place there. */
  channelConversation?: string;
  /** Newest first unless set. */
  oldestFirst?: boolean;
}

export interface OutboxRow {
  /** `{conversationId}/{seq}/{ordinal}`, the same after a crash. */
  id: string;
  conversationId: string;
  seq: number;
  ordinal: number;
  /** `bot:{id}` or `channel`: rows of one conversation and party go out one after another. */
  party: string;
  /** Epoch at which the effect was decided. */
  epoch: number;
  effect: Effect;
  attempts: number;
  /** Not before; at first the time of the entry. */
  dueAt: number;
}

export type Settlement =
  | { id: string; outcome: 'done' | 'superseded' | 'gaveUp'; channelActivityId?: string }
  | { id: string; outcome: 'retry'; attempts: number; dueAt: number };

export interface AgentRow {
  id: string;
  presence: Presence;
  presenceAt: number;
  presenceUntil?: number;
  capacity: number;
  load: number;
  lastAssignedAt: number;
  /** Since when the load is 0. */
  idleSince: number;
}

export interface StoredConfiguration {
  version: number;
  document: unknown;
  by: string;
  at: number;
}

export interface Grant {
  kind: string;
  /** Never the secret itself: a digest of it where the id is secret. */
  id: string;
  value: Record<string, unknown>;
  expiresAt: number;
}

export interface StoredAttachment {
  id: string;
  conversationId: string;
  name: string;
  contentType: string;
  bytes: Uint8Array;
  at: number;
}

export interface StoreCounts {
  byPhase: Record<string, number>;
  /** Conversations queued or offered. */
  queues: { queue: string; length: number; oldestWaitingSince: number }[];
  outboxDepth: number;
}

export interface AuditedLog {
  entries: Entry[];
  cached: Conversation;
  /** Damage of the record itself: broken hash chain, gaps, body that does not match its digest. Empty = sound. */
  faults: string[];
}

export interface StoreFigures {
  flushes: number;
  appends: number;
  /** Of the last flushes, for histograms. */
  lastFlushMs: number;
  lastFlushSize: number;
  onFlush?: (size: number, ms: number) => void;
}

// ----------------------------------------------------------------------------------------------------- bots and channels

/** One bot the hub can call. A rejected promise is a failed turn. */
export interface BotConnection {
  /** True for bots that want the customer's typing as a turn of its own. */
  readonly hearsTyping?: boolean;
  /**
   * True where `deliver` resolves before the bot has answered. What it says comes by `hub.botSays`, and the connection itself
   * ends a turn in which the bot asked for people (command `endTurn`).
   */
  readonly answersLater?: boolean;
  /**
   * Runs one turn and resolves when the bot has finished it. What the bot sends in the turn goes through
   * `turn.respond`, in order; what it sends later goes through `hub.botSays` without `answers`.
   * @returns the invoke response, for invoke activities.
   * @throws DeliveryFailed `retry: true` when the bot certainly did not get it (connection refused, 429, 502-504).
   */
  deliver(activity: Activity, turn: BotTurn): Promise<InvokeResponse | undefined>;
}

export interface BotTurn {
  readonly conversationId: string;
  readonly botId: string;
  /** seq of the entry this turn is about; undefined for what the hub itself tells the bot. */
  readonly answers: number | undefined;
  /** The key under which that entry was said, for whoever said it and now runs the turn. */
  readonly key?: string;
  respond(activities: readonly Activity[]): Promise<{ id: string }[]>;
}

export interface InvokeResponse {
  status: number;
  body?: unknown;
}

/** Sends to a customer on a foreign channel (middleware). Direct Line customers read the log themselves. */
export interface ChannelConnection {
  /** Any bot's calls to the hub may name the channel's own conversation. Without it only bots behind the channel know that id. */
  readonly takesBotCalls?: boolean;
  /**
   * @returns the id the channel gave to a new activity.
   * @throws DeliveryFailed `retry: true` when the channel certainly did not get it.
   */
  send(activity: Activity, reference: unknown, delivery: Delivery): Promise<{ channelActivityId?: string }>;
  /** Shows that a person is typing. Tried once; may be dropped. */
  signal?(activity: Activity, reference: unknown): void;
}

/** Which entry goes out, and as what. `update` and `delete` are about an earlier activity, which `activity.id` names. */
export interface Delivery {
  readonly conversationId: string;
  readonly seq: number;
  readonly send: 'activity' | 'update' | 'delete';
}

/**
 * Takes what bots ask of a channel that is not the hub's own (relay): conversations under the channel's ids, members,
 * files, conversations to be created. Asked for every Connector call that names a conversation the hub does not know by
 * its own id, or none at all.
 */
export interface ForeignCalls {
  /** @returns undefined when no relayed channel knows what the call is about. @throws BadRequest, Rejected. */
  take(call: ForeignCall): Promise<ForeignAnswer | undefined>;
}

export interface ForeignCall {
  /** Verified: the bots of the directory that the caller is. */
  readonly botIds: ReadonlySet<string>;
  readonly method: string;
  /** Path and query as they came over the wire. */
  readonly url: string;
  /** Decoded from the path; undefined for a call about no conversation (creating one, a file by its id). */
  readonly conversationId?: string;
  /** Decoded from the path. */
  readonly activityId?: string;
  /** True for POST, PUT and DELETE of an activity; false for everything else under the conversation. */
  readonly speaks: boolean;
  readonly contentType?: string;
  readonly body: Buffer;
}

export interface ForeignAnswer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  /** Objects go out as JSON. */
  readonly body?: unknown;
}
