// The work streams of handoff.yaml: rules, timers, texts and triggers, checked and with every default filled in.

import * as z from 'zod';
import { id } from './bots.js';
import { skills } from './skills.js';
import { storedName } from '../core/context.js';
import {
  DEFAULT_TEXTS,
  DEFAULT_TIMERS,
  DEFAULT_WORK_STREAM,
  PRESENCES,
  type TextName,
  type Triggers,
  type VariableDeclaration,
  type WorkStream,
  type WorkStreamTimers,
} from '../core/directory.js';
import { compilePattern } from '../core/pattern.js';
import { conditionFaults, conditionNames, FACTS, OPERATORS, type Comparison, type Condition } from '../core/routing.js';
import { comparable } from '../core/triggers.js';

const comparison = z
  .strictObject({
    variable: z.string().min(1).optional().describe('Name of a context variable.'),
    fact: z.enum(FACTS).optional().describe('A fact of the conversation itself.'),
    operator: z.enum(OPERATORS, { error: `use one of ${OPERATORS.join(', ')}` }),
    value: z.unknown().optional(),
    ignoreCase: z.boolean().optional(),
  })
  .superRefine((test, context) => {
    for (const message of conditionFaults(test as Comparison)) context.addIssue({ code: 'custom', message });
  });

const condition: z.ZodType<Condition> = z.lazy(() =>
  z.union(
    [
      z.strictObject({ all: z.array(condition).min(1) }),
      z.strictObject({ any: z.array(condition).min(1) }),
      z.strictObject({ not: condition }),
      comparison,
    ],
    // The fault itself, and not "no member of the union matched".
    { error: ({ input }) => faultOf(input) },
  ),
);

function faultOf(input: unknown): string {
  if (typeof input !== 'object' || input === null || Array.isArray(input))
    return 'a condition is an object: {variable, operator, value}, or {all: […]}, {any: […]}, {not: …}';
  const known = new Set(['all', 'any', 'not', 'variable', 'fact', 'operator', 'value', 'ignoreCase']);
  const unknown = Object.keys(input).filter((key) => !known.has(key));
  if (unknown.length > 0)
    return `unknown ${unknown.map((key) => `"${key}"`).join(', ')}; a condition knows ${[...known].join(', ')}`;
  try {
    return (
      conditionFaults(input as Condition).join('; ') ||
      'name one of all, any, not, or a variable or fact with an operator'
    );
  } catch {
    return 'all and any take a list of conditions, not takes one';
  }
}

const seconds = (meaning: string, ms: number) =>
  z
    .number()
    .positive()
    .max(366 * 24 * 3600)
    .optional()
    .describe(`${meaning} In seconds; ${ms / 1_000} unless set.`);

const timers = z.strictObject({
  offerSeconds: seconds('How long a request waits for one person before it lapses.', DEFAULT_TIMERS.offerMs),
  queueLimitSeconds: seconds(
    'How long a customer waits in line at most while people are there.',
    DEFAULT_TIMERS.queueLimitMs,
  ),
  botIdleSeconds: seconds('A chat with the bot closes after this time without a message.', DEFAULT_TIMERS.botIdleMs),
  agentSilentSeconds: seconds(
    'A chat with a person is taken back after this time without a message.',
    DEFAULT_TIMERS.agentSilentMs,
  ),
  waitingSeconds: seconds('A parked conversation closes after this time.', DEFAULT_TIMERS.waitingMs),
  wrapUpSeconds: seconds('Wrap-up ends by itself after this time.', DEFAULT_TIMERS.wrapUpMs),
  surveySeconds: seconds('A survey ends after this time without a message.', DEFAULT_TIMERS.surveyMs),
  customerGoneSeconds: seconds(
    'A customer whose connection is lost counts as gone after this time.',
    DEFAULT_TIMERS.customerGoneMs,
  ),
  agentGoneOfferSeconds: seconds(
    'Requests to a person whose connection is lost lapse after this time.',
    DEFAULT_TIMERS.agentGoneOfferMs,
  ),
  agentGoneChatSeconds: seconds(
    'Chats of a person whose connection is lost are queued again after this time.',
    DEFAULT_TIMERS.agentGoneChatMs,
  ),
});

