// Regular expressions that administrators write, run on texts that customers write: no pair of them may stop the process.
//
// The pattern is run as a set of states that walk the text together (Thompson's construction), so time grows with
// pattern × text. The platform's backtracking engine takes years for `^(a+)+$` on thirty letters.

export interface Pattern {
  test(text: string): boolean;
}

/** Longer patterns, and patterns whose repeats unfold to more states, are refused. */
export const MAX_PATTERN_CHARS = 1_000;
export const MAX_PATTERN_STATES = 500;
/** Context values are never longer; of anything else the beginning is looked at. */
export const MAX_MATCHED_CHARS = 32_000;

/**
 * JavaScript's syntax (flag `u`) except what needs backtracking: back references and look-around. Finds the pattern
 * anywhere in the text; `^` and `$` are the text's two ends. Says why a pattern cannot be used.
 */
export function compilePattern(source: string, ignoreCase: boolean): Pattern | { fault: string } {
  if (source.length > MAX_PATTERN_CHARS) {
    return { fault: `the pattern has ${source.length} characters; at most ${MAX_PATTERN_CHARS} are allowed` };
  }
  try {
    // The platform checks the syntax (and words the errors); what follows may rely on it.
    new RegExp(source, 'u');
    const program = assemble(new Parser(source, ignoreCase).parse());
    return { test: (text) => run(program, text.slice(0, MAX_MATCHED_CHARS)) };
  } catch (error) {
    if (error instanceof SyntaxError) return { fault: error.message };
    throw error;
  }
}

// ------------------------------------------------------------------------------------------------------------ parsing

type CharTest = (char: string) => boolean;
/** Looks at the characters around a position; undefined is the edge of the text. */
type EdgeTest = (before: string | undefined, after: string | undefined) => boolean;

type Node =
  | { kind: 'char'; test: CharTest }
  | { kind: 'edge'; test: EdgeTest }
  | { kind: 'sequence'; parts: Node[] }
  | { kind: 'choice'; options: Node[] }
  | { kind: 'repeat'; inner: Node; min: number; max: number };

/** Reads a pattern that the platform has found to be well-formed. */
class Parser {
  private readonly chars: readonly string[];
  private at = 0;

  constructor(
    source: string,
    private readonly ignoreCase: boolean,
  ) {
    this.chars = Array.from(source);
  }

  parse(): Node {
    return this.choice();
  }

  private choice(): Node {
    const options = [this.sequence()];
    while (this.take('|')) options.push(this.sequence());
    return options.length === 1 ? (options[0] as Node) : { kind: 'choice', options };
  }

  private sequence(): Node {
    const parts: Node[] = [];
    while (this.at < this.chars.length && this.peek() !== '|' && this.peek() !== ')') parts.push(this.repeated());
    return { kind: 'sequence', parts };
  }

  private repeated(): Node {
    const inner = this.atom();
    const range = this.quantifier();
    if (range === undefined) return inner;
    // Greedy or lazy is the same when the question is only whether it matches.
    this.take('?');
    return { kind: 'repeat', inner, ...range };
  }

  private quantifier(): { min: number; max: number } | undefined {
    if (this.take('*')) return { min: 0, max: Infinity };
    if (this.take('+')) return { min: 1, max: Infinity };
    if (this.take('?')) return { min: 0, max: 1 };
    if (!this.take('{')) return undefined;
    const [min = '', max] = this.upTo('}').split(',');
    return { min: Number(min), max: max === undefined ? Number(min) : max === '' ? Infinity : Number(max) };
  }

  private atom(): Node {
    const char = this.next();
    switch (char) {
      case '(':
        return this.group();
      case '[':
        return this.charClass();
      case '.':
        return { kind: 'char', test: (tested) => !/[\n\r\u2028\u2029]/.test(tested) };
      case '^':
        return { kind: 'edge', test: (before) => before === undefined };
      case '$':
        return { kind: 'edge', test: (_before, after) => after === undefined };
      case '\\':
        return this.escape();
      default:
        return { kind: 'char', test: this.literal(char) };
    }
  }

  private group(): Node {
    if (this.take('?')) {
      const kind = this.next();
      if (kind === '<' && this.peek() !== '=' && this.peek() !== '!') this.upTo('>');
      else if (kind !== ':') throw new SyntaxError('look-around and inline flags cannot be used in a rule');
    }
    const inner = this.choice();
    this.take(')');
    return inner;
  }

  private charClass(): Node {
    let source = '[';
    for (let char = this.next(); char !== ']'; char = this.next()) source += char === '\\' ? char + this.next() : char;
    return { kind: 'char', test: this.native(`${source}]`) };
  }

  private escape(): Node {
    const char = this.next();
    if (char === 'b' || char === 'B') {
      const isEdge = char === 'b';
      return { kind: 'edge', test: (before, after) => (isWord(before) !== isWord(after)) === isEdge };
    }
    if (/[1-9k]/.test(char)) throw new SyntaxError('back references cannot be used in a rule');
    let source = `\\${char}`;
    if (char === 'p' || char === 'P' || (char === 'u' && this.peek() === '{'))
      source += `${this.next()}${this.upTo('}')}}`;
    else if (char === 'u') source += this.unicodeDigits();
    else if (char === 'x') source += this.next() + this.next();
    else if (char === 'c') source += this.next();
    return { kind: 'char', test: this.native(source) };
  }

