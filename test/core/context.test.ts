import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  mergeVariables,
  readVariables,
  setContextValue,
  variable,
  MAX_VARIABLES,
  VARIABLE_LIMITS,
  type ContextVariables,
  type VariableDeclaration,
} from '../../src/core/context.js';

describe('context variables as they arrive', () => {
  const read: [what: string, value: unknown, expected: unknown][] = [
    ['a text', 'gold', 'gold'],
    ['a number', 101, 101],
    ['a fraction', 1.5, 1.5],
    ['a boolean', false, false],
    ['null, which unsets', null, null],
    ['an empty text', '', ''],
    ['a list of texts', ['a', 'b'], ['a', 'b']],
    ['a mixed list', ['a', 1, true], ['a', 1, true]],
    ['an empty list', [], []],
    ['a wrapped value', { value: 'gold' }, 'gold'],
    ['a wrapped list', { value: ['a'], isDisplayable: false }, ['a']],
    ['a wrapped null', { value: null, isDisplayable: true }, null],
  ];
  for (const [what, value, expected] of read) {
    it(`keep ${what} in its type`, () => {
      const { variables, warnings } = readVariables({ name: value });
      assert.deepEqual(variables['name']?.value, expected);
      assert.deepEqual(warnings, []);
    });
  }

  const asText: [what: string, value: unknown, expected: unknown][] = [
    ['an object', { city: 'Bellevue' }, '{"city":"Bellevue"}'],
    ['an object that has a value among others', { value: 1, unit: 'kg' }, '{"value":1,"unit":"kg"}'],
    ['an object inside a list', ['a', { b: 1 }, null], ['a', '{"b":1}', 'null']],
    ['a list inside a list', [['a']], ['["a"]']],
  ];
  for (const [what, value, expected] of asText) {
    it(`keep ${what} as JSON text, with a warning`, () => {
      const { variables, warnings } = readVariables({ name: value });
      assert.deepEqual(variables['name']?.value, expected);
      assert.match(warnings.join(), /JSON text/);
    });
  }

  it('carry what the sender said about display, and only that', () => {
    const { variables } = readVariables({
      shown: { value: 1, isDisplayable: true },
      hidden: { value: 1, isDisplayable: false },
      unsaid: { value: 1 },
      plain: 1,
      ours: { value: 1, displayable: true },
      text: { value: 1, isDisplayable: 'TRUE' },
    });
    assert.deepEqual(variables, {
      shown: { value: 1, displayable: true },
      hidden: { value: 1, displayable: false },
      unsaid: { value: 1 },
      plain: { value: 1 },
      ours: { value: 1, displayable: true },
      text: { value: 1, displayable: true },
    });
  });

  it('warn about a display flag that is neither true nor false', () => {
    const { variables, warnings } = readVariables({ a: { value: 1, isDisplayable: 'maybe' } });
    assert.deepEqual(variables, { a: { value: 1 } });
    assert.match(warnings.join(), /isDisplayable/);
  });

  it('are read under both names Microsoft gave the last phrase', () => {
    assert.deepEqual(readVariables({ va_LastPhrase: 'x' }).variables, { va_LastPhrases: { value: 'x' } });
    assert.deepEqual(readVariables({ va_LastPhrases: 'x' }).variables, { va_LastPhrases: { value: 'x' } });
    assert.deepEqual(readVariables({ va_LastPhrases: 'old', va_LastPhrase: 'new' }).variables, {
      va_LastPhrases: { value: 'new' },
    });
  });

  it('keep long names and values with a warning', () => {
    const name = 'n'.repeat(101);
    const value = 'v'.repeat(4_001);
    const { variables, warnings } = readVariables({ [name]: value });
    assert.equal(variables[name]?.value, value);
    assert.match(warnings.join('\n'), /101 characters/);
    assert.match(warnings.join('\n'), /4001 characters/);
  });

  it('keep names and values at the limit without a warning', () => {
    assert.deepEqual(readVariables({ ['n'.repeat(100)]: 'v'.repeat(4_000) }).warnings, []);
  });

  it('cut values at the hard limit and say so', () => {
    const { valueCharsHard } = VARIABLE_LIMITS;
    const { variables, warnings } = readVariables({
      text: 'v'.repeat(valueCharsHard + 1),
      list: ['v'.repeat(valueCharsHard), 'w'],
    });
    assert.equal((variables['text']?.value as string).length, valueCharsHard);
    assert.deepEqual(variables['list']?.value, ['v'.repeat(valueCharsHard)]);
    assert.equal(warnings.filter((warning) => warning.includes('cut off')).length, 2);
  });

  it('are never cut inside a character', () => {
    const { variables } = readVariables({ a: '😀😀' }, { ...VARIABLE_LIMITS, valueCharsHard: 3 });
    assert.equal(variables['a']?.value, '😀');
  });

  it('are refused with a warning when the name cannot be kept', () => {
    const { variables, warnings } = readVariables(
      JSON.parse(`{"":1,"__proto__":{"value":2},"${'n'.repeat(501)}":3,"ok":4}`) as unknown,
    );
    assert.deepEqual(variables, { ok: { value: 4 } });
    assert.equal(warnings.length, 3);
    assert.equal(Object.getPrototypeOf(variables), Object.prototype);
  });

  it('keep names with other characters, with a warning', () => {
    const { variables, warnings } = readVariables({ 'order number': 17 });
    assert.deepEqual(variables, { 'order number': { value: 17 } });
    assert.match(warnings.join(), /letters, digits and _/);
  });

  it('may have names that every object has by birth', () => {
    const { variables } = readVariables({ constructor: 'x', toString: 'y' });
    assert.equal(variable(variables, 'constructor')?.value, 'x');
    assert.equal(variable({}, 'constructor'), undefined);
  });

  for (const value of ['gold', 7, true, ['a']]) {
    it(`warn when there are no names at all: ${JSON.stringify(value)}`, () => {
      const { variables, warnings } = readVariables(value);
      assert.deepEqual(variables, {});
      assert.equal(warnings.length, 1);
    });
  }

  it('may be absent', () => {
    assert.deepEqual(readVariables(undefined), { variables: {}, warnings: [] });
    assert.deepEqual(readVariables(null), { variables: {}, warnings: [] });
  });
});

