// Whether a rule's conditions hold: one leaf compares one variable or one fact; nothing here throws.

import { numberOf, storedName, variable, type ContextVariables, type VariableValue } from './context.js';
import { compilePattern, type Pattern } from './pattern.js';

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
export type Facts = Partial<Readonly<Record<Fact, string | boolean>>>;

/** Of a value, in a receipt. */
const SHOWN_CHARS = 500;
const SHOWN_ITEMS = 20;

/** What one comparison saw and found. */
export interface ConditionResult {
  /** Name of the variable, or `conversation.{fact}`. */
  variable: string;
  operator: Operator;
  expected?: unknown;
  /** Absent when there is no such variable. Of a long value only its beginning: the log has the whole. */
  actual?: unknown;
  result: boolean;
  /** Why the comparison could not be made (for example an invalid pattern): the result is then false. */
  fault?: string;
}

/** All comparisons are made, also where the first decides, so that a receipt shows each of them. */
export function evaluate(
  condition: Condition,
  context: ContextVariables,
  facts: Facts,
): { matched: boolean; conditions: ConditionResult[] } {
  const conditions: ConditionResult[] = [];
  const matched = holds(condition, context, facts, conditions);
  return { matched, conditions };
}

function holds(condition: Condition, context: ContextVariables, facts: Facts, results: ConditionResult[]): boolean {
  if ('all' in condition) {
    // An empty tree matches nothing: a rule that takes everything is written with a condition that says so.
    const each = condition.all.map((inner) => holds(inner, context, facts, results));
    return each.length > 0 && each.every(Boolean);
  }
  if ('any' in condition) return condition.any.map((inner) => holds(inner, context, facts, results)).some(Boolean);
  if ('not' in condition) return !holds(condition.not, context, facts, results);
  const result = compare(condition, context, facts);
  results.push(result);
  return result.result;
}

function compare(comparison: Comparison, context: ContextVariables, facts: Facts): ConditionResult {
  const { operator, value: expected } = comparison;
  const named = comparison.fact === undefined ? (comparison.variable ?? '') : `conversation.${comparison.fact}`;
  const actual =
    comparison.fact === undefined
      ? variable(context, named)?.value
      : (facts[comparison.fact] as VariableValue | undefined);
  const outcome = outcomeOf(comparison, actual);
  return {
    variable: named,
    operator,
    ...(expected !== undefined && { expected }),
    ...(actual !== undefined && { actual: shown(actual) }),
    ...(typeof outcome === 'boolean' ? { result: outcome } : { result: false, fault: outcome.fault }),
  };
}

/** Customers set values of 32,000 characters, and every rule may look at the same one. */
function shown(value: VariableValue): VariableValue {
  if (typeof value === 'string') return shownText(value);
  if (!Array.isArray(value)) return value;
  const items = value.slice(0, SHOWN_ITEMS) as (string | number | boolean)[];
  return [
    ...items.map((item) => (typeof item === 'string' ? shownText(item) : item)),
    ...(value.length > SHOWN_ITEMS ? ['…'] : []),
  ];
}

function shownText(text: string): string {
  return text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
}

function outcomeOf(comparison: Comparison, actual: VariableValue | undefined): boolean | { fault: string } {
  const { operator, value: expected } = comparison;
  const ignoreCase = ignoresCase(comparison);
  switch (operator) {
    case 'equals':
      return equal(actual, expected, ignoreCase);
    case 'notEquals':
      return !equal(actual, expected, ignoreCase);
    case 'contains':
      return contains(actual, expected, ignoreCase);
    case 'notContains':
      return !contains(actual, expected, ignoreCase);
    case 'beginsWith':
      return anyText(actual, expected, ignoreCase, (text, part) => text.startsWith(part));
    case 'endsWith':
      return anyText(actual, expected, ignoreCase, (text, part) => text.endsWith(part));
    case 'hasData':
      return hasData(actual);
    case 'hasNoData':
      return !hasData(actual);
    case 'gt':
      return ordered(actual, expected, ignoreCase, (order) => order > 0);
    case 'gte':
      return ordered(actual, expected, ignoreCase, (order) => order >= 0);
    case 'lt':
      return ordered(actual, expected, ignoreCase, (order) => order < 0);
    case 'lte':
      return ordered(actual, expected, ignoreCase, (order) => order <= 0);
    case 'in':
      return among(actual, expected, ignoreCase);
    case 'notIn':
      return !among(actual, expected, ignoreCase);
    case 'matches': {
      const pattern = patternOf(comparison, ignoreCase);
      if ('fault' in pattern) return pattern;
      return itemsOf(actual).some((item) => pattern.test(String(item)));
    }
  }
}

