// What would come of an escalation if it were asked for now: the answer to a bot that asks first.

import { DEFAULT_WORK_STREAM } from '../core/directory.js';
import { factsOf } from '../core/plan.js';
import { Rejected } from '../core/rejected.js';
import { route } from '../core/routing.js';
import type { Engine } from './engine.js';
import type { Lines } from './lines.js';
import type { People } from './people.js';

/** What an outlook is made from: the hub, or its parts in a test. */
export interface Prospect extends Pick<Engine, 'conversation' | 'directory' | 'clock'> {
  readonly lines: Lines;
  readonly people: People;
}

export interface Outlook {
  /** Somebody of the queue is there, with room or without. */
  open: boolean;
  /** People of the queue who are there. */
  agentsOnline: number;
  /** The place in line the customer would get: 1 = next. 0 = there is no queue to wait in. */
  position: number;
  /** 0 when somebody has room right now; absent when the hub cannot say. */
  estimatedWaitMs?: number;
  /** The queue the rules lead to, or the one asked about. */
  queue?: string;
}

/** Fresh at the moment asked: nothing is reserved. @throws Rejected for an unknown conversation or queue. */
export async function outlook(hub: Prospect, conversationId: string, asked?: { queue?: string }): Promise<Outlook> {
  const state = await hub.conversation(conversationId);
  if (state === undefined) throw new Rejected('conversationUnknown', 'There is no such conversation.');
  const { directory } = hub;
  const workStream = directory.workStreams[state.workStream];
  const at = hub.clock.now();
  if (asked?.queue !== undefined && directory.queues[asked.queue] === undefined)
    throw new Rejected('notFound', `There is no queue "${asked.queue}".`);
  const found =
    asked?.queue !== undefined || workStream === undefined
      ? { queue: asked?.queue, priority: 0 }
      : route({
          at,
          workStream,
          directory,
          context: state.context,
          facts: { ...factsOf(state), escalationReason: 'signal' },
          needsPeople: true,
          triedBots: state.lastBot === undefined ? state.triedBots : [...state.triedBots, state.lastBot],
        });
  const { queue, priority } = found;
  if (queue === undefined) return { open: false, agentsOnline: 0, position: 0 };
  const agentsOnline = hub.people.online(queue, state.workStream);
  const position = hub.lines.place(queue, priority, at);
  const { cost, allowedPresences } = workStream ?? DEFAULT_WORK_STREAM;
  const hasRoom = hub.people
    .candidates(queue)
    .some(({ presence, load, capacity }) => allowedPresences.includes(presence) && load + cost <= capacity);
  return {
    open: agentsOnline > 0,
    agentsOnline,
    position,
    queue,
    ...(hasRoom && position === 1 ? { estimatedWaitMs: 0 } : {}),
  };
}
