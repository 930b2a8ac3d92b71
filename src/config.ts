// handoff.yaml and the environment → what the program runs on; every default with its unit, every fault with its line and cure.

import { isMap, isPair, isScalar, LineCounter, parseDocument } from 'yaml';
import * as z from 'zod';
import { bot, botOf, id } from './botConfig.js';
import { withBotVariables } from './core/copilotStudio.js';
import {
  DEFAULT_TEXTS,
  DEFAULT_TIMERS,
  DEFAULT_WORK_STREAM,
  PRESENCES,
  type Directory,
  type Person,
  type Queue,
  type TextName,
  type WorkStream,
  type WorkStreamTimers,
} from './core/directory.js';
import { conditionFaults, conditionNames, FACTS, OPERATORS, type Comparison, type Condition } from './core/routing.js';
import { storedName } from './core/context.js';
import { ConfigError } from './errors.js';

// ---------------------------------------------------------------------------------------------------------- handoff.yaml

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

const queue = z.strictObject({
  id,
  name: z.string().min(1).optional(),
  members: z.array(z.string()).describe('Ids of people and bots.'),
  method: z.enum(['highestCapacity', 'roundRobin', 'longestIdle']).optional(),
});

const variable = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_]{1,100}$/, 'use 1 to 100 letters, digits or "_"'),
  type: z.enum(['text', 'number']).optional(),
  displayable: z.boolean().optional(),
});

const rule = z.strictObject({
  when: condition,
  queue: z.string(),
  priority: z.number().int().min(-1_000).max(1_000).optional(),
});

const workStream = z.strictObject({
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
  proactiveWhileHeld: z.enum(['draft', 'deliver']).optional(),
  cancelPhrases: z.array(z.string().min(1)).optional(),
  timers: timers.optional(),
  texts: texts.optional(),
});

const person = z.strictObject({
  id,
  name: z.string().min(1).optional(),
  roles: z
    .array(z.enum(['agent', 'supervisor', 'administrator']))
    .min(1)
    .optional(),
  capacity: z.number().int().min(0).max(10_000).optional().describe('Units of work at once; 1 for agents unless set.'),
});

const configuration = z.strictObject({
  bots: z.array(bot).optional(),
  queues: z.array(queue).optional(),
  workStreams: z.array(workStream).min(1, 'name at least one work stream'),
  people: z.array(person).optional(),
  defaultQueue: z.string().optional().describe('Takes what neither a rule nor a fallback queue takes.'),
});

/** handoff.yaml as it is written: short, with defaults left out. */
export type Configuration = z.infer<typeof configuration>;

/** The published JSON Schema of handoff.yaml. */
export function configurationSchema(): unknown {
  return z.toJSONSchema(configuration, { io: 'input', unrepresentable: 'any' });
}

/**
 * Reads the text of a handoff.yaml.
 * @throws ConfigError naming every fault with its line and what to write instead.
 */
export function readConfiguration(text: string, fileName = 'handoff.yaml'): Configuration {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  if (document.errors.length > 0)
    throw new ConfigError(
      document.errors.map((error) => `${fileName}:${lines.linePos(error.pos[0]).line}: ${firstLine(error.message)}`),
    );
  const where = (path: readonly PropertyKey[]) => `${fileName}:${lineOf(document.contents, path, lines)}`;
  return checked(document.toJS() as unknown, (path, message) => `${where(path)}: ${nameOf(path)}${message}`);
}

/** Checks a configuration that is an object already (`createHub({configuration: {…}})`, or one kept in a store). */
export function checkConfiguration(value: unknown): Configuration {
  return checked(value, (path, message) => `${nameOf(path)}${message}`);
}

/** What is allowed but probably not meant: rules on names that no work stream declares, queues nobody serves. */
export function warningsOf(config: Configuration): string[] {
  const warnings: string[] = [];
  const directory = directoryOf(config, 0);
  for (const stream of config.workStreams) {
    const declared = new Set(directory.workStreams[stream.id]?.context.map(({ name }) => storedName(name)));
    for (const name of new Set((stream.rules ?? []).flatMap(({ when }) => conditionNames(when))))
      if (!declared.has(storedName(name)))
        warnings.push(
          `work stream ${stream.id}: a rule reads "${name}", which its context does not declare; it is compared in the type it arrives in`,
        );
  }
  for (const { id: queueId, members } of config.queues ?? [])
    if (members.length === 0)
      warnings.push(
        `queue ${queueId} has no members: rules and fallbacks that lead there are passed over until it has`,
      );
  return warnings;
}

