// A conversation id as Direct Line clients know them: URL-safe and unguessable.

import { randomUUID } from 'node:crypto';

export function newConversationId(): string {
  return randomUUID().replaceAll('-', '').slice(0, 26);
}
