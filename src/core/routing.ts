// Which queue a conversation goes to: ordered rules over context variables and conversation facts, first match wins.

import type { ContextVariables } from './context.js';
import type { Directory, WorkStream } from './directory.js';

export const OPERATORS = [
  'equals',
  'notEquals',
  'contains',
  'notContains',
  'beginsWith',
  'endsWith',
  'hasData',
  'hasNoData',
  'gt',
  'gte',
  'lt',
  'lte',
  'in',
  'notIn',
  'matches',
] as const;
export type Operator = (typeof OPERATORS)[number];

/** A test on one variable or one fact of the conversation, or a tree of such tests. */
export type Condition =
  | { readonly all: readonly Condition[] }
  | { readonly any: readonly Condition[] }
  | { readonly not: Condition }
  | Comparison;

export interface Comparison {
  /** Name of a context variable; exactly one of `variable` and `fact` is set. */
  readonly variable?: string;
  /** A fact of the conversation itself (FACTS). */
  readonly fact?: Fact;
  readonly operator: Operator;
  readonly value?: unknown;
  readonly ignoreCase?: boolean;
}

export const FACTS = ['channel', 'workStream', 'bot', 'locale', 'escalationReason', 'returning'] as const;
export type Fact = (typeof FACTS)[number];
export type Facts = Partial<Record<Fact, string | boolean>>;

/** The written reason of one routing decision. */
export interface RouteReceipt {
  kind: 'route';
  at: number;
  /** Version of the directory the decision used. */
  ruleSetVersion: number;
  rules: {
    rule: number;
    matched: boolean;
    /** Why a rule whose conditions hold was passed over (for example: no people in its queue after an escalation). */
    skipped?: string;
    conditions: {
      variable: string;
      operator: Operator;
      expected?: unknown;
      actual?: unknown;
      result: boolean;
    }[];
  }[];
  /** How the queue was found; `none` = there is nowhere to go. */
  by: 'rule' | 'fallback' | 'default' | 'only' | 'none';
  queue?: string;
  priority: number;
  /** The bot that takes it, when one of the queue's bots does. */
  bot?: string;
  /** Bots passed over and why (`loopGuard`, `escalation`). */
  candidates: { id: string; excluded?: string }[];
}

export interface RouteRequest {
  at: number;
  workStream: WorkStream;
  directory: Directory;
  context: ContextVariables;
  facts: Facts;
  /** True after an escalation: only queues with people match, and no bot of `triedBots` gets it. */
  needsPeople: boolean;
  /** Bots that escalated this conversation (loop guard). */
  triedBots: readonly string[];
}