/** The configuration with every default filled in, as decisions read it. */
export function directoryOf(config: Configuration, version: number): Directory {
  // Without a prototype: ids come from outside, and nobody is called `constructor` who is not in the configuration.
  const keyed = <T extends { id: string }>(items: readonly T[]): Record<string, T> =>
    Object.assign(Object.create(null) as Record<string, T>, Object.fromEntries(items.map((item) => [item.id, item])));
  const bots = keyed((config.bots ?? []).map(botOf));
  const queues = keyed(
    (config.queues ?? []).map((one): Queue => ({
      method: 'highestCapacity',
      ...defined(one),
      name: one.name ?? one.id,
    })),
  );
  const declared = (stream: WorkStream): WorkStream => {
    const named = [...stream.rules.map((one) => one.queue), stream.fallbackQueue ?? config.defaultQueue];
    const isOpen = named.at(-1) === undefined;
    const leadsTo = isOpen ? Object.values(queues) : named.map((name) => queues[name as string]);
    return { ...stream, context: withBotVariables(stream.context, leadsTo, bots) };
  };
  return {
    version,
    bots,
    queues,
    people: keyed(
      (config.people ?? []).map((one): Person => {
        const roles = one.roles ?? ['agent'];
        return {
          id: one.id,
          name: one.name ?? one.id,
          roles,
          capacity: one.capacity ?? (roles.includes('agent') ? 1 : 0),
        };
      }),
    ),
    workStreams: keyed(config.workStreams.map((one) => declared(workStreamOf(one)))),
    ...(config.defaultQueue === undefined ? {} : { defaultQueue: config.defaultQueue }),
  };
}

function workStreamOf(one: Configuration['workStreams'][number]): WorkStream {
  const { timers: given = {}, texts: words = {}, context = [], rules = [], ...plain } = one;
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
    texts: { ...DEFAULT_TEXTS, ...defined(words) },
  };
}

function checked(value: unknown, say: (path: readonly PropertyKey[], message: string) => string): Configuration {
  const parsed = configuration.safeParse(value ?? {});
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map((issue) => say(issue.path, issue.message)));
  const faults = faultsOf(parsed.data).map(({ path, message }) => say(path, message));
  if (faults.length > 0) throw new ConfigError(faults);
  return parsed.data;
}

interface Fault {
  path: PropertyKey[];
  message: string;
}

/** What a schema cannot say: names that must exist and must be unique. */
function faultsOf(config: Configuration): Fault[] {
  const faults: Fault[] = [];
  const bots = config.bots ?? [];
  const people = config.people ?? [];
  const queues = config.queues ?? [];
  const queueIds = new Set(queues.map((one) => one.id));
  const members = new Set([...bots, ...people].map((one) => one.id));
  const list = (names: Iterable<string>) => [...names].join(', ') || 'none';
  const unique = (kind: string, items: readonly { id: string }[], taken = new Set<string>()) => {
    for (const [index, one] of items.entries()) {
      if (taken.has(one.id))
        faults.push({ path: [kind, index, 'id'], message: `"${one.id}" is taken already; ids must differ` });
      taken.add(one.id);
    }
    return taken;
  };
  // A queue's members name bots and people alike, so they share one set of ids.
  unique('people', people, unique('bots', bots));
  unique('queues', queues);
  unique('workStreams', config.workStreams);
  const needQueue = (path: PropertyKey[], name: string | undefined) => {
    if (name !== undefined && !queueIds.has(name))
      faults.push({ path, message: `there is no queue "${name}"; the queues are ${list(queueIds)}` });
  };
  for (const [index, one] of queues.entries())
    for (const [position, member] of one.members.entries())
      if (!members.has(member))
        faults.push({
          path: ['queues', index, 'members', position],
          message: `there is no bot or person "${member}"; there are ${list(members)}`,
        });
  const streams = config.workStreams.map((one) => one.id);
  for (const [index, { relay }] of bots.entries())
    if (relay?.workStream !== undefined && !streams.includes(relay.workStream))
      faults.push({
        path: ['bots', index, 'relay', 'workStream'],
        message: `there is no work stream "${relay.workStream}"; there are ${list(streams)}`,
      });
  for (const [index, stream] of config.workStreams.entries()) {
    needQueue(['workStreams', index, 'fallbackQueue'], stream.fallbackQueue);
    for (const [position, one] of (stream.rules ?? []).entries())
      needQueue(['workStreams', index, 'rules', position, 'queue'], one.queue);
  }
  needQueue(['defaultQueue'], config.defaultQueue);
  return faults;
}

/** The line of the value at `path`, or of the nearest thing around it that is there. */
function lineOf(contents: unknown, path: readonly PropertyKey[], lines: LineCounter): number {
  let node = contents;
  let at = 0;
  for (const step of path) {
    const items = (node as { items?: unknown[] } | null)?.items;
    if (items === undefined) break;
    const next = isMap(node)
      ? items.find((pair) => isPair(pair) && isScalar(pair.key) && pair.key.value === step)
      : items[step as number];
    if (next === undefined) break;
    const key = isPair(next) ? next.key : next;
    at = (key as { range?: [number, number, number] }).range?.[0] ?? at;
    node = isPair(next) ? next.value : next;
  }
  return lines.linePos(at).line;
}

function nameOf(path: readonly PropertyKey[]): string {
  if (path.length === 0) return '';
  return `${path
    .map((step) => (typeof step === 'number' ? `[${step + 1}]` : `.${String(step)}`))
    .join('')
    .slice(1)}: `;
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? text;
}

/** Without the fields that are undefined: a spread must not overwrite a default with nothing. */
function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
