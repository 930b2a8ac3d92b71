// What people ask: take, speak, hand on, give back, end. A repeated command by the same person is a success without a new event.

import type { CommandOf } from './commands.js';
import { mergeContext } from './fromBot.js';
import { activityTimers } from './fromCustomer.js';
import { isSurvey, requireHolder } from './floor.js';
import type { Plan } from './plan.js';
import { withChannelData } from './activity.js';
import type { Conversation, Party } from './conversation.js';
import { Rejected } from './rejected.js';

export function sayByAgent(plan: Plan, { by, activity }: CommandOf<'say'>): void {
  requireHolder(plan.open, by);
  const from = { id: by.id, name: personName(plan, by.id), role: 'bot' };
  const spoken = withChannelData({ ...activity, from }, { handoff: { kind: 'agent' } });
  plan.emit(
    { type: 'said', activityType: activity.type, timers: activityTimers(plan), body: { activity: spoken } },
    by,
    'everyone',
  );
}

export function note(plan: Plan, { by, activity }: CommandOf<'note'>): void {
  const from = { id: by.id, name: personName(plan, by.id), role: 'bot' };
  plan.emit({ type: 'noted', kind: 'note', body: { activity: { ...activity, from } } }, by);
}

export function setContextByAgent(plan: Plan, { by, variables, warnings }: CommandOf<'setContext'>): void {
  requireHolder(plan.open, by);
  mergeContext(plan, by, variables, warnings);
}

export function offer(plan: Plan, { agents, receipt }: CommandOf<'offer'>): void {
  const state = plan.open;
  if (state.phase !== 'queued')
    throw new Rejected('wrongPhase', 'Only a waiting conversation can be offered.', { phase: state.phase });
  const lapsesAt = plan.now + plan.workStream.timers.offerMs;
  plan.emit({
    type: 'offered',
    offers: agents.map((agent) => ({ agent, lapsesAt })),
    cost: plan.workStream.cost,
    direct: false,
    timers: { offerLapses: lapsesAt, ...plan.keptTimers() },
    body: { receipt },
  });
}

export function accept(plan: Plan, { agent }: CommandOf<'accept'>): void {
  const state = plan.open;
  if (state.phase === 'agent' && state.agent === agent) return;
  if (state.phase !== 'offered' || !isOfferedTo(state, agent)) throw offerGone(plan, state);
  plan.accept(agent, 'offer', state.cost, { role: 'agent', id: agent });
}

export function reject(plan: Plan, { agent, reason }: CommandOf<'reject'>): void {
  const state = plan.open;
  const isOffered = state.phase === 'offered' && isOfferedTo(state, agent);
  if (!isOffered && state.phase !== 'closed' && (state.declines[agent] ?? 0) > 0) return;
  if (!isOffered) throw offerGone(plan, state);
  const last = state.offers.length === 1;
  plan.emit(
    {
      type: 'declined',
      agent,
      ...(reason === undefined ? {} : { reason }),
      ...(last ? { timers: plan.waitingTimers(state.waitingSince) } : {}),
    },
    { role: 'agent', id: agent },
  );
}

export function pick(plan: Plan, { agent }: CommandOf<'pick'>): void {
  const state = plan.open;
  if (state.phase === 'agent' && state.agent === agent) return;
  if (state.phase !== 'queued' && state.phase !== 'offered') throw offerGone(plan, state);
  const queue = plan.circumstances.directory.queues[state.queue];
  if (queue?.members.includes(agent) !== true)
    throw new Rejected('notAllowed', `Only members of ${queue?.name ?? state.queue} can pick from it.`);
  if (state.phase === 'offered' && !isOfferedTo(state, agent)) throw offerGone(plan, state);
  plan.accept(agent, 'pick', plan.workStream.cost, { role: 'agent', id: agent });
}

/** A supervisor puts it into somebody's hands, over capacity if need be; the receipt says so. */
export function assign(plan: Plan, { by, agent }: CommandOf<'assign'>): void {
  const state = plan.open;
  if (state.phase === 'agent' && state.agent === agent) return;
  if (by.role !== 'supervisor')
    throw new Rejected('notAllowed', 'Only a supervisor assigns a conversation; pick it instead.');
  requirePerson(plan, agent);
  if (state.phase !== 'queued' && state.phase !== 'offered')
    throw new Rejected('wrongPhase', 'Only a waiting conversation can be assigned; transfer it instead.', {
      phase: state.phase,
    });
  plan.accept(agent, 'assign', plan.workStream.cost, by, {
    kind: 'assign',
    at: plan.now,
    queue: state.queue,
    method: 'forced',
    candidates: [{ id: agent }],
    chosen: agent,
    tieBreak: `assigned by ${by.id}, whatever the capacity`,
  });
}

