// Who has the floor, and who carries what, read off a log alone: the rules' own state is what it judges.

import type { Entry, OpenTurn } from '../../src/core/conversation.js';

/** Who may speak for a bot, read off the log without the state that the rules themselves use. */
export interface Floor {
  held: { bot: string; since: number } | undefined;
  /** What it holds is only the customer's opinion: it cannot hand over. */
  survey: boolean;
  inLine: boolean;
  /** Drafts replies for the person who holds the conversation. */
  assistant: string | undefined;
  turn: { bot: string; answers?: number } | undefined;
  closed: boolean;
}

export function floorAfter(log: readonly Entry[]): Floor {
  const floor: Floor = {
    held: undefined,
    survey: false,
    inLine: false,
    assistant: undefined,
    turn: undefined,
    closed: false,
  };
  let asked: { bot: string; answers: number | undefined } | undefined;
  for (const { seq, event } of log) {
    const { type } = event;
    if (type === 'botConnected' || type === 'returned') {
      const turn = type === 'botConnected' ? turnOf(asked, event.openTurn) : undefined;
      const held = { bot: event.bot, since: seq };
      Object.assign(floor, { held, survey: false, inLine: false, assistant: undefined, turn });
    } else if (type === 'surveyStarted') {
      Object.assign(floor, { held: { bot: event.bot, since: seq }, survey: true });
    } else if (type === 'surveyEnded') {
      Object.assign(floor, { held: undefined, survey: false });
    } else if (type === 'escalated') {
      const ownTurn = event.bot !== undefined && event.reason !== 'botUnavailable';
      asked = ownTurn ? { bot: event.bot, answers: event.answers } : undefined;
    } else if (type === 'queued' || type === 'offered') {
      const opened = type === 'queued' && event.cause === 'escalated' ? turnOf(asked, event.openTurn) : undefined;
      if (opened !== undefined) floor.turn = opened;
      else if (!floor.inLine) floor.turn = undefined;
      Object.assign(floor, { held: undefined, survey: false, inLine: true, assistant: undefined });
    } else if (type === 'turnEnded') {
      floor.turn = undefined;
    } else if (['accepted', 'resumed', 'parked', 'ended', 'closed'].includes(type)) {
      const assistant = type === 'accepted' || type === 'resumed' ? event.assistant : undefined;
      const closed = type === 'closed';
      Object.assign(floor, { held: undefined, survey: false, inLine: false, assistant, turn: undefined, closed });
    }
    if (type !== 'escalated' && type !== 'routed') asked = undefined;
  }
  return floor;
}

/** What answers nothing has a turn only where the event itself says that its batch goes on. */
function turnOf(
  asked: { bot: string; answers: number | undefined } | undefined,
  batch: OpenTurn | undefined,
): Floor['turn'] {
  if (asked?.answers !== undefined) return { bot: asked.bot, answers: asked.answers };
  return asked !== undefined && batch !== undefined ? { bot: asked.bot } : undefined;
}

export function holdsFloor(floor: Floor, bot: string, answers: number | undefined): boolean {
  if (floor.held?.bot === bot) return answers === undefined || answers >= floor.held.since;
  return floor.turn?.bot === bot && floor.turn.answers === answers;
}

/** Loads counted from the log, event by event. */
export function loadsFromLog(log: readonly Entry[]): Record<string, number> {
  let loads: Record<string, number> = {};
  let cost = 0;
  const without = (agents: readonly string[]): void => {
    loads = Object.fromEntries(Object.entries(loads).filter(([agent]) => !agents.includes(agent)));
  };
  for (const { event } of log) {
    if (event.type === 'offered') {
      cost = event.cost;
      loads = Object.fromEntries(event.offers.map(({ agent }) => [agent, cost]));
    } else if (event.type === 'accepted' || event.type === 'resumed') loads = { [event.agent]: event.cost };
    else if (event.type === 'declined') without([event.agent]);
    else if (event.type === 'lapsed' || event.type === 'withdrawn') without(event.agents);
    else if (['queued', 'returned', 'botConnected', 'parked', 'wrapUpEnded', 'closed'].includes(event.type)) loads = {};
  }
  return loads;
}