const texts = z.strictObject(
  Object.fromEntries(
    Object.entries(DEFAULT_TEXTS).map(([name, text]) => [
      name,
      z.string().max(2_000).optional().describe(`Unless set: ${text}`),
    ]),
  ) as Record<TextName, z.ZodOptional<z.ZodString>>,
);

const variable = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_]{1,100}$/, 'use 1 to 100 letters, digits or "_"'),
  type: z.enum(['text', 'number']).optional(),
  displayable: z.boolean().optional(),
});

const rule = z.strictObject({
  when: condition,
  queue: z.string(),
  priority: z.number().int().min(-1_000).max(1_000).optional(),
  skills: skills.describe('Only people who have them all are given the conversation.').optional(),
});

const phrase = z
  .string()
  .max(500)
  .refine((text) => comparable(text) !== '', { error: 'write a phrase with at least one letter or digit' });

const language = z
  .string()
  .regex(/^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$/, 'use a language tag such as en, de or pt-BR')
  .describe('en stands for every kind of English.');

const pattern = z.string().superRefine((source, context) => {
  const compiled = compilePattern(source, true);
  if ('fault' in compiled) context.addIssue({ code: 'custom', message: compiled.fault });
});

const inARow = z.number().int().min(1).max(100);

const triggers = z.strictObject({
  phrases: z
    .array(
      z.strictObject({
        says: z.array(phrase).min(1, 'name at least one phrase'),
        match: z
          .enum(['exact', 'contains'])
          .optional()
          .describe('exact, unless set: the whole message; contains: as words within it.'),
        languages: z.array(language).min(1).optional().describe('Every language unless set.'),
      }),
    )
    .optional()
    .describe('What customers say when they want a person.'),
  fallbacks: z
    .strictObject({
      count: inARow.describe('Turns in a row that the bot did not understand.'),
      texts: z.array(phrase).optional().describe('Its reply contains one of these.'),
      patterns: z.array(pattern).optional().describe('Its reply matches one of these regular expressions.'),
      topics: z
        .array(z.string().min(1))
        .optional()
        .describe('Its reply comes from one of these topics; Fallback for Copilot Studio bots unless set.'),
    })
    .optional()
    .describe('Replies that show that the bot does not understand.'),
  botErrors: inARow.optional().describe('Failures of the bot without an answer between them; 1 unless set.'),
});

export const workStream = z.strictObject({
  id,
  name: z.string().min(1).optional(),
  sender: z
    .string()
    .min(1)
    .optional()
    .describe('Whom customers see as the sender of texts of the hub itself; Support unless set.'),
  context: z.array(variable).max(100).optional(),
  rules: z.array(rule).optional(),
  fallbackQueue: z.string().optional(),
  mode: z.enum(['push', 'pick']).optional(),
  cost: z
    .number()
    .int()
    .min(1)
    .max(1_000)
    .optional()
    .describe("Units of a person's capacity that one conversation takes."),
  allowedPresences: z.array(z.enum(PRESENCES)).min(1).optional(),
  declineLimit: z.number().int().min(1).max(100).optional(),
  onBotFailure: z.enum(['escalate', 'close']).optional(),
  onQueueLimit: z.enum(['failed', 'close']).optional(),
  onAgentSilent: z.enum(['wrapUp', 'requeue']).optional(),
  observe: z
    .boolean()
    .optional()
    .describe(
      'true: nothing is handed over, told or kept back; what would have asked for people is put on record. See docs/observe.md.',
    ),
  proactiveWhileHeld: z.enum(['draft', 'deliver']).optional(),
  triggers: triggers.optional().describe('Hands over to people without the bot asking for it.'),
  surveyBot: z
    .string()
    .optional()
    .describe('Id of the bot that asks the customer how it was after a person has ended.'),
  cancelPhrases: z.array(z.string().min(1)).optional(),
  timers: timers.optional(),
  texts: texts.optional(),
});

type WorkStreamEntry = z.infer<typeof workStream>;

export function workStreamOf(one: WorkStreamEntry): WorkStream {
  const { timers: given = {}, texts: words = {}, context = [], rules = [], triggers: asked, ...plain } = one;
  const timersMs = Object.fromEntries(
    Object.entries(DEFAULT_TIMERS).map(([name, ms]) => {
      const inSeconds = given[name.replace(/Ms$/, 'Seconds') as keyof typeof given];
      return [name, inSeconds === undefined ? ms : inSeconds * 1_000];
    }),
  ) as unknown as WorkStreamTimers;
  return {
    ...DEFAULT_WORK_STREAM,
    ...defined(plain),
    name: one.name ?? one.id,
    context: context.map(({ name, type = 'text', displayable = false }) => ({ name, type, displayable })),
    rules: rules.map((each) => defined(each)),
    timers: timersMs,
    ...(asked === undefined ? {} : { triggers: triggersOf(asked) }),
    texts: { ...DEFAULT_TEXTS, ...defined(words) },
  };
}

