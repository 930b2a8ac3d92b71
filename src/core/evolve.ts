// evolve(state, event) → state: what one entry of the log changes. Reading a log from the start gives the state.

import {
  NOT_STARTED,
  type Conversation,
  type ConversationEvent,
  type EventOf,
  type Queued,
  type State,
  type TimerPatch,
  type Timers,
} from './conversation.js';

/** Entries `escalationObserved` that a state names: a bot that asks at every turn must not make it grow without end. */
const MAX_OBSERVED = 100;

export function fold(events: Iterable<ConversationEvent>): State {
  let state: State = NOT_STARTED;
  for (const event of events) state = evolve(state, event);
  return state;
}

/** @throws TypeError when the event cannot follow the state: the log is damaged. */
export function evolve(state: State, event: ConversationEvent): Conversation {
  if (event.type === 'started') return start(state, event);
  if (state.phase === 'none') throw new TypeError(`a log begins with "started", not with "${event.type}"`);
  const next = step({ ...state, version: state.version + 1, lastAt: event.at }, event, state.version + 1);
  return withTimers(next, next.phase === state.phase ? state.timers : {}, event.timers);
}

function start(state: State, event: EventOf<'started'>): Conversation {
  if (state.phase !== 'none') throw new TypeError('a conversation starts once');
  // Until `botConnected` or `queued` follows in the same commit nobody holds it; a closed shell keeps the union honest.
  const base = {
    id: event.id,
    version: 1,
    workStream: event.workStream,
    channel: event.channel,
    customer: { id: event.customer, name: event.body?.customerName },
    members: event.customer === undefined ? [] : [event.customer],
    locale: event.body?.locale,
    startedAt: event.at,
    lastAt: event.at,
    previous: event.previous,
    epoch: 0,
    sessionSeq: 1,
    sessionAt: event.at,
    changedWithPeople: [],
    context: event.body?.variables ?? {},
    timers: {},
    bots: [],
    triedBots: [],
    declines: {},
    servedBy: [],
    participants: [],
    customerSaidSomething: false,
    customerGone: false,
    reference: event.body?.reference,
  };
  return Object.assign(base, { phase: 'closed', reason: 'inactive', closedAt: event.at } as const);
}

