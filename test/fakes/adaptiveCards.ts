/** What is wrong with an Adaptive Card: by the schema's own rules for version 1.4, and by the parser that Web Chat brings. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

type Json = Record<string, unknown>;

interface Rule {
  required: readonly string[];
  optional: readonly string[];
}

const BLOCK = ['id', 'spacing', 'separator', 'isVisible', 'height', 'fallback', 'requires'];
const ACTION = ['id', 'iconUrl', 'style', 'fallback', 'requires', 'isEnabled', 'tooltip'];
const TEXT = [
  'color',
  'fontType',
  'highlight',
  'isSubtle',
  'size',
  'weight',
  'selectAction',
  'italic',
  'strikethrough',
  'underline',
];

/** Elements of the schema 1.4 (adaptivecards.io/explorer), with what they need and may have. */
const RULES: Readonly<Record<string, Rule>> = {
  AdaptiveCard: {
    required: [],
    optional: [
      '$schema',
      'version',
      'body',
      'actions',
      'fallbackText',
      'lang',
      'speak',
      'selectAction',
      'minHeight',
      'backgroundImage',
      'refresh',
      'authentication',
      'verticalContentAlignment',
    ],
  },
  TextBlock: {
    required: ['text'],
    optional: [...BLOCK, 'color', 'fontType', 'horizontalAlignment', 'isSubtle', 'maxLines', 'size', 'weight', 'wrap'],
  },
  RichTextBlock: { required: ['inlines'], optional: [...BLOCK, 'horizontalAlignment'] },
  TextRun: { required: ['text'], optional: TEXT },
  Container: {
    required: ['items'],
    optional: [...BLOCK, 'style', 'bleed', 'selectAction', 'minHeight', 'backgroundImage', 'verticalContentAlignment'],
  },
  ActionSet: { required: ['actions'], optional: BLOCK },
  'Input.Text': {
    required: ['id'],
    optional: [
      ...BLOCK,
      'isMultiline',
      'maxLength',
      'placeholder',
      'value',
      'style',
      'inlineAction',
      'label',
      'isRequired',
      'errorMessage',
      'regex',
    ],
  },
  'Input.ChoiceSet': {
    required: ['id', 'choices'],
    optional: [
      ...BLOCK,
      'isMultiSelect',
      'style',
      'value',
      'placeholder',
      'wrap',
      'label',
      'isRequired',
      'errorMessage',
    ],
  },
  'Action.Submit': { required: ['title'], optional: [...ACTION, 'data', 'associatedInputs'] },
  'Action.OpenUrl': { required: ['title', 'url'], optional: ACTION },
  'Action.ShowCard': { required: ['title', 'card'], optional: ACTION },
};

/** Values that an enumeration of the schema allows, by property. */
const VALUES: Readonly<Record<string, readonly unknown[]>> = {
  weight: ['default', 'lighter', 'bolder'],
  size: ['default', 'small', 'medium', 'large', 'extralarge'],
  spacing: ['default', 'none', 'small', 'medium', 'large', 'extralarge', 'padding'],
  separator: [true, false],
  isSubtle: [true, false],
  wrap: [true, false],
  isMultiline: [true, false],
};
const STYLES: Readonly<Record<string, readonly string[]>> = {
  'Action.Submit': ['default', 'positive', 'destructive'],
  'Input.ChoiceSet': ['compact', 'expanded', 'filtered'],
};
/** Of a card and of each card within it. */
const MOST_ACTIONS = 6;

/** A sentence per fault; empty for a sound card. */
export function faultsOf(card: unknown): string[] {
  const faults: string[] = [];
  const root = card as Json;
  if (root['type'] !== 'AdaptiveCard') return ['it is no AdaptiveCard'];
  if (!/^1\.[0-4]$/.test(String(root['version']))) faults.push(`version ${String(root['version'])}`);
  check(root, 'card', faults);
  const ids = all(root, 'Input').map(({ id }) => id);
  // Inputs of cards that open from an action are apart from one another.
  if (new Set(ids).size !== ids.length && all(root, 'Action.ShowCard').length < ids.length - 1)
    faults.push('two inputs of one id');
  return [...faults, ...parserFaults(card)];
}

function check(element: Json, path: string, faults: string[]): void {
  const type = String(element['type']);
  const rule = RULES[type];
  if (rule === undefined) return void faults.push(`${path}: unknown type ${type}`);
  for (const field of rule.required)
    if (element[field] === undefined || element[field] === '') faults.push(`${path}: ${type} without ${field}`);
  for (const [field, value] of Object.entries(element)) {
    if (field !== 'type' && !rule.required.includes(field) && !rule.optional.includes(field))
      faults.push(`${path}: ${type} has no ${field}`);
    const allowed = field === 'style' ? STYLES[type] : VALUES[field];
    const plain = typeof value === 'string' ? value.toLowerCase() : value;
    if (allowed !== undefined && !allowed.includes(plain)) faults.push(`${path}: ${field} ${String(value)}`);
  }
  for (const field of ['body', 'items', 'inlines', 'actions'])
    for (const [index, child] of ((element[field] ?? []) as Json[]).entries())
      check(child, `${path}.${field}[${index}]`, faults);
  if (((element['actions'] ?? []) as unknown[]).length > MOST_ACTIONS) faults.push(`${path}: too many actions`);
  if (type === 'Action.ShowCard') check({ version: '1.2', ...(element['card'] as Json) }, `${path}.card`, faults);
  for (const choice of (element['choices'] ?? []) as Json[])
    if (typeof choice['title'] !== 'string' || choice['title'] === '' || typeof choice['value'] !== 'string')
      faults.push(`${path}: a choice without title or value`);
  if (type === 'Action.OpenUrl' && !URL.canParse(String(element['url']))) faults.push(`${path}: no url`);
}

/** Elements whose type begins so. */
export function all(value: unknown, type: string): Json[] {
  if (Array.isArray(value)) return value.flatMap((one) => all(one, type));
  if (typeof value !== 'object' || value === null) return [];
  const own = value as Json;
  const found = typeof own['type'] === 'string' && own['type'].startsWith(type) ? [own] : [];
  return [...found, ...Object.values(own).flatMap((child) => all(child, type))];
}

interface Parser {
  AdaptiveCard: new () => { parse(card: unknown, context: unknown): void };
  SerializationContext: new (version: unknown) => {
    eventCount: number;
    getEventAt(index: number): { message: string };
  };
  Versions: Record<string, unknown>;
}

let parser: Parser | undefined;

/** Web Chat's own parser: what it warns of, clients show wrongly or not at all. */
function parserFaults(card: unknown): string[] {
  parser ??= loadParser();
  const context = new parser.SerializationContext(parser.Versions['v1_4']);
  new parser.AdaptiveCard().parse(card, context);
  return Array.from({ length: context.eventCount }, (_, index) => context.getEventAt(index).message);
}

function loadParser(): Parser {
  const webChat = createRequire(createRequire(import.meta.url).resolve('botframework-webchat'));
  // The package's entry is made for bundlers; its bundle for browsers runs anywhere.
  return webChat(join(dirname(webChat.resolve('adaptivecards/package.json')), 'dist/adaptivecards.js')) as Parser;
}