/** The topic of a Copilot Studio bot that says it did not understand. */
const FALLBACK_TOPIC = 'Fallback';

function triggersOf({ phrases = [], fallbacks, botErrors }: z.infer<typeof triggers>): Triggers {
  return {
    phrases: phrases.map((one) => ({ match: 'exact', ...defined(one) })),
    ...(fallbacks === undefined
      ? {}
      : {
          fallbacks: {
            count: fallbacks.count,
            texts: fallbacks.texts ?? [],
            patterns: fallbacks.patterns ?? [],
            topics: fallbacks.topics ?? [FALLBACK_TOPIC],
          },
        }),
    ...(botErrors === undefined ? {} : { botErrors }),
  };
}

/** What a work stream can rely on. */
export interface Office {
  readonly bots: readonly { readonly directLine?: unknown; readonly draftsWhileHeld?: boolean | undefined }[];
  /** Some queue has a person who can take something. */
  readonly hasPeople: boolean;
  /** Whether somebody of the queue who can take something has all of these. */
  readonly hasSkilled: (queue: string, skills: readonly string[]) => boolean;
  /** Declared by the work stream itself and by its bots. */
  readonly variables: readonly VariableDeclaration[];
}

/** What is allowed but probably not meant: rules on names it does not declare, triggers that can never fire. */
export function workStreamWarnings(
  stream: WorkStreamEntry,
  { bots, hasPeople, hasSkilled, variables }: Office,
): string[] {
  const warnings: string[] = [];
  const warn = (text: string) => warnings.push(`work stream ${stream.id}: ${text}`);
  const declared = new Set(variables.map(({ name }) => storedName(name)));
  for (const name of new Set((stream.rules ?? []).flatMap(({ when }) => conditionNames(when))))
    if (!declared.has(storedName(name)))
      warn(`a rule reads "${name}", which its context does not declare; it is compared in the type it arrives in`);
  for (const [index, { queue, skills: required = [] }] of (stream.rules ?? []).entries())
    if (required.length > 0 && !hasSkilled(queue, required))
      warn(
        `rule ${index + 1} requires ${required.join(' and ')}, which nobody of queue ${queue} has; it is passed over for people until somebody has`,
      );
  if (stream.surveyBot !== undefined && !hasPeople)
    warn('its survey never runs: it follows a talk with a person, and no queue has people');
  if (stream.triggers === undefined) return warnings;
  const { phrases = [], fallbacks, botErrors } = stream.triggers;
  if (bots.length === 0) warn('its triggers can never fire: they are about what a bot holds, and there is no bot');
  else if (!hasPeople) warn('its triggers can never fire: no queue has people to hand over to');
  if (phrases.length === 0 && fallbacks === undefined && botErrors === undefined) warn('its triggers name nothing');
  if (botErrors !== undefined && stream.onBotFailure === 'close')
    warn('botErrors can never hand over: onBotFailure closes the conversation at the first failure');
  const recognises = fallbacks !== undefined && (fallbacks.texts ?? []).length + (fallbacks.patterns ?? []).length > 0;
  if (fallbacks !== undefined && !recognises && !bots.some(({ directLine }) => directLine !== undefined))
    warn(
      'fallbacks can never count: without texts and patterns they are recognised by topics, and no bot is a Copilot Studio bot',
    );
  const shadowed = phrases.flatMap(({ says, match }, index) =>
    says.filter((one) =>
      phrases.some(
        (other, position) =>
          position < index &&
          other.languages === undefined &&
          (other.match ?? 'exact') === (match ?? 'exact') &&
          other.says.some((before) => comparable(before) === comparable(one)),
      ),
    ),
  );
  for (const one of new Set(shadowed)) warn(`the phrase "${one}" is named before, for every language`);
  return warnings;
}

/** Without the fields that are undefined: a spread must not overwrite a default with nothing. */
export function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
