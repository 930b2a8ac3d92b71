import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  conditionFaults,
  conditionNames,
  evaluate,
  OPERATORS,
  type Comparison,
  type Condition,
  type Operator,
} from '../../src/core/conditions.js';
import type { ContextVariables, VariableValue } from '../../src/core/context.js';

const ABSENT = Symbol('absent');

function contextOf(value: VariableValue | typeof ABSENT): ContextVariables {
  return value === ABSENT ? {} : { x: { value, displayable: false } };
}

function holds(
  operator: Operator,
  actual: VariableValue | typeof ABSENT,
  expected?: unknown,
  ignoreCase?: boolean,
): boolean {
  const condition: Comparison = { variable: 'x', operator, value: expected, ...(ignoreCase && { ignoreCase }) };
  return evaluate(condition, contextOf(actual), {}).matched;
}

function shown(value: unknown): string {
  return value === ABSENT ? 'nothing' : JSON.stringify(value);
}

type Row = [operator: Operator, actual: VariableValue | typeof ABSENT, expected: unknown, result: boolean];

describe('conditions on context variables', () => {
  const rows: Row[] = [
    ['equals', 'CreditCard', 'CreditCard', true],
    ['equals', 'CreditCard', 'creditcard', false],
    ['equals', 'CreditCard', ' CreditCard', false],
    ['equals', 101, 101, true],
    ['equals', 101, '101', true],
    ['equals', '101', 101, true],
    ['equals', '101', '101.0', false],
    ['equals', 101, 'x', false],
    ['equals', '', 0, false],
    ['equals', true, true, true],
    ['equals', true, 'True', true],
    ['equals', 'True', true, true],
    ['equals', true, 1, false],
    ['equals', ['a', 'b'], ['a', 'b'], true],
    ['equals', ['a', 'b'], ['b', 'a'], false],
    ['equals', ['a'], 'a', false],
    ['equals', ABSENT, 'a', false],
    ['equals', null, 'a', false],
    ['notEquals', 'a', 'b', true],
    ['notEquals', 'a', 'a', false],
    ['notEquals', ABSENT, 'a', true],
    ['contains', 'lost my card', 'card', true],
    ['contains', 'lost my card', 'Card', false],
    ['contains', ['Greeting', 'Refund'], 'Refund', true],
    ['contains', ['Greeting', 'Refund'], 'Ref', false],
    ['contains', ['Greeting', 'Refund'], ['Refund', 'Greeting'], true],
    ['contains', ['Greeting', 'Refund'], ['Refund', 'Loan'], false],
    ['contains', [1, 2], '2', true],
    ['contains', 1234, 23, true],
    ['contains', 'x', '', false],
    ['contains', 'x', [], false],
    ['contains', ABSENT, 'x', false],
    ['notContains', 'lost my card', 'loan', true],
    ['notContains', ['a'], 'a', false],
    ['notContains', ABSENT, 'a', true],
    ['beginsWith', '+49 170', '+49', true],
    ['beginsWith', '0049', '+49', false],
    ['beginsWith', ['abc', 'xyz'], 'xy', true],
    ['beginsWith', ABSENT, 'x', false],
    ['endsWith', 'ann@contoso.com', '@contoso.com', true],
    ['endsWith', 'ann@contoso.com.evil', '@contoso.com', false],
    ['endsWith', 101, 1, true],
    ['hasData', 'x', undefined, true],
    ['hasData', 0, undefined, true],
    ['hasData', false, undefined, true],
    ['hasData', ' ', undefined, true],
    ['hasData', ['a'], undefined, true],
    ['hasData', '', undefined, false],
    ['hasData', null, undefined, false],
    ['hasData', [], undefined, false],
    ['hasData', ABSENT, undefined, false],
    ['hasNoData', ABSENT, undefined, true],
    ['hasNoData', null, undefined, true],
    ['hasNoData', '', undefined, true],
    ['hasNoData', [], undefined, true],
    ['hasNoData', 0, undefined, false],
    ['gt', 2, 1, true],
    ['gt', '10', '9', true],
    ['gt', 10, '9', true],
    ['gt', 1, 1, false],
    ['gt', 'b', 'a', true],
    ['gt', '2026-02-01', '2026-01-31', true],
    ['gt', 'x', 1, false],
    ['gt', 1, 'x', false],
    ['gt', '', 'a', false],
    ['gt', true, false, false],
    ['gt', [2], 1, false],
    ['gt', ABSENT, 1, false],
    ['gte', 1, 1, true],
    ['gte', 1, 2, false],
    ['lt', 1, 2, true],
    ['lt', '9', '10', true],
    ['lt', 2, 2, false],
    ['lt', null, 2, false],
    ['lte', 2, 2, true],
    ['lte', 3, 2, false],
    ['in', 'gold', ['gold', 'silver'], true],
    ['in', 'bronze', ['gold', 'silver'], false],
    ['in', 7, ['7', '8'], true],
    ['in', ['a', 'b'], ['b', 'c'], true],
    ['in', ['a'], ['b', 'c'], false],
    ['in', 'gold', 'gold', true],
    ['in', ABSENT, ['gold'], false],
    ['notIn', 'bronze', ['gold'], true],
    ['notIn', 'gold', ['gold'], false],
    ['notIn', ABSENT, ['gold'], true],
    ['matches', 'order 17', '\\d+', true],
    ['matches', 'order', '\\d+', false],
    ['matches', 17, '^\\d+$', true],
    ['matches', ['a', 'order 17'], '\\d+$', true],
    ['matches', ABSENT, '', false],
    ['matches', 'order', 'ORDER', false],
  ];
  for (const [operator, actual, expected, result] of rows) {
    it(`${shown(actual)} ${operator} ${expected === undefined ? '' : `${shown(expected)} `}is ${result}`, () => {
      assert.equal(holds(operator, actual, expected), result);
    });
  }

  it('cover every operator', () => {
    assert.deepEqual([...new Set(rows.map(([operator]) => operator))].sort(), [...OPERATORS].sort());
  });

  const withoutCase: Row[] = [
    ['equals', 'CreditCard', 'creditCARD', true],
    ['equals', ['A'], ['a'], true],
    ['notEquals', 'CreditCard', 'creditCARD', false],
    ['contains', 'Lost my Card', 'CARD', true],
    ['contains', ['Refund'], 'REFUND', true],
    ['beginsWith', 'Hello', 'hE', true],
    ['endsWith', 'Hello', 'LO', true],
    ['in', 'Gold', ['gold'], true],
    ['notIn', 'Gold', ['gold'], false],
    ['matches', 'ORDER 17', 'order \\d+', true],
    ['gt', 'B', 'a', true],
    ['equals', 'CreditCard', 'CreditCards', false],
  ];
  for (const [operator, actual, expected, result] of withoutCase) {
    it(`without case, ${shown(actual)} ${operator} ${shown(expected)} is ${result}`, () => {
      assert.equal(holds(operator, actual, expected, true), result);
    });
  }

  it('always compare va_Language and the locale without case', () => {
    const context: ContextVariables = { va_Language: { value: 'En-US', displayable: false } };
    assert.ok(evaluate({ variable: 'va_Language', operator: 'equals', value: 'en-us' }, context, {}).matched);
    assert.ok(evaluate({ variable: 'va_Language', operator: 'in', value: ['de', 'EN-us'] }, context, {}).matched);
    assert.ok(evaluate({ fact: 'locale', operator: 'beginsWith', value: 'EN' }, {}, { locale: 'en-GB' }).matched);
  });

  it('read both names of the last phrase', () => {
    const context: ContextVariables = { va_LastPhrases: { value: 'refund', displayable: false } };
    for (const name of ['va_LastPhrase', 'va_LastPhrases']) {
      assert.ok(evaluate({ variable: name, operator: 'equals', value: 'refund' }, context, {}).matched);
    }
  });

  it('take facts of the conversation as well', () => {
    const { matched, conditions } = evaluate(
      { fact: 'returning', operator: 'equals', value: true },
      {},
      { returning: true },
    );
    assert.ok(matched);
    assert.equal(conditions[0]?.variable, 'conversation.returning');
    assert.ok(evaluate({ fact: 'bot', operator: 'hasNoData' }, {}, {}).matched);
  });

  it('do not hold, and say why, when the pattern is invalid', () => {
    const { matched, conditions } = evaluate({ variable: 'x', operator: 'matches', value: '(' }, contextOf('('), {});
    assert.equal(matched, false);
    assert.match(conditions[0]?.fault ?? '', /Unterminated/);
    assert.match(
      evaluate({ variable: 'x', operator: 'matches', value: 7 }, contextOf('7'), {}).conditions[0]?.fault ?? '',
      /text/,
    );
  });

  it('look at the whole of a value, of which a receipt shows the beginning', () => {
    const long = `${'x'.repeat(32_000)}end`;
    const of = (value: VariableValue, expected: string) => {
      const { matched, conditions } = evaluate(
        { variable: 'x', operator: 'contains', value: expected },
        contextOf(value),
        {},
      );
      return [matched, conditions[0]?.actual];
    };
    assert.deepEqual(of(long, 'end'), [true, `${'x'.repeat(500)}…`]);
    assert.deepEqual(of([...Array<string>(30).fill('a'), long], long), [true, [...Array<string>(20).fill('a'), '…']]);
    assert.deepEqual(of(['a', 7, long], long), [true, ['a', 7, `${'x'.repeat(500)}…`]]);
  });

  it('never throw and always answer, whatever the values', () => {
    fc.assert(
      fc.property(fc.constantFrom(...OPERATORS), fc.jsonValue(), fc.jsonValue(), (operator, actual, expected) => {
        assert.equal(typeof holds(operator, actual as VariableValue, expected), 'boolean');
      }),
      {
        numRuns: 2_000,
        // What no text can be made of.
        examples: [
          ['contains', { toString: '' }, 'x'],
          ['beginsWith', [{ toString: '' }], 'x'],
          ['matches', { toString: '' }, 'x'],
        ],
      },
    );
  });

  const opposites: [Operator, Operator][] = [
    ['equals', 'notEquals'],
    ['contains', 'notContains'],
    ['in', 'notIn'],
    ['hasData', 'hasNoData'],
  ];
  for (const [operator, opposite] of opposites) {
    it(`${opposite} is always the opposite of ${operator}`, () => {
      fc.assert(
        fc.property(fc.jsonValue(), fc.jsonValue(), fc.boolean(), (actual, expected, ignoreCase) => {
          const value = actual as VariableValue;
          assert.equal(holds(operator, value, expected, ignoreCase), !holds(opposite, value, expected, ignoreCase));
        }),
      );
    });
  }
});