export function transfer(plan: Plan, { by, to }: CommandOf<'transfer'>): void {
  const state = plan.open;
  if ([to.queue, to.agent, to.bot].filter((target) => target !== undefined).length !== 1)
    throw new Rejected('badCommand', 'Name exactly one of queue, agent or bot as the target of a transfer.');
  if (plan.observes)
    throw new Rejected(
      'notAllowed',
      'Its work stream only observes: nothing is handed over. Set observe to false in handoff.yaml to let it act.',
    );
  const waits = state.phase === 'queued' || state.phase === 'offered';
  if (waits && by.role === 'supervisor' && to.queue !== undefined) return moveInLine(plan, by, state, to.queue);
  if (waits && by.role === 'supervisor' && to.bot !== undefined) return takeOutOfLine(plan, by, to.bot);
  if (state.phase === 'bot' && by.role === 'supervisor') return takeFromBot(plan, by, state.bot, to);
  requireHolderOrSupervisor(plan, by);
  if (state.phase !== 'agent')
    throw new Rejected('wrongPhase', 'Only a conversation that a person holds can be transferred like this.', {
      phase: state.phase,
    });
  if (to.queue !== undefined) {
    requireQueue(plan, to.queue);
    plan.emit({ type: 'transferred', to }, by);
    plan.tell('agentLeft', { agent: state.agent });
    // What a rule required belongs to the queue it led to: in another one perhaps nobody has it.
    const skills = to.queue === state.queue ? state.skills : undefined;
    plan.queue(to.queue, 'transferred', { priority: state.priority, skills });
  } else if (to.agent !== undefined) {
    requirePerson(plan, to.agent);
    if (to.agent === state.agent) throw new Rejected('badCommand', 'The conversation is with that person already.');
    plan.emit({ type: 'transferred', to }, by);
    plan.tell('agentLeft', { agent: state.agent });
    const lapsesAt = plan.now + plan.workStream.timers.offerMs;
    plan.emit(
      {
        type: 'offered',
        offers: [{ agent: to.agent, lapsesAt }],
        cost: state.cost,
        direct: true,
        waitingSince: plan.now,
        timers: { offerLapses: lapsesAt, ...plan.keptTimers() },
      },
      by,
    );
  } else if (to.bot !== undefined) {
    requireBot(plan, to.bot);
    const session = plan.sessionSummary('transferred');
    plan.emit({ type: 'transferred', to }, by);
    plan.tell('agentLeft', { agent: state.agent });
    plan.returnToBot(to.bot, 'transferred', by, session === undefined ? {} : { session });
  }
}

/** A supervisor hands what a bot holds to another bot or to the people of a queue. */
function takeFromBot(plan: Plan, by: Party, holder: string, to: CommandOf<'transfer'>['to']): void {
  const state = plan.open;
  if (to.bot !== undefined) {
    requireBot(plan, to.bot);
    if (to.bot === holder) throw new Rejected('badCommand', 'The conversation is with that bot already.');
    plan.emit({ type: 'transferred', to }, by);
    plan.connectBot(to.bot, undefined, !state.bots.includes(to.bot));
    plan.tell('botJoined', { bot: to.bot });
  } else if (to.queue !== undefined) {
    requireQueue(plan, to.queue);
    plan.emit({ type: 'transferred', to }, by);
    plan.queue(to.queue, 'transferred');
  } else throw new Rejected('badCommand', 'What a bot holds goes to a queue first; assign it from there.');
}

function moveInLine(plan: Plan, by: Party, state: Conversation, queue: string): void {
  if (state.phase !== 'queued' && state.phase !== 'offered') return;
  requireQueue(plan, queue);
  if (state.queue === queue) return;
  plan.emit({ type: 'transferred', to: { queue } }, by);
  plan.queue(queue, 'transferred', { priority: state.priority, waitingSince: state.waitingSince });
}

/** No person took it, so to the bot that asked for one the request has failed. */
function takeOutOfLine(plan: Plan, by: Party, bot: string): void {
  requireBot(plan, bot);
  plan.emit({ type: 'transferred', to: { bot } }, by);
  plan.returnToBot(bot, 'transferred', by, { message: 'transferred' });
}

export function giveBack(plan: Plan, { by, bot, outcome, summary }: CommandOf<'return'>): void {
  const state = plan.open;
  if (state.phase === 'bot' && state.servedBy.at(-1) === by.id) return;
  requireHolder(state, by);
  const target = bot ?? state.lastBot;
  if (target === undefined || plan.circumstances.directory.bots[target] === undefined)
    throw new Rejected('badCommand', 'There is no bot to return this conversation to. End it, or transfer it.');
  const session = plan.sessionSummary(outcome ?? 'returned', summary);
  plan.tell('agentLeft', { agent: by.id });
  plan.returnToBot(target, 'returned', by, session === undefined ? {} : { session });
}

