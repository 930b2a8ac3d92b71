// What happened, in one line for people: the lines between the messages of a staff transcript.

import type { ConversationEvent, ObservedReason, Party } from './conversation.js';

/** undefined for entries that speak for themselves or that nobody needs to read between messages. */
export function describeEvent(
  event: ConversationEvent,
  nameOf: (party: Party) => string | undefined,
): string | undefined {
  const person = (id: string): string => nameOf({ role: 'agent', id }) ?? id;
  const people = (ids: readonly string[]): string => ids.map(person).join(', ');
  const bot = (id: string): string => nameOf({ role: 'bot', id }) ?? id;
  switch (event.type) {
    case 'started':
      return 'The conversation started';
    case 'botConnected':
      return `${bot(event.bot)} has the conversation`;
    case 'contextSet':
      return `Context set: ${Object.keys(event.body?.variables ?? {}).join(', ')}`;
    case 'escalated':
      return describeEscalation(event, nameOf);
    case 'escalationObserved': {
      const where = event.nextBot !== undefined ? bot(event.nextBot) : event.queue;
      return `Observed: ${describeEscalation(event, nameOf)}; ${where === undefined ? 'nobody would have taken it' : `it would have gone to ${where}`}`;
    }
    case 'queued':
      return `Waiting in ${event.queue}`;
    case 'offered':
      return `Offered to ${people(event.offers.map((offer) => offer.agent))}`;
    case 'declined':
      return `${person(event.agent)} declined${event.reason === undefined ? '' : `: ${event.reason}`}`;
    case 'lapsed':
      return `The request to ${people(event.agents)} lapsed`;
    case 'withdrawn':
      return `The request to ${people(event.agents)} was withdrawn`;
    case 'accepted':
      return `${person(event.agent)} ${event.how === 'assign' ? 'was assigned' : 'accepted'}`;
    case 'transferred': {
      const { queue, agent, bot: toBot } = event.to;
      const where = agent !== undefined ? person(agent) : toBot !== undefined ? bot(toBot) : queue;
      return `Transferred to ${where ?? 'another queue'}`;
    }
    case 'returned':
      return `Back with ${bot(event.bot)} (${event.reason})`;
    case 'parked':
      return 'Waiting for the customer';
    case 'resumed':
      return `${person(event.agent)} resumed`;
    case 'ended':
      return `The talk with a person ended (${event.reason})`;
    case 'surveyStarted':
      return `${bot(event.bot)} asks the customer how it was`;
    case 'surveyEnded':
      return `The survey ended (${event.reason})`;
    case 'wrapUpEnded':
      return `The wrap-up ended (${event.reason}); the survey goes on`;
    case 'closed':
      return `Closed (${event.reason})`;
    case 'botFailed':
      return `${bot(event.bot)} failed: ${event.cause}`;
    case 'joined':
      return `${person(event.agent)} joined (${event.as})`;
    case 'left':
      return `${person(event.agent)} left`;
    case 'disconnected':
      return event.party === 'customer' ? "The customer's connection was lost" : "The person's connection was lost";
    case 'reconnected':
      return event.party === 'customer' ? 'The customer is connected again' : 'The person is connected again';
    case 'deliveryFailed':
      return `Could not be delivered to ${event.to}: ${event.reason}`;
    case 'erased':
      return 'Content was erased';
    case 'memberJoined':
    case 'memberLeft':
    case 'routed':
    case 'said':
    case 'drafted':
    case 'draftResolved':
    case 'noted':
    case 'told':
    case 'imported':
    case 'edited':
    case 'deleted':
    case 'turnEnded':
    case 'waitExtended':
      return undefined;
  }
}

/** Who or what asked for a person, as one sentence without its end. */
export function describeEscalation(
  { reason, bot }: { readonly reason: ObservedReason; readonly bot?: string },
  nameOf: (party: Party) => string | undefined,
): string {
  const name = bot === undefined ? 'The bot' : (nameOf({ role: 'bot', id: bot }) ?? bot);
  switch (reason) {
    case 'signal':
      return bot === undefined ? 'A person was asked for' : `${name} asked for a person`;
    case 'customer':
      return 'The customer asked for a person';
    case 'trigger:phrase':
      return 'The customer wrote a phrase that asks for a person';
    case 'trigger:fallback':
      return `${name} did not understand, and a person was asked for`;
    case 'trigger:botError':
    case 'botUnavailable':
      return `${name} failed, and a person was asked for`;
    case 'start':
      return 'The rules lead to people from the start';
  }
}
