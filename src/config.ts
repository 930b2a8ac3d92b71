// handoff.yaml and the environment → what the program runs on; every default with its unit, every fault with its line and cure.

import { isMap, isPair, isScalar, LineCounter, parseDocument, type Document, type YAMLParseError } from 'yaml';
import * as z from 'zod';
import { bot, botOf, id } from './config/bots.js';
import { withBotVariables } from './core/copilotStudio.js';
import type { Directory, Person, Queue, WorkStream } from './core/directory.js';
import { peopleOf } from './core/routing.js';
import { ConfigError } from './errors.js';
import { nameFaults, type Fault } from './config/names.js';
import { skills } from './config/skills.js';
import { syntaxWordsOf, wordsOf } from './config/wording.js';
import { defined, workStream, workStreamOf, workStreamWarnings } from './config/workStreams.js';

// ---------------------------------------------------------------------------------------------------------- handoff.yaml

const queue = z.strictObject({
  id,
  name: z.string().min(1).optional(),
  members: z.array(z.string()).describe('Ids of people and bots.'),
  method: z.enum(['highestCapacity', 'roundRobin', 'longestIdle']).optional(),
});

const person = z.strictObject({
  id,
  name: z.string().min(1).optional(),
  roles: z
    .array(z.enum(['agent', 'supervisor', 'administrator']))
    .min(1)
    .optional(),
  capacity: z.number().int().min(0).max(10_000).optional().describe('Units of work at once; 1 for agents unless set.'),
  skills: skills.describe('What rules can require, such as languages; compared exactly.').optional(),
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
    throw new ConfigError(syntaxFaults(document.errors, (at) => `${fileName}:${lines.linePos(at).line}`));
  const where = (path: readonly PropertyKey[]) => `${fileName}:${lineOf(document.contents, path, lines)}`;
  return checked(valueOf(document, fileName), (path, message) => `${where(path)}: ${nameOf(path)}${message}`);
}

/** The first of each line: more there are its consequences. */
function syntaxFaults(errors: readonly YAMLParseError[], lineAt: (position: number) => string): string[] {
  const lines = new Map<string, string>();
  for (const error of errors) {
    const line = lineAt(error.pos[0]);
    if (!lines.has(line)) lines.set(line, `${line}: ${syntaxWordsOf(error)}`);
  }
  return [...lines.values()];
}

function valueOf(document: Document, fileName: string): unknown {
  try {
    return document.toJS() as unknown;
  } catch (error) {
    // Only what aliases stand for is found so late.
    const why = error instanceof Error ? firstLine(error.message) : String(error);
    throw new ConfigError([`${fileName}: ${why}. Write out what the aliases (*name) stand for.`]);
  }
}

/** Checks a configuration that is an object already (`createHub({configuration: {…}})`, or one kept in a store). */
export function checkConfiguration(value: unknown): Configuration {
  return checked(value, (path, message) => `${nameOf(path)}${message}`);
}

/** What is allowed but probably not meant: rules on names that no work stream declares, queues nobody serves. */
export function warningsOf(config: Configuration): string[] {
  const warnings: string[] = [];
  const directory = directoryOf(config, 0);
  const peopleIds = new Set((config.people ?? []).filter(canServe).map((one) => one.id));
  const hasPeople = (config.queues ?? []).some(({ members }) => members.some((member) => peopleIds.has(member)));
  const hasSkilled = (queueId: string, required: readonly string[]) => {
    const named = directory.queues[queueId];
    return named !== undefined && peopleOf(named, directory, required).length > 0;
  };
  for (const stream of config.workStreams) {
    const variables = directory.workStreams[stream.id]?.context ?? [];
    warnings.push(...workStreamWarnings(stream, { bots: config.bots ?? [], hasPeople, hasSkilled, variables }));
  }
  for (const { id: queueId, members } of config.queues ?? [])
    if (members.length === 0)
      warnings.push(
        `queue ${queueId} has no members: rules and fallbacks that lead there are passed over until it has`,
      );
  return warnings;
}

/** What decisions go by under a configuration that a store has kept. @throws ConfigError when this release cannot read it. */
export function keptDirectory({ document, version }: { document: unknown; version: number }): Directory {
  return directoryOf(checkConfiguration(document), version);
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
        const { id: personId, name = personId, roles = ['agent'] } = one;
        return { id: personId, name, roles, capacity: capacityOf(one), ...defined({ skills: one.skills }) };
      }),
    ),
    workStreams: keyed(config.workStreams.map((one) => declared(workStreamOf(one)))),
    ...(config.defaultQueue === undefined ? {} : { defaultQueue: config.defaultQueue }),
  };
}

type PersonEntry = z.infer<typeof person>;

function capacityOf({ capacity, roles = ['agent'] }: PersonEntry): number {
  return capacity ?? (roles.includes('agent') ? 1 : 0);
}

function canServe(one: PersonEntry): boolean {
  return capacityOf(one) > 0;
}

function checked(value: unknown, say: (path: readonly PropertyKey[], message: string) => string): Configuration {
  const parsed = configuration.safeParse(value ?? {}, { error: wordsOf });
  const issues: Fault[] = parsed.error?.issues ?? [];
  const faults = [...issues, ...nameFaults(value)];
  if (parsed.success && faults.length === 0) return parsed.data;
  throw new ConfigError(faults.map(({ path, message }) => say(path, message)));
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
