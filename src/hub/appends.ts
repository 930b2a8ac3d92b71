// Commands decided together, and what that means for the store: its events, who is owed what, and whose capacity changes.

import type { Circumstances, Command } from '../core/commands.js';
import { loadsOf, type Conversation, type State } from '../core/conversation.js';
import { decide } from '../core/decide.js';
import type { Step } from '../core/plan.js';
import { Rejected } from '../core/rejected.js';
import { partyOf, react, type Effect } from '../core/react.js';
import type { Append, Claim, OutboxRow } from './ports.js';

/** What a command, or several at once, came to before it is written. */
export interface Decided {
  steps: Step[];
  state: State;
  /** Each command's own entry. */
  own: { index: number; seq: number; channelActivityId?: string; step?: number }[];
  force: boolean;
  /** Messages so far: each has a millisecond of its own. */
  said: number;
}

/** Decides one command after the other, each on the state the one before leads to; all of it, or the first refusal. */
export function decideAll(
  before: State,
  commands: readonly { command: Command; index: number }[],
  circumstances: Circumstances,
): Decided | Rejected {
  const decided: Decided = { steps: [], own: [], state: before, force: false, said: 0 };
  for (const { command, index } of commands) {
    // A client puts messages of one time in the order it gets them: a change of the first would go behind the others.
    const one = decide(decided.state, command, { ...circumstances, now: circumstances.now + decided.said });
    if (one instanceof Rejected) return one;
    const own = ownStep(one.steps, command);
    if (own !== undefined) {
      const channelActivityId = command.type === 'say' ? command.channelActivityId : undefined;
      decided.own.push({
        index,
        seq: own.after.version,
        ...(channelActivityId === undefined
          ? {}
          : { channelActivityId, step: decided.steps.length + one.steps.indexOf(own) }),
      });
    }
    decided.steps.push(...one.steps);
    decided.state = one.state;
    decided.force ||= command.type === 'assign';
    if (command.type === 'say') decided.said += 1;
  }
  return decided;
}

/** What was said, not what followed from it or had to come before. */
export function ownStep(steps: readonly Step[], command: Command): Step | undefined {
  const activity = 'activity' in command ? command.activity : undefined;
  const said =
    activity === undefined ? undefined : steps.find(({ event }) => event.type === 'said' || event.type === 'drafted');
  return (
    said ?? (command.key === undefined ? undefined : steps.find(({ event }) => event.key === command.key)) ?? steps[0]
  );
}

export function appendOf(
  conversationId: string,
  before: State,
  decided: Decided,
  state: Conversation,
  now: number,
): Append {
  const outbox = decided.steps.flatMap(({ event, after, observed }) =>
    react(event, after, observed).map((effect: Effect, ordinal) => ({
      ordinal,
      seq: after.version,
      party: partyOf(effect.to),
      epoch: after.epoch,
      effect,
    })),
  );
  const named = decided.own.filter((own) => own.channelActivityId !== undefined && own.step !== undefined);
  return {
    conversationId,
    expectedVersion: before.version,
    events: decided.steps.map(({ event }) => event),
    state,
    claims: claimsOf(before, state, now, decided.force),
    outbox,
    ...(named.length === 0
      ? {}
      : {
          channelActivityIds: Object.fromEntries(
            named.map((own) => [own.step as number, own.channelActivityId as string]),
          ),
        }),
  };
}

/** What the change of holder means for capacities: given back first, so that a hand-over in one commit fits. */
function claimsOf(before: State, after: State, at: number, force: boolean): Claim[] {
  const was = loadsOf(before);
  const is = loadsOf(after);
  const claims: Claim[] = [];
  for (const agent of new Set([...Object.keys(was), ...Object.keys(is)])) {
    const delta = (is[agent] ?? 0) - (was[agent] ?? 0);
    if (delta !== 0) claims.push({ agent, delta, at, ...(force && delta > 0 ? { force: true } : {}) });
  }
  return claims.sort((a, b) => a.delta - b.delta);
}

export function rowsOf(append: Append, now: number): OutboxRow[] {
  return append.outbox.map((row) => ({
    id: `${append.conversationId}/${row.seq}/${row.ordinal}`,
    conversationId: append.conversationId,
    attempts: 0,
    dueAt: now,
    ...row,
  }));
}