function step(state: Conversation, event: Exclude<ConversationEvent, { type: 'started' }>, seq: number): Conversation {
  switch (event.type) {
    case 'memberJoined':
      return {
        ...state,
        customer: state.customer.id === undefined ? { ...state.customer, id: event.member } : state.customer,
        members: state.members.includes(event.member) ? state.members : [...state.members, event.member],
      };
    case 'memberLeft': {
      const members = state.members.filter((id) => id !== event.member);
      const [next] = members;
      // The last one stays the customer of the conversation: it is theirs, also when it is over.
      const isOver = next === undefined || state.customer.id !== event.member;
      return { ...state, members, customer: isOver ? state.customer : { id: next, name: undefined } };
    }
    case 'contextSet': {
      const variables = event.body?.variables ?? {};
      const changed = Object.keys(variables);
      const withPeople = state.phase !== 'bot' && state.phase !== 'closed';
      return {
        ...state,
        context: { ...state.context, ...variables },
        changedWithPeople: withPeople
          ? [...new Set([...state.changedWithPeople, ...changed])]
          : state.changedWithPeople,
      };
    }
    case 'botConnected':
      return handedOver(state, event.at, seq, {
        phase: 'bot',
        bot: event.bot,
        queue: event.queue,
        lastBot: event.bot,
        bots: state.bots.includes(event.bot) ? state.bots : [...state.bots, event.bot],
        escalatedBy: undefined,
        changedWithPeople: [],
        openTurn: event.openTurn,
      });
    case 'returned':
      return handedOver(state, event.at, seq, {
        phase: 'bot',
        bot: event.bot,
        lastBot: event.bot,
        bots: state.bots.includes(event.bot) ? state.bots : [...state.bots, event.bot],
        escalatedBy: undefined,
        escalationReason: undefined,
        declines: {},
        participants: [],
        changedWithPeople: [],
        summary: undefined,
      });
    case 'said':
      return heard(state, event);
    case 'escalated': {
      const bot = event.bot;
      const escalated = {
        ...state,
        summary: event.body?.summary ?? state.summary,
        escalationReason: event.reason,
        escalatedBy: event.reason === 'botUnavailable' ? undefined : (bot ?? state.escalatedBy),
        triedBots: bot === undefined || state.triedBots.includes(bot) ? state.triedBots : [...state.triedBots, bot],
      };
      return escalated;
    }
    case 'queued': {
      const fresh = state.phase !== 'offered' && state.phase !== 'queued';
      const place = {
        phase: 'queued',
        queue: event.queue,
        lastQueue: event.queue,
        priority: event.priority,
        waitingSince: event.waitingSince,
        front: event.front,
        skills: event.skills,
        openTurn: event.openTurn ?? (fresh ? undefined : state.openTurn),
      } as const;
      return fresh ? handedOver(state, event.at, seq, place) : Object.assign(shared(state), place);
    }
    case 'offered': {
      const place = placeOf(state);
      const offered = {
        phase: 'offered',
        offers: event.offers,
        cost: event.cost,
        direct: event.direct,
        openTurn: state.phase === 'queued' ? state.openTurn : undefined,
        ...place,
        waitingSince: event.waitingSince ?? place.waitingSince,
      } as const;
      return state.phase === 'queued'
        ? Object.assign(shared(state), offered)
        : handedOver(state, event.at, seq, offered);
    }
    case 'declined':
      return withoutOffers(
        { ...state, declines: { ...state.declines, [event.agent]: (state.declines[event.agent] ?? 0) + 1 } },
        [event.agent],
      );
    case 'lapsed':
    case 'withdrawn':
      return withoutOffers(state, event.agents);
    case 'accepted':
      return handedOver(state, event.at, seq, {
        phase: 'agent',
        agent: event.agent,
        cost: event.cost,
        agentGone: false,
        servedBy: [...state.servedBy.filter((id) => id !== event.agent), event.agent],
        participants: state.participants.filter((participant) => participant.agent !== event.agent),
        assistant: event.assistant,
        ...placeOf(state),
      });
    case 'parked': {
      if (state.phase !== 'agent') return state;
      return handedOver(state, event.at, seq, { phase: 'waiting', agent: state.agent, ...placeOf(state) });
    }
    case 'resumed':
      return handedOver(state, event.at, seq, {
        phase: 'agent',
        agent: event.agent,
        cost: event.cost,
        agentGone: false,
        assistant: event.assistant,
        ...placeOf(state),
      });
    case 'ended': {
      if (state.phase !== 'agent') return state;
      return handedOver(state, event.at, seq, {
        phase: 'wrapUp',
        agent: state.agent,
        cost: state.cost,
        participants: [],
        ...placeOf(state),
      });
    }
    case 'surveyStarted': {
      if (state.phase !== 'wrapUp') return state;
      const bots = state.bots.includes(event.bot) ? state.bots : [...state.bots, event.bot];
      return { ...session({ ...state, bots }, event.at, seq), survey: event.bot };
    }
    case 'surveyEnded':
      return state.phase === 'wrapUp' ? { ...session(state, event.at, seq), survey: undefined } : state;
    case 'wrapUpEnded': {
      if (state.phase !== 'wrapUp' || state.survey === undefined) return state;
      // The bot goes on in its session: what it is about to answer still counts.
      return { ...shared(state), phase: 'bot', bot: state.survey, queue: state.queue, survey: true };
    }
    case 'botFailed':
      // Who has said nothing is owed no answer: a bot that fails to greet fails nobody yet.
      return state.phase === 'bot' && state.customerSaidSomething
        ? { ...state, failures: (state.failures ?? 0) + 1 }
        : state;
    case 'closed':
      return handedOver(state, event.at, seq, {
        phase: 'closed',
        reason: event.reason,
        closedAt: event.at,
        queue: 'queue' in state ? state.queue : undefined,
        participants: [],
      });
    case 'turnEnded':
      return 'openTurn' in state ? { ...state, openTurn: undefined } : state;
    case 'disconnected':
      if (event.party === 'customer') return { ...state, customerGone: true };
      return state.phase === 'agent' ? { ...state, agentGone: true } : state;
    case 'reconnected':
      if (event.party === 'customer') return { ...state, customerGone: false };
      return state.phase === 'agent' ? { ...state, agentGone: false } : state;
    case 'joined':
      return {
        ...state,
        participants: [
          ...state.participants.filter((participant) => participant.agent !== event.agent),
          { agent: event.agent, as: event.as },
        ],
        servedBy:
          event.as === 'consulting' && !state.servedBy.includes(event.agent)
            ? [event.agent, ...state.servedBy]
            : state.servedBy,
      };
    case 'left':
      return { ...state, participants: state.participants.filter((participant) => participant.agent !== event.agent) };
    case 'erased':
      return event.context
        ? {
            ...state,
            context: {},
            changedWithPeople: [],
            summary: undefined,
            customer: { id: state.customer.id },
            locale: undefined,
            reference: event.targets.includes(1) ? undefined : state.reference,
          }
        : state;
    case 'escalationObserved': {
      const { seqs, count } = state.observed ?? { seqs: [], count: 0 };
      return { ...state, observed: { seqs: seqs.length < MAX_OBSERVED ? [...seqs, seq] : seqs, count: count + 1 } };
    }
    case 'draftResolved':
      return { ...state, resolvedDrafts: [...(state.resolvedDrafts ?? []), event.target] };
    case 'routed':
    case 'drafted':
    case 'noted':
    case 'told':
    case 'imported':
    case 'edited':
    case 'deleted':
    case 'transferred':
    case 'waitExtended':
    case 'deliveryFailed':
      return state;
  }
}

function heard(state: Conversation, event: EventOf<'said'>): Conversation {
  if (event.by.role === 'bot') return answered(state, event);
  if (event.by.role !== 'customer') return state;
  return heardFromCustomer(withNextTurn(state, event), event);
}

