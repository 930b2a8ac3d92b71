// Who may read what was said in a conversation. That it exists and who holds it, everybody who serves may know.

import { holderOf, type Conversation } from './conversation.js';
import type { Directory } from './directory.js';

/**
 * Members of its queue (or of the one it last waited in), everybody who serves or served it or is asked to, and
 * supervisors. Decided anew from the directory each time: who leaves a queue stops reading it.
 */
export function mayReadLog(state: Conversation, personId: string, directory: Directory): boolean {
  const person = directory.people[personId];
  if (person === undefined) return false;
  if (person.roles.includes('supervisor') || takesPart(state, personId) || state.servedBy.includes(personId))
    return true;
  return queuesOf(state).some((queue) => directory.queues[queue]?.members.includes(personId) === true);
}

/** Holds it, is asked to take it, wraps it up, or has joined it. */
export function takesPart(state: Conversation, personId: string): boolean {
  return servingOf(state).includes(personId) || state.participants.some(({ agent }) => agent === personId);
}

/** The people in whose hands it is, or who are asked to take it. */
export function servingOf(state: Conversation): readonly string[] {
  switch (state.phase) {
    case 'offered':
      return state.offers.map(({ agent }) => agent);
    case 'agent':
    case 'waiting':
    case 'wrapUp':
      return [state.agent];
    case 'bot':
    case 'queued':
    case 'closed':
      return [];
  }
}

/** The queue it is in and the one it last waited in. */
export function queuesOf(state: Conversation): readonly string[] {
  const queue = 'queue' in state ? state.queue : undefined;
  return [queue, state.lastQueue].filter((id) => id !== undefined);
}

/** Whether this person holds it now: only the holder speaks to the customer. */
export function holds(state: Conversation, personId: string): boolean {
  const holder = holderOf(state);
  return holder?.role === 'agent' && holder.id === personId;
}