  /** Four digits, and four more where two escapes write one character. */
  private unicodeDigits(): string {
    const digits = this.next() + this.next() + this.next() + this.next();
    const rest = this.chars.slice(this.at, this.at + 6).join('');
    if (!/^d[89ab]/i.test(digits) || !/^\\ud[c-f]/i.test(rest)) return digits;
    this.at += 6;
    return digits + rest;
  }

  private literal(char: string): CharTest {
    if (!this.ignoreCase || char.toLowerCase() === char.toUpperCase()) return (tested) => tested === char;
    return this.native(char);
  }

  /** One character against one class: the platform's engine cannot backtrack there. */
  private native(source: string): CharTest {
    const expression = new RegExp(`^${source}$`, this.ignoreCase ? 'iu' : 'u');
    return (char) => expression.test(char);
  }

  private peek(): string | undefined {
    return this.chars[this.at];
  }

  private next(): string {
    const char = this.chars[this.at];
    if (char === undefined) throw new SyntaxError('the pattern ends too early');
    this.at += 1;
    return char;
  }

  private take(char: string): boolean {
    if (this.peek() !== char) return false;
    this.at += 1;
    return true;
  }

  /** The characters before `end`, which is read as well. */
  private upTo(end: string): string {
    let text = '';
    for (let char = this.next(); char !== end; char = this.next()) text += char;
    return text;
  }
}

function isWord(char: string | undefined): boolean {
  return char !== undefined && /^[A-Za-z0-9_]$/.test(char);
}

// ------------------------------------------------------------------------------------------------------------ running

/** One state. A `fork` goes on at both places; `found` ends the search. */
type Step =
  | { kind: 'char'; test: CharTest }
  | { kind: 'edge'; test: EdgeTest }
  | { kind: 'fork'; to: [number, number] }
  | { kind: 'jump'; to: number }
  | { kind: 'found' };

function assemble(root: Node): readonly Step[] {
  const steps: Step[] = [];
  const add = (step: Step): number => {
    if (steps.length >= MAX_PATTERN_STATES) {
      throw new SyntaxError(`the pattern is too large: its repeats unfold to more than ${MAX_PATTERN_STATES} states`);
    }
    return steps.push(step) - 1;
  };
  const fork = (): { to: [number, number] } => {
    const step: Extract<Step, { kind: 'fork' }> = { kind: 'fork', to: [steps.length + 1, steps.length + 1] };
    add(step);
    return step;
  };
  let work = 0;
  const emit = (node: Node): void => {
    // Repeats of nothing add no states, but unfolding them takes time all the same.
    work += 1;
    if (work > 10 * MAX_PATTERN_STATES) throw new SyntaxError('the pattern is too large: its repeats unfold too far');
    switch (node.kind) {
      case 'char':
      case 'edge':
        add(node);
        return;
      case 'sequence':
        for (const part of node.parts) emit(part);
        return;
      case 'choice': {
        const ends: { to: number }[] = [];
        for (const [index, option] of node.options.entries()) {
          const last = index === node.options.length - 1;
          const split = last ? undefined : fork();
          emit(option);
          if (split === undefined) continue;
          const end: Extract<Step, { kind: 'jump' }> = { kind: 'jump', to: 0 };
          add(end);
          ends.push(end);
          split.to[1] = steps.length;
        }
        for (const end of ends) end.to = steps.length;
        return;
      }
      case 'repeat': {
        for (let count = 0; count < node.min; count += 1) emit(node.inner);
        if (node.max === Infinity) {
          const start = steps.length;
          const split = fork();
          emit(node.inner);
          add({ kind: 'jump', to: start });
          split.to[1] = steps.length;
          return;
        }
        const splits: { to: [number, number] }[] = [];
        for (let count = node.min; count < node.max; count += 1) {
          splits.push(fork());
          emit(node.inner);
        }
        for (const split of splits) split.to[1] = steps.length;
        return;
      }
    }
  };
  emit(root);
  add({ kind: 'found' });
  return steps;
}

function run(steps: readonly Step[], text: string): boolean {
  const chars = Array.from(text);
  // Position at which a state was last entered: a state counts once per position, so empty loops end.
  const enteredAt = new Int32Array(steps.length).fill(-1);
  let waiting: number[] = [];
  for (let position = 0; position <= chars.length; position += 1) {
    const [before, after] = [chars[position - 1], chars[position]];
    const entered: number[] = [];
    // A match may begin at every position.
    for (const state of [...waiting, 0]) {
      if (enter(steps, state, position, before, after, enteredAt, entered)) return true;
    }
    if (after === undefined) return false;
    waiting = [];
    for (const state of entered) {
      const step = steps[state] as Extract<Step, { kind: 'char' }>;
      if (step.test(after)) waiting.push(state + 1);
    }
  }
  return false;
}

/** Follows everything that needs no character; collects the states that wait for one. True when the end was reached. */
function enter(
  steps: readonly Step[],
  first: number,
  position: number,
  before: string | undefined,
  after: string | undefined,
  enteredAt: Int32Array,
  entered: number[],
): boolean {
  const pending = [first];
  for (let state = pending.pop(); state !== undefined; state = pending.pop()) {
    if (enteredAt[state] === position) continue;
    enteredAt[state] = position;
    const step = steps[state] as Step;
    switch (step.kind) {
      case 'char':
        entered.push(state);
        break;
      case 'edge':
        if (step.test(before, after)) pending.push(state + 1);
        break;
      case 'fork':
        pending.push(...step.to);
        break;
      case 'jump':
        pending.push(step.to);
        break;
      case 'found':
        return true;
    }
  }
  return false;
}
