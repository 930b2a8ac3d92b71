// What everybody is called.

import type { Conversation, Party } from './conversation.js';
import type { Directory } from './directory.js';

/** Display names as the directory in force has them; a customer's own name comes from the conversation. */
export function namesIn(directory: Directory, state: Conversation): (party: Party) => string | undefined {
  return ({ role, id }) => {
    switch (role) {
      case 'customer':
        return id === state.customer.id ? state.customer.name : undefined;
      case 'bot':
        return directory.bots[id]?.name;
      case 'agent':
      case 'supervisor':
        return directory.people[id]?.name;
      case 'system':
        return directory.workStreams[state.workStream]?.sender ?? state.workStream;
    }
  };
}
