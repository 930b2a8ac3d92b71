// decide(state, command, circumstances) → events, or Rejected. Pure: time and random ids travel in what it is given.

import type { Circumstances, Command, CommandOf } from './commands.js';
import type { State } from './conversation.js';
import {
  botFailed,
  endByBot,
  endTurn,
  escalate,
  importByBot,
  removeMember,
  sayByBot,
  setContextByBot,
} from './fromBot.js';
import { disconnectAgent, lapse, reconnectAgent, reroute, tick } from './fromClock.js';
import { cancel, disconnectCustomer, leave, reconnectCustomer, sayByCustomer, start } from './fromCustomer.js';
import * as people from './fromPeople.js';
import { fence, requireHolder } from './floor.js';
import { Plan, type Step } from './plan.js';
import { Rejected } from './rejected.js';

/** No steps: what was asked is so already. */
export function decide(
  state: State,
  command: Command,
  circumstances: Circumstances,
): { steps: readonly Step[]; state: State } | Rejected {
  try {
    if (command.type !== 'start' && state.phase === 'none')
      return new Rejected('conversationUnknown', 'There is no such conversation.');
    const plan = new Plan(state, circumstances, command);
    carryOut(plan, command);
    return { steps: plan.steps, state: plan.state };
  } catch (error) {
    if (error instanceof Rejected) return error;
    throw error;
  }
}

function carryOut(plan: Plan, command: Command): void {
  switch (command.type) {
    case 'start':
      return start(plan, command);
    case 'say':
      if (command.by.role === 'customer') return sayByCustomer(plan, command);
      if (command.by.role === 'bot') return sayByBot(plan, command);
      return people.sayByAgent(plan, command);
    case 'note':
      return people.note(plan, command);
    case 'escalate':
      return escalate(plan, command);
    case 'setContext':
      return command.by.role === 'bot' ? setContextByBot(plan, command) : people.setContextByAgent(plan, command);
    case 'endByBot':
      return endByBot(plan, command);
    case 'botFailed':
      return botFailed(plan, command);
    case 'endTurn':
      return endTurn(plan, command);
    case 'cancel':
      return cancel(plan);
    case 'leave':
      return leave(plan);
    case 'offer':
      return people.offer(plan, command);
    case 'lapse':
      return lapse(plan, (offer) => offer.agent === command.agent, 'agentGone');
    case 'accept':
      return people.accept(plan, command);
    case 'reject':
      return people.reject(plan, command);
    case 'pick':
      return people.pick(plan, command);
    case 'assign':
      return people.assign(plan, command);
    case 'transfer':
      return people.transfer(plan, command);
    case 'return':
      return people.giveBack(plan, command);
    case 'end':
      return people.endByAgent(plan, command);
    case 'close':
      return people.closeByPeople(plan, command);
    case 'park':
      return people.park(plan, command);
    case 'resume':
      return people.resume(plan, command);
    case 'join':
      return people.join(plan, command);
    case 'quit':
      return people.quit(plan, command);
    case 'disconnect':
      return command.party === 'customer' ? disconnectCustomer(plan) : disconnectAgent(plan, command);
    case 'reconnect':
      return command.party === 'customer' ? reconnectCustomer(plan) : reconnectAgent(plan, command);
    case 'edit':
    case 'delete':
      return change(plan, command);
    case 'import':
      return importByBot(plan, command);
    case 'removeMember':
      return removeMember(plan, command);
    case 'resolveDraft':
      return people.resolveDraft(plan, command);
    case 'deliveryFailed':
      return plan.emit({ type: 'deliveryFailed', to: command.to, target: command.target, reason: command.reason });
    case 'erase':
      return erase(plan, command);
    case 'reroute':
      return reroute(plan);
    case 'tick':
      return tick(plan);
  }
}

/** Also of a closed conversation. Whoever holds it goes on without what was erased. */
function erase(plan: Plan, { targets }: CommandOf<'erase'>): void {
  const known = targets.filter((seq) => Number.isInteger(seq) && seq >= 1 && seq <= plan.open.version);
  if (known.length > 0) plan.emit({ type: 'erased', targets: known, context: true });
}

/** Only the author changes an entry; a bot that lost the conversation cannot change what the customer sees. */
function change(plan: Plan, command: Extract<Command, { type: 'edit' | 'delete' }>): void {
  const { by, author, target, audience, answers } = command;
  const state = plan.open;
  // Where the hub only observes, the end of its record ends nothing for the bot.
  const isPassedOn = plan.observes && by.role === 'bot';
  if (state.phase === 'closed' && !isPassedOn)
    throw new Rejected('conversationClosed', 'This conversation is closed; nothing in it can be changed.');
  if (by.role !== author.role || by.id !== author.id)
    throw new Rejected('notAllowed', 'Only who wrote a message can change or delete it.');
  if (by.role === 'agent') requireHolder(state, by);
  // While it holds the conversation a bot changes all it ever said; in the turn that escalated, what it said in that turn.
  const through =
    by.role !== 'bot' || isPassedOn || [undefined, answers].some((turn) => fence(state, by.id, turn) === 'through');
  if (command.type === 'delete') {
    if (through) plan.emit({ type: 'deleted', target }, by, audience);
    else
      plan.emit(
        {
          type: 'drafted',
          activityType: 'messageDelete',
          why: 'notHolder',
          body: { activity: { type: 'messageDelete' } },
        },
        by,
      );
    return;
  }
  const { activity } = command;
  if (through) plan.emit({ type: 'edited', target, body: { activity } }, by, audience);
  else plan.emit({ type: 'drafted', activityType: activity.type, why: 'notHolder', body: { activity } }, by);
}