describe('merging context variables', () => {
  const declarations: VariableDeclaration[] = [
    { name: 'topic', type: 'text', displayable: true },
    { name: 'order', type: 'number', displayable: false },
    { name: 'va_LastPhrase', type: 'text', displayable: true },
  ];

  const coerced: [name: string, value: unknown, expected: unknown][] = [
    ['topic', 17, '17'],
    ['topic', true, 'true'],
    ['topic', 'x', 'x'],
    ['topic', [1, 'a'], ['1', 'a']],
    ['topic', null, null],
    ['order', '101', 101],
    ['order', ' 1.50 ', 1.5],
    ['order', 7, 7],
    ['order', ['1', '2'], [1, 2]],
    ['order', null, null],
  ];
  for (const [name, value, expected] of coerced) {
    it(`makes ${JSON.stringify(value)} a declared ${name === 'topic' ? 'text' : 'number'}: ${JSON.stringify(expected)}`, () => {
      const merged = mergeVariables({}, { [name]: { value: value as string } }, declarations);
      assert.deepEqual(merged.variables[name]?.value, expected);
      assert.deepEqual(merged.warnings, []);
    });
  }

  for (const value of ['seventeen', '', '0x10', true, '1e999']) {
    it(`keeps ${JSON.stringify(value)} as it came where a number is declared, with a warning`, () => {
      const merged = mergeVariables({}, { order: { value } }, declarations);
      assert.equal(merged.variables['order']?.value, value);
      assert.match(merged.warnings.join(), /declared as a number/);
    });
  }

  it('keeps undeclared variables in the type in which they arrive, not displayable', () => {
    const { variables } = mergeVariables(
      {},
      { a: { value: 1 }, b: { value: ['x'] }, c: { value: true } },
      declarations,
    );
    assert.deepEqual(variables, {
      a: { value: 1, displayable: false },
      b: { value: ['x'], displayable: false },
      c: { value: true, displayable: false },
    });
  });

  it('displays what the sender says, else what is declared, else what was before', () => {
    const before: ContextVariables = {
      undeclared: { value: 1, displayable: true },
      topic: { value: 'x', displayable: false },
    };
    const plain = mergeVariables(
      before,
      { undeclared: { value: 2 }, topic: { value: 'y' }, order: { value: 3 } },
      declarations,
    );
    assert.deepEqual(plain.variables, {
      undeclared: { value: 2, displayable: true },
      topic: { value: 'y', displayable: true },
      order: { value: 3, displayable: false },
    });
    const said = mergeVariables(
      before,
      { topic: { value: 'y', displayable: false }, order: { value: 3, displayable: true } },
      declarations,
    );
    assert.equal(said.variables['topic']?.displayable, false);
    assert.equal(said.variables['order']?.displayable, true);
  });

  it('lets the most recent value win and names what changed', () => {
    const before: ContextVariables = {
      same: { value: 1, displayable: false },
      list: { value: ['a', 'b'], displayable: false },
      other: { value: 'x', displayable: false },
    };
    const merged = mergeVariables(
      before,
      { same: { value: 1 }, list: { value: ['a', 'b'] }, other: { value: 'y' }, fresh: { value: null } },
      [],
    );
    assert.deepEqual(merged.changed, ['other', 'fresh']);
    assert.equal(merged.variables['other']?.value, 'y');
  });

  it('stores both names of the last phrase as one, declared under either', () => {
    const merged = mergeVariables({}, { va_LastPhrase: { value: 7 } }, declarations);
    assert.deepEqual(merged.variables, { va_LastPhrases: { value: '7', displayable: true } });
  });

  it('refuses the 101st variable by name and still updates the others', () => {
    const full = Object.fromEntries(
      Array.from({ length: MAX_VARIABLES }, (_, index) => [`v${index}`, { value: 0, displayable: false }]),
    );
    const merged = mergeVariables(full, { newcomer: { value: 1 }, v7: { value: 1 } }, []);
    assert.equal(Object.keys(merged.variables).length, MAX_VARIABLES);
    assert.deepEqual(merged.changed, ['v7']);
    assert.match(merged.warnings.join(), /newcomer/);
  });

  const anyVariables = fc.dictionary(
    fc.oneof(fc.constantFrom('topic', 'order', 'va_LastPhrase', 'va_LastPhrases'), fc.string({ minLength: 1 })),
    fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constant(null), fc.array(fc.string()), fc.jsonValue()),
  );

  it('changes nothing the second time', () => {
    fc.assert(
      fc.property(anyVariables, anyVariables, (first, second) => {
        const before = mergeVariables({}, readVariables(first).variables, declarations).variables;
        const incoming = readVariables(second).variables;
        const once = mergeVariables(before, incoming, declarations);
        const twice = mergeVariables(once.variables, incoming, declarations);
        assert.deepEqual(twice.variables, once.variables);
        assert.deepEqual(twice.changed, []);
      }),
    );
  });

  it('drops no variable silently', () => {
    fc.assert(
      fc.property(anyVariables, (given) => {
        const read = readVariables(given);
        const kept = Object.keys(read.variables).length;
        const aliases = Object.hasOwn(given, 'va_LastPhrase') && Object.hasOwn(given, 'va_LastPhrases') ? 1 : 0;
        const missing = Object.keys(given).length - kept - aliases;
        assert.ok(missing === 0 || read.warnings.length >= missing);
      }),
    );
  });

  it('always knows whether a kept variable is displayed', () => {
    fc.assert(
      fc.property(anyVariables, (given) => {
        const { variables } = mergeVariables({}, readVariables(given).variables, declarations);
        for (const kept of Object.values(variables)) assert.equal(typeof kept.displayable, 'boolean');
      }),
    );
  });
});

describe('telling a bot the context', () => {
  it('names every variable with its plain value, the last phrase under both names', () => {
    assert.deepEqual(
      setContextValue({
        topic: { value: 'CreditCard', displayable: true },
        tags: { value: ['a', 1], displayable: false },
        gone: { value: null, displayable: false },
        va_LastPhrases: { value: 'refund', displayable: false },
      }),
      { topic: 'CreditCard', tags: ['a', 1], gone: null, va_LastPhrase: 'refund', va_LastPhrases: 'refund' },
    );
  });
});
