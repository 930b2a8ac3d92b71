import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compilePattern, MAX_PATTERN_CHARS } from '../../src/core/pattern.js';

function matches(source: string, text: string, ignoreCase = false): boolean {
  const pattern = compilePattern(source, ignoreCase);
  assert.ok(!('fault' in pattern), `${source}: ${'fault' in pattern ? pattern.fault : ''}`);
  return pattern.test(text);
}

describe('regular expressions in rules', () => {
  const examples: [source: string, text: string, expected: boolean][] = [
    ['card', 'my card is lost', true],
    ['^card', 'my card is lost', false],
    ['lost$', 'my card is lost', true],
    ['^$', '', true],
    ['^(credit|debit) ?card$', 'debit card', true],
    ['^(credit|debit) ?card$', 'gift card', false],
    ['^[A-Z]{2}\\d{6,8}$', 'AB123456', true],
    ['^[A-Z]{2}\\d{6,8}$', 'AB12345', false],
    ['^[A-Z]{2}\\d{6,8}$', 'AB123456789', false],
    ['\\bpin\\b', 'I forgot my pin!', true],
    ['\\bpin\\b', 'pineapple', false],
    ['pin\\B', 'pineapple', true],
    ['a.c', 'a\nc', false],
    ['a[^]c', 'a\nc', true],
    ['[\\]\\-]', 'a-b', true],
    ['^\\p{L}+$', 'Größe', true],
    ['^\\p{L}+$', 'a1', false],
    ['^.$', '😀', true],
    ['\\u{1F600}', 'hi 😀', true],
    ['\\uD83D\\uDE00', 'hi 😀', true],
    ['\\x41\\u0042', 'xABx', true],
    ['(?<year>\\d{4})-\\d{2}', 'on 2026-01', true],
    ['(?:ab){2,}?c', 'ababc', true],
    ['(?:ab){2,}?c', 'abc', false],
    ['x*', '', true],
    ['(a*)*b', 'aaab', true],
    ['()*|b', '', true],
    ['a{0}b', 'b', true],
    ['a{2}', 'aa', true],
    ['\\.com\\/', 'x.com/', true],
    ['|x', 'anything', true],
  ];
  for (const [source, text, expected] of examples) {
    it(`/${source}/ ${expected ? 'is found in' : 'is not found in'} ${JSON.stringify(text)}`, () => {
      assert.equal(matches(source, text), expected);
      assert.equal(new RegExp(source, 'u').test(text), expected, 'the example itself');
    });
  }

  it('compares without case when asked to', () => {
    assert.equal(matches('^größe [a-z]$', 'GRÖSSE X', true), false);
    assert.equal(matches('^größe [a-z]$', 'GRÖßE X', true), true);
    assert.equal(matches('^größe [a-z]$', 'GRÖßE X', false), false);
  });

  it('finds the same as the platform does', () => {
    const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', '\\d', '1', '^', '$', '\\b', '\\B', '');
    const { pattern } = fc.letrec<{ pattern: string; sequence: string; repeated: string; group: string }>((tie) => ({
      pattern: fc.oneof(
        { depthSize: 'small' },
        tie('sequence'),
        fc.tuple(tie('sequence'), tie('pattern')).map(([a, b]) => `${a}|${b}`),
      ),
      sequence: fc.array(tie('repeated'), { maxLength: 3 }).map((parts) => parts.join('')),
      repeated: fc
        .tuple(
          fc.oneof({ depthSize: 'small' }, atom, tie('group')),
          fc.constantFrom('', '*', '+', '?', '{2}', '{1,2}', '{0,}', '*?'),
        )
        .map(([inner, times]) => (/^(\^|\$|\\b|\\B|)$/.test(inner) ? inner : inner + times)),
      group: tie('pattern').map((inner) => `(?:${inner})`),
    }));
    const text = fc.array(fc.constantFrom('a', 'b', '1', ' ', 'A'), { maxLength: 8 }).map((chars) => chars.join(''));
    fc.assert(
      fc.property(pattern, text, fc.boolean(), (source, tested, ignoreCase) => {
        const compiled = compilePattern(source, ignoreCase);
        if ('fault' in compiled) return;
        assert.equal(compiled.test(tested), new RegExp(source, ignoreCase ? 'iu' : 'u').test(tested));
      }),
      { numRuns: 2_000 },
    );
  });

  it('takes time in proportion to the text for patterns that stop a backtracking engine', () => {
    for (const source of ['^(a+)+$', '^(a|a)*$', '^(a*)*$', '(\\w+\\s?)*$x', '^(?:a?){30}a{30}$']) {
      const steps = matches(source, `${'a'.repeat(20_000)}!`);
      assert.equal(steps, false, source);
    }
  }).timeout(20_000);

  const refused: [why: string, source: string, fault: RegExp][] = [
    ['a group that is not closed', '(a', /Unterminated group/],
    ['a quantifier of nothing', '*a', /Nothing to repeat/],
    ['a back reference', '(a)\\1', /back references/],
    ['a named back reference', '(?<x>a)\\k<x>', /back references/],
    ['looking ahead', 'a(?=b)', /look-around/],
    ['looking behind', '(?<!a)b', /look-around/],
    ['repeats that unfold to too much', '(a{100}){100}', /too large/],
    ['repeats of nothing without end', '((((){500}){500}){500}){500}', /too large/],
    ['more characters than a rule needs', 'a'.repeat(MAX_PATTERN_CHARS + 1), /at most/],
  ];
  for (const [why, source, fault] of refused) {
    it(`refuses ${why} and says so`, () => {
      const pattern = compilePattern(source, false);
      assert.ok('fault' in pattern);
      assert.match(pattern.fault, fault);
    });
  }

  it('never throws, whatever is given as a pattern', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (source, text) => {
        const pattern = compilePattern(source, true);
        if (!('fault' in pattern)) pattern.test(text);
      }),
      { numRuns: 1_000 },
    );
  });
});
