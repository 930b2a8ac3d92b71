// Context variables: what is known about a conversation besides its texts, how it is read from the wire, merged and told.

export type VariableValue = string | number | boolean | null | readonly (string | number | boolean)[];

export interface ContextVariable {
  /** null = unset by whoever sent it; rules see it as no data. */
  readonly value: VariableValue;
  /**
   * Whether people see it among the displayed variables. Absent only on values on their way in whose sender did not say;
   * in a conversation's own context it is always set.
   */
  readonly displayable?: boolean;
}

export type ContextVariables = Readonly<Record<string, ContextVariable>>;

/** What a work stream says about a variable beforehand. */
export interface VariableDeclaration {
  readonly name: string;
  readonly type: 'text' | 'number';
  readonly displayable: boolean;
}

export interface VariableLimits {
  /** Longer names are kept and warned about; beyond the hard limit the variable is refused, with a warning. */
  readonly nameChars: number;
  readonly nameCharsHard: number;
  /** Longer values are kept and warned about; beyond the hard limit they are cut to it, with a warning. */
  readonly valueChars: number;
  readonly valueCharsHard: number;
}

/** Omnichannel's documented limits, and what one activity of 256 KiB can reasonably carry. */
export const VARIABLE_LIMITS: VariableLimits = {
  nameChars: 100,
  nameCharsHard: 500,
  valueChars: 4_000,
  valueCharsHard: 32_000,
};

/** Omnichannel's limit of variables in one conversation. */
export const MAX_VARIABLES = 100;

/** On the wire and in Microsoft's table the same variable has two names; it is stored under the table's. */
const ALIASES: readonly { readonly wire: string; readonly stored: string }[] = [
  { wire: 'va_LastPhrase', stored: 'va_LastPhrases' },
];

/** The name under which a variable is stored and compared. */
export function storedName(name: string): string {
  return ALIASES.find((alias) => alias.wire === name)?.stored ?? name;
}

/** A variable by either of its names; undefined when the conversation has none of that name. */
export function variable(context: ContextVariables, name: string): ContextVariable | undefined {
  const stored = storedName(name);
  if (Object.hasOwn(context, stored)) return context[stored];
  return Object.hasOwn(context, name) ? context[name] : undefined;
}

/**
 * Reads variables as bots and widgets send them: an object of plain values or of `{value, isDisplayable}`.
 * Nothing is dropped without a warning. Never throws.
 */
export function readVariables(
  value: unknown,
  limits: VariableLimits = VARIABLE_LIMITS,
): { variables: ContextVariables; warnings: string[] } {
  const warnings: string[] = [];
  if (value === undefined || value === null) return { variables: {}, warnings };
  if (!isObject(value)) {
    warnings.push(`context variables must be an object of name and value, not ${kindOf(value)}: nothing was read`);
    return { variables: {}, warnings };
  }
  const read = new Map<string, ContextVariable>();
  for (const [name, raw] of Object.entries(value)) {
    // JSON leaves such fields out; a bot in the same process must not differ from one behind HTTP.
    if (raw === undefined) continue;
    const refusal = nameRefusal(name, limits);
    if (refusal !== undefined) {
      warnings.push(refusal);
      continue;
    }
    if (!/^[A-Za-z0-9_]+$/.test(name)) {
      warnings.push(`${shown(name)}: names have letters, digits and _ only; kept`);
    }
    if (name.length > limits.nameChars) {
      warnings.push(`${shown(name)}: the name has ${name.length} characters, more than ${limits.nameChars}; kept`);
    }
    const { content, displayable } = unwrap(name, raw, warnings);
    const kept = limited(name, readValue(name, content, warnings), limits, warnings);
    const stored = storedName(name);
    // The most recent wins, and keeps its place at the end.
    read.delete(stored);
    read.set(stored, displayable === undefined ? { value: kept } : { value: kept, displayable });
  }
  return { variables: Object.fromEntries(read), warnings };
}

/**
 * The context after `incoming` arrived. A declared type coerces; whether people see the variable is said by the sender,
 * else by the declaration, else by what it was, else no. `changed` names what differs from `before`.
 */
export function mergeVariables(
  before: ContextVariables,
  incoming: ContextVariables,
  declarations: readonly VariableDeclaration[],
): { variables: ContextVariables; changed: string[]; warnings: string[] } {
  const warnings: string[] = [];
  const merged = new Map<string, ContextVariable>(Object.entries(before));
  const declared = new Map(declarations.map((declaration) => [storedName(declaration.name), declaration]));
  const refused: string[] = [];
  for (const [given, arriving] of Object.entries(incoming)) {
    const name = storedName(given);
    const old = merged.get(name);
    if (old === undefined && merged.size >= MAX_VARIABLES) {
      refused.push(shown(name));
      continue;
    }
    const declaration = declared.get(name);
    merged.set(name, {
      value: declaration === undefined ? arriving.value : coerced(name, arriving.value, declaration.type, warnings),
      displayable: arriving.displayable ?? declaration?.displayable ?? old?.displayable ?? false,
    });
  }
  if (refused.length > 0) {
    warnings.push(
      `a conversation has at most ${MAX_VARIABLES} context variables; not kept: ${refused.join(', ')}. Send fewer names`,
    );
  }
  const changed = [...merged].filter(
    ([name, now]) => !same(Object.hasOwn(before, name) ? before[name] : undefined, now),
  );
  return { variables: Object.fromEntries(merged), changed: changed.map(([name]) => name), warnings };
}

