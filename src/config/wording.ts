// What a person who wrote a handoff.yaml is told of it: what is expected in a place, with an example of what is right.

import type { YAMLParseError } from 'yaml';
import type * as z from 'zod';

const KINDS: Record<string, string> = {
  array: 'a list, such as [ana, ben]',
  object: 'names with values, such as { id: ana, name: Ana }',
  string: 'text',
  number: 'a number, such as 3',
  int: 'a whole number, such as 3',
  boolean: 'true or false',
};

/** Words for the faults that the schemas name no words of their own for. */
export function wordsOf(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => `"${key}"`).join(', ');
    return `there is no setting ${keys} here; compare the spelling`;
  }
  if (issue.code === 'invalid_value') return `write one of ${issue.values.join(', ')}`;
  if (issue.code === 'too_small')
    return `write ${sizeOf(issue.origin, Number(issue.minimum), issue.inclusive === false ? 'more than' : 'at least')}`;
  if (issue.code === 'too_big')
    return `write ${sizeOf(issue.origin, Number(issue.maximum), issue.inclusive === false ? 'less than' : 'at most')}`;
  if (issue.code !== 'invalid_type') return undefined;
  const wanted = KINDS[issue.expected] ?? issue.expected;
  return issue.input === undefined ? `missing; write ${wanted}` : `write ${wanted}`;
}

function sizeOf(origin: string, limit: number, than: string): string {
  if (origin === 'string') return `text of ${than} ${limit} ${limit === 1 ? 'character' : 'characters'}`;
  if (origin === 'array') return `a list of ${than} ${limit}, such as [ana, ben]`;
  return `a number of ${than} ${limit}, such as ${than === 'more than' ? limit + 1 : limit}`;
}

const OPEN_BRACKET = 'a [ or { before it is not closed; write both ends, such as members: [ana, ben]';
const NO_COLON = 'a name needs a colon and a space behind it, such as queue: Sales';

/** By the parser's code, and where that says too little by a part of its message. */
const SYNTAX: readonly (readonly [code: YAMLParseError['code'], part: string, words: string])[] = [
  ['TAB_AS_INDENT', '', 'indent with spaces, not with tabs'],
  ['BAD_INDENT', 'Flow', OPEN_BRACKET],
  ['MISSING_CHAR', 'Flow', OPEN_BRACKET],
  ['BAD_INDENT', '', 'begin what belongs together in the same column, one entry below the other'],
  [
    'BLOCK_AS_IMPLICIT_KEY',
    '',
    'write one name with a colon on a line, and put a text with a colon in quotes, such as name: "Sales: Europe"',
  ],
  ['MISSING_CHAR', 'quote', 'close the quotes of a text where it ends, such as name: "Ana"'],
  ['MISSING_CHAR', 'Implicit', NO_COLON],
  ['MULTILINE_IMPLICIT_KEY', '', NO_COLON],
  ['BAD_SCALAR_START', '', 'put a text that begins with such a character in quotes, such as name: "@home"'],
  ['BLOCK_IN_FLOW', '', 'put commas between what is within { } or [ ], such as { id: ana, capacity: 2 }'],
  ['BAD_DQ_ESCAPE', '', 'write \\\\ for a backslash within "…", or put the text in \'…\''],
  ['DUPLICATE_KEY', '', 'this name is there already, above; write it once'],
  ['MULTIPLE_DOCS', '', 'write everything as one document, without a line --- in between'],
  [
    'UNEXPECTED_TOKEN',
    '',
    'this belongs to nothing before it; compare quotes, brackets and indentation with the line above, as in { id: ana, name: "Ana" }',
  ],
];

/** What to write instead; what the parser says itself where we have no better words. */
export function syntaxWordsOf({ code, message }: YAMLParseError): string {
  const row = SYNTAX.find(([known, part]) => known === code && message.includes(part));
  return row?.[2] ?? message.replace(/(?: at line \d+, column \d+:?)?\n[\s\S]*$/, '');
}