describe('trees of conditions', () => {
  const yes: Condition = { variable: 'x', operator: 'equals', value: 1 };
  const no: Condition = { variable: 'x', operator: 'equals', value: 2 };
  const trees: [what: string, tree: Condition, expected: boolean][] = [
    ['all of true and true', { all: [yes, yes] }, true],
    ['all of true and false', { all: [yes, no] }, false],
    ['any of false and true', { any: [no, yes] }, true],
    ['any of false and false', { any: [no, no] }, false],
    ['not false', { not: no }, true],
    ['not true', { not: yes }, false],
    ['a nested tree', { all: [{ any: [no, yes] }, { not: { all: [yes, no] } }] }, true],
    ['all of nothing', { all: [] }, false],
    ['any of nothing', { any: [] }, false],
  ];
  for (const [what, tree, expected] of trees) {
    it(`${what} ${expected ? 'holds' : 'does not hold'}`, () => {
      assert.equal(evaluate(tree, contextOf(1), {}).matched, expected);
    });
  }

  it('show what every comparison saw, also after the deciding one', () => {
    const tree: Condition = { any: [yes, { variable: 'y', operator: 'gt', value: 3 }] };
    assert.deepEqual(evaluate(tree, contextOf(1), {}).conditions, [
      { variable: 'x', operator: 'equals', expected: 1, actual: 1, result: true },
      { variable: 'y', operator: 'gt', expected: 3, result: false },
    ]);
  });
});