/** Language tags come as `en-us` and `En-US` from the same bot. */
function ignoresCase(comparison: Comparison): boolean {
  return comparison.ignoreCase === true || comparison.variable === 'va_Language' || comparison.fact === 'locale';
}

function hasData(actual: VariableValue | undefined): boolean {
  if (actual === undefined || actual === null || actual === '') return false;
  return !Array.isArray(actual) || actual.length > 0;
}

/** Texts compare as texts; as soon as one side is a number, or one a boolean, so do both. */
function equal(actual: unknown, expected: unknown, ignoreCase: boolean): boolean {
  if (Array.isArray(actual) || Array.isArray(expected)) {
    if (!Array.isArray(actual) || !Array.isArray(expected) || actual.length !== expected.length) return false;
    return actual.every((item, index) => equal(item, expected[index], ignoreCase));
  }
  if (actual === undefined || actual === null) return expected === undefined || expected === null;
  if (!isScalar(actual) || !isScalar(expected)) return false;
  if (typeof actual === 'number' || typeof expected === 'number') {
    const [a, b] = [numberOf(actual), numberOf(expected)];
    return a !== undefined && b !== undefined && a === b;
  }
  // `True` and `true` are the same boolean in two languages.
  const loose = ignoreCase || typeof actual === 'boolean' || typeof expected === 'boolean';
  return folded(String(actual), loose) === folded(String(expected), loose);
}

/** A list contains its items; a text contains parts of it. Of several expected values every one must be there. */
function contains(actual: VariableValue | undefined, expected: unknown, ignoreCase: boolean): boolean {
  if (actual === undefined || actual === null) return false;
  if (Array.isArray(expected)) {
    return expected.length > 0 && expected.every((one) => contains(actual, one, ignoreCase));
  }
  if (Array.isArray(actual)) return (actual as readonly unknown[]).some((item) => equal(item, expected, ignoreCase));
  return anyText(actual, expected, ignoreCase, (text, part) => text.includes(part));
}

function anyText(
  actual: VariableValue | undefined,
  expected: unknown,
  ignoreCase: boolean,
  test: (text: string, part: string) => boolean,
): boolean {
  // Every text contains the empty text: a rule with one says nothing.
  if (!isScalar(expected) || expected === '') return false;
  const part = folded(String(expected), ignoreCase);
  return itemsOf(actual).some((item) => test(folded(String(item), ignoreCase), part));
}

/** The list's items, or the one value there is. What is neither text, number nor boolean is no value, whatever sent it. */
function itemsOf(actual: VariableValue | undefined): readonly (string | number | boolean)[] {
  return (Array.isArray(actual) ? actual : [actual]).filter(isScalar);
}

/** A value is among the expected ones when one of them equals it; a list, when one of its items is. */
function among(actual: VariableValue | undefined, expected: unknown, ignoreCase: boolean): boolean {
  const choices: readonly unknown[] = Array.isArray(expected) ? expected : [expected];
  return itemsOf(actual).some((item) => choices.some((choice) => equal(item, choice, ignoreCase)));
}