/** A bot that says something works; whether it also understood shows in `misses`, kept from the first miss on. */
function answered(state: Conversation, event: EventOf<'said'>): Conversation {
  if (state.phase !== 'bot' || state.bot !== event.by.id) return state;
  const { failures, misses, ...rest } = state;
  const missed = event.fallback === true || misses?.missed === true;
  const counts = event.fallback === true || (misses !== undefined && event.activityType === 'message');
  const next = counts ? { before: misses?.before ?? 0, answered: true, missed } : misses;
  if (failures === undefined && next === misses) return state;
  return { ...rest, ...(next === undefined ? {} : { misses: next }) };
}

/** The customer's message after an answer begins the next turn. */
function withNextTurn(state: Conversation, event: EventOf<'said'>): Conversation {
  if (state.phase !== 'bot' || state.misses?.answered !== true || event.activityType !== 'message') return state;
  const { misses, ...rest } = state;
  return misses.missed ? { ...rest, misses: { before: misses.before + 1, answered: false, missed: false } } : rest;
}

function heardFromCustomer(state: Conversation, event: EventOf<'said'>): Conversation {
  const name = event.body?.activity?.from?.name;
  const renamed = typeof name === 'string' && name !== '' && name !== state.customer.name;
  if (!renamed && (state.customerSaidSomething || event.activityType !== 'message')) return state;
  return {
    ...state,
    customer: renamed ? { ...state.customer, name } : state.customer,
    customerSaidSomething: state.customerSaidSomething || event.activityType === 'message',
  };
}

/** A new holder: the epoch grows and what bots compute from earlier entries no longer counts. */
function session<T extends { epoch: number; sessionSeq: number; sessionAt: number }>(
  state: T,
  at: number,
  seq: number,
): T {
  return { ...state, epoch: state.epoch + 1, sessionSeq: seq, sessionAt: at };
}

/**
 * What the next holder gets. Assigned and not spread: a literal that begins with a spread and adds fields costs V8 (of Node 20)
 * about 1 µs a field, which made a change of phase 20 times as dear.
 */
function handedOver<const Change extends object>(state: Conversation, at: number, seq: number, change: Change) {
  return Object.assign(shared(state), { epoch: state.epoch + 1, sessionSeq: seq, sessionAt: at }, change);
}

/** The fields every phase has: those of the old phase alone must not leak into the next. */
function shared(state: Conversation) {
  return {
    id: state.id,
    version: state.version,
    workStream: state.workStream,
    channel: state.channel,
    customer: state.customer,
    members: state.members,
    locale: state.locale,
    startedAt: state.startedAt,
    lastAt: state.lastAt,
    previous: state.previous,
    epoch: state.epoch,
    sessionSeq: state.sessionSeq,
    sessionAt: state.sessionAt,
    changedWithPeople: state.changedWithPeople,
    context: state.context,
    summary: state.summary,
    timers: state.timers,
    dueAt: state.dueAt,
    lastBot: state.lastBot,
    lastQueue: state.lastQueue,
    bots: state.bots,
    triedBots: state.triedBots,
    escalatedBy: state.escalatedBy,
    escalationReason: state.escalationReason,
    declines: state.declines,
    servedBy: state.servedBy,
    participants: state.participants,
    observed: state.observed,
    resolvedDrafts: state.resolvedDrafts,
    customerSaidSomething: state.customerSaidSomething,
    customerGone: state.customerGone,
    reference: state.reference,
  };
}

function placeOf(state: Conversation) {
  switch (state.phase) {
    case 'queued':
    case 'offered':
    case 'agent':
    case 'waiting':
    case 'wrapUp':
      return {
        queue: state.queue,
        priority: state.priority,
        waitingSince: state.waitingSince,
        front: state.front,
        skills: state.skills,
      };
    case 'bot':
    case 'closed':
      throw new TypeError(`a conversation in phase ${state.phase} has no place in a queue`);
  }
}

function withoutOffers(state: Conversation, agents: readonly string[]): Conversation {
  if (state.phase !== 'offered') return state;
  const offers = state.offers.filter((offer) => !agents.includes(offer.agent));
  if (offers.length > 0) return { ...state, offers };
  const queued: Queued = {
    ...shared(state),
    ...placeOf(state),
    // A request made to one person goes to the front of the queue it came from.
    front: state.front || state.direct,
    phase: 'queued',
    openTurn: state.openTurn,
  };
  return queued;
}

function withTimers(state: Conversation, before: Timers, patch: TimerPatch | undefined): Conversation {
  if (state.phase === 'closed') return { ...state, timers: {}, dueAt: undefined };
  if (patch === undefined && before === state.timers) return state;
  const timers: Timers = { ...before };
  for (const [name, at] of Object.entries(patch ?? {}) as [keyof Timers, number | null | undefined][]) {
    if (at === null || at === undefined) delete timers[name];
    else timers[name] = at;
  }
  const times = Object.values(timers);
  return { ...state, timers, dueAt: times.length > 0 ? Math.min(...times) : undefined };
}
