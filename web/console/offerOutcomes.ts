// What became of a request that is no longer offered to this person without their doing.
import type { Conversation, Me } from './api.js';
import { customerName } from './words.js';

export interface OfferOutcome {
  conversationId: string;
  customer: string;
  /** Epoch milliseconds at which the page learned of it, or the server's own time where it told one. */
  at: number;
  /** Completes the sentence "Kim: …". */
  text: string;
}

export function vanishedOffers(before: readonly Conversation[], after: readonly Conversation[]): Conversation[] {
  const still = new Set(after.map(({ id }) => id));
  return before.filter(({ id, phase }) => phase === 'offered' && !still.has(id));
}

/** `now` is undefined when the conversation may no longer be read. */
export function outcomeOf(offer: Conversation, now: Conversation | undefined, me: Me, at: number): OfferOutcome {
  return { conversationId: offer.id, customer: customerName(offer.customer), at, text: wordsFor(now, me) };
}

function wordsFor(now: Conversation | undefined, me: Me): string {
  if (!now) return 'no longer offered to you';
  const by = now.agent && now.agent.id !== me.id ? (now.agent.name ?? now.agent.id) : undefined;
  switch (now.phase) {
    case 'queued':
      return 'the request lapsed and is back in line';
    case 'offered':
      return by ? `now offered to ${by}` : 'offered again';
    case 'agent':
    case 'waiting':
    case 'wrapUp':
      return by ? `taken by ${by}` : 'now with somebody else';
    case 'bot':
      return 'the customer went back to the bot';
    case 'closed':
      return 'the customer left';
  }
}
