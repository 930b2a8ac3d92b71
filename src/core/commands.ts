// What can be asked of a conversation, and the circumstances a decision is made in.

import type { Activity } from './activity.js';
import type { ContextVariables } from './context.js';
import type { Audience, Channel, Party, ParticipantKind } from './conversation.js';
import type { Directory } from './directory.js';
import type { AssignReceipt } from './assignment.js';
import type { Dialect } from './escalation.js';

/** Everything a decision may depend on besides the conversation itself. */
export interface Circumstances {
  /** Epoch milliseconds. */
  readonly now: number;
  readonly directory: Directory;
  readonly queues: QueueView;
  /** It has happened already, past the hub: decided as in a work stream that only observes, whatever is in force by now. */
  readonly observed?: boolean;
}

/** The queues as they are now. */
export interface QueueView {
  /** Place in line of an item put into the queue with this priority and waiting-since: 1 = next. */
  place(queue: string, priority: number, waitingSince: number): number;
  /** People of the queue who are signed in, take conversations of this work stream and have these skills. */
  online(queue: string, workStream: string, skills?: readonly string[]): number;
}

export type Command = { readonly key?: string } & (
  | {
      readonly type: 'start';
      readonly id: string;
      readonly workStream: string;
      readonly channel: Channel;
      readonly customer?: string;
      readonly customerName?: string;
      readonly locale?: string;
      readonly variables?: ContextVariables;
      readonly previous?: string;
      readonly reference?: unknown;
      /** The bot that already speaks with the customer: the hub joins a conversation under way, nobody is greeted. */
      readonly adoptedBot?: string;
      /** The bot in front of which the hub stands: it holds from the start, and its channel introduces the members to it. */
      readonly frontBot?: string;
    }
  | {
      readonly type: 'say';
      readonly by: Party;
      readonly activity: Activity;
      /** Bots: seq of the entry this answers; undefined = unasked (proactive). */
      readonly answers?: number;
      /** The id a foreign channel gave the activity. */
      readonly channelActivityId?: string;
    }
  | { readonly type: 'note'; readonly by: Party; readonly activity: Activity }
  | {
      readonly type: 'escalate';
      readonly bot: string;
      readonly answers?: number;
      readonly dialect: Dialect;
      readonly summary?: string;
      readonly variables: ContextVariables;
      readonly activity?: Activity;
      /** Turns of the bot's inline transcript that the log has not. */
      readonly unseen?: readonly UnseenTurn[];
      readonly warnings?: readonly string[];
      /** In a batch that answers nothing: more of it follows, up to an `endTurn` in the same append. */
      readonly continues?: boolean;
    }
  | {
      readonly type: 'setContext';
      readonly by: Party;
      readonly answers?: number;
      /** Bots: what it came in. */
      readonly activity?: Activity;
      readonly variables: ContextVariables;
      readonly warnings?: readonly string[];
    }
  | { readonly type: 'endByBot'; readonly bot: string; readonly answers?: number; readonly activity?: Activity }
  | { readonly type: 'botFailed'; readonly bot: string; readonly answers?: number; readonly cause: string }
  | { readonly type: 'endTurn'; readonly bot: string; readonly answers?: number }
  | { readonly type: 'cancel' }
  | { readonly type: 'leave' }
  | { readonly type: 'offer'; readonly agents: readonly string[]; readonly receipt: AssignReceipt }
  | { readonly type: 'lapse'; readonly agent: string }
  | { readonly type: 'accept'; readonly agent: string }
  | { readonly type: 'reject'; readonly agent: string; readonly reason?: string }
  | { readonly type: 'pick'; readonly agent: string }
  | { readonly type: 'assign'; readonly by: Party; readonly agent: string }
  | { readonly type: 'transfer'; readonly by: Party; readonly to: { queue?: string; agent?: string; bot?: string } }
  | {
      readonly type: 'return';
      readonly by: Party;
      readonly bot?: string;
      readonly outcome?: string;
      readonly summary?: string;
    }
  | { readonly type: 'end'; readonly by: Party }
  | { readonly type: 'close'; readonly by: Party }
  | { readonly type: 'park'; readonly by: Party }
  | { readonly type: 'resume'; readonly agent: string }
  | { readonly type: 'join'; readonly agent: string; readonly as: ParticipantKind }
  | { readonly type: 'quit'; readonly agent: string }
  | { readonly type: 'disconnect'; readonly party: 'customer' | 'agent'; readonly agent?: string }
  | { readonly type: 'reconnect'; readonly party: 'customer' | 'agent'; readonly agent?: string }
  | {
      readonly type: 'edit';
      readonly by: Party;
      readonly target: number;
      readonly author: Party;
      /** Who sees the entry at `target`: a change of it is seen by nobody else. */
      readonly audience: Audience;
      /** Bots: seq of the entry that the changed one answers. */
      readonly answers?: number;
      readonly activity: Activity;
    }
  | {
      readonly type: 'delete';
      readonly by: Party;
      readonly target: number;
      readonly author: Party;
      readonly audience: Audience;
      readonly answers?: number;
    }
  /** A turn the hub never saw, told by a bot. */
  | { readonly type: 'import'; readonly by: Party; readonly activity: Activity }
  /** A bot takes a customer's window out; with the last one the conversation is over. */
  | { readonly type: 'removeMember'; readonly bot: string; readonly member: string }
  | {
      readonly type: 'resolveDraft';
      readonly by: Party;
      readonly target: number;
      /** The draft as it is to be said; undefined discards it. */
      readonly activity?: Activity;
    }
  | { readonly type: 'deliveryFailed'; readonly to: string; readonly target: number; readonly reason: string }
  /** What was said in these entries, and the context, is taken out of the record. */
  | { readonly type: 'erase'; readonly targets: readonly number[] }
  /** By a change of the configuration nobody can come to where it waits, or the bot it is with is gone. */
  | { readonly type: 'reroute' }
  | { readonly type: 'tick' }
);

/** A turn of a transcript, and the key under which it is in the log once. */
export interface UnseenTurn {
  readonly activity: Activity;
  readonly key: string;
}

export type CommandType = Command['type'];
export type CommandOf<T extends CommandType> = Extract<Command, { type: T }>;