export function endByAgent(plan: Plan, { by }: CommandOf<'end'>): void {
  const state = plan.open;
  if (state.phase === 'wrapUp' && (state.agent === by.id || by.role === 'supervisor')) return;
  if ((state.phase === 'closed' || isSurvey(state)) && state.servedBy.includes(by.id)) return;
  requireHolderOrSupervisor(plan, by);
  if (state.phase !== 'agent')
    throw new Rejected('wrongPhase', 'No person holds this conversation.', { phase: state.phase });
  plan.end('agentEnded', by, true);
}

export function closeByPeople(plan: Plan, { by }: CommandOf<'close'>): void {
  const state = plan.open;
  if (state.phase === 'closed') return;
  if (state.phase === 'wrapUp' && state.agent === by.id) return plan.endWrapUp('agentEnded', by);
  if (isSurvey(state) && state.servedBy.at(-1) === by.id) return;
  if (by.role !== 'supervisor')
    throw new Rejected('wrongPhase', 'Close follows End; only a supervisor can close a conversation before.', {
      phase: state.phase,
    });
  plan.close('forced', by);
}

/** Asynchronous channels: the customer answers some time, nobody's capacity is held until then. */
export function park(plan: Plan, { by }: CommandOf<'park'>): void {
  const state = plan.open;
  if (state.phase === 'waiting' && state.agent === by.id) return;
  requireHolder(state, by);
  plan.emit({ type: 'parked', timers: { waitingLimit: plan.now + plan.workStream.timers.waitingMs } }, by);
}

export function resume(plan: Plan, { agent }: CommandOf<'resume'>): void {
  const state = plan.open;
  if (state.phase === 'agent' && state.agent === agent) return;
  if (state.phase !== 'waiting' || state.agent !== agent)
    throw new Rejected('wrongPhase', 'Only the person who parked a conversation can resume it.', {
      phase: state.phase,
    });
  plan.emit(
    {
      type: 'resumed',
      agent,
      cost: plan.workStream.cost,
      ...plan.assistant(),
      timers: { agentSilent: plan.now + plan.workStream.timers.agentSilentMs },
    },
    { role: 'agent', id: agent },
  );
}

export function join(plan: Plan, { agent, as }: CommandOf<'join'>): void {
  const state = plan.open;
  if (state.phase === 'closed')
    throw new Rejected('conversationClosed', 'This conversation is closed; its log can still be read.');
  requirePerson(plan, agent);
  if (state.participants.some((participant) => participant.agent === agent && participant.as === as)) return;
  plan.emit({ type: 'joined', agent, as }, { role: 'agent', id: agent });
}

export function quit(plan: Plan, { agent }: CommandOf<'quit'>): void {
  if (!plan.open.participants.some((participant) => participant.agent === agent)) return;
  plan.emit({ type: 'left', agent }, { role: 'agent', id: agent });
}

export function resolveDraft(plan: Plan, { by, target, activity }: CommandOf<'resolveDraft'>): void {
  // Decided once: said twice, the customer would read it twice.
  if (plan.open.resolvedDrafts?.includes(target) === true) return;
  requireHolder(plan.open, by);
  plan.emit({ type: 'draftResolved', target, sent: activity !== undefined }, by);
  if (activity !== undefined) sayByAgent(plan, { type: 'say', by, activity });
}

function isOfferedTo(state: Extract<Conversation, { phase: 'offered' }>, agent: string): boolean {
  return state.offers.some((made) => made.agent === agent);
}

/** Who was faster, and when; or why there is nothing to take any more. */
function offerGone(plan: Plan, state: Conversation): Rejected {
  const at = new Date(state.sessionAt).toISOString();
  if (state.phase === 'agent' || state.phase === 'wrapUp') {
    const owner = { id: state.agent, name: personName(plan, state.agent) };
    return new Rejected('offerGone', `${owner.name} has taken this conversation.`, { owner, at });
  }
  if (state.phase === 'offered') {
    const first = state.offers[0]?.agent;
    const owner = first === undefined ? undefined : { id: first, name: personName(plan, first) };
    return new Rejected('offerGone', 'This conversation is offered to somebody else.', { owner, at });
  }
  return new Rejected('offerGone', 'This request is gone: it lapsed or the customer moved on.', {
    phase: state.phase,
    at,
  });
}

function personName(plan: Plan, id: string): string {
  return plan.circumstances.directory.people[id]?.name ?? id;
}

function requirePerson(plan: Plan, id: string): void {
  if (plan.circumstances.directory.people[id] === undefined)
    throw new Rejected('notFound', `There is no person "${id}".`);
}

function requireBot(plan: Plan, id: string): void {
  if (plan.circumstances.directory.bots[id] === undefined) throw new Rejected('notFound', `There is no bot "${id}".`);
}

function requireQueue(plan: Plan, id: string): void {
  if (plan.circumstances.directory.queues[id] === undefined)
    throw new Rejected('notFound', `There is no queue "${id}".`);
}

function requireHolderOrSupervisor(plan: Plan, by: Party): void {
  if (by.role !== 'supervisor') requireHolder(plan.open, by);
}
