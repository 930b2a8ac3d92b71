// A chat to fill a store with: makes events, keeps the state they fold to, and knows the next append.

import { evolve } from '../../src/core/evolve.js';
import {
  loadsOf,
  NOT_STARTED,
  SYSTEM,
  type Conversation,
  type ConversationEvent,
  type Party,
  type State,
} from '../../src/core/conversation.js';
import type { Append, Appended, Claim, Store } from '../../src/hub/ports.js';

export const T0 = Date.UTC(2030, 0, 1);

type Common = 'v' | 'at' | 'by' | 'audience';
type Loose<T> = T extends unknown ? Omit<T, Common> & Partial<Pick<ConversationEvent, Common>> : never;
export type Happening = Loose<ConversationEvent>;

let made = 0;

export class Chat {
  state: State = NOT_STARTED;
  at: number;
  readonly events: ConversationEvent[] = [];

  constructor(
    readonly id = `chat-${++made}`,
    startedAt = T0,
  ) {
    this.at = startedAt;
  }

  get version(): number {
    return this.state.version;
  }

  get conversation(): Conversation {
    if (this.state.phase === 'none') throw new Error('the chat has not started');
    return this.state;
  }

  /** The append that makes these things happen now; `happened` makes it so in the chat as well. */
  plan(...happenings: Happening[]): Append {
    const events = happenings.map((happening): ConversationEvent => ({
      v: 1,
      at: this.at,
      by: SYSTEM,
      audience: 'everyone',
      ...happening,
    }));
    const before = loadsOf(this.state);
    const state = events.reduce(evolve, this.state) as Conversation;
    const after = loadsOf(state);
    const claims = [...new Set([...Object.keys(before), ...Object.keys(after)])]
      .map((agent): Claim => ({ agent, delta: (after[agent] ?? 0) - (before[agent] ?? 0), at: this.at }))
      .filter(({ delta }) => delta !== 0);
    return { conversationId: this.id, expectedVersion: this.version, events, state, claims, outbox: [] };
  }

  happened(append: Append): void {
    this.state = append.state;
    this.events.push(...append.events);
    this.at += 1000;
  }

  async append(store: Store, ...happenings: Happening[]): Promise<Appended> {
    const append = this.plan(...happenings);
    const appended = await store.append(append);
    if (appended.outcome === 'done') this.happened(append);
    return appended;
  }

  start(options: { customer?: string; channelKey?: string } = {}): Happening[] {
    const { customer = 'ann', channelKey } = options;
    return [
      {
        type: 'started',
        id: this.id,
        workStream: 'web',
        channel: channelKey === undefined ? { id: 'directline' } : { id: 'msteams', key: channelKey },
        customer,
        body: { customerName: 'Ann', variables: { Topic: { value: 'Cards', displayable: true } } },
      },
      { type: 'botConnected', bot: 'demo', welcome: true, timers: { botIdle: this.at + 1_800_000 } },
    ];
  }
}

export const ANN: Party = { role: 'customer', id: 'ann' };

export function says(text: string, extra: Partial<Happening> = {}): Happening {
  return {
    type: 'said',
    by: ANN,
    activityType: 'message',
    body: { activity: { type: 'message', text, from: { id: 'ann', name: 'Ann' } } },
    ...extra,
  } as Happening;
}

export function queues(queue: string, waitingSince: number, dueAt = waitingSince + 1_200_000): Happening {
  return {
    type: 'queued',
    queue,
    priority: 0,
    waitingSince,
    front: false,
    cause: 'escalated',
    timers: { queueLimit: dueAt },
  };
}

export function offers(agent: string, lapsesAt: number, cost = 1): Happening {
  return { type: 'offered', offers: [{ agent, lapsesAt }], cost, direct: false, timers: { offerLapses: lapsesAt } };
}

export function closes(): Happening {
  return { type: 'closed', reason: 'customerLeft', from: 'bot' };
}