/** The value of `omnichannelSetContext`: name → plain value, an aliased variable under both of its names. */
export function setContextValue(context: ContextVariables): Record<string, unknown> {
  const told = new Map<string, unknown>();
  for (const [name, { value }] of Object.entries(context)) {
    for (const alias of ALIASES) if (alias.stored === name) told.set(alias.wire, value);
    told.set(name, value);
  }
  return Object.fromEntries(told);
}

function nameRefusal(name: string, limits: VariableLimits): string | undefined {
  if (name === '') return 'a context variable without a name was not kept';
  // Assigning this name anywhere would set an object's prototype in place of a variable.
  if (name === '__proto__') return 'the name __proto__ is reserved: the variable was not kept';
  if (name.length > limits.nameCharsHard) {
    return `${shown(name)}: the name has ${name.length} characters, more than ${limits.nameCharsHard}: the variable was not kept`;
  }
  return undefined;
}

const WRAPPER_FIELDS = ['value', 'isDisplayable', 'displayable'];

/** `{value, isDisplayable}` and the hub's own `{value, displayable}` are wrappers; an object with other fields is a value. */
function unwrap(name: string, raw: unknown, warnings: string[]): { content: unknown; displayable?: boolean } {
  if (!isObject(raw) || !Object.hasOwn(raw, 'value')) return { content: raw };
  if (!Object.keys(raw).every((field) => WRAPPER_FIELDS.includes(field))) return { content: raw };
  const said = raw['isDisplayable'] ?? raw['displayable'];
  if (said === undefined || said === null) return { content: raw['value'] };
  if (typeof said === 'boolean') return { content: raw['value'], displayable: said };
  if (typeof said === 'string' && /^(true|false)$/i.test(said)) {
    return { content: raw['value'], displayable: said.toLowerCase() === 'true' };
  }
  warnings.push(`${shown(name)}: isDisplayable must be true or false; ignored`);
  return { content: raw['value'] };
}

function readValue(name: string, raw: unknown, warnings: string[]): VariableValue {
  if (raw === null || raw === undefined) return null;
  if (isScalar(raw)) return raw;
  if (!Array.isArray(raw)) {
    warnings.push(`${shown(name)}: ${kindOf(raw)} is not a text, number, boolean or list of these; kept as JSON text`);
    return jsonText(raw);
  }
  const items: unknown[] = raw;
  if (items.every(isScalar)) return items;
  warnings.push(`${shown(name)}: a list may hold texts, numbers and booleans; other items are kept as JSON text`);
  return items.map((item) => (isScalar(item) ? item : jsonText(item)));
}

function limited(name: string, value: VariableValue, limits: VariableLimits, warnings: string[]): VariableValue {
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return value;
  const chars = lengthOf(value);
  if (chars > limits.valueCharsHard) {
    warnings.push(
      `${shown(name)}: the value has ${chars} characters, more than ${limits.valueCharsHard}; the rest was cut off`,
    );
    return typeof value === 'string' ? cut(value, limits.valueCharsHard) : cutList(value, limits.valueCharsHard);
  }
  if (chars > limits.valueChars) {
    warnings.push(`${shown(name)}: the value has ${chars} characters, more than ${limits.valueChars}; kept`);
  }
  return value;
}

function lengthOf(value: string | readonly (string | number | boolean)[]): number {
  if (typeof value === 'string') return value.length;
  return value.reduce<number>((sum, item) => sum + String(item).length, 0);
}

/** Never splits a surrogate pair: half a character is not text. */
function cut(text: string, chars: number): string {
  const last = text.charCodeAt(chars - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? chars - 1 : chars);
}

function cutList(items: readonly (string | number | boolean)[], chars: number): readonly (string | number | boolean)[] {
  const kept: (string | number | boolean)[] = [];
  let left = chars;
  for (const item of items) {
    const length = String(item).length;
    if (length > left) {
      if (typeof item === 'string' && left > 0) kept.push(cut(item, left));
      break;
    }
    kept.push(item);
    left -= length;
  }
  return kept;
}

function coerced(name: string, value: VariableValue, type: 'text' | 'number', warnings: string[]): VariableValue {
  if (value === null) return null;
  if (Array.isArray(value))
    return (value as readonly VariableValue[]).map((item) => coerced(name, item, type, warnings)) as VariableValue;
  const scalar = value as string | number | boolean;
  switch (type) {
    case 'text':
      return typeof scalar === 'string' ? scalar : String(scalar);
    case 'number': {
      const number = numberOf(scalar);
      if (number !== undefined) return number;
      warnings.push(`${shown(name)} is declared as a number but got ${typeof scalar}; kept as it came`);
      return scalar;
    }
  }
}

/** A number, or the number a text writes out in decimals; undefined for everything else. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined;
  if (typeof value !== 'string' || value.length > 400) return undefined;
  if (!/^\s*[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?\s*$/i.test(value)) return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number : undefined;
}

function same(before: ContextVariable | undefined, now: ContextVariable): boolean {
  if (before === undefined || before.displayable !== now.displayable) return false;
  if (!Array.isArray(before.value) || !Array.isArray(now.value)) return before.value === now.value;
  const [a, b] = [before.value as readonly unknown[], now.value as readonly unknown[]];
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isScalar(value: unknown): value is string | number | boolean {
  return (
    typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
  );
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    // Cyclic, too deep or a bigint: only a bot in the same process can send such a thing.
    return String(value);
  }
}

/** A name as warnings show it: short enough for a log line. */
function shown(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}…` : name;
}