/** Numbers, also written as texts, by size; texts by code unit, which orders ISO dates; anything else has no order. */
function ordered(
  actual: VariableValue | undefined,
  expected: unknown,
  ignoreCase: boolean,
  test: (order: number) => boolean,
): boolean {
  const [a, b] = [numberOf(actual), numberOf(expected)];
  if (a !== undefined && b !== undefined) return test(a - b);
  if (typeof actual !== 'string' || typeof expected !== 'string') return false;
  // One a number and the other not: neither order would be honest.
  if (a !== undefined || b !== undefined || actual === '' || expected === '') return false;
  const [left, right] = [folded(actual, ignoreCase), folded(expected, ignoreCase)];
  return test(left === right ? 0 : left < right ? -1 : 1);
}

function folded(text: string, ignoreCase: boolean): string {
  return ignoreCase ? text.toLowerCase() : text;
}

function isScalar(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

/** Compiled once per rule: a directory is immutable, its conditions live as long as it does. */
const patterns = new WeakMap<Comparison, Pattern | { fault: string }>();

function patternOf(comparison: Comparison, ignoreCase: boolean): Pattern | { fault: string } {
  const known = patterns.get(comparison);
  if (known !== undefined) return known;
  const compiled =
    typeof comparison.value === 'string'
      ? compilePattern(comparison.value, ignoreCase)
      : { fault: 'the value of matches must be a text holding a regular expression' };
  patterns.set(comparison, compiled);
  return compiled;
}

// --------------------------------------------------------------------------------------------- for checking a config

/** Names of the context variables a condition reads, as they are stored. */
export function conditionNames(condition: Condition): string[] {
  const names = new Set<string>();
  for (const comparison of comparisonsOf(condition)) {
    if (comparison.variable !== undefined) names.add(storedName(comparison.variable));
  }
  return [...names];
}

/** What is wrong with a condition: unknown operators and facts, empty trees, values an operator cannot use. */
export function conditionFaults(condition: Condition): string[] {
  if ('all' in condition) return treeFaults('all', condition.all);
  if ('any' in condition) return treeFaults('any', condition.any);
  if ('not' in condition) return conditionFaults(condition.not);
  return comparisonFaults(condition);
}

function treeFaults(word: string, inner: readonly Condition[]): string[] {
  if (inner.length === 0) return [`"${word}" is empty: it would never match. Put a condition in it or remove it`];
  return inner.flatMap(conditionFaults);
}

function comparisonFaults(comparison: Comparison): string[] {
  const { operator, value } = comparison;
  const faults: string[] = [];
  const name = comparison.variable ?? comparison.fact ?? '';
  if ((comparison.variable === undefined) === (comparison.fact === undefined)) {
    faults.push('a condition names either a variable or a fact');
  }
  if (comparison.fact !== undefined && !FACTS.includes(comparison.fact)) {
    faults.push(`unknown fact "${String(comparison.fact)}". Known: ${FACTS.join(', ')}`);
  }
  if (!OPERATORS.includes(operator)) {
    return [...faults, `unknown operator "${String(operator)}". Known: ${OPERATORS.join(', ')}`];
  }
  const needsNone = operator === 'hasData' || operator === 'hasNoData';
  if (needsNone && value !== undefined) faults.push(`${name}: ${operator} takes no value`);
  if (!needsNone && (value === undefined || value === null || value === '')) {
    faults.push(`${name}: ${operator} needs a value (use hasNoData for "nothing there")`);
  }
  if ((operator === 'in' || operator === 'notIn') && !Array.isArray(value)) {
    faults.push(`${name}: ${operator} needs a list of values`);
  }
  if (operator === 'matches' && value !== undefined) {
    const pattern = patternOf(comparison, ignoresCase(comparison));
    if ('fault' in pattern) faults.push(`${name}: ${pattern.fault}`);
  }
  return faults;
}

function comparisonsOf(condition: Condition): Comparison[] {
  if ('all' in condition) return condition.all.flatMap(comparisonsOf);
  if ('any' in condition) return condition.any.flatMap(comparisonsOf);
  if ('not' in condition) return comparisonsOf(condition.not);
  return [condition];
}
