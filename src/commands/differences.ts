// What a configuration file would change, one line for each bot, queue, work stream and person.

import { isDeepStrictEqual } from 'node:util';
import type { Configuration } from '../config.js';
import { isObject } from '../core/context.js';

/** Fields of one thing that are told; the rest are counted. */
const FIELDS = 8;
/** Characters of a value. */
const VALUE = 60;

/** `+` comes, `-` goes, `~` changes: then with its fields, each as it is in force and as the file has it. */
export function differences(before: Record<string, unknown>, after: Configuration): string[] {
  const changes: string[] = [];
  const keyed = (value: unknown) =>
    new Map((Array.isArray(value) ? (value as { id: string }[]) : []).map((item) => [item.id, item]));
  for (const kind of ['bots', 'queues', 'workStreams', 'people'] as const) {
    const was = keyed(before[kind]);
    const is = keyed(after[kind]);
    for (const [id, item] of is) {
      if (!was.has(id)) changes.push(`+ ${kind} ${id}`);
      else if (!isDeepStrictEqual(was.get(id), item))
        changes.push(`~ ${kind} ${id}: ${shortened(changed(was.get(id), item, ''))}`);
    }
    for (const id of was.keys()) if (!is.has(id)) changes.push(`- ${kind} ${id}`);
  }
  const { defaultQueue } = after;
  if (before['defaultQueue'] !== defaultQueue)
    changes.push(`~ defaultQueue: ${shown(before['defaultQueue'])} → ${shown(defaultQueue)}`);
  return changes;
}

function shortened(fields: readonly string[]): string {
  const rest = fields.length - FIELDS;
  return [...fields.slice(0, FIELDS), ...(rest > 0 ? [`and ${rest} more`] : [])].join('; ');
}

function changed(was: unknown, is: unknown, path: string): string[] {
  if (isDeepStrictEqual(was, is)) return [];
  if (isObject(was) && isObject(is)) {
    const fields = new Set([...Object.keys(was), ...Object.keys(is)]);
    // Not what every object inherits: a setting may be called valueOf.
    const own = (of: Record<string, unknown>, field: string) => (Object.hasOwn(of, field) ? of[field] : undefined);
    return [...fields].flatMap((field) =>
      changed(own(was, field), own(is, field), path === '' ? field : `${path}.${field}`),
    );
  }
  if (Array.isArray(was) && Array.isArray(is)) return changedList(was, is, path);
  return [`${path} ${shown(was)} → ${shown(is)}`];
}

/** Between what begins and what ends both lists alike. */
function changedList(was: readonly unknown[], is: readonly unknown[], path: string): string[] {
  let head = 0;
  while (head < Math.min(was.length, is.length) && isDeepStrictEqual(was[head], is[head])) head += 1;
  let tail = 0;
  while (tail < Math.min(was.length, is.length) - head && isDeepStrictEqual(was.at(-1 - tail), is.at(-1 - tail)))
    tail += 1;
  const gone = was.slice(head, was.length - tail);
  const come = is.slice(head, is.length - tail);
  const at = (index: number) => `${path}[${head + index + 1}]`;
  if (gone.length === come.length && [...gone, ...come].every(isObject))
    return gone.flatMap((item, index) => changed(item, come[index], at(index)));
  return [
    ...gone.map((item, index) => `${at(index)} - ${shown(item)}`),
    ...come.map((item, index) => `${at(index)} + ${shown(item)}`),
  ];
}

function shown(value: unknown): string {
  if (value === undefined) return 'not set';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > VALUE ? `${text.slice(0, VALUE - 1)}…` : text;
}
