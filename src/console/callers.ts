// What a person may do: roles and parts are read from the directory and the conversation at every call.

import { holds, mayReadLog } from '../core/access.js';
import type { Conversation, Party } from '../core/conversation.js';
import type { Directory, Person, PersonRole } from '../core/directory.js';
import { Rejected } from '../core/rejected.js';

/** The person behind a call, proven by a session or a token. */
export interface Caller {
  /** As the directory has them now; what a token or session says of roles is never asked. */
  readonly person: Person;
  /** Id of the session's grant, for callers with a cookie. */
  readonly session?: string;
  /** When the proof ends, epoch milliseconds. */
  readonly provenUntil: number;
}

export function requireRole({ person }: Caller, role: PersonRole, what: string): void {
  if (person.roles.includes(role)) return;
  throw new Rejected('notAllowed', `${what} needs the role ${role}. Ask an administrator for it.`, { role });
}

export function requireReader({ person }: Caller, state: Conversation, directory: Directory): void {
  if (mayReadLog(state, person.id, directory)) return;
  throw new Rejected(
    'notAllowed',
    'What was said here is for members of its queue, for those who take or took part, and for supervisors.',
  );
}

export function isSupervisor({ person }: Caller): boolean {
  return person.roles.includes('supervisor');
}

/** As whom the caller acts: the holder acts as the agent, even one who supervises as well. */
export function actingParty({ person }: Caller, state: Conversation): Party {
  const has = holds(state, person.id) || ('agent' in state && state.agent === person.id);
  const role = person.roles.includes('supervisor') && !has ? 'supervisor' : 'agent';
  return { role, id: person.id };
}