describe('checking conditions before they are used', () => {
  it('names the variables they read', () => {
    const tree: Condition = {
      all: [
        { variable: 'a', operator: 'hasData' },
        {
          any: [
            { variable: 'va_LastPhrase', operator: 'equals', value: 'x' },
            { not: { variable: 'a', operator: 'hasData' } },
          ],
        },
        { fact: 'bot', operator: 'hasData' },
      ],
    };
    assert.deepEqual(conditionNames(tree), ['a', 'va_LastPhrases']);
  });

  const faulty: [what: string, condition: unknown, fault: RegExp][] = [
    ['an empty all', { all: [] }, /"all" is empty/],
    ['an empty any deep inside', { not: { all: [{ any: [] }] } }, /"any" is empty/],
    ['an unknown operator', { variable: 'a', operator: 'is', value: 1 }, /unknown operator "is".*equals/],
    ['an unknown fact', { fact: 'weather', operator: 'hasData' }, /unknown fact "weather".*channel/],
    ['neither variable nor fact', { operator: 'hasData' }, /either a variable or a fact/],
    ['both variable and fact', { variable: 'a', fact: 'bot', operator: 'hasData' }, /either a variable or a fact/],
    ['a missing value', { variable: 'a', operator: 'equals' }, /equals needs a value/],
    ['a value that is not needed', { variable: 'a', operator: 'hasData', value: 1 }, /takes no value/],
    ['in without a list', { variable: 'a', operator: 'in', value: 'x' }, /needs a list/],
    ['an invalid pattern', { variable: 'a', operator: 'matches', value: '(' }, /Unterminated/],
  ];
  for (const [what, condition, fault] of faulty) {
    it(`finds ${what}`, () => assert.match(conditionFaults(condition as Condition).join('\n'), fault));
  }

  it('finds every fault, not only the first', () => {
    const faults = conditionFaults({ all: [{ any: [] }, { variable: 'a', operator: 'equals' }] });
    assert.equal(faults.length, 2);
  });

  it('finds nothing wrong with a sound tree', () => {
    const sound: Condition = {
      all: [
        { variable: 'a', operator: 'matches', value: '^\\d+$' },
        { not: { fact: 'locale', operator: 'in', value: ['de'] } },
        { variable: 'b', operator: 'equals', value: 0 },
      ],
    };
    assert.deepEqual(conditionFaults(sound), []);
  });
});
