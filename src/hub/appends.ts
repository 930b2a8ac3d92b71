// What a decision means for the store: its events, who is owed what, and whose capacity changes.

import type { Command } from '../core/commands.js';
import { loadsOf, type Conversation, type State } from '../core/conversation.js';
import type { Step } from '../core/plan.js';
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
  const outbox = decided.steps.flatMap(({ event, after }) =>
    react(event, after).map((effect: Effect, ordinal) => ({
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
